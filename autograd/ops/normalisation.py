"""Normalisation of groups of channels; `nn.BatchNorm` is a reshape of it."""

import numpy as np

import kernels
from autograd.ops.elementwise import sqrt
from autograd.ops.reduce import sum, sum_by_channel
from autograd.ops.shape import by_channel
from autograd.primitive import primitive
from autograd.tensor import array_of


@primitive
def group_norm(x, w, b, *, groups, eps):
    """x (N, C, ...) with mean 0 and variance 1 in each group of channels, times w, plus b."""
    return kernels.group_norm(x, w, b, groups, eps)


@primitive
def group_norm_input_grad(g, x, w, *, groups, eps):
    return kernels.group_norm_input_grad(g, x, w, groups, eps)


@primitive
def group_norm_weight_grad(g, x, *, groups, eps):
    return kernels.group_norm_weight_grad(g, x, groups, eps)


group_norm.rule(
    x=lambda g, x, w, groups, eps: group_norm_input_grad(g, x, w, groups=groups, eps=eps),
    w=lambda g, x, groups, eps: group_norm_weight_grad(g, x, groups=groups, eps=eps),
    b=sum_by_channel,
)

# In the rules below the cotangent is called h. `kernels.group_norm` defines J, which is symmetric:
# <h, J (g w)> = <w J h, g>.


def _jacobian(h, x, groups, eps):
    """J h."""
    ones = np.ones_like(array_of(x), shape=x.shape[1:2])
    return group_norm_input_grad(h, x, ones, groups=groups, eps=eps)


def _input_grad_x(h, g, x, w, groups, eps):
    """The gradient of <h, J f> by x, with f = g w, over a group of n elements.

    <h, J f> = n r q with q = mean(h f) - mean(h) mean(f) - mean(xhat h) mean(xhat f), and the
    derivatives of r and of mean(xhat h) are -r^2 xhat / n and J h / n.
    """

    def grouped(y):
        return y.reshape((len(x), groups, array_of(x)[:1].size // groups))

    def average(y):
        return sum(y, axis=-1, keepdims=True) / max(y.shape[-1], 1)  # 0 without any positions

    f, jf = (
        grouped(g * by_channel(w, x.ndim)),
        group_norm_input_grad(g, x, w, groups=groups, eps=eps),
    )
    h, jh = grouped(h), _jacobian(h, x, groups, eps)
    centred = grouped(x) - average(grouped(x))
    r = 1 / sqrt(average(centred * centred) + eps)
    xhat = centred * r
    along_h, along_f = average(xhat * h), average(xhat * f)
    q = average(h * f) - average(h) * average(f) - along_h * along_f
    change = r * q * xhat + along_f * grouped(jh) + along_h * grouped(jf)
    return (-r * change).reshape(x.shape)


group_norm_input_grad.rule(
    g=lambda h, x, w, groups, eps: _jacobian(h, x, groups, eps) * by_channel(w, x.ndim),
    x=_input_grad_x,
    w=lambda h, g, x, groups, eps: sum_by_channel(g * _jacobian(h, x, groups, eps)),
)
group_norm_weight_grad.rule(
    g=lambda h, x, groups, eps: group_norm(x, h, array_of(h) * 0, groups=groups, eps=eps),
    x=lambda h, g, x, groups, eps: group_norm_input_grad(g, x, h, groups=groups, eps=eps),
)
