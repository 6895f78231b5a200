"""What a trained model gives back, by a model of known codes, completions and likelihoods."""

import csv
import re
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import models
from autograd import nn
from models.cli import grids, main
from models.data import DATASETS, Dataset, read_images
from models.errors import UsageError
from models.families import FAMILIES, Family
from models.model import Model
from models.outputs import codes, completion, likelihood, masks, sampling
from models.outputs.interpolation import lerp
from models.settings import CommonSettings, setting

RNG = np.random.default_rng(0)
GREY = Dataset(
    "grey", 5, *(RNG.integers(0, 5, (n, 4, 6), dtype=np.uint8) for n in (30, 7)),
    np.arange(30) % 3 // 2, np.arange(7) % 2, ("cat", "dog"),
)  # fmt: skip
COLOUR = Dataset("colour", 256, *(RNG.integers(0, 256, (9, 4, 6, 3), dtype=np.uint8),) * 2)


@dataclass(frozen=True)
class Settings(CommonSettings):
    conditional: bool = setting(False, "on the class")
    latent: int = setting(24, "pixels")


class Copy(Model):
    """Its codes are the pixels, and class c has the level c / 2 wherever nothing is known."""

    settings_type = Settings
    likelihood = "exact"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.weight = nn.parameter(np.zeros(1))

    def loss(self, x, rng, epoch=0.0, labels=None):
        return (self.weight * self.weight).sum(), {}

    def codes(self, x, labels=None):
        return x

    def decode_codes(self, z, rng, labels=None):
        return z.reshape(-1, *self.shape).clip(0, 1)

    def sample(self, n, rng, labels=None):
        labels = self.classes_of(n, labels)
        images = rng.random((n, *self.shape), dtype=np.float32) / 2
        return images if labels is None else (images / 2 + np.reshape(labels, (-1, 1, 1)) / 2)

    def complete(self, images, known, rng, labels=None):
        known = np.broadcast_to(known, images.shape[:3])
        value = 0 if labels is None else np.reshape(labels, (-1, 1, 1)) / 2
        return np.where(known if images.ndim == 3 else known[..., None], images, value)

    def evaluate(self, x, rng, labels=None, thorough=False):
        noise = rng.random(len(x))  # the same for each class
        center = np.reshape(0 if labels is None else labels, (-1, 1))
        return {"nll": ((x - center) ** 2).sum(1) + noise * thorough}


def made(data=GREY, classes=0):
    settings = Settings(latent=data.train[0].size)
    model = Copy(settings, data.image_shape, data.levels, RNG, classes)
    return SimpleNamespace(model=model, data=data)


def test_images_are_floats_or_levels_and_come_back_the_same():
    for data in (GREY, COLOUR):
        levels = data.test
        floats = levels / (data.levels - 1)
        for images in (levels, levels.astype(int), floats, floats.astype(np.float32), None):
            found = codes.reconstruct(made(data), images)
            np.testing.assert_allclose(found, floats, atol=1e-6)
            assert codes.encode(made(data), images).shape == (len(levels), floats[0].size)
        np.testing.assert_array_equal(codes.reconstruct(made(data), levels > 1), levels > 1)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GREY.test[0], "shape (4, 6): they must be (N, 4, 6); of one image it is image[None]"),
        (GREY.test[:0], "images of shape (0, 4, 6)"),
        (COLOUR.test, "images of shape (9, 4, 6, 3)"),
        (GREY.test + 1, "from 1 to 5: levels are 0 to 4"),
        (GREY.test * 1.0, "from 0.0 to 4.0: floats are in [0, 1]"),
        (GREY.test * np.nan, "from nan to nan: floats are in [0, 1]"),
        (GREY.test.astype(object), "images of object"),
        ("a.png", "images of shape ()"),
    ],
)  # fmt: skip
def test_what_are_no_images_is_refused(images, message):
    for function in (codes.encode, codes.reconstruct, completion.complete, likelihood.score):
        with pytest.raises(UsageError, match=re.escape(message)):
            function(made(), images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "this copy is conditional: name the class of the images, one of cat, dog"),
        ("bird", "no class is called 'bird': the classes are cat, dog"),
        (2, "class 2: the classes are 0 to 1"),
        ("2", "class 2: the classes are 0 to 1"),
        ([0, 1], "labels of int64, (2,): needs 7 whole numbers"),
        (0.5, "labels of float64"),
    ],
)
def test_a_class_is_a_name_or_a_number_of_the_model(labels, message):
    run, images = made(classes=2), GREY.test
    with pytest.raises(UsageError, match=re.escape(message)):
        codes.encode(run, images, labels)
    for known in ("dog", "1", 1, np.ones(7, int)):
        assert len(codes.encode(run, images, known)) == 7
    with pytest.raises(UsageError, match="this copy is not conditional"):
        codes.encode(made(), images, "dog")


def test_samples_depend_on_the_seed_and_come_in_any_number():
    run = made(classes=2)
    some, more = sampling.sample(run, 700), sampling.sample(run, 1100)
    np.testing.assert_array_equal(some[:500], more[:500])
    assert (some[0::2] < 0.5).all() and (some[1::2] >= 0.5).all()  # each class in turn
    assert (sampling.sample(run, 3, "dog") >= 0.5).all()
    assert (sampling.sample(run, 3, seed=1) != some[:3]).any()


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((2, 3)), "codes of shape (2, 3): this copy has (n, 24)"),
        (np.zeros(24), "codes of shape (24,)"),
        (np.full((1, 24), np.inf), "must be finite"),
        (np.full((1, 24), "x"), "codes of <U1"),
    ],
)
def test_what_are_no_codes_is_refused(z, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        codes.decode(made(), z)


def test_ways_go_from_one_image_to_the_other():
    run, a, b = made(), GREY.test[:2], GREY.test[2:4]
    ways = codes.interpolate(run, a, b, steps=5, way="lerp")
    assert ways.shape == (2, 5, 4, 6)
    line = lerp(a[1].ravel() / 4, b[1].ravel() / 4, 5)
    np.testing.assert_allclose(ways[1].reshape(5, -1), line, atol=1e-6)
    arc = codes.interpolate(run, a, b, steps=5)
    np.testing.assert_allclose(arc[:, [0, -1]], ways[:, [0, -1]], atol=1e-6)
    assert codes.interpolate(run, steps=3, n=4).shape == (4, 3, 4, 6)
    for wrong in ({"a": a}, {"a": a, "b": b[:1]}, {"way": "arc"}, {"steps": 1}):
        with pytest.raises(UsageError):
            codes.interpolate(run, **wrong)


@pytest.mark.parametrize("data", [GREY, COLOUR])
def test_what_is_missing_is_completed_and_the_rest_stays(data):
    run, whole = made(data), data.test / (data.levels - 1)
    parts = {part: masks.region(part, (4, 6)) for part in masks.REGIONS}
    for part, missing in parts.items():
        found = completion.complete(run, missing=part)
        np.testing.assert_allclose(found[:, ~missing], whole[:, ~missing], atol=1e-6)
        assert (found[:, missing] == 0).all()
    assert [int(mask.sum()) for mask in parts.values()] == [12, 12, 12, 12, 8]
    assert (parts["lower"] ^ parts["upper"]).all() and (parts["left"] ^ parts["right"]).all()
    own = np.zeros(whole.shape[:3], bool)
    own[0, 1, 2] = True
    assert (completion.complete(run, missing=own) != whole.astype(np.float32)).any(
        axis=(1, 2)
    ).sum() <= 3
    for wrong in ("middle", own[:3], own.astype(int), np.zeros((4, 6), bool)):
        with pytest.raises(UsageError):
            completion.complete(run, missing=wrong)


def test_a_class_is_found_by_bayes():
    """p(x|c) = exp(-|x - c|^2 - noise): log p(c|x) in closed form, where the noise cancels."""
    run, x = made(classes=2), GREY.test.reshape(7, -1) / 4
    joint = np.stack(
        [-((x - c) ** 2).sum(1) + np.log((21 if c == 0 else 11) / 32) for c in (0, 1)], 1
    )
    expected = joint - np.logaddexp(*joint.T)[:, None]
    np.testing.assert_allclose(likelihood.log_posterior(run), expected, atol=1e-5)
    np.testing.assert_array_equal(likelihood.classify(run), expected.argmax(1))
    noise = np.random.default_rng(0).random(7)
    own = likelihood.score(run, GREY.test, 1)
    np.testing.assert_allclose(own, ((x - 1) ** 2).sum(1) + noise, rtol=1e-6)
    mixed = likelihood.score(run, GREY.test)  # the classes are not known
    np.testing.assert_allclose(mixed, noise - np.logaddexp(*joint.T), rtol=1e-5)


def test_models_without_a_likelihood_or_classes_say_so(monkeypatch):
    with pytest.raises(UsageError, match="this copy is not conditional"):
        likelihood.classify(made())
    monkeypatch.setattr(Copy, "likelihood", "")
    for function in (likelihood.score, likelihood.classify):
        with pytest.raises(UsageError, match="this copy has no likelihood"):
            function(made(classes=2))


def test_auroc_counts_the_pairs():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.5, 4.0])
    pairs = [x < y for x in a for y in b]
    assert likelihood.auroc(a, b) == pytest.approx(sum(pairs) / len(pairs))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs "grey", "conditional" and "colour", which tests read and do not change."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, "copy", Family(f"{__name__}:Copy"))
        patch.setitem(DATASETS, "grey", lambda folder: GREY)
        patch.setitem(DATASETS, "colour", lambda folder: COLOUR)
        few = ["--steps", "1", "--set", "batch=5", "--pictures", "no", "--out"]
        for name, data, conditional in (
            ("grey", "grey", "no"), ("conditional", "grey", "yes"), ("colour", "colour", "no"),
        ):  # fmt: skip
            options = ["--data", data, "--set", f"conditional={conditional}"]
            length = 24 * (3 if data == "colour" else 1)
            options += ["--set", f"latent={length}"]
            assert main(["train", "copy", *options, *few, str(folder / name)]) == 0
        yield folder


def test_python_gives_what_the_command_line_writes(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, name = models.load(runs / "conditional"), str(runs / "conditional")
    for arguments in (
        ["sample", name, "-n", "10", "--out", "s.npz"],
        ["sample", name, "-n", "3", "--class", "dog", "--out", "dogs.npz"],
        ["encode", name, "--out", "codes.npz"],
        ["decode", name, "codes.npz", "--out", "decoded.npz"],
        ["reconstruct", name, "--out", "again.npz"],
        ["interpolate", name, "0", "2", "--class", "cat", "--steps", "4", "--out", "way.npz"],
        ["complete", name, "--missing", "left", "--times", "2", "--out", "done.npz"],
        ["score", name, "--out", "scores.csv"],
        ["classify", name, "--out", "classes.csv"],
    ):
        assert main(arguments) == 0, capsys.readouterr().err
        assert arguments[-1] in capsys.readouterr().out

    def levels(images):
        return np.rint(255 * images)

    test = run.data.test
    expected = {
        "s.npz": run.sample(10),
        "dogs.npz": run.sample(3, "dog"),
        "decoded.npz": test / 4,
        "again.npz": run.reconstruct(),
        "way.npz": run.interpolate(test[:1], test[2:3], 4, labels=0)[0],
        "done.npz": run.complete(test.repeat(2, 0), "left", run.data.test_labels.repeat(2)),
    }
    for path, images in expected.items():
        np.testing.assert_allclose(np.load(path)["images"], levels(images), atol=1, err_msg=path)
    np.testing.assert_array_equal(np.load("codes.npz")["codes"], run.encode())
    np.testing.assert_array_equal(np.load("s.npz")["labels"], np.arange(10) % 2)
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    np.testing.assert_allclose([float(row["nll"]) for row in rows], run.score(), rtol=1e-5)
    assert {row["kind"] for row in rows} == {"exact"} and rows[6]["image"] == "00006"
    rows = list(csv.DictReader((tmp_path / "classes.csv").read_text().splitlines()))
    assert [row["predicted"] for row in rows] == [GREY.class_names[c] for c in run.classify()]


@pytest.mark.parametrize("name", ["grey", "conditional", "colour"])
def test_a_folder_or_an_array_that_was_written_is_read_again(runs, tmp_path, name):
    folder, array = tmp_path / "folder", tmp_path / "array.npz"
    for out in (folder, array):
        assert main(["sample", str(runs / name), "-n", "20", "--out", str(out)]) == 0
    run = models.load(runs / name)
    expected = np.rint(run.sample(20) * (run.data.levels - 1))
    found = read_images(folder, run.data)
    order = np.argsort([n.rpartition("/")[2] for n in found.names])
    np.testing.assert_allclose(found.images[order], expected, atol=1)
    np.testing.assert_allclose(read_images(array, run.data).images, expected, atol=1)
    if name == "conditional":
        assert {path.name for path in folder.iterdir()} == {"cat", "dog"}
        np.testing.assert_array_equal(found.labels[order], np.arange(20) % 2)
    else:
        assert sorted(path.name for path in folder.iterdir())[::19] == ["00000.png", "00019.png"]


def test_each_command_makes_a_picture_by_default(runs, tmp_path, capsys):
    mask = tmp_path / "mask.png"
    Image.fromarray(np.eye(4, 6, dtype=np.uint8) * 255).save(mask)
    commands = (
        "sample", "reconstruct", "interpolate", "interpolate 1 2", "complete",
        f"complete --times 2 --missing {mask}",
    )  # fmt: skip
    for name in ("grey", "colour"):
        for command in map(str.split, commands):
            assert main([command[0], str(runs / name), *command[1:]]) == 0
            path = runs / name / f"{command[0]}.png"
            first, *others = capsys.readouterr().out.splitlines()
            assert first == str(path) and path.read_bytes().startswith(b"\x89PNG")
            assert len(others) == (command[0] == "reconstruct")
            assert all("reconstructions: squared error" in line for line in others)


def test_points_are_plotted_where_they_are(tmp_path):
    run, codes_file = tmp_path / "run", tmp_path / "codes.npz"
    settings = ["--set", "layers=2", "--set", "hidden=8", "--data", "ring", "--pictures", "no"]
    assert main(["train", "realnvp", "--steps", "2", *settings, "--out", str(run)]) == 0
    assert main(["encode", str(run), "-n", "3", "--out", str(codes_file)]) == 0
    for command, *others in (["decode", codes_file], ["reconstruct"], ["interpolate", 3, 8]):
        assert main([command, str(run), *map(str, others)]) == 0
        with Image.open(run / f"{command}.png") as picture:
            assert min(picture.size) > 200


def test_what_the_model_saw_stands_above_its_reconstruction(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, "copy", Family(f"{__name__}:Copy"))
    monkeypatch.setitem(DATASETS, "grey", lambda folder: GREY)
    binary, shown = tmp_path / "binary", {}
    settings = ["--set", "pixels=fixed", "--set", "latent=24", "--set", "batch=5"]
    few = ["--data", "grey", "--steps", "1", "--pictures", "no", *settings]
    assert main(["train", "copy", *few, "--out", str(binary)]) == 0
    monkeypatch.setattr(grids, "stacked", lambda run, rows, title: shown.update(rows) or Figure())
    assert main(["reconstruct", str(runs / "grey")]) == 0
    assert list(shown) == ["image", "reconstruction"]
    shown.clear()
    assert main(["reconstruct", str(binary)]) == 0
    assert list(shown) == ["image", "binarised", "reconstruction"]
    np.testing.assert_array_equal(shown["binarised"], shown["image"] > 0.5)
    np.testing.assert_array_equal(shown["reconstruction"], shown["binarised"])  # by a Copy


def test_a_second_set_is_told_apart_and_simple_images_are_warned_of(runs, tmp_path, capsys):
    black = tmp_path / "black.npy"
    np.save(black, np.zeros((5, 4, 6, 3), np.uint8))
    assert main(["score", str(runs / "colour"), "--against", str(black)]) == 0
    out, error = capsys.readouterr()
    assert "test images: -log p(x) " in out and " bits/dim (exact), n = 9\n" in out
    assert re.search(r"AUROC 0\.\d{3}: ", out)
    assert error.startswith("chainrule: warning: a likelihood does not tell what an image shows")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "grey", "--out", "x.jpg"], "name a folder, an array something.npz"),
        (["sample", "grey", "--out", "there"], "there exists: remove it"),
        (["sample", "grey", "-n", "2501"], "-n 2501: one picture holds at most"),
        (["sample", "grey", "--class", "cat"], "this copy is not conditional"),
        (["sample", "conditional", "--class", "bird"], "no class is called 'bird'"),
        (["reconstruct", "conditional", "--images", "there/a.npy"], "this copy is conditional"),
        (["encode", "grey", "--out", "x.png"], "--out x.png: name codes something.npz"),
        (["encode", "grey", "--images", "none", "--out", "x.npz"], "none"),
        (["decode", "grey", "there/a.npy"], "has no array 'codes', but nothing"),
        (["decode", "grey", "none.npz"], "there is no none.npz"),
        (["interpolate", "grey", "1"], "name two images, or none"),
        (["interpolate", "grey", "1", "7"], "test image 7: they are 0 to 6"),
        (["interpolate", "grey", "1", "2", "-n", "3"], "-n is for samples of the prior"),
        (["complete", "grey", "--missing", "top"], "--missing top: choose one of lower"),
        (["complete", "grey", "--missing", "mask.png"], "mask.png is 3 x 2 pixels, the"),
        (["score", "grey", "--out", "x.npz"], "--out x.npz: name a table something.csv"),
        (["score", "grey", "--images", "a.npy", "--against", "a.npy"], "are the images them"),
        (["classify", "grey"], "this copy is not conditional"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_line_and_nothing_is_written(
    runs, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    np.save("there/a.npy", GREY.test.astype(np.uint8))
    np.save("a.npy", GREY.test)
    Image.new("L", (3, 2)).save("mask.png")
    Image.new("L", (6, 4)).save("there/a.png")
    before = sorted(tmp_path.rglob("*"))
    arguments = [arguments[0], str(runs / arguments[1]), *arguments[2:]]
    assert main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
