"""chainrule trace: what it writes, and what it refuses."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from models.cli import main
from models.data import load
from models.examples import EXAMPLES
from models.examples.steps import traced_step
from models.families import FAMILIES
from models.training.config import Config
from models.training.run import Run

TINY = {"hidden": (8,), "latent": 2, "batch": 20}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A VAE after two steps."""
    directory = tmp_path_factory.mktemp("runs") / "vae"
    Run.create(Config.of("vae", steps=2, **TINY), directory).train(pictures="no")
    return directory


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_name_it_lists_the_examples(capsys):
    assert main(["trace"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(EXAMPLES)


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (["neuron"], ["trace-neuron.html"]),
        (["neuron", "--svg", "n.svg"], ["n.svg"]),
        (["neuron", "--html", "n.html", "--svg", "n.svg"], ["n.html", "n.svg"]),
        (["generator_loss", "--svg", "g.svg"], ["g-non-saturating.svg", "g-saturating.svg"]),
        (["neuron", "--text"], []),
    ],
)
def test_what_it_writes(arguments, files, tmp_path, capsys):
    assert main(["trace", *arguments]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    out = capsys.readouterr().out
    assert sorted(line for line in out.splitlines() if line in files) == files
    assert ("lambda g, ans: g * ans * (1 - ans)" in out) == ("--text" in arguments)


def test_of_a_run_it_traces_the_next_step_and_leaves_the_run_as_it_was(run, capsys):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert main(["trace", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'trace.html'}\n"
    page = (run / "trace.html").read_text()
    assert "after 2 steps" in page and "encoder.steps.0.weight" in page
    assert EXAMPLES["vae"].text not in page  # it counts what the example has
    (run / "trace.html").unlink()
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


SECOND = {"autoencoder_epochs": 1, "epochs": 2, "limit": 40, "batch": 20, "hidden": (8,)}


@pytest.mark.parametrize(
    ("name", "settings", "layer"),
    [
        ("ldm", {"width": 8, "depth": 1, "T": 20, "sampling_steps": 0}, "diffusion.network.input"),
        ("vqvae", {"codes": 4, "prior_channels": 4, "prior_blocks": 1}, "prior.network"),
    ],
)
def test_of_a_run_in_its_second_stage_the_step_is_of_that_one(name, settings, layer, capsys):
    Run.create(Config.of(name, **SECOND | settings), "two").train(pictures="no")
    assert main(["trace", "two"]) == 0
    assert layer in Path("two/trace.html").read_text()


@pytest.mark.parametrize(
    ("name", "data", "settings"),
    [
        ("gan", "ring", {}),
        ("gan", "digits", {"conditional": True, "loss": "minimax"}),
        ("ddpm", "ring", {}),
        ("ddpm", "digits", {"conditional": True}),
    ],
)
def test_steps_of_other_kinds(name, data, settings):
    dataset, family = load(data), FAMILIES[name]
    settings = dataclasses.replace(family.settings(data), **settings)
    model = family.model.for_data(settings, dataset, np.random.default_rng(0))
    (trace,) = traced_step(model, dataset).values()
    assert trace.sweeps[-1].cotangents and trace.svg()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing is no example and no directory of a run: the examples are"),
        (["."], "is not a run: it has no config.json"),
        (["--text"], "name an example"),
        (["neuron", "--svg", "n.png"], "name the picture something.svg"),
        (["neuron", "--html", "n.txt"], "name it something.html"),
        (["neuron", "--html", "there.html"], "there.html exists: remove it"),
        (["neuron", "--svg", "there.svg"], "there.svg exists: remove it"),
        (["neuron", "--data-dir", "."], "the examples need no data"),
    ],
)
def test_what_it_refuses(arguments, message, tmp_path, capsys):
    there = [tmp_path / "there.html", tmp_path / "there.svg"]
    for path in there:
        path.write_text("mine")
    assert main(["trace", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert [path.read_text() for path in there] == ["mine", "mine"]
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c | {"model": "flow"}, "was written by a newer chainrule"),
        (lambda c: c | {"seed": "x"}, "is damaged"),
    ],
)
def test_a_run_that_cannot_be_read(change, message, run, tmp_path, capsys):
    config = change(json.loads((run / "config.json").read_text()))
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["trace", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
