"""A function as a program; the weights that a run keeps; and what `chainrule explore` refuses."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from autograd import Tensor, concatenate, conv2d, gelu, grad, nn, ops, softmax
from models.cli import exploration, main
from models.errors import Failure, UsageError
from models.explore import export
from models.explore.lowering import lower
from models.families import FAMILIES
from models.training.config import Config
from models.training.run import Run

RNG = np.random.default_rng(0)
LAYER, KERNEL = nn.Linear(3, 4, RNG), RNG.standard_normal((2, 1, 3, 3), dtype=np.float32)
TABLE = nn.Embedding(5, 3, RNG)


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


def slope(f):
    """The gradient of f by its input, which a sweep makes of primitives."""

    def function(x):
        x = Tensor(x, requires_grad=True)
        return grad((f(x) ** 2).sum(), x, create_graph=True)

    return function


def of_each_element(x):
    """The functions of single elements that program.js has."""
    y, x = 1.0, Tensor(x)
    for name in ("relu", "leaky_relu", "sigmoid", "softplus", "silu", "tanh", "sin", "cos", "abs"):
        y = y + getattr(ops, name)(x) / 4
    y = ops.exp(-y) * ops.maximum(x, 0.1) - ops.minimum(x, y) ** 2
    return ops.where(np.array([True, False, True]), ops.log(ops.sqrt(1 + y * y)), y)


FUNCTIONS = {
    "elements": (of_each_element, (2, 3)),
    "layers": (lambda x: gelu(LAYER(x)), (2, 3)),
    "gradient": (
        slope(lambda x: gelu(LAYER(x)) * ops.silu(LAYER(x)) + ops.leaky_relu(LAYER(x))),
        (2, 3),
    ),
    "broadcasting": (lambda x: Tensor(x).reshape(2, 3, 1) * Tensor(x)[:, None, :], (2, 3)),
    "slices": (lambda x: Tensor(x)[::-1, 1:].T @ Tensor(x), (4, 3)),
    "sums": (lambda x: softmax(Tensor(x)).sum(axis=0, keepdims=True) + x, (4, 3)),
    "parts": (lambda x: concatenate([Tensor(x), LAYER(x)], axis=1), (2, 3)),
    "convolution": (lambda x: conv2d(x, Tensor(KERNEL), None, padding=1, mask="A"), (2, 1, 4, 4)),
    "its gradient": (slope(lambda x: conv2d(x, KERNEL, None, stride=2)), (2, 1, 5, 5)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_program_is_its_function(name):
    function, shape = FUNCTIONS[name]
    program, x = export(function, [normal(*shape)], [normal(*shape)]), normal(*shape)
    np.testing.assert_allclose(program(x), function(x).data, rtol=1e-5, atol=1e-6)
    assert lower(program)["steps"]


def test_rows_of_a_table_are_selected_by_an_input():
    program = export(lambda t: TABLE(t) * 2, [np.array([0, 1])], [np.array([4, 2])])
    np.testing.assert_array_equal(program(np.array([3, 3])), 2 * TABLE.weight.data[[3, 3]])


def test_a_program_keeps_the_weights_of_its_time():
    layer, x = nn.Linear(3, 4, RNG), normal(2, 3)
    program, before = export(layer, [x], [normal(2, 3)]), layer(x).data
    layer.weight.data[...] = 0
    np.testing.assert_array_equal(program(x), before)


@pytest.mark.parametrize(
    "function",
    [lambda x: LAYER(x * np.abs(x).max()), lambda x: LAYER(x) * float(x.sum())],
    ids=["an array", "a number"],
)
def test_what_is_computed_beside_the_primitives_is_refused(function):
    with pytest.raises(ValueError, match=r"beside the primitives|not made of the inputs"):
        export(function, [normal(2, 3)], [normal(2, 3)])


def test_a_primitive_that_the_page_has_not_is_refused():
    with pytest.raises(ValueError, match=r"program\.js has no group_norm"):
        lower(export(nn.GroupNorm(1, 3), [normal(2, 3)], [normal(2, 3)]))


def a_run(model, directory, data="digits", keep=0, steps=20, **settings):
    defaults = FAMILIES[model].model.defaults[data]
    changed = dataclasses.replace(defaults, **settings)
    return Run(Config(changed, model=model, data=data, keep=keep, steps=steps), directory)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "plane"
    run = a_run("vae", directory, keep=3, latent=2, hidden=(8,))
    run.begin()
    run.train(pictures="no")
    return directory


@pytest.fixture
def copy(trained, tmp_path):
    """A run of one's own to spoil."""
    return shutil.copytree(trained, tmp_path / "copy")


def test_a_run_keeps_its_weights_at_several_times(trained):
    run = Run.open(trained)
    own = run.model.state()
    replayed = [(step, run.model.state()) for step in run.replay()]
    assert [step for step, _ in replayed] == [0, 5, 20]
    untrained = a_run("vae", trained, latent=2, hidden=(8,)).model.state()
    for name, array in own.items():
        np.testing.assert_array_equal(replayed[0][1][name], untrained[name])
        np.testing.assert_array_equal(replayed[-1][1][name], array)
        np.testing.assert_array_equal(run.model.state()[name], array)


def test_keeping_weights_changes_no_number(trained, tmp_path):
    other = a_run("vae", tmp_path / "other", latent=2, hidden=(8,))
    other.begin()
    other.train(pictures="no")
    for name, array in Run.open(trained).model.state().items():
        np.testing.assert_array_equal(other.model.state()[name], array)


def test_weights_of_another_model_are_refused(copy):
    shutil.copy(copy / "checkpoint.safetensors", copy / "weights-00000000.safetensors")
    with pytest.raises(Failure, match=r"weights-00000000.* does not fit"):
        list(Run.open(copy).replay())


@pytest.mark.parametrize(
    "model, data, settings, text",
    [
        ("vae", "digits", {"latent": 3}, "3 dimensions.*--set latent=2"),
        ("gan", "digits", {}, "are images.*--data ring"),
        ("gan", "ring", {"conditional": True}, "conditional=no and minibatch_kernels=0"),
        ("gan", "ring", {"loss": "minimax", "minibatch_kernels": 4}, "minibatch_kernels=0"),
        ("ddpm", "digits", {}, "--set network=mlp --set fourier=no"),
        ("pixelcnn", "digits", {"conditional": True}, "conditional=no"),
        ("autoencoder", "digits", {}, "no page of autoencoder: there is one of vae, gan"),
    ],
)
def test_what_a_page_cannot_show_is_refused(tmp_path, model, data, settings, text):
    run = a_run(model, tmp_path / "run", data, **settings)
    with pytest.raises(UsageError, match=text):
        exploration.write([run], tmp_path / "page.html")
    assert not list(tmp_path.glob("page*"))


def test_runs_of_two_models_have_no_page(tmp_path):
    runs = [a_run(model, tmp_path / model, "ring") for model in ("gan", "ddpm")]
    with pytest.raises(UsageError, match="gan and ddpm: a page is for runs of one model"):
        exploration.write(runs, tmp_path / "page.html")


def test_a_page_is_written_once(copy, capsys):
    assert main(["explore", str(copy)]) == 0
    page = copy / "explore.html"
    assert capsys.readouterr().out == f"{page}\n"
    text = page.read_text()
    assert "http" not in text.replace("http://www.w3.org", "")
    assert main(["explore", str(copy)]) == 2
    assert f"{page} exists" in capsys.readouterr().err
    assert page.read_text() == text


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "name the DIR of a run"),
        (["nowhere"], "nowhere is not a run"),
        (["{run}", "--html", "{run}/page.pdf"], "name it something.html"),
        (["{run}", "--html", "nowhere/page.html"], "there is no folder"),
        (["{run}", "--out", "here"], "--demo, with --out"),
        (["{run}", "--demo"], "--demo trains runs of its own"),
        (["--demo", "--out", "{run}"], "exists: choose another --out"),
    ],
)
def test_mistakes_get_one_line(trained, capsys, arguments, text):
    assert main(["explore", *(a.format(run=trained) for a in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def test_a_run_of_a_newer_version_is_refused(copy, capsys):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"planet": "Mars"}))
    assert main(["explore", str(copy)]) == 1
    assert "written by a newer chainrule" in capsys.readouterr().err
