"""The VAE: numbers that can be checked by hand, and the identities that its bound obeys."""

import dataclasses
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import autograd as ag
import kernels
from autograd import Tensor, check, grad
from models import logistic
from models.autoencoders.vae import VAE
from models.autoencoders.vae_page import VAEPage
from models.autoencoders.vae_report import VAEReport
from models.autoencoders.vae_settings import DECODERS, DEFAULTS, Settings
from models.data import Dataset
from models.errors import UsageError
from models.outputs.interpolation import lerp, slerp

TINY = Settings(hidden=(6,), latent=1, pixels="fixed", activation="tanh")
GAUSSIAN = dataclasses.replace(TINY, decoder="gaussian", pixels="dequantised")
LOGISTIC = dataclasses.replace(TINY, decoder="logistic", pixels="levels")
CONV = dataclasses.replace(LOGISTIC, network="conv", hidden=(3, 4), activation="silu", latent=2)


def make(settings=TINY, shape=(2, 2), levels=2, seed=0):
    return VAE(settings, shape, levels, np.random.default_rng(seed))


def in_float64(model):
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    return model


# Numbers that can be checked by hand


@pytest.mark.parametrize(
    ("mu", "logvar", "kl"),
    [
        ([2.0], [2 * math.log(0.5)], 2.318147),
        ([1.2, -0.5, 0.8], [-1.1, -0.3, -2.0], 1.9695),
        ([1.5, -0.3], [-0.5, -1.0], 1.407205),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
    ],
)
def test_kl(mu, logvar, kl):
    _, ours = ag.reparameterize(Tensor(mu), Tensor(logvar), seed=0)
    assert ours.item() == pytest.approx(kl, abs=5e-5)


def test_kl_by_dimension():
    mu, logvar = Tensor([[1.2], [-0.5], [0.8]]), Tensor([[-1.1], [-0.3], [-2.0]])
    kl = ag.reparameterize(mu, logvar, seed=0)[1].data
    np.testing.assert_allclose(kl, [0.9364, 0.1454, 0.8877], atol=5e-5)


def test_reparameterisation():
    """z_2 would be -0.968 if sigma were rounded to three digits first."""
    mu, logvar, eps = Tensor([1.5, -0.3]), Tensor([-0.5, -1.0]), np.array([0.42, -1.10])
    z = mu + ag.exp(logvar / 2) * eps
    np.testing.assert_allclose(z.data, [1.827096, -0.967184], atol=5e-7)
    z, _ = ag.reparameterize(mu, logvar, seed=7)
    eps = kernels.normal((2,), seed=7, dtype=np.float64)
    np.testing.assert_allclose(z.data, (mu + ag.exp(logvar / 2) * eps).data)
    np.testing.assert_allclose(np.exp([-0.25, -0.5]), [0.779, 0.607], atol=5e-4)


def test_gradient_through_a_sample():
    """L = (mu + sigma eps - c)^2: dL/dmu = 2 (z - c), dL/dsigma = 2 (z - c) eps."""
    mu, sigma = (Tensor(v, requires_grad=True) for v in (0.7, 1.3))
    eps, c = 0.42, 2.0
    z = mu + sigma * eps
    d_mu, d_sigma = grad((z - c) ** 2, [mu, sigma])
    assert d_mu.item() == pytest.approx(2 * (z.item() - c))
    assert d_sigma.item() == pytest.approx(2 * (z.item() - c) * eps)


def test_midpoint():
    a, b = np.array([1.2, 0.8]), np.array([-0.4, -1.1])
    np.testing.assert_allclose(lerp(a, b, 3)[1], [0.4, -0.15])


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_a_loss_with_a_minus_has_exactly_the_opposite_gradient(beta):
    """`-(reconstruction + beta kl)` is the ELBO itself: minimising it unlearns."""
    model = make(dataclasses.replace(TINY, beta=beta))
    x = np.random.default_rng(1).integers(0, 2, (5, 4)).astype(np.float32)
    parameters = list(model.parameters().values())
    right, _ = model.loss(x, np.random.default_rng(2))
    reconstruction, kl = (term.mean() for term in model.terms(x, np.random.default_rng(2)))
    wrong = -(reconstruction + beta * kl)
    assert wrong.item() == -right.item()
    assert any(g.data.any() for g in grad(right, parameters, create_graph=True))
    for g, h in zip(grad(right, parameters), grad(wrong, parameters)):
        np.testing.assert_array_equal(g.data, -h.data)


# Identities


def exact_log_prob(model, x):
    """log p(x) by quadrature over a one-dimensional z: (N,)."""
    z = np.linspace(-8, 8, 4001)[:, None, None]
    log_joint = -model.reconstruction(x, z).data - 0.5 * z[..., 0] ** 2
    return ag.logsumexp(log_joint, axis=0) + math.log(16 / 4000 / math.sqrt(2 * math.pi))


def all_images():
    return ((np.arange(16)[:, None] >> np.arange(4)) & 1).astype(np.float64)


def trained(steps=300):
    model = make()
    x = all_images().astype(np.float32)[[0, 15, 3, 3]]
    optimiser = ag.optim.Adam(model.parameters(), 0.03)
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        loss, _ = model.loss(x, rng)
        model.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return in_float64(model), losses


def test_training_lowers_the_bound_towards_the_entropy_of_the_data():
    _, losses = trained()
    entropy = 0.5 * math.log(2) + 0.5 * math.log(4)  # of the four images, one of them twice
    assert np.mean(losses[:10]) > 2.5
    assert entropy < np.mean(losses[-20:]) < 2.2


def test_probabilities_of_all_images_sum_to_one():
    model, _ = trained()
    assert np.exp(exact_log_prob(model, all_images())).sum() == pytest.approx(1, abs=1e-9)


def test_the_bound_is_below_the_importance_estimate_which_is_below_log_p():
    model, _ = trained()
    x, rng = all_images(), np.random.default_rng(0)
    exact = exact_log_prob(model, x)
    elbo = -model.bound(x, rng, samples=2000)["negative_elbo"].mean()
    estimates = [
        np.mean([model.log_prob(x, rng, samples=k).mean() for _ in range(400 // k)])
        for k in (1, 4, 40)
    ]
    assert elbo == pytest.approx(estimates[0], abs=0.1)
    assert estimates[0] < estimates[1] < estimates[2] < exact.mean()
    seen = [0, 3, 15]
    np.testing.assert_allclose(model.log_prob(x[seen], rng, 20_000), exact[seen], atol=0.03)


def test_the_gap_of_the_bound_is_the_kl_to_the_posterior():
    """log p(x) = ELBO(x) + KL(q(z|x) || p(z|x)), each by quadrature over z."""
    model, _ = trained()
    x = all_images()
    z = np.linspace(-8, 8, 4001)[:, None, None]
    dz = 16 / 4000
    mu, logvar = (t.data for t in model.encode(x))
    log_q = -0.5 * ((z - mu) ** 2 / np.exp(logvar) + logvar + math.log(2 * math.pi))[..., 0]
    q = np.exp(log_q)
    log_joint = (
        -model.reconstruction(x, z).data - 0.5 * z[..., 0] ** 2 - 0.5 * math.log(2 * math.pi)
    )
    log_p = exact_log_prob(model, x)
    elbo = (q * (log_joint - log_q)).sum(0) * dz
    kl = (q * (log_q - (log_joint - log_p))).sum(0) * dz
    np.testing.assert_allclose(elbo + kl, log_p, atol=1e-9)
    assert (kl > 0).all()
    monte_carlo = model.bound(x, np.random.default_rng(0), samples=5000)["negative_elbo"].mean()
    assert -monte_carlo == pytest.approx(elbo.mean(), abs=0.02)


@pytest.mark.parametrize(
    ("settings", "levels", "order"),
    [(TINY, 2, 2), (GAUSSIAN, 2, 2), (LOGISTIC, 5, 2), (CONV, 5, 1)],
    ids=["bernoulli", "gaussian", "logistic", "conv"],
)
def test_the_loss_has_the_gradient_that_differences_find(settings, levels, order):
    model = in_float64(make(settings, (5, 4, 3) if settings is CONV else (2, 2), levels))
    pixels = math.prod(model.shape)
    x = np.random.default_rng(1).integers(0, levels, (3, pixels)) / (levels - 1.0)
    names = list(model.parameters())
    holders = {name: _holder(model, name) for name in names}

    def loss(*values):
        for name, value in zip(names, values):
            setattr(*holders[name], value)
        return model.loss(x, np.random.default_rng(2))[0]

    check.gradients(loss, *[p.data for p in model.parameters().values()], order=order)


def _holder(model, name):
    """The module that has the parameter of this dotted name, and what it calls it."""
    *path, last = name.split(".")
    for step in path:
        model = model[int(step)] if step.isdecimal() else getattr(model, step)
    return model, last


def test_a_pytorch_twin_has_the_same_loss_and_gradients():
    torch = pytest.importorskip("torch")
    model = in_float64(make(dataclasses.replace(TINY, latent=3)))
    x = np.random.default_rng(1).integers(0, 2, (5, 4)).astype(np.float64)
    seed = int(np.random.default_rng(2).integers(2**64, dtype=np.uint64))
    eps = torch.tensor(kernels.normal((5, 3), seed, dtype=np.float64))
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    linear = torch.nn.functional.linear

    h = torch.tanh(linear(torch.tensor(x), p["encoder.steps.0.weight"], p["encoder.steps.0.bias"]))
    mu = linear(h, p["mu.weight"], p["mu.bias"])
    logvar = linear(h, p["logvar.weight"], p["logvar.bias"])
    z = mu + torch.exp(0.5 * logvar) * eps
    h = torch.tanh(linear(z, p["decoder.steps.0.weight"], p["decoder.steps.0.bias"]))
    logits = linear(h, p["output.weight"], p["output.bias"])
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    reconstruction = bce(logits, torch.tensor(x), reduction="sum")
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    theirs = (reconstruction + kl) / 5
    theirs.backward()

    ours, _ = model.loss(x, np.random.default_rng(2))
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(parameter.grad.data, p[name].grad, atol=1e-12)


def test_a_gaussian_with_variance_one_half_is_the_squared_error():
    model = in_float64(make(GAUSSIAN, levels=17))
    model.log_sigma.data = np.full(4, 0.5 * math.log(0.5))
    rng = np.random.default_rng(0)
    x, z = rng.random((5, 4)), rng.standard_normal((5, 1))
    squared_error = ((x - model.decode(z).data) ** 2).sum(1)
    constant = 4 * (0.5 * math.log(math.pi) + math.log(17))
    np.testing.assert_allclose(model.reconstruction(x, z).data, squared_error + constant)


# Levels, colour, and any size


@pytest.mark.parametrize("mu", [-50.0, 0.0, 3.4, 1e4])
@pytest.mark.parametrize("log_s", [-9.0, -2.0, 0.3, 5.0])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_masses_of_a_discretised_logistic_sum_to_one(mu, log_s, levels):
    """They are differences of its distribution function, and every gradient is finite."""
    x, s = np.arange(levels), np.exp(max(log_s, logistic.MIN_LOG_S))
    edges = np.concatenate([[-np.inf], x[:-1] + 0.5, [np.inf]])
    expected = np.diff(stats.logistic(mu, s).cdf(edges))
    start = np.float32([[mu], [log_s]])
    parameters = [Tensor(np.repeat(row, levels), requires_grad=True) for row in start]
    log_mass = logistic.log_mass(x.astype(np.float32), *parameters, levels)
    assert log_mass.dtype == np.float32
    mass = np.exp(log_mass.data.astype(float))
    np.testing.assert_allclose(mass, expected, rtol=2e-4, atol=1e-6)
    assert mass.sum() == pytest.approx(1, abs=1e-5)
    slope_of_mu, slope_of_log_s = (g.data for g in grad(log_mass.sum(), parameters))
    assert np.isfinite(slope_of_log_s).all()
    far = abs(x - mu) > 9 * s + 1  # in a tail that does not belong to an edge
    far &= ~((x == 0) & (mu < 0)) & ~((x == levels - 1) & (mu > levels - 1))
    np.testing.assert_allclose(slope_of_mu[far], np.sign(x - mu)[far] / s, rtol=1e-3)


def test_probabilities_of_all_images_of_levels_sum_to_one():
    model = in_float64(make(LOGISTIC, (1, 2), levels=4))
    model.center.data, model.scale.data = np.array([0.2, 0.9]), np.array([0.4, 0.1])
    x = np.stack(np.meshgrid(*[np.arange(4) / 3] * 2), -1).reshape(16, 2)
    assert np.exp(exact_log_prob(model, x)).sum() == pytest.approx(1, abs=1e-9)
    bound = model.bound(x, np.random.default_rng(0), samples=500)["negative_elbo"]
    assert (bound > -exact_log_prob(model, x) - 0.05).all()


def test_samples_of_levels_are_on_levels_and_follow_the_masses():
    model = make(LOGISTIC, (1, 2, 3), levels=5)
    samples = 4 * model.sample(20, np.random.default_rng(0))
    assert samples.shape == (20, 1, 2, 3)
    np.testing.assert_allclose(samples, np.rint(samples), atol=1e-6)
    mu, log_s = np.full(50_000, 1.3), np.zeros(50_000)
    x = logistic.sample(mu, log_s, 5, np.random.default_rng(0))
    mass = np.exp(logistic.log_mass(np.arange(5), 1.3, np.zeros(1), 5))
    np.testing.assert_allclose(np.bincount(x.astype(int)) / len(x), mass, atol=0.01)


@pytest.mark.parametrize("shape", [(8, 8), (9, 6), (7, 12, 3)], ids=str)
@pytest.mark.parametrize("decoder", ["bernoulli", "gaussian", "logistic"])
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_images_of_any_size_and_colour(network, decoder, shape):
    levels = 2 if decoder == "bernoulli" else 17
    pixels = DECODERS[decoder][0]
    settings = dataclasses.replace(CONV, network=network, decoder=decoder, pixels=pixels)
    images = np.random.default_rng(0).integers(levels, size=(12, *shape)).astype(np.uint8)
    data = Dataset("noise", levels, images, images[:6])
    rng = np.random.default_rng(0)
    model = VAE.for_data(settings, data, rng)
    x = data.observe(data.test, pixels, rng)
    before = model.state()
    model.update(x, rng, 0, None, model.optimizers(1))
    assert all((before[name] != p.data).any() for name, p in model.parameters().items())
    numbers = model.evaluate(x, rng, thorough=True)
    assert numbers["nll"].shape == (6,) and np.isfinite(numbers["nll"]).all()
    z = model.codes(x)
    assert z.shape == (6, 2)
    known = np.arange(math.prod(shape[:2])).reshape(shape[:2]) % 3 > 0
    given = images[:6] / np.float32(levels - 1)
    completed = model.complete(given, known, rng)
    np.testing.assert_array_equal(completed[:, known], given[:, known])
    for made in (model.sample(6, rng), model.decode_codes(z, rng), completed):
        assert made.shape == (6, *shape) and made.min() >= 0 and made.max() <= 1
    figures = VAEReport(model, data).pictures(x, rng)
    assert figures.keys() == {"reconstructions", "samples", "interpolations", "latent_plane"}


def test_completions_are_samples_given_the_known_pixels():
    """The chain ends with p(missing | known) of the model, which enumeration finds."""
    model, _ = trained()
    x, n = all_images(), 4000
    p = np.exp(exact_log_prob(model, x))
    for known, value in ((np.array([[True, False], [False, False]]), 0), (np.eye(2) > 0, 1)):
        images = np.full((n, 2, 2), float(value))
        done = model.complete(images, known, np.random.default_rng(0)).reshape(n, 4)
        fits = (x[:, known.ravel()] == value).all(1)
        found = (done[:, None] == x[fits]).all(2).mean(0)
        np.testing.assert_allclose(found, p[fits] / p[fits].sum(), atol=0.03)


def test_annealing_grows_beta_from_zero():
    model = make(dataclasses.replace(TINY, beta=2.0, anneal_epochs=10.0))
    assert [model.beta_at(e) for e in (0, 5, 10, 99)] == [0, 1, 2, 2]
    x = all_images().astype(np.float32)
    loss, parts = model.loss(x, np.random.default_rng(0), epoch=5)
    assert parts["beta"] == 1
    assert loss.item() == pytest.approx(parts["reconstruction"] + parts["kl"])


def test_loss_and_gradients_are_float32():
    model = make()
    loss, _ = model.loss(all_images().astype(np.float32), np.random.default_rng(0))
    loss.backward()
    dtypes = {loss.dtype, *(p.grad.dtype for p in model.parameters().values())}
    assert dtypes == {np.dtype(np.float32)}


def test_samples_are_images_and_depend_on_the_seed_alone():
    model = make(shape=(2, 3))
    first, again, other = (model.sample(7, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (7, 2, 3)
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("settings", [TINY, GAUSSIAN, LOGISTIC], ids=lambda s: s.decoder)
def test_the_decoder_starts_as_the_factorised_model(settings):
    train = np.random.default_rng(0).uniform(0.1, 0.9, (50, 4)).astype(np.float32)
    model = make(settings, levels=256)
    model.start_as_factorised(train)
    model.output.weight.data[...] = 0
    if settings is not TINY:
        model.output.bias.data[...] = 0
        np.testing.assert_array_equal(model.log_sigma.data, 0)
        np.testing.assert_allclose(model.scale.data, train.std(0), rtol=1e-4)
    mean = model.sample_means(1, np.random.default_rng(0)).ravel()
    np.testing.assert_allclose(mean, train.mean(0), rtol=1e-5)


def test_interpolations_start_and_end_where_they_should():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(20), 2 * rng.standard_normal(20)
    for path in (lerp(a, b, 9), slerp(a, b, 9)):
        assert path.shape == (9, 20)
        np.testing.assert_allclose(path[[0, -1]], [a, b])
    lengths = np.linalg.norm(slerp(a, b, 9), axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 9))
    assert np.linalg.norm(lerp(a, b, 9), axis=1).min() < lengths.min()
    np.testing.assert_allclose(slerp(a, a, 3), [a, a, a])
    np.testing.assert_allclose(slerp(a, 0 * a, 3), lerp(a, 0 * a, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "swish"}, "activation=swish: choose one of relu, silu, tanh"),
        ({"decoder": "poisson"}, "choose one of bernoulli, gaussian, logistic"),
        ({"pixels": "sometimes"}, "choose one of fixed, dynamic, levels, dequantised"),
        ({"latent": 0}, "latent=0: must be 1 to 1e+09"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0: must be 1e-12 to 1e+09"),
        ({"learning_rate": math.nan}, "learning_rate=nan: must be"),
        ({"beta": -1.0}, "beta=-1.0: must be 0 to 1e+09"),
        ({"beta": math.nan}, "beta=nan"),
        ({"hidden": ()}, "needs at least one number"),
        ({"hidden": (5, 0)}, "must be 1 to 1e+09"),
        ({"final_learning_rate": math.inf}, "final_learning_rate=inf: must be"),
        ({"latent": 10**20}, "must be 1 to 1e+09"),
        ({"decoder": "logistic"}, "a logistic levels"),
        ({"network": "conv", "hidden": (2, 2)}, "halves an image 2 times: 2x2 is too small"),
        ({"pixels": "dequantised"}, "a bernoulli describes binary pixels"),
        ({"decoder": "gaussian"}, "which is a density, dequantised ones"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        make(dataclasses.replace(TINY, **changes))


def test_the_published_setting_is_the_one_we_run():
    settings = DEFAULTS["binarized-mnist"]
    assert (settings.hidden, settings.latent, settings.pixels) == ((200, 200), 50, "fixed")


def test_the_kl_of_the_dimensions_sums_to_the_kl_and_a_collapsed_one_is_reported():
    model = make(dataclasses.replace(TINY, latent=3))
    x = np.random.default_rng(0).integers(0, 2, (5, 4)).astype(np.float32)
    by_dimension = model.kl_of_dimension(x)
    kl = model.bound(x, np.random.default_rng(0))["kl"]
    np.testing.assert_allclose(by_dimension.sum(1), kl, rtol=1e-5)
    numbers = {"negative_elbo": 3.0, "reconstruction": 2.5, "kl": 0.5, "nll": 2.9}
    for each, remark in (
        ([0.001, 0.4, 0.1], "of 3, with more than 0.01 nats: 0.40, 0.10, 0.00"),
        ([0.0, 0.002, 0.0], "the posterior has collapsed: z carries no information about x"),
    ):
        rows = VAEReport(model, None).rows(numbers | {"kl_of_dimension": each})
        (row,) = (row for row in rows if "active" in row.name)
        assert (row.value, row.remark) == (sum(one > 0.01 for one in each), remark)


@pytest.mark.parametrize(("shape", "network"), [((8, 8, 3), "mlp"), ((8, 8), "conv")])
def test_the_page_is_for_perceptrons_of_grey_images(shape, network):
    model = make(dataclasses.replace(CONV, network=network), shape, levels=17)
    run = SimpleNamespace(model=model, settings=model.settings, directory="runs/x")
    with pytest.raises(UsageError, match="runs/x: the page computes an mlp of grey images"):
        VAEPage([run])
