"""The adversarial autoencoder: its two phases, its priors, and codes that match one or do not."""

from functools import partial

import numpy as np
import pytest

from autograd import grad
from models.adversarial.aae import AAE
from models.adversarial.aae_settings import Settings
from models.adversarial.priors import NOISE, roll
from models.data import load
from models.errors import UsageError
from models.metrics import energy_distance
from models.training import Config
from tests.models.encoder_gans import images, made

make = partial(made, AAE)


def torch_network(torch, leaves, player):
    names = [n[: -len(".weight")] for n in leaves if n.startswith(player) and "weight" in n]

    def network(h):
        for i, name in enumerate(names):
            h = torch.nn.functional.linear(h, leaves[f"{name}.weight"], leaves[f"{name}.bias"])
            h = torch.nn.functional.leaky_relu(h, 0.2) if i < len(names) - 1 else h
        return h

    return network


@pytest.mark.parametrize("prior", ["gaussian", "swiss-roll"])
def test_the_three_losses_and_their_gradients_are_those_of_pytorch(prior):
    torch = pytest.importorskip("torch")
    model, x = make(prior=prior), images()
    leaves = {n: torch.tensor(p.data, requires_grad=True) for n, p in model.parameters().items()}
    encode, decode, d = (
        torch_network(torch, leaves, player) for player in ("encoder", "generator", "discrim")
    )
    t_x, softplus = torch.tensor(2 * x - 1), torch.nn.functional.softplus
    z = torch.tensor(model.sample_codes(len(x), np.random.default_rng(2)).astype(float))
    theirs = {
        "autoencoder": (((torch.tanh(decode(encode(t_x))) - t_x) / 2) ** 2).sum(1).mean(),
        "discriminator": (softplus(-d(z)) + softplus(d(encode(t_x)))).mean(),
        "generator": softplus(-d(encode(t_x))).mean(),
    }
    codes = model.encode(model.standardise(x))
    real, fake = model.rivals(x, None, np.random.default_rng(2))
    ours = {
        "autoencoder": model.squared_error(model.standardise(x), codes, None).mean(),
        "discriminator": model.discriminator_loss(real, fake.data, None, None)[0],
        "generator": model.generator_loss(fake, real, None, None),
    }
    prefix = {"discriminator": "discriminator.", "generator": "encoder.", "autoencoder": ""}
    for name, optimizer in model.optimizers(1).items():
        assert ours[name].item() == pytest.approx(theirs[name].item(), rel=1e-9)
        own = {prefix[name] + n: p for n, p in optimizer.parameters.items()}
        slopes = grad(ours[name], list(own.values()))
        expected = torch.autograd.grad(
            theirs[name], [leaves[n] for n in own], retain_graph=True, allow_unused=True
        )
        for parameter, a, b in zip(own, slopes, expected):
            np.testing.assert_allclose(a.data, b.numpy(), rtol=0, atol=1e-9, err_msg=parameter)


def test_each_phase_changes_its_own_networks():
    model, x = make(dtype=np.float32), images().astype(np.float32)
    optimizers = model.optimizers(1)
    counts = {name: {n.split(".")[0] for n in o.parameters} for name, o in optimizers.items()}
    assert counts["autoencoder"] == {"generator", "encoder"}
    assert set(map(id, optimizers["generator"].parameters.values())) == set(
        map(id, model.encoder.parameters().values())
    )
    decoder = [p.data.copy() for p in model.generator.parameters().values()]
    optimizers["autoencoder"].schedule = lambda step: 0.0  # only the game is left
    model.update(x, np.random.default_rng(0), 0, None, optimizers)
    for before, p in zip(decoder, model.generator.parameters().values()):
        np.testing.assert_array_equal(before, p.data)


def test_the_swiss_roll_is_a_spiral_of_two_turns_with_noise():
    z = make(prior="swiss-roll").sample_codes(500, np.random.default_rng(0))
    middle = roll(np.linspace(0, 1, 2000))
    nearest = np.linalg.norm(z[:, None] - middle, axis=2).min(1)
    assert z.dtype == np.float32 and nearest.max() < 5 * NOISE
    assert np.sqrt((nearest**2).mean()) == pytest.approx(NOISE, rel=0.1)
    turns = roll(np.array([0.0, 0.25, 1.0]))  # the centre, one turn, two
    np.testing.assert_allclose(turns, [[0, 0], [1.5, 0], [3, 0]], atol=1e-9)


def test_the_energy_distance_is_that_of_two_points_and_0_for_one_distribution():
    x, y = np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])
    np.testing.assert_allclose(energy_distance(x, y), [0, 0])  # 2 * 1 - 2 - 0
    np.testing.assert_allclose(energy_distance(x, y + 4), [2 * 5 - 2, 2 * 3 - 2])
    a, b = np.random.default_rng(0).standard_normal((2, 1000, 2))
    assert abs(energy_distance(a, b).mean()) < 0.01 < energy_distance(a, b + 0.5).mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "swiss-roll", "latent": 8}, "latent=8: the roll lies in the plane"),
        ({"prior": "uniform"}, "prior=uniform: choose one of gaussian, swiss-roll"),
    ],
)
def test_priors_that_cannot_be(settings, message):
    with pytest.raises(UsageError, match=message):
        Settings(**settings)


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (9, 6, 3)], ids=str)
@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_images_of_any_size_and_colour_with_classes_too(network, shape):
    model, labels = make(shape, 3, np.float32, network=network), np.array([0, 1, 2, 0])
    x, rng = images(4, shape).astype(np.float32), np.random.default_rng(0)
    model.update(x, rng, 0, labels, model.optimizers(1))
    assert model.sample(4, rng, labels).shape == (4, *shape)
    assert model.evaluate(x, rng, labels)["prior_distance"].shape == (4,)


def test_codes_come_to_the_prior_only_if_the_encoder_plays():
    data = load("digits")
    x = data.observe(data.train, "levels", np.random.default_rng(0))
    distances = {}
    for pace in (1e-3, 1.0):
        settings = Config.of("aae", generator_pace=pace, hidden=(64, 64)).settings
        model = AAE.for_data(settings, data, np.random.default_rng(0))
        rng, optimizers = np.random.default_rng(1), model.optimizers(250)
        for _ in range(250):
            some = x[rng.integers(len(x), size=model.images_per_step)]
            model.update(some, rng, 0, None, optimizers)
        distances[pace] = model.evaluate(x[:500], rng)["prior_distance"].mean()
    assert distances[1.0] < 0.1 < distances[1e-3], distances
