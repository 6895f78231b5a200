"""What takes long says what it is doing, and only to somebody who looks on."""

import time

import pytest
from numba import njit

from models import progress
from models.cli import main
from models.data import load
from models.metrics.classifier import Classifier, _train

TINY = ["--set", "hidden=8", "--set", "latent=3", "--set", "batch=500"]


@pytest.fixture
def impatient(monkeypatch):
    """Somebody looks on, and every moment is long."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setattr(progress, "is_watched", lambda: True)


def test_what_has_no_steps_says_what_it_is_and_for_how_long(monkeypatch, impatient, capsys):
    monkeypatch.setattr(progress, "DELAY", 0.05)
    with progress.bar("reading mnist"):
        time.sleep(0.3)
    assert "reading mnist 00:00" in capsys.readouterr().err


def test_a_bar_shows_before_its_first_step_ends(monkeypatch, impatient, capsys):
    monkeypatch.setattr(progress, "DELAY", 0.05)
    with progress.bar("test", 10_000, "image") as counted:
        time.sleep(0.3)
        assert "test:   0%|" in capsys.readouterr().err
        counted.update(10_000)


@pytest.mark.parametrize("looked_on", [True, False])
def test_what_is_over_soon_says_nothing_and_so_does_what_nobody_sees(
    monkeypatch, capsys, looked_on
):
    monkeypatch.setattr(progress, "is_watched", lambda: looked_on)
    monkeypatch.setattr(progress, "DELAY", 60.0 if looked_on else 0.0)
    with progress.bar("test", 2) as counted:
        counted.update()
        counted.update()
    assert capsys.readouterr().err == ""


def test_compiling_says_so_once(impatient, capsys):
    with progress.report_compilation():
        for shift in (1, 2):
            assert njit(lambda x, shift=shift: x + shift)(1) == 1 + shift
    assert capsys.readouterr().err.count("compiling kernels") == 1


def test_the_command_line_names_what_it_waits_for(impatient, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["train", "vae", *TINY, "--steps", "2", "--out", run]) == 0
    error = capsys.readouterr().err
    for what in (
        "reading digits",
        "vae:",
        "/2 [",
        "step/s",
        "vae: test:",
        "/297 [",
        "vae: making pictures",
    ):
        assert what in error
    assert main(["sample", run, "-n", "4"]) == 0
    assert "vae: making 4 samples" in capsys.readouterr().err


def test_the_classifier_is_trained_in_view(impatient, capsys, monkeypatch):
    monkeypatch.setattr("models.metrics.classifier.MIN_STEPS", 2)
    digits = load("digits").first(25)
    _train(Classifier((8, 8), digits.classes, 0), digits)
    assert "training a classifier of digits:" in capsys.readouterr().err
