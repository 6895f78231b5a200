"""What the texts of the examples say is so, by the numbers of their traces."""

import numpy as np
import pytest

from autograd import softmax
from autograd.traces.marks import marks_of
from models.examples import EXAMPLES
from models.families import FAMILIES


@pytest.fixture(scope="module")
def traced():
    """The traces of an example, made once."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = EXAMPLES[name].traces()
        return made[name]

    return of


def names(trace):
    return [node.name or node.primitive or node.kind for node in trace.nodes]


def value(trace, name):
    return trace.nodes[names(trace).index(name)].value.whole


def gradient(trace, name, sweep=-1):
    return trace.sweeps[sweep].cotangents[names(trace).index(name)].whole


def edge(trace, primitive, argument="x", sweep=0):
    return next(
        e
        for e in trace.sweeps[sweep].edges
        if trace.nodes[e.node].primitive == primitive and e.argument == argument
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_has_a_text_of_three_sentences_and_sweeps(name, traced):
    text = EXAMPLES[name].text.replace("et al.", "et al").replace("eq. ", "eq ")
    assert 3 <= text.count(". ") + text.endswith(".") <= 5
    for trace in traced(name).values():
        assert trace.sweeps and trace.sweeps[0].edges
        assert str(trace) and trace.svg()


def test_neuron(traced):
    trace = traced("neuron")["neuron"]
    assert 0 < edge(trace, "sigmoid").local.value.whole <= 0.25
    at_sum = trace.sweeps[0].cotangents[names(trace).index("sum")].whole
    np.testing.assert_allclose(gradient(trace, "w"), at_sum * value(trace, "x"))


def test_fan_out(traced):
    trace = traced("fan_out")["fan-out"]
    uses = trace.sweeps[0].uses()
    assert len(uses[names(trace).index("x")]) == 3
    assert gradient(trace, "b").shape == (3,)
    assert any(x.cut for node in trace.nodes for x in node.inputs)


def test_softmax(traced):
    by_steps, at_once = traced("softmax").values()
    y = next(node.value.whole for node in by_steps.nodes if node.kind == "constant")
    expected = (softmax(value(by_steps, "z")) - y) / 2
    np.testing.assert_allclose(gradient(by_steps, "z"), expected, atol=1e-12)
    np.testing.assert_allclose(gradient(at_once, "z"), expected, atol=1e-12)


def test_batch_norm(traced):
    trace = traced("batch_norm")["batch norm"]
    np.testing.assert_allclose(gradient(trace, "x").sum(axis=0), 0, atol=1e-9)
    assert len(trace.sweeps[0].uses()[names(trace).index("x")]) == 2  # itself, and its mean


def test_convolution(traced):
    trace = traced("convolution")["convolution"]
    rules = {names: text for names, text in trace.rules.items() if names[0].startswith("conv2d")}
    assert set(rules) == {
        ("conv2d", "x"), ("conv2d", "w"), ("conv2d_input_grad", "g"), ("conv2d_input_grad", "w"),
        ("conv2d_weight_grad", "x"), ("conv2d_weight_grad", "g"),
    }  # fmt: skip
    for (primitive, _), text in rules.items():
        assert f"{primitive}(" not in text and "conv2d" in text


def test_masked_convolution(traced):
    trace = traced("masked_convolution")["mask A"]
    live = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    assert (gradient(trace, "w")[0, 0][~live] == 0).all()
    assert (gradient(trace, "w")[0, 0][live] != 0).all()
    assert gradient(trace, "x")[0, 0, -1, -1] == 0


def test_reparameterisation(traced):
    without, with_trick, at_once = traced("reparameterisation").values()
    reached = without.sweeps[0].cotangents
    assert not {names(without).index(name) for name in ("mu", "logvar")} & set(reached)
    z = value(with_trick, "add")
    np.testing.assert_array_equal(z, value(without, "add"))
    slope = 2 * value(with_trick, "w") ** 2 * z
    np.testing.assert_allclose(gradient(with_trick, "mu"), slope)
    half_noise = (z - value(with_trick, "mu")) / 2  # dz/dlogvar = sigma eps / 2
    np.testing.assert_allclose(gradient(with_trick, "logvar"), slope * half_noise)
    assert {names(at_once).index(name) for name in ("mu", "logvar")} <= set(
        at_once.sweeps[0].cotangents
    )


def test_depth(traced):
    sizes, kinds = {}, {}
    for name, trace in traced("depth").items():
        sizes[name] = [np.linalg.norm(gradient(trace, f"w{i}")) for i in (1, 10)]
        kinds[name] = {mark.kind for mark in marks_of(trace.sweeps[0]).values()}
    assert sizes["sigmoid"][0] < 1e-4 * sizes["sigmoid"][1]
    assert 1e-2 < sizes["residual"][0] / sizes["residual"][1] < 1e2
    assert sizes["sigmoid"][0] < sizes["relu"][0]
    assert kinds == {"sigmoid": {"vanishing"}, "relu": set(), "residual": set()}
    off = next(e for e in traced("depth")["relu"].sweeps[0].edges if e.d.zeros)
    np.testing.assert_array_equal(off.local.value.whole == 0, off.d.whole == 0)


def test_generator_loss(traced):
    saturating, other = (gradient(t, "logits") for t in traced("generator_loss").values())
    assert saturating[0] == other[0] == -0.5
    assert -1e-6 < saturating[-1] < 0 and other[-1] < -0.999


def test_gradient_penalty(traced):
    trace = traced("gradient_penalty")["gradient penalty"]

    def penalty(w):
        x, v = value(trace, "x"), value(trace, "v")
        h = np.tanh(x @ w)
        slope = ((1 - h**2) * v.T) @ w.T
        return (np.linalg.norm(slope) - 1) ** 2

    w, found = value(trace, "w"), gradient(trace, "w", sweep=1)
    for i in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[i] = 1e-6
        assert found[i] == pytest.approx((penalty(w + step) - penalty(w - step)) / 2e-6, abs=1e-7)
    assert trace.sweeps[0].made_by


@pytest.mark.parametrize("name", FAMILIES)
def test_a_training_step(name, traced):
    (trace,) = traced(name).values()
    assert all(node.name for node in trace.nodes if node.kind == "leaf")
    assert len(trace.calls) > len(trace.sweeps) + 2  # modules are called


def test_of_a_gan_the_generator_gets_its_gradient_from_the_last_sweep_only(traced):
    (trace,) = traced("gan").values()
    reached = [
        {trace.nodes[n].name.split(".")[0] for n in s.cotangents if trace.nodes[n].kind == "leaf"}
        for s in trace.sweeps
    ]
    assert "generator" in reached[-1]
    assert not any("generator" in names for names in reached[:-1])
    assert any(sweep.made_by for sweep in trace.sweeps)


def test_the_dead_taps_of_a_pixelcnn(traced):
    (trace,) = traced("pixelcnn").values()
    edges = [e for e in trace.sweeps[0].edges if e.argument == "w"]
    masked = [e for e in edges if trace.nodes[e.node].keywords.get("mask") in ("A", "B")]
    assert masked and all(e.d.zeros for e in masked)
