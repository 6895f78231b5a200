"""The PixelCNN in colour, and the mixture of discretised logistics."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from autograd import no_grad
from models.autoregressive import raster
from models.autoregressive.distributions import DISTRIBUTIONS
from models.autoregressive.networks import NETWORKS
from models.autoregressive.pixelcnn import PixelCNN
from models.autoregressive.pixelcnn_page import PixelCNNPage
from models.autoregressive.pixelcnn_report import PixelCNNReport
from models.autoregressive.pixelcnn_settings import DEFAULTS
from models.data import Dataset, load, planes
from models.errors import Caution, UsageError
from tests.models.test_pixelcnn import TINY, every_image, images, in_float64, make

both_kinds = pytest.mark.parametrize("kind", NETWORKS)
both_outputs = pytest.mark.parametrize("output", DISTRIBUTIONS)
COLOUR = 3, 2, 3  # height, width, channels


@both_kinds
@both_outputs
@pytest.mark.parametrize("classes", [0, 2])
def test_probabilities_of_all_2x2_images_in_colour_sum_to_1(kind, output, classes):
    x = every_image((2, 2, 3), 2)
    assert len(x) == 4096
    model = in_float64(make(kind, (2, 2, 3), 2, classes, output=output))
    log_p = [
        model.log_prob(x, np.full(len(x), label) if classes else None)
        for label in range(classes or 1)
    ]
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=1e-12)
    assert classes == 0 or np.abs(log_p[0] - log_p[1]).max() > 0.01


@both_kinds
@both_outputs
@pytest.mark.parametrize(("shape", "levels"), [((1, 1, 3), 9), ((1, 2, 3), 3), ((2, 2), 5)])
def test_probabilities_of_more_levels_sum_to_1(kind, output, shape, levels):
    """The edges of the logistics take the tails, in grey too."""
    model = in_float64(make(kind, shape, levels, output=output))
    assert np.exp(model.log_prob(every_image(shape, levels))).sum() == pytest.approx(1, abs=1e-12)


@both_kinds
@both_outputs
def test_each_number_depends_on_those_before_it_and_on_no_other(kind, output):
    """G on R of its own pixel, B on R and G; no pixel on a later one. Nothing is out of sight."""
    model = make(kind, COLOUR, 256, kernel_size=5, channels=48, output=output)
    x = np.random.default_rng(1).random((8, *COLOUR))
    seen = [model.dependence(x, *place).ravel() > 0 for place in np.ndindex(COLOUR)]
    np.testing.assert_array_equal(seen, np.tri(18, k=-1, dtype=bool))


@both_kinds
def test_without_its_order_of_groups_a_layer_leaks(kind):
    for wrong in range(2):
        model = make(kind, COLOUR, 4, channels=48)
        network = model.network
        layer = [network.image_layers()[-1], network.last.steps[1]][wrong]
        layer.order.data[...] = 1
        x = np.random.default_rng(1).random((8, *COLOUR))
        assert model.dependence(x, 1, 1, 1)[1, 1, 1:].any()


@both_outputs
@pytest.mark.parametrize("shape", [COLOUR, COLOUR[:2]])
def test_the_distribution_is_the_product_of_its_conditionals(output, shape):
    """log p of a pixel from what `choose` samples from: each u that ends in a level counts."""
    levels, n = 4, 300
    model = make("plain", shape, levels, output=output)
    x = images(1, shape, levels)
    flat = planes(x.reshape(1, -1), shape)
    with no_grad():
        logits = model.logits(flat)
        log_p = model.distribution.log_prob(logits, flat).data
    u = ((np.arange(n) + 0.5) / n).astype(np.float32)
    for row, column in np.ndindex(shape[:2]):
        own = np.repeat(logits.data[:, :, row, column], n, axis=0)
        pixel = np.repeat(flat[:, :, row, column], n, axis=0)
        p = [
            np.isclose(model.distribution.choose(own, pixel, c, u), pixel[:, c]).mean()
            for c in range(model.channels)
        ]
        assert np.prod(p) == pytest.approx(np.exp(log_p[0, ..., row, column].sum()), abs=0.02)


@both_kinds
@both_outputs
@pytest.mark.parametrize(("shape", "classes"), [((5, 4, 3), 0), ((3, 6, 3), 2), ((5, 4), 2)])
def test_sampling_by_pieces_is_sampling_by_the_definition(kind, output, shape, classes):
    """To the last bit, whatever is known; and that stays."""
    model = make(kind, shape, 7, classes, output=output)
    rng = np.random.default_rng(0)
    n, size = 4, shape[:2]
    labels = model.classes_of(n, None)
    for known in (np.zeros(size, bool), np.ones(size, bool), rng.random((n, *size)) < 0.7):
        start = images(n, shape, 7)
        known = np.broadcast_to(known, (n, *size))
        start[~known] = 0
        u = rng.random(start.shape, np.float32)
        found = start.copy(), start.copy()
        for sample, canvas in zip((raster.sample, raster.sample_by_definition), found):
            x, noise = (planes(a.reshape(n, -1), shape) for a in (canvas, u))
            sample(model, x, known, noise, labels)
        np.testing.assert_array_equal(*found)
        np.testing.assert_array_equal(found[0][known], start[known])
        assert len(np.unique(found[0].reshape(n, -1), axis=0)) == n


@both_kinds
@both_outputs
def test_samples_have_the_probabilities_of_the_model(kind, output):
    """Of one pixel of three levels: each as often as log_prob says, within 5 deviations."""
    shape, n = (1, 1, 3), 3000
    model = make(kind, shape, 3, output=output)
    samples = model.sample(n, np.random.default_rng(0)).reshape(n, -1)
    every = every_image(shape, 3).astype(np.float32)
    p = np.exp(model.log_prob(every))
    found = [np.isclose(samples, x).all(axis=1).mean() for x in every]
    assert (np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / n) + 1e-3).all()


def test_known_pixels_that_come_later_stay_without_influence():
    model, x = make(shape=(4, 4, 3)), images(2, (4, 4, 3), 2)
    known = np.broadcast_to(np.arange(4) > 1, (4, 4))  # the right half of each row
    with pytest.warns(Caution, match="have no influence"):
        completed = model.complete(x, known, np.random.default_rng(0))
    np.testing.assert_array_equal(completed[:, known], x[:, known])
    with pytest.warns(Caution):
        other = model.complete(1 - x, known, np.random.default_rng(0))
    np.testing.assert_array_equal(completed[:, 0, :2], other[:, 0, :2])


def test_a_known_piece_is_run_once():
    """However wide, and nothing is run after the last pixel that is sampled."""
    model, passes = make(shape=(3, 6)), []
    across = model.network.across
    model.network.across = lambda x, *rest: passes.append(x.shape[3]) or across(x, *rest)
    known = np.ones((3, 6), bool)
    known[0, 4] = known[1, 0] = False
    with pytest.warns(Caution):
        model.complete(np.zeros((2, 3, 6)), known, np.random.default_rng(0))
    assert passes == [4, 1, 1, 1, 5]


@both_outputs
def test_evaluate_is_exact_whatever_the_batch(output):
    """`evaluate` is -log_prob of each image, exactly, and the loss its mean."""
    model, x = make(shape=(3, 3, 3), levels=5, output=output), images(6, (3, 3, 3), 5)
    flat, rng = x.reshape(6, -1), np.random.default_rng(0)
    nll = model.evaluate(flat, rng)["nll"]
    np.testing.assert_allclose(nll[2:4], model.evaluate(flat[2:4], rng)["nll"], rtol=1e-5)
    assert model.loss(flat, rng)[0].item() == pytest.approx(nll.mean(), rel=1e-5)


@both_outputs
def test_it_learns_that_g_is_r(output):
    """Grey colours of two levels cost log 2 a pixel, and b is what g is not."""
    model = make(shape=(2, 2, 3), channels=24, output=output, learning_rate=0.02)
    rng, optimizers = np.random.default_rng(0), model.optimizers(150)
    for _ in range(150):
        r = rng.integers(0, 2, (64, 4, 1))
        x = np.concatenate([r, r, 1 - r], axis=2).reshape(64, -1).astype(np.float32)
        model.update(x, rng, 0, None, optimizers)
    assert 4 * np.log(2) - 0.2 < model.evaluate(x, rng)["nll"].mean() < 4 * np.log(2) + 0.4


@pytest.mark.parametrize(("output", "classes"), [("softmax", 0), ("logistic", 2)])
def test_pictures_in_colour(output, classes):
    rng = np.random.default_rng(0)
    level = rng.integers(0, 9, (20, 6, 5, 3)).astype(np.uint8)
    data = Dataset("noise", 9, level, level, np.arange(20) % 2, np.arange(20) % 2)
    s = dataclasses.replace(TINY, pixels="levels", output=output, conditional=classes > 0)
    model = PixelCNN.for_data(s, data, rng)
    report = PixelCNNReport(model, data)
    names = ["samples", "completions", "receptive_field", "channels"]
    assert list(report.pictures(data.observe(data.test, "levels", rng), rng)) == names


@pytest.mark.parametrize(("shape", "output"), [((4, 4, 3), "softmax"), ((4, 4), "logistic")])
def test_the_page_refuses_what_it_cannot_show(shape, output):
    run = SimpleNamespace(model=make(shape=shape, output=output), directory="runs/x")
    with pytest.raises(UsageError, match="runs/x: the page is for grey images and output=softmax"):
        PixelCNNPage([run])


def test_groups_of_features_are_whole():
    with pytest.raises(UsageError, match=r"channels=64: .* a multiple of 6"):
        make(shape=(4, 4, 3), channels=64)
    make(shape=(4, 4, 3), channels=64, output="logistic")


@both_outputs
def test_the_settings_for_pictures_fit_both_outputs(output):
    """And sides that are not equal, nor powers of two."""
    rng = np.random.default_rng(0)
    model = PixelCNN(dataclasses.replace(DEFAULTS["pictures"], output=output), (8, 12, 3), 256, rng)
    x = load("patches").train[:2, :8, :12].reshape(2, -1).astype(np.float32) / 255
    assert np.isfinite(model.evaluate(x, rng)["nll"]).all()
