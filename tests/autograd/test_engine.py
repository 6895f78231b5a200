"""What a sweep does with a graph: order, reuse, freeing, modes, and how it refuses."""

import gc
import platform
import subprocess
import sys

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, backward, check, detect_nan, grad, no_grad, primitive
from autograd.primitive import PRIMITIVES
from autograd.tensor import Node


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype=dtype), requires_grad=True)


def test_a_value_used_twice_receives_the_sum():
    x = leaf(2.0)
    y = x * x
    z = y * y + y  # x^4 + x^2
    assert grad(z, x).data == 4 * 8 + 2 * 2


def test_backward_accumulates_and_grad_does_not():
    x = leaf(3.0)
    for _ in range(2):
        (x * x).backward()
    assert x.grad.data == 12
    grad(x * x, x)
    assert x.grad.data == 12
    x.grad = None
    backward(x * x)
    assert x.grad.data == 6


def test_backward_does_not_write_into_a_gradient_that_is_held():
    x = leaf(1.0)
    (x * 2).backward()
    held = x.grad.data
    (x * 2).backward()
    assert (held, x.grad.data) == (2, 4)


def test_third_derivative_of_a_polynomial():
    x = leaf(2.0)
    y = x**5
    for expected in (5 * 2**4, 20 * 2**3, 60 * 2**2):
        y = grad(y, x, create_graph=True)
        assert y.data == expected


def test_gradient_of_an_intermediate_and_of_several():
    x = leaf(2.0)
    y = x * x
    z = y * x
    gx, gy = grad(z, [x, y])
    assert (gx.data, gy.data) == (12, 2)


def test_gradient_of_what_it_does_not_depend_on_is_zero():
    x, y = leaf(1.0, 2.0), leaf(3.0)
    np.testing.assert_array_equal(grad(y * 2, x).data, [0, 0])


def test_derivatives_of_a_line_end_in_zero():
    x = leaf(2.0)
    first = grad(3 * x, x, create_graph=True)
    assert (first.data, grad(first, x).data) == (3, 0)


def test_cotangent_weighs_the_outputs():
    x = leaf(1.0, 2.0)
    np.testing.assert_array_equal(grad(x * x, x, np.array([1.0, 10.0])).data, [2, 40])


def test_only_the_path_to_the_inputs_is_visited():
    """A gradient penalty asks for the gradient of the input alone; the weights' cost nothing."""
    visited = []

    @primitive
    def spy(x, w):
        return x * w

    spy.rule(x=lambda g, w: g * w, w=lambda g, x: visited.append("w") or g * x)
    try:
        x, w = leaf(2.0), leaf(3.0)
        assert grad(spy(x, w * 2), x).data == 6
        assert not visited
    finally:
        del PRIMITIVES["spy"]


def test_a_hundred_thousand_operations_need_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    assert grad(y, x).data == 100_001


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_graph_goes_away_by_reference_count(create_graph):
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = ag.exp(ag.tanh(x) * x).sum()
        g = grad(y, x, create_graph=create_graph)
        del y, g
        nodes = [o for o in gc.get_objects() if type(o) is Node and o is not x.node]
        assert not [n for n in nodes if x.node in n.parents]
    finally:
        gc.enable()


def test_rules_keep_only_what_they_name():
    x, y = leaf(*range(4)), leaf(*range(4))
    z = ag.exp(x)
    for made, kept in (
        (x + y, []),
        (z, [z.data]),
        (x * y, [x.data, y.data]),
        (ag.sin(x), [x.data]),
    ):
        assert len(made.node.saved) == len(kept)
        assert all(a is b for a, b in zip(made.node.saved, kept))


def test_no_grad_records_nothing_and_detach_cuts():
    x = leaf(2.0)
    with no_grad():
        assert not (x * x).requires_grad
    assert (x * x).requires_grad
    assert not (x * x).detach().requires_grad
    assert grad(x * (x * x).detach(), x).data == 4


def test_create_graph_records_even_under_no_grad():
    x = leaf(2.0)
    y = x**3
    with no_grad():
        slope = grad(y, x, create_graph=True)
    assert grad(slope, x).data == 12


def test_integers_made_of_a_tensor_are_constants():
    x = leaf(1.5, 2.5)
    assert not x.astype(int).requires_grad
    assert not x.astype(bool).requires_grad


def test_rules_may_be_declared_one_by_one():
    @primitive
    def product(x, y):
        return x * y

    product.rule(x=lambda g, y: g * y)
    product.rule(y=lambda g, x: g * x)
    del PRIMITIVES["product"]
    check.gradients(product, np.ones(2), np.ones(2), order=2)


@pytest.mark.parametrize(
    "rule", [lambda g, y: (g @ y.T).T, lambda g: g.sum(axis=0), lambda g: g.reshape(6, 1)]
)
def test_a_rule_that_gives_another_shape_is_refused(rule):
    @primitive
    def product(x, y):
        return x @ y

    product.rule(x=rule)
    del PRIMITIVES["product"]
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(ValueError, match=r"a rule of product of shape \(2, 3\).* input of shape"):
        grad(product(x, np.ones((3, 3))).sum(), x)


def test_a_number_can_be_formatted_and_converted():
    x = leaf(-2.0).sum()
    assert f"{x:.2f}" == "-2.00"
    assert (float(x.detach()), int(x.detach()), abs(x).item()) == (-2, -2, 2)


def test_arrays_mix_with_tensors_on_either_side():
    x = leaf(1.0, 2.0)
    for y in (np.ones(2) + x, x + np.ones(2), np.float64(1) + x, 1 + x):
        assert isinstance(y, Tensor)
        np.testing.assert_array_equal(y.data, [2, 3])
    np.testing.assert_array_equal((np.eye(2) @ x).data, [1, 2])
    np.testing.assert_array_equal((x > 1), [False, True])
    assert [row.data.item() for row in x] == [1, 2]


LINE = "test_engine.py:"


@pytest.mark.parametrize(
    ("what", "attempt", "error", "message"),
    [
        ("freed graph", lambda x: (y := (x * x).sum(), grad(y, x), grad(y, x)), RuntimeError,
         rf"freed by an earlier sweep: sum of shape \(\), made at .*{LINE}\d+ .* retain_graph"),
        ("in place", lambda x: x.__setitem__(0, 1.0), TypeError,
         rf"shape \(2,\) cannot be assigned in place \(leaf .*{LINE}\d+ .*\).* write where"),
        ("shapes", lambda x: x + np.zeros(3), ValueError,
         r"add of float64\(2,\) and float64\(3,\): operands could not be broadcast"),
        ("matmul shapes", lambda x: x @ np.zeros((3, 2)), ValueError,
         r"matrix_product of float64\(1, 2\) and"),
        ("index", lambda x: x[5], IndexError, r"getitem of float64\(2,\): index 5"),
        ("integers", lambda x: Tensor([1, 2], requires_grad=True), TypeError,
         r"Tensor of int64 and shape \(2,\) cannot have a gradient: float32 and float64 can"),
        ("vector output", lambda x: grad(x * x, x), ValueError,
         rf"shape \(2,\) \(mul .*{LINE}\d+ .*\) needs a cotangent .* x.sum\(\)"),
        ("cotangent shape", lambda x: grad(x * x, x, np.ones(3)), ValueError,
         r"cotangent of shape \(3,\) for mul of shape \(2,\)"),
        ("cotangent a number", lambda x: grad(x * x, x, 1.0), ValueError,
         r"cotangent of shape \(\) for mul"),
        ("a dict of arrays", lambda x: grad(x.sum(), {"x": 1}), TypeError, "a list or a dict of"),
        ("an array of outputs", lambda x: grad(np.ones(2), x), TypeError, "grad takes a Tensor"),
        ("nothing to add", lambda x: x + None, TypeError, r"add of float64\(2,\) and NoneType"),
        ("stride 0", lambda x: ag.conv2d(Tensor(np.zeros((1, 1, 2, 2))), np.zeros((1, 1, 1, 1)),
         stride=0), ValueError, r"conv2d of float64.*stride \(0, 0\)"),
        ("nothing recorded", lambda x: Tensor([1.0]).sum().backward(), ValueError,
         "records nothing has no gradient: it was detached"),
        ("input not recorded", lambda x: grad(x.sum(), Tensor([1.0])), ValueError,
         "no gradient with respect to a Tensor .* requires_grad=True"),
        ("NumPy function", lambda x: np.asarray(x), TypeError, "use the functions of autograd"),
        ("convolution channels", lambda x: ag.conv2d(Tensor(np.zeros((1, 2, 4, 4))),
         np.zeros((1, 3, 3, 3))), ValueError, r"not \(1, 2, 4, 4\) and \(1, 3, 3, 3\)"),
        ("kernel too large", lambda x: ag.conv2d(Tensor(np.zeros((1, 1, 2, 2))),
         np.zeros((1, 1, 3, 3))), ValueError, r"no \(3, 3\) window .* image of \(2, 2\)"),
        ("no parts", lambda x: ag.concatenate([]), ValueError, "at least one part"),
        ("cuda without CuPy", lambda x: x.to("cuda"), RuntimeError, "use cpu"),
        ("unknown device", lambda x: x.to("tpu"), ValueError, "unknown device 'tpu'"),
        ("gradient of a constant", lambda x: setattr(Tensor([1.0]), "grad", x), ValueError,
         "records nothing"),
    ],
)  # fmt: skip
def test_errors_name_the_primitive_the_shapes_and_the_cure(what, attempt, error, message):
    with pytest.raises(error, match=message):
        attempt(leaf(1.0, 2.0))


def test_a_rule_that_names_the_unknown_is_refused():
    with pytest.raises(TypeError, match=r"the rule for 'x' asks for \['y'\]"):
        PRIMITIVES["exp"].rule(x=lambda g, y: g)
    check.gradients(ag.exp, np.ones(2))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("f", "x", "message"),
    [
        (
            lambda x: ag.log(x) * 2,
            -1.0,
            rf"log of float64\(1,\) at .*{LINE}\d+ .*: made the first NaN",
        ),
        (lambda x: x * 2, np.nan, "mul of .*: its input 'x' is already NaN"),
        (lambda x: ag.sqrt(x) * 0.0, 0.0, rf"gradient of sqrt of shape \(1,\), made at .*{LINE}"),
    ],
)
def test_detect_nan_names_the_primitive_and_the_line(f, x, message):
    with detect_nan(), pytest.raises(FloatingPointError, match=message):
        f(leaf(x)).sum().backward()
    f(leaf(x)).sum().backward()  # outside, NaN passes


def test_repr_says_what_made_it():
    x = leaf(1.0)
    assert repr(x) == "Tensor([1.])"
    assert repr(x * 2) == "Tensor([2.], made by mul)"
    assert repr(PRIMITIVES["sum"]) == "<primitive sum(x, *, axis=None, keepdims=False)>"


def test_the_check_names_argument_index_numbers_and_step():
    def wrong(x, y):  # the gradient of y[1] is cut
        return (1e6 * x * ag.where(np.array([True, False]), y, y.detach())).sum()

    with pytest.raises(check.GradientError) as caught:
        check.gradients(wrong, np.array([2.0, 3.0]), np.array([5.0, 7.0]), order=1)
    error = caught.value
    assert (error.order, error.argument, error.index, error.step) == (1, 1, (1,), 1e-4)
    assert error.derivative == 0
    assert abs(error.difference) > 0.1
    assert "argument 1 at (1,)" in str(error)


def test_the_adjoint_check_names_the_order_and_the_two_products():
    def wrong(x, y):  # right once; the gradient's own dependence on y is cut
        return x * y.detach() + x.detach() * y - (x * y).detach()

    check.adjoint(wrong, np.ones(2), np.ones(2))
    with pytest.raises(
        check.GradientError, match=r"order 2, argument 1 at \(\).* adjoint identity"
    ):
        check.adjoint(wrong, np.ones(2), np.ones(2), order=2)


def test_the_check_sees_a_small_argument_beside_a_large_one():
    def wrong(x, y):  # five per cent of the gradient of y are cut
        return 1e6 * x + 0.95 * y + 0.05 * y.detach()

    with pytest.raises(check.GradientError, match="argument 1"):
        check.gradients(wrong, np.ones(2), np.ones(2))


def test_the_check_sees_a_second_derivative_that_is_wrong():
    def wrong(x):  # d/dx x^2 = 2x is right, but its own derivative is cut
        return x * x.detach() * 2 - x.detach() ** 2

    check.gradients(wrong, np.array([2.0]), order=1)
    with pytest.raises(check.GradientError, match="order 2, argument 0"):
        check.gradients(wrong, np.array([2.0]), order=2)


FAULTS = """
import resource
import numpy as np
import autograd

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2**20) for _ in range(20)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first, second = faults(), faults()
assert second < first / 100, (first, second)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
def test_freed_memory_is_kept_for_the_next_arrays():
    """Also more than fits at the end of the heap by glibc's own rules: here 160 MiB."""
    subprocess.run([sys.executable, "-c", FAULTS], check=True)
