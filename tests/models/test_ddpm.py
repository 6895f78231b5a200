"""DDPM: its samplers against the papers, its bound in closed form, its networks, its averages."""

import dataclasses
import itertools
import math
import re
import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kernels
from autograd import no_grad
from models import data
from models.data import Dataset
from models.data.ring import ring
from models.diffusion.ddpm import DDPM
from models.diffusion.ddpm_page import DDPMPage
from models.diffusion.ddpm_report import DDPMReport
from models.diffusion.ddpm_settings import DEFAULTS, Settings
from models.diffusion.gaussian_diffusion import OBJECTIVES
from models.diffusion.networks import FEATURES, UNet, sinusoids, with_angles
from models.errors import UsageError
from models.files import read_arrays, write_arrays

ROOT = Path(__file__).parents[2]
TINY = Settings(T=20, network="mlp", width=8, depth=1)
SHAPE = (4, 4)


def make(settings=TINY, shape=SHAPE, levels=17, classes=0, seed=0, **changes):
    settings = dataclasses.replace(settings, **changes)
    return DDPM(settings, shape, levels, np.random.default_rng(seed), classes)


def awake(model, seed=1):
    """With the layers that start at 0 given something to say, in the averages as well."""
    rng = np.random.default_rng(seed)
    for name, p in model.network.parameters().items():
        p.data[...] += 0.1 * rng.standard_normal(p.shape)
        model.ema.average[name][...] = p.data
    return model


def pixels(n=3, levels=17, seed=0):
    grey = np.random.default_rng(seed).integers(levels, size=(n, math.prod(SHAPE)))
    return (grey / (levels - 1)).astype(np.float32)


# Sampling


def walk(model, seed=3, n=4, labels=None):
    with no_grad(), model.ema.applied():
        return [x for _, x in model.sampler(labels).chain(n, np.random.default_rng(seed))]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_ddim_with_eta_1_is_ancestral(objective):
    ancestral, ddim = (
        awake(make(sampler=sampler, eta=1.0, objective=objective)) for sampler in ("ddpm", "ddim")
    )
    np.testing.assert_allclose(walk(ancestral), walk(ddim), rtol=1e-6)


def test_a_step_of_ddim_as_printed():
    """Song et al. 2021, eq. 12 and 16."""
    model, rng = awake(make(sampler="ddim", eta=0.0)), np.random.default_rng(0)
    x_t, t, s = rng.standard_normal((3, 16)).astype(np.float32), 15, 8
    with no_grad(), model.ema.applied():
        x_0 = model.denoise(x_t, np.full(3, t), None)
        found = model.sampler(None).step(x_t, t, s, rng)
    now, then = model.diffusion.alpha_bar[[t, s]]
    eps = (x_t - math.sqrt(now) * x_0) / math.sqrt(1 - now)
    np.testing.assert_allclose(
        found, math.sqrt(then) * x_0 + math.sqrt(1 - then) * eps, rtol=1e-5, atol=1e-6
    )


def test_ddim_with_eta_0_depends_on_its_start_alone():
    model, x = awake(make(sampler="ddim")), pixels()
    a, b = (model.sampler(None).step(x, 9, 4, np.random.default_rng(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(a, b)
    ancestral = awake(make())
    a, b = (ancestral.sampler(None).step(x, 9, 4, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.allclose(a, b)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", [1, 2, 7, 19, 20, 0])
def test_any_number_of_steps(sampler, steps):
    model, rng = make(sampler=sampler, sampling_steps=steps), np.random.default_rng(0)
    times = [t for t, _ in model.sampler(None).chain(1, rng)]
    assert (times[0], times[-1], len(times)) == (20, 0, (steps or 20) + 1)
    assert all(a > b for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("how", [{"variance": "small"}, {"variance": "large"}, {"sampler": "ddim"}])
def test_samples_of_the_best_network_are_the_data(how, monkeypatch):
    """x_0 ~ N(m, s^2): with E[x_0|x_t] for the network, so do the samples."""
    m, s = 0.3, 0.2
    model = make(TINY, (2,), 0, T=200, **how)
    exact(model, monkeypatch, m, s)
    x = walk(model, n=20_000)[-1]
    assert x.mean() == pytest.approx(m, abs=0.01)
    assert x.std() == pytest.approx(s, rel=0.05)


def test_pictures_are_in_range_and_repeatable():
    model = awake(make())
    a, b = (model.sample(7, np.random.default_rng(5)) for _ in range(2))
    assert a.shape == (7, *SHAPE)
    assert 0 <= a.min() <= a.max() <= 1
    np.testing.assert_array_equal(a, b)


def test_guidance():
    """w = 0 is conditional, w = -1 unconditional, and w = 1 as far again from that; in eps."""
    settings = dataclasses.replace(TINY, conditional=True, objective="epsilon")
    model, t, labels = awake(make(settings, (4, 4), 0, classes=3)), np.full(3, 12), np.arange(3)
    x_t = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    with no_grad():
        eps = {w: model.predict(x_t, t, labels).data for w in (0.0,)}
        null = model.predict(x_t, t, None).data
        conditional, without, guided = (model.denoise(x_t, t, labels, w) for w in (0.0, -1.0, 1.0))
    back = [
        model.diffusion.x_0_from("epsilon", e, x_t, t)
        for e in (eps[0.0], null, 2 * eps[0.0] - null)
    ]
    for found, expected in zip((conditional, without, guided), back):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(conditional, without)
    plain = awake(make(settings, classes=3))
    zero = awake(make(dataclasses.replace(settings, guidance=0.0), classes=3))
    np.testing.assert_array_equal(walk(plain, labels=labels, n=3), walk(zero, labels=labels, n=3))


# The bound


def exact(model, monkeypatch, m, s):
    """E[x_0|x_t] of x_0 ~ N(m, s^2) in place of the network."""
    d = model.diffusion

    def denoise(x_t, t, labels, guidance=0.0):
        root, noise = np.sqrt(d.alpha_bar[t])[:, None], d.noise[t][:, None]
        return m + root * s**2 / (root**2 * s**2 + noise) * (x_t - root * m)

    monkeypatch.setattr(model, "denoise", denoise)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_bound_of_the_best_network_on_gaussian_data(variance, monkeypatch):
    """Every term in closed form, for D = 1 and x_0 ~ N(m, s^2).

    With the error E(x_0 - E[x_0|x_t])^2 = s^2 (1 - abar) / (abar s^2 + 1 - abar), each KL is
    that error times on_x_0^2 / 2 sigma^2, and the constant of the two variances.
    """
    m, s = 0.3, 0.2
    model = make(TINY, (1,), 0, T=30, variance=variance, schedule="linear")
    model.center.data[...], model.scale.data[...] = 0, 1
    exact(model, monkeypatch, m, s)
    rng = np.random.default_rng(0)
    x = (m + s * rng.standard_normal((40_000, 1))).astype(np.float32)
    found = {name: float(v.mean()) for name, v in model.bound(x, rng, None).items()}

    d, total = model.diffusion, 0.0
    alphas = 1 - d.beta
    for t in range(2, 31):
        abar, before = np.prod(alphas[: t + 1]), np.prod(alphas[:t])
        tilde = (1 - before) / (1 - abar) * d.beta[t]
        sigma2 = tilde if variance == "small" else d.beta[t]
        error = s**2 * (1 - abar) / (abar * s**2 + 1 - abar)
        on_x_0 = math.sqrt(before) * d.beta[t] / (1 - abar)
        total += on_x_0**2 * error / (2 * sigma2) + 0.5 * (
            tilde / sigma2 - 1 - math.log(tilde / sigma2)
        )
    abar = np.prod(alphas)
    prior = 0.5 * (abar * (s**2 + m**2) - abar - math.log(1 - abar))
    sigma2 = d.beta[1]
    if variance == "small":  # that of t = 2, since beta tilde of t = 1 is 0
        sigma2 = d.beta[1] * d.beta[2] / (1 - np.prod(alphas[:3]))
    error = s**2 * d.beta[1] / ((1 - d.beta[1]) * s**2 + d.beta[1])
    decoder = 0.5 * (error / sigma2 + math.log(2 * math.pi * sigma2))
    assert found["prior"] == pytest.approx(prior, abs=1e-5)
    assert found["steps"] == pytest.approx(total, rel=0.01)
    assert found["decoder"] == pytest.approx(decoder, abs=0.02)
    entropy = 0.5 * math.log(2 * math.pi * math.e * s**2)
    assert found["nll"] > entropy - 0.01


def test_prior_of_a_schedule_that_leaves_signal():
    """KL(N(sqrt(abar) x_0, 1 - abar) || N(0, 1)), summed over the pixels."""
    with pytest.warns(UserWarning, match="alpha_bar_T"):
        model = make(T=5, schedule="linear", beta_start=0.01, beta_end=0.02)
    x, abar = pixels(), model.diffusion.alpha_bar[-1]
    expected = 0.5 * (abar * (2 * x - 1) ** 2 + (1 - abar) - 1 - math.log(1 - abar)).sum(1)
    found = model.bound(x, np.random.default_rng(0), None)["prior"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_bound_tightens_to_the_entropy(monkeypatch):
    """As T grows the bound of the best network becomes -log p."""
    m, s = 0.0, 0.5
    entropy = 0.5 * math.log(2 * math.pi * math.e * s**2)
    gaps = []
    for T in (10, 100, 1000):
        model = make(TINY, (1,), 0, T=T, variance="large")
        model.center.data[...], model.scale.data[...] = 0, 1
        exact(model, monkeypatch, m, s)
        rng = np.random.default_rng(0)
        x = (m + s * rng.standard_normal((2000, 1))).astype(np.float32)
        gaps.append(float(model.bound(x, rng, None)["nll"].mean()) - entropy)
    assert gaps[0] > gaps[1] > gaps[2]
    assert abs(gaps[2]) < 0.05


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_drawn_terms_estimate_all_of_them(levels):
    """Unbiased: over many copies of one image, a few terms each have the mean of all."""
    model = awake(make(levels=levels))
    x = np.repeat(pixels(1, levels), 1500, axis=0)
    few = model.bound(x, np.random.default_rng(0), None, 3)
    all_ = model.bound(x[:300], np.random.default_rng(1), None)
    deviation = few["steps"].std() / math.sqrt(1500) + all_["steps"].std() / math.sqrt(300)
    assert abs(few["steps"].mean() - all_["steps"].mean()) < 4 * deviation
    for name in ("nll", "prior", "steps", "decoder"):
        assert few[name].shape == (1500,)
    np.testing.assert_allclose(few["nll"], few["prior"] + few["steps"] + few["decoder"])


def test_a_chain_of_one_step_has_a_bound():
    model = make(T=1)
    found = model.bound(pixels(), np.random.default_rng(0), None)
    assert np.isfinite(found["nll"]).all()
    assert (found["steps"] == 0).all()


# Learning


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("network", ["mlp", "unet"])
def test_every_objective_trains(objective, network):
    changes = {"objective": objective, "network": network, "fourier": network == "unet"}
    model = make(TINY, resolutions=1, learning_rate=1e-2, **changes)
    optimizers, x = model.optimizers(1000), np.repeat(pixels(1), 20, axis=0)
    losses = []
    for i in range(60):
        losses.append(model.update(x, np.random.default_rng(i), 0, None, optimizers)["loss"])
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:3])


def test_times_are_equally_likely(monkeypatch):
    model, seen = make(T=20), np.zeros(21)
    predict = model.predict
    monkeypatch.setattr(
        model, "predict", lambda x, t, labels: (np.add.at(seen, t, 1), predict(x, t, labels))[1]
    )
    for i in range(1000):
        model.loss(pixels(7), np.random.default_rng(i))
    assert seen[0] == 0
    np.testing.assert_allclose(seen[1:] / seen.sum(), 1 / 20, rtol=0.15)


def test_labels_are_dropped_at_their_rate(monkeypatch):
    model, seen = make(conditional=True, drop=0.25, classes=3), []
    predict = model.predict
    monkeypatch.setattr(
        model, "predict", lambda x, t, labels: (seen.extend(labels), predict(x, t, labels))[1]
    )
    for i in range(40):
        model.loss(pixels(50), np.random.default_rng(i), labels=np.full(50, 1))
    assert set(seen) == {1, 3}
    assert seen.count(3) / len(seen) == pytest.approx(0.25, abs=0.04)


def test_averages_survive_a_checkpoint(tmp_path):
    """And going on from there is going on as it would have gone."""
    model, x = make(ema=0.9), pixels(20)
    optimizers = model.optimizers(10)
    for i in range(5):
        model.update(x, np.random.default_rng(i), 0, None, optimizers)
    write_arrays(tmp_path / "c", model.state(), {})
    other = make(ema=0.9, seed=9)
    other.load_state(read_arrays(tmp_path / "c")[0])
    theirs = other.optimizers(10)
    theirs["adam"].load_state(optimizers["adam"].state())
    rng = np.random.default_rng
    np.testing.assert_array_equal(model.sample(3, rng(0)), other.sample(3, rng(0)))
    for which, its in ((model, optimizers), (other, theirs)):
        which.update(x, rng(5), 0, None, its)
    np.testing.assert_array_equal(model.sample(3, rng(0)), other.sample(3, rng(0)))
    name = "output.weight"
    assert not np.allclose(model.ema.average[name], model.network.output.weight.data)


def test_averages_follow_the_weights_and_the_device(monkeypatch):
    """a <- d a + (1 - d) p with d = min(decay, (1 + t) / (10 + t)), after a move too, as saved."""
    model = make(ema=0.75)
    monkeypatch.setattr("autograd.module.to_device", lambda array, device: array.copy())
    model.to("cpu")
    weight, optimizers = model.network.output.weight, model.optimizers(9)
    optimizers["adam"].steps = 24
    for d in (25 / 34, 26 / 35, 0.75):
        before = model.state()["average.output.weight"].copy()
        model.update(pixels(), np.random.default_rng(0), 0, None, optimizers)
        after = model.state()["average.output.weight"]
        np.testing.assert_allclose(after, d * before + (1 - d) * weight.data, rtol=1e-5)
        assert not np.array_equal(before, after)


def test_samples_and_bound_are_of_the_averages():
    model, rng = awake(make()), np.random.default_rng
    samples, bound = model.sample(3, rng(0)), model.bound(pixels(), rng(0), None)
    for p in model.network.parameters().values():
        p.data[...] = np.nan
    np.testing.assert_array_equal(model.sample(3, rng(0)), samples)
    np.testing.assert_array_equal(model.bound(pixels(), rng(0), None)["nll"], bound["nll"])


# The networks


@kernels.use("reference")  # which needs no compiling for float64
def test_gradient_of_the_unets_loss():
    """Every weight moved at once, each its own way: the slope is the gradient's share of that."""
    rng = np.random.default_rng(0)
    network = UNet(Settings(T=20, width=4, resolutions=2), FEATURES, (4, 4), 2, rng)
    for tensor in network.tensors().values():
        tensor.data = tensor.data + 0.1 * rng.standard_normal(tensor.shape)  # now in float64
    x, t, labels = rng.standard_normal((2, FEATURES, 16)), np.array([3, 17]), np.array([0, 2])
    (network(x, t, labels) ** 2).mean().backward()
    weights = network.parameters()
    for _ in range(3):
        ways = {name: rng.standard_normal(p.shape) for name, p in weights.items()}
        values = []
        for distance in (-1e-5, 1e-5):
            for name, way in ways.items():
                weights[name].data += distance * way
            values.append((network(x, t, labels) ** 2).mean().item())
            for name, way in ways.items():
                weights[name].data -= distance * way
        slope = sum((p.grad.data * ways[name]).sum() for name, p in weights.items())
        assert (values[1] - values[0]) / 2e-5 == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (9, 6), (5, 7, 3)])
def test_unet_against_pytorch(shape):
    """Which takes planes, all features of R, G and B in turn; odd sides are cut when doubled."""
    torch = pytest.importorskip("torch")
    forward = runpy.run_path(str(ROOT / "benchmarks" / "torch_unet.py"))["forward"]
    rng = np.random.default_rng(0)
    ours = UNet(Settings(T=100, width=8, resolutions=3), FEATURES, shape, 10, rng)
    for p in ours.parameters().values():
        p.data[...] += 0.1 * rng.standard_normal(p.shape)
    x = rng.standard_normal((5, FEATURES, math.prod(shape))).astype(np.float32)
    t, labels = np.array([1, 20, 50, 99, 100]), np.array([0, 3, 9, 10, 5])
    state = {name: torch.tensor(a) for name, a in ours.state().items()}
    height, width, channels = *shape[:2], math.prod(shape[2:])
    maps = np.moveaxis(x.reshape(5, FEATURES, height, width, channels), -1, 2)
    maps = torch.tensor(maps.reshape(5, FEATURES * channels, height, width))
    theirs = forward(state, maps, t, labels).numpy().reshape(5, channels, -1).swapaxes(1, 2)
    with no_grad():
        found = ours(x, t, labels).data
    np.testing.assert_allclose(found, theirs.reshape(5, -1), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_angles_go_once_around_from_level_to_level(levels):
    """Every level is at angle 0 of the first, and at 0 or pi of the second; noise hides both."""
    x_0 = np.linspace(-1, 1, levels, dtype=np.float32)[None]
    _, cos, sin, half_cos, half_sin = with_angles(0.9 * x_0, 0.81, 1e-9, levels)[0]
    np.testing.assert_allclose(cos, 1, atol=1e-3)
    np.testing.assert_allclose(half_cos, (-1.0) ** np.arange(levels), atol=1e-3)
    np.testing.assert_allclose([sin, half_sin], 0, atol=1e-3)
    _, cos, sin, *_ = with_angles(x_0 + 1 / (2 * (levels - 1)), 1.0, 1e-9, levels)[0]
    np.testing.assert_allclose([cos, sin], [0 * cos, 1 + 0 * sin], atol=1e-3)
    assert np.abs(with_angles(x_0, 1.0, 10.0, levels)[0, 1:]).max() < 1e-5


def test_time_embedding():
    """Ho et al.'s for T = 1000: sin and cos of t 10000^(-i / (half - 1)); other T are stretched."""
    table = sinusoids(1000, 8)
    angles = 137 * 10_000.0 ** (-np.arange(4) / 3)
    np.testing.assert_allclose(table[137], [*np.sin(angles), *np.cos(angles)], atol=1e-5)
    np.testing.assert_allclose(sinusoids(100, 8), table[::10], atol=1e-5)


# On data, and what is refused


def colours(shape=(9, 7, 3), levels=256):
    """Noise in two classes, of sides that cannot be halved."""
    rng = np.random.default_rng(0)
    images = rng.integers(levels, size=(110, *shape), dtype=np.uint8)
    labels = rng.integers(2, size=110)
    return Dataset("noise", levels, images[:60], images[60:], labels[:60], labels[60:], ("a", "b"))


@pytest.mark.parametrize(
    ("given_", "changes"),
    [
        (data.load("digits"), {"resolutions": 1}),
        (ring(train=500, test=100), {}),
        (colours(), {"resolutions": 3, "conditional": True, "fourier": True, "guidance": 1.0}),
        (colours(), {"network": "mlp"}),
    ],
)
def test_on_data(given_, changes):
    settings = dataclasses.replace(
        DEFAULTS.get(given_.name, DEFAULTS["pictures"]),
        width=8, depth=1, T=12, sampling_steps=5, **changes,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = DDPM.for_data(settings, given_, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    x, test = (given_.observe(part[:50], model.pixels, rng) for part in (given_.train, given_.test))
    labels = given_.train_labels[:50] if model.classes else None
    numbers = model.update(x, rng, 0, labels, model.optimizers(3))
    assert numbers.keys() == {"loss", "little_noise", "much_noise"}
    found, report = model.evaluate(test, rng), DDPMReport(model, given_)
    assert report.headline[0] in found
    assert all(np.isfinite(values).all() and values.shape == (50,) for values in found.values())
    assert report.pictures(test, rng).keys() == {"samples", "denoising", "steps"}
    means = {k: float(v.mean()) for k, v in model.evaluate(test[:5], rng, thorough=True).items()}
    assert report.rows(means)
    assert report.panels()
    assert model.sample(3, rng).shape == (3, *given_.image_shape)


# Codes, completing and classifying


def correlated(model, covariance, mean):
    """Its sampler with E[x_0|x_t] of x_0 ~ N(mean, covariance) in place of the network."""
    d = model.diffusion

    def denoise(x_t, t):
        signal, noise = d.alpha_bar[t[0]], d.noise[t[0]] * np.eye(len(mean))
        gain = math.sqrt(signal) * covariance @ np.linalg.inv(signal * covariance + noise)
        return mean + (x_t - math.sqrt(signal) * mean) @ gain.T

    return dataclasses.replace(model.sampler(None), denoise=denoise)


def test_completed_pixels_have_the_moments_of_the_rest_given_the_known():
    """Of three correlated pixels, the second given the others: what repeating a step is for."""
    model, n, known = make(TINY, (3,), 0, T=60, variance="large"), 4000, [True, False, True]
    correlation = 0.8 ** np.abs(np.subtract.outer(range(3), range(3)))
    mean, x_0 = np.array([0.1, -0.2, 0.0]), np.array([0.55, 9.0, -0.1])  # 9: it is not looked at
    on_known = correlation[1, ::2] @ np.linalg.inv(correlation[::2, ::2])
    expected = mean[1] + on_known @ (x_0 - mean)[::2]  # -0.03, where the mean is -0.2
    deviation = 0.3 * math.sqrt(1 - on_known @ correlation[::2, 1])
    errors = {}
    for resamplings in (1, 10):
        sampler = correlated(model, 0.3**2 * correlation, mean)
        settings = dataclasses.replace(model.settings, resamplings=resamplings)
        sampler = dataclasses.replace(sampler, settings=settings)
        x = sampler.complete(np.tile(x_0, (n, 1)), np.tile(known, (n, 1)), np.random.default_rng(0))
        np.testing.assert_array_equal(x[:, known], np.tile(x_0, (n, 1))[:, known])
        moments = np.array([x[:, 1].mean() - expected, x[:, 1].std() / deviation - 1])
        errors[resamplings] = np.abs(moments)
    assert (errors[10] < [0.015, 0.08]).all(), errors
    assert (errors[1] > [0.03, 0.15]).all(), errors


@pytest.mark.parametrize("by_image", [False, True])
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 3)])
def test_what_is_known_stays(shape, by_image):
    model, rng = awake(make(TINY, shape, resamplings=2)), np.random.default_rng(0)
    images = rng.random((3, *shape), dtype=np.float32)
    known = rng.random((3, *shape[:2]) if by_image else shape[:2]) < 0.5
    found, again = (model.complete(images, known, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(found, again)
    given_ = np.broadcast_to(known, (3, *shape[:2]))
    np.testing.assert_array_equal(found[given_], images[given_])
    assert (found[~given_] != images[~given_]).any()
    assert 0 <= found.min() <= found.max() <= 1


def test_codes_of_gaussian_data_are_its_standard_scores():
    """The equation leads x_0 ~ N(m, s^2) to (x_0 - m) / s, the nearer the more steps there are."""
    m, s, x_0 = 0.3, 0.2, np.linspace(-0.3, 0.9, 7)[:, None]
    errors = []
    for T in (50, 500):
        model = make(TINY, (1,), 0, T=T)
        sampler = correlated(model, np.array([[s**2]]), np.array([m]))
        x_T = sampler.encode(x_0)
        x_0_again = sampler.decode(x_T)
        errors.append(np.array([abs(x_T - (x_0 - m) / s).max(), abs(x_0_again - x_0).max()]))
    assert (errors[1] < [0.03, 0.01]).all()
    assert (errors[1] < 0.2 * errors[0]).all()


def test_codes_of_images_and_their_images():
    model = awake(make(TINY, (4, 4, 3), conditional=True, classes=2, T=200))
    x = np.random.default_rng(0).integers(17, size=(3, 48)).astype(np.float32) / 16
    for labels in (None, np.array([0, 1, 1])):
        z = model.codes(x, labels)
        assert (z.shape, z.dtype) == ((3, 48), np.float32)
        back = model.decode_codes(z, np.random.default_rng(0), labels)
        np.testing.assert_allclose(back.reshape(3, -1), x, atol=0.05)
    assert not np.allclose(model.codes(x), z)
    with pytest.raises(UsageError, match="class 2"):
        model.codes(x, np.full(3, 2))


def test_a_conditional_model_classifies():
    """By the least bound, of the same noise and times for each class: the differences are small."""
    digits = data.load("digits")
    settings = Settings(
        T=30, network="mlp", width=128, depth=2, conditional=True, batch=100, learning_rate=3e-3,
        ema=0.99,
    )  # fmt: skip
    model = DDPM.for_data(settings, digits, np.random.default_rng(0))
    rng, optimizers = np.random.default_rng(1), model.optimizers(600)
    for _ in range(600):
        some = rng.integers(len(digits.train), size=100)
        x = digits.observe(digits.train[some], "levels", rng)
        model.update(x, rng, 0, digits.train_labels[some], optimizers)
    x, labels = digits.observe(digits.test[:100], "levels", rng), digits.test_labels[:100]

    def nll(label, seed):
        return model.evaluate(x, np.random.default_rng(seed), np.full(100, label))["nll"]

    best = np.argmin([nll(label, 0) for label in range(10)], axis=0)
    assert (best == labels).mean() > 0.6
    of_3, of_8 = ([nll(label, seed) for seed in range(8)] for label in (3, 8))
    common = np.subtract(of_3, of_8).std(0).mean()
    apart = np.subtract(of_3, np.roll(of_8, 1, axis=0)).std(0).mean()
    assert common < 0.6 * apart, (common, apart)


def test_points_are_learnt_in_units_of_their_own():
    """Moved and scaled points: the same model but for center and scale, and nats + log scale."""
    a = ring(train=500, test=50)
    b = dataclasses.replace(a, train=3 * a.train + 5, test=3 * a.test + 5)
    found = []
    for points in (a, b):
        model = DDPM.for_data(DEFAULTS["ring"], points, np.random.default_rng(0))
        found.append(model.bound(points.test, np.random.default_rng(0), None)["nll"])
    np.testing.assert_allclose(found[1], found[0] + 2 * math.log(3), rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"T": 0}, "T=0: must be 1 to 100000"),
        ({"schedule": "square"}, "schedule=square: choose one of linear, cosine"),
        ({"objective": "noise"}, "objective=noise: choose one of epsilon, x0, v"),
        ({"sampling_steps": 21}, "sampling_steps=21: there are T=20 steps to choose from"),
        ({"guidance": 1.0}, "guidance=1 needs a conditional model"),
        ({"beta_end": 0.5}, "beta_start and beta_end are of schedule=linear, not cosine"),
        ({"network": "unet", "width": 6}, "width=6: GroupNorm needs a multiple of 4"),
        ({"network": "unet", "resolutions": 4}, "resolutions=4: (4, 4) cannot be halved 3 times"),
        ({"schedule": "linear", "beta_end": 1.5}, "every beta must be between 0 and 1"),
        ({"schedule": "linear", "beta_start": -0.1}, "beta_start=-0.1: must be 0 to"),
        ({"eta": 1.5}, "eta=1.5: must be 0 to 1"),
        ({"drop": -0.1}, "drop=-0.1: must be 0 to 1"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        make(**changes)


def test_what_is_refused_of_classes_and_pixels():
    conditional = make(conditional=True, classes=3)
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="class 3: the classes are 0 to 2"):
        conditional.sample(2, rng, np.array([0, 3]))
    with pytest.raises(UsageError, match="class 7"):
        conditional.loss(pixels(2), rng, labels=np.array([0, 7]))
    with pytest.raises(UsageError, match="not conditional"):
        make().sample(2, rng, np.array([0, 1]))
    with pytest.raises(ValueError, match=r"pixels from .* must be in \[0, 1\]"):
        make().loss(2 * pixels() - 1, rng)
    with pytest.raises(ValueError, match=re.escape("this ddpm is for (4, 4)")):
        make().evaluate(np.zeros((1, 5), np.float32), rng)
    run = SimpleNamespace(directory="runs/x", model=make(TINY, (4, 4, 3)), settings=TINY)
    with pytest.raises(UsageError, match="runs/x: its images are in colour"):
        DDPMPage([run])
    with pytest.raises(UsageError, match="network=unet is for images"):
        DDPM.for_data(Settings(), ring(), rng)
    with pytest.raises(UsageError, match="conditional=yes: digits has no labels"):
        unlabelled = dataclasses.replace(data.load("digits"), train_labels=None, test_labels=None)
        DDPM.for_data(Settings(conditional=True, resolutions=1), unlabelled, rng)
