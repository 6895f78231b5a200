"""Functions whose textbook form overflows, cancels or divides by zero, in forms that do not."""

import math
from typing import Any

import numpy as np

import kernels
from autograd.array import Axis
from autograd.ops.activation import sigmoid
from autograd.ops.elementwise import exp, maximum, where
from autograd.ops.index import class_indices, gather
from autograd.ops.reduce import mean, reduced_size, restore_axes, sum
from autograd.primitive import primitive
from autograd.tensor import Values, array_of

softplus = primitive(kernels.softplus)
softplus.rule(x=lambda g, x: g * sigmoid(x))


def log_sigmoid(x: Values) -> Any:
    return -softplus(-x)


@primitive
def bce_with_logits(logits, targets):
    """The binary cross-entropy -t log s(l) - (1 - t) log(1 - s(l)), in nats, element by element.

    Equal to softplus(l) - l t, since log s(l) = l - softplus(l) and log(1 - s(l)) = -softplus(l).
    For targets of 0 and 1 it is the negative log-likelihood of a Bernoulli variable.
    """
    return kernels.bce_with_logits(logits, targets)


bce_with_logits_grad = primitive(kernels.bce_with_logits_grad)


def _bce_grad_logits(h, g, logits):
    s = sigmoid(logits)
    return h * g * s * (1 - s)


bce_with_logits.rule(
    logits=lambda g, logits, targets: bce_with_logits_grad(g, logits, targets),
    targets=lambda g, logits: -g * logits,
)
bce_with_logits_grad.rule(
    g=lambda h, logits, targets: bce_with_logits_grad(h, logits, targets),
    logits=_bce_grad_logits,
    targets=lambda h, g: -h * g,
)


@primitive
def logsumexp(x, *, axis=None, keepdims=False):
    """log(sum e^x). Without any x it is -inf, the log of 0."""
    return kernels.logsumexp(x, axis, keepdims)


def _logsumexp_x(g, x, ans, axis):
    """g softmax(x) = g e^(x - ans); 0 where ans and so every x is -inf."""
    ans = maximum(restore_axes(ans, x.shape, axis), np.finfo(ans.dtype).min)
    return restore_axes(g, x.shape, axis) * exp(x - ans)


logsumexp.rule(x=_logsumexp_x)


@primitive
def logaddexp(x, y):
    """log(e^x + e^y)."""
    return np.logaddexp(x, y)


LOWEST = float(np.finfo(np.float32).min)  # finite, and far below


def _logaddexp_x(g, x, y):
    """g e^x / (e^x + e^y) = g sigmoid(x - y); 0 where x and y are -inf."""
    return g * sigmoid((x - maximum(y, LOWEST)).astype(g.dtype))  # NumPy makes numbers float64


logaddexp.rule(x=_logaddexp_x, y=lambda g, x, y: _logaddexp_x(g, y, x))


@primitive
def log_softmax(x, *, axis=-1):
    """x - logsumexp(x). Where every x is -inf, so is the answer."""
    total = logsumexp(x, axis=axis, keepdims=True)
    return x - np.maximum(total, np.finfo(total.dtype).min)


def _log_softmax_x(g, ans, axis):
    """g - softmax(x) sum(g); 0 where every x is -inf and so softmax(x) is 0."""
    p = exp(ans)
    g = where(array_of(p).sum(axis=axis, keepdims=True) == 0, 0.0, g)
    return g - p * sum(g, axis=axis, keepdims=True)


log_softmax.rule(x=_log_softmax_x)


def softmax(x: Values, axis: int = -1) -> Any:
    return exp(log_softmax(x, axis=axis))


def cross_entropy(logits: Values, indices: Values) -> Any:
    """-log softmax(l)_t in nats of logits l (..., K) and the indices t of classes (...): (...).

    Raises ValueError for indices of another shape, TypeError unless they are integers, IndexError
    unless they are in [0, K).
    """
    indices = class_indices(indices, logits.shape[-1])
    if indices.shape != logits.shape[:-1]:
        raise ValueError(f"indices {indices.shape} for logits {logits.shape}: one for each row")
    return -gather(log_softmax(logits), indices[..., None])[..., 0]


@primitive
def norm(x, *, axis=None, keepdims=False):
    """The Euclidean norm; its first and second derivatives at x = 0 are 0."""
    return np.sqrt(kernels.total(x * x, axis, keepdims))


def _divided(x, length):
    """x / length, and 0 where the length is 0."""
    zero = array_of(length) == 0
    return where(zero, 0.0, x / where(zero, 1.0, length))


def _norm_x(g, x, ans, axis):
    """g x / |x|, and 0 where |x| = 0."""
    ans = restore_axes(ans, x.shape, axis)
    return restore_axes(g, x.shape, axis) * _divided(x, ans)


norm.rule(x=_norm_x)


def normalize(x: Values, axis: Axis = -1) -> Any:
    """x / |x|, of norm 1 along `axis`; where x = 0 it and its derivatives are 0."""
    return _divided(x, norm(x, axis=axis, keepdims=True))


def std(x: Values, axis: Axis = None, keepdims: bool = False) -> Any:
    """The standard deviation, dividing by n; where all x are equal its derivative is 0."""
    centred = x - mean(x, axis, keepdims=True)
    return norm(centred, axis=axis, keepdims=keepdims) / math.sqrt(reduced_size(x.shape, axis))
