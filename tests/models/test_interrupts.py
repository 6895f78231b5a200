"""A training stopped by Ctrl-C, or by a notebook's button, goes on as if nothing had happened."""

import json
import pkgutil
import random
import signal
import sys
import threading

import pytest
from safetensors.numpy import load_file

from models.training import Config, Run
from models.training.interrupts import held_back

SMALL = {
    "vae": {"hidden": (8,), "latent": 3, "batch": 500},
    "gan": {"hidden": (8, 8), "latent": 3, "batch": 50, "critic_steps": 10},
    "ddpm": {"T": 20, "sampling_steps": 0, "network": "mlp", "width": 8, "batch": 500},
}


def create(family, directory):
    """Of two epochs of three steps, or a few more."""
    return Run.create(Config.of(family, epochs=2, **SMALL[family]), directory)


def left(directory):
    """The checkpoint, and every line but for its time."""
    arrays = load_file(directory / "checkpoint.safetensors")
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return {k: v.tobytes() for k, v in arrays.items()}, [{**line, "seconds": 0} for line in lines]


def press(*_):
    signal.raise_signal(signal.SIGINT)


def train(run, at_call=None):
    """Train, with Ctrl-C pressed when any function is called for this time; the number of calls.

    Python loses what is raised where an object is destroyed, such as a generator. Then it is
    pressed at the next call too, as `models.cli` does it.
    """
    calls, lost = 0, []

    def count(frame, what, argument):
        nonlocal calls
        calls += what == "call"
        if what == "call" and (calls == at_call or lost):
            lost.clear()
            press()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lost.append)
        sys.setprofile(count)
        try:
            run.train(pictures="no")
        finally:
            sys.setprofile(None)
    return calls


@pytest.fixture(scope="module", params=SMALL)
def whole(request, tmp_path_factory):
    """A family, what a run of it leaves that nothing stops, and how many calls that takes."""
    directory = tmp_path_factory.mktemp(request.param)
    create(request.param, directory / "first").train(pictures="no")  # it compiles kernels
    calls = train(create(request.param, directory / "run"))
    return request.param, left(directory / "run"), calls


@pytest.mark.parametrize("seed", range(6))
def test_it_goes_on_from_any_point_in_memory_and_from_its_files(whole, seed, tmp_path):
    family, expected, calls = whole
    point = random.Random(seed).randrange(calls)
    run = create(family, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run, point)
    step, state = run.step, run.model.state()
    if seed % 2:
        run = Run.resume(tmp_path / "run")
        assert run.step == step
        assert all((state[name] == array).all() for name, array in run.model.state().items())
    run.train(pictures="no")
    assert left(tmp_path / "run") == expected


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("kernels.optimizer.cpu.run_if_large", 45),  # in the second epoch, half of a step is made
        ("models.autoencoders.vae.VAE.evaluate", 1),  # the first epoch is trained and not tested
        ("models.training.checkpoint.write_arrays", 2),
        ("models.pictures.save", 3),  # it is trained, and has two of its five pictures
    ],
)
def test_nothing_is_lost_wherever_it_is(function, call, tmp_path, monkeypatch):
    owner, name = function.rsplit(".", 1)
    owner = pkgutil.resolve_name(owner)
    original, calls = getattr(owner, name), iter(range(1, 1000))
    whole = create("vae", tmp_path / "whole")
    whole.train()

    def pressed(*arguments, **keywords):
        if next(calls) == call:
            press()
        return original(*arguments, **keywords)

    monkeypatch.setattr(owner, name, pressed)
    run = create("vae", tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run.train()
    assert not run.lock.is_locked
    assert {path.suffix for path in (tmp_path / "run").iterdir()} <= {
        ".json",
        ".jsonl",
        ".png",
        ".safetensors",
    }
    run.train()
    assert left(tmp_path / "run") == left(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }


def test_an_interrupt_waits_for_the_end_of_the_block_in_the_main_thread():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back() as waiting:
        assert not waiting
        press()
        assert waiting
        done.append("block")
    assert done == ["block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ZeroDivisionError), held_back():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def elsewhere():
        with held_back():
            done.append("thread")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == ["block", "thread"]
