"""The GAN: both losses and their equilibrium, what steadies D, and gradients of gradients."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from autograd import Tensor, grad, leaky_relu, nn, sigmoid
from models import metrics
from models.adversarial.cures import (
    MinibatchDiscrimination,
    SpectralNorm,
    gradient_penalty,
    unrolled,
)
from models.adversarial.gan import GAN
from models.adversarial.gan_report import GANReport, class_counts, classes_covered
from models.adversarial.gan_settings import DEFAULTS, Settings
from models.adversarial.losses import LOSSES
from models.adversarial.networks import Discriminator
from models.data import Dataset
from models.data.ring import ring
from models.errors import UsageError

IMAGE = (8, 8)
SMALL = {"mlp": (6, 5), "dcgan": (3, 4)}


def make(shape=IMAGE, classes=0, seed=0, dtype=np.float32, **settings) -> GAN:
    settings = {"network": "mlp", "latent": 3, "batch": 4} | settings
    settings = {"hidden": SMALL[settings["network"]]} | settings
    rng = np.random.default_rng(seed)
    model = GAN(Settings(**settings), shape, 17 * (len(shape) > 1), rng, classes)
    for tensor in model.tensors().values():  # the node too, since it has a dtype
        cast = Tensor(tensor.data.astype(dtype), requires_grad=tensor.requires_grad)
        tensor.data, tensor.node = cast.data, cast.node
    return model


def batch(n: int = 4, pixels: int = 64, seed: int = 1, dtype=np.float32) -> np.ndarray:
    return np.random.default_rng(seed).random((n, pixels)).astype(dtype)


def undecided(model: GAN) -> GAN:
    """With D = 1/2 everywhere."""
    for tensor in model.discriminator.output.tensors().values():
        tensor.data[...] = 0
    return model


# The losses


@pytest.mark.parametrize("loss, sign", [("non-saturating", 1), ("minimax", -1)])
def test_at_one_half_the_losses_are_log_4_and_log_2(loss, sign):
    model, rng, x = undecided(make(loss=loss)), np.random.default_rng(0), batch()
    d_loss, parts = model.discriminator_loss(x, 1 - x, None, rng)
    assert d_loss.item() == pytest.approx(math.log(4))
    assert parts["d_real"] == parts["d_fake"] == 0.5
    assert model.generator_loss(x, x, None, rng).item() == pytest.approx(sign * math.log(2))


def test_the_wasserstein_losses_are_differences_of_scores():
    model, rng, x = make(loss="wgan"), np.random.default_rng(0), batch()
    real, fake = (model.discriminator(y).data.mean() for y in (x, 1 - x))
    d_loss, parts = model.discriminator_loss(x, 1 - x, None, rng)
    assert d_loss.item() == pytest.approx(fake - real)
    assert parts["wasserstein"] == pytest.approx(real - fake)
    assert model.generator_loss(1 - x, x, None, rng).item() == pytest.approx(-fake)


@pytest.mark.parametrize("d", [1e-6, 1e-3, 0.5, 0.999])
def test_minimax_saturates_where_d_is_sure(d):
    """d/dl log(1 - D) = -D, which vanishes as D -> 0; d/dl -log D = -(1 - D), which does not."""
    slopes = {}
    for loss in ("minimax", "non-saturating"):
        logit = Tensor(np.log(d / (1 - d)), requires_grad=True)
        slopes[loss] = grad(LOSSES[loss].generator(logit), logit).item()
    assert slopes == pytest.approx({"minimax": -d, "non-saturating": d - 1})


@pytest.mark.parametrize("real, fake", [(1.0, 0.0), (0.9, 0.0), (0.9, 0.1), (0.6, 0.5)])
def test_smoothing_moves_the_optimum_of_d(real, fake):
    """Where data and samples are equally likely, D* = (a p + b q) / (p + q) = (a + b) / 2."""
    model = undecided(make(real_target=real, fake_target=fake, dtype=np.float64))
    best = (real + fake) / 2
    model.discriminator.output.bias.data[...] = np.log(best / (1 - best))
    x = batch(dtype=np.float64)
    loss, _ = model.discriminator_loss(x, x[::-1], None, np.random.default_rng(0))
    assert grad(loss, model.discriminator.output.bias).data == pytest.approx(0, abs=1e-12)


def test_feature_matching_is_the_distance_of_mean_features():
    model, x = make(feature_matching=True), batch()
    real, fake = (model.discriminator.features(y).data.mean(0) for y in (x, x**2))
    loss = model.generator_loss(x**2, x, None, np.random.default_rng(0))
    assert loss.item() == pytest.approx(((real - fake) ** 2).sum(), rel=1e-5)


# Gradients of gradients


def torch_discriminator(discriminator: Discriminator, x, parameters):
    """The same network in PyTorch."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    values = iter(parameters)
    h = x.reshape(-1, 1, *discriminator.image) if discriminator.image else x
    for step in [*discriminator.steps, discriminator.output]:
        if isinstance(step, nn.Linear):
            h = functional.linear(h, next(values), next(values))
        elif isinstance(step, nn.Conv2d):
            h = functional.conv2d(h, next(values), next(values), stride=2, padding=1)
        else:
            h = functional.leaky_relu(h, 0.2) if step is leaky_relu else h.flatten(1)
    return h


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_the_gradients_of_the_penalty_are_those_of_pytorch(network):
    torch = pytest.importorskip("torch")
    model = make(loss="wgan-gp", network=network, dtype=np.float64)
    model.discriminator.steps[0].weight.data *= 20  # as steep as the penalty wants it
    x = 2 * batch(dtype=np.float64) - 1
    tensors = model.discriminator.parameters()
    penalty = gradient_penalty(model.discriminator, Tensor(x, requires_grad=True))
    ours = grad(penalty, list(tensors.values()))

    theirs = [torch.tensor(t.data, requires_grad=True) for t in tensors.values()]
    points = torch.tensor(x, requires_grad=True)
    scores = torch_discriminator(model.discriminator, points, theirs)
    (slope,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    expected = ((slope.norm(dim=1) - 1) ** 2).mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-12)
    slopes = torch.autograd.grad(expected, theirs, allow_unused=True)
    assert max(s.abs().max() for s in slopes if s is not None) > 0.01
    for name, a, b in zip(tensors, ours, slopes):
        b = np.zeros(a.shape) if b is None else b.numpy()  # the last bias moves no slope
        np.testing.assert_allclose(a.data, b, rtol=0, atol=1e-10, err_msg=name)


def test_the_penalty_joins_the_loss_with_its_weight():
    x = batch()
    losses = []
    for penalty in (0.0, 10.0):
        model = make(loss="wgan-gp", penalty=penalty)
        loss, parts = model.discriminator_loss(x, 1 - x, None, np.random.default_rng(3))
        losses.append(loss.item())
    assert losses[1] - losses[0] == pytest.approx(10 * parts["penalty"], rel=1e-4)
    assert losses[0] == pytest.approx(-parts["wasserstein"], rel=1e-4)


@pytest.mark.parametrize("changes", [{"unrolled_steps": 0}, {"unrolled_rate": 0.0}])
def test_unrolled_by_nothing_is_plain(changes):
    x, rng = batch(), np.random.default_rng(0)
    slopes = []
    for settings in ({}, {"unrolled_steps": 3} | changes):
        model = make(**settings)
        fake = model.generator(batch(4, 3, seed=2))
        loss = model.generator_loss(fake, x, None, rng)
        slopes.append(grad(loss, list(model.generator.parameters().values())))
    for plain, looked_ahead in zip(*slopes):
        np.testing.assert_allclose(looked_ahead.data, plain.data, rtol=1e-6)


def test_unrolled_steps_are_those_of_gradient_descent_and_undone():
    model, by_hand, rng, x = make(), make(), np.random.default_rng(0), batch()
    before = model.discriminator.state()
    for _ in range(2):
        by_hand.zero_grad()
        by_hand.discriminator_loss(x, 1 - x, None, rng)[0].backward()
        for p in by_hand.discriminator.parameters().values():
            p.data -= 0.3 * p.grad.data
    with unrolled(
        model.discriminator, lambda: model.discriminator_loss(x, 1 - x, None, rng)[0], 2, 0.3
    ):
        for name, value in by_hand.discriminator.state().items():
            found = model.discriminator.tensors()[name].data
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-7)
    for name, value in model.discriminator.state().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("loss", ["minimax", "non-saturating", "wgan", "wgan-gp"])
def test_the_gradient_through_unrolled_steps_is_that_of_finite_differences(loss):
    """Along a random direction; without the second-order term it is another number."""
    model = make(loss=loss, unrolled_steps=3, unrolled_rate=0.5, dtype=np.float64)
    for p in model.discriminator.parameters().values():
        p.data *= 2
    x, z = batch(dtype=np.float64), batch(4, 3, seed=2, dtype=np.float64)
    weight = model.generator.steps[0].weight
    direction = np.random.default_rng(5).standard_normal(weight.shape)
    start = weight.data.copy()

    def at(shift: float) -> Tensor:
        weight.data = start + shift * direction
        return model.generator_loss(model.generator(z), x, None, np.random.default_rng(0))

    slope = (grad(at(0), weight).data * direction).sum()
    difference = (at(1e-6).item() - at(-1e-6).item()) / 2e-6
    assert slope == pytest.approx(difference, rel=1e-6)
    blind = make(loss=loss, dtype=np.float64)
    blind.load_state(model.state() | {"generator.steps.0.weight": start})
    plain = blind.generator_loss(blind.generator(z), x, None, np.random.default_rng(0))
    ahead = (grad(plain, blind.generator.steps[0].weight).data * direction).sum()
    assert abs(ahead - slope) > 0.01 * abs(slope)


# What steadies the discriminator


LAYERS = {"linear": (nn.Linear, (7, 5)), "conv": (nn.Conv2d, (3, 5, 4))}


@pytest.mark.parametrize("kind", LAYERS)
def test_spectral_norm_finds_the_largest_singular_value(kind):
    rng = np.random.default_rng(0)
    layer, sizes = LAYERS[kind]
    normed = SpectralNorm(layer(*sizes, rng), rng)
    x = rng.standard_normal((2, 7) if kind == "linear" else (2, 3, 6, 6)).astype(np.float32)
    for _ in range(100):
        normed(x)
    weight = normed.layer.weight.data.reshape(5, -1)
    largest = np.linalg.svd(weight, compute_uv=False)[0]
    assert normed.sigma().item() == pytest.approx(largest, rel=1e-4)


def test_a_layer_with_spectral_norm_is_1_lipschitz_and_no_less():
    rng = np.random.default_rng(0)
    normed = SpectralNorm(nn.Linear(7, 5, rng), rng)
    normed.layer.weight.data *= 30
    pairs = rng.standard_normal((2, 500, 7)).astype(np.float32)
    pairs[1, 0] = pairs[0, 0] + np.linalg.svd(normed.layer.weight.data)[2][0]
    for _ in range(100):
        normed(pairs[0])
    outputs = [normed(x).data for x in pairs]
    stretch = np.linalg.norm(np.subtract(*outputs), axis=1) / np.linalg.norm(
        np.subtract(*pairs), axis=1
    )
    assert stretch.max() == pytest.approx(1, abs=1e-3)


def test_spectral_norm_iterates_in_training_only_and_is_saved():
    model = make(spectral_norm=True)
    name = "discriminator.output.u"
    before = model.state()[name].copy()
    model.evaluate(batch(), np.random.default_rng(0))
    np.testing.assert_array_equal(model.state()[name], before)
    model.discriminator(batch())
    first = "discriminator.steps.0.u"
    assert not np.array_equal(model.state()[first], make(spectral_norm=True).state()[first])


def test_clipping_holds_after_a_step_and_only_the_critic():
    model = make(loss="wgan", clip=0.03, learning_rate=0.5, critic_steps=2)
    model.update(batch(8), np.random.default_rng(0), 0, None, model.optimizers(1))
    assert max(np.abs(p.data).max() for p in model.discriminator.parameters().values()) == (
        np.float32(0.03)
    )
    assert max(np.abs(p.data).max() for p in model.generator.parameters().values()) > 0.1


def test_minibatch_discrimination_is_its_definition():
    rng = np.random.default_rng(0)
    layer, f = MinibatchDiscrimination(6, 3, rng), batch(5, 6)
    m = (f @ layer.weight.data).reshape(5, 3, -1)
    expected = np.zeros((5, 3))
    for i, j, b in itertools.product(range(5), range(5), range(3)):
        expected[i, b] += np.exp(-np.abs(m[i, b] - m[j, b]).sum())
    np.testing.assert_allclose(layer(f).data, expected, rtol=1e-5)
    np.testing.assert_allclose(layer(f[:1].repeat(5, axis=0)).data, 5)  # all the same


# Training


VARIANTS = [
    {"loss": "minimax"},
    {"real_target": 0.9, "fake_target": 0.1, "feature_matching": True},
    {"loss": "wgan", "optimizer": "rmsprop", "critic_steps": 2},
    {"loss": "wgan-gp", "critic_steps": 2},
    {"network": "dcgan", "spectral_norm": True, "minibatch_kernels": 3},
    {"network": "dcgan", "loss": "wgan-gp", "conditional": True},
    {"unrolled_steps": 2, "spectral_norm": True, "conditional": True},
]


def steps(model: GAN, optimizers, which: range) -> list[dict[str, float]]:
    n = model.images_per_step
    labels = np.arange(n) % model.classes if model.classes else None
    return [
        model.update(batch(n, seed=i), np.random.default_rng(i), 0, labels, optimizers)
        for i in which
    ]


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_training_goes_on_as_if_it_had_not_stopped(settings):
    classes = 3 * settings.get("conditional", False)
    whole, first, second = (make(classes=classes, **settings) for _ in range(3))
    straight = steps(whole, whole.optimizers(4), range(4))
    optimizers, again = first.optimizers(4), second.optimizers(4)
    steps(first, optimizers, range(2))
    second.load_state(first.state())
    for name, optimizer in again.items():
        optimizer.load_state(optimizers[name].state())
    assert steps(second, again, range(2, 4)) == straight[2:]
    start = make(classes=classes, **settings).state()
    for name, value in whole.state().items():
        np.testing.assert_array_equal(second.state()[name], value)
        assert value.dtype == np.float32
        if name in whole.parameters() and not name.endswith("output.bias"):
            assert not np.array_equal(value, start[name]), name


def test_each_player_has_its_steps():
    model = make(critic_steps=3)
    optimizers = model.optimizers(10)
    steps(model, optimizers, range(2))
    assert {name: o.steps for name, o in optimizers.items()} == {"discriminator": 6, "generator": 2}
    assert model.images_per_step == 12
    rates = [o.schedule(n) for o, n in zip(optimizers.values(), (30, 10))]
    assert rates == pytest.approx([model.settings.final_learning_rate] * 2)


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (9, 6), (9, 6, 3), (8, 13, 3)], ids=str)
@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_the_networks_fit_images_of_any_size_and_colour(network, shape):
    model = make(shape, network=network, classes=2, spectral_norm=True)
    z, labels = batch(3, 3), np.array([0, 1, 0])
    decoded = model.decode_codes(z, np.random.default_rng(0), labels)
    for images in (model.sample(3, np.random.default_rng(0)), decoded):
        assert images.shape == (3, *shape) and images.min() >= 0 and images.max() <= 1
    classes = np.eye(2, dtype=np.float32)
    x = batch(2, math.prod(shape))
    assert model.discriminator(x, classes).shape == (2,)
    logits, others = (model.discriminator(x, c).data for c in (classes, classes[::-1]))
    assert not np.allclose(logits, others)


@pytest.mark.parametrize("loss", ["non-saturating", "wgan"])
def test_evaluation_is_of_every_image(loss):
    model, x = make(loss=loss), batch(10)
    found = model.evaluate(x, np.random.default_rng(0))
    assert all(v.shape == (10,) for v in found.values())
    logits = model.discriminator(2 * x - 1).data
    real = sigmoid(logits) if loss == "non-saturating" else logits
    np.testing.assert_allclose(found["d_real"], real, rtol=1e-5)
    if loss == "non-saturating":
        d_loss = -np.log(found["d_real"]) - np.log(1 - found["d_fake"])
    else:
        d_loss = found["d_fake"] - found["d_real"]
    np.testing.assert_allclose(found["discriminator_loss"], d_loss, rtol=1e-4, atol=1e-6)
    rows = GANReport(model, None).rows({k: float(v.mean()) for k, v in found.items()})
    assert rows[0].value == pytest.approx(
        found["d_real"].mean() if loss == "non-saturating" else -d_loss.mean(), rel=1e-4
    )


def test_a_conditional_sample_is_of_its_class():
    model = make(classes=3)
    first, again, other = (
        model.sample(2, np.random.default_rng(0), np.array(labels))
        for labels in ([0, 1], [0, 1], [2, 1])
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(first[1], other[1])


@pytest.mark.parametrize(
    "classes, labels, message",
    [
        (3, [0, 3], "class 3: the classes are 0 to 2"),
        (3, [0, -1], "class -1"),
        (3, [0.0, 1.0], "whole numbers"),
        (0, [0, 1], "conditional=yes"),
    ],
)
def test_a_class_that_there_is_not_is_refused(classes, labels, message):
    with pytest.raises(UsageError, match=message):
        make(classes=classes).sample(2, np.random.default_rng(0), np.array(labels))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"loss": "hinge"}, "loss=hinge: choose one of minimax"),
        ({"network": "vit"}, "network=vit"),
        ({"optimizer": "sgd"}, "optimizer=sgd"),
        ({"pixels": "half"}, "pixels=half"),
        ({"latent": 0}, "latent=0"),
        ({"hidden": ()}, "hidden needs at least one"),
        ({"critic_steps": 0}, "critic_steps=0"),
        ({"unrolled_steps": -1}, "unrolled_steps=-1"),
        ({"clip": 0.0}, "clip=0"),
        ({"beta1": 1.0}, "beta1=1"),
        ({"real_target": 1.1}, "real_target=1.1: must be 0 to 1"),
        ({"real_target": 0.1, "fake_target": 0.2}, "must be greater than that for samples"),
        ({"loss": "wgan-gp", "minibatch_kernels": 4}, "each image's own gradient"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        Settings(**settings)


@pytest.mark.parametrize("shape, message", [((2,), "network=mlp"), ((3, 8), "3x8 is too small")])
def test_convolutions_are_refused_what_they_cannot_halve(shape, message):
    with pytest.raises(UsageError, match=message):
        make(shape, network="dcgan")


def test_pixels_out_of_range_are_refused():
    with pytest.raises(ValueError, match="must be in"):
        make().evaluate(3 * batch(), np.random.default_rng(0))


# The data sets


SHORT = 1000  # steps


def test_the_ring_is_covered_after_a_short_training():
    data = ring()
    settings = dataclasses.replace(DEFAULTS["ring"], latent=2)
    model = GAN.for_data(settings, data, np.random.default_rng(0))
    optimizers, rng = model.optimizers(SHORT), np.random.default_rng(1)
    for _ in range(SHORT):
        x = data.train[rng.integers(len(data.train), size=model.images_per_step)]
        model.update(x, rng, 0, None, optimizers)
    samples = model.sample(2500, rng)
    assert data.modes_covered(samples) == 8
    assert data.share_of_good(samples) > 0.3


def labelled_images(classes: int = 3) -> Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(30) % classes
    images = rng.integers(17, size=(30, *IMAGE)).astype(np.uint8)
    return Dataset("noise", 17, images, images, labels, labels)


class FirstPixel:
    """A classifier that looks at one pixel."""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return np.eye(3)[(2.99 * images[:, 0, 0]).astype(int)]


@pytest.mark.parametrize("conditional", [False, True])
def test_pictures(conditional, monkeypatch):
    monkeypatch.setattr(metrics, "classifier_for", lambda data: FirstPixel())
    data = labelled_images()
    settings = Settings(network="mlp", hidden=(6,), latent=2, conditional=conditional)
    model = GAN.for_data(settings, data, np.random.default_rng(0))
    assert model.classes == 3 * conditional
    made = GANReport(model, data).pictures(batch(10), np.random.default_rng(0))
    assert list(made) == ["samples", "classes"]
    if not conditional:
        unlabelled = dataclasses.replace(data, train_labels=None, test_labels=None)
        assert list(GANReport(model, unlabelled).pictures(batch(10), np.random.default_rng(0))) == [
            "samples"
        ]
    _, _, *below = made["classes"].axes
    assert below[0].get_ylim() == below[1].get_ylim()  # so that the shares can be compared


def test_a_class_is_covered_by_a_tenth_of_its_share(monkeypatch):
    monkeypatch.setattr(metrics, "classifier_for", lambda data: FirstPixel())
    images = np.zeros((60, *IMAGE))
    images[:57, 0, 0], images[57:59, 0, 0] = 1, 0.5
    counts = class_counts(labelled_images(), images)
    np.testing.assert_array_equal(counts, [1, 2, 57])
    assert classes_covered(counts) == 2


def test_points_are_plotted_as_points():
    data = ring(train=50, test=40)
    model = GAN.for_data(DEFAULTS["ring"], data, np.random.default_rng(0))
    assert model.sample(5, np.random.default_rng(0)).shape == (5, 2)
    figures = GANReport(model, data).pictures(data.test, np.random.default_rng(0))
    assert list(figures) == ["samples"]


def test_the_panels_have_the_lines_of_the_equilibrium():
    def lines(**settings):
        panels = GANReport(make(**settings), None).panels()
        return {k: v for panel in panels for k, v in panel.lines.items()}

    assert lines() == {"log 4": math.log(4), "log 2": math.log(2), "1/2": 0.5}
    assert lines(loss="minimax")["$-$log 2"] == -math.log(2)
    assert "log 2" not in lines(feature_matching=True)
    assert "log 4" not in lines(loss="wgan-gp")
