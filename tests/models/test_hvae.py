"""The hierarchical VAE: its twin, its bound by quadrature, and what becomes of its upper layer."""

import dataclasses
import math
import re

import numpy as np
import pytest

import kernels
from autograd import grad
from models.autoencoders.hvae import HVAE, Settings
from models.autoencoders.hvae_report import HVAEReport
from models.autoencoders.vae_settings import DECODERS
from models.data import Dataset, load
from models.errors import UsageError

BOTTOM_UP = Settings(
    inference="bottom-up", hidden=(6,), latent=1, upper_hidden=(5,), upper_latent=1,
    pixels="fixed", anneal_epochs=0,
)  # fmt: skip
LADDER = dataclasses.replace(BOTTOM_UP, inference="ladder")
BOTH = pytest.mark.parametrize("settings", [BOTTOM_UP, LADDER], ids=lambda s: s.inference)


def make(settings, shape=(2, 2), levels=2):
    model = HVAE(settings, shape, levels, np.random.default_rng(0))
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    return model


def images(n=5, pixels=4):
    return np.random.default_rng(1).integers(0, 2, (n, pixels)).astype(np.float64)


@pytest.mark.parametrize("free_bits", [0.0, 0.5])
@BOTH
def test_a_pytorch_twin_has_the_same_loss_and_gradients(settings, free_bits):
    torch = pytest.importorskip("torch")
    model = make(dataclasses.replace(settings, latent=3, upper_latent=2, free_bits=free_bits))
    rng = np.random.default_rng(2)
    seeds = [int(rng.integers(2**64, dtype=np.uint64)) for _ in range(2)]
    eps1, eps2 = (
        torch.tensor(kernels.normal((5, width), seed, dtype=np.float64))
        for width, seed in zip((3, 2), seeds)
    )
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    normal = torch.distributions.Normal

    def linear(name, h):
        return torch.nn.functional.linear(h, p[f"{name}.weight"], p[f"{name}.bias"])

    def gaussian(name, h):
        return linear(f"{name}mu", h), linear(f"{name}logvar", h).exp().sqrt()

    x = torch.tensor(images())
    h = torch.tanh(linear("encoder.steps.0", x))
    mu1, sigma1 = gaussian("", h)
    below = mu1 + sigma1 * eps1 if settings.inference == "bottom-up" else h
    mu2, sigma2 = gaussian("upper_", torch.tanh(linear("upper_encoder.steps.0", below)))
    z2 = mu2 + sigma2 * eps2
    prior_mu, prior_sigma = gaussian("prior_", torch.tanh(linear("upper_decoder.steps.0", z2)))
    if settings.inference == "ladder":
        a, b = sigma1**-2, prior_sigma**-2
        mu1, sigma1 = (a * mu1 + b * prior_mu) / (a + b), (a + b) ** -0.5
    z1 = mu1 + sigma1 * eps1
    logits = linear("output", torch.tanh(linear("decoder.steps.0", z1)))
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    kl1 = (normal(mu1, sigma1).log_prob(z1) - normal(prior_mu, prior_sigma).log_prob(z1)).sum() / 5
    kl2 = (normal(mu2, sigma2).log_prob(z2) - normal(0.0, 1.0).log_prob(z2)).sum() / 5
    theirs = bce(logits, x, reduction="sum") / 5 + sum(
        torch.clamp(kl, min=free_bits) if free_bits else kl for kl in (kl1, kl2)
    )
    theirs.backward()

    ours, parts = model.loss(images(), np.random.default_rng(2))
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-9)
    assert [parts["kl_1"], parts["kl_2"]] == pytest.approx([kl1.item(), kl2.item()], rel=1e-9)
    for name, parameter in model.parameters().items():
        expected = p[name].grad if p[name].grad is not None else torch.zeros(parameter.shape)
        found = 0 if parameter.grad is None else parameter.grad.data
        np.testing.assert_allclose(found, expected, atol=1e-9)


@BOTH
def test_the_bounds_are_below_log_p_by_quadrature_and_close_it(settings):
    """With q a little wider than p(z1, z2|x), so that no weight is far from the others."""
    model, x = make(settings), images(3)
    model.logvar.bias.data += 1.0
    model.upper_logvar.bias.data += 0.7
    z = np.linspace(-9, 9, 401)
    mu, logvar = (t.data for t in model.prior(z[:, None]))  # of z1, for each z2
    log_p1 = -0.5 * ((z[:, None, None] - mu) ** 2 / np.exp(logvar) + logvar)
    log_p2 = -0.5 * z**2
    density = np.exp(log_p1[..., 0] + log_p2).sum(1) / (2 * math.pi) * (18 / 400) ** 2
    p_x = np.exp(-model.reconstruction(x, z[:, None, None]).data)  # (z1, N)
    exact = np.log(density @ p_x)
    bound = model.bound(x, np.random.default_rng(0), samples=500)
    closer = model.log_prob(x, np.random.default_rng(0), 4000)
    np.testing.assert_allclose(closer, exact, atol=0.04)
    assert (bound["negative_elbo"] > -exact).all()
    parts = bound["reconstruction"] + bound["kl_1"] + bound["kl_2"]
    np.testing.assert_allclose(bound["negative_elbo"], parts)
    np.testing.assert_allclose(bound["kl_of_dimension"].sum(1), bound["kl_1"] + bound["kl_2"])


@BOTH
def test_what_is_free_has_no_gradient(settings):
    """With more free bits than there are nats, only the reconstruction is left."""
    model, x = make(dataclasses.replace(settings, free_bits=1e3)), images()
    parameters = list(model.parameters().values())
    loss, _ = model.loss(x, np.random.default_rng(0))
    reconstruction = model.terms(x, np.random.default_rng(0))[0].mean()
    assert loss.item() == pytest.approx(reconstruction.item() + 2e3)
    for found, expected in zip(*(grad(what, parameters) for what in (loss, reconstruction))):
        np.testing.assert_allclose(found.data, expected.data, atol=1e-12)


def kl_2_after_training(epochs=15, **changes):
    data, rng = load("digits"), np.random.default_rng(0)
    settings = dataclasses.replace(HVAE.defaults["digits"], hidden=(64,), **changes)
    model = HVAE.for_data(settings, data, rng)
    optimizers = model.optimizers(15 * epochs)
    for step in range(15 * epochs):
        chosen = rng.integers(len(data.train), size=100)
        x = data.observe(data.train[chosen], "fixed", rng)
        model.update(x, rng, step / 15, None, optimizers)
    return model.bound(data.observe(data.test, "fixed", rng), rng)["kl_2"].mean()


def test_the_upper_layer_collapses_and_warm_up_or_free_bits_mend_it():
    assert kl_2_after_training(anneal_epochs=0) < 0.05
    assert kl_2_after_training(anneal_epochs=100) > 0.5
    assert kl_2_after_training(anneal_epochs=0, free_bits=2.0) > 0.5


@pytest.mark.parametrize("shape", [(8, 8), (9, 6, 3)], ids=str)
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("network", ["mlp", "conv"])
@BOTH
def test_images_of_any_size_and_colour(settings, network, decoder, shape):
    levels, pixels = 2 if decoder == "bernoulli" else 17, DECODERS[decoder][0]
    settings = dataclasses.replace(settings, network=network, decoder=decoder, pixels=pixels)
    noise = np.random.default_rng(0).integers(levels, size=(12, *shape)).astype(np.uint8)
    data, rng = Dataset("noise", levels, noise, noise[:6]), np.random.default_rng(0)
    model = HVAE.for_data(settings, data, rng)
    x, before = data.observe(data.test, pixels, rng), model.state()
    loss, _ = model.loss(x, rng)
    loss.backward()
    model.update(x, rng, 0, None, model.optimizers(1))
    for name, p in model.parameters().items():
        assert (before[name] != p.data).any() and p.grad.dtype == loss.dtype == np.float32, name
    assert np.isfinite(model.evaluate(x, rng, thorough=True)["nll"]).all()
    for made in (model.sample(6, rng), model.decode_codes(model.codes(x), rng)):
        assert made.shape == (6, *shape) and made.min() >= 0 and made.max() <= 1
    assert model.sample_codes(5, rng).shape == (5, model.latent)


def test_a_collapsed_layer_is_reported():
    model = make(dataclasses.replace(LADDER, upper_latent=2))
    numbers = {"negative_elbo": 3.0, "reconstruction": 2.5, "kl_1": 0.5, "kl_2": 0.0, "nll": 2.9}
    rows = HVAEReport(model, None).rows(numbers | {"kl_of_dimension": [0.5, 0.001, 0.0]})
    assert rows[2].remark == "1 of 1 dimensions above 0.01 nats"
    assert rows[3].remark == "0 of 2 dimensions above 0.01 nats: the layer has collapsed"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inference": "sideways"}, "inference=sideways: choose one of bottom-up, ladder"),
        ({"free_bits": -1.0}, "free_bits=-1.0: must be 0"),
        ({"upper_latent": 0}, "upper_latent=0: must be 1"),
        ({"upper_hidden": ()}, "upper_hidden needs at least one number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        dataclasses.replace(LADDER, **changes)


def test_it_completes_no_images():
    with pytest.raises(UsageError, match="this hvae cannot complete images"):
        make(LADDER).complete(np.zeros((1, 2, 2)), np.ones((2, 2), bool), np.random.default_rng(0))
