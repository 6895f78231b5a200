"""Claims about critics with a bounded slope: gradient penalty and spectral norm."""

import numpy as np
from scipy import optimize

from autograd import Tensor, grad, nn, norm, tanh
from models.adversarial import cures
from models.derivations.claim import Formula, Routes, claim


@claim(
    r"\mathbb{E}[(\| \nabla_x f \| - 1)^2] = (k - 1)^2 \quad \mathrm{for} \ f(x) = k \|x\|",
    source="Gulrajani et al. 2017, eq. 3",
    given="slopes k of 1/2, 1 (the largest of a 1-Lipschitz critic) and 2",
    tolerance=1e-8,
    because="central differences: rounding of 1e-15 over 1e-5, and a cubic term of 1e-10",
    mistakes={
        "one-sided: only slopes above 1": lambda k: np.maximum(k - 1, 0) ** 2,
        "the squared norm minus 1": lambda k: (k**2 - 1) ** 2,
        "a target of 0, not 1": lambda k: k**2,
        "not squared": lambda k: np.abs(k - 1),
    },
)
def gradient_penalty(formula: Formula = lambda k: (k - 1) ** 2) -> Routes:
    """The gradient penalty is 0 for a critic of slope 1, and (k - 1)^2 for one of slope k."""
    k, h = np.array([0.5, 1.0, 2.0]), 1e-5
    x = np.random.default_rng(0).standard_normal((20, 2))
    yield "closed form", formula(k)
    points = Tensor(x, requires_grad=True)
    critics = [lambda x, _, c=c: c * norm(x, axis=1) for c in k]
    yield "our penalty", [cures.gradient_penalty(critic, points).item() for critic in critics]
    steps = h * np.eye(2)[:, None]
    across = np.linalg.norm(x + steps, axis=2) - np.linalg.norm(x - steps, axis=2)
    slope = np.linalg.norm(across / (2 * h), axis=0)  # of |x|
    yield "finite differences of f", [((c * slope - 1) ** 2).mean() for c in k]


def _terms_of_the_penalty(w: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """Both terms of d/dw (|grad f| - 1)^2, f = tanh(w x): through |w|, and through t = tanh(w x).

    grad_x f = (1 - t^2) w, so |grad f| = (1 - t^2) |w|, and d(1 - t^2)/dw = -2 t (1 - t^2) x.
    """
    t, length = np.tanh(x @ w)[:, None], np.linalg.norm(w)
    factor = 2 * ((1 - t**2) * length - 1)
    return [factor * (1 - t**2) * w / length, factor * length * -2 * t * (1 - t**2) * x]


@claim(
    r"\nabla_w (\| \nabla_x f \| - 1)^2 = 2 (\| \nabla_x f \| - 1) \, \nabla_w \| \nabla_x f \|, "
    r"\quad f(x) = \tanh(w^T x)",
    source="Gulrajani et al. 2017, section 4",
    given="a critic of one neuron at 20 points, w = (1.5, -0.7)",
    tolerance=1e-8,
    because="central differences: rounding of 1e-15 over 1e-5, and a cubic term of 1e-10",
    mistakes={
        "the slope of tanh as a constant": lambda w, x: _terms_of_the_penalty(w, x)[0],
        "the wrong sign of the second term": lambda w, x: np.subtract(*_terms_of_the_penalty(w, x)),
        "without the factor 2": lambda w, x: sum(_terms_of_the_penalty(w, x)) / 2,
    },
)
def gradient_of_the_penalty(
    formula: Formula = lambda w, x: sum(_terms_of_the_penalty(w, x)),
) -> Routes:
    """Training with the penalty needs the gradient of a gradient: a second derivative."""
    w, h = np.array([1.5, -0.7]), 1e-5
    x = np.random.default_rng(0).standard_normal((20, 2))
    yield "by hand", formula(w, x).mean(0)
    weight = Tensor(w, requires_grad=True)
    points = Tensor(x, requires_grad=True)
    penalty = cures.gradient_penalty(lambda x, _: tanh(x @ weight), points)
    yield "our penalty, differentiated twice", grad(penalty, weight).data

    def value(w: np.ndarray) -> float:
        return (((1 - np.tanh(x @ w) ** 2) * np.linalg.norm(w) - 1) ** 2).mean()

    slopes = [(value(w + step) - value(w - step)) / (2 * h) for step in h * np.eye(2)]
    yield "finite differences", slopes


def _square_layer() -> tuple[cures.SpectralNorm, np.ndarray]:
    """A layer of 4 to 4 after 100 steps of the power method, and its weight."""
    rng = np.random.default_rng(0)
    layer = nn.Linear(4, 4, rng)
    normalised = cures.SpectralNorm(layer, rng)
    for _ in range(100):
        normalised.sigma()
    return normalised, layer.weight.numpy().astype(float)


@claim(
    r"\sigma(W) = \max_x \frac{\|W x\|}{\|x\|} = \sqrt{\lambda_{\max}(W^T W)}",
    source="Miyato et al. 2018, section 2.1 and algorithm 1",
    given="a 4x4 matrix W, and 100 steps of the power method",
    tolerance=1e-5,
    because="the network computes in float32",
    mistakes={
        "the Frobenius norm": np.linalg.norm,
        "the largest eigenvalue of W": lambda w: np.abs(np.linalg.eigvals(w)).max(),
        "without the root": lambda w: np.linalg.eigvalsh(w.T @ w).max(),
        "the longest column": lambda w: np.linalg.norm(w, axis=0).max(),
    },
)
def spectral_norm(
    formula: Formula = lambda w: np.sqrt(np.linalg.eigvalsh(w.T @ w).max()),
) -> Routes:
    """The spectral norm is the largest singular value: the largest factor by which W stretches."""
    normalised, w = _square_layer()
    yield "closed form: the root of an eigenvalue", formula(w)
    yield "numpy's largest singular value", np.linalg.svd(w, compute_uv=False)[0]
    yield "our SpectralNorm, by the power method", normalised.sigma().item()
    stretch = lambda x: -np.linalg.norm(w @ x) / np.linalg.norm(x)  # noqa: E731
    yield "scipy's longest W x", -optimize.minimize(stretch, np.ones(4), tol=1e-10).fun


@claim(
    r"\nabla_W \sigma(W) = u_1 v_1^T",
    source="Miyato et al. 2018, section 2",
    given="a 4x4 matrix W whose largest singular value is simple",
    tolerance=1e-5,
    because="the network computes in float32",
    mistakes={
        "transposed": lambda u, sigma, v: np.outer(v, u),
        "a factor sigma": lambda u, sigma, v: sigma * np.outer(u, v),
        "v on both sides": lambda u, sigma, v: np.outer(v, v),
    },
)
def gradient_of_the_spectral_norm(formula: Formula = lambda u, sigma, v: np.outer(u, v)) -> Routes:
    """u and v count as constants: they maximise u' W v, so their change has no effect on it."""
    normalised, w = _square_layer()
    u, sigma, v = np.linalg.svd(w)
    yield "closed form, with numpy's singular vectors", formula(u[:, 0], sigma[0], v[0])
    weight = normalised.layer.tensors()["weight"]
    yield "our SpectralNorm, u and v held fixed", grad(normalised.sigma(), weight).data
    h = 1e-5
    entries = h * np.eye(16).reshape(16, 4, 4)
    ends = [np.linalg.norm(w + s * entries, 2, axis=(1, 2)) for s in (1, -1)]
    yield "finite differences", ((ends[0] - ends[1]) / (2 * h)).reshape(4, 4)
