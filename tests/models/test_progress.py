"""Progress bars: for work that takes long, and only on a terminal."""

import time

import pytest
from numba import njit

from models import progress
from models.cli import main
from models.cli.compilation import report_compilation
from models.data import load
from models.metrics.classifier import Classifier
from models.metrics.encoder import train

TINY = ["--set", "hidden=8", "--set", "latent=3", "--set", "batch=500"]


@pytest.fixture
def terminal(monkeypatch):
    """As on a terminal, without the delay."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setattr(progress, "is_watched", lambda: True)


def test_a_bar_without_steps_has_a_text_and_a_clock(monkeypatch, terminal, capsys):
    monkeypatch.setattr(progress, "DELAY", 0.05)
    with progress.bar("reading mnist"):
        time.sleep(0.3)
    assert "reading mnist 00:00" in capsys.readouterr().err


def test_a_bar_shows_before_its_first_step_ends(monkeypatch, terminal, capsys):
    monkeypatch.setattr(progress, "DELAY", 0.05)
    with progress.bar("test", 10_000, "image") as counted:
        time.sleep(0.3)
        assert "test:   0%|" in capsys.readouterr().err
        counted.update(10_000)


@pytest.mark.parametrize("watched", [True, False])
def test_short_work_has_no_bar_and_nor_has_any_without_a_terminal(monkeypatch, capsys, watched):
    monkeypatch.setattr(progress, "is_watched", lambda: watched)
    monkeypatch.setattr(progress, "DELAY", 60.0 if watched else 0.0)
    with progress.bar("test", 2) as counted:
        counted.update()
        counted.update()
    assert capsys.readouterr().err == ""


def test_compilation_is_reported_once(terminal, capsys):
    with report_compilation():
        for shift in (1, 2):
            assert njit(lambda x, shift=shift: x + shift)(1) == 1 + shift
    assert capsys.readouterr().err.count("compiling kernels") == 1


def test_the_command_line_has_a_bar_for_each_long_step(terminal, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["train", "vae", *TINY, "--steps", "2", "--out", run]) == 0
    error = capsys.readouterr().err
    for text in (
        "reading digits",
        "vae:",
        "/2 [",
        "step/s",
        "vae: test:",
        "/297 [",
        "vae: making pictures",
    ):
        assert text in error
    assert main(["sample", run, "-n", "4"]) == 0
    assert "vae: making samples" in capsys.readouterr().err


def test_the_training_of_the_classifier_has_a_bar(terminal, capsys, monkeypatch):
    monkeypatch.setattr("models.metrics.encoder.MIN_STEPS", 2)
    digits = load("digits").first(25)
    train(Classifier((8, 8), digits.classes, 0), digits)
    assert "training the classifier that measures digits:" in capsys.readouterr().err
