"""A derivation that holds is told so, and each planted mistake is named for what it is."""

import numpy as np
import pytest

from autograd.check import DerivationError, derivation

RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 3)), RNG.standard_normal(3)
Y, C = RNG.standard_normal((5, 3)), RNG.standard_normal(4)
Z = RNG.standard_normal(4)


def squares(w, x, b):
    return 0.5 * ((x @ w + b - Y) ** 2).sum()


def squares_gradient(w, x, b):
    r = x @ w + b - Y
    return x.T @ r, r @ w.T, r.sum(axis=0)


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


def weighted_softmax(z):
    return C @ softmax(z)


def softmax_gradient(z):
    s = softmax(z)
    return C * s - s * (C @ s)


def wrong_second_term(z):
    s = softmax(z)
    return C * s + s * (C @ s)


def half_of_the_second_term(z):
    s = softmax(z)
    return C * s - s * (C @ s) / 2


def superfluous_term(z):
    s = softmax(z)
    return C * s - s * (C @ s) + z


def ridge(z):
    return (z**3).sum() / 3 + 0.05 * (z @ z)


def spread(x):
    return 0.5 * ((x - x.mean(axis=0)) ** 2 * (1 + np.arange(5)[:, None])).sum()


def altered(**changes):
    """`squares_gradient` with what some of its entries become."""

    def gradient(w, x, b):
        right = dict(zip("wxb", squares_gradient(w, x, b)))
        return tuple(changes.get(name, lambda g: g)(g) for name, g in right.items())

    return gradient


@pytest.mark.parametrize(
    ("f", "df", "inputs"),
    [
        (squares, squares_gradient, (W, X, B)),
        (weighted_softmax, softmax_gradient, (Z,)),
        (np.sin, np.cos, (0.3,)),
        (lambda x: x.sum(), np.ones_like, (np.zeros((2, 0)),)),
    ],
)
def test_what_holds(f, df, inputs):
    derivation(f, df, *inputs)


PLANTED = {
    "sign": (squares, altered(w=np.negative), (W, X, B), "w", (0, 0), "The sign is flipped."),
    "factor": (squares, altered(w=lambda g: 2 * g), (W, X, B), "w", (0, 0), "2 times the gradient"),
    "factor and sign": (squares, altered(x=lambda g: g / -3), (W, X, B), "x", (0, 0), "-1/3 times"),
    "a mean": (squares, altered(b=lambda g: g / 5), (W, X, B), "b", (0,), "5 is the length of x"),
    "transposed": (squares, altered(w=np.transpose), (W, X, B), "w", (0, 1), "It is transposed."),
    "a shape transposed": (
        squares, altered(x=np.transpose), (W, X, B), "x", None, "It is transposed."
    ),
    "transposed and negative": (
        squares, altered(w=lambda g: -g.T), (W, X, B), "w", (0, 0), "transposed, and the sign"
    ),
    "sum over the batch": (
        squares, lambda w, x, b: (*squares_gradient(w, x, b)[:2], x @ w + b - Y), (W, X, B),
        "b", None, "A sum over axis 0 is missing",
    ),
    "second term's sign": (
        weighted_softmax, wrong_second_term, (Z,), "z", (0,),
        "Right but for term 2, `s * (C @ s)`, whose sign is flipped.",
    ),
    "second term's half": (
        weighted_softmax, half_of_the_second_term, (Z,), "z", (0,), "should be 2 times that"
    ),
    "a term too many": (
        weighted_softmax, superfluous_term, (Z,), "z", (0,), "`z`, which should not be there"
    ),
    "a term of the input missing": (
        ridge, np.square, (Z,), "z", (0,), "Right but for a second term: 1/10 times z is missing."
    ),
    "the mean's own gradient missing": (
        spread, lambda x: (x - x.mean(axis=0)) * (1 + np.arange(5)[:, None]), (X,), "x", (0, 0),
        "Right but for a second term, the same all along axis 0",
    ),
    "only some entries": (
        lambda z: np.abs(z).sum(), np.ones_like, (np.array([1.0, -2.0, 3.0]),), "z", (1,),
        "2 of 3 entries are right.",
    ),
    "nothing like it": (ridge, np.cos, (Z,), "z", (0,), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_mistakes_are_named(name):
    f, df, inputs, argument, index, suggestion = PLANTED[name]
    with pytest.raises(DerivationError) as caught:
        derivation(f, df, *inputs)
    error = caught.value
    assert (error.argument, error.index) == (argument, index)
    assert suggestion in error.suggestion
    assert bool(suggestion) == bool(error.suggestion)
    assert str(error).startswith(f"argument {argument}")


@pytest.mark.parametrize(
    ("f", "df", "inputs", "message"),
    [
        (np.sin, np.cos, (Z,), r"f returns \(4,\): a gradient is that of a number"),
        (squares, lambda w, x, b: (w, x), (W, X, B), "2 gradients for 3 inputs"),
        (np.sin, np.cos, (), "at least one array"),
    ],
)
def test_what_is_no_function_and_its_gradient(f, df, inputs, message):
    with pytest.raises(ValueError, match=message):
        derivation(f, df, *inputs)
