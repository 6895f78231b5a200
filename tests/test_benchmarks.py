"""The command line of the benchmarks, at a size that takes no time."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from autograd import Tensor, nn, optim
from benchmarks import floor, growth, launches, pixelcnn_step, startup, vae_step
from benchmarks.__main__ import main
from benchmarks.families import save_picture, tables
from benchmarks.roofline import Cost
from benchmarks.steps import table
from models.families import FAMILIES
from tests.imports import ROOT

OWN = """
from kernels.conv2d.reference import conv2d as definition


def conv2d(x, w, stride, padding, dilation, b=None):
    return definition(x, w, stride, padding, dilation, b)
"""


def test_ones_own_convolution_at_ones_own_shapes(tmp_path):
    (own := tmp_path / "own.py").write_text(OWN)
    asked = ("conv2d", "--shapes", "1,2,4,3", "3,2,4,1", "--batch", "2", "--kernel", own)
    program = [sys.executable, "-m", "benchmarks", *asked, "--rounds", "1", "--json"]
    done = subprocess.run([*program, tmp_path / "F.json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads((tmp_path / "F.json").read_text())
    assert list(result["cases"]) == ["1->2 4x4 3x3 of images forward", "3->2 4x4 1x1 forward"]
    for row in result["cases"].values():
        assert {"chainrule", "own.py"} <= row["seconds"].keys()
        assert all(row["least"][name] <= row["seconds"][name] for name in row["seconds"])
        assert all(share >= 0 for share in row["spread"].values())
    assert done.stdout.count("largest difference from chainrule's") == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("vae_step", "--shapes", "1,2"), "vae_step takes no --shapes"),
        (("reparameterize", "--batch", "3"), "reparameterize takes no --batch"),
        (("conv2d", "--shapes", "1,2"), "conv2d takes inputs, outputs, size, kernel size"),
        (("conv2d", "--batch", "0"), "at least 1"),
    ],
    ids=str,
)
def test_what_a_benchmark_does_not_take_is_refused(arguments, error, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert error in capsys.readouterr().err.splitlines()[-1]


def test_the_closing_table_has_the_spread_over_seeds_and_what_failed(tmp_path):
    def of(fid, **more):
        rest = dict.fromkeys(("train_seconds", "sample_seconds", "precision", "recall", "floor"), 1)
        form = {"pixel_form": "levels", "density": "none", "classes": 9}
        baseline = {"ceiling": 70, "pixels": 4, "factorised_nll": 4 * math.log(2)}
        return {"fid": fid, **rest, **form, **baseline, **more}

    exact = [of(fid, density="exact", bits_per_dim=0.5) for fid in (8, 12, 9)]
    families = {"flow": [*exact, None], "gan": [of(3.04), of(3)], "lost": [None, None]}
    title, _, _, _, flow, gan, _, lost_title, _, _, _, lost = tables(families).splitlines()
    limits = (
        "FID of training images 1.0, of independent pixels 70.0; bits/dim of independent pixels"
    )
    assert title == f"levels: {limits} 1.000" and lost_title == "every training failed"
    assert flow.split(" | ")[1:3] == ["exact", "0.500"] and "| 9.0 (8.0 to 12.0) |" in flow
    assert flow.endswith("| 1 of 4 |") and gan.endswith("| 0 of 2 |") and "| 3.0 |" in gan
    assert gan.split(" | ")[1:3] == ["none", ""] and lost.endswith("| 2 of 2 |")
    save_picture(families, tmp_path / "F.png")
    assert (tmp_path / "F.png").exists()


COUNTED = json.loads((ROOT / "benchmarks/results/launches.json").read_text())["families"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gpu_is_asked_no_more_than_the_table_says(family):
    """Where more is meant: python -m benchmarks launches --json benchmarks/results/launches.json"""
    for phase, found in launches.counted(family).items():
        allowed = COUNTED[family][phase]
        assert found["megabytes"] <= allowed["megabytes"], phase
        for kind in launches.KINDS:
            more = {
                place: f"{n}, not {allowed[kind].get(place, 0)}"
                for place, n in found[kind].items()
                if n > allowed[kind].get(place, 0)
            }
            now, before = sum(found[kind].values()), sum(allowed[kind].values())
            assert now <= before, f"{family}, {phase}: {now} {kind}, not {before}, by {more}"


RNG = np.random.default_rng(0)
X = np.ones((5, 3), np.float32)
IMAGE = np.ones((1, 1, 3, 3), np.float32)
LINEAR, CONV = nn.Linear(3, 4, RNG), nn.Conv2d(1, 2, 3, RNG, padding=1, mask="B")
WEIGHT = nn.parameter(np.ones((6, 7)))


def _adam_step() -> None:
    WEIGHT.grad = Tensor(WEIGHT.data)
    optim.Adam({"w": WEIGHT}).step()


@pytest.mark.parametrize(
    ("step", "operations", "numbers"),
    [
        # 5 x 4 sums of 3 products, as many in the weight's gradient, and in that of x where it has
        # one; x and the weight are kept
        (lambda: LINEAR(X).sum().backward(), 2 * 2 * 60, 2 * (15 + 12)),
        (lambda: LINEAR(Tensor(X, requires_grad=True)).sum().backward(), 3 * 2 * 60, 2 * 27),
        # the five live taps are inside at 4, 6, 4, 6 and 9 places
        (lambda: CONV(IMAGE).sum().backward(), 2 * 2 * 2 * 29, 2 * (9 + 18)),
        # parameter, mean and square are read and written, the gradient was written and is read
        (_adam_step, 0, 8 * 42),
    ],
    ids=["linear", "with the gradient of x", "masked convolution", "Adam"],
)
def test_the_floor_is_what_one_counts_by_hand(step, operations, numbers):
    assert floor.cost(step) == Cost(operations, 4 * numbers)


def _without_noise(weights):
    weights["logvar.weight"][...], weights["logvar.bias"][...] = 0, -60


@pytest.mark.parametrize(
    ("benchmark_", "sizes", "case", "change"),
    [
        (vae_step, {"BATCH": 4, "SIZE": 6, "HIDDEN": 8, "LATENT": 3}, None, _without_noise),
        (pixelcnn_step, {"SIZE": 6, "KERNEL": 5, "CHANNELS": 4, "BLOCKS": 2}, 3, lambda w: None),
    ],
    ids=["vae", "pixelcnn"],
)
def test_all_sides_of_a_step_have_the_same_losses(benchmark_, sizes, case, change, monkeypatch):
    """Three steps of Adam: so the gradients are the same too. What is compiled is left out."""
    for name, size in sizes.items():
        monkeypatch.setattr(benchmark_, name, size)
    weights = benchmark_.model(case).state()
    change(weights)
    losses = {}
    for who, contestant in benchmark_.SIDES.contestants(weights).items():
        if not who.startswith("torch.compile"):
            step = contestant.make(case)
            losses[who] = [step() for _ in range(3)]
    ours = losses.pop("chainrule")
    assert ours[0] > ours[1] > ours[2]
    assert len(losses) >= 2 * bool(find_spec("torch")) + bool(find_spec("jax"))
    for who, theirs in losses.items():
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, err_msg=who)


def test_the_rows_of_a_step_compare_with_the_fastest():
    seconds = {"chainrule": 2, "PyTorch NCHW": 4, "PyTorch channels last": 1.6, "JAX jit": 2.5}
    sides = {who: {"seconds": s / 1e3, "peak": 100 * s} for who, s in seconds.items()}
    *_, row = table({"a net": {"floor": 5e-4, "sides": sides}}).splitlines()
    times, ratios = "0.5 | 2 | 25% | 4; 1.6 |  |  | 2.5", "**0.50**; 1.25 | 1.25"
    assert row == f"| a net | {times} | {ratios} | 200, 400 |"


def test_a_first_step_and_what_is_beyond_a_smaller_program():
    imports, first = startup.first_step("gan", "digits")
    steps = {"GAN, digits": {"imports": imports, "cold": 6, "warm": first}}
    programs = {"python": 0.05, "import numpy": 0.15, "chainrule --help": 0.25}
    rows = startup.table(programs, steps).splitlines()
    assert rows[2:5] == [
        "| `python` | 0.05 |  |",
        "| `import numpy` | 0.15 | 0.10, python |",
        "| `chainrule --help` | 0.25 |  |",
    ]
    assert rows[-1] == f"| GAN, digits | {imports:.2f} | 6.00 | {first:.2f} |" and first > 0


@pytest.mark.parametrize(
    ("name", "sizes"), [("operations", (10_000, 40_000)), ("order", (6, 7))], ids=str
)
def test_memory_grows_as_expected_and_an_operation_takes_at_most_500_bytes(name, sizes, tmp_path):
    axis = growth.AXES[name]
    found = growth.measured(axis._replace(sizes=sizes), rounds=1)
    less, more = (found[size]["memory"] for size in sizes)
    assert more / less <= 1.2 * axis.expected(sizes[1]) / axis.expected(sizes[0])
    assert name == "order" or more <= 500 * sizes[1]
    growth.picture({name: found}).savefig(tmp_path / "F.png")
