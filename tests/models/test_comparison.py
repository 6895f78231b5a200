"""The page of `chainrule compare`, made from small runs of every family."""

import re

import numpy as np
import pytest

from models.cli import main
from models.data import DATASETS, Dataset

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
    table = re.findall(r"<tr><td>(.*)</td></tr>", text)
    cells = {row.split("</td><td>")[0]: row.split("</td><td>") for row in table}
    assert list(cells) == list(TINY)
    nats = {name: row[3] for name, row in cells.items()}
    assert nats["gan"] == nats["autoencoder"] == "none"
    assert nats["vae"].startswith("≤ ")
    assert nats["ddpm"].startswith("≤ ")
    assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d", nats["pixelcnn"])
    for row in cells.values():
        fid, low, high = map(float, re.fullmatch(r"(.+) \((.+) to (.+)\)", row[5]).groups())
        assert low <= fid <= high
        score = float(row[6].split()[0])
        assert 1 <= score <= 10
    assert text.count("data:image/png;base64,") == 3
    assert "http" not in text  # nothing is fetched
    assert "seed 0, weights " in text
    assert "the floor" in text
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_numbers(runs, tmp_path):
    pages = [tmp_path / f"{name}.html" for name in "ab"]
    for page in pages:
        assert main(["compare", str(runs / "vae"), "-n", "100", "--out", str(page)]) == 0
    first, second = (re.findall(r"<td>([^<]*)</td>", page.read_text()) for page in pages)
    assert first[:-1] == second[:-1]  # the last is a time


def test_what_cannot_be_compared_is_refused(runs, tmp_path, monkeypatch, capsys):
    images = np.random.default_rng(0).integers(0, 17, (60, 4, 6), dtype=np.uint8)
    monkeypatch.setitem(DATASETS, "mnist", lambda name, _: Dataset(name, 17, images, images))
    train(tmp_path / "oblong", "vae", "--data", "mnist", "--set", "binarisation=fixed")
    train(tmp_path / "points", "gan", "--data", "ring")
    (tmp_path / "empty").mkdir()
    page = tmp_path / "page.html"
    for other, message in (
        ("oblong", "images of unequal size cannot be compared: digits 8 x 8, mnist 4 x 6"),
        ("points", "ring: compare is for images, not for points of the plane"),
        ("empty", "empty is not a run: it has no config.json"),
    ):
        capsys.readouterr()
        status = main(["compare", str(runs / "vae"), str(tmp_path / other), "--out", str(page)])
        assert status == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not page.exists()
