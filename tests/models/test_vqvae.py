"""The VQ-VAE: its twin, its two stages, what they bound, and codes that die."""

import dataclasses
import re

import numpy as np
import pytest

from models.autoencoders.vae_settings import DECODERS
from models.autoencoders.vqvae import VQVAE, Settings, perplexity
from models.data import Dataset, load
from models.errors import UsageError

TINY = Settings(
    hidden=(3,), latent=2, codes=5, pixels="fixed", activation="tanh", prior_channels=4,
    prior_blocks=1, autoencoder_epochs=1, epochs=2,
)  # fmt: skip


def make(shape=(4, 4), levels=2, **changes):
    return VQVAE(dataclasses.replace(TINY, **changes), shape, levels, np.random.default_rng(0))


def images(n=6, pixels=16):
    return np.random.default_rng(1).integers(0, 2, (n, pixels)).astype(np.float32)


@pytest.mark.parametrize("codebook", ["loss", "ema"])
def test_a_pytorch_twin_has_the_same_loss_and_gradients(codebook):
    torch = pytest.importorskip("torch")
    model = make(codebook=codebook)
    for p in model.tensors().values():
        p.data = 2 * p.data.astype(np.float64)
    x = images().astype(np.float64)
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    f = torch.nn.functional

    def conv(name, h, function, **options):
        return function(h, p[f"{name}.weight"], p[f"{name}.bias"], **options)

    pixels = torch.tensor(x)
    h = conv("encoder.steps.1", pixels.reshape(6, 1, 4, 4), f.conv2d, stride=2, padding=1)
    z_e = conv("encoder.steps.3", torch.tanh(h), f.conv2d).permute(0, 2, 3, 1)
    e = p["codebook"][((z_e[..., None, :] - p["codebook"]) ** 2).sum(-1).argmin(-1)]
    straight = (z_e + (e - z_e).detach()).permute(0, 3, 1, 2)
    h = torch.tanh(conv("decoder.steps.1", straight, f.conv2d))
    logits = conv("output", h, f.conv_transpose2d, stride=2, padding=1).reshape(6, 16)
    theirs = f.binary_cross_entropy_with_logits(logits, pixels, reduction="sum") / 6
    theirs = theirs + 0.25 * ((z_e - e.detach()) ** 2).sum() / 6
    if codebook == "loss":
        theirs = theirs + ((z_e.detach() - e) ** 2).sum() / 6
    theirs.backward()
    ours, _ = model.loss(x, np.random.default_rng(0), epoch=0)
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-9)
    for name, parameter in model.parameters().items():
        if not name.startswith("prior."):
            np.testing.assert_allclose(parameter.grad.data, p[name].grad, atol=1e-9)


def test_each_stage_trains_its_own_part():
    model, rng = make(codebook="loss"), np.random.default_rng(0)
    optimizers = model.optimizers(10)
    start = model.state()
    model.update(images(), rng, 0.5, None, optimizers)
    middle, codes = model.state(), model.codes(images())
    model.update(images(), rng, 1.0, None, optimizers)
    end = model.state()
    for name in model.parameters():
        prior = name.startswith("prior.")
        assert np.array_equal(start[name], middle[name]) == prior, name
        assert np.array_equal(middle[name], end[name]) != prior, name
    np.testing.assert_array_equal(model.codes(images()), codes)
    assert {name: o.steps for name, o in optimizers.items()} == {"autoencoder": 1, "prior": 1}


def test_the_two_stages_bound_log_p_by_enumeration():
    """One place and five codes: all of them can be summed, and all 16 images too."""
    model = make((2, 2))
    x = ((np.arange(16)[:, None] >> np.arange(4)) & 1).astype(np.float32)
    k = np.arange(5)[:, None]
    log_prior = model.prior.log_prob(model.as_image(k))
    assert np.exp(log_prior).sum() == pytest.approx(1, rel=1e-5)
    log_p = [
        log_prior[i] - model.reconstruction(x, model.vectors(k[i : i + 1].repeat(16, 0))).data
        for i in range(5)
    ]
    exact = np.exp(log_p).sum(0)
    assert exact.sum() == pytest.approx(1, rel=1e-4)
    numbers = model.evaluate(x, np.random.default_rng(0), thorough=True)
    assert (np.exp(-numbers["nll"]) < exact).all()
    np.testing.assert_allclose(numbers["nll"], numbers["prior"] + numbers["reconstruction"])
    assert numbers["shares"].shape == (16, 5) and numbers["shares"].sum(1).max() == 1


@pytest.mark.parametrize("codebook", ["loss", "ema"])
def test_a_dead_vector_is_put_at_an_output_or_stays(codebook):
    outputs = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
    for revive in (0.0, 0.5):
        model, rng = make(codebook=codebook, revive=revive, decay=0.5), np.random.default_rng(0)
        before = model.codebook.data.copy()
        model.uses.data[:] = 0.1
        model.sums.data[:] = 0.1 * before
        model.move_codebook(outputs, np.zeros(40, int), rng)  # all choose the first
        moved = model.codebook.data[1:]
        if revive:
            assert all((outputs == vector).all(1).any() for vector in moved)
        else:
            np.testing.assert_allclose(moved, before[1:], rtol=1e-5)


def perplexity_after(epochs, **changes):
    data, rng = load("digits"), np.random.default_rng(0)
    changes |= {"autoencoder_epochs": epochs}
    model = VQVAE.for_data(dataclasses.replace(VQVAE.defaults["digits"], **changes), data, rng)
    optimizers = model.optimizers(15 * epochs)
    for step in range(15 * epochs):
        x = data.observe(data.train[rng.integers(len(data.train), size=100)], "fixed", rng)
        model.update(x, rng, step / 15, None, optimizers)
    _, k = model.quantise(data.observe(data.test, "fixed", rng))
    return perplexity(model.shares(k).mean(0))


def test_the_codebook_collapses_and_reviving_dead_codes_mends_it():
    assert perplexity_after(8, codebook="loss", revive=0.0) < 2
    assert perplexity_after(8) > 5


def test_what_a_vae_computes_of_mu_and_sigma_is_refused():
    model, x, rng = make(), images(), np.random.default_rng(0)
    z = np.zeros((6, model.latent), np.float32)
    for compute in (
        lambda: model.kl_of_dimension(x),
        lambda: model.bound(x, rng),
        lambda: model.log_weight(x, z, z, z),
    ):
        with pytest.raises(TypeError, match="has no mu and no sigma: see `quantise`"):
            compute()


@pytest.mark.parametrize("shape", [(8, 8), (9, 6, 3)], ids=str)
@pytest.mark.parametrize("decoder", DECODERS)
def test_images_of_any_size_and_colour(decoder, shape):
    levels, pixels = 2 if decoder == "bernoulli" else 17, DECODERS[decoder][0]
    noise = np.random.default_rng(0).integers(levels, size=(12, *shape)).astype(np.uint8)
    data, rng = Dataset("noise", levels, noise, noise[:6]), np.random.default_rng(0)
    settings = dataclasses.replace(TINY, decoder=decoder, pixels=pixels)
    model = VQVAE.for_data(settings, data, rng)
    x, optimizers = data.observe(data.test, pixels, rng), model.optimizers(2)
    for epoch in (0, 1):
        model.update(x, rng, epoch, None, optimizers)
    assert all(tensor.dtype == np.float32 for tensor in model.tensors().values())
    codes = model.codes(x)
    assert codes.shape == (6, model.latent) == model.sample_codes(6, rng).shape
    for made in (model.sample(6, rng), model.decode_codes(codes, rng)):
        assert made.shape == (6, *shape) and made.min() >= 0 and made.max() <= 1
    nearby = model.decode_codes(codes + 1e-6, rng)
    np.testing.assert_array_equal(nearby, model.decode_codes(codes, rng))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"autoencoder_epochs": 2}, "autoencoder_epochs=2, epochs=2: none is left for the prior"),
        ({"codes": 1}, "codes=1: must be 2 to 4096"),
        ({"codebook": "sgd"}, "codebook=sgd: choose one of loss, ema"),
        ({"decay": 1.0}, "decay=1.0: must be 0"),
        ({"prior_channels": 5}, "prior_channels=5: it is halved, so it is even"),
        ({"decoder": "gaussian"}, "a gaussian, which is a density, dequantised ones"),
        ({"hidden": (2, 2, 2)}, "halves an image 3 times: 4x4 is too small"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        make(**changes)


def test_it_completes_no_images():
    with pytest.raises(UsageError, match="this vqvae cannot complete images"):
        make().complete(np.zeros((1, 4, 4)), np.ones((4, 4), bool), np.random.default_rng(0))
