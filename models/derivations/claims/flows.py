"""Claims about flows: the change of variables, couplings, and densities of whole levels."""

from typing import Any

import numpy as np
from scipy import integrate, stats

from autograd import jacobian, log
from models.densities.realnvp import RealNVP, Settings
from models.derivations.claim import Formula, Routes, claim


def _flow() -> RealNVP:
    """Three couplings of four numbers, with random weights, in float64."""
    rng = np.random.default_rng(0)
    flow = RealNVP(Settings(layers=3, hidden=(6,)), (4,), 0, rng)
    for tensor in flow.tensors().values():
        tensor.data = tensor.data.astype(np.float64)
    for p in flow.parameters().values():
        p.data = p.data + 0.5 * rng.standard_normal(p.shape)
    return flow


X = np.array([0.3, -1.2, 0.8, 0.5])


def _jacobian(f: Any, x: np.ndarray) -> np.ndarray:
    """dy/dx by our engine, of a function of (1, D)."""
    return jacobian(lambda one: f(one.reshape((1, -1))).reshape(-1), x).data


@claim(
    r"p(x) = p_Z(f(x)) \, | f'(x) |",
    source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.1",
    given="z = f(x) = log x is N(0, 1), so x is log-normal; x = 0.5, 1, 2.5",
    tolerance=1e-9,
    because="only rounding differs",
    mistakes={
        "the derivative of the inverse": lambda p, slope: p / slope,
        "the derivative is forgotten": lambda p, slope: p,
        "its square, as of a variance": lambda p, slope: p * slope**2,
    },
)
def change_of_variables(formula: Formula = lambda p, slope: p * slope) -> Routes:
    """The density of x is that of z = f(x), times how much f stretches."""
    x = np.array([0.5, 1.0, 2.5])
    slopes = np.diag(jacobian(log, x).data)
    yield "closed form", formula(stats.norm.pdf(np.log(x)), slopes)
    yield "scipy's log-normal", stats.lognorm(1).pdf(x)


@claim(
    r"\log | \det \frac{\partial y}{\partial x} | = \sum_j (1 - b_j) s_j(b x)",
    source="Dinh, Sohl-Dickstein & Bengio 2017, sections 3.3 and 3.4",
    given="a coupling of four numbers with random weights; b = (1, 0, 1, 0)",
    tolerance=1e-10,
    because="only rounding differs",
    mistakes={
        "the scales themselves, not their logarithms": lambda s, b: np.sum((1 - b) * np.exp(s)),
        "the mask is turned round": lambda s, b: np.sum(b * s),
        "the sign of the inverse": lambda s, b: -np.sum((1 - b) * s),
    },
)
def log_determinant_of_a_coupling(
    formula: Formula = lambda s, b: np.sum((1 - b) * s),
) -> Routes:
    """A coupling's Jacobian is triangular: its log-determinant is a sum of what is there anyway."""
    coupling = _flow().couplings[0]
    h = coupling.features(X[None] * coupling.kept.data)
    s = (coupling.bound.data * np.tanh(coupling.scale(h).data))[0]
    yield "the sum of s", formula(s, coupling.kept.data)
    yield "slogdet of our Jacobian", np.linalg.slogdet(_jacobian(lambda x: coupling(x)[0], X))[1]
    yield "our coupling", coupling(X[None])[1].data[0]


@claim(
    r"\log |\det (f_3 \circ f_2 \circ f_1)'| = \sum_i \log |\det f_i'|, "
    r"\ \mathrm{each\ at\ its\ own\ input}",
    source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.5",
    given="three couplings of four numbers with random weights",
    tolerance=1e-10,
    because="only rounding differs",
    mistakes={
        "all of them at x": lambda inputs, at: [at] * len(inputs),
        "each at its output": lambda inputs, at: [*inputs[1:], at],
    },
)
def log_determinants_add_up(formula: Formula = lambda inputs, at: inputs) -> Routes:
    """The log-determinant of a composition is the sum of those of its parts."""
    flow = _flow()
    inputs = [X[None]]
    for coupling in flow.couplings[:-1]:
        inputs.append(coupling(inputs[-1])[0].data)
    places = formula(inputs, X[None])
    jacobians = [
        _jacobian(lambda x, f=coupling: f(x)[0], place[0])
        for coupling, place in zip(flow.couplings, places)
    ]
    yield "the sum over the parts", sum(np.linalg.slogdet(j)[1] for j in jacobians)
    whole = _jacobian(lambda x: flow.encode(x)[0], X)
    yield "slogdet of the whole Jacobian", np.linalg.slogdet(whole)[1]
    yield "our flow", flow.encode(X[None])[1].data[0]


@claim(
    r"x = b y + (1 - b) (y - t(b y)) e^{-s(b y)}",
    source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.3",
    given="a coupling of four numbers with random weights",
    tolerance=1e-10,
    because="only rounding differs",
    mistakes={
        "the shift is taken away after the scale": lambda y, s, t: y * np.exp(-s) - t,
        "the scale of the forward way": lambda y, s, t: (y - t) * np.exp(s),
    },
)
def inverse_of_a_coupling(formula: Formula = lambda y, s, t: (y - t) * np.exp(-s)) -> Routes:
    """A coupling is inverted without inverting its network."""
    coupling = _flow().couplings[0]
    y = coupling(X[None])[0].data
    s, t = (part.data for part in coupling.scale_and_shift(y))
    yield "from y alone", formula(y, s, t)[0]
    yield "x", X
    yield "our inverse", coupling.inverse(y).data[0]


@claim(
    r"\mathbb{E}_{u \sim U[0, 1)} \log p(k + u) \leq \log \int_0^1 p(k + u) \, du = \log P(k)",
    source="Theis, van den Oord & Bethge 2016, section 3.1",
    given="a density N(2.2, 0.8^2) of levels that are one wide; k = 1 and 3",
    tolerance=1e-9,
    because="quadrature of a smooth function is exact to about 1e-12",
    relation="<=",
    mistakes={
        "without noise, in the middle of the level": lambda log_p, k: log_p(k + 0.5),
        "the greatest density of the level": lambda log_p, k: max(
            log_p(k + u) for u in np.linspace(0, 1, 11)
        ),
    },
)
def dequantisation_is_a_bound(
    formula: Formula = lambda log_p, k: integrate.quad(lambda u: log_p(k + u), 0, 1)[0],
) -> Routes:
    """With uniform noise on the levels, a density bounds their probability."""
    density = stats.norm(2.2, 0.8)
    levels = np.array([1.0, 3.0])
    yield "the mean of log p(k + u)", np.array([formula(density.logpdf, k) for k in levels])
    yield "log P(k)", np.log(density.cdf(levels + 1) - density.cdf(levels))
