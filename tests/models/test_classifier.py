"""The networks of the metrics: which is chosen, its cache, the images that it is trained on."""

import dataclasses

import numpy as np
import pytest

from models import metrics
from models.data import Dataset, load
from models.errors import Failure, UsageError
from models.files import read_arrays, write_arrays
from models.metrics import encoder
from models.metrics.augmentation import in_random_form, warped
from models.metrics.classifier import classifier_for
from models.metrics.encoder import FEATURES
from models.metrics.features import features_for


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    return classifier_for(digits, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def quick(monkeypatch):
    """A training of three steps, and a data set of noise for it."""
    monkeypatch.setattr(encoder, "MIN_STEPS", 3)
    monkeypatch.setattr(encoder, "EPOCHS", 0)
    images = np.random.default_rng(0).integers(0, 17, (30, 9, 7), dtype=np.uint8)
    labels = np.arange(30) % 4
    return Dataset("noise", 17, images, images[:8], labels, labels[:8])


def images_of(data, pixels):
    return data.observe(data.test, pixels, np.random.default_rng(0)).reshape(data.test.shape)


@pytest.mark.parametrize(
    ("pixels", "least"), [("levels", 0.95), ("fixed", 0.90), ("dynamic", 0.80)]
)
def test_its_accuracy_on_test_digits_of_each_form(trained, digits, pixels, least):
    p = trained.probabilities(images_of(digits, pixels))
    assert (p.argmax(1) == digits.test_labels).mean() >= least
    np.testing.assert_allclose(p.sum(1), 1)
    if pixels == "levels":
        assert trained.accuracy == (p.argmax(1) == digits.test_labels).mean()


def test_the_logits_are_a_linear_function_of_the_features(trained, digits):
    images = images_of(digits, "levels")
    features = trained.features(images)
    assert features.shape == (len(images), FEATURES)
    assert features.dtype == np.float64
    logits = features @ trained.output.weight.numpy().T + trained.output.bias.numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(trained.probabilities(images), p, atol=1e-5)
    np.testing.assert_allclose(trained.features(images[:1]), features[:1], atol=1e-4)
    assert trained.features(images[:0]).shape == (0, FEATURES)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 9, 8)), "this network is for"),
        (np.zeros((2, 64)), "this network is for"),
        (np.full((2, 8, 8), 16.0), r"pixels 16 to 16"),
        (np.full((2, 8, 8), -1.0), r"pixels -1 to -1"),
        (np.full((2, 8, 8), np.nan), r"pixels nan to nan"),
    ],
)
def test_other_images_are_refused(trained, images, message):
    with pytest.raises(ValueError, match=message):
        trained.features(images)


def test_the_fingerprint_depends_on_the_seed(quick, tmp_path):
    first, again, other = (
        classifier_for(quick, seed, tmp_path / str(i)).fingerprint
        for i, seed in enumerate((5, 5, 6))
    )
    assert first == again != other
    assert first.startswith("seed 5, weights ")


def test_it_is_trained_once_and_then_read(quick, tmp_path, monkeypatch):
    trained = classifier_for(quick, cache=tmp_path)
    monkeypatch.setattr(encoder, "train", lambda *_: pytest.fail("trained again"))
    read = classifier_for(quick, cache=tmp_path)
    assert read.fingerprint == trained.fingerprint
    assert read.accuracy == trained.accuracy
    assert metrics.classifier_for is classifier_for


def other_weights(arrays, about):
    return {name: array + 1 for name, array in arrays.items()}, about


def other_network(arrays, about):
    return {"weight": np.zeros(3, np.float32)}, about


def other_data(arrays, about):
    return arrays, about | {"trained_on": "something else"}


@pytest.mark.parametrize("harm", [None, other_weights, other_network, other_data])
def test_it_is_trained_again_if_the_cache_is_damaged_or_of_another_training(quick, tmp_path, harm):
    good = classifier_for(quick, cache=tmp_path).fingerprint
    (path,) = tmp_path.iterdir()
    if harm is None:
        path.write_bytes(path.read_bytes()[:100])
    else:
        write_arrays(path, *harm(*read_arrays(path)))
    before = path.read_bytes()
    assert classifier_for(quick, cache=tmp_path).fingerprint == good
    assert path.read_bytes() != before


def test_other_labels_of_the_same_images_are_other_data(quick, tmp_path):
    one = classifier_for(quick, cache=tmp_path)
    turned = dataclasses.replace(quick, train_labels=quick.train_labels[::-1])
    assert classifier_for(turned, cache=tmp_path).fingerprint != one.fingerprint


def test_it_works_without_a_cache_that_can_be_written(quick, tmp_path):
    (tmp_path / "file").write_text("")
    assert classifier_for(quick, cache=tmp_path / "file" / "below").accuracy >= 0


UNLABELLED: dict = {"train_labels": None, "test_labels": None}


def test_data_without_labels(quick, tmp_path):
    with pytest.raises(Failure, match="noise has no labelled images"):
        classifier_for(dataclasses.replace(quick, **UNLABELLED), cache=tmp_path)
    binarized = dataclasses.replace(quick, name="binarized-mnist", **UNLABELLED)
    with pytest.raises(Failure, match="no train-images-idx3-ubyte"):
        classifier_for(binarized, cache=tmp_path, data_dir=tmp_path)


def test_binarized_mnist_has_the_classifier_of_mnist(quick, tmp_path, monkeypatch):
    monkeypatch.setattr("models.metrics.classifier.load", lambda name, data_dir: quick)
    binarized = dataclasses.replace(quick, name="binarized-mnist", **UNLABELLED)
    fingerprint = classifier_for(binarized, cache=tmp_path).fingerprint
    assert fingerprint == classifier_for(quick, cache=tmp_path).fingerprint


class Middle:
    """A generator of the middle of each interval: no warp at all."""

    def uniform(self, low, high, size):
        return np.full(size, (low + high) / 2)


class Shift(Middle):
    def uniform(self, low, high, size):
        return np.full(size, high if high == 1 else 0.0)


def test_warps():
    images = np.random.default_rng(0).random((3, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(warped(images, Middle()), images, atol=1e-6)
    moved = warped(images, Shift())  # each pixel is the one below it to the right
    np.testing.assert_allclose(moved[:, :-1, :-1], images[:, 1:, 1:], atol=1e-6)
    assert not moved[:, -1].any()
    assert not moved[:, :, -1].any()
    by_chance = warped(images, np.random.default_rng(1))
    assert by_chance.dtype == np.float32
    assert 0 <= by_chance.min() <= by_chance.max() <= 1
    assert warped(np.ones_like(images), np.random.default_rng(1))[:, 2:-2, 2:-2].min() == (
        pytest.approx(1)
    )


def test_a_third_of_the_training_images_is_grey_a_third_thresholded_and_a_third_sampled():
    images = in_random_form(np.full((3000, 4, 4), 0.7, np.float32), np.random.default_rng(0))
    grey = (images == np.float32(0.7)).all((1, 2)).mean()
    sampled = np.isin(images, (0, 1)).all((1, 2)) & (images == 0).any((1, 2))
    assert grey == pytest.approx(1 / 3, abs=0.03)
    assert sampled.mean() == pytest.approx(1 / 3, abs=0.03)
    assert images[sampled].mean() == pytest.approx(0.7, abs=0.02)


# Colour, and data whose labels say little or nothing


def in_colour(n, classes=None, shape=(9, 12, 3)):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    if classes is None:
        return Dataset("noise", 256, images, images[:8])
    labels = np.arange(n) % classes
    return Dataset("noise", 256, images, images[:8], labels, labels[:8])


@pytest.mark.parametrize("shape", [(9, 12, 3), (8, 8), (33, 20, 3)])
@pytest.mark.parametrize("classes", [2, 8, None, 1, 40])
def test_which_features_measure_a_data_set(quick, tmp_path, classes, shape):
    """Those of an autoencoder without labels, of one class, or of a class for each image."""
    data = in_colour(40, classes, shape)
    features = features_for(data, cache=tmp_path)
    assert features.source.startswith("an auto" if classes in (None, 1, 40) else "chainrule's cl")
    images = data.observe(data.test, "levels", None).reshape(8, *shape)
    assert features.features(images).shape == (8, FEATURES)
    assert (features.probabilities(images) is None) == ("autoencoder" in features.source)
    assert features_for(data, cache=tmp_path).fingerprint == features.fingerprint
    with pytest.raises(ValueError, match="this network is for"):
        features.features(images[:, 1:])


def test_features_that_a_person_brings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_features.py").write_text(
        "def mean(images): return images.mean((1, 2))\nnumber = 3\n"
        "def wrong(images): return images\ndef fails(images): return 1 / 0\n"
    )
    data = in_colour(10)
    named = features_for(data, "my_own_features:mean")
    same = features_for(data, lambda images: images.mean((1, 2)))
    other = features_for(data, lambda images: images.max((1, 2)))
    assert named.source == "the function my_own_features:mean"
    assert named.fingerprint == same.fingerprint != other.fingerprint
    images = np.random.default_rng(1).random((5, 9, 12, 3))
    np.testing.assert_allclose(named.features(images), images.mean((1, 2)), rtol=1e-5)
    assert named.probabilities(images) is None
    for name, error, message in (
        ("my_own_features", UsageError, "with a colon between them"),
        ("my_own_features:lost", UsageError, "no attribute 'lost'"),
        ("nowhere:f", UsageError, "No module named 'nowhere'"),
        ("my_own_features:number", UsageError, "is no function"),
        ("my_own_features:wrong", Failure, r"returned \(8, 9, 12, 3\) .* return \(8, F\)"),
        ("my_own_features:fails", Failure, "failed: ZeroDivisionError"),
    ):
        with pytest.raises(error, match=message):
            features_for(data, name)
    with pytest.raises(UsageError, match="ring has points"):
        features_for(load("ring"))


def test_warps_in_colour_are_those_of_each_channel():
    images = np.random.default_rng(0).random((3, 6, 5, 3)).astype(np.float32)
    whole = warped(images, np.random.default_rng(1))
    for channel in range(3):
        alone = warped(images[..., channel], np.random.default_rng(1))
        np.testing.assert_array_equal(whole[..., channel], alone)
    light = warped(np.ones_like(images), np.random.default_rng(1), ink=False)
    np.testing.assert_allclose(light, 1, atol=1e-6)  # nothing dark comes in at the edges
    assert in_random_form(images, np.random.default_rng(0)).shape == images.shape
