"""BiGAN: pairs, whose gradient goes where, and reconstructions with and without their term."""

from functools import partial

import numpy as np
import pytest

from autograd import grad
from models.adversarial.bigan import BiGAN
from models.data import load
from models.training import Config
from tests.models.encoder_gans import images, made

make = partial(made, BiGAN)


def torch_twin(model, x, z):
    """The logits of both kinds of pairs and G(E(x)), in PyTorch, and its leaves by name."""
    torch = pytest.importorskip("torch")
    leaves = {n: torch.tensor(p.data, requires_grad=True) for n, p in model.parameters().items()}

    def through(player, h, slope):
        linear = [n[: -len(".weight")] for n in leaves if n.startswith(player) and "weight" in n]
        for i, name in enumerate(linear):
            h = torch.nn.functional.linear(h, leaves[f"{name}.weight"], leaves[f"{name}.bias"])
            h = torch.nn.functional.leaky_relu(h, slope) if i < len(linear) - 1 else h
        return h

    x, z = torch.tensor(2 * x - 1), torch.tensor(z)
    codes, samples = through("encoder", x, 0.2), torch.tanh(through("generator", z, 0.2))
    real, fake = torch.cat([x, codes], 1), torch.cat([samples, z], 1)
    restored = torch.tanh(through("generator", codes, 0.2))
    return real, fake, lambda pair: through("discriminator", pair, 0.2)[:, 0], restored, x, leaves


@pytest.mark.parametrize("loss", ["minimax", "non-saturating", "wgan", "wgan-gp"])
def test_both_losses_and_their_gradients_are_those_of_pytorch(loss):
    torch = pytest.importorskip("torch")
    model, x = make(loss=loss, reconstruction=0.3), images()
    model.discriminator.steps[0].weight.data *= 3
    z = model.sample_codes(len(x), np.random.default_rng(2)).astype(np.float64)
    real, fake = model.rivals(x, None, np.random.default_rng(2))
    t_real, t_fake, d, restored, t_x, leaves = torch_twin(model, x, z)
    softplus, sign = torch.nn.functional.softplus, {"wgan": 1, "wgan-gp": 1}.get(loss, 0)
    mix = torch.tensor(np.random.default_rng(3).random((len(x), 1), dtype=np.float32)).double()

    of_d = (d(t_fake) - d(t_real)).mean() if sign else None
    if not sign:
        of_d = (softplus(-d(t_real)) + softplus(d(t_fake))).mean()
    if loss == "wgan-gp":
        between = (mix * t_real + (1 - mix) * t_fake).detach().requires_grad_()
        (slope,) = torch.autograd.grad(d(between).sum(), between, create_graph=True)
        of_d = of_d + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()
    of_g = {
        "minimax": lambda: -(softplus(d(t_fake)) + softplus(-d(t_real))).mean(),
        "non-saturating": lambda: (softplus(-d(t_fake)) + softplus(d(t_real))).mean(),
    }.get(loss, lambda: (d(t_real) - d(t_fake)).mean())()
    of_g = of_g + 0.3 * (((restored - t_x) / 2) ** 2).sum(1).mean()

    ours_d, _ = model.discriminator_loss(real.data, fake.data, None, np.random.default_rng(3))
    ours_g = model.generator_loss(fake, real, None, np.random.default_rng(3))
    players = model.discriminator.parameters(), model.generator_parameters()
    for ours, theirs, own, prefix in zip(
        (ours_d, ours_g), (of_d, of_g), players, ("discriminator.", "")
    ):
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-9)
        names = [prefix + name for name in own]
        expected = torch.autograd.grad(
            theirs, [leaves[n] for n in names], retain_graph=True, allow_unused=True
        )
        for name, a, b in zip(names, grad(ours, list(own.values())), expected):
            b = np.zeros(a.shape) if b is None else b.numpy()
            np.testing.assert_allclose(a.data, b, rtol=0, atol=1e-9, err_msg=name)


def test_the_encoder_knows_how_a_critic_with_a_penalty_will_answer():
    """Unrolled, D depends on E by the pairs of data, and on the slope between both kinds."""
    model, x, rng = make(loss="wgan-gp", unrolled_steps=2), images(), np.random.default_rng

    def loss():
        real, fake = model.rivals(x, None, rng(2))
        return model.generator_loss(fake, real, None, rng(3))

    name, weight = next((n, p) for n, p in model.parameters().items() if n.startswith("encoder"))
    slope = grad(loss(), weight).data
    at, h = np.unravel_index(np.abs(slope).argmax(), slope.shape), 1e-6
    values = []
    for sign in (1, -1):
        weight.data[at] += sign * h
        values.append(loss().item())
        weight.data[at] -= sign * h
    assert slope[at] == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-4), name


def test_each_network_is_trained_by_its_own_pair():
    """Without the term of the reconstruction G learns of its samples, and E of its codes."""
    model, x = make(), images()
    for learns, pair in enumerate(model.rivals(x, None, np.random.default_rng(2))):
        slopes = grad(model.discriminator(pair).sum(), list(model.generator_parameters().values()))
        of_generator, of_encoder = slopes[:6], slopes[6:]
        assert any(slope.data.any() for slope in of_generator) == (learns == 1)
        assert any(slope.data.any() for slope in of_encoder) == (learns == 0)


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (9, 6, 3)], ids=str)
@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_images_of_any_size_and_colour_with_classes_too(network, shape):
    model, labels = make(shape, 3, np.float32, network=network), np.array([0, 1, 2, 0])
    x, rng = images(4, shape).astype(np.float32), np.random.default_rng(0)
    model.update(x, rng, 0, labels, model.optimizers(1))
    codes = model.codes(x, labels)
    assert codes.shape == (4, 2)
    assert model.decode_codes(codes, rng, labels).shape == (4, *shape)
    assert model.evaluate(x, rng, labels)["squared_error"].shape == (4,)


def test_the_squared_error_is_in_units_of_the_images():
    model, x = make(), images()
    error = model.evaluate(x, np.random.default_rng(0))["squared_error"]
    restored = model.decode_codes(model.codes(x), np.random.default_rng(0)).reshape(x.shape)
    np.testing.assert_allclose(error, ((x - restored) ** 2).sum(1), rtol=1e-6)


def test_reconstructions_are_another_image_until_their_term_compares_them():
    """The mean image has an error of 4.6; a BiGAN after as many steps is no better than that."""
    data = load("digits")
    x = data.observe(data.train, "levels", np.random.default_rng(0))
    errors = {}
    for weight in (0.0, 1.0):
        settings = Config.of("bigan", reconstruction=weight, hidden=(64, 64)).settings
        model = BiGAN.for_data(settings, data, np.random.default_rng(0))
        rng, optimizers = np.random.default_rng(1), model.optimizers(150)
        for _ in range(150):
            some = x[rng.integers(len(x), size=model.images_per_step)]
            model.update(some, rng, 0, None, optimizers)
        errors[weight] = model.evaluate(x[:200], rng)["squared_error"].mean()
    assert errors[0.0] > 4.5 and errors[1.0] < 3.5, errors
