"""Normalisation of groups of channels (Wu & He 2018), and its gradients.

x is (N, C, ...), C divides into `groups`, and each group of channels of each example gets mean 0
and variance 1 over its channels and positions; then channel c is multiplied by w[c], and b[c] is
added. Layer normalisation is this with one group and no positions, batch normalisation with one
example and C groups.

With r = 1 / sqrt(var + eps), xhat = (x - mean) r and means over a group, the derivative of xhat in
the direction h is J h = r (h - mean(h) - xhat mean(xhat h)), and J is symmetric. float32 or
float64, any layout; the results have their channels last in memory, the layout that the convolution
kernels read without a copy.

`sum_by_channel` is here too: the gradients of w and b are such sums. So are the averages that batch
normalisation keeps, in `running_moments`.
"""

from kernels.dispatch import DOUBLE, SINGLE, Array, implementation
from kernels.group_norm import reference


def group_norm(x: Array, w: Array, b: Array, groups: int, eps: float) -> Array:
    """xhat w + b. Raises ValueError for shapes that do not fit, TypeError for other dtypes."""
    _check(x, w, groups)
    _check(x, b, groups)
    return implementation("group_norm", x, w, b).group_norm(x, w, b, groups, eps)


def group_norm_input_grad(g: Array, x: Array, w: Array, groups: int, eps: float) -> Array:
    """J (g w), where g is the cotangent of the result of `group_norm`."""
    _check(x, w, groups)
    return implementation("group_norm", g, x, w).group_norm_input_grad(g, x, w, groups, eps)


def group_norm_weight_grad(g: Array, x: Array, groups: int, eps: float) -> Array:
    """(C,), the sum of g xhat over examples and positions."""
    return implementation("group_norm", g, x).group_norm_weight_grad(g, x, groups, eps)


def sum_by_channel(x: Array) -> Array:
    """(C,), the sum over examples and positions: the gradient of a bias of each channel."""
    if not x.size or x.dtype not in (SINGLE, DOUBLE):
        return reference.sum_by_channel(x)
    return implementation("group_norm", x).sum_by_channel(x)


def running_moments(x: Array, mean: Array, var: Array, momentum: float) -> None:
    """a <- a + momentum (new - a), each (C,), for the averages of the mean and of the variance.

    The new ones are those of each channel of x, over examples and positions, the variance unbiased.
    """
    implementation("group_norm", x, mean, var).running_moments(x, mean, var, momentum)


def _check(x: Array, w: Array, groups: int) -> None:
    if x.ndim < 2 or w.shape != x.shape[1:2] or groups < 1 or not len(w) or len(w) % groups:
        raise ValueError(
            f"group_norm takes x (N, C, ...), of C channels in groups, and weights (C,), not "
            f"{x.shape} in {groups} groups and {w.shape}"
        )
