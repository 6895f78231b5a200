"""The Gaussians of a diffusion: by composition, by Bayes, and as the papers print them."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diffusion.ddpm import DDPM, Settings
from models.diffusion.gaussian_diffusion import (
    OBJECTIVES,
    GaussianDiffusion,
    cosine,
    linear,
    log_mass,
)
from models.diffusion.networks import with_angles

# The schedules


def test_linear_schedule_of_the_paper():
    d = GaussianDiffusion(linear(1000))
    assert d.alpha_bar[500] == pytest.approx(0.0786, abs=5e-5)
    assert d.alpha_bar[1000] == pytest.approx(4.036e-5, rel=1e-4)
    assert (d.beta[1], d.beta[1000]) == pytest.approx((1e-4, 0.02))


@pytest.mark.parametrize("steps", [50, 100, 400])
def test_scaling_by_1000_over_t_keeps_the_end(steps):
    d = GaussianDiffusion(linear(steps))
    assert d.alpha_bar[-1] < 4.1e-5
    assert (d.beta[1], d.beta[-1]) == pytest.approx((0.1 / steps, 20 / steps))


def test_cosine_schedule():
    """abar_t = f(t) / f(0), f(t) = cos^2((t/T + s)/(1 + s) pi/2), until beta is clipped."""
    d = GaussianDiffusion(cosine(1000))
    f = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
    np.testing.assert_allclose(d.alpha_bar[:999], (f / f[0])[:999], rtol=1e-9)
    assert d.beta.max() == 0.999


@pytest.mark.parametrize("betas", [linear(1000), cosine(50)])
def test_noise_does_not_cancel(betas):
    """1 - abar_t to all digits, from exact fractions."""
    d, kept = GaussianDiffusion(betas), Fraction(1)
    for t in range(1, 20):
        kept *= 1 - Fraction(betas[t - 1])
        assert d.noise[t] == pytest.approx(float(1 - kept), rel=1e-14)


@pytest.mark.parametrize(
    ("betas", "alpha_bar"),
    [(linear(400, 1e-4, 0.02), "0.0175"), (linear(100, 1e-4, 0.02), "0.364")],
)
def test_a_schedule_that_leaves_signal_is_warned_of(betas, alpha_bar):
    with pytest.warns(UserWarning, match=f"alpha_bar_T = {alpha_bar}"):
        GaussianDiffusion(betas)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("end", [0.2, 0.9])  # alpha_bar_T is 0 in float32, and in float64
def test_a_signal_that_underflows_makes_no_nan(end, objective):
    settings = Settings(
        T=1000, schedule="linear", beta_end=end, objective=objective, network="mlp", width=8,
        fourier=True, sampling_steps=7,
    )  # fmt: skip
    model, rng = DDPM(settings, (2, 2), 17, np.random.default_rng(0)), np.random.default_rng(0)
    x = rng.integers(0, 17, (16, 4)) / 16
    loss, _ = model.loss(x.astype(np.float32), rng)
    loss.backward()
    assert np.isfinite(loss.item())
    assert all(np.isfinite(p.grad.data).all() for p in model.parameters().values())
    assert np.isfinite(model.sample(3, rng)).all()
    assert np.isfinite(model.bound(x.astype(np.float32), rng, None, terms=40)["nll"]).all()
    last, x_t = np.full(2, 1000), np.float32([[0.0, 1.0], [-3.0, 2.0]])
    assert np.isfinite(model.diffusion.x_0_from(objective, x_t, x_t, last)).all()


def test_angles_fade_before_the_signal_is_gone():
    x_t, one = np.float32([[0.3, -2.0]]), np.ones((1, 1), np.float32)
    for signal in (0, 1e-30, 1e-12):
        angles = with_angles(x_t, np.float32(signal) * one, one, 17)
        np.testing.assert_array_equal(angles[:, 1:], 0)
    assert (with_angles(x_t, one, 1e-4 * one, 17)[:, 1:] != 0).all()


# Its Gaussians


def test_forward_by_composing_single_steps():
    """x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps, t times over."""
    betas = linear(60)
    d, factor, variance = GaussianDiffusion(betas), 1.0, 0.0
    for t, beta in enumerate(betas, 1):
        factor, variance = factor * math.sqrt(1 - beta), (1 - beta) * variance + beta
        x_0, zero = np.array([[1.0]]), np.array([[0.0]])
        assert d.q_sample(x_0, zero, np.array([t])).item() == pytest.approx(factor, rel=1e-12)
        assert d.q_sample(zero, x_0, np.array([t])).item() ** 2 == pytest.approx(
            variance, rel=1e-12
        )


@given(st.integers(2, 50), st.data())
def test_posterior_by_bayes_on_a_grid(t, draw):
    """q(x_s|x_t, x_0) is proportional to q(x_t|x_s) q(x_s|x_0): its moments."""
    d, s = GaussianDiffusion(cosine(60)), draw.draw(st.integers(1, t - 1))
    x_0, x_t = 0.7, -0.4
    alpha = d.alpha_bar[t] / d.alpha_bar[s]
    p = d.posterior(np.array([t]), np.array([s]))
    mean, sigma = (p.on_x_0 * x_0 + p.on_x_t * x_t).item(), math.sqrt(p.variance.item())
    x_s = mean + sigma * np.linspace(-9, 9, 4001)
    log = -((x_t - math.sqrt(alpha) * x_s) ** 2) / (2 * (1 - alpha))
    log -= (x_s - math.sqrt(d.alpha_bar[s]) * x_0) ** 2 / (2 * d.noise[s])
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    by_grid = weight @ x_s
    assert by_grid == pytest.approx(mean, abs=1e-6)
    assert weight @ (x_s - by_grid) ** 2 == pytest.approx(sigma**2, rel=1e-5)


def test_posterior_as_printed():
    """Ho et al. 2020, eq. 7."""
    d, t = GaussianDiffusion(linear(100)), np.arange(1, 101)
    p = d.posterior(t, t - 1)
    beta, noise, noise_before = d.beta[t], d.noise[t], d.noise[t - 1]
    np.testing.assert_allclose(p.on_x_0, np.sqrt(d.alpha_bar[t - 1]) * beta / noise, rtol=1e-9)
    np.testing.assert_allclose(p.on_x_t, np.sqrt(1 - beta) * noise_before / noise, rtol=1e-9)
    np.testing.assert_allclose(p.variance, noise_before / noise * beta, rtol=1e-9)


@given(st.floats(0, 1), st.integers(2, 50), st.data())
def test_every_eta_has_the_same_marginals(eta, t, draw):
    """x_t ~ q(x_t|x_0), then x_s ~ q(x_s|x_t, x_0): x_s ~ q(x_s|x_0) (DDIM, lemma 1)."""
    d, s = GaussianDiffusion(linear(50)), draw.draw(st.integers(0, t - 1))
    on_x_0, on_x_t, variance = d.posterior(np.array(t), np.array(s), eta)
    assert on_x_0 + on_x_t * math.sqrt(d.alpha_bar[t]) == pytest.approx(math.sqrt(d.alpha_bar[s]))
    assert on_x_t**2 * d.noise[t] + variance == pytest.approx(d.noise[s], rel=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_said_gives_the_image_back(objective):
    d, rng = GaussianDiffusion(cosine(40)), np.random.default_rng(0)
    x_0, eps, t = rng.uniform(-1, 1, (30, 5)), rng.standard_normal((30, 5)), np.arange(1, 31)
    x_t = d.q_sample(x_0, eps, t)
    output = d.target(objective, x_0, eps, t)
    np.testing.assert_allclose(d.x_0_from(objective, output, x_t, t), x_0, atol=1e-10)


def test_errors_in_the_three_objectives():
    """The x0 error is 1/SNR of the error in eps, that of v 1 + 1/SNR, as the loss says."""
    d, rng = GaussianDiffusion(cosine(40)), np.random.default_rng(0)
    x_0, eps, t = rng.uniform(-1, 1, (9, 5)), rng.standard_normal((9, 5)), np.arange(5, 14)
    x_t = d.q_sample(x_0, eps, t)
    wrong_eps = eps + 0.1
    wrong_x_0 = d.x_0_from("epsilon", wrong_eps, x_t, t)
    snr = np.repeat((d.alpha_bar[t] / d.noise[t])[:, None], 5, axis=1)
    np.testing.assert_allclose((wrong_x_0 - x_0) ** 2, 0.01 / snr)
    v = d.target("v", x_0, eps, t), d.target("v", wrong_x_0, wrong_eps, t)
    np.testing.assert_allclose((v[1] - v[0]) ** 2, 0.01 * (1 + 1 / snr))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_masses_of_the_levels_add_up_to_1(levels):
    grid = np.linspace(-1, 1, levels)[:, None]
    mean = np.array([-3.0, -1.0, -0.2, 0.013, 0.7, 1.0, 3.0])
    for sigma in (1e-3, 0.02, 0.5):
        log = log_mass(grid, mean, np.array(sigma), levels)
        assert not np.isnan(log).any()
        np.testing.assert_allclose(np.exp(log).sum(0), 1, rtol=1e-12)


def test_masses_far_away_are_still_told_apart():
    """Both bounds of a level are in one tail: the difference of two numbers near 0, or near 1."""
    mean, sigma = np.array([0.0]), np.array(0.01)
    log = log_mass(np.array([-0.75, 0.75]), mean, sigma, 17)
    nearest = 0.75 - 1 / 16
    tail = -0.5 * (nearest / 0.01) ** 2 - math.log(nearest / 0.01 * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(log, tail, rtol=1e-4)


def test_deviation_of_ddim_as_printed():
    """Song et al. 2021, eq. 16."""
    d, t, s, eta = GaussianDiffusion(linear(100)), 70, 31, 0.4
    now, then = d.alpha_bar[[t, s]]
    sigma = eta * math.sqrt((1 - then) / (1 - now)) * math.sqrt(1 - now / then)
    found = d.posterior(np.array(t), np.array(s), eta).variance
    assert math.sqrt(found) == pytest.approx(sigma)
