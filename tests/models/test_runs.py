"""What a run comes to when it is killed, started twice, or blows up; and samples of one seed."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from safetensors.numpy import load_file

from models.autoregressive import pixelcnn
from models.cli import main
from models.data import load
from models.diffusion import ddpm
from models.errors import Failure, UsageError
from models.families import FAMILIES
from models.settings import RENAMED
from models.training import loop
from models.training.locks import LOCK, claim, refuse_unless_free, release
from models.training.run import Run
from models.training.step import Steps

TINY = ["hidden=8", "latent=3", "batch=500"]
SAVE = "models.training.checkpoint.write_arrays"
COMMAND = ["train", "vae", *(word for s in TINY for word in ("--set", s)), "--epochs"]

STOPPED = """
import os, pkgutil, sys
name, call, sent, *arguments = sys.argv[1:]
owner, name = name.rsplit(".", 1)
owner, calls = pkgutil.resolve_name(owner), iter(range(1, 1000))
function = getattr(owner, name)
def stopped(*given, **options):
    if next(calls) == int(call):
        os.kill(os.getpid(), int(sent))
    return function(*given, **options)
setattr(owner, name, stopped)
from models.cli import main
sys.exit(main(arguments))
"""


def start(function, call, sent, *arguments):
    """`chainrule`, as a process that sends itself a signal when it calls a function once more."""
    command = [sys.executable, "-c", STOPPED, function, str(call), str(int(sent)), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Runs of one and of three epochs that nothing happened to."""
    directory = tmp_path_factory.mktemp("runs")
    for epochs in "13":
        assert main([*COMMAND, epochs, "--out", str(directory / epochs)]) == 0
    return directory


def left(directory):
    """What a run left, but for its times: the checkpoint, the lines and the names of the files."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    arrays = load_file(directory / "checkpoint.safetensors")
    return (
        {name: array.tobytes() for name, array in arrays.items()},
        [{**line, "seconds": 0} for line in lines],
        {path.name for path in directory.iterdir()},
    )


@pytest.mark.parametrize(
    ("epochs", "function", "call", "again"),
    [
        ("1", "models.training.config.Config.write", 1, "the same command"),
        ("1", "pathlib.Path.replace", 1, "the same command"),  # config.json is not whole
        ("1", SAVE, 1, "--resume"),  # there is none yet
        ("3", SAVE, 3, "--resume"),  # it is behind the metrics
        ("1", "models.pictures.save", 3, "--resume"),  # two of five are made
    ],
)
def test_a_killed_run_is_taken_up_as_if_nothing_had_happened(
    whole, tmp_path, epochs, function, call, again
):
    directory = tmp_path / "run"
    command = [*COMMAND, epochs, "--out", str(directory)]
    assert start(function, call, signal.SIGKILL, *command).wait() == -signal.SIGKILL
    assert (directory / LOCK).exists()
    resume = ["train", "vae", "--resume", str(directory)]
    assert main(resume if again == "--resume" else command) == 0
    assert left(directory) == left(whole / epochs)
    saved = (directory / "checkpoint.safetensors").stat().st_mtime_ns
    assert all(path.stat().st_mtime_ns > saved for path in directory.glob("*.png"))
    assert main(resume) == 2  # it is finished


def test_a_run_in_training_is_not_trained_twice_and_can_be_looked_at(whole, tmp_path, capsys):
    directory = tmp_path / "run"
    command = [*COMMAND, "3", "--out", str(directory)]
    process = start(SAVE, 2, signal.SIGSTOP, *command)
    os.waitpid(process.pid, os.WUNTRACED)
    resume = ["train", "vae", "--resume", str(directory)]
    before = left(directory)
    for arguments in (resume, [*resume, "--epochs", "9"]):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        who = f"process {process.pid} on {os.uname().nodename}"
        assert error == f"chainrule: {directory} is in use: {who} trains it; wait, or end that\n"
    assert main(command) == 2
    assert main(["evaluate", str(directory)]) == 0
    assert main(["sample", str(directory), "--out", str(tmp_path / "sample.png")]) == 0
    assert left(directory) == before
    process.kill()
    process.wait()
    assert main(resume) == 0
    assert left(directory) == left(whole / "3")


def test_two_that_start_at_once_are_one_run(tmp_path):
    """The second waits where it has seen that the directory is free, until the first has it."""
    directory = tmp_path / "run"
    second = start(
        "models.training.run.claim", 1, signal.SIGSTOP, *COMMAND, "1", "--out", str(directory)
    )
    os.waitpid(second.pid, os.WUNTRACED)
    first = start(SAVE, 1, signal.SIGSTOP, *COMMAND, "1", "--out", str(directory))
    os.waitpid(first.pid, os.WUNTRACED)
    second.send_signal(signal.SIGCONT)
    assert second.wait() == 1
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0


def test_a_lock_that_cannot_be_made_is_one_line(whole, tmp_path, capsys):
    directory = shutil.copytree(whole / "1", tmp_path / "run")
    (directory / LOCK).mkdir()
    assert main(["train", "vae", "--resume", str(directory), "--epochs", "4"]) == 1
    assert capsys.readouterr().err == f"chainrule: cannot write to {directory}: Is a directory\n"
    assert main(["evaluate", str(directory)]) == 0


def test_a_lock_is_held_once_and_leaves_nothing(tmp_path):
    first, second = (FileLock(tmp_path / LOCK) for _ in range(2))
    claim(first)
    claim(first)
    with pytest.raises(Failure, match=f"is in use: process {os.getpid()} on"):
        claim(second)
    release(second)
    assert first.is_locked
    release(first)
    claim(second)
    release(second)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "free"),
    [
        ([], True),
        ([LOCK, "config.json.123.unfinished"], True),
        (["essay.txt"], False),
        (["essay.7.unfinished"], False),
        (["config.json"], False),
        ([LOCK, "metrics.jsonl"], False),
    ],
)
def test_only_a_directory_with_nothing_in_it_is_taken(tmp_path, names, free, capsys):
    for name in names:
        (tmp_path / name).write_text("mine")
    if free:
        refuse_unless_free(tmp_path)
        assert main([*COMMAND, "1", "--out", str(tmp_path)]) == 0
        return
    with pytest.raises(UsageError, match="exists"):
        refuse_unless_free(tmp_path)
    assert main([*COMMAND, "1", "--out", str(tmp_path)]) == 2
    assert "exists: choose another --out" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        names, "mine"
    )


def test_several_models_start_again_together(tmp_path, capsys):
    """What one of them refuses leaves no directory of another."""
    out = tmp_path / "all"
    several = ["train", "ddpm", "vae", "--steps", "1", "--out", str(out)]
    assert main([*several, "--data", "ring"]) == 2
    assert not out.exists()
    (out / "vae").mkdir(parents=True)
    (out / "vae" / LOCK).write_text("process 1 on nowhere")
    (out / "essay.txt").write_text("mine")
    assert main(several) == 2
    assert f"{out} exists" in capsys.readouterr().err
    assert [path.name for path in (out / "vae").iterdir()] == [LOCK]


# Numbers that blow up


SMALL = {
    "vae": TINY,
    "gan": ["hidden=8", "latent=3", "batch=100"],
    "pixelcnn": ["channels=4", "blocks=1", "batch=500"],
    "ddpm": ["T=20", "sampling_steps=0", "network=mlp", "width=8", "batch=500"],
    "autoencoder": TINY,
    "iwae": TINY,
    "cvae": TINY,
    "m2": TINY,
    "vaegan": ["hidden=8", "latent=3", "batch=100"],
    "aae": ["hidden=8", "batch=100"],
    "bigan": ["hidden=8", "latent=3", "batch=100"],
    "realnvp": ["layers=2", "hidden=8", "batch=500"],
    "gmm": ["method=gradient", "batch=500"],
    "hvae": [*TINY, "upper_hidden=4", "upper_latent=2"],
    "vqvae": [
        "batch=500",
        "hidden=4",
        "codes=5",
        "prior_channels=4",
        "prior_blocks=1",
        "autoencoder_epochs=1",
    ],
    "mgan": ["hidden=8", "latent=3", "batch=100", "generators=3"],
    "gman": ["hidden=8", "latent=3", "batch=100", "discriminators=2"],
    "ldm": [*TINY, "width=8", "T=20", "sampling_steps=0", "autoencoder_epochs=2"],
}


@pytest.mark.parametrize("rate", ["1e3", "1e6", "1e9"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_too_large_is_told_and_what_is_saved_is_finite(
    name, rate, tmp_path, capsys, monkeypatch
):
    """Whatever the loss says: of some it stays finite while the moments are infinite."""
    monkeypatch.setattr(Run, "make_pictures", lambda run: [])
    directory = tmp_path / "run"
    options = [*SMALL.get(name, []), f"learning_rate={rate}", f"final_learning_rate={rate}"]
    options = [word for option in options for word in ("--set", option)]
    status = main(["train", name, *options, "--epochs", "4", "--out", str(directory)])
    error = capsys.readouterr().err
    path = directory / "checkpoint.safetensors"
    if path.exists():
        assert all(np.isfinite(array).all() for array in load_file(path).values())
        assert main(["evaluate", str(directory)]) == 0
        assert not re.search(r"\b(nan|inf)\b", capsys.readouterr().out)
    assert status == 0 or f"try a smaller learning_rate than {float(rate):g}" in error
    assert status == 0 or error.count("\n") == 1
    assert ("keeps its last checkpoint" in error) == (status == 1 and path.exists())


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda run, p: p.grad.data.fill(np.inf), "gradient.encoder.steps.0.weight is inf"),
        (lambda run, p: p.data.fill(np.nan), "model.encoder.steps.0.weight is nan"),
        (
            lambda run, p: run.optimizers["adam"]._state["square.mu.bias"].fill(np.inf),
            "adam.square.mu.bias is inf",
        ),
    ],
)
def test_what_blew_up_is_named_and_the_last_good_checkpoint_stays(whole, tmp_path, spoil, name):
    directory = shutil.copytree(whole / "1", tmp_path / "run")
    before = (directory / "checkpoint.safetensors").read_bytes()
    run = Run.open(directory)
    run.steps = Steps(run.model, run.optimizers)
    loop.train_step(run, np.arange(500))
    spoil(run, run.model.parameters()["encoder.steps.0.weight"])
    with pytest.raises(Failure, match=rf"{name} at step 4: .* keeps its last checkpoint"):
        run.save()
    assert (directory / "checkpoint.safetensors").read_bytes() == before


# Samples of one seed


FEW_STEPS = {"T": 6, "sampling_steps": 0}
OTHER_SETTINGS = {
    "vae": {"decoder": "gaussian", "pixels": "dequantised"},
    "gan": {"conditional": True},
    "pixelcnn": {"conditional": True},
    "ddpm": {"conditional": True, **FEW_STEPS},
    "autoencoder": {"pixels": "grey"},
    "iwae": {"network": "conv", "hidden": (4, 4)},
    "cvae": {"network": "conv", "hidden": (4, 4)},
    "m2": {"network": "conv", "hidden": (4, 4)},
}
SAMPLED = [(name, FEW_STEPS if name in ("ddpm", "ldm") else {}) for name in FAMILIES]


@pytest.mark.parametrize(("name", "changes"), [*SAMPLED, *OTHER_SETTINGS.items()])
def test_fewer_samples_of_a_seed_are_the_first_of_more(name, changes, monkeypatch):
    """Through chunks too; but for rounding, since BLAS adds otherwise for other sizes."""
    monkeypatch.setattr(ddpm, "SAMPLES_PER_BATCH", 5)
    monkeypatch.setattr(pixelcnn, "SAMPLES_PER_BATCH", 5)
    family, data = FAMILIES[name].model, load("digits")
    settings = family.defaults.get("digits") or family.settings_type()
    settings = dataclasses.replace(settings, **changes)
    model = family.for_data(settings, data, np.random.default_rng(0))
    for sample in (model.sample, model.sample_means):
        many = sample(12, np.random.default_rng(3))
        for n in (1, 4, 7, 11):
            few = sample(n, np.random.default_rng(3))
            np.testing.assert_allclose(few, many[:n], atol=1e-5)


def test_a_run_without_a_line_has_curves(whole, tmp_path):
    """Frames without a line in them."""
    directory = shutil.copytree(whole / "1", tmp_path / "run")
    (directory / "metrics.jsonl").unlink()
    assert Run.open(directory).make_pictures()[-1].name == "curves.png"


def test_a_folder_of_data_that_is_gone_does_not_matter_to_digits(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    directory = tmp_path / "run"
    assert main([*COMMAND, "1", "--out", str(directory)]) == 0
    (tmp_path / "data").rmdir()
    assert main(["train", "vae", "--resume", str(directory), "--epochs", "4"]) == 0
    assert main(["evaluate", str(directory)]) == 0
    monkeypatch.delenv("CHAINRULE_DATA")
    assert main(["train", "vae", "--resume", str(directory), "--epochs", "5"]) == 0


# Runs of version 0.1.0, whose settings had other names

OLD_RUNS = Path(__file__).parent / "runs_of_0.1.0"
OLD_NUMBERS = json.loads((OLD_RUNS / "expected.json").read_text())
"""What 0.1.0 found for each run after its two epochs, and after two more."""


@pytest.mark.parametrize("family", OLD_NUMBERS)
def test_an_old_run_opens_evaluates_and_goes_on_as_it_would_have(family, tmp_path, capsys):
    directory = shutil.copytree(OLD_RUNS / family, tmp_path / family)
    for stage, words in (
        ("evaluated", []),
        ("resumed", ["train", family, "--resume", str(directory), "--epochs", "4"]),
    ):
        if words:
            assert main([*words, "--pictures", "no"]) == 0
        capsys.readouterr()
        assert main(["evaluate", str(directory), "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)
        for name, value in OLD_NUMBERS[family][stage].items():
            assert numbers[name] == pytest.approx(value, rel=1e-4), (stage, name)
    assert main(["sample", str(directory), "-n", "2"]) == 0


@pytest.mark.parametrize(
    ("family", "old"), [("vae", "binarisation"), ("pixelcnn", "first"), ("autoencoder", "masked")]
)
def test_a_setting_by_its_old_name_is_told_the_new_one(family, old, capsys):
    assert main(["train", family, "--set", f"{old}=1"]) == 2
    assert f"{old} is now called {RENAMED[old]}" in capsys.readouterr().err
