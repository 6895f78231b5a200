"""What may go into a primitive and out of the graph, and how the rest is refused."""

import copy
import math
import pickle
import re

import numpy as np
import pytest

import autograd as ag
from autograd import PRIMITIVES, Tensor, grad, nn, no_grad, optim, primitive
from tests.autograd.test_nn import LAYERS


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype=dtype), requires_grad=True)


def put(x, at):
    c = np.zeros(2)
    c[at] = x
    return c


ESCAPES = {
    "a cell of an array": lambda x: put(x[0] * x[0], 0),
    "a row of an array": lambda x: put(x * x, slice(None)),
    "float": lambda x: float(x[0]),
    "int": lambda x: int(x[0]),
    "complex": lambda x: complex(x[0]),
    "math": lambda x: math.exp(x[0]),
    "% formatting": lambda x: "%f" % x[0],  # noqa: UP031
    "array": lambda x: np.array(x),
    "array of a list": lambda x: np.array([x[0], x[1]]),
    "Tensor of a list": lambda x: Tensor([x[0], x[1]]),
    "ufunc": np.exp,
    "ufunc of two": lambda x: np.add(np.ones(2), x),
    "sum": np.sum,
    "mean": np.mean,
    "dot": lambda x: np.dot(x, x),
    "stack": lambda x: np.stack([x, x]),
    "zeros_like": np.zeros_like,
    "NumPy's scalar": lambda x: np.float64(x[0]),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_a_recorded_value_does_not_leave_the_graph_without_a_word(name):
    with pytest.raises((TypeError, ValueError)) as caught:
        ESCAPES[name](leaf(2.0, 3.0))
    text = f"{caught.value} {caught.value.__cause__}"  # NumPy adds a line of its own to a cell's
    assert re.search(r"lose its gradient: use .* or x.item\(\) or x.numpy\(\) for", text)


def test_a_constant_may_become_a_number_and_an_array_takes_one():
    x = Tensor([2.0, 3.0])
    assert (float(x[0]), int(x[1]), math.sqrt(x[0] * 8)) == (2, 3, 4)
    assert list(range(Tensor(3))) == [0, 1, 2]
    np.testing.assert_array_equal(put(x[0], 1), [0, 2])
    np.testing.assert_array_equal(np.exp(x), np.exp(x.data))
    with pytest.raises(TypeError, match=r"np.sum takes arrays: give it x.numpy\(\)"):
        np.sum(x)


DTYPES = {
    "integers": np.int64,
    "small integers": np.uint8,
    "booleans": np.bool_,
    "float16": np.float16,
    "the other byte order": ">f4",
    "the other precision": np.float64,
}


@pytest.mark.parametrize("shape", [(2, 3), (2, 300), (2, 3, 4, 5), (2, 3, 20, 20)])
@pytest.mark.parametrize("name", DTYPES)
def test_a_constant_of_any_real_dtype_serves_at_any_size(name, shape):
    """As NumPy has it, whether a kernel or a formula computes it."""
    constant = (np.arange(math.prod(shape)).reshape(shape) % 3).astype(DTYPES[name])
    values = np.linspace(0.1, 1, math.prod(shape), dtype=np.float32)
    x = Tensor(values.reshape(shape), requires_grad=True)
    for f in (lambda a, b: a + b, lambda a, b: a * b, lambda a, b: b - a):
        y = f(x, constant)
        np.testing.assert_array_equal(y.data, f(x.data, constant))
        assert y.dtype == f(x.data, constant).dtype
        assert grad(y.sum(), x).dtype == np.float32
    for f in (ag.sigmoid, ag.relu, ag.silu, ag.softplus):
        found = f(Tensor(constant)).data
        expected = f(constant.astype(np.float64))
        np.testing.assert_allclose(found.astype(np.float64), expected, rtol=2e-3)


REFUSED_INPUTS = {
    "complex numbers": (lambda x: x + abs(x * 1j), "complex128 and shape"),
    "complex arrays": (lambda x: x * np.array([1j, 2]), r"gives complex128: gradients are of"),
    "complex data": (lambda x: Tensor([1j]), "complex128 and shape"),
    "masked arrays": (lambda x: x * np.ma.array([1.0, 2.0]), "would lose its mask"),
    "text": (lambda x: x + "1", "<U1 and shape"),
    "objects": (lambda x: x * np.array([2.0, 3.0], object), "gives object: gradients are of"),
    "None": (lambda x: Tensor(None), "object and shape"),
    "longdouble": (lambda x: x * np.ones(2, np.longdouble), "gives .*: gradients are of float32"),
    "a gradient of float16": (
        lambda x: Tensor(np.ones(2, np.float16), requires_grad=True),
        "Tensor of float16 .* float32 and float64 can",
    ),
    "a gradient of the other byte order": (
        lambda x: Tensor(np.ones(2, ">f4"), requires_grad=True),
        "cannot have a gradient",
    ),
    "a Tensor as a static parameter": (
        lambda x: ag.clip(x, low=x[0], high=9.0),
        "clip of .* lose its gradient",
    ),
    "too many": (lambda x: ag.exp(x, x), "<primitive exp.*too many positional arguments"),
    "too few": (lambda x: ag.power(y=3.0), "<primitive power.*missing a required argument: 'x'"),
    "twice": (lambda x: ag.sum(x, 0, axis=0), "<primitive sum.*multiple values.*'axis'"),
    "unknown": (lambda x: ag.sum(x, axes=0), "sum.*unexpected keyword argument 'axes'"),
}


@pytest.mark.parametrize("name", REFUSED_INPUTS)
def test_what_may_not_go_in_is_refused_and_named(name):
    attempt, message = REFUSED_INPUTS[name]
    with pytest.raises(TypeError, match=message):
        attempt(leaf(2.0, 3.0))


def test_parameters_without_names_and_complex_inputs_of_a_check_are_refused():
    with pytest.raises(TypeError, match=r"parameters have names: give module.parameters\(\)"):
        optim.SGD([leaf(1.0)], 0.1)
    with pytest.raises(TypeError, match="takes real inputs"):
        ag.check.gradients(lambda x: x * x, np.ones(2) * 1j)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_counts_as_an_array():
    x = leaf(1.0, 2.0, 3.0, 4.0).reshape(2, 2)
    m = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    for y in (x * m, m * x):
        np.testing.assert_array_equal(y.data, x.data * np.asarray(m))
        np.testing.assert_array_equal(grad(y.sum(), x, retain_graph=True).data, np.asarray(m))


def test_a_subclass_of_tensor_is_refused():
    with pytest.raises(TypeError, match="Tensor has no subclasses"):
        type("Parameter", (Tensor,), {})


X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
SAME = {
    "power by name": (lambda x: ag.power(x, y=3.0), lambda x: x**3),
    "linear by name": (
        lambda x: ag.linear(x=x, w=np.ones((2, 3)), b=np.ones(2)),
        lambda x: x @ np.ones((3, 2)) + 1,
    ),
    "conv2d's bias by name": (
        lambda x: ag.conv2d(x.reshape(1, 1, 2, 3), np.ones((1, 1, 2, 2)), b=np.full(1, 5.0)),
        lambda x: ag.conv2d(x.reshape(1, 1, 2, 3), np.ones((1, 1, 2, 2)), np.full(1, 5.0)),
    ),
    "an axis by position": (lambda x: ag.sum(x, 0), lambda x: x.sum(axis=0)),
    "several by position": (lambda x: ag.sum(x, 0, True), lambda x: x.sum(0, keepdims=True)),
    "mean": (lambda x: ag.mean(x, 0), lambda x: x.mean(0)),
    "clip by position": (lambda x: ag.clip(x, -1.5, 2), lambda x: x.clip(-1.5, 2)),
    "clip without a bound": (lambda x: ag.clip(x, low=None, high=2), lambda x: x.clip(None, 2)),
    "pad by a number": (lambda x: ag.pad(x, widths=1), lambda x: np.pad(x, 1)),
    "pad by a pair": (lambda x: ag.pad(x, ((1, 2),)), lambda x: np.pad(x, ((1, 2),))),
    "concatenate flat": (
        lambda x: ag.concatenate([x, x[0]], axis=None),
        lambda x: np.concatenate([x, x[0]], axis=None),
    ),
    "stack along an axis": (
        lambda x: ag.stack(parts=[x, x + 1], axis=-1),
        lambda x: np.stack([x, x + 1], axis=-1),
    ),
    "transpose by numbers": (lambda x: x.transpose(1, 0), lambda x: x.transpose(1, 0)),
    "transpose by a tuple": (lambda x: x.transpose((1, 0)), lambda x: x.transpose((1, 0))),
    "reshape by a list": (lambda x: x.reshape([3, -1]), lambda x: x.reshape([3, -1])),
    "min": (lambda x: x.min(1), lambda x: x.min(1)),
    "squeeze": (lambda x: x[None, :, None].squeeze(), lambda x: x),
    "squeeze an axis": (lambda x: x[None].squeeze(0), lambda x: x),
    "where one condition": (lambda x: ag.where(True, x * x, 0.0), lambda x: x * x),
    "plus": (lambda x: +x, lambda x: x),
    "index by a Tensor": (lambda x: x[Tensor([1, 0, 1])], lambda x: x[[1, 0, 1]]),
    "index by Tensors": (
        lambda x: x[Tensor([1, 0]), Tensor([0, 2])],
        lambda x: x[[1, 0], [0, 2]],
    ),
    "index by a mask": (lambda x: x[Tensor(X > 0)], lambda x: x[X > 0]),
}


@pytest.mark.parametrize("name", SAME)
def test_the_usual_ways_to_call_an_operation_work_both_ways(name):
    f, expected = SAME[name]
    np.testing.assert_allclose(f(Tensor(X)).data, expected(X))
    ag.check.gradients(f, X, order=2)


def test_the_place_of_the_largest_is_a_plain_array():
    np.testing.assert_array_equal(Tensor(X).argmax(axis=1), X.argmax(axis=1))


def test_an_operation_in_place_makes_a_new_tensor_but_not_of_a_leaf():
    x = leaf(2.0)
    y = x * x
    y += x
    y *= 2
    assert grad(y, x).data == 2 * (2 * 2 + 1)
    for attempt in ("x += 1", "x -= 1", "x *= 2", "x /= 2", "x **= 2", "x @= x"):
        with pytest.raises(TypeError, match=r"a leaf of shape .* let an optimiser update it"):
            exec(attempt, {"x": x})
    with no_grad(), pytest.raises(TypeError, match="a leaf"):
        exec("x -= 0.1", {"x": x})
    c = np.ones(1)
    c = c + x
    assert grad(c, x).data == 1


def test_the_gradient_of_an_intermediate_is_not_none_without_a_word():
    x = leaf(2.0)
    h = ag.tanh(x)
    (h * h).backward()
    with pytest.raises(RuntimeError, match=r"no gradient is kept of tanh .*: grad\(loss, x\)"):
        h.grad  # noqa: B018
    assert x.grad is not None and Tensor([1.0]).grad is None


def test_a_gradient_has_the_shape_of_its_leaf():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"a gradient of shape \(3,\) for leaf of shape \(2,\)"):
        x.grad = np.ones(3)
    x.grad = np.ones(2)
    x.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, [2, 2])


def test_gradients_of_a_dict_of_parameters_have_its_names():
    layer = nn.Linear(2, 3, np.random.default_rng(0))
    loss = layer(np.ones((4, 2), np.float32)).sum()
    found = grad(loss, layer.parameters())
    assert {name: g.shape for name, g in found.items()} == {"weight": (3, 2), "bias": (3,)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_follow_data_of_another_dtype(dtype):
    x = leaf(1.0, 2.0, dtype=np.float32)
    x.data = x.data.astype(dtype)
    y = (x * x).sum()
    assert grad(y, x).dtype == dtype
    (x * x).sum().backward()
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("value", [np.ones(3), np.ones((2, 1)), np.ones(2, int)])
def test_data_that_cannot_have_the_gradient_is_refused(value):
    with pytest.raises(ValueError, match=r"for leaf of shape \(2,\).*it keeps its shape"):
        leaf(1.0, 2.0).data = value


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]
)
def test_a_module_is_copied_and_pickled_with_its_parameters(name, copied):
    module = LAYERS[name][1]()
    twin = copied(module)
    assert list(twin.tensors()) == list(module.tensors())
    assert list(twin.parameters()) == list(module.parameters())
    for name, tensor in module.tensors().items():
        np.testing.assert_array_equal(twin.tensors()[name].data, tensor.data)
        assert not np.shares_memory(twin.tensors()[name].data, tensor.data)


def test_history_is_not_copied_or_moved_without_a_word():
    y = leaf(2.0) * 2
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"mul of shape .* cannot be copied with its history"):
            attempt(y)
    with pytest.raises(TypeError, match=r"mul of shape .* cannot be moved with its history"):
        y.to("cpu")


@pytest.fixture
def declared():
    """Primitives made in a test, which are taken off the table again."""
    before = dict(PRIMITIVES)
    yield primitive
    PRIMITIVES.clear()
    PRIMITIVES.update(before)


def test_a_primitive_without_a_rule_says_so_when_it_is_asked(declared):
    @declared
    def product(x, y):
        return x * y

    product.rule(x=lambda g, y: g * y)
    x, y = leaf(2.0), leaf(3.0)
    assert grad(product(x, y), x).data == 3
    with pytest.raises(NotImplementedError, match=r"product has no rule for 'y': declare product"):
        grad(product(x, y), y)
    with pytest.raises(NotImplementedError, match="product has no rule"):
        product(x, y).backward()
    product.rule(y=None)  # for a derivative that is zero
    assert grad(product(x, y), y).data == 0


@pytest.mark.parametrize(("answer", "text"), [(None, "None"), (2.0, "2.0"), ([1.0], r"\[1.0\]")])
def test_a_rule_that_gives_no_array_is_named(answer, text, declared):
    @declared
    def same(x):
        return x + 0.0

    same.rule(x=lambda g: answer)
    with pytest.raises(TypeError, match=f"a rule of same of shape .* gave {text}, and no array"):
        same(leaf(1.0)).backward()


def test_the_origin_shows_the_source_also_of_a_cell():
    """As a notebook has it: source that is in no file, but in linecache."""
    import linecache

    source = "y = x * x\nz = y * 2\n"
    linecache.cache["<cell 7>"] = (len(source), None, source.splitlines(True), "<cell 7>")
    names = {"x": leaf(1.0)}
    exec(compile(source, "<cell 7>", "exec"), names)
    assert str(names["z"].node).endswith("made at <cell 7>:2 (`z = y * 2`)")
