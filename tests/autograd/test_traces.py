"""A trace is what happened: its numbers are those of the sweep, its rules those of the code."""

import gc
import inspect
import json
import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import (
    PRIMITIVES,
    Tensor,
    exp,
    grad,
    nn,
    no_grad,
    optim,
    relu,
    sigmoid,
    trace,
    tracing,
)
from autograd.modes import mode
from autograd.traces.layout import layers
from autograd.traces.local import MAX_ROWS
from autograd.traces.marks import marks_of
from autograd.traces.rules import rule_text
from autograd.traces.values import MAX_WHOLE, as_json, as_text, thumbnail, value_of
from tests.autograd.cases import CASES, Sampler


def leaf(*values, dtype=float):
    return Tensor(np.array(values, dtype), requires_grad=True)


def names(found):
    return [made.name or made.primitive or made.kind for made in found.nodes]


def gradient_of(found, name, sweep=-1):
    return found.sweeps[sweep].cotangents[names(found).index(name)].whole


# The numbers


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_edge_is_its_local_derivative_times_what_came_in(name, data):
    sampler = Sampler(data.draw)
    f, arrays = sampler.choose(*CASES[name])(sampler)
    inputs = {f"x{i}": Tensor(array, requires_grad=True) for i, array in enumerate(arrays)}
    with tracing(inputs) as found:
        y = f(*inputs.values())
        cotangent = np.random.default_rng(0).standard_normal(y.shape)
        gradients = grad(y, inputs, cotangent)
    sweep = found.sweeps[0]
    for number, value in sweep.cotangents.items():
        if (uses := sweep.uses().get(number)) and value.whole is not None:
            np.testing.assert_allclose(value.whole, sum(sweep.edges[i].d.whole for i in uses))
    for made in found.nodes:
        if made.name in gradients:
            number = found.nodes.index(made)
            if number in sweep.cotangents and made.value.size <= MAX_WHOLE:
                expected = gradients[made.name].numpy()
                np.testing.assert_allclose(sweep.cotangents[number].whole, expected, atol=1e-12)
    for edge in sweep.edges:
        g, local = sweep.cotangents[edge.node].whole, edge.local
        sizes = sweep.cotangents[edge.node].size, edge.given.size
        if local is None or any(x is None for x in (g, edge.given.whole, local.value.whole)):
            assert sizes[0] == 0 or sizes[0] > MAX_ROWS or math.prod(sizes) > MAX_WHOLE
            continue
        product = g.ravel() @ local.value.whole if local.kind == "matrix" else g * local.value.whole
        np.testing.assert_allclose(
            product.ravel(), edge.given.whole.ravel(), rtol=1e-9, atol=1e-9 * max(1, edge.given.rms)
        )


@pytest.mark.parametrize(
    ("f", "kind", "expected"),
    [
        (lambda x: exp(x), "elementwise", np.exp([1.0, 2.0])),
        (lambda x: x.sum(), "row", [1.0, 1.0]),
        (lambda x: x[::-1], "matrix", [[0.0, 1.0], [1.0, 0.0]]),
        (lambda x: relu(-x), "elementwise", [0.0, 0.0]),
    ],
    ids=["exp", "sum", "reversed", "off"],
)
def test_the_kind_of_a_local_derivative(f, kind, expected):
    x = leaf(1.0, 2.0)
    with tracing() as found:
        y = f(x)
        grad(y, x, np.ones(y.shape))
    local = found.sweeps[0].edges[0].local
    assert local.kind == kind
    np.testing.assert_allclose(local.value.whole, expected)


def test_fan_out_is_a_sum_and_broadcasting_a_sum_over_the_axis():
    x, b = leaf([1.0, 2.0], [3.0, 4.0]), leaf(10.0, 20.0)
    with tracing({"x": x, "b": b}) as found:
        (x * x + b).sum().backward()
    sweep = found.sweeps[0]
    assert [len(edges) for edges in sweep.uses().values()] == [1, 1, 1, 2]
    np.testing.assert_array_equal(gradient_of(found, "x"), x.grad.data)
    edge = next(e for e in sweep.edges if names(found)[e.parent] == "b")
    assert (edge.given.shape, edge.d.shape) == ((2, 2), (2,))


def test_a_recorded_sweep_makes_nodes_and_the_next_goes_through_them():
    x = leaf(2.0, -1.0)
    with tracing({"x": x}) as found:
        (slope,) = grad((x * x * x).sum(), [x], create_graph=True)
        grad((slope * slope).sum(), x)
    first, second = found.sweeps
    made = {n for n, node in enumerate(found.nodes) if node.sweep == 0}
    assert made == set(first.made_by) and made
    assert all(found.calls[found.nodes[n].call].name == "sweep 1" for n in made)
    assert {e.node for e in second.edges} & made
    np.testing.assert_allclose(gradient_of(found, "x", 0), 3 * x.data**2)
    np.testing.assert_allclose(gradient_of(found, "x", 1), 36 * x.data**3)
    assert not second.made_by


def test_tracing_changes_no_bit_and_leaves_nothing_behind():
    rng = np.random.default_rng(0)
    layer = nn.Sequential(nn.Linear(5, 4, rng), relu, nn.Linear(4, 3, rng))
    x = rng.standard_normal((6, 5)).astype(np.float32)

    def gradients():
        return [g.data.tobytes() for g in grad((layer(x) ** 2).sum(), layer.parameters()).values()]

    before = gradients()
    with tracing(layer):
        assert gradients() == before
    with pytest.raises(ZeroDivisionError), tracing(layer):
        raise ZeroDivisionError
    assert mode().watchers == ()
    gc.collect()
    with tracing(layer) as found:
        gradients()
    del found
    assert gc.collect() == 0


# What is shown of an array


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array(0.1, np.float32), "0.1"),
        (np.array([[1, 2], [3, 4.5]]), "[[1, 2], [3, 4.5]]"),
        (np.array([True, False]), "[True, False]"),
        (np.array([np.nan, np.inf]), "[nan, inf]"),
        (np.zeros((0, 3)), "[]"),
        (np.array([0.0] * 99 + [2.0]), "0 to 2, rms 0.2, 99 zeros"),
        (np.array([np.nan, np.inf] + [1.0] * 98), "1 to 1, rms 1, 1 NaN, 1 inf"),
        (np.full(100, 1e200), "1e+200 to 1e+200, rms 1e+200"),
        (np.full(100, 1e-200), "1e-200 to 1e-200, rms 1e-200"),
    ],
)
def test_an_array_on_a_line(array, text):
    assert as_text(value_of(array)) == text
    json.dumps(as_json(value_of(array)), allow_nan=False)


def test_a_float32_comes_back_from_the_page_as_it_was():
    array = np.random.default_rng(0).standard_normal(MAX_WHOLE).astype(np.float32)
    whole = json.loads(json.dumps(as_json(value_of(array))))["whole"]
    np.testing.assert_array_equal(np.array(whole, np.float32), array)


@pytest.mark.parametrize("shape", [(100,), (3, 40), (2, 3, 5, 30), (200, 200)])
def test_a_thumbnail_has_the_mean_of_the_first_example(shape):
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)
    first = array.reshape(-1, *shape[-2:])[0]
    small = thumbnail(array, side=10)
    assert max(small.shape) <= 10
    if all(n % m == 0 for n, m in zip(np.atleast_2d(first).shape, small.shape)):
        assert small.mean() == pytest.approx(first.mean())
    assert (small[0] == sorted(small[0])).all()


# The rules and the lines


def test_the_text_of_a_rule_is_its_code():
    for primitive in PRIMITIVES.values():
        for vjp in filter(None, primitive.vjps.values()):
            text = rule_text(vjp)
            if text.startswith("lambda"):
                code = compile(text, "rule", "eval").co_consts[0]
                assert (code.co_code, code.co_names) == (
                    vjp.__code__.co_code,
                    vjp.__code__.co_names,
                )
            else:
                assert text in inspect.getsource(inspect.getmodule(getattr(vjp, "forward", vjp)))


def test_a_node_has_the_line_that_made_it_and_a_leaf_the_name_of_its_variable():
    weight = Tensor([1.0], requires_grad=True)
    with tracing() as found:
        y = exp(weight)
        y.sum().backward()
    assert names(found) == ["weight", "exp", "sum"]
    made = found.nodes[1].source
    assert (made.file, made.text) == ("tests/autograd/test_traces.py", "y = exp(weight)")


class Block(nn.Module):
    def __init__(self, rng):
        self.layers = [nn.Linear(3, 3, rng), nn.Linear(3, 3, rng)]

    def forward(self, x):
        for layer in self.layers:
            x = x + sigmoid(layer(x))
        return x


@pytest.mark.parametrize(("named", "prefix"), [(True, ""), (False, "Sequential.")])
def test_nodes_belong_to_modules_and_parameters(named, prefix):
    rng = np.random.default_rng(0)
    net = nn.Sequential(Block(rng), nn.Linear(3, 1, rng))
    with tracing(net if named else None) as found:
        net(rng.standard_normal((2, 3))).sum().backward()
    linears = [n for n in found.nodes if n.primitive == "linear"]
    calls = [found.calls[n.call] for n in linears]
    expected = ["steps.0.layers.0", "steps.0.layers.1", "steps.1"]
    assert [call.name for call in calls] == [prefix + name for name in expected]
    assert [found.calls[call.parent].kind for call in calls] == ["Block", "Block", "Sequential"]
    leaves = {n.name: found.calls[n.call].name for n in found.nodes if n.kind == "leaf"}
    assert leaves[f"{prefix}steps.0.layers.1.bias"] == f"{prefix}steps.0.layers.1"
    after = trace(net(rng.standard_normal((2, 3))).sum(), net)
    owners = [after.calls[n.call].name for n in after.nodes if n.primitive == "linear"]
    assert owners == expected


def test_a_buffer_is_a_constant_with_its_name():
    class Scaled(nn.Module):
        def __init__(self):
            self.scale = Tensor(np.full(3, 2.0))

        def forward(self, x):
            return x * self.scale

    net = Scaled()
    with tracing(net) as found:
        net(Tensor(np.ones(3), requires_grad=True)).sum().backward()
    assert [n.name for n in found.nodes if n.kind == "constant"] == ["scale"]


# Cuts


def under_no_grad(h):
    with no_grad():
        return h * 1.0


@pytest.mark.parametrize(
    "cut",
    [
        lambda h: h.detach(),
        lambda h: h.data,
        lambda h: h.data[:1],
        lambda h: h.numpy(),
        under_no_grad,
    ],
    ids=["detach", "data", "view", "numpy", "no_grad"],
)
def test_a_cut_is_seen(cut):
    x = leaf(1.0, 2.0)
    with tracing({"x": x}) as found:
        h = exp(x)
        (x.sum() * cut(h)).sum().backward()
    exp_number = names(found).index("exp")
    cuts = [i for made in found.nodes for i in made.inputs if i.cut]
    assert [i.node for i in cuts] == [exp_number]
    assert exp_number not in found.sweeps[0].cotangents
    assert "cut" in str(found) and "cut" in found.svg()


def test_a_parameter_that_nothing_reaches_is_there():
    x, w = leaf(1.0), leaf(2.0)
    with tracing({"x": x, "w": w}) as found:
        (x * 2.0).sum().backward()
    assert names(found)[:2] == ["x", "w"]
    assert 1 not in found.sweeps[0].cotangents


# After the fact


def test_a_trace_of_a_graph_has_what_the_graph_keeps_and_changes_nothing():
    w, x = leaf(0.5, -0.2), np.array([1.0, 2.0])
    loss = sigmoid((w * x).sum()) + 1.0
    found = trace(loss, {"w": w})
    assert w.grad is None
    kept = {made.primitive: made.value is not None for made in found.nodes if made.primitive}
    assert kept == {"mul": False, "sum": False, "sigmoid": True, "add": True}
    np.testing.assert_array_equal(gradient_of(found, "w"), grad(loss, w).data)
    np.testing.assert_array_equal(found.nodes[0].value.whole, w.data)


def test_what_has_no_trace_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match="records nothing"):
        trace(Tensor([1.0]).sum())
    with pytest.raises(ValueError, match="needs a cotangent"):
        trace(x * 2.0)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="freed"):
        trace(loss)


# Remarks


@pytest.mark.parametrize(
    ("f", "kinds"),
    [
        (lambda x: (x * 1e-6).sum(), ["vanishing"]),
        (lambda x: (x * 1e6).sum(), ["exploding"]),
        (lambda x: relu(x - 5.0).sum(), ["zero", "zero"]),
        (lambda x: (x * 0.0) ** -1.0, ["not finite", "not finite"]),
        (lambda x: (x * 2.0).sum(), []),
    ],
    ids=["vanishing", "exploding", "zero", "not finite", "none"],
)
def test_remarks(f, kinds):
    x = leaf(1.0, 2.0)
    with np.errstate(all="ignore"), tracing({"x": x}) as found:
        y = f(x)
        grad(y, x, np.ones(y.shape))
    marks = marks_of(found.sweeps[0])
    assert [mark.kind for mark in marks.values()] == kinds
    assert all(mark.text in str(found) for mark in marks.values())
    if kinds:
        assert kinds[0] in found.svg()


# Text and picture


def test_the_text_of_a_neuron():
    w = leaf(0.5, -0.2)
    with tracing({"w": w}) as found:
        (w * np.array([1.0, 2.0])).sum().backward()
    text = str(found)
    for line in (
        "#0 w (leaf)  float64[2] [0.5, -0.2]",
        "#2 mul(#0, #1)  float64[2] [0.5, -0.4]",
        "#2 mul -> #0 w  g [1, 1]",
        "dmul/dx  [1, 2]",
        "lambda g, y: g * y",
        "d [1, 2]",
    ):
        assert line in text


def test_a_picture_has_a_box_for_each_node_none_over_another_and_folds_what_is_large():
    rng = np.random.default_rng(0)
    deep = nn.Sequential(*(Block(rng) for _ in range(12)))
    small = Block(rng)
    for net, folded in ((small, False), (deep, True)):
        with tracing(net) as found:
            net(rng.standard_normal((2, 3))).sum().backward()
        svg = ElementTree.fromstring(found.svg())
        boxes = [r for r in svg.iter("{http://www.w3.org/2000/svg}rect") if r.get("rx")]
        places = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in boxes]
        assert (len(boxes) < len(found.nodes)) == folded
        assert any(r.get("class") == "call" for r in boxes) == folded
        for i, (x, y, w, h) in enumerate(places):
            for x2, y2, w2, h2 in places[:i]:
                assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
        assert re.search("<title>", found._repr_html_())


@settings(deadline=None)
@given(
    st.integers(1, 20).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(*[st.integers(0, n - 1)] * 2)))
    )
)
def test_a_route_leads_from_layer_to_layer(graph):
    """Also where parts of a graph are not connected, and where calls make a cycle."""
    count, pairs = graph
    edges = [(a, b) for a, b in pairs if a != b]
    rows, routes = layers(count, edges)
    layer = {vertex: i for i, row in enumerate(rows) for vertex in row}
    bends = [vertex for route in routes for vertex in route[1:-1]]
    assert sorted(layer) == sorted([*range(count), *bends]) == list(range(len(layer)))
    assert [(route[0], route[-1]) for route in routes] == edges
    for route in routes:
        assert {layer[b] - layer[a] for a, b in pairwise(route)} in ({1}, {-1})


@pytest.mark.parametrize(("count", "show"), [(200, "svg"), (1000, "html")])
def test_a_graph_that_is_too_large_is_refused(count, show):
    x = leaf(1.0)
    with tracing() as found:
        for _ in range(count):
            x = x + 1.0
    with pytest.raises(ValueError, match=r"too large|too many"):
        getattr(found, show)()
    assert "too large" in found._repr_html_()


# What happens while it traces


def test_a_sweep_that_fails_ends():
    w = leaf(1.0, 2.0)
    with tracing({"w": w}) as found:
        h = exp(w)
        lost = h.sum()
        h.node.saved = None
        with pytest.raises(RuntimeError, match="freed"):
            lost.backward()
        z = (w * 5.0).sum()
        z.backward()
    assert [node.sweep for node in found.nodes] == [None] * len(found.nodes)
    assert [found.calls[node.call].name for node in found.nodes] == [""] * len(found.nodes)
    assert gradient_of(found, "w").tolist() == [5.0, 5.0]


def test_a_leaf_or_a_constant_that_is_written_to_is_added_again():
    w, x = leaf(1.0, 2.0), np.array([3.0, 4.0])
    optimizer = optim.SGD({"w": w}, 0.1)
    with tracing({"w": w}) as found:
        for _ in range(2):
            w.grad = None
            (w * x * w).sum().backward()
            optimizer.step()
            x[...] = 5.0
    for made in found.nodes:
        if made.primitive == "mul":
            a, b = (found.nodes[i.node].value.whole for i in made.inputs)
            np.testing.assert_array_equal(made.value.whole, a * b)
    assert names(found).count("w") == 2
    first, second = found.sweeps
    assert max(first.cotangents) < min(n for n in second.cotangents if found.nodes[n].name == "w")


class Doubled(nn.Module):
    def __init__(self):
        self.w = leaf(2.0)

    def forward(self, x):
        return x * self.w


def test_modules_made_on_the_fly_have_names_of_their_own():
    x = leaf(1.0)
    with tracing({"x": x}) as found:
        y = x
        for _ in range(3):
            y = Doubled()(y)
        y.sum().backward()
    assert [call.name for call in found.calls[1:4]] == ["Doubled", "Doubled 2", "Doubled 3"]
    assert names(found)[1:6:2] == ["Doubled.w", "Doubled 2.w", "Doubled 3.w"]


@pytest.mark.parametrize(
    ("array", "mean"),
    [
        ([[1e-310, 1.0]] * 40, 0.5),
        ([[np.inf, -np.inf]] * 40, math.nan),
        ([[1.7e308] * 20] * 20, 1.7e308),
    ],
)
def test_it_computes_nothing_that_a_person_could_be_warned_of(array, mean):
    x = leaf(*array)
    with np.errstate(all="raise"), tracing() as found:
        (x * 1.0).reshape(-1)[0:1].sum().backward()
    assert found.nodes[0].value.mean == pytest.approx(mean, nan_ok=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: trace(x.data), "trace takes a Tensor"),
        (lambda x: trace(x, [x]), "a module, or a dict by name, not list"),
        (lambda x: trace(x, {"x": 3.0}), "x is float"),
        (lambda x: trace(x, {1: x}), "a name is a str, not 1"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(TypeError, match=message):
        call(leaf(1.0))


def test_a_name_is_text_that_every_file_can_have():
    x = leaf(1.0)
    found = trace((x * 2.0).sum(), {"a\x00\ud800</script>": x})
    ElementTree.fromstring(found.svg())
    assert "a??</script>" in names(found)
    assert "a??</script>" not in found.html().encode("utf-8").decode()
