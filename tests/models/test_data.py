"""Data sets: what is read, in which forms, and what is refused."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from models.data import PIXELS, Dataset, baseline, load, planes
from models.data.mnist import read_idx
from models.data.sources import FILES, MIRRORS, Source
from models.errors import Failure, UsageError

SHARED = Path(__file__).parents[3] / "shared" / "data"
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


CONTENT = idx(IMAGES)
SOURCE = Source("images", md5(CONTENT))


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with the four files of a tiny data set in place of MNIST, half of them gzipped."""
    sources = {}
    for i, (part, source) in enumerate(FILES["mnist"].items()):
        content = idx(IMAGES if "labels" not in part else np.arange(2, dtype=np.uint8))
        zipped = gzip.compress(content, mtime=0)
        sources[part] = Source(source.file, md5(content), md5(zipped))
        (tmp_path / (source.file + (".gz" if i % 2 else ""))).write_bytes(
            zipped if i % 2 else content
        )
    monkeypatch.setitem(FILES, "mnist", sources)
    return tmp_path


def test_digits_come_with_scikit_learn():
    digits = load("digits")
    assert digits.train.shape == (1500, 8, 8)
    assert digits.test.shape == (297, 8, 8)
    assert digits.train.max() == digits.levels - 1 == 16
    assert digits.checksum.startswith("8f26b2bd9d135c25")


@pytest.mark.parametrize("folder", [".", "mnist"])
def test_idx_files_are_read_gzipped_or_not_from_a_folder_or_one_inside_it(small_mnist, folder):
    if folder != ".":
        files = [path for path in small_mnist.iterdir() if path.is_file()]
        (small_mnist / folder).mkdir()
        for path in files:
            path.rename(small_mnist / folder / path.name)
    small = load("mnist", small_mnist)
    np.testing.assert_array_equal(small.train, IMAGES)
    np.testing.assert_array_equal(small.test_labels, [0, 1])


def test_the_folder_may_come_from_the_environment(small_mnist, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(small_mnist))
    assert load("mnist").image_shape == (3, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], r"truncated: 39 bytes, and its header \(2, 3, 4\) needs 40"),
        (gzip.compress(CONTENT, mtime=0)[:-9], "truncated or damaged"),
        (b"\x1f\x8bnot gzip", "truncated or damaged"),
        (b"", "not an IDX file"),
        (b"<html>404</html>", "not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\0", "not an IDX file of unsigned bytes"),
        (b"\0\0\x08\x03\0\0", "truncated"),
        (idx(IMAGES + 1), f"has checksum {md5(idx(IMAGES + 1))}, not {SOURCE.content_md5}"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path, content, message):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(Failure, match=message):
        read_idx(path, SOURCE)


def test_an_unreadable_file_is_refused(tmp_path):
    with pytest.raises(Failure, match=r"cannot read .*: Is a directory"):
        read_idx(tmp_path, SOURCE)


def test_the_official_gzip_is_known_by_its_own_checksum(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(CONTENT, mtime=0))
    by_gzip = Source("images", None, md5(path.read_bytes()))
    np.testing.assert_array_equal(read_idx(path, by_gzip), IMAGES)
    path.write_bytes(gzip.compress(CONTENT, mtime=1))
    with pytest.raises(Failure, match="has checksum"):
        read_idx(path, by_gzip)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("cifar", UsageError, "unknown data set 'cifar': choose one of digits"),
        ("mnist", Failure, "no train-images-idx3-ubyte .* --data-dir"),
        ("binarized-mnist", Failure, "no binarized_mnist_train.amat"),
    ],
)
def test_a_missing_file_or_data_set_is_refused(tmp_path, name, error, message):
    with pytest.raises(error, match=message):
        load(name, tmp_path)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """The mirrors of both kinds of MNIST, served from a folder on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, *args):
            pass

    (tmp_path / "served").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/"
    for name in MIRRORS:
        monkeypatch.setitem(MIRRORS, name, address)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    yield tmp_path / "served"
    server.shutdown()
    server.server_close()
    thread.join()


def serve(source: Source, folder: Path, array: np.ndarray) -> Source:
    zipped = gzip.compress(idx(array), mtime=0)
    (folder / f"{source.file}.gz").write_bytes(zipped)
    return Source(source.file, None, md5(zipped))


def test_a_download_is_checked_and_kept(mirror, monkeypatch):
    sources = {
        part: serve(source, mirror, IMAGES if "labels" not in part else np.arange(2, dtype="u1"))
        for part, source in FILES["fashion-mnist"].items()
    }
    monkeypatch.setitem(FILES, "fashion-mnist", sources)
    np.testing.assert_array_equal(load("fashion-mnist").train, IMAGES)
    for path in mirror.iterdir():
        path.unlink()
    np.testing.assert_array_equal(load("fashion-mnist").train, IMAGES)  # from the cache


@pytest.mark.parametrize(
    ("served", "message"),
    [(b"something else", "could not download .* --data-dir"), (None, "could not download .*404")],
)
def test_a_download_that_fails_says_what_to_do(mirror, served, message):
    if served:
        (mirror / "train-images-idx3-ubyte.gz").write_bytes(served)
    with pytest.raises(Failure, match=message):
        load("fashion-mnist")


@pytest.fixture
def small_binarized(tmp_path, monkeypatch):
    bits = np.random.default_rng(0).integers(0, 2, (3, 784), dtype=np.uint8)
    checks = md5(np.packbits(bits, axis=1).tobytes())
    sources = {part: Source(s.file, checks) for part, s in FILES["binarized-mnist"].items()}
    monkeypatch.setitem(FILES, "binarized-mnist", sources)
    return tmp_path, bits


def test_binarized_mnist_is_read_as_text_or_as_packed_bits(small_binarized):
    folder, bits = small_binarized
    for part in ("train", "test"):
        np.savetxt(folder / f"binarized_mnist_{part}.amat", bits, fmt="%d")
    as_text = load("binarized-mnist", folder)
    packed = np.packbits(bits, axis=1)
    np.savez(folder / "binarized_mnist.npz", train=packed, test=packed)
    as_bits = load("binarized-mnist", folder)
    np.testing.assert_array_equal(as_text.train, as_bits.train)
    np.testing.assert_array_equal(as_bits.test.reshape(3, -1), bits)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"0 1\n0\n"])
def test_a_damaged_binarized_mnist_is_refused(small_binarized, content):
    folder, _ = small_binarized
    (folder / "binarized_mnist.npz").write_bytes(content)
    with pytest.raises(Failure, match="cannot be read"):
        load("binarized-mnist", folder)


COLOURS = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
TEN_CLASSES = np.arange(12, dtype=np.uint8) % 10


@pytest.fixture
def small_colour_sets(tmp_path, monkeypatch):
    """A folder with a tiny CIFAR-10, two images a batch, and a tiny SVHN, in their own formats."""
    records = np.concatenate(
        [TEN_CLASSES[:, None], planes(COLOURS, (32, 32, 3)).reshape(12, -1)], 1
    )
    batches = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for i, name in enumerate(batches):
            content = records[2 * i : 2 * i + 2].tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    for name, part in (("train", slice(0, 10)), ("test", slice(10, 12))):
        labels = np.where(TEN_CLASSES[part] == 0, 10, TEN_CLASSES[part])[:, None]
        content = {"X": COLOURS[part].transpose(1, 2, 3, 0), "y": labels}
        savemat(tmp_path / f"{name}_32x32.mat", content)
    for name in ("cifar10", "svhn"):
        checked = {part: Source(s.file, md5((tmp_path / s.file).read_bytes()))
                   for part, s in FILES[name].items()}  # fmt: skip
        monkeypatch.setitem(FILES, name, checked)
    return tmp_path


@pytest.mark.parametrize("name", ["cifar10", "svhn"])
def test_named_sets_in_colour_are_read_and_checked(small_colour_sets, name):
    data = load(name, small_colour_sets)
    np.testing.assert_array_equal(np.concatenate([data.train, data.test]), COLOURS)
    np.testing.assert_array_equal(data.train_labels, TEN_CLASSES[:10])
    np.testing.assert_array_equal(data.test_labels, TEN_CLASSES[10:])
    for path in small_colour_sets.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Failure, match=r"has checksum .*, not .*: it is damaged"):
        load(name, small_colour_sets)


@pytest.mark.parametrize("name", ["cifar10", "svhn"])
def test_a_damaged_set_in_colour_is_refused(small_colour_sets, monkeypatch, name):
    for path in small_colour_sets.iterdir():
        path.write_bytes(path.read_bytes()[:200])
    unchecked = {part: Source(source.file, None) for part, source in FILES[name].items()}
    monkeypatch.setitem(FILES, name, unchecked)
    with pytest.raises(Failure, match=r"cannot be read .*; download it again"):
        load(name, small_colour_sets)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no MNIST on this machine")
def test_the_real_mnist_and_its_binarisation_pass_their_checksums():
    mnist, binarized = load("mnist", SHARED), load("binarized-mnist", SHARED)
    assert (mnist.train.shape, mnist.test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert (binarized.train.sum(), binarized.test.sum()) == (5_118_041, 1_038_896)
    assert baseline.test_nll(binarized, "fixed") == pytest.approx(205.8, abs=0.1)


def images(*shape, dtype=np.uint8):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, images(9, 2, 2) / 36, images(9, 2, 2) % 4),
         r"train: pixels of float64 from .*; from floats in \[0, 1\]: np.rint\(x \* 3\).astype"),
        ((4, images(9, 2, 2) % 4, np.full((1, 2, 2), np.nan)), "test: pixels of float64 from nan"),
        ((256, images(9, 2, 2, dtype=np.int64) - 1, images(9, 2, 2)),
         "train: pixels of int64 from -1 to 34: .* from integers 0 to 255: x.astype"),
        ((256, images(9, 2, 2).astype(object), images(9, 2, 2)), r"of object: .* np.array\(images"),
        ((256, images(9, 2, 2).tolist(), images(9, 2, 2)), r"train: a list: give np.array"),
        ((256, images(9, 2), images(9, 2)), r"train: images of shape \(9, 2\)"),
        ((17, images(9, 2, 2), images(9, 2, 2)), "a pixel is 35, and 17 levels are 0 to 16"),
        ((256, images(9, 2, 2, 4), images(9, 2, 2, 4)), r"\(9, 2, 2, 4\): .* in colour"),
        ((256, images(0, 2, 2), images(9, 2, 2)), r"train: images of shape \(0, 2, 2\)"),
        ((256, images(9, 2, 2), images(9, 2, 3)), r"\(2, 2\) and test images of \(2, 3\)"),
        ((1, images(9, 2, 2), images(9, 2, 2)), "levels=1: a pixel has 2 to 256 values"),
        ((256, images(9, 2, 2), images(9, 2, 2), images(9)), "for both training and test"),
        ((256, images(9, 2, 2), images(9, 2, 2), images(8), images(9)), r"\(8,\) for 9 images"),
        ((256, images(9, 2, 2), images(9, 2, 2), images(9), images(9) - 0.5),
         "test: labels of float64 from -0.5 to 7.5: they must be integers from 0"),
        ((256, images(9, 2, 2), images(9, 2, 2), images(9).astype(str), images(9)),
         r"train: labels of <U.*np.unique\(names"),
        ((256, images(9, 2, 2), images(9, 2, 2), [0] * 9, [0] * 9), "labels in a list: give np"),
        ((256, images(9, 2, 2), images(9, 2, 2), np.arange(9) - 1, images(9)), "int64 from -1"),
    ],
)  # fmt: skip
def test_other_arrays_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Dataset("own", *arguments)


def test_the_repr_is_a_line():
    assert repr(load("digits")) == (
        "Dataset('digits': 1,500 to train on and 297 to test, of shape (8, 8), "
        "17 levels, 10 classes)"
    )
    assert repr(load("ring")).startswith("Points('ring': 10,000 to train on and 2,500 to test")


@pytest.mark.parametrize("name", ["digits", "ring"])
def test_the_first_of_a_data_set(name):
    whole = load(name)
    some = whole.first(300)
    assert (len(some.train), len(some.test)) == (300, min(300, len(whole.test)))
    assert (some.train_labels == whole.train_labels[:300]).all()
    assert some.classes == whole.classes
    assert some.checksum != whole.checksum


def four_levels() -> Dataset:
    images = np.array([0, 1, 2, 3] * 4, dtype=np.uint8).reshape(1, 4, 4)
    return Dataset("four", 4, images, images)


def test_fixed_pixels_are_a_threshold_and_use_no_random_numbers():
    small = four_levels()
    fixed = small.observe(small.train, "fixed", None)
    np.testing.assert_array_equal(fixed[0, :4], [0, 0, 1, 1])


def test_dynamic_pixels_have_the_grey_value_as_probability():
    small = four_levels()
    rng = np.random.default_rng(0)
    mean = np.mean([small.observe(small.train, "dynamic", rng) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(mean, small.train.reshape(1, -1) / 3, atol=0.04)
    first, second = (small.observe(small.train, "dynamic", rng) for _ in range(2))
    assert (first != second).any()


def test_dequantised_pixels_fill_the_unit_interval():
    small = four_levels()
    pixels = small.observe(small.train, "dequantised", np.random.default_rng(0))
    np.testing.assert_array_equal(np.floor(pixels * 4), small.train.reshape(1, -1))
    assert pixels.min() >= 0
    assert pixels.max() < 1


@pytest.mark.parametrize("pixels", PIXELS)
def test_pixels_are_float32(pixels):
    assert four_levels().observe(IMAGES % 4, pixels, np.random.default_rng(0)).dtype == np.float32


def test_another_form_of_pixels_is_refused():
    with pytest.raises(UsageError, match="pixels=none: choose one of fixed, dynamic, levels, deq"):
        four_levels().observe(IMAGES % 4, "none", np.random.default_rng(0))


def test_the_baseline_on_digits_is_the_known_one():
    digits = load("digits")
    assert baseline.test_nll(digits, "fixed") == pytest.approx(24.01, abs=0.005)
    assert baseline.test_nll(digits, "dequantised") < 64 * np.log(17)  # the uniform model


def test_the_baseline_of_dynamic_pixels_is_the_mean_over_binarisations():
    digits = load("digits")
    rng = np.random.default_rng(0)
    p = (digits.train.reshape(1500, -1).sum(0) / 16 + 1) / 1502
    binarised = [digits.observe(digits.test, "dynamic", rng) for _ in range(20)]
    nll = np.mean([-(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1).mean() for x in binarised])
    assert baseline.test_nll(digits, "dynamic") == pytest.approx(nll, abs=0.05)
