"""Mistakes at the command line: each gets one line and a status."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from models.cli import main
from models.errors import UsageError
from models.training.config import Config
from models.training.run import Run

LONG = "x" * 5000
DIGITS_20 = "9" * 20
ARABIC = "٣"
TRAIN = ["train", "vae"]


def command_lines():
    """Many wrong ones: each option of each command with each kind of text that it refuses."""
    texts = [
        "",
        " ",
        "-1",
        "1.5",
        "1e3",
        "1_0",
        ARABIC,
        DIGITS_20,
        "9" * 5000,
        "nan",
        "$\\frac$",
        "x",
    ]
    for option in ("--epochs", "--steps", "--seed", "--limit"):
        yield from ([*TRAIN, option, text] for text in texts)
    yield from ([*TRAIN, "--pictures", text] for text in [*texts, "0", "always", "NO"])
    for setting in ("latent", "hidden", "batch", "epochs"):
        yield from ([*TRAIN, "--set", f"{setting}={text}"] for text in [*texts, "1,x", "yes"])
    for setting in ("beta", "learning_rate", "anneal_epochs"):
        others = ["", " ", "1_0", ARABIC, DIGITS_20, "nan", "inf", "x", "1,5"]
        yield from ([*TRAIN, "--set", f"{setting}={text}"] for text in others)
    for setting in ("activation", "decoder", "pixels"):
        yield from ([*TRAIN, "--set", f"{setting}={text}"] for text in texts)
    yield from (["train", "gan", "--set", f"conditional={text}"] for text in texts)
    yield from ([*TRAIN, "--set", text] for text in ["", "=", "==", "=3", "latent", LONG, "a b=1"])
    yield from ([*TRAIN, "--data", text] for text in ["", "x", "../x", "$\\frac$", LONG, "Digits"])
    for folder in ["", "nowhere", "/dev/null", LONG]:
        yield [*TRAIN, "--data-dir", folder]
        yield [*TRAIN, "--data", "digits", "--data-dir", folder]
        yield [*TRAIN, "--data", "mnist", "--data-dir", folder]
        yield ["train", "gan", "--data", "ring", "--data-dir", folder]
    for path in ["/dev/null", "/dev/full", "fifo", "", "folder", LONG, "/dev/null/x", "/proc/x"]:
        yield [*TRAIN, "--out", path]
        yield [*TRAIN, "--resume", path]
        for command in ("sample", "reconstruct", "interpolate", "complete", "encode", "score"):
            yield [command, "nowhere", "--out", path]
            yield [command, path]
        for option in ("--images", "--missing"):
            yield ["complete", "nowhere", option, path]
        yield ["decode", "nowhere", path]
        yield ["score", "nowhere", "--against", path]
        yield ["classify", "nowhere", "--out", path]
        yield ["evaluate", path]
        yield ["compare", path]
        yield ["compare", "nowhere", "--out", path]
        yield ["verify", "probability", "--html", path]
    for name in ["folder.png", "fifo.png", "nowhere/a.png", f"{LONG}.png"]:
        yield ["sample", "nowhere", "--out", name]
    for name in ["folder.html", "fifo.html", "nowhere/a.html", f"{LONG}.html"]:
        yield ["compare", "nowhere", "--out", name]
        yield ["verify", "probability", "--html", name]
    for option in ("-n", "--seed", "--class"):
        yield from (["sample", "nowhere", option, text] for text in texts)
    yield from (["interpolate", "nowhere", "--steps", text] for text in [*texts, "0", "1"])
    yield from (["interpolate", "nowhere", "--way", text] for text in texts)
    yield from (["complete", "nowhere", "--times", text] for text in [*texts, "0"])
    yield from (["interpolate", "nowhere", *ends] for ends in (["1"], ["1", "2", "3"]))
    yield from (["train", *models] for models in [["vae", "vae"], ["VAE"], [""], ["vae", LONG]])
    yield from ([], [""], ["learn"], ["--epochs", "3"], ["train"], ["verify", "no such claim"])
    yield from (["verify", path] for path in ["nowhere.py", "folder.py", "fifo/x.py", f"{LONG}.py"])


def test_no_command_line_ends_in_a_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "folder.png", "folder.html", "folder.py"):
        (tmp_path / folder).mkdir()
    for fifo in ("fifo", "fifo.png", "fifo.html"):
        os.mkfifo(fifo)
    (tmp_path / "folder" / "file").touch()
    monkeypatch.setattr(Run, "train", None)  # nothing may get that far
    before = sorted(tmp_path.rglob("*"))
    tried = list(command_lines())
    assert len(tried) > 300
    for arguments in tried:
        line = f"chainrule {' '.join(word[:40] for word in arguments)!r}"
        assert main(arguments) in (1, 2), line
        captured = capsys.readouterr()
        assert captured.err.startswith("chainrule: "), line
        assert captured.err.count("\n") == 1, line
        assert captured.out == "", line
        assert sorted(tmp_path.rglob("*")) == before, line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*TRAIN, "--data-dir", "/x"], "--data-dir /x: digits is not read from files; name"),
        (["train", "vae", "gan", "vae"], "vae is named twice"),
        ([*TRAIN, "--epochs", ARABIC], f"{ARABIC!r} is not a whole number from 1 to 1e+09"),
        ([*TRAIN, "--seed", DIGITS_20], f"{DIGITS_20!r} is not a whole number from 0 to 1.84"),
        ([*TRAIN, "--set", f"latent={ARABIC}"], f"{ARABIC!r} is not a whole number"),
        ([*TRAIN, "--set", f"beta={ARABIC}"], f"{ARABIC!r} is not a number"),
        ([*TRAIN, "--set", f"batch={DIGITS_20}"], f"batch={DIGITS_20}: must be 1 to 1e+09"),
        ([*TRAIN, "--set", ""], "--set '': not KEY=VALUE with a KEY of "),
        ([*TRAIN, "--set", "latent="], "--set latent=: '' is not a whole number"),
        ([*TRAIN, "--data", ""], "unknown data set ''"),
        ([*TRAIN, "--out", "/dev/null"], "/dev/null exists"),
        (["compare", "x", "--out", "fifo.html"], "fifo.html is a device: name a file"),
        (["compare", "x", "--out", "no/a.html"], "there is no folder no to write a.html in"),
        (["evaluate", LONG], "File name too long"),
    ],
)  # fmt: skip
def test_the_message_names_the_mistake(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo.html")
    assert main(arguments) in (1, 2)
    assert message in capsys.readouterr().err


def chainrule(*arguments, flags=(), **environment):
    command = [sys.executable, *flags, "-m", "models.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, env=os.environ | {"PYTHONWARNINGS": ""} | environment
    )


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        ((), {"PYTHONIOENCODING": "ascii", "MPLBACKEND": "nonsense"}),
        ((), {"PYTHONIOENCODING": "latin-1", "MPLBACKEND": "TkAgg", "HOME": "/nowhere",
              "XDG_CONFIG_HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere"}),
        ((), {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
        (["-OO"], {}),
    ],
    ids=["ascii, no backend", "latin-1, no home", "LC_ALL=C", "-OO"],
)  # fmt: skip
def test_it_runs_in_any_environment(tmp_path, flags, environment):
    page = tmp_path / "page.html"
    done = chainrule(
        "verify", "kl_is_not_negative", "--html", str(page), flags=flags, **environment
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "≤" in page.read_text(encoding="utf-8")
    text = done.stdout.decode("ascii" if "LC_ALL" in environment else "utf-8", "replace")
    assert "claims hold" in text
    assert ("≤" in text) == (not environment)
    assert ("<= " in text) == bool(environment)


def test_a_full_device_is_reported_once_and_a_closed_pipe_not_at_all():
    command = [sys.executable, "-m", "models.cli", "verify", "--list"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "chainrule: [Errno 28] No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_ctrl_c_in_a_destructor_is_not_lost():
    code = """
import signal, time
from models import cli

class Deaf:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def main():
    try:
        Deaf()
        for _ in range(100):
            time.sleep(0.1)
    except KeyboardInterrupt:
        return 130

cli.main = main
cli.run()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=15)
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.parametrize("seconds", [0.05, 0.7, 4.0])
@pytest.mark.parametrize("times", [1, 20])
def test_ctrl_c_ends_in_one_line_from_the_start(seconds, times):
    """During the imports and after them, once or many times in a row."""
    code = "import models.cli; print(flush=True); models.cli.run()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "verify"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stdout.readline() == "\n"
        time.sleep(seconds)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, error = process.communicate()
    assert (process.returncode, error) == (130, "chainrule: interrupted\n")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"latent": "2"}, "latent is '2'"),
        ({"latent": 2.5}, "latent is 2.5"),
        ({"hidden": 8}, "hidden is 8"),
        ({"steps": 3.5}, "steps is 3.5"),
        ({"steps": 0}, "steps=0: it is at least 1"),
        ({"seed": -1}, "seed=-1: it is at least 0"),
        ({"depth": 3}, "vae has no setting depth"),
    ],
)
def test_a_config_from_python_is_checked(choices, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        Config.of("vae", **choices)
    assert Config.of("vae", hidden=[8, 8]).settings.hidden == (8, 8)
