"""What a denoiser is good for: samples, codes and their images, and completed images.

All begin or end with noise x_T, and go through the same times between T and 0.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import Array, Replayed, Rng, drawn, namespace
from models.data import Shape
from models.diffusion.ddpm_settings import Settings
from models.diffusion.gaussian_diffusion import GaussianDiffusion, coefficient


@dataclass(frozen=True)
class Sampler:
    """Of `denoise`, which gives the x_0 that it expects of x_t (N, pixels) at the times t (N,).

    `normal` makes samples of N(0, I) on its device.
    """

    diffusion: GaussianDiffusion
    settings: Settings
    pixels: int
    denoise: Callable[[Array, np.ndarray], Array]
    normal: Callable[[Rng, Shape], Array]

    @property
    def times(self) -> list[int]:
        """T, ..., 0: as many steps between them as the settings say, evenly spread."""
        s = self.settings
        return np.linspace(s.T, 0, (s.sampling_steps or s.T) + 1).round().astype(int).tolist()

    def step(self, x_t: Array, t: Any, s: Any, rng: Rng) -> Array:
        """A sample of p(x_s|x_t), (N, pixels); at s = 0 its mean."""
        n = len(x_t)
        now, then = drawn(lambda: np.full(n, t)), drawn(lambda: np.full(n, s))
        x_0 = self.denoise(x_t, now)
        mean, _ = self.diffusion.posterior_mean(x_0, x_t, now, then, self.eta)
        if s == 0 or not self.variance(now, then).any():
            return mean
        sigma = coefficient(lambda: self.variance(now, then) ** 0.5, mean)
        return mean + sigma * self.normal(rng, x_t.shape)

    @property
    def eta(self) -> float:
        return self.settings.eta if self.settings.sampler == "ddim" else 1.0

    def variance(self, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Of p(x_s|x_t), (N,)."""
        if self.settings.sampler == "ddpm":
            return self.diffusion.variance(self.settings.variance, t, s)
        return self.diffusion.posterior(t, s, self.eta).variance

    def chain(self, n: int, rng: Rng) -> Iterator[tuple[int, Array]]:
        """(T, x_T), ..., (0, x_0), from noise; x (n, pixels)."""
        x, times = self.normal(rng, (n, self.pixels)), self.times
        t, s = np.array(0), np.array(0)

        def step() -> None:
            x[...] = self.step(x, t, s, rng)

        by_graph = Replayed(step, lambda: [x])
        yield times[0], x.copy()
        for t[...], s[...] in itertools.pairwise(times):
            (by_graph if s else step)()  # at s = 0 there is no noise
            yield int(s), x.copy()

    def sample(self, n: int, rng: Rng) -> Array:
        """x_0 (n, pixels), the end of a chain."""
        *_, (_, x_0) = self.chain(n, rng)
        return x_0

    def encode(self, x_0: Array) -> Array:
        """The x_T (N, pixels) from which DDIM with eta = 0 makes about x_0.

        Its steps are those of an ordinary differential equation (Song et al. 2021, eq. 14), which
        are made here from 0 to T (section 5.4); the more of them, the nearer `decode` comes.
        """
        return self._follow(x_0, self.times[::-1])

    def decode(self, x_T: Array) -> Array:
        """The x_0 (N, pixels) of DDIM with eta = 0."""
        return self._follow(x_T, self.times)

    def _follow(self, x: Array, times: list[int]) -> Array:
        for now, then in itertools.pairwise(times):
            t, s = np.full(len(x), now), np.full(len(x), then)
            if now == 0:  # no noise is expected in an image
                x = self.diffusion.q_sample(x, 0 * x, s)
            else:
                x, _ = self.diffusion.posterior_mean(self.denoise(x, t), x, t, s, eta=0.0)
        return x

    def complete(self, x_0: Array, known: Array, rng: Rng) -> Array:
        """x_0 (N, pixels), with the pixels that are not `known` sampled given the others.

        RePaint (Lugmayr et al. 2022, algorithm 1): at each step known pixels are samples of
        q(x_s|x_0), and the rest is the model's, made before it has seen these. So that both agree,
        x_s is noised to x_t again, and the step repeated: `resamplings` times in all.
        """
        diffusion, n = self.diffusion, len(x_0)
        where = namespace(x_0).where
        x = self.normal(rng, x_0.shape)
        for now, then in itertools.pairwise(self.times):
            t, s = np.full(n, now), np.full(n, then)
            for again in range(self.settings.resamplings if then else 1):
                if again:
                    x = diffusion.q_step(x, self.normal(rng, x.shape), s, t)
                given = diffusion.q_sample(x_0, self.normal(rng, x.shape), s)
                x = where(known, given, self.step(x, now, then, rng))
        return x
