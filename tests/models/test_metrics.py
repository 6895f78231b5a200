"""The metrics of samples, against closed forms, and on sets with known answers."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import PIXELS, Dataset, baseline, load
from models.errors import UsageError
from models.metrics import (
    bits_per_dim,
    fid,
    inception_score,
    interval,
    nearest,
    precision_recall,
    quality,
)


def with_moments(mean, covariance, n=400, seed=0):
    """Points (n, F) whose sample mean and covariance are exactly these."""
    points = np.random.default_rng(seed).standard_normal((n, len(mean)))
    points -= points.mean(0)
    points = points @ np.linalg.inv(np.linalg.cholesky(np.cov(points.T))).T
    values, axes = np.linalg.eigh(np.asarray(covariance, float))
    return points @ (axes * np.sqrt(np.maximum(values, 0))).T + np.asarray(mean)


EYE = np.eye(2)
TURNED = np.array([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2)


@pytest.mark.parametrize(
    ("mean", "covariance", "other_mean", "other_covariance", "distance"),
    [
        ([0, 0], EYE, [3, 4], EYE, 25.0),  # |m - m'|^2
        ([0, 0], EYE, [0, 0], 4 * EYE, 2.0),  # sum (s - s')^2
        ([1, 0], np.diag([1, 9]), [0, 0], np.diag([4, 1]), 1 + 1 + 4),
        # Along the diagonals: C has 1 and 9 there, and C' has 4 and 16.
        ([0, 0], TURNED @ np.diag([1, 9]) @ TURNED.T, [0, 0],
         TURNED @ np.diag([4, 16]) @ TURNED.T, 2.0),
        # Covariances that do not commute: Tr (C C')^1/2 = sqrt(tr + 2 sqrt(det)) for 2 x 2.
        ([0, 0], np.diag([1, 9]), [0, 0], [[2, 1], [1, 2]],
         10 + 4 - 2 * math.sqrt((2 + 18) + 2 * math.sqrt(27))),
        # No variance at all in one direction.
        ([0, 0], np.diag([1, 0]), [0, 0], np.diag([0, 1]), 2.0),
    ],
)  # fmt: skip
def test_fid_of_gaussians_is_the_closed_form(
    mean, covariance, other_mean, other_covariance, distance
):
    a = with_moments(mean, covariance)
    b = with_moments(other_mean, other_covariance, n=300, seed=1)
    assert fid(a, b) == pytest.approx(distance, abs=1e-9)
    assert fid(b, a) == pytest.approx(distance, abs=1e-9)


def test_fid_of_a_set_with_itself_is_zero_and_never_less():
    rng = np.random.default_rng(0)
    for n, features in ((400, 8), (5, 8), (2, 1)):  # with fewer images than features, too
        a = 1e3 + rng.standard_normal((n, features))
        assert 0 <= fid(a, a) < 1e-8
        for _ in range(20):  # in any order of the sums
            assert 0 <= fid(a, rng.permutation(a)) < 1e-8


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_fid_is_invariant_to_a_rotation_and_a_shift_of_both(seed, features):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 40, features)) * rng.uniform(0.1, 3, (2, 1, features))
    rotation, _ = np.linalg.qr(rng.standard_normal((features, features)))
    shift = rng.standard_normal(features)
    assert fid(a @ rotation + shift, b @ rotation + shift) == pytest.approx(fid(a, b), abs=1e-9)


def test_fid_in_float32_is_computed_in_float64():
    a, b = np.random.default_rng(0).random((2, 100, 4), np.float32)
    assert fid(a, b) == fid(a.astype(np.float64), b.astype(np.float64))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30))
def test_the_inception_score_is_between_1_and_the_number_of_classes(seed, classes, n):
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.1), n)
    assert 1 - 1e-9 <= inception_score(p) <= classes + 1e-9


@pytest.mark.parametrize(
    ("p", "score"),
    [
        (np.full((20, 10), 0.1), 1.0),  # no idea
        (np.eye(10)[np.arange(50) % 10], 10.0),  # sure, and balanced
        (np.eye(10)[np.zeros(50, int)], 1.0),  # one mode
        (np.eye(10)[np.arange(50) % 3], np.exp(-sum(s * np.log(s) for s in (0.34, 0.34, 0.32)))),
        # half and half of two classes either way round: exp(log 2 - H(0.75))
        ([[0.75, 0.25], [0.25, 0.75]], 2 * 0.75**0.75 * 0.25**0.25),
    ],
)
def test_inception_scores_in_closed_form(p, score):
    assert inception_score(p) == pytest.approx(score)


def modes(centres, n=100, width=0.01, seed=0):
    points = np.random.default_rng(seed).normal(0, width, (len(centres), n, 2))
    return (points + np.array(centres, float)[:, None]).reshape(-1, 2)


TWO, ONE = [(0, 0), (10, 0)], [(0, 0)]


@pytest.mark.parametrize(
    ("fake", "precision", "recall"),
    [
        (modes(TWO, seed=1, n=400), 1.0, 1.0),
        (modes(ONE, seed=1, n=400), 1.0, 0.5),  # a mode dropped
        (modes([*TWO, (5, 5), (5, -5)], seed=1, n=400), 0.5, 1.0),  # half is noise
        (modes([(5, 5)], seed=1), 0.0, 0.0),
        (np.zeros((50, 2)), 1.0, 0.0),  # collapsed to a point: its balls have no size
    ],
)
def test_precision_and_recall_of_modes(fake, precision, recall):
    found = precision_recall(modes(TWO), fake)
    assert found == pytest.approx((precision, recall), abs=0.08)


def test_precision_and_recall_by_hand():
    """On a line, with k = 1: each radius is the distance to the nearest neighbour."""
    real, fake = np.array([[0.0], [1.0], [5.0]]), np.array([[2.0], [2.5], [9.5]])
    # real balls: 0 +- 1, 1 +- 1, 5 +- 4; fake: 2 +- 0.5, 2.5 +- 0.5, 9.5 +- 7
    assert precision_recall(real, fake, k=1) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_precision_and_recall_in_chunks(monkeypatch):
    real, fake = modes(TWO), modes(ONE, seed=1)
    whole = precision_recall(real, fake)
    monkeypatch.setattr("models.metrics.scores.ROWS_PER_BATCH", 7)
    assert precision_recall(real, fake) == whole


def test_bits_per_dim():
    assert bits_per_dim(784 * math.log(2), 784) == pytest.approx(1)
    assert bits_per_dim(181.297, 64) == pytest.approx(4.087, abs=1e-3)  # 17 levels, uniform


def test_a_copied_image_is_at_distance_0():
    rng = np.random.default_rng(0)
    train = rng.random((2000, 4, 3), np.float32)
    samples = np.stack([train[17], train[3] + 0.05, rng.random((4, 3), np.float32)])
    found, distances = nearest(train, samples, k=30)
    assert found[:2, 0].tolist() == [17, 3]
    assert distances[0, 0] == 0
    assert distances[1, 0] == pytest.approx(0.05 * math.sqrt(12))
    every = np.linalg.norm((train - samples[:, None]).reshape(3, 2000, 12), axis=2)
    np.testing.assert_array_equal(found, every.argsort(1)[:, :30])
    np.testing.assert_allclose(distances, np.sort(every, 1)[:, :30], rtol=1e-5)


def test_integer_images_do_not_wrap_around():
    train = np.array([[[0]], [[255]]], np.uint8)
    assert nearest(train, np.array([[[250]]], np.uint8))[1].item() == 5


def test_an_interval_covers_the_truth_as_often_as_it_should():
    rng = np.random.default_rng(0)
    n, covered = 60, 0
    true = np.mean([fid(*rng.standard_normal((2, n, 4))) for _ in range(300)])
    for _ in range(60):
        low, high = interval(fid, *rng.standard_normal((2, n, 4)), rng=rng, resamples=80)
        covered += low <= true <= high
    assert covered >= 51  # of 60; the percentiles alone, biased by resampling, cover few
    low, high = interval(lambda a: float(a.mean()), rng.standard_normal(400), rng=rng)
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.25)


def test_the_same_seed_gives_the_same_interval():
    a = np.random.default_rng(0).standard_normal((20, 3))
    first, again, other = (interval(fid, a, a[:9], rng=np.random.default_rng(s)) for s in (1, 1, 2))
    assert first == again != other


def holed(n, columns, hole=np.nan):
    values = np.full((n, columns), 0.5)
    values[2, 1] = hole
    return values


@pytest.mark.parametrize(
    ("measure", "error", "message"),
    [
        (lambda: fid(np.zeros((1, 3)), np.zeros((9, 3))), UsageError, "of 1 images: at least 2"),
        (lambda: fid(np.zeros((5, 3)), np.zeros((5, 4))), UsageError, r"\(5, 3\) and \(5, 4\)"),
        (lambda: fid(np.zeros(5), np.zeros(5)), UsageError, r"features of shape \(5,\)"),
        (lambda: fid(holed(9, 3), np.zeros((9, 3))), UsageError, "nan in row 2; 1 of 27 numbers"),
        (lambda: fid(np.zeros((9, 3)), holed(9, 3, np.inf)), UsageError, "features: inf in row 2"),
        (lambda: precision_recall(np.zeros((9, 3)), holed(9, 3)), UsageError, "nan in row 2"),
        (lambda: nearest(np.zeros((9, 3)), holed(9, 3)), UsageError, "pixels: nan in row 2"),
        (lambda: inception_score(holed(9, 3)), UsageError, "probabilities: nan in row 2"),
        (lambda: inception_score(np.full((9, 3), 90.0)), UsageError,
         r"from 90 to 90, whose rows sum to 270 to 270: .* give softmax\(logits\)"),
        (lambda: inception_score(np.array([[2.0, -1.0]])), UsageError, "from -1 to 2, whose rows"),
        (lambda: precision_recall(np.zeros((3, 2)), np.zeros((9, 2))), UsageError, "at least 4"),
        (lambda: precision_recall(np.zeros((9, 2)), np.zeros((9, 2)), 0), UsageError, "k=0"),
        (lambda: inception_score(np.zeros((0, 10))), UsageError, "of 0 images: at least 1"),
        (lambda: inception_score(np.zeros(10)), UsageError, r"of shape \(10,\)"),
        (lambda: nearest(np.zeros((3, 2, 2)), np.zeros((3, 2, 3))), ValueError, "unequal size"),
        (lambda: nearest(np.zeros((3, 2, 2)), np.zeros((3, 2, 2)), 4), UsageError, "k=4"),
        (lambda: interval(np.mean, np.ones(3), rng=np.random.default_rng(), resamples=1),
         UsageError, "resamples=1"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured(measure, error, message):
    with pytest.raises(error, match=message):
        measure()


# A row of the table, with a stand-in for the classifier


@pytest.fixture(scope="module")
def digits():
    return load("digits")


CLASSIFIER = SimpleNamespace(
    features=lambda images: images.reshape(len(images), -1)[:, 18:46:2],
    probabilities=lambda images: np.eye(10)[np.arange(len(images)) % 10],
    fingerprint="seed 0, weights 0123456789ab",
    source="a stand-in",
)


def row(samples, digits, pixels="levels", seed=0):
    return quality(samples, digits, pixels, CLASSIFIER, np.random.default_rng(seed), resamples=20)


def test_a_row_of_the_table(digits):
    held_back = digits.observe(digits.train[:200], "levels", None).reshape(-1, 8, 8)
    found = row(held_back, digits)
    assert found["images"] == 200
    assert found["floor"] < found["ceiling"] / 3
    assert found["fid"] == pytest.approx(found["floor"], rel=0.5)
    assert found["fid_interval"][0] < found["fid"] < found["fid_interval"][1]
    assert found["is"] == pytest.approx(10)
    assert found["is_interval"][0] <= 10 <= found["is_interval"][1] + 1e-9
    assert min(found["precision"], found["recall"]) > 0.7
    assert (found["features"], found["fingerprint"]) == (CLASSIFIER.source, CLASSIFIER.fingerprint)
    assert row(held_back, digits) == found


@pytest.mark.parametrize("pixels", PIXELS)
def test_independent_pixels_score_the_ceiling(digits, pixels):
    independent = baseline.sample(digits, pixels, 297, np.random.default_rng(3))
    found = row(independent, digits, pixels)
    assert found["fid"] == pytest.approx(found["ceiling"], rel=0.2)
    assert found["fid"] > 2 * found["floor"]


def test_rows_of_a_table_share_the_floor_and_the_ceiling(digits):
    one, other = (np.random.default_rng(s).random((150, 8, 8)) for s in (0, 1))
    first, second = row(one, digits), row(other, digits)
    assert first["fid"] != second["fid"]
    assert (first["floor"], first["ceiling"]) == (second["floor"], second["ceiling"])


def test_the_floor_is_the_mean_of_several_draws(digits):
    """So it varies less than one draw does; and not at all where a draw takes all images."""
    samples, test = np.zeros((150, 8, 8)), digits.test[:150]  # all of them are in each row

    def floor(train, seed):
        return row(samples, Dataset("part", 17, train, test), seed=seed)["floor"]

    orders = [np.random.default_rng(seed).permutation(1500) for seed in range(40)]
    single = [floor(digits.train[order[:150]], seed=0) for order in orders]
    assert np.std([floor(digits.train, seed) for seed in range(40)]) < 0.5 * np.std(single)
    assert floor(digits.train[:150], 0) == pytest.approx(floor(digits.train[:150], 1))


def test_too_few_samples_for_a_row(digits):
    with pytest.raises(UsageError, match="3 images: at least 4"):
        row(np.zeros((3, 8, 8)), digits)


@pytest.mark.parametrize("pixels", PIXELS)
def test_independent_pixels_have_each_pixels_histogram_and_no_correlation(pixels):
    rng = np.random.default_rng(0)
    column = rng.choice([0, 1, 4], p=[0.5, 0.3, 0.2], size=(500, 1, 1)).astype(np.uint8)
    pair = np.concatenate([column, 4 - column], 2)
    both = Dataset("pair", 5, pair, pair)
    images = baseline.sample(both, pixels, 4000, rng)
    real = both.observe(both.train, pixels, rng)
    assert images.shape == (4000, 1, 2)
    flat = images.reshape(-1, 2)
    assert abs(np.corrcoef(flat.T)[0, 1]) < 0.05 < abs(np.corrcoef(real.T)[0, 1])
    for at_most in np.linspace(0, 1, 21):
        ours, theirs = ((values <= at_most).mean(0) for values in (flat, real))
        np.testing.assert_allclose(ours, theirs, atol=0.06)
    if pixels != "dequantised":
        assert set(np.unique(flat)) <= set(np.unique(real))
