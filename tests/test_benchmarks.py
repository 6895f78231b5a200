"""The command line of the benchmarks, at a size that takes no time."""

import json
import math
import subprocess
import sys

import pytest

from benchmarks import launches
from benchmarks.__main__ import main
from benchmarks.families import save_picture, tables
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
