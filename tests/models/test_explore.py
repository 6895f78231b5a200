"""A function as a program: it gives what the function gives, and nothing in it is frozen."""

import numpy as np
import pytest

from autograd import Tensor, concatenate, conv2d, gelu, grad, nn, softmax
from models.explore import export
from models.explore.lowering import lower

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


FUNCTIONS = {
    "layers": (lambda x: gelu(LAYER(x)), (2, 3)),
    "gradient": (slope(lambda x: gelu(LAYER(x))), (2, 3)),
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
