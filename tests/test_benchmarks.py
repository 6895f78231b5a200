"""The command line of the benchmarks, at a size that takes no time."""

import json
import subprocess
import sys

import pytest

from benchmarks.__main__ import main

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
