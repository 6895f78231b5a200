"""The Gaussians of a diffusion: how it destroys an image, and what follows in closed form.

    q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I)          (Ho et al. 2020, eq. 2)
    q(x_t | x_0)     = N(sqrt(abar_t) x_0, (1 - abar_t) I)            (eq. 4)

with abar_t the product of 1 - beta_1 ... 1 - beta_t. Schedules are in float64: where t is small,
1 - abar_t is the difference of two numbers that are nearly equal. Results have
the dtype and the device of the arrays (N, ...); each has a time of its own, t (N,).
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy  # imports its parts at their first use

from autograd import sent, to_device
from autograd.tensor import array_of
from models.errors import Caution, UsageError

SCHEDULES = ("linear", "cosine")
OBJECTIVES = ("epsilon", "x0", "v")
RESIDUAL_BITS_TO_WARN = 0.01  # per dimension, that x_T still holds of x_0


def linear(steps: int, start: float = 0.0, end: float = 0.0) -> np.ndarray:
    """beta_1 ... beta_T on a line from `start` to `end` (Ho et al. 2020, section 4).

    0 stands for the 1e-4 and 0.02 of T = 1000, scaled by 1000/T: unscaled, a shorter chain would
    end before the noise does.
    """
    scale = 1000 / steps
    most = 0.999  # as for the cosine; met by T < 21
    return np.linspace(start or min(1e-4 * scale, most), end or min(0.02 * scale, most), steps)


def cosine(steps: int, offset: float = 0.008) -> np.ndarray:
    """beta_1 ... beta_T, of abar_t ~ cos^2((t/T + s)/(1 + s) pi/2), at most 0.999.

    Nichol & Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models", eq. 17.
    """
    t = np.arange(steps + 1) / steps
    alpha_bar = np.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
    return np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999)


class Posterior(NamedTuple):
    """q(x_s | x_t, x_0) = N(on_x_0 x_0 + on_x_t x_t, variance I), (N,) each, for s < t."""

    on_x_0: np.ndarray
    on_x_t: np.ndarray
    variance: np.ndarray


class GaussianDiffusion:
    """beta_1 ... beta_T, and what follows from them; the arrays (T + 1,) are indexed by t.

    Raises UsageError for a beta outside (0, 1); warns if x_T still holds bits of x_0.
    """

    def __init__(self, betas: np.ndarray):
        if wrong := [b for b in betas.tolist() if not 0 < b < 1]:
            raise UsageError(f"beta={wrong[0]:g}: every beta must be between 0 and 1")
        self.steps = len(betas)
        self.beta = np.concatenate([[0.0], betas])
        self.log_alpha_bar = np.cumsum(np.log1p(-self.beta))
        self.alpha_bar = np.exp(self.log_alpha_bar)
        self.noise = -np.expm1(self.log_alpha_bar)  # 1 - abar_t, without the cancellation
        # KL(q(x_T|x_0) || N(0, 1)) of a pixel at +-1, which is the most there is.
        residual = -0.5 * math.log2(self.noise[-1])
        if residual > RESIDUAL_BITS_TO_WARN:
            warnings.warn(
                f"T={self.steps} ends at alpha_bar_T = {self.alpha_bar[-1]:.3g}: x_T still holds "
                f"up to {residual:.2g} bits/dim of the image, and sampling starts from pure noise; "
                "use a larger T or larger betas",
                Caution,
                stacklevel=2,
            )

    def scales(self, t: np.ndarray, like: Any) -> tuple[Any, Any]:
        """sqrt(abar_t) of x_0 and sqrt(1 - abar_t) of eps, to broadcast against `like`."""
        signal = coefficient(lambda: self.alpha_bar[t] ** 0.5, like)
        return signal, coefficient(lambda: self.noise[t] ** 0.5, like)

    def q_sample(self, x_0: Any, eps: Any, t: np.ndarray) -> Any:
        """x_t, a sample of q(x_t|x_0) for eps ~ N(0, I) (eq. 4)."""
        signal, noise = self.scales(t, x_0)
        return signal * x_0 + noise * eps

    def q_step(self, x_s: Any, eps: Any, s: np.ndarray, t: np.ndarray) -> Any:
        """x_t, a sample of q(x_t|x_s) for s < t and eps ~ N(0, I): the steps of eq. 2 at once."""
        signal = coefficient(lambda: np.exp(0.5 * self._log_kept(s, t)), x_s)
        noise = coefficient(lambda: np.sqrt(-np.expm1(self._log_kept(s, t))), x_s)
        return signal * x_s + noise * eps

    def _log_kept(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """log abar_t / abar_s."""
        return self.log_alpha_bar[t] - self.log_alpha_bar[s]

    def target(self, objective: str, x_0: Any, eps: Any, t: np.ndarray) -> Any:
        """The target of a network for x_t: eps, x_0, or v of Salimans & Ho 2022 (appendix D).

        v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0, at a right angle to x_t.
        """
        if objective == "v":
            signal, noise = self.scales(t, x_0)
            return signal * eps - noise * x_0
        return {"epsilon": eps, "x0": x_0}[objective]

    def x_0_from(self, objective: str, output: Any, x_t: Any, t: np.ndarray) -> Any:
        """x_0, from the output of a network for x_t."""
        signal, noise = self.scales(t, x_t)
        if objective == "epsilon":  # which leaves x_0 open where abar_t underflows
            return (x_t - noise * output) / signal.clip(1e-18)
        return signal * x_t - noise * output if objective == "v" else output

    def posterior(self, t: np.ndarray, s: np.ndarray, eta: float = 1.0) -> Posterior:
        """q(x_s | x_t, x_0) for any s < t, of the family of Song et al. 2021 (DDIM, eq. 7 and 16).

        eta = 1 is the diffusion's own, by Bayes from x_t | x_s and x_s | x_0 (Ho et al. 2020, eq. 7
        where s = t - 1); with eta = 0 it has no variance. All have the same q(x_t|x_0).
        """
        beta = -np.expm1(self._log_kept(s, t))  # of the step from s to t
        variance = eta**2 * beta * self.noise[s] / self.noise[t]
        # x_s has sqrt(abar_s) of x_0; with the variance, its share of x_t's eps makes 1 - abar_s.
        on_x_t = np.sqrt((self.noise[s] - variance) / self.noise[t])
        on_x_0 = np.sqrt(self.alpha_bar[s]) - np.sqrt(self.alpha_bar[t]) * on_x_t
        return Posterior(on_x_0, on_x_t, variance)

    def posterior_mean(
        self, x_0: Any, x_t: Any, t: np.ndarray, s: np.ndarray, eta: float = 1.0
    ) -> tuple[Any, np.ndarray]:
        """The mean of q(x_s|x_t, x_0), and its variance (N,)."""
        on_x_0 = coefficient(lambda: self.posterior(t, s, eta).on_x_0, x_0)
        on_x_t = coefficient(lambda: self.posterior(t, s, eta).on_x_t, x_t)
        return on_x_0 * x_0 + on_x_t * x_t, self.posterior(t, s, eta).variance

    def prior_kl(self, x_0: Any) -> np.ndarray:
        """L_T = KL(q(x_T|x_0) || N(0, I)) in nats, (N,)."""
        squares = to_device((x_0 * x_0).sum(axis=1), "cpu").astype(np.float64)
        abar, noise = self.alpha_bar[-1], self.noise[-1]
        return 0.5 * (abar * squares - x_0.shape[1] * (abar + math.log(noise)))

    def variance(self, kind: str, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """sigma^2 of p(x_s|x_t), (N,): one of the two of Ho et al. 2020, section 3.2.

        `small` is the posterior's, right if the data are one known image; `large` is the beta of
        the step from s to t, right if they are N(0, I). At s = 0 the small one would be 0, which
        is no density: there it is that of q(x_1|x_2, x_0), as in the authors' code.
        """
        if kind == "large":
            return -np.expm1(self._log_kept(s, t))
        last = self.posterior(np.array(2), np.array(1)).variance if self.steps > 1 else self.beta[1]
        return np.where(s == 0, last, self.posterior(t, s).variance)


def coefficient(values: Callable[[], np.ndarray], like: Any) -> Any:
    """N numbers to broadcast against `like` (N, ...), in its dtype, and `sent` to its device."""
    shape = (-1, *[1] * (like.ndim - 1))
    return sent(lambda: values().reshape(shape), array_of(like), like.dtype)


def log_mass(x_0: np.ndarray, mean: np.ndarray, sigma: np.ndarray, levels: int) -> np.ndarray:
    """log of a Gaussian's mass on each pixel's level, in nats (Ho et al. 2020, eq. 13).

    The levels are evenly spaced over -1 ... 1; each reaches half way to its neighbours, the
    outermost to infinity, so that the masses of all add up to 1. With 0 levels it is the density.
    """
    if not levels:
        return -0.5 * (((x_0 - mean) / sigma) ** 2 + np.log(2 * math.pi * sigma**2))
    half = 1 / (levels - 1)
    below = np.where(x_0 < -1 + half, -np.inf, (x_0 - half - mean) / sigma)
    above = np.where(x_0 > 1 - half, np.inf, (x_0 + half - mean) / sigma)
    # Phi(b) - Phi(a) = Phi(-a) - Phi(-b): we take the one in the lower tail, which does not cancel.
    flip = below > 0
    a, b = np.where(flip, -above, below), np.where(flip, -below, above)
    log_ndtr = scipy.special.log_ndtr
    return log_ndtr(b) + np.log1p(-np.exp(log_ndtr(a) - log_ndtr(b)))
