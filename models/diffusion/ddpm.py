"""Denoising diffusion (Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models").

An image is destroyed in T small steps of noise, q(x_t|x_{t-1}), and a network learns to undo one:

    p(x_{t-1}|x_t) = N(mu(x_t, t), sigma_t^2 I),  from x_T ~ N(0, I) to x_0

with mu the mean of q(x_{t-1}|x_t, x_0) at the x_0 that the network predicts. The bound is a sum
of divergences between Gaussians, each in closed form (eq. 5), in nats per image:

    -log p(x_0) <= KL(q(x_T|x_0) || N(0, I))                                     L_T, the prior
                 + sum_{t=2}^T E KL(q(x_{t-1}|x_t, x_0) || p(x_{t-1}|x_t))       L_{t-1}, the steps
                 - E log p(x_0|x_1)                                              L_0, the decoder

What is minimised is not the bound but its terms with the weights dropped (eq. 14), which makes
better pictures. Pixels are in [-1, 1] in here.
"""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np

from autograd import Array, Rng, Tensor, drawn, no_grad, optim, to_device
from models.data import Dataset, Labels, Points, Shape, batches
from models.diffusion.ddpm_settings import DEFAULTS, Settings
from models.diffusion.gaussian_diffusion import (
    GaussianDiffusion,
    coefficient,
    cosine,
    linear,
    log_mass,
)
from models.diffusion.networks import FEATURES, MLP, UNet, with_angles
from models.diffusion.sampler import Sampler
from models.errors import UsageError
from models.model import Loss, Model, Numbers, Optimizers

SAMPLES_PER_BATCH = 500


class DDPM(Model):
    """A diffusion model for images of `shape` whose pixels have `levels` values, or for points.

    Warns if the schedule leaves signal at T.
    """

    settings_type, defaults = Settings, DEFAULTS
    likelihood = "bound"
    takes_points = True
    optimizer_type = optim.AdamW

    def __init__(self, settings: Settings, shape: Shape, levels: int, rng: Rng, classes: int = 0):
        levels = levels if settings.pixels == "levels" else min(levels, 2)
        super().__init__(settings, shape, levels, rng, classes)
        s = settings
        betas = cosine(s.T) if s.schedule == "cosine" else linear(s.T, s.beta_start, s.beta_end)
        self.diffusion = GaussianDiffusion(betas)
        features = FEATURES if s.fourier else 1
        network = UNet if s.network == "unet" else MLP
        self.network = network(s, features, shape, classes, rng)
        self.ema = optim.EMA(self.network.parameters(), s.ema)
        self.average = {name: Tensor(array) for name, array in self.ema.average.items()}
        # x = center + scale x_0: images are in [-1, 1], points have mean 0 and variance 1.
        self.center = Tensor(np.full(math.prod(shape), 0.5, dtype=np.float32))
        self.scale = Tensor(np.array(0.5, dtype=np.float32))

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: Rng) -> Self:
        if isinstance(data, Points) and settings.network == "unet":
            raise UsageError(f"network=unet is for images, and {data.name} has points: use mlp")
        model = super().for_data(settings, data, rng)
        if isinstance(data, Points):
            model.center.data[...] = data.train.mean(0, np.float64)
            model.scale.data[...] = (data.train - data.train.mean(0, np.float64)).std()
        return model

    def to(self, device: str) -> None:
        """The averages are the EMA's own arrays: it follows them."""
        super().to(device)
        self.ema.average = {name: tensor.data for name, tensor in self.average.items()}

    def predict(self, x_t: Array, t: np.ndarray, labels: Labels) -> Tensor:
        """The network's output for x_t (N, pixels) at t (N,): its objective, (N, pixels).

        `labels` may have the null class, `classes`; None is the null class for all.
        """
        if self.classes and labels is None:
            labels = np.full(len(x_t), self.classes)
        if not self.settings.fourier:
            return self.network(x_t[:, None], t, labels)
        signal = coefficient(lambda: self.diffusion.alpha_bar[t], x_t)
        noise = coefficient(lambda: self.diffusion.noise[t], x_t)
        return self.network(with_angles(x_t, signal, noise, self.levels), t, labels)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """|target - network(x_t, t)|^2 (eq. 14), mean over the batch and the pixels.

        In units of the objective, so the three cannot be compared: of one error in eps,
        x0 is 1/SNR and v is 1 + 1/SNR times it, SNR = abar_t / (1 - abar_t). The parts are the mean
        over the lesser half of the times, and over the greater.
        """
        n = len(x)
        x_0 = self.standardise(x)
        if labels is not None:
            known, drop = np.asarray(self.classes_of(n, labels)), self.settings.drop
            labels = drawn(lambda: np.where(rng.random(n) < drop, self.classes, known))
        t = drawn(lambda: self._times(n, rng))
        eps = self.normal(rng, x_0.shape)
        x_t = self.diffusion.q_sample(x_0, eps, t)
        target = self.diffusion.target(self.settings.objective, x_0, eps, t)
        error = ((self.predict(x_t, t, labels) - target) ** 2).mean(axis=1)
        of_halves = (self.sent(lambda: self._halves(t)) * error.data).sum(axis=1)
        return error.mean(), {"little_noise": of_halves[0], "much_noise": of_halves[1]}

    def _halves(self, t: np.ndarray) -> np.ndarray:
        """The shares of the times (N,) in both means, (2, N)."""
        lesser = 2 * t <= self.settings.T
        halves = np.stack([lesser, ~lesser])
        return halves / np.maximum(1, halves.sum(axis=1, keepdims=True))

    def _times(self, n: int, rng: Rng) -> np.ndarray:
        """Times of a batch, (n,): each uniform on 1 ... T, together spread evenly."""
        T = self.settings.T
        return 1 + (rng.integers(T) + np.arange(n) * T // n) % T

    def update(
        self, x: Any, rng: Rng, epoch: float, labels: Labels, optimizers: Optimizers
    ) -> dict[str, Any]:
        """A step with the gradient clipped at norm 1, and one of the average of the weights."""
        loss, parts = self.loss(x, rng, epoch, labels)
        self.zero_grad()
        loss.backward()
        optim.clip_gradients(optimizers["adam"].parameters, 1.0)
        optimizers["adam"].step()
        self.ema.update(lambda: optimizers["adam"].steps - 1)
        return {"loss": loss.data, **parts}

    def denoise(self, x_t: Array, t: np.ndarray, labels: Labels, guidance: float = 0.0) -> Array:
        """The x_0 (N, pixels) that the network predicts; of images, within [-1, 1].

        Guidance is (1 + w) eps(x_t, class) - w eps(x_t) (Ho & Salimans 2021, eq. 6). Since the
        weights add to 1 it is the same in terms of eps, x_0 or v.
        """
        output = self.predict(x_t, t, labels).data
        if guidance:
            output = (1 + guidance) * output - guidance * self.predict(x_t, t, None).data
        x_0 = self.diffusion.x_0_from(self.settings.objective, output, x_t, t)
        return x_0.clip(-1, 1) if self.levels else x_0

    def sampler(self, labels: Labels) -> Sampler:
        """With guidance, for images of these classes (N,); None is the null class for all."""
        denoise = partial(self.denoise, labels=labels, guidance=self.settings.guidance)
        return Sampler(self.diffusion, self.settings, math.prod(self.shape), denoise, self.normal)

    def as_images(self, x: Array) -> np.ndarray:
        """x_t (N, pixels) as images in [0, 1], or points."""
        x = to_device(self.center.data + self.scale.data * x, "cpu").reshape(-1, *self.shape)
        return x.clip(0, 1) if self.levels else x

    @no_grad()
    def _in_batches(self, make: Callable[..., Array], labels: Labels, *arrays: Any) -> np.ndarray:
        """make(sampler, *parts), a part of `arrays` (N, ...) at a time, by the averaged weights."""
        labels = labels if labels is None else self.classes_of(len(arrays[0]), labels)
        found = []
        with self.ema.applied():
            for part in batches(len(arrays[0]), SAMPLES_PER_BATCH):
                sampler = self.sampler(None if labels is None else labels[part])
                found.append(to_device(make(sampler, *(a[part] for a in arrays)), "cpu"))
        return np.concatenate(found)

    def sample(self, n: int, rng: Rng, labels: Labels = None) -> np.ndarray:
        def make(sampler: Sampler, some: np.ndarray) -> Array:
            return self.as_images(sampler.sample(len(some), rng))

        return self._in_batches(make, self.classes_of(n, labels), np.arange(n))

    def codes(self, x: Any, labels: Labels = None) -> np.ndarray:
        """x_T (N, pixels), by DDIM backwards. Without labels the network is told no class."""
        return self._in_batches(lambda s, x: s.encode(self.standardise(x)), labels, x)

    def decode_codes(self, z: np.ndarray, rng: Rng, labels: Labels = None) -> np.ndarray:
        """By DDIM with eta = 0, a function of z (n, pixels): `rng` is not used."""
        return self._in_batches(lambda s, z: self.as_images(s.decode(self.array(z))), labels, z)

    def complete(
        self, images: np.ndarray, known: np.ndarray, rng: Rng, labels: Labels = None
    ) -> np.ndarray:
        """By RePaint, with the sampler of the settings. Without labels the network is told none."""
        known = np.broadcast_to(known[..., None] if self.channels == 3 else known, images.shape)

        def make(sampler: Sampler, given: np.ndarray, known: np.ndarray) -> Array:
            x_0 = self.standardise(given.reshape(len(given), -1))
            mask = self.xp.asarray(known.reshape(x_0.shape))
            return self.as_images(sampler.complete(x_0, mask, rng))

        return np.where(known, images, self._in_batches(make, labels, images, known))

    def step_terms(self, x_0: Array, t: np.ndarray, rng: Rng, labels: Labels) -> np.ndarray:
        """L_{t-1} in nats for each image (N, pixels) at its time (N,); of t = 1 the decoder's L_0.

        KL = |mu_q - mu|^2 / 2 sigma^2 + D/2 (r - 1 - log r),  r = beta tilde / sigma^2    (eq. 8)
        """
        x_t = self.diffusion.q_sample(x_0, self.normal(rng, x_0.shape), t)
        predicted = self.denoise(x_t, t, labels)
        mean, _ = self.diffusion.posterior_mean(predicted, x_t, t, t - 1)
        sigma2 = self.diffusion.variance(self.settings.variance, t, t - 1)
        if (t == 1).all():
            x_0, mean = (to_device(a, "cpu").astype(np.float64) for a in (x_0, mean))
            decoder = -log_mass(x_0, mean, np.sqrt(sigma2)[:, None], self.levels).sum(1)
            # For points it is a density, in units of the data.
            return decoder if self.levels else decoder + x_0.shape[1] * math.log(self.scale.item())
        target, variance = self.diffusion.posterior_mean(x_0, x_t, t, t - 1)
        squares = to_device(((target - mean) ** 2).sum(axis=1), "cpu")
        r = variance / sigma2
        return squares / (2 * sigma2) + x_0.shape[1] / 2 * (r - 1 - np.log(r))

    @no_grad()
    def bound(self, x: Array, rng: Rng, labels: Labels, terms: int = 0) -> Numbers:
        """The bound on -log p(x) and its three parts, nats for each image (N, pixels); eq. 5.

        The steps are all of t = 2 ... T; or, unbiased, `terms` of them an image. Each is then
        sampled from a stratum of the times and stands for all of it. The strata grow with t, since
        most nats are where there is little noise. Without guidance.
        """
        n, count = len(x), self.settings.T - 1
        strata = min(terms, count) or count
        edges = np.geomspace(2, self.settings.T + 1, strata + 1).round().astype(int)
        edges = np.maximum(edges, 2 + np.arange(strata + 1))  # no stratum is empty
        x_0 = self.standardise(x)
        prior = self.diffusion.prior_kl(x_0)
        steps = np.zeros(n)
        with self.ema.applied():
            decoder = self.step_terms(x_0, np.full(n, 1), rng, labels)
            for start, stop in itertools.pairwise(edges.tolist()):
                t = rng.integers(start, stop, n)
                steps += self.step_terms(x_0, t, rng, labels) * (stop - start)
        return {"nll": prior + steps + decoder, "prior": prior, "steps": steps, "decoder": decoder}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """The bound. A seed has the same noise and times whatever the labels (Li et al. 2023)."""
        terms = self.settings.bound_terms if thorough else self.settings.epoch_terms
        return self.bound(x, rng, labels, terms)

    def standardise(self, x: Any) -> Array:
        """(N, pixels) of data as x_0, in the units of the diffusion."""
        self.check_pixels(x)
        return (self.array(x) - self.center.data) / self.scale.data
