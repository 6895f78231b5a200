"""The PixelCNN: what a pixel may see, that its probabilities are some, and how it samples."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import check, no_grad
from models.autoregressive import raster
from models.autoregressive.networks import NETWORKS
from models.autoregressive.pixelcnn import IMAGES_PER_BATCH, PixelCNN
from models.autoregressive.pixelcnn_report import PixelCNNReport
from models.autoregressive.pixelcnn_settings import DEFAULTS, Settings
from models.data import Dataset, planes
from models.errors import UsageError

TINY = Settings(kernel_size=5, channels=6, blocks=2, pixels="fixed")
both_kinds = pytest.mark.parametrize("kind", NETWORKS)


def make(kind="plain", shape=(5, 4), levels=2, classes=0, seed=0, **changes):
    """A small model with random biases, those of the classes too, which start from 0."""
    pixels = "fixed" if levels == 2 else "levels"
    s = dataclasses.replace(TINY, kind=kind, pixels=pixels, conditional=classes > 0, **changes)
    rng = np.random.default_rng(seed)
    model = PixelCNN(s, shape, levels, rng, classes)
    for parameter in model.parameters().values():
        parameter.data += rng.normal(0, 0.3, parameter.shape).astype(np.float32)
    return model


def in_float64(model):
    for parameter in model.parameters().values():
        parameter.data = parameter.data.astype(np.float64)
    return model


def images(n, shape, levels, seed=0):
    """Random ones, (n, *shape) of the levels in [0, 1]."""
    level = np.random.default_rng(seed).integers(0, levels, (n, *shape))
    return (level / (levels - 1)).astype(np.float32)


def every_image(shape, levels):
    pixels = itertools.product(range(levels), repeat=math.prod(shape))
    return np.array(list(pixels), float) / (levels - 1)


# What a pixel sees


def dependences(model):
    """(height width, height width): whether the logits of a pixel, a row, change with another."""
    height, width = model.shape
    x = np.random.default_rng(1).random((8, height, width))
    places = itertools.product(range(height), range(width))
    return np.array([model.dependence(x, *place).ravel() > 0 for place in places])


def leaks(model):
    """Whether a pixel's logits depend on itself or on a later one."""
    return bool(np.triu(dependences(model)).any())


@both_kinds
@pytest.mark.parametrize("levels", [2, 3])
def test_no_pixel_sees_itself_or_a_later_one(kind, levels):
    assert not leaks(make(kind, levels=levels, shape=(6, 7)))


@both_kinds
def test_a_first_mask_that_lets_the_centre_through_leaks(kind):
    model = make(kind, shape=(6, 7))
    model.network.image_layers()[-1].options["mask"] = "B"
    assert leaks(model)


def test_a_vertical_stack_that_sees_its_own_row_leaks():
    model = make("gated", shape=(6, 7), kernel_size=3)
    first, second, _ = model.network.layers
    first.vertical.options["mask"] = second.vertical.options["mask"]
    assert leaks(model)


def test_a_plain_network_has_a_blind_spot_and_a_gated_one_has_none():
    """Plain: one pixel further right is seen only one row further up, with 3x3 throughout."""
    shape = height, width = 5, 7
    before = np.tri(height * width, k=-1, dtype=bool)
    np.testing.assert_array_equal(
        dependences(make("gated", shape, kernel_size=3, blocks=8)), before
    )
    seen = dependences(make("plain", shape, kernel_size=3, blocks=8))
    for place, (row, column) in enumerate(itertools.product(range(height), range(width))):
        i, j = np.indices(shape)
        blind = (i < row) & (j - column > row - i)
        np.testing.assert_array_equal(seen[place], before[place] & ~blind.ravel())


# Probabilities


@both_kinds
@pytest.mark.parametrize(
    ("shape", "levels", "classes"), [((3, 3), 2, 0), ((3, 3), 2, 3), ((2, 2), 5, 0), ((2, 2), 4, 2)]
)
def test_probabilities_of_all_images_sum_to_1(kind, shape, levels, classes):
    model, x = in_float64(make(kind, shape, levels, classes)), every_image(shape, levels)
    assert len(x) in (512, 625, 256)
    sums = []
    for label in range(classes or 1):
        log_p = model.log_prob(x, np.full(len(x), label) if classes else None)
        sums.append(log_p)
        assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-12)
    assert classes == 0 or np.abs(sums[0] - sums[1]).max() > 0.01  # the class matters


@both_kinds
@pytest.mark.parametrize("levels", [2, 4])
def test_log_prob_is_the_sum_over_pixels_of_what_each_is_given_those_before(kind, levels):
    shape, n = (4, 5), 3
    model, x = in_float64(make(kind, shape, levels)), images(n, (4, 5), levels).astype(float)
    expected = np.zeros(n)
    for place in itertools.product(range(4), range(5)):
        later = np.ravel_multi_index(place, shape)
        known = x.reshape(n, -1).copy()
        known[:, later:] = 0.0  # the pixel itself and those after it are not looked at
        with no_grad():
            logits = model.logits(known.reshape(n, 1, *shape)).data[:, :, *place]
        for k in range(n):
            if levels == 2:
                odds = math.exp(logits[k, 0])
                p = np.array([1, odds]) / (1 + odds)
            else:
                p = np.exp(logits[k]) / np.exp(logits[k]).sum()
            expected[k] += math.log(p[round(x[k][place] * (levels - 1))])
    np.testing.assert_allclose(model.log_prob(x.reshape(n, -1)), expected, rtol=1e-12)


def test_chunks_change_no_number():
    model = make(shape=(3, 3), classes=4)
    x = images(2 * IMAGES_PER_BATCH + 7, (3, 3), 2).reshape(-1, 9)
    labels = np.arange(len(x)) % 4
    found = model.log_prob(x, labels)
    np.testing.assert_array_equal(found[-9:], model.log_prob(x[-9:], labels[-9:]))
    assert model.log_prob(x[:0], labels[:0]).shape == (0,)
    rng = np.random.default_rng(0)
    loss, parts = model.loss(x, rng, labels=labels)
    assert (loss.item(), parts) == (pytest.approx(-found.mean(), rel=1e-5), {})
    np.testing.assert_array_equal(model.evaluate(x, rng, labels)["nll"], -found)


@both_kinds
@pytest.mark.parametrize("levels", [2, 3])
def test_gradient_of_the_loss(kind, levels):
    model = in_float64(make(kind, (3, 3), levels, classes=2, channels=4, blocks=1, kernel_size=3))
    x, labels = images(4, (3, 3), levels).reshape(4, -1).astype(float), np.array([0, 1, 1, 0])
    names = list(model.parameters())

    def loss(*values):
        for name, value in zip(names, values):
            *path, last = name.split(".")
            owner = model
            for part in path:
                owner = owner[int(part)] if part.isdigit() else getattr(owner, part)
            setattr(owner, last, value)
        return model.loss(x, np.random.default_rng(0), labels=labels)[0]

    check.gradients(loss, *(p.data for p in model.parameters().values()))


# Sampling


def sampled_both_ways(model, known, start, labels, seed):
    """By pieces and by the definition, from the same noise; `known` (n, height, width)."""
    found = start.copy(), start.copy()
    u = np.random.default_rng(seed).random(start.shape, np.float32)
    for sample, canvas in zip((raster.sample, raster.sample_by_definition), found):
        x, noise = (planes(a.reshape(len(a), -1), model.shape) for a in (canvas, u))
        sample(model, x, known, noise, labels)
    return found


def upper(rows, shape):
    """Whether a pixel (height, width) is in the first rows."""
    return np.indices(shape[:2])[0] < rows


@both_kinds
@pytest.mark.parametrize(("levels", "classes"), [(2, 0), (2, 3), (7, 0), (7, 3)])
def test_pieces_sample_what_the_definition_samples(kind, levels, classes):
    """To the last bit, or now and then one seed would give another image."""
    model = make(kind, (7, 6), levels, classes, kernel_size=5)
    labels = model.classes_of(4, None)
    several = set()
    for seed in range(4):
        start = np.zeros((4, 7, 6), np.float32)
        a, b = sampled_both_ways(model, start > 0, start, labels, seed)
        np.testing.assert_array_equal(a, b)
        several.add(a.tobytes())
    assert len(several) == 4


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(NETWORKS)),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    levels=st.sampled_from([2, 3]),
    n=st.integers(1, 3),
    kernel_size=st.sampled_from([3, 5, 7]),
    data=st.data(),
)
def test_completing_keeps_what_is_known(kind, shape, levels, n, kernel_size, data):
    known = upper(data.draw(st.integers(0, shape[0])), shape)
    model, given_images = (
        make(kind, shape, levels, kernel_size=kernel_size),
        images(n, shape, levels),
    )
    before = given_images.copy()
    completed = model.complete(given_images, known, np.random.default_rng(3))
    np.testing.assert_array_equal(given_images, before)
    np.testing.assert_array_equal(completed[:, known], given_images[:, known])
    assert set(np.rint(completed.ravel() * (levels - 1))) <= set(range(levels))
    start = np.where(known, given_images, 0)
    _, expected = sampled_both_ways(model, np.broadcast_to(known, start.shape), start, None, 3)
    np.testing.assert_array_equal(completed, expected)


@both_kinds
@pytest.mark.parametrize("levels", [2, 3])
def test_samples_have_the_probabilities_of_the_model(kind, levels):
    """Of two pixels: each image as often as log_prob says, within 5 standard deviations."""
    shape, n = (1, 2), 4000
    model = make(kind, shape, levels, kernel_size=3)
    samples = model.sample(n, np.random.default_rng(0)).reshape(n, -1)
    for x in every_image(shape, levels):
        p = math.exp(model.log_prob(x[None].astype(np.float32))[0])
        found = (np.abs(samples - x).max(axis=1) < 1e-3).mean()
        assert abs(found - p) < 5 * math.sqrt(p * (1 - p) / n)


def test_each_class_draws_its_own():
    """With a bias that says so, the images of class 0 are empty and those of class 1 full."""
    model = make(shape=(4, 4), classes=2)
    last = model.network.last.steps[-1]
    model.network.first.class_bias.data[...] = [[-9.0] * 6, [9.0] * 6]
    for block in model.network.blocks:
        block.up.weight.data[...] = 0
    hidden = model.network.last.steps[1]
    hidden.weight.data[...], hidden.bias.data[...] = 1, 0
    last.weight.data[...], last.bias.data[...] = 1, -30
    labels = np.array([0, 1, 1, 0])
    means = model.sample(4, np.random.default_rng(0), labels).mean(axis=(1, 2))
    np.testing.assert_array_equal(means, labels)


# Against PyTorch


def torch_conv(torch, conv, x, labels=None):
    """A layer of ours as PyTorch computes it, with its weight times the mask."""
    weight, bias = (torch.tensor(t.numpy()) for t in (conv.weight, conv.bias))
    mask = conv.options["mask"]
    if isinstance(mask, str):
        height, width = weight.shape[2:]
        mask = (np.arange(height * width) < height * width // 2 + (mask == "B")).reshape(height, -1)
    if mask is not None:
        weight = weight * torch.tensor(np.array(mask, float))
    y = torch.nn.functional.conv2d(x, weight, bias, padding=conv.options["padding"])
    if getattr(conv, "class_bias", None) is not None:
        y = y + torch.tensor(conv.class_bias.numpy()[labels])[:, :, None, None]
    return y


def torch_plain(torch, network, x, conv):
    h = conv(network.first, x)
    for block in network.blocks:
        h = h + conv(block.up, conv(block.masked, conv(block.down, h.relu()).relu()).relu())
    return conv(network.last.steps[3], conv(network.last.steps[1], h.relu()).relu())


def torch_gated(torch, network, x, conv):
    def gate(h):
        a, b = h.chunk(2, dim=1)
        return a.tanh() * b.sigmoid()

    v, h = x, x
    for k, layer in enumerate(network.layers):
        v = conv(layer.vertical, v)
        new = conv(layer.out, gate(conv(layer.horizontal, h) + conv(layer.from_vertical, v)))
        v, h = gate(v), new if k == 0 else h + new
    return conv(network.last.steps[3], conv(network.last.steps[1], h.relu()).relu())


@both_kinds
@pytest.mark.parametrize(("levels", "classes"), [(2, 0), (5, 3)])
def test_the_same_weights_in_pytorch_give_the_same_logits(kind, levels, classes):
    torch = pytest.importorskip("torch")
    model = in_float64(make(kind, (6, 5), levels, classes))
    x = images(3, (6, 5), levels)[:, None].astype(float)
    labels = model.classes_of(3, None)
    twin = {"plain": torch_plain, "gated": torch_gated}[kind]

    def conv(layer, h):
        return torch_conv(torch, layer, h, labels)

    expected = twin(torch, model.network, torch.tensor(x), conv).numpy()
    np.testing.assert_allclose(model.logits(x, labels).data, expected, rtol=1e-10, atol=1e-12)


# The family


def test_it_learns_stripes():
    """Rows that are all 0 or all 1 cost log 2 each: 4 log 2 = 2.77 nats, and it gets near."""
    model = make(shape=(4, 4), channels=16)
    rng = np.random.default_rng(0)
    optimizers = model.optimizers(200)
    for _ in range(200):
        x = rng.integers(0, 2, (32, 4, 1)).repeat(4, axis=2).reshape(32, -1).astype(np.float32)
        model.update(x, rng, 0, None, optimizers)
    assert 4 * math.log(2) - 0.3 < model.evaluate(x, rng)["nll"].mean() < 4 * math.log(2) + 0.3


@pytest.mark.parametrize(("kind", "classes"), [("plain", 0), ("gated", 3)])
def test_pictures_and_report(kind, classes):
    level = np.random.default_rng(0).integers(0, 2, (20, 6, 5)).astype(np.uint8)
    labels = np.arange(20) % 3
    data = Dataset("noise", 2, level, level, labels, labels)
    s = dataclasses.replace(TINY, kind=kind, conditional=classes > 0)
    model = PixelCNN.for_data(s, data, np.random.default_rng(0))
    assert (model.classes, model.levels) == (classes, 2)
    rng = np.random.default_rng(0)
    test = data.observe(data.test, model.pixels, rng)
    report = PixelCNNReport(model, data)
    assert list(report.pictures(test, rng)) == ["samples", "completions", "receptive_field"]
    (row,) = report.rows({"nll": 30 * math.log(2)})
    assert (row.value, row.remark) == (30 * math.log(2), "(1.000 bits/dim, exact)")
    (panel,) = report.panels()
    assert (panel.train, panel.test) == ({"loss": "train"}, {"nll": "test"})
    assert panel.lines == {f"factorised model {report.baseline:.2f}": report.baseline}


@pytest.mark.parametrize(
    ("pixels", "levels", "outputs"), [("fixed", 2, 1), ("dynamic", 2, 1), ("levels", 17, 17)]
)
def test_binarised_images_have_two_levels_whatever_the_data_have(pixels, levels, outputs):
    s = dataclasses.replace(TINY, pixels=pixels)
    model = PixelCNN(s, (3, 3), 17, np.random.default_rng(0))
    assert model.levels == levels
    assert model.logits(np.zeros((1, 1, 3, 3), np.float32)).shape == (1, outputs, 3, 3)


def test_the_published_setting_is_of_fixed_pixels():
    assert DEFAULTS["binarized-mnist"].pixels == "fixed"


NOISE = np.full((2, 20), 0.5, np.float32)
ZEROS = np.zeros((2, 20), np.float32)


@pytest.mark.parametrize(
    ("classes", "x", "labels", "error", "message"),
    [
        (3, ZEROS, [0, 3], UsageError, "class 3: the classes are 0 to 2"),
        (3, ZEROS, [-1, 0], UsageError, "class -1: the classes are 0 to 2"),
        (3, ZEROS, None, UsageError, "needs the classes"),
        (0, ZEROS, [0, 1], UsageError, "not conditional"),
        (0, ZEROS + 2, None, ValueError, "pixels from 2 to 2"),
        (0, ZEROS - 1, None, ValueError, "must be in"),
        (0, ZEROS * np.nan, None, ValueError, "must be in"),
        (0, NOISE, None, ValueError, "pixels between levels: this pixelcnn is for images of 2"),
        (0, ZEROS[:, 1:], None, ValueError, r"images of \(19,\): this pixelcnn is for \(5, 4\)"),
    ],
)
def test_bad_input(classes, x, labels, error, message):
    labels = labels if labels is None else np.array(labels)
    with pytest.raises(error, match=message):
        make(classes=classes).log_prob(x, labels)


HALF = upper(2, (5, 4))


@pytest.mark.parametrize(
    ("start", "known", "message"),
    [
        (np.zeros((2, 4, 4)), HALF, r"images \(2, 4, 4\)"),
        (np.zeros((2, 5, 4, 3)), HALF, r"images \(2, 5, 4, 3\)"),
        (np.zeros((2, 5, 4)), HALF.T, r"known \(4, 5\)"),
        (np.zeros((2, 5, 4)), HALF[None], r"known \(1, 5, 4\)"),
        (np.full((2, 5, 4), 0.5), HALF, "between levels"),
        (np.full((2, 5, 4), 7.0), HALF, "must be in"),
    ],
)
def test_bad_completions(start, known, message):
    with pytest.raises(ValueError, match=message):
        make().complete(start, known, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "diagonal"}, "kind=diagonal: choose one of plain, gated"),
        ({"kernel_size": 4}, "kernel_size=4"),
        ({"kernel_size": 1}, "kernel_size=1"),
        ({"channels": 7}, "channels=7"),
        ({"blocks": 0}, "blocks=0"),
        ({"pixels": "some"}, "pixels=some"),
        ({"output": "normal"}, "output=normal: choose one of softmax, logistic"),
        ({"components": 0}, "components=0"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(TINY, **change)
