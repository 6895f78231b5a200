"""VAE-GAN: whose gradient goes where, and the sharpness of what a VAE blurs."""

from functools import partial

import numpy as np
import pytest

from autograd import grad
from kernels import normal
from models.adversarial.vaegan import VAEGAN
from models.data import load
from models.metrics import faithfulness
from models.model import random_seed
from models.training import Config
from tests.models.encoder_gans import images, made

make = partial(made, VAEGAN)


def torch_losses(torch, model, x, eps, z_p, half):
    """The losses of encoder, generator and discriminator, and the leaves by name."""
    leaves = {n: torch.tensor(p.data, requires_grad=True) for n, p in model.parameters().items()}

    def through(player, h, last=True):
        names = [n[: -len(".weight")] for n in leaves if n.startswith(player) and "weight" in n]
        for i, name in enumerate(names):
            if i == len(names) - 1 and not last:
                return h
            h = torch.nn.functional.linear(h, leaves[f"{name}.weight"], leaves[f"{name}.bias"])
            h = torch.nn.functional.leaky_relu(h, 0.2) if i < len(names) - 1 else h
        return h

    def posterior(x, eps):
        mu, logvar = through("encoder", x).chunk(2, 1)
        kl = (mu**2 + logvar.exp() - 1 - logvar).sum(1) / 2
        return mu + (logvar / 2).exp() * torch.tensor(eps), kl

    x, softplus = torch.tensor(2 * x - 1), torch.nn.functional.softplus
    z, prior = posterior(x, eps["all"])
    features = [through("discrim", h, last=False) for h in (x, torch.tanh(through("gen", z)))]
    likeness = 0.5 * ((features[0] - features[1]) ** 2).sum(1)
    codes = torch.cat([posterior(x[:half], eps["half"])[0], torch.tensor(z_p)])
    fake = torch.tanh(through("generator", codes))
    return {
        "encoder": (prior + likeness).mean(),
        "generator": model.settings.gamma * likeness.mean()
        + softplus(-through("discrim", fake)).mean(),
        "discriminator": (
            softplus(-through("discrim", x)) + softplus(through("discrim", fake))
        ).mean(),
    }, leaves


def test_the_three_losses_and_their_gradients_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    model, x = make(gamma=0.3, loss="non-saturating"), images(6)
    rng = np.random.default_rng(2)
    eps = {"half": normal((3, 2), random_seed(rng), dtype=np.float64)}
    z_p = model.sample_codes(3, rng).astype(float)
    eps["all"] = normal((6, 2), random_seed(np.random.default_rng(4)), dtype=np.float64)
    theirs, leaves = torch_losses(torch, model, x, eps, z_p, 3)
    real, fake = model.rivals(x, None, np.random.default_rng(2))
    ours = {
        "encoder": model.encoder_loss(real, None, np.random.default_rng(4)),
        "generator": model.generator_loss(fake, real, None, np.random.default_rng(4)),
        "discriminator": model.discriminator_loss(real, fake.data, None, None)[0],
    }
    for name, optimizer in model.optimizers(1).items():
        assert ours[name].item() == pytest.approx(theirs[name].item(), rel=1e-9)
        slopes = grad(ours[name], list(optimizer.parameters.values()))
        own = [leaves[f"{name}.{n}"] for n in optimizer.parameters]
        expected = torch.autograd.grad(theirs[name], own, retain_graph=True)
        for parameter, a, b in zip(optimizer.parameters, slopes, expected):
            np.testing.assert_allclose(a.data, b.numpy(), rtol=0, atol=1e-9, err_msg=parameter)


def test_half_of_the_samples_are_reconstructions():
    model, x = make(), images(6)
    for weight in model.encoder.parameters().values():
        weight.data[...] = 0
    model.encoder.output.bias.data[...] = [3.0, -2.0, -60.0, -60.0]  # of every image: no noise
    _, fake = model.rivals(x, None, np.random.default_rng(0))
    of_code = model.generator(np.array([[3.0, -2.0]])).data
    close = np.isclose(fake.data, of_code, atol=1e-9).all(1)
    np.testing.assert_array_equal(close, [True] * 3 + [False] * 3)


@pytest.mark.parametrize("loss", ["minimax", "wgan-gp"])
@pytest.mark.parametrize(("network", "shape"), [("mlp", (8, 8)), ("dcgan", (9, 13, 3))], ids=str)
def test_images_of_any_size_and_colour_with_classes_too(network, shape, loss):
    model = make(shape, 3, np.float32, network=network, loss=loss)
    x, labels = images(5, shape).astype(np.float32), np.array([0, 1, 2, 0, 1])
    rng = np.random.default_rng(0)
    numbers = model.update(x, rng, 0, labels, model.optimizers(1))
    assert np.isfinite(list(numbers.values())).all()
    found = model.evaluate(x, rng, labels)
    assert {found[k].shape for k in ("kl", "feature_error", "squared_error")} == {(5,)}
    assert model.codes(x, labels).shape == (5, 2)


def test_a_step_changes_every_network():
    model, x = make(dtype=np.float32), images(6).astype(np.float32)
    before = {name: p.data.copy() for name, p in model.parameters().items()}
    model.update(x, np.random.default_rng(0), 0, None, model.optimizers(1))
    for player in ("encoder", "generator", "discriminator"):
        moved = [
            not np.array_equal(p.data, before[name])
            for name, p in model.parameters().items()
            if name.startswith(player)
        ]
        assert any(moved), player


def test_sharpness_is_1_for_the_images_and_less_for_a_blur():
    data = load("digits")
    x = data.test / 16.0
    blurred = (x + np.roll(x, 1, axis=2)) / 2
    assert faithfulness(data, x, x) == {"squared_error": 0.0, "sharpness": 1.0}
    assert faithfulness(data, x, blurred)["sharpness"] < 0.7


def test_without_gamma_no_network_asks_the_generator_for_the_image():
    """The feature error is left to the encoder: of the generator's loss only the game remains."""
    slopes = {}
    for gamma in (0.0, 0.5):
        model, x = make(gamma=gamma, loss="non-saturating"), images(6)
        own = list(model.generator.parameters().values())
        real, fake = model.rivals(x, None, np.random.default_rng(2))
        whole = grad(model.generator_loss(fake, real, None, np.random.default_rng(4)), own)
        _, fake = model.rivals(x, None, np.random.default_rng(2))
        game = grad(model.value(fake, real, None), own)
        slopes[gamma] = max(abs(a.data - b.data).max() for a, b in zip(whole, game))
    assert slopes[0.0] < 1e-12 < 1e-3 < slopes[0.5], slopes


def test_codes_say_little_where_the_features_are_few():
    """L_llike is a sum over the features: of few it is no weight against L_prior, the KL."""
    data = load("digits")
    x = data.observe(data.train, "levels", np.random.default_rng(0))
    nats = {}
    for features in (16, 512):
        settings = Config.of("vaegan", hidden=(64, features), batch=50).settings
        model = VAEGAN.for_data(settings, data, np.random.default_rng(0))
        rng, optimizers = np.random.default_rng(1), model.optimizers(100)
        for _ in range(100):
            some = x[rng.integers(len(x), size=model.images_per_step)]
            model.update(some, rng, 0, None, optimizers)
        nats[features] = model.evaluate(x[:200], rng)["kl"].mean()
    assert nats[16] < 0.3 and nats[512] > 1, nats
