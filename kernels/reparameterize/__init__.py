"""Sampling a normal variable so that the sample has derivatives, with its KL divergence.

A counter-based generator computes the noise from (seed, offset) and the element's place in the
array. It is the same for every implementation, shape and number of threads, and the gradient
computes it a second time instead of storing it. Two samples are independent if their seeds or
their offsets differ; a step counter is a good offset.

A seed is a number. On CUDA it may be an array without dimensions, of uint64 and in the GPU's
memory: so a CUDA graph of a step finds there what is new.
"""

import operator
from types import ModuleType
from typing import Any

import numpy as np

from kernels.dispatch import Array, implementation, is_on_device, namespace


def reparameterize(
    mu: Array,
    logvar: Array,
    seed: Any,
    offset: int = 0,
    out: tuple[Array, Array] | None = None,
) -> tuple[Array, Array]:
    """z = mu + sigma eps with sigma = e^(logvar / 2), and KL(N(mu, sigma^2) || N(0, 1)) in nats.

    mu and logvar are (..., D), of one dtype. z is (..., D) too, with eps as `normal` gives it for
    that shape; kl is (...), summed over the last axis (Kingma & Welling 2014, section 2.4 and
    appendix B). Both are computed in one pass over memory, into the C-contiguous arrays `out` if
    these are given. Raises ValueError for shapes that do not fit and for a seed or offset that is
    not in 0 <= . < 2^64, TypeError for dtypes that are not floats or not equal.
    """
    if mu.ndim == 0 or mu.shape != logvar.shape:
        raise ValueError(
            f"reparameterize of mu {mu.shape} and logvar {logvar.shape}: "
            "both must be (..., D), of the same shape"
        )
    empty = namespace(mu).empty
    z, kl = out or (empty(mu.shape, mu.dtype), empty(mu.shape[:-1], mu.dtype))
    if z.shape != mu.shape or kl.shape != mu.shape[:-1]:
        raise ValueError(
            f"reparameterize of mu {mu.shape} into z {z.shape} and kl {kl.shape}: "
            f"they must be {mu.shape} and {mu.shape[:-1]}"
        )
    if not (z.flags.c_contiguous and kl.flags.c_contiguous):
        raise ValueError(f"reparameterize into z {z.shape} and kl {kl.shape}: not C-contiguous")
    overlap = namespace(mu).may_share_memory
    if out and any(overlap(a, b) for a in out for b in (mu, logvar)):
        raise ValueError("reparameterize into an array that shares memory with mu or logvar")
    chosen = _implementation(mu, logvar, z, kl)
    chosen.reparameterize(mu, logvar, *_numbers(seed, offset), z, kl)
    return z, kl


def reparameterize_logvar_grad(
    g_z: Array, g_kl: Array, logvar: Array, seed: Any, offset: int = 0
) -> Array:
    """The gradient for logvar, of a loss whose gradients for z and kl are g_z and g_kl.

    g_z sigma eps / 2 + g_kl (sigma^2 - 1) / 2, since dz/dlogvar = sigma eps / 2 and dkl/dlogvar =
    (sigma^2 - 1) / 2. (The gradient for mu is g_z + g_kl mu, and needs no noise.) g_z and logvar
    are (..., D), g_kl is (...); `seed` and `offset` are those of the sample, and give the same eps.
    Raises ValueError and TypeError as `reparameterize` does.
    """
    if g_z.ndim == 0 or g_z.shape != logvar.shape or g_kl.shape != g_z.shape[:-1]:
        raise ValueError(
            f"reparameterize_logvar_grad of g_z {g_z.shape}, g_kl {g_kl.shape} and logvar "
            f"{logvar.shape}: they must be (..., D), (...) and (..., D)"
        )
    chosen = _implementation(g_z, g_kl, logvar)
    return chosen.reparameterize_logvar_grad(g_z, g_kl, logvar, *_numbers(seed, offset))


def normal(
    shape: int | tuple[int, ...],
    seed: Any,
    offset: int = 0,
    dtype: np.typing.DTypeLike | None = None,
    like: Array | None = None,
) -> Array:
    """Samples of N(0, 1): element i of the flat array depends on (seed, offset, i) only.

    Box and Muller's transform of the words of Philox4x32-10, with the key `seed` and the counter
    (i // 4, offset). float32 and float64 come from the same 32-bit words, so they agree to
    float32's precision, and no sample is further than 6.77 from 0. The array is on the device of
    `like` and of its dtype, by default on the CPU in float32. Raises ValueError for a negative size
    and for a seed or offset that is not in 0 <= . < 2^64, TypeError for another dtype.
    """
    shape = (operator.index(shape),) if not isinstance(shape, tuple) else shape
    if any(n < 0 for n in shape):
        raise ValueError(f"normal of shape {shape}: no size can be negative")
    if dtype is None:
        dtype = np.float32 if like is None else like.dtype
    chosen = _implementation(namespace(like).empty(0, dtype))
    eps = chosen.normal(shape, *_numbers(seed, offset), np.dtype(dtype))
    return namespace(like).asarray(eps)


def _implementation(*arrays: Array) -> ModuleType:
    chosen = implementation("reparameterize", *arrays)
    if len({array.dtype for array in arrays}) > 1:
        described = ", ".join(f"{array.dtype}{array.shape}" for array in arrays)
        raise TypeError(f"reparameterize of arrays of several dtypes, {described}")
    return chosen


def _numbers(seed: Any, offset: int) -> tuple[Any, int]:
    if is_on_device(seed):
        return seed, operator.index(offset)
    seed, offset = operator.index(seed), operator.index(offset)
    if not (0 <= seed < 2**64 and 0 <= offset < 2**64):
        raise ValueError(f"seed {seed} and offset {offset} must be at least 0 and below 2^64")
    return seed, offset
