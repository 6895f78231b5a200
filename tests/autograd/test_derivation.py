"""A correct derivation passes, and each planted mistake is named."""

import numpy as np
import pytest

from autograd.check import DerivationError, derivation
from tests.autograd.diagnosis_table import answer, functions
from tests.autograd.mistakes import DERIVATIONS

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
def test_correct_derivations_pass(f, df, inputs):
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
    assert f"argument {argument}" in str(error)


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_mistakes_of_students_are_named_and_none_wrongly(name, record_property):
    text, mistakes = DERIVATIONS[name]
    f, df, inputs = functions(text, f"<{name}>")
    assert derivation(f, df, *inputs)  # the correct one passes
    answers = {mistake.what: answer(text, mistake) for mistake in mistakes}
    verdicts = [one.verdict for one in answers.values()]
    record_property("diagnoses", verdicts)
    assert set(verdicts) <= {"right", "unexplained"}, answers
    assert verdicts.count("unexplained") <= 1, answers


def noisy(x):
    return float(x @ x + 1e-3 * np.random.default_rng().normal())


def coarse(x):
    return (x.astype(np.float32) ** 2).sum()


@pytest.mark.parametrize(
    ("f", "df", "inputs", "message"),
    [
        (np.sin, np.cos, (Z,), r"f returns \(4,\): a gradient is that of a number"),
        (
            squares,
            lambda w, x, b: (w, x),
            (W, X, B),
            r"2 gradients for 3 inputs.*constants=\['b'\]",
        ),
        (np.sin, np.cos, (), "at least one array"),
        (np.sum, np.ones_like, (np.arange(3),), "at least one array of floats"),
        (noisy, lambda x: 2 * x, (Z,), "f is not the same twice: it gives"),
        (coarse, lambda x: 2 * x, (Z,), "f computes in float32"),
        (lambda x: float(coarse(x)), lambda x: 2 * x, (Z,), "f computes in float32"),
        (lambda z: abs(z), lambda z: z, (1j,), "z is complex: give its real"),
        (lambda x: x * 1j, lambda x: 1j, (1.0,), "f returns complex128"),
        (lambda x: x @ x, lambda x: "2 x", (Z,), "the gradient of x is str"),
    ],
)
def test_functions_that_are_no_pair_are_refused(f, df, inputs, message):
    with pytest.raises(ValueError, match=message):
        derivation(f, df, *inputs)


def test_an_unknown_constant_is_refused():
    with pytest.raises(ValueError, match="constants names c: the inputs are w, x, b"):
        derivation(squares, squares_gradient, W, X, B, constants=["c"])


def test_a_gradient_that_writes_to_its_input():
    def doubled(w):
        w *= 2
        return w

    assert derivation(lambda w: w @ w, doubled, Z) == ["w"]


def picked(z, labels, scale, weight=1):
    return weight * scale * z[labels].sum()


def picked_gradient(z, labels, scale, weight=1):
    dz = np.zeros_like(z)
    np.add.at(dz, labels, scale)
    return dz


@pytest.mark.parametrize("scale", [2, True, np.float32(2), None])
def test_an_input_that_is_no_float_is_a_constant(scale):
    f, df = picked, picked_gradient
    if scale is None:
        f, df = (lambda z, y, _: picked(z, y, 1)), (lambda z, y, _: picked_gradient(z, y, 1))
    assert derivation(f, df, Z, np.array([0, 2, 2]), scale)[0] == "z"


@pytest.mark.parametrize(
    ("df", "constants", "held"),
    [
        (squares_gradient, ["x"], ["w", "b"]),  # one too many is returned, for the constant
        (lambda w, x, b: (x.T @ (x @ w + b - Y), (x @ w + b - Y).sum(axis=0)), ["x"], ["w", "b"]),
        (lambda w, x, b: x.T @ (x @ w + b - Y), [], ["w"]),  # one array is the first's gradient
        (lambda w, x, b: (x.T @ (x @ w + b - Y), None, None), ["x", "b"], ["w"]),
    ],
)
def test_arguments_held_fixed(df, constants, held):
    assert derivation(squares, df, W, X, B, constants=constants) == held


def test_all_wrong_arguments_are_reported():
    with pytest.raises(DerivationError) as caught:
        derivation(squares, altered(w=np.negative, b=lambda g: 7 * g), W, X, B)
    assert [(one.argument, one.suggestion) for one in caught.value.wrong] == [
        ("w", "The sign is flipped."),
        ("b", "It is 7 times the gradient."),
    ]
    assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize(
    ("f", "df", "x", "text"),
    [
        (
            lambda x: np.maximum(x, 0).sum(), lambda x: (x > 0) * 1.0, np.array([1.0, 0.0]),
            "f has a kink there: its slope is 0 below and 1 above",
        ),
        (lambda x: abs(x - 1e-5), lambda x: -1.0, np.array(0.0), "is a kink or a jump near"),
        (lambda x: np.floor(x), lambda x: 0.0, np.array(1.0), "f has a kink there"),
    ],
)  # fmt: skip
def test_a_kink_is_reported(f, df, x, text):
    with pytest.raises(DerivationError) as caught:
        derivation(f, df, x)
    assert text in caught.value.suggestion


def test_the_line_and_the_entry_are_reported():
    with pytest.raises(DerivationError) as caught:
        derivation(weighted_softmax, wrong_second_term, Z)
    line = wrong_second_term.__code__.co_firstlineno + 2
    assert str(caught.value).startswith(f"line {line}, argument z[0]: you derived ")


def test_a_scalar_has_no_index():
    with pytest.raises(DerivationError, match="argument x: you derived"):
        derivation(np.sin, np.sin, 0.3)
