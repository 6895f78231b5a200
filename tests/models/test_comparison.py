"""The page of `chainrule compare`, made from small runs of every family."""

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models.cli import comparison, demo, main
from models.cli.comparison import table
from models.data import DATASETS, Dataset
from models.errors import UsageError
from models.metrics import encoder
from models.training import Run

TINY = {
    "vae": ["hidden=8", "latent=2"],
    "gan": ["network=mlp", "hidden=8", "latent=2", "critic_steps=1"],
    "pixelcnn": ["blocks=1", "channels=4"],
    "ddpm": ["T=4", "sampling_steps=0", "network=mlp", "width=8", "depth=1"],
    "autoencoder": ["hidden=8", "latent=2"],
}


def train(directory, family, *options):
    settings = [option for setting in TINY[family] for option in ("--set", setting)]
    command = ["train", family, "--steps", "3", "--set", "batch=30", *settings, *options]
    assert main([*command, "--out", str(directory)]) == 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each family, of three steps; and a cache of the tests' own for the classifier."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("runs")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for family in TINY:
            train(folder / family, family)
        yield folder


def test_the_page_has_every_model_with_its_numbers_and_pictures(runs, tmp_path, capsys):
    page = tmp_path / "page.html"
    names = [str(runs / family) for family in TINY]
    assert main(["compare", *names, "-n", "100", "--out", str(page)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(page), str(tmp_path / "page.png")]
    text = page.read_text()
    rows = [
        re.findall(r'data-name="(.*?)">(.*?)</td>', row) for row in re.findall("<tr>(.*)", text)
    ]
    cells = {dict(row)["model"]: dict(row) for row in rows if row}
    assert list(cells) == list(TINY)
    assert [row["family"] for row in cells.values()] == list(TINY)
    nats = {name: row["nats / image"] for name, row in cells.items()}
    assert nats["gan"] == nats["autoencoder"] == "none"
    assert nats["vae"].startswith("≤")
    assert nats["ddpm"].startswith("≤")
    assert re.fullmatch(r"\d+\.\d\d ±\s\d+\.\d\d", nats["pixelcnn"])
    for row in cells.values():
        fid, low, high = map(float, re.fullmatch(r"(.+) \((.+)\sto\s(.+)\)", row["FID"]).groups())
        assert low <= fid <= high
        score = float(row["inception score"].split()[0])
        assert 1 <= score <= 10
    assert text.count("data:image/png;base64,") == 3 * len(TINY)
    assert "http" not in text  # the page needs no network
    assert "seed 0, weights " in text
    assert "the floor" in text
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_all_runs_are_measured_beside_the_same_real_images(runs):
    one, other = (
        comparison.examine(Run.open(runs / family), n=100, seed=0).numbers
        for family in ("gan", "ddpm")  # whose samples take unlike amounts of random numbers
    )
    assert one["fid"] != other["fid"]
    assert (one["floor"], one["ceiling"]) == (other["floor"], other["ceiling"])


def test_nats_say_where_the_class_is_given(runs, tmp_path, capsys):
    train(tmp_path / "told", "pixelcnn", "--set", "conditional=yes")
    assert "the baseline, not told the class, " in capsys.readouterr().out
    page, both = tmp_path / "page.html", [str(runs / "pixelcnn"), str(tmp_path / "told")]
    assert main(["compare", *both, "-n", "100", "--out", str(page)]) == 0
    nats = re.findall(r'data-name="nats / image">(.*?)</td>', page.read_text())
    assert ["given" in cell for cell in nats] == [False, True]
    assert page.read_text().count("Given y: ") == 1


def test_the_page_fits_a_telephone_and_a_screen():
    """Nothing is too wide: cells may wrap, and on a narrow screen rows are lists."""
    style = (Path(comparison.__file__).parent / "page.html").read_text()
    assert "width=device-width" in style
    assert "nowrap" not in style and "img { max-width: 100%; }" in style
    narrow = style[style.index("@media (max-width: 60rem)") :]
    assert "tr, td { display: block; }" in narrow and "content: attr(data-name)" in narrow


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (280.4, "280"),
        (1234.5, "1,234"),
        (9.96, "10"),
        (6.21, "6.2"),
        (0.0035, "0.0035"),
        (0, "0.0"),
    ],
)
def test_seconds_are_never_a_power_of_ten(seconds, text):
    assert table._seconds(seconds) == text


def test_the_picture_is_of_the_kind_that_is_asked_for(runs, tmp_path, capsys):
    """Also for a folder whose name looks like a formula."""
    odd = tmp_path / r"a $\frac$"
    odd.symlink_to(runs / "vae")
    picture, page = tmp_path / "mine.svg", tmp_path / "page.html"
    command = ["compare", str(odd), "-n", "100", "--out", str(page), "--picture", str(picture)]
    assert main(command) == 0
    assert picture.read_text().startswith("<?xml") and not (tmp_path / "page.png").exists()
    assert r"a $\frac$" in page.read_text()
    assert main([*command[:-1], "mine.gif"]) == 2
    assert "name a picture something.png, .svg or .pdf" in capsys.readouterr().err


def test_points_are_compared_by_the_modes_that_they_cover(runs, tmp_path, capsys):
    """And more models than fit beside each other are in the picture too."""
    for name in ("ddpm", "gan"):
        train(tmp_path / name, name, "--data", "ring", "--limit", "200")
    several = [tmp_path / "ddpm", *[tmp_path / "gan"] * 6]
    page = tmp_path / "page.html"
    assert main(["compare", *map(str, several[:2]), "-n", "200", "--out", str(page)]) == 0
    text = page.read_text()
    assert re.findall(r'data-name="modes">(\d) of 8<', text) and "good within 3 sigma" in text
    assert 'data-name="FID"' not in text and text.count("data:image/png;base64,") == 2 * 2
    figure = comparison.figure([Run.open(run) for run in several], n=50)
    assert len(figure.subfigs) == 3  # two blocks, and the notes
    titles = [axes.get_title() for part in figure.subfigs for axes in part.axes]
    assert sum(title == "gan" for title in titles) == 6
    assert main(["compare", str(several[0]), "--features", "a:b", "--out", "b.html"]) == 2
    assert "--features are of images, and ring has points" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_numbers(runs, tmp_path):
    pages = [tmp_path / f"{name}.html" for name in "ab"]
    for page in pages:
        assert main(["compare", str(runs / "vae"), "-n", "100", "--out", str(page)]) == 0
    first, second = (re.findall(r"<td.*?>([^<]*)</td>", page.read_text()) for page in pages)
    assert first[:-1] == second[:-1]  # the last is a time
    figure = comparison.figure([Run.open(runs / "vae")], n=100)
    cells = {html.unescape(cell) for cell in first[:-1]}
    assert cells <= {text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title)}


def test_what_cannot_be_compared_is_refused(runs, tmp_path, monkeypatch, capsys):
    images = np.random.default_rng(0).integers(0, 17, (60, 4, 6), dtype=np.uint8)
    monkeypatch.setitem(DATASETS, "mnist", lambda folder: Dataset("mnist", 17, images, images))
    train(tmp_path / "oblong", "vae", "--data", "mnist", "--set", "pixels=fixed")
    train(tmp_path / "points", "gan", "--data", "ring")
    (tmp_path / "empty").mkdir()
    page = tmp_path / "page.html"
    for other, message in (
        ("oblong", "images of unequal size cannot be compared: digits 8 x 8, mnist 4 x 6"),
        ("points", "images of unequal size cannot be compared: digits 8 x 8, ring 2"),
        ("empty", "empty is not a run: it has no config.json"),
    ):
        capsys.readouterr()
        status = main(["compare", str(runs / "vae"), str(tmp_path / other), "--out", str(page)])
        assert status == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not page.exists()


def test_one_folder_at_two_sizes_is_not_compared():
    runs = [SimpleNamespace(data=SimpleNamespace(name="a", image_shape=(n, 6))) for n in (4, 6)]
    with pytest.raises(UsageError, match="unequal size cannot be compared: a 4 x 6, a 6 x 6"):
        comparison.entry.examine_all(runs, 100, 0, None)


def test_each_data_set_has_its_floor_though_the_form_of_pixels_is_the_same():
    shared = {"pixel_form": "binary", "ceiling": 9, "features": "f", "fingerprint": "0"}
    numbers = [
        shared | {"data": "a", "floor": 1, "images": 5},
        shared | {"data": "b", "floor": 2, "images": 5, "nll": 3.0, "factorised_nll": 4.0},
    ]
    model = SimpleNamespace(classes=0)
    runs = [SimpleNamespace(data=n["data"], model=model) for n in numbers]
    entries = [SimpleNamespace(numbers=n, run=run) for n, run in zip(numbers, runs)]
    first, second = table.notes_of(entries)[1:3]
    assert first.startswith("a, binary: ") and "(the floor) 1.00" in first and "nats" not in first
    assert second.startswith("b, binary: ") and second.endswith("factorised model 4.00 nats.")


def test_a_run_of_the_first_images_is_measured_with_the_classifier_of_all(runs, tmp_path):
    train(tmp_path / "few", "vae", "--limit", "150")
    page = tmp_path / "page.html"
    assert main(["compare", str(runs / "vae"), str(tmp_path / "few"), "--out", str(page)]) == 0
    assert "fixed binarisation (pixel &gt; 1/2), the first 150 images" in page.read_text()
    assert len(list((runs / "cache").rglob("*.safetensors"))) == 1


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """The networks of the metrics are trained for three steps, and kept in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(encoder, "MIN_STEPS", 3)
    monkeypatch.setattr(encoder, "EPOCHS", 0)


def test_a_persons_own_images_in_colour(quick, tmp_path, monkeypatch, capsys):
    """Without labels, and with features of their own; the name of the file has markup in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_colours.py").write_text("def mean(images): return images.mean((1, 2))\n")
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 9, 3), dtype=np.uint8)
    np.save("<b>mine.npy", images)
    np.save("samples.npy", images[:20])
    train(Path("run"), "vae", "--data", "<b>mine.npy")
    assert main(["compare", "run", "-n", "100", "--out", "a.html"]) == 0
    text = Path("a.html").read_text("utf-8")
    assert "features of an autoencoder trained on these images (seed 0, weights " in text
    assert "<b>" not in text and "&lt;b&gt;mine" in text and "inception score (at" not in text
    features = ["--features", "my_colours:mean"]
    assert main(["compare", "run", "-n", "100", "--out", "b.html", *features]) == 0
    text = Path("b.html").read_text("utf-8")
    assert "features of the function my_colours:mean (of noise " in text
    capsys.readouterr()
    assert main(["fid", "<b>mine.npy", "samples.npy", "--json", *features]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["images"] == 8 and numbers["fid"] < 0.1 and "is" not in numbers
    assert main(["fid", "<b>mine.npy", "samples.npy"]) == 0
    table = capsys.readouterr().out
    assert table.startswith("FID ") and "8 images each, features of an autoencoder" in table


def test_the_demo_says_what_it_does_and_where_its_page_is(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "MODELS", ("vae",))
    page = demo.demonstrate(tmp_path / "my demo", steps=2)
    assert page.is_file() and page.with_suffix(".png").is_file()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Four models learn the 8x8 digits, in ")
    assert any(line.startswith("1 of 1: vae on digits") for line in lines)
    assert lines[-2:] == [f"The page, to open in a browser: {page.as_uri()}",
                          str(page.with_suffix(".png"))]  # fmt: skip
    assert main(["demo", "--out", str(tmp_path / "my demo")]) == 2
    assert "my demo exists" in capsys.readouterr().err
