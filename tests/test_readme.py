"""What the README shows runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_python_of_the_readme_runs(tmp_path):
    """In a process of its own, since it declares a primitive anew."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 6
    code = "from autograd import primitive\n" + "\n".join(blocks) + "\nprint(curvature.shape)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n(5,)\n")


def test_the_files_and_commands_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"\]\(((?!http|#)[^)]+)\)", text):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"python -m benchmarks (\w+)", text):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name
