"""What `check.gradients` refuses, at every scale, and the numbers that it reports."""

import re

import numpy as np
import pytest

import autograd as ag
from autograd import PRIMITIVES, Tensor, check, primitive


def ruled(forward, rule):
    """A primitive of one argument with a rule, which may be wrong; it is not kept in the table."""
    made = primitive(forward)
    del PRIMITIVES[made.name]
    made.rule(x=rule)
    return made


SCALES, MANY_SCALES = np.array([1e8, 1.0]), np.where(np.arange(200) % 7, 1e8, 1.0)


def forgets_the_small(scale):
    """x times scale, but for the gradient of those whose scale is 1."""
    return ruled(lambda x: x * scale, lambda g: g * np.where(scale == 1, 0.0, scale))


def tiny(x):
    return 1e-9 * x


def in_sum(f):
    return lambda x: f(x).sum()


CASES = {
    "beside a large one": (forgets_the_small(SCALES), np.ones(2), 0, 1),
    "beside a large one, in their sum": (in_sum(forgets_the_small(SCALES)), np.ones(2), 0, 1),
    "among many": (forgets_the_small(MANY_SCALES), np.ones(200), 0, 1),
    "among many, in their sum": (in_sum(forgets_the_small(MANY_SCALES)), np.ones(200), 0, 1),
    "an output beside a large one": (
        ruled(lambda x: x * SCALES, lambda g: (g * np.array([1e8, 0])).sum()), np.array(1.0), 0, 1,
    ),
    "a tiny one": (ruled(tiny, lambda g: 0 * g), np.array([1.0, 2.0]), 0, 1e-9),
    "a tiny one, half": (ruled(tiny, lambda g: g * 5e-10), np.array(3.0), 5e-10, 1e-9),
    "a tiny one on top of 1": (
        lambda x: ruled(tiny, lambda g: 0 * g)(x).sum() + 1.0, np.array([1.0, 2.0]), 0, 1e-9,
    ),
    "the square of 3": (ruled(lambda x: x**2, lambda g: 3 * g), np.array(3.0), 3, 6),
    "squares": (ruled(lambda x: x**2, lambda g: 3 * g), np.full(100, 3.0), 3, 6),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_element_counts_by_its_own_scale_and_the_numbers_are_those_of_the_derivation(name):
    f, x, derivative, difference = CASES[name]
    with pytest.raises(check.GradientError) as caught:
        check.gradients(f, x)
    assert caught.value.derivative == pytest.approx(derivative)
    assert caught.value.difference == pytest.approx(difference, rel=0.05)


def cubed(x):
    """x^3, whose gradient is right and whose second derivative is half of what it should be."""

    def rule(g, x):
        return 3 * g * (x * x.detach() if isinstance(x, Tensor) else x * x)

    return ruled(lambda x: x**3, rule)(x)


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: cubed(x)[1], r"argument 0 at \(1,\), of the derivative by 0 at \(1,\):"),
        (cubed, r"argument 0 at (\(.,\)), of the derivative by 0 at \1 of output \1:"),
    ],
)
def test_a_second_derivative_is_that_of_one_output_by_two_elements(f, text):
    x = np.array([2.0, 2.0])
    check.gradients(f, x)
    with pytest.raises(check.GradientError) as caught:
        check.gradients(f, x, order=2)
    assert re.search(text, str(caught.value))
    assert "the rules give 6, finite differences (step 0.0001) 12" in str(caught.value)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (ag.log_softmax, [30.0, 0.0, -10.0]),  # 1 - softmax is all rounding
        (ag.softmax, [30.0, 0.0, -10.0]),
        (lambda x: ag.softmax(x).sum(), [1.0, 1.0, 1.0]),  # the gradient is 0 but for rounding
        (ag.var, [1.0, 1.0, 1.0]),
        (ag.logsumexp, [1e4, 1e4, 0.0]),
        (lambda x: x * SCALES, [1.0, 1.0]),
        (lambda x: (x * MANY_SCALES).sum(), MANY_SCALES),
        (lambda x: 1e-12 * x * x, [1.0, 2.0]),
    ],
)
def test_what_is_right_is_not_refused_for_its_rounding(f, x):
    for seed in range(5):
        check.gradients(f, np.array(x), order=3, seed=seed)
