"""The PixelCNN in colour, and the mixture of discretised logistics."""

import numpy as np
import pytest

from autograd import no_grad
from models.autoregressive import raster
from models.autoregressive.distributions import DISTRIBUTIONS
from models.autoregressive.networks import NETWORKS
from models.data import planes
from tests.models.test_pixelcnn import every_image, images, in_float64, make

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
