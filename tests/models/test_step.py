"""Steps of training as CUDA graphs: bit for bit those of Python, for every family.

On a stand-in for CuPy that records and repeats what is captured; tests/gpu has the same on a GPU.
"""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from autograd import to_device
from autograd.modes import switched
from kernels import dispatch
from models.cli import main
from models.diffusion import ddpm
from models.training import loop
from models.training.checkpoint import CHECKPOINT
from models.training.step import MOST_UNREAD, Steps
from tests.autograd import device
from tests.autograd.test_device import DDPM, MODELS, rng

STEPS = 6  # a change of stages is after two


@pytest.fixture(scope="module", autouse=True)
def cupy():
    kernels = {name: device.Kernels(name) for name in dispatch.KERNELS}
    with device.pretended(), dispatch.use(**kernels):
        yield device


def made(name: str, replaying: bool) -> tuple[Steps, list[bytes]]:
    """Some steps, and the bits of all that they changed and of the numbers that they gave."""
    family, settings, classes = MODELS[name]
    model = family(settings, (4, 4), 3, rng(), *[classes] * bool(classes))
    model.to("cuda")
    steps = Steps(model, model.optimizers(10))
    with switched(replaying=replaying):
        for i in range(STEPS):
            labels = np.random.default_rng(i).permutation(6) % classes if classes else None
            steps.make(
                lambda rng: rng.integers(0, 2, (6, 16)).astype(np.float32),
                np.random.default_rng(i),
                float(i),
                labels,
                by_python=i == 4,
            )
    numbers = [json.dumps(line).encode() for line in steps.read()]
    assert len(numbers) == STEPS
    assert {o.steps for o in steps.optimizers.values()} <= {2, 4, STEPS}
    return steps, [to_device(a, "cpu").tobytes() for a in steps._state()] + numbers


BY_PYTHON = ("vqvae, ema", "vqvae, loss", "gmm, em", "gmm, gradient")
"""The families whose steps read numbers in their midst, or ask cuBLAS or cuSOLVER by CuPy."""


@pytest.mark.filterwarnings("ignore:no CUDA graph")
@pytest.mark.parametrize("name", MODELS)
def test_a_graph_makes_the_same_steps_as_python(name):
    graphs, of_graph = made(name, True)
    _, of_python = made(name, False)
    assert of_graph == of_python
    refused = {graph.refused for graph in graphs.graphs.values()} - {""}
    assert (not refused) == (name not in BY_PYTHON)
    assert all("stream" in reason and "captur" in reason for reason in refused)
    if not refused:
        assert all(graph.graph for graph in graphs.graphs.values())


def test_it_is_said_once_why_there_is_no_graph():
    with pytest.warns(
        UserWarning, match="no CUDA graph, so Python starts each kernel: .* captur"
    ) as told:
        made("vqvae, ema", True)
    assert len(told) == 1


TINY = ["--set", "hidden=8", "--set", "latent=3", "--set", "batch=40", "--device", "cuda"]


def test_a_run_with_graphs_is_the_run_without(tmp_path, capsys):
    arrays, lines = [], []
    for graph in ("auto", "off"):
        run = tmp_path / graph
        steps = str(MOST_UNREAD + 7)
        command = ["train", "vae", *TINY, "--out", str(run), "--steps", steps, "--graph", graph]
        assert main([*command, "--pictures", "no"]) == 0
        arrays.append(load_file(run / CHECKPOINT))
        numbers = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        lines.append([{k: v for k, v in line.items() if k != "seconds"} for line in numbers])
    assert {k: a.tobytes() for k, a in arrays[0].items()} == {
        k: a.tobytes() for k, a in arrays[1].items()
    }
    assert lines[0] == lines[1]
    assert [line["step"] for line in lines[0] if "test" not in line][-1] == int(steps)


def test_an_interrupt_after_a_step_loses_none_of_its_numbers(tmp_path, capsys, monkeypatch):
    def interrupted(run):  # in the place of what comes between a step and the end of the loop
        if run.step == 3:
            signal.raise_signal(signal.SIGINT)

    command = ["train", "vae", *TINY, "--steps", "5", "--pictures", "no", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_keep_weights", interrupted)
        assert main(command) == 130
    assert main(["train", "vae", "--resume", str(tmp_path), "--pictures", "no"]) == 0
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert [line["step"] for line in lines if "test" not in line] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_samples_of_a_ddpm_by_a_graph(sampler):
    samples = []
    settings = replace(DDPM, T=6, network="mlp", sampler=sampler)
    for replaying in (True, False):
        model = ddpm.DDPM(settings, (4, 4), 3, rng())
        model.to("cuda")
        with switched(replaying=replaying):
            samples.append(model.sample(5, np.random.default_rng(1)))
    np.testing.assert_array_equal(*samples)
