"""In a real kernel: what objects look like, the bars, and the stop button."""

import nbformat
import pytest

nbclient = pytest.importorskip("nbclient", reason="needs the extra `labs`")

NO_WIDGETS = "import sys; sys.modules['ipywidgets'] = None"
SETUP = """
import warnings; warnings.filterwarnings("error", module="(models|autograd|tqdm)")
from models import progress
progress.DELAY = 0.0
from autograd import Tensor
from models.cli import main
from models.training import Config, Run
import numpy as np
run = Run.create(Config.of("vae", latent=2, hidden=(8,), steps=30), "run")
"""


def outputs_of(folder, *cells):
    """The outputs of each cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell["outputs"] for cell in notebook["cells"]]


def shown(outputs, kind):
    """What the cell showed of that MIME type."""
    return [o["data"][kind] for o in outputs if kind in o.get("data", {})]


def printed(outputs, name):
    return "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == name)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    pytest.importorskip("ipywidgets", reason="needs the extra `labs`")
    return outputs_of(
        tmp_path_factory.mktemp("notebook"),
        SETUP,
        "paths = run.train()",
        "run",
        "run.model",
        "Tensor(np.zeros((8, 8)))",
        "Tensor(np.zeros((64, 784)))",
        "run.figures()['samples']",
        "main(['train', 'vae', '--steps', '30', '--out', 'other']);",
    )


def test_objects_show_themselves_in_a_few_lines(cells):
    _, _, run, model, small, large, figure, _ = cells
    (page,) = shown(run, "text/html")
    assert "step 30 of\n  30" in page and "data:image/png" in page and "<td>-ELBO</td>" in page
    (text,) = shown(model, "text/plain")
    assert text.startswith("VAE, ") and "encoder.steps.0  Linear" in text
    assert shown(small, "text/plain")[0].count("\n") == 7
    assert shown(large, "text/plain") == ["Tensor(float64, (64, 784), 0 to 0)"]
    (output,) = (output for output in figure if "image/png" in output["data"])
    assert 300 < output["metadata"]["image/png"]["width"] < 900


def test_a_training_has_a_bar_of_the_notebook_and_no_warning(cells):
    for outputs in (cells[1], cells[-1]):
        bars = shown(outputs, "application/vnd.jupyter.widget-view+json")
        assert len(bars) >= 1
        assert printed(outputs, "stdout").startswith("vae on digits, fixed")
        assert "%|" not in printed(outputs, "stdout") + printed(outputs, "stderr")
        assert "Warning" not in printed(outputs, "stderr")


def test_without_ipywidgets_the_bar_is_text(tmp_path):
    _, _, training = outputs_of(tmp_path, NO_WIDGETS, SETUP, "run.train(pictures='no')")
    assert "vae:" in printed(training, "stderr") and "30/30" in printed(training, "stderr")
    assert "Warning" not in printed(training, "stderr")


def test_a_training_goes_on_after_the_stop_button(tmp_path):
    """The button sends the kernel an interrupt, as this does from a thread of its own."""
    press = """
import os, signal, threading, time
long = Run.create(Config.of("vae", latent=2, steps=100_000), "long")
def press():
    while long.step < 20:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
try:
    long.train()
except KeyboardInterrupt:
    print("stopped")
"""
    again = """
step = long.step
long.total_steps = step + 5
long.train(pictures="no")
print(20 <= step < 100_000 and long.step == step + 5)
lines = [line["step"] for line in progress_of(long)]
print(lines == list(range(1, step + 6)))
"""
    reader = """
from models.training.log import read_metrics
def progress_of(run):
    return [line for line in read_metrics(run.directory) if "test" not in line]
"""
    *_, stopped, gone_on = outputs_of(tmp_path, SETUP, reader, press, again)
    assert printed(stopped, "stdout").endswith("stopped\n")
    assert printed(gone_on, "stdout").endswith("True\nTrue\n")
