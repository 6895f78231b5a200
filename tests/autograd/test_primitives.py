"""Every primitive of the table: its derivatives, its dtypes, its manners."""

import gc
import inspect
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from autograd import PRIMITIVES, Tensor, check, grad
from tests.autograd.cases import CASES, MULTILINEAR, Sampler

NAMES = sorted(PRIMITIVES)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def sampled_case(data: st.DataObject, name: str) -> tuple[Callable, list[np.ndarray]]:
    sampler = Sampler(data.draw)
    return sampler.choose(*CASES[name])(sampler)


def is_linear(f: Callable, arrays: list[np.ndarray]) -> bool:
    """Whether f is linear in its first argument; x * x, a case of mul, is not."""
    first, *rest = arrays
    return np.allclose(f(2 * first, *rest), 2 * f(first, *rest))


def every_primitive(examples: int) -> Callable:
    """A Hypothesis test for each primitive, with so many examples."""

    def decorate(test: Callable) -> Callable:
        test = given(data=st.data())(test)
        test = settings(max_examples=examples, deadline=None, suppress_health_check=SLOW)(test)
        return pytest.mark.parametrize("name", NAMES)(test)

    return decorate


def test_every_primitive_has_cases():
    assert set(CASES) == set(PRIMITIVES)


@every_primitive(examples=80)
def test_derivatives_of_three_orders(name, data):
    f, arrays = sampled_case(data, name)
    check.gradients(f, *arrays, order=3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MULTILINEAR)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_adjoint_identity(name, dtype, data):
    f, arrays = sampled_case(data, name)
    assume(is_linear(f, arrays))
    check.adjoint(f, *(x.astype(dtype) for x in arrays), order=3)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda x: x,
    "Fortran": lambda x: np.array(x, order="F"),
    "negative strides": lambda x: np.flip(np.flip(x).copy()),
    "every other": lambda x: np.repeat(x[..., None], 2, axis=-1)[..., 0],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}


def derivatives(f: Callable, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """f and its repeated gradients, to order 3, along ones: for any number of arguments."""
    xs = [Tensor(x, requires_grad=True) for x in arrays]
    y = f(*xs)
    found = [y.data]
    for _ in range(3):
        gradients = grad(y.sum(), xs, create_graph=True)
        found += [g.data for g in gradients]
        y = sum((g * x.data).sum() for g, x in zip(gradients, xs))
    return found


@pytest.mark.filterwarnings("ignore:overflow")
@every_primitive(examples=30)
def test_float32_stays_in_any_layout_and_inputs_are_not_mutated(name, data):
    f, arrays = sampled_case(data, name)
    layouts = [LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))] for _ in arrays]
    inputs = [layout(x.astype(np.float32)) for layout, x in zip(layouts, arrays)]
    before = [x.copy() for x in inputs]
    found = derivatives(f, inputs)
    assert {x.dtype for x in found} == {np.dtype(np.float32)}
    for x, copy in zip(inputs, before):
        np.testing.assert_array_equal(x, copy)
    for single, double in zip(found, derivatives(f, arrays)):
        assert single.shape == double.shape
        scale = 1 + np.abs(double).max(initial=0)
        np.testing.assert_allclose(single, double, atol=2e-4 * scale, rtol=0)


@every_primitive(examples=5)
def test_arrays_in_array_out(name, data):
    f, arrays = sampled_case(data, name)
    y = f(*arrays)
    assert not isinstance(y, Tensor)
    np.testing.assert_array_equal(y, f(*map(Tensor, arrays)).data)


@every_primitive(examples=2)
def test_nothing_is_left_for_the_collector(name, data):
    f, arrays = sampled_case(data, name)
    derivatives(f, arrays)  # a first call may fill caches
    gc.collect()
    gc.disable()
    try:
        derivatives(f, arrays)
        assert gc.collect() == 0
    finally:
        gc.enable()


def _detached(d):
    return d.detach() if isinstance(d, Tensor) else d


MUTATIONS: dict[str, Callable] = {
    "sign flipped": lambda d: -d,
    "a factor of 2 dropped": lambda d: d / 2,
    "one part in ten thousand": lambda d: d * 1.0001,
    "always zero": lambda d: d * 0,
    "not differentiable again": _detached,
}


def mutants(name: str) -> list[tuple[str, dict[str, Callable]]]:
    """Wrong tables of rules for a primitive: each rule spoilt in each way, and rules exchanged."""
    rules = {argument: rule for argument, rule in PRIMITIVES[name].vjps.items() if rule}
    spoilt = [
        (f"{name}, {argument}: {how}", rules | {argument: _spoilt(rule, mutation)})
        for argument, rule in rules.items()
        for how, mutation in MUTATIONS.items()
    ]
    names = list(rules)
    exchanged = dict(zip(names, [rules[n] for n in names[1:] + names[:1]]))
    different = [r.__code__.co_code if hasattr(r, "__code__") else r for r in rules.values()]
    if len(set(different)) > 1:
        spoilt.append((f"{name}: the rules of {' and '.join(names)} exchanged", exchanged))
    return spoilt


def _spoilt(rule: Callable, mutation: Callable) -> Callable:
    """`rule` with its answer changed; its parameters are those of `rule`."""

    def wrong(*args):
        return mutation(rule(*args))

    wrong.__signature__ = inspect.signature(rule)  # type: ignore[attr-defined]
    return wrong


def refusal(name: str, rules: dict[str, Callable], checked: Callable) -> str | None:
    """What rejects a primitive with these rules, when Hypothesis drives `checked` over it.

    "number" is a check, "shape" the sweep, which takes no cotangent that does not fit; None is
    nobody. Any other exception is a fault of the test.
    """

    @settings(max_examples=30, deadline=None, database=None, derandomize=True,
              phases=[Phase.generate], suppress_health_check=SLOW)  # fmt: skip
    @given(data=st.data())
    def driven(data):
        checked(*sampled_case(data, name))

    primitive, right = PRIMITIVES[name], PRIMITIVES[name].vjps
    primitive.rule(**rules)
    try:
        driven()
    except check.GradientError:
        return "number"
    except ValueError as error:
        assert str(error).startswith("a rule of")
        return "shape"
    finally:
        primitive.rule(**right)
    return None


def by_differences(f: Callable, arrays: list[np.ndarray]) -> None:
    """Of y + y^3, so that the cotangent varies with y, and a rule that cuts its history shows."""

    def curved(*xs):
        y = f(*xs)
        return y + y * y * y

    check.gradients(curved, *arrays, order=2)


def by_adjoint(f: Callable, arrays: list[np.ndarray]) -> None:
    assume(is_linear(f, arrays))
    check.adjoint(f, *arrays)


@pytest.mark.parametrize("name", NAMES)
def test_every_mutant_is_caught_and_the_right_rules_are_not(name, record_property):
    made = mutants(name)
    assert refusal(name, PRIMITIVES[name].vjps, by_differences) is None
    refusals = {what: refusal(name, rules, by_differences) for what, rules in made}
    record_property("mutants", list(refusals.values()))
    assert not [what for what, by in refusals.items() if by is None]


@pytest.mark.parametrize("name", MULTILINEAR)
def test_the_adjoint_identity_catches_mutants_too(name):
    caught = {
        what: refusal(name, rules, by_adjoint)
        for what, rules in mutants(name)
        if "not differentiable again" not in what  # the first order does not ask for it
        and ", b: " not in what  # with a bias a convolution is not linear
    }
    assert not [what for what, by in caught.items() if by is None]
