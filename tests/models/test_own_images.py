"""A person's own images: what is read from files and arrays, what is kept, and what is refused."""

import os
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from models.cli import main
from models.data import Dataset, Reading, load, read_images
from models.errors import Caution, Failure, UsageError
from models.training.config import Config
from models.training.run import Run

RED, GREY = (255, 0, 0), (100, 100, 100)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("pooch.os_cache", lambda name: folder)
    return folder


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)


def grey(value, height=8, width=8):
    return np.full((height, width), value, np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Twenty grey images in two classes; the level of each says which it is."""
    for i in range(20):
        save(tmp_path / "photos" / ("cat" if i < 10 else "dog") / f"{i:02}.png", grey(i + 100))
    return tmp_path / "photos"


def whole(data):
    return np.concatenate([data.train, data.test])


def test_folders_are_classes_and_a_tenth_is_kept_to_test_on(photos):
    data = load(str(photos))
    assert (data.train.shape, data.test.shape, data.levels) == ((18, 8, 8), (2, 8, 8), 256)
    assert data.class_names == ("cat", "dog")
    assert sorted(whole(data)[:, 0, 0]) == list(range(100, 120))
    for images, labels in ((data.train, data.train_labels), (data.test, data.test_labels)):
        np.testing.assert_array_equal(images[:, 0, 0] >= 110, labels)
    other = load(str(photos), reading=Reading(split_seed=1))
    assert (other.test != data.test).any()


def test_folders_train_and_test_are_the_split(tmp_path):
    for part, name, value in [("train", "b", 101), ("train", "a", 100), ("test", "b", 102)]:
        save(tmp_path / part / name / "x.png", grey(value))
    save(tmp_path / "val" / "a" / "x.png", grey(1))
    with pytest.warns(Caution, match="1 images beside train/ and test/ .* not read, such as val"):
        data = load(str(tmp_path))
    assert (sorted(data.train[:, 0, 0]), data.test[:, 0, 0].tolist()) == ([100, 101], [102])
    assert (data.test_labels.tolist(), data.class_names) == ([1], ("a", "b"))


def rgba(colour, alpha):
    return Image.new("RGBA", (8, 8), (*colour, alpha))


def turned(tmp):
    image = Image.fromarray(np.repeat([[0, 255]], 4, 0).repeat(4, 1).astype(np.uint8)[:, :8])
    exif = Image.Exif()
    exif[0x0112] = 6  # the right side is the bottom, when turned by 90 degrees
    save(tmp, image.resize((8, 4)), exif=exif, quality=100)


def palette():
    return Image.new("RGB", (8, 8), RED).convert("P")


PICTURES = {
    "two.png": (lambda path: save(path, Image.new("1", (8, 8), 1)), 255),
    "grey.png": (lambda path: save(path, grey(70)), 70),
    "deep.png": (lambda path: save(path, np.full((8, 8), 257 * 70, np.uint16)), 70),
    "floats.tiff": (lambda path: save(path, np.full((8, 8), 0.2, np.float32)), 51),
    "grey-alpha.png": (lambda path: save(path, Image.new("LA", (8, 8), (0, 0))), 255),
    "rgb.png": (lambda path: save(path, Image.new("RGB", (8, 8), RED)), RED),
    "palette.png": (lambda path: save(path, palette()), RED),
    "alpha.png": (lambda path: save(path, rgba(RED, 255)), RED),
    "clear.png": (lambda path: save(path, rgba(RED, 0)), (255, 255, 255)),
    "half.png": (lambda path: save(path, rgba((0, 0, 0), 127)), (128, 128, 128)),
    "see-through.png": (
        lambda path: save(path, Image.new("RGB", (8, 8), RED), transparency=RED), (255,) * 3
    ),
    "cmyk.jpg": (lambda path: save(path, Image.new("CMYK", (8, 8), (0, 255, 255, 0))), (254, 0, 0)),
    "moving.gif": (
        lambda path: save(path, palette(), save_all=True,
                          append_images=[Image.new("RGB", (8, 8), "blue")]), RED
    ),
    "a-jpeg.png": (lambda path: save(path, grey(70), format="JPEG"), 70),
    "UPPER.PNG": (lambda path: save(path, grey(70)), 70),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_read_as_it_is_meant_to_be_seen(tmp_path, name):
    make, colour = PICTURES[name]
    make(tmp_path / "a" / name)
    make(tmp_path / "a" / f"second-{name}")
    data = load(str(tmp_path / "a"), reading=Reading(levels=256))
    assert data.image_shape == ((8, 8) if np.ndim(colour) == 0 else (8, 8, 3))
    np.testing.assert_allclose(whole(data), np.broadcast_to(colour, whole(data).shape), atol=1)


def test_a_picture_is_turned_as_its_exif_data_say(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        turned(tmp_path / name)
    image = load(str(tmp_path)).train[0]
    assert image.shape == (8, 4)
    assert image[:4].mean() < 10
    assert image[4:].mean() > 245


def test_grey_pictures_among_coloured_ones_are_coloured(tmp_path):
    for i in range(10):
        save(tmp_path / f"{i}.png", grey(i + 200))
    save(tmp_path / "x.png", Image.new("RGB", (8, 8), RED))
    data = load(str(tmp_path))
    assert data.image_shape == (8, 8, 3)
    assert {tuple(image[0, 0].tolist()) for image in whole(data)} == {
        RED, *((value,) * 3 for value in range(200, 210))
    }  # fmt: skip
    assert load(str(tmp_path), reading=Reading(colour="grey")).image_shape == (8, 8)


@pytest.mark.parametrize(
    ("fit", "columns"), [("crop", [100, 100, 150, 150]), ("pad", [100, 100, 150, 150])]
)
def test_proportions_are_kept_by_a_crop_or_by_white(tmp_path, fit, columns):
    image = np.repeat(np.repeat([[0, 100, 150, 0]], 8, 0), 4, 1).astype(np.uint8)  # 8 x 16
    for name in ("a.png", "b.png"):
        save(tmp_path / name, image)
    data = load(str(tmp_path), reading=Reading(size=(8, 8), fit=fit))
    seen = data.train[0]
    if fit == "crop":
        np.testing.assert_array_equal(seen, image[:, 4:12])
        assert data.describe("levels").endswith("scaled and cropped at the centre to 8 x 8")
    else:
        assert (seen[:2] == 255).all()
        assert (seen[6:] == 255).all()
        assert data.describe("levels").endswith("scaled and padded with white to 8 x 8")


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_picture_may_be_a_line(tmp_path, fit):
    for name in ("a.png", "b.png"):
        save(tmp_path / name, grey(200, 1, 300))
    assert load(str(tmp_path), reading=Reading(size=(8, 8), fit=fit)).image_shape == (8, 8)


def test_256_levels_are_rounded_to_fewer(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.save(tmp_path / "x.npy", np.stack([ramp, ramp]))
    data = load(str(tmp_path / "x.npy"), reading=Reading(levels=4))
    np.testing.assert_array_equal(data.train[0], np.rint(ramp * (3 / 255)))


@pytest.mark.parametrize("levels", [2, 17, 255, 256])
def test_floats_that_are_levels_stay_these_levels(tmp_path, levels):
    images = np.arange(2 * levels, dtype=np.float32).reshape(2, 1, -1) % levels / (levels - 1)
    np.save(tmp_path / "x.npy", images)
    data = load(str(tmp_path / "x.npy"), reading=Reading((1, levels), levels=levels))
    np.testing.assert_array_equal(data.train[0, 0], np.arange(levels))


TEN = np.arange(10 * 8 * 8, dtype=np.uint8).reshape(10, 8, 8) % 250
ARRAYS = {
    "alone": ({"anything": TEN}, None),
    "booleans": ({"images": TEN > 100}, None),
    "own": ({"images": TEN, "labels": np.arange(10) % 3}, 3),
    "keras": ({"x_train": TEN[:6], "y_train": np.arange(6) % 2, "x_test": TEN[6:],
               "y_test": np.arange(4) % 2}, 2),
    "medmnist": ({"train_images": TEN[:6], "train_labels": np.zeros((6, 1), int),
                  "test_images": TEN[6:], "test_labels": np.zeros((4, 1), int),
                  "val_images": TEN[:2]}, 1),
    "named": ({"train": TEN, "labels": np.arange(10) % 2, "class_names": ["a\n", "<b>"]}, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_by_their_names(tmp_path, name):
    arrays, classes = ARRAYS[name]
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    data = load(str(tmp_path / "x.npz"))
    assert (len(data.train) + len(data.test), data.classes) == (10, classes or 0)
    if name == "keras":
        assert sorted(data.test[:, 0, 0]) == sorted(TEN[6:, 0, 0])
    if name == "named":
        assert data.class_names == (r"a\n", "<b>")


def archive(**arrays):
    return lambda path: np.savez(path / "x.npz", **arrays)


def array(values):
    return lambda path: np.save(path / "x.npy", values, allow_pickle=True)


def file(name, content):
    return lambda path: (path / name).write_bytes(content)


def files(**images):
    def make(path):
        for name, image in images.items():
            save(path / name.replace("__", "/").replace("_png", ".png"), image)

    return make


def bomb(path):
    """A PNG that says it has 50,000 x 50,000 pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(
            ">I", zlib.crc32(kind + body)
        )  # fmt: skip

    size = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 999))
    for name in ("a-bomb.png", "b-bomb.png"):
        (path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def no_image(path):
    for name in ("a\n<b>.png", "c\n<b>.png"):
        (path / name).write_bytes(b"hello")


def two_sizes(path):
    save(path / "a.png", grey(200))
    save(path / "b.png", grey(200, 9))
    save(path / "c.png", grey(200))


def loop(path):
    save(path / "a" / "x.png", grey(200))
    (path / "a" / "again").symlink_to(path)


def broken_link(path):
    (path / "a.png").symlink_to(path / "nowhere")
    save(path / "b.png", grey(200))


def truncated(path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    save(path / "a.png", noise)
    save(path / "b.png", noise)
    for name in ("a.png", "b.png"):
        (path / name).write_bytes((path / name).read_bytes()[:300])


REFUSED = {
    "nothing": (lambda path: None, "has no images: name a folder of PNG or JPEG files"),
    "notes": (file("notes.txt", b"hello"), "has no images"),
    "no image": (no_image, r".\\n<b>.png cannot be read \(it is no image\); "),
    "truncated": (truncated, r".\.png cannot be read \(.*; remove it, or skip such .*--skip-unr"),
    "broken link": (broken_link, r"a.png cannot be read \(No such file"),
    "bomb": (bomb, r"bomb.png cannot be read \(.*2500000000 pixels"),
    "loop": (loop, "again is a link to a folder that it is in: remove it"),
    "one image": (files(a_png=grey(200)), "has one image: at least two are needed"),
    "two sizes": (two_sizes, r"has . x 8 pixels and ..png . x 8: .* such as --size 32"),
    "large": (files(a_png=grey(1, 129, 99), b_png=grey(1, 129, 99)), "129 x 99 pixels: .*--size"),
    "beside": (files(a__x_png=grey(9), y_png=grey(9)), "in folders, .* y.png beside them: move it"),
    "no test": (files(train__x_png=grey(9), val__y_png=grey(9)), "train and no folder test: call"),
    "objects": (array(np.array([None, 1])), "it holds no numbers, but Python objects"),
    "no numpy": (file("x.npy", b"hello"), r"x.npy cannot be read .*; save it again"),
    "no zip": (file("x.npz", b"hello"), r"x.npz cannot be read .*; save it again"),
    "half a zip": (file("x.npz", b"PK\x03\x04 and"), r"x.npz cannot be read .*; save it again"),
    "NaN": (array(np.full((9, 8, 8), np.nan)), r"image .: pixels from nan to nan: .* in \[0, 1\]"),
    "beyond 1": (array(TEN / 100), r"x.npy, image .: pixels from .* in \[0, 1\]"),
    "negative": (array(TEN.astype(int) - 9), "from -9 to .*: integers are 0 to 255; divide by"),
    "16 bits": (array(TEN.astype(np.uint16) * 99), "to .*: integers are 0 to 255; divide by"),
    "words": (array(np.full((9, 8, 8), "a")), "an array of <U1: pixels are integers from 0 to"),
    "complex": (array(np.ones((9, 8, 8), complex)), "an array of complex128: pixels are"),
    "one picture": (array(TEN[0]), r"of shape \(8, 8\): images are \(N, height, width\)"),
    "planes first": (array(np.ones((9, 3, 8, 8))), r"transpose\(0, 2, 3, 1\)"),
    "one channel": (array(np.ones((9, 8, 8, 1))), r"length 1: x.squeeze\(\)"),
    "alpha": (array(np.ones((9, 8, 8, 4))), r"or \(N, height, width, 3\) in colour"),
    "no images": (archive(a=TEN, b=TEN), "has arrays a, b: call that of the images train or"),
    "labels of floats": (archive(images=TEN, labels=np.ones(10)), "labels of float64.*integers"),
    "few labels": (archive(images=TEN, labels=np.arange(9)), r"int64, \(9,\), for 10 images"),
    "negative labels": (archive(images=TEN, labels=np.arange(10) - 1), "from -1"),
    "labels of a part": (archive(train=TEN, test=TEN, labels=np.arange(10)), "a part of the im"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_one_line(tmp_path, capsys, name):
    make, message = REFUSED[name]
    make(tmp_path)
    arrays = [path for path in tmp_path.iterdir() if path.suffix in (".npy", ".npz")]
    data = str(arrays[0] if arrays else tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Caution)
        with pytest.raises(Failure, match=message):
            load(data)
    out = tmp_path / "run"
    assert main(["train", "vae", "--data", data, "--steps", "1", "--out", str(out)]) in (1, 2)
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("chainrule: ") for line in lines)
    assert [line for line in lines if "warning" not in line] == lines[-1:]
    assert not out.exists()


def test_unreadable_files_are_skipped_and_named_if_that_is_asked_for(photos):
    (photos / "cat" / "03.png").write_bytes(b"no image")
    reading = Reading(skip_unreadable=True)
    for _ in range(2):  # also from the cache
        with pytest.warns(Caution, match="skipped: .*03.png cannot be read"):
            data = load(str(photos), reading=reading)
        assert len(whole(data)) == 19
        np.testing.assert_array_equal(data.train[:, 0, 0] >= 110, data.train_labels)


@pytest.mark.parametrize("name", [".DS_Store", "._a.png", "Thumbs.db", ".git/x.png", "__MACOSX/x"])
def test_what_systems_leave_in_folders_is_passed_over(photos, name):
    (photos / name).parent.mkdir(exist_ok=True)
    (photos / name).write_bytes(b"no image")
    assert len(whole(load(str(photos)))) == 20


def test_other_files_are_left_out_with_a_warning(photos):
    (photos / "labels.csv").write_text("a,b")
    with pytest.warns(
        Caution, match="not read, .* not named as images: 1 of the files .*: labels.csv$"
    ):
        assert len(whole(load(str(photos)))) == 20


def test_links_out_of_the_folder_are_followed(photos, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a").symlink_to(photos / "cat")
    (tmp_path / "links" / "b").mkdir()
    (tmp_path / "links" / "b" / "x.png").symlink_to(photos / "dog" / "10.png")
    assert len(whole(load(str(tmp_path / "links")))) == 11


def test_there_may_be_one_class_or_thousands_and_with_any_name(tmp_path):
    for i in range(2000):
        save(tmp_path / "many" / f"{i}" / "x.png", grey(i % 256))
    data = load(str(tmp_path / "many"))
    assert data.classes == len(data.class_names) == 2000
    for name in (b"a\n<b>$x$", b"\xff"):
        folder = tmp_path / "one" / os.fsdecode(name)
        for i in (200, 201):
            save(folder / f"{i}.png", grey(i))
    data = load(str(tmp_path / "one"))
    assert data.class_names == (r"a\n<b>$x$", r"\udcff")
    assert load(str(folder)).class_names == ()
    assert load(str(folder)).name == r"\udcff"


def decoded(monkeypatch):
    """The files that Pillow opens from now on."""
    opened, before = [], Image.open
    monkeypatch.setattr(Image, "open", lambda f, **o: opened.append(f) or before(f, **o))
    return opened


def test_images_are_decoded_once_until_a_file_changes(photos, cache, monkeypatch):
    first = load(str(photos))
    opened = decoded(monkeypatch)
    again = load(str(photos))
    assert not opened
    assert again.checksum == first.checksum
    np.testing.assert_array_equal(whole(again), whole(first))
    os.utime(photos / "cat" / "03.png")
    assert load(str(photos)).checksum == first.checksum  # as only its time has changed
    assert len(opened) == 20
    save(photos / "cat" / "03.png", grey(9))
    assert load(str(photos)).checksum != first.checksum
    (photos / "cat" / "03.png").rename(photos / "dog" / "03.png")
    assert load(str(photos)).class_names == first.class_names
    assert len(list((cache / "images").iterdir())) == 1  # older ones are removed


@pytest.mark.parametrize("name", ["images.npy", "about.json"])
def test_a_damaged_cache_is_made_again(photos, cache, name):
    first = whole(load(str(photos))).copy()
    path = next((cache / "images").glob(f"*/{name}"))
    path.write_bytes(path.read_bytes()[:-9])
    np.testing.assert_array_equal(whole(load(str(photos))), first)
    assert next((cache / "images").glob(f"*/{name}")).stat().st_size > 9


def test_without_a_cache_images_are_in_memory(photos, cache):
    (cache / "images").write_text("a file where the folder should be")
    assert len(whole(load(str(photos)))) == 20


def test_the_first_images_have_a_checksum_of_their_own(photos):
    data = load(str(photos))
    assert data.first(3).checksum != data.checksum


def train(data, out, *more):
    small = ["--steps", "2", "--pictures", "no"]
    for setting in ("network=mlp", "decoder=bernoulli", "hidden=8", "pixels=fixed", "batch=9"):
        small += ["--set", setting]
    return main(["train", "vae", "--data", str(data), *small, "--out", str(out), *more])


def test_a_run_keeps_how_its_images_are_read_and_refuses_others(photos, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(photos, out, "--size", "9x10", "--fit", "pad", "--levels", "9") == 0
    assert "padded with white to 9 x 10" in capsys.readouterr().out
    run = Run.open(out)
    assert run.config.data == str(photos)
    assert run.config.reading == Reading((9, 10), fit="pad", levels=9)
    assert run.data.image_shape == (9, 10)
    save(photos / "cat" / "03.png", grey(9))
    more = ["train", "vae", "--resume", str(out), "--steps", "4"]
    assert main(more) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main([*more, "--size", "8"]) == 2
    assert "leave out --size" in capsys.readouterr().err


def test_a_folder_that_has_moved_is_named_anew(photos, tmp_path, capsys):
    out, new = str(tmp_path / "run"), photos.with_name("moved")
    train = ["train", "vae", "--data", str(photos), "--set", "batch=9", "--pictures", "no"]
    assert main([*train, "--steps", "2", "--out", out]) == 0
    photos.rename(new)
    capsys.readouterr()
    score = ["score", out, "--out", str(tmp_path / "scores.csv")]
    assert main(score) == 2
    assert "there is no" in capsys.readouterr().err
    assert main([*score, "--data-dir", str(new)]) == 0
    lines = (tmp_path / "scores.csv").read_text().splitlines()[1:]
    assert {line.split(",")[1] for line in lines} <= {
        f"{p.parent.name}/{p.name}" for p in files(new)
    }
    (new / "cat" / "03.png").unlink()
    assert main(["sample", out, "--data-dir", str(new)]) == 1
    assert "bring back what it was trained on" in capsys.readouterr().err


def files(folder):
    return folder.glob("*/*.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "0"], "'0' is not N or HxW, each from 1 to 1024"),
        (["--size", "8x8x3"], "is not N or HxW"),
        (["--size", "8"], "--size: for your own images, with --data PATH; digits is read as it is"),
        (["--data", "photos", "--data-dir", "."], "there is no|--data-dir .*"),
    ],
)
def test_options_that_do_not_fit_are_refused(photos, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(photos.parent)
    assert main(["train", "vae", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message.split("|")[-1].split(".*")[0] in line


def test_images_are_read_for_a_model_of_others(photos, tmp_path):
    data = load(str(photos), reading=Reading(size=(8, 9), levels=16))
    images, labels, names = read_images(photos / "dog" / "12.png", data)
    assert (images.shape, labels, names) == ((1, 8, 9), None, ("12.png",))
    images, labels, names = read_images(photos, data)
    np.testing.assert_array_equal(images[:, 0, 0], np.rint(np.arange(100, 120) / 17))
    np.testing.assert_array_equal(labels, [0] * 10 + [1] * 10)
    assert names[0] == "cat/00.png"
    np.savez(tmp_path / "x.npz", images=TEN, labels=np.arange(10) % 2)
    images, labels, names = read_images(tmp_path / "x.npz", data)
    assert (images.shape, labels[1], names[1]) == ((10, 8, 9), 1, "1")
    digits = load("digits")
    assert read_images(photos, digits).labels is None  # no class of digits is called cat
    (photos / "cat").rename(photos / "3")
    (photos / "dog").rename(photos / "7")
    assert set(read_images(photos, digits).labels.tolist()) == {3, 7}
    with pytest.raises(UsageError, match="ring has points of the plane"):
        read_images(photos, load("ring"))


def test_a_set_larger_than_memory_is_read_where_it_is_needed(tmp_path, monkeypatch):
    """As floats they would take a gigabyte, and are never made."""
    images = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(1 << 22, 8, 8))
    data = Dataset("many", 256, images, images[:100], known_checksum="known")
    monkeypatch.setattr("models.training.run.load", lambda *_: data)
    tracemalloc.start()
    for model in ("vae", "autoencoder"):
        run = Run(Config.of(model, batch=9, steps=1), tmp_path / model)
        run.begin()
        run.train(pictures="no")
        assert np.isfinite(run.report.baseline or 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e8  # bytes
