"""Several generators (MGAN) and several discriminators (GMAN): their losses, and what they cure."""

import math
from dataclasses import replace

import numpy as np
import pytest

from autograd import Tensor, grad
from models.adversarial import gman_settings, mgan_settings
from models.adversarial.gman import GMAN
from models.adversarial.mgan import MGAN
from models.data.ring import ring
from models.errors import UsageError
from tests.models.test_gan import batch, torch_discriminator

SETTINGS = {MGAN: mgan_settings.Settings, GMAN: gman_settings.Settings}
TINY = {"network": "mlp", "hidden": (6, 5), "latent": 3, "batch": 8}


def make(model_type, shape=(4, 4), classes=0, dtype=np.float32, **settings):
    rng = np.random.default_rng(0)
    settings = SETTINGS[model_type](**TINY | settings)
    model = model_type(settings, shape, 17 * (len(shape) > 1), rng, classes)
    for tensor in model.tensors().values():  # the node too, since it has a dtype
        cast = Tensor(tensor.data.astype(dtype), requires_grad=tensor.requires_grad)
        tensor.data, tensor.node = cast.data, cast.node
    return model


def torch_values(network):
    """The parameters of a network in PyTorch, by name."""
    torch = pytest.importorskip("torch")
    return {n: torch.tensor(p.data, requires_grad=True) for n, p in network.parameters().items()}


def assert_same(loss, network, expected, values):
    """The loss and its gradients are those of PyTorch."""
    torch = pytest.importorskip("torch")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    ours = grad(loss, list(network.parameters().values()))
    theirs = torch.autograd.grad(expected, list(values.values()), allow_unused=True)
    assert max(float(abs(g.data).max()) for g in ours) > 1e-3
    for name, a, b in zip(values, ours, theirs):
        b = np.zeros(a.shape) if b is None else b.numpy()
        np.testing.assert_allclose(a.data, b, rtol=1e-9, atol=1e-11, err_msg=name)


def torch_mgan(model, d, x):
    """Logits of D and log C, for x (N, pixels)."""
    torch = pytest.importorskip("torch")
    head = {n: d[f"classifier.{n}"] for n in ("weight", "bias")}
    own = [value for name, value in d.items() if not name.startswith("classifier")]
    logits = torch_discriminator(model.discriminator, x, own)[:, 0]
    functional = torch.nn.functional
    h = x
    for i in range(0, len(own) - 2, 2):
        h = functional.leaky_relu(functional.linear(h, own[i], own[i + 1]), 0.2)
    return logits, functional.log_softmax(functional.linear(h, *head.values()), 1)


def test_the_losses_of_an_mgan_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    model = make(MGAN, generators=3, beta=0.7, dtype=np.float64)
    rng = np.random.default_rng(1)
    real, z = 2 * batch(8, 16, dtype=np.float64) - 1, model.sample_codes(8, rng)
    own = torch.arange(8) % 3

    fake = model.generator(z.astype(np.float64)).data
    loss, parts = model.discriminator_loss(real, fake, None, rng)
    d = torch_values(model.discriminator)
    on_real, _ = torch_mgan(model, d, torch.tensor(real))
    on_fake, log_c = torch_mgan(model, d, torch.tensor(fake))
    game = functional.softplus(-on_real).mean() + functional.softplus(on_fake).mean()
    cross_entropy = functional.nll_loss(log_c, own)
    assert parts["discriminator_loss"] == pytest.approx(game.item(), rel=1e-9)
    assert parts["cross_entropy"] == pytest.approx(cross_entropy.item(), rel=1e-9)
    assert_same(loss, model.discriminator, game + cross_entropy, d)

    g = torch_values(model.generator)
    layers = iter(g.values())
    first = [(next(layers), next(layers)) for _ in range(3)]
    shared = list(layers)
    inputs = torch.tensor(z[:, :3], dtype=torch.float64)
    h = torch.stack([functional.linear(x, *first[k]) for x, k in zip(inputs, own)])
    h = functional.linear(functional.leaky_relu(h, 0.2), *shared[:2])
    made = torch.tanh(functional.linear(functional.leaky_relu(h, 0.2), *shared[2:]))
    on_fake, log_c = torch_mgan(model, d, made)
    expected = functional.softplus(-on_fake).mean() + 0.7 * functional.nll_loss(log_c, own)
    loss = model.generator_loss(model.generator(z.astype(np.float64)), real, None, rng)
    assert_same(loss, model.generator, expected, g)


@pytest.mark.parametrize("loss", ["minimax", "non-saturating"])
def test_the_losses_of_a_gman_are_those_of_pytorch(loss):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    model = make(GMAN, discriminators=3, loss=loss, inverse_temperature=2.0, dtype=np.float64)
    rng = np.random.default_rng(1)
    real, z = (2 * batch(8, n, dtype=np.float64) - 1 for n in (16, 3))
    for i, member in enumerate(model.discriminator.each):  # as if some had learnt more
        member.output.weight.data *= 3 * i

    def values(d, x):
        x, each = torch.as_tensor(x), np.split(np.array(list(d), object), 3)
        return torch.stack(
            [
                torch_discriminator(member, x, [d[name] for name in names])[:, 0]
                for member, names in zip(model.discriminator.each, each)
            ],
            dim=1,
        )

    fake = model.generator(z).data
    d = torch_values(model.discriminator)
    of_real = functional.softplus(-values(d, real)).mean(0)
    each = of_real + functional.softplus(values(d, fake)).mean(0)
    found, _ = model.discriminator_loss(real, fake, None, rng)
    assert_same(found, model.discriminator, each.mean(), d)

    g = torch_values(model.generator)
    h, layers = torch.tensor(z), list(g.values())
    for i in (0, 2):
        h = functional.leaky_relu(functional.linear(h, *layers[i : i + 2]), 0.2)
    logits = values(d, torch.tanh(functional.linear(h, *layers[4:])))
    of_fake = {
        "minimax": -functional.softplus(logits),
        "non-saturating": functional.softplus(-logits),
    }
    value = of_fake[loss].mean(0) - of_real.detach()
    weights = torch.softmax(2 * value, 0)
    found = model.generator_loss(model.generator(z), real, None, rng)
    assert_same(found, model.generator, (weights * value).sum(), g)
    np.testing.assert_allclose(model.weights.data, weights.detach().numpy(), rtol=1e-6)
    assert value.mean() < found.item() < value.max()


def test_each_discriminator_is_trained_as_if_it_were_alone():
    """Its gradient is that of its own loss, divided by their number, which Adam does not mind."""
    model = make(GMAN, discriminators=2)
    x, rng = batch(8, 16), np.random.default_rng(0)
    loss, _ = model.discriminator_loss(x, 1 - x, None, rng)
    first, second = model.discriminator.each
    of_both = grad(loss, list(first.parameters().values()))
    model.discriminator.each = [first]
    alone = grad(
        model.discriminator_loss(x, 1 - x, None, rng)[0], list(first.parameters().values())
    )
    for a, b in zip(of_both, alone):
        np.testing.assert_allclose(2 * a.data, b.data, rtol=1e-5, atol=1e-8)
    assert not np.array_equal(first.output.weight.data, second.output.weight.data)


def test_a_code_names_the_generator_and_samples_take_turns():
    model = make(MGAN, generators=3)
    codes = model.sample_codes(7, np.random.default_rng(0))
    assert codes.shape == (7, model.latent) == (7, 6)
    np.testing.assert_array_equal(codes[:, 3:].argmax(1), [0, 1, 2, 0, 1, 2, 0])
    same_z = np.tile(codes[0], (3, 1))
    same_z[:, 3:] = np.eye(3)
    images = model.decode_codes(same_z, np.random.default_rng(0)).reshape(3, -1)
    assert min(np.abs(images[i] - images[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.01


@pytest.mark.parametrize(("generators", "classes"), [(2, 2), (3, 2), (4, 6), (6, 4)])
def test_classes_in_turn_meet_each_generator_as_often(generators, classes):
    model = make(MGAN, generators=generators, classes=classes)
    n = generators * classes
    k = model.sample_codes(n, np.random.default_rng(0))[:, -generators:].argmax(1)
    assert len({*zip(k.tolist(), model.classes_of(n, None).tolist())}) == n


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
@pytest.mark.parametrize("model_type", SETTINGS)
@pytest.mark.parametrize("shape", [(9, 6), (5, 8, 3)], ids=str)
def test_images_of_odd_sides_in_colour_and_of_classes(model_type, network, shape):
    model = make(model_type, shape, classes=2, network=network, minibatch_kernels=2)
    x, labels = batch(8, math.prod(shape)), np.arange(8) % 2
    numbers = model.update(x, np.random.default_rng(0), 0, labels, model.optimizers(2))
    assert all(map(math.isfinite, numbers.values()))
    assert model.sample(3, np.random.default_rng(0), labels[:3]).shape == (3, *shape)
    found = model.evaluate(x, np.random.default_rng(0), labels)
    assert all(values.shape == (8,) for values in found.values())


@pytest.mark.parametrize(
    ("model_type", "settings", "message"),
    [
        (MGAN, {"generators": 1}, "generators=1: must be 2 to 100"),
        (MGAN, {"beta": -1.0}, "beta=-1"),
        (MGAN, {"batch": 3, "generators": 4}, "batch=3, generators=4: each generator makes"),
        (MGAN, {"feature_matching": True}, "it takes the place of the loss of G"),
        (GMAN, {"discriminators": 0}, "discriminators=0"),
        (GMAN, {"inverse_temperature": -1.0}, "inverse_temperature=-1"),
        (GMAN, {"feature_matching": True}, "feature_matching=yes: it is for one discriminator"),
        (GMAN, {"loss": "wgan-gp"}, "loss=wgan-gp: it is for one discriminator"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(model_type, settings, message):
    with pytest.raises(UsageError, match=message):
        make(model_type, **settings)


STEPS = 1500


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_the_classifier_is_what_keeps_the_generators_apart(beta):
    """On the setting that makes a GAN collapse, with a generator for each mode of the ring."""
    data, rng = ring(), np.random.default_rng(1)
    settings = replace(mgan_settings.COLLAPSING, beta=beta)
    model = MGAN.for_data(settings, data, np.random.default_rng(0))
    optimizers = model.optimizers(STEPS)
    for _ in range(STEPS):
        x = data.train[rng.integers(len(data.train), size=model.images_per_step)]
        model.update(x, rng, 0, None, optimizers)
    covered = data.modes_covered(model.sample(2000, rng))
    information = model.evaluate(data.test[:400], rng)["information"].mean()
    assert covered <= 2 if beta == 0 else covered >= 5
    assert information < 0.1 if beta == 0 else information > 0.9 * math.log(8)
