"""Denoising diffusion (Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models").

An image is destroyed in T small steps of noise, q(x_t|x_{t-1}), and a network learns to undo one:

    p(x_{t-1}|x_t) = N(mu(x_t, t), sigma_t^2 I),  from x_T ~ N(0, I) to x_0

with mu the mean of q(x_{t-1}|x_t, x_0) at the x_0 that the network believes in. The bound is a sum
of divergences between Gaussians, each in closed form (eq. 5), in nats per image:

    -log p(x_0) <= KL(q(x_T|x_0) || N(0, I))                                     L_T, the prior
                 + sum_{t=2}^T E KL(q(x_{t-1}|x_t, x_0) || p(x_{t-1}|x_t))       L_{t-1}, the steps
                 - E log p(x_0|x_1)                                              L_0, the decoder

What is minimised is not the bound but its terms with the weights dropped (eq. 14), which makes
better pictures. Pixels are in [-1, 1] in here.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Tensor, no_grad, optim, to_device
from kernels import normal
from models.data import Dataset
from models.diffusion import ddpm_report as diffusion_figures
from models.diffusion.gaussian_diffusion import (
    OBJECTIVES,
    SCHEDULES,
    Diffusion,
    cosine,
    linear,
    log_mass,
    of,
)
from models.diffusion.networks import CHANNELS, GROUPS, MLP, UNet, with_angles
from models.errors import UsageError
from models.model import MOST, Model, Row, check_settings, setting
from models.pictures import Panel

NETWORKS = ("unet", "mlp")
SAMPLERS = ("ddpm", "ddim")
VARIANCES = ("small", "large")
AT_A_TIME = 500  # samples
TEST_TERMS = 8  # of the bound, an image, after each epoch


@dataclass(frozen=True)
class Settings:
    """What a diffusion model is, how it learns, and how it is sampled from."""

    T: int = setting(400, "steps from image to noise")
    schedule: str = setting("cosine", "of the noise: linear or cosine")
    beta_start: float = setting(0.0, "of the linear schedule, at t = 1; 0: 1e-4 x 1000/T")
    beta_end: float = setting(0.0, "of the linear schedule, at t = T; 0: 0.02 x 1000/T")
    objective: str = setting("v", "what the network says of x_t: epsilon, x0 or v")
    network: str = setting("unet", "unet, or mlp for points and few pixels")
    width: int = setting(16, "channels of the unet at full resolution; units of the mlp's layers")
    resolutions: int = setting(3, "of the unet, each half of the one before and twice as wide")
    depth: int = setting(3, "residual layers of the mlp")
    fourier: bool = setting(False, "show the network where each pixel lies between two grey levels")
    ema: float = setting(0.999, "decay of the average of the weights, which is what samples")
    conditional: bool = setting(False, "learn from the labels too")
    drop: float = setting(0.1, "share of labels dropped in training, for guidance")
    sampler: str = setting("ddpm", "ddpm (ancestral) or ddim", sampling=True)
    sampling_steps: int = setting(0, "of the sampler, spread over T; 0: all", sampling=True)
    eta: float = setting(0.0, "of ddim: 0 is deterministic, 1 ancestral", sampling=True)
    variance: str = setting(
        "small", "of p(x_{t-1}|x_t): small (beta tilde) or large (beta)", sampling=True
    )
    guidance: float = setting(
        0.0, "w of (1 + w) eps(x, class) - w eps(x); 0 is without (s = w + 1)", sampling=True
    )
    bound_terms: int = setting(0, "of the bound, an image, drawn at random in evaluate; 0: all T")
    binarisation: str = setting("none", "fixed, dynamic, or none (grey levels)")
    batch: int = setting(64, "images a step")
    learning_rate: float = setting(1e-3, "of AdamW, at the start")
    final_learning_rate: float = setting(1e-5, "where half a cosine takes it")
    epochs: int = setting(10, "passes over the training images")

    def __post_init__(self) -> None:
        check_settings(
            self,
            choices={
                "schedule": SCHEDULES,
                "objective": OBJECTIVES,
                "network": NETWORKS,
                "sampler": SAMPLERS,
                "variance": VARIANCES,
            },
            bounds={
                "T": (1, 100_000),
                "width": (1, MOST),
                "resolutions": (1, 10),
                "depth": (1, MOST),
                "ema": (0, 1),
                "drop": (0, 1),
                "sampling_steps": (0, MOST),
                "eta": (0, 1),
                "guidance": (-1, MOST),
                "bound_terms": (0, MOST),
            },
        )
        if self.sampling_steps > self.T:
            raise UsageError(
                f"sampling_steps={self.sampling_steps}: there are T={self.T} steps to choose from"
            )
        if self.schedule != "linear" and (self.beta_start or self.beta_end):
            raise UsageError(f"beta_start and beta_end are of schedule=linear, not {self.schedule}")
        if self.guidance and not self.conditional:
            raise UsageError(
                f"guidance={self.guidance:g} needs a model that knows classes: "
                "train one with --set conditional=yes"
            )
        if self.network == "unet" and self.width % GROUPS:
            raise UsageError(f"width={self.width}: GroupNorm needs a multiple of {GROUPS}")


DEFAULTS = {
    "digits": Settings(
        resolutions=2, fourier=True, ema=0.99, sampling_steps=100, batch=50, epochs=60
    ),
    "binarized-mnist": Settings(binarisation="fixed", sampling_steps=100, bound_terms=16, epochs=3),
    "mnist": Settings(sampling_steps=100, bound_terms=16, epochs=3),
    "fashion-mnist": Settings(sampling_steps=100, bound_terms=16, epochs=3),
    "ring": Settings(T=100, network="mlp", width=128, ema=0.995, batch=200, epochs=80),
}
"""What is known to work on a data set."""


def reproduce() -> dict[str, Any]:
    """Our setting, `chainrule train ddpm --data digits`, beside numbers measured on the same split.

    A bound on 8 x 8 digits is published nowhere. Of the 17 levels a uniform distribution needs
    4.087 bits/dim, a Gaussian of full covariance 3.047, a mixture of ten 2.868, and a histogram of
    each pixel, which is the factorised model, 2.366. (For scale: Ho et al. 2020, table 1, have at
    most 3.75 bits/dim on CIFAR-10 with what is minimised here, and a network of 35.7 million
    weights.)
    """
    return {"settings": DEFAULTS["digits"], "data": "digits", "bits_per_dim": 2.366}


class DDPM(Model):
    """A diffusion model for images of `shape` whose pixels have `levels` values, or for points.

    Warns if the schedule leaves signal at T.
    """

    name = "ddpm"
    settings_type = Settings
    defaults = DEFAULTS
    headline = ("nll", "-log p(x), at most")
    planar = True

    def __init__(
        self,
        settings: Settings,
        shape: tuple[int, ...],
        levels: int,
        rng: np.random.Generator,
        classes: int = 0,
    ):
        s = self.settings = settings
        self.shape, self.levels, self.classes = shape, levels, classes
        betas = cosine(s.T) if s.schedule == "cosine" else linear(s.T, s.beta_start, s.beta_end)
        self.diffusion = Diffusion(betas)
        kinds, channels = (
            {"unet": (UNet, s.resolutions), "mlp": (MLP, s.depth)},
            CHANNELS if s.fourier else 1,
        )
        kind, size = kinds[s.network]
        self.network = kind(channels, shape, s.T, s.width, size, classes, rng)
        self.ema = optim.EMA(self.network.parameters(), s.ema)
        self.average = {name: Tensor(array) for name, array in self.ema.average.items()}
        # x = center + scale x_0: images are in [-1, 1], points have mean 0 and variance 1.
        self.center = Tensor(np.full(math.prod(shape), 0.5, dtype=np.float32))
        self.scale = Tensor(np.array(0.5, dtype=np.float32))

    @classmethod
    def for_data(cls, settings: Settings, data: Dataset, rng: np.random.Generator) -> Self:
        if settings.conditional and not data.classes:
            raise UsageError(f"conditional=yes: {data.name} has no labels to learn from")
        levels = data.levels if settings.binarisation == "none" else min(data.levels, 2)
        classes = data.classes * settings.conditional
        if not levels and settings.network == "unet":
            raise UsageError(f"network=unet is for images, and {data.name} has points: use mlp")
        model = cls(settings, data.image_shape, levels, rng, classes)
        if not levels:
            model.center.data[...] = data.train.mean(0, np.float64)
            model.scale.data[...] = (data.train - data.train.mean(0, np.float64)).std()
        return model

    def to(self, device: str) -> None:
        """The averages are the EMA's own arrays: it follows them."""
        super().to(device)
        self.ema.average = {name: tensor.data for name, tensor in self.average.items()}

    def predict(self, x_t: Array, t: np.ndarray, labels: np.ndarray | None) -> Tensor:
        """What the network says of x_t (N, pixels) at t (N,): its objective, (N, pixels).

        `labels` may have the null class, `classes`; None is the null class for all.
        """
        if self.classes and labels is None:
            labels = np.full(len(x_t), self.classes)
        if not self.settings.fourier:
            return self.network(x_t[:, None], t, labels)
        signal, noise = (
            of(x_t, values[t]) for values in (self.diffusion.alpha_bar, self.diffusion.noise)
        )
        return self.network(with_angles(x_t, signal, noise, self.levels), t, labels)

    def loss(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float = math.inf,
        labels: np.ndarray | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """|target - network(x_t, t)|^2 (eq. 14), mean over the batch and the pixels.

        In units of the objective, so the three cannot be compared: of one error in eps,
        x0 is 1/SNR and v is 1 + 1/SNR times it, SNR = abar_t / (1 - abar_t). The parts are the mean
        over the lesser half of the times, and over the greater.
        """
        n = len(x)
        x_0 = self.standard(x)
        if labels is not None:
            self.classes_of(n, labels)
            labels = np.where(rng.random(n) < self.settings.drop, self.classes, labels)
        # Each time is as likely as any, and those of a batch are spread evenly over 1 ... T.
        t = (
            1
            + (rng.integers(self.settings.T) + np.arange(n) * self.settings.T // n)
            % self.settings.T
        )
        eps = self._normal(rng, x_0.shape)
        x_t = self.diffusion.mix(x_0, eps, t)
        target = self.diffusion.target(self.settings.objective, x_0, eps, t)
        error = ((self.predict(x_t, t, labels) - target) ** 2).mean(axis=1)
        halves = {"little_noise": 2 * t <= self.settings.T, "much_noise": 2 * t > self.settings.T}
        found = error.numpy()
        parts = {name: float(found[half].mean()) for name, half in halves.items() if half.any()}
        return error.mean(), parts

    def optimizers(self, steps: int) -> dict[str, optim.Optimizer]:
        s = self.settings
        schedule = optim.cosine_schedule(s.learning_rate, s.final_learning_rate, steps)
        return {"adam": optim.AdamW(self.parameters(), schedule)}

    def update(
        self,
        x: Any,
        rng: np.random.Generator,
        epoch: float,
        labels: np.ndarray | None,
        optimizers: Mapping[str, optim.Optimizer],
    ) -> dict[str, float]:
        """A step with the gradient clipped at norm 1, and one of the average of the weights."""
        loss, parts = self.loss(x, rng, epoch, labels)
        self.zero_grad()
        loss.backward()
        optim.clip_gradients(optimizers["adam"].parameters, 1.0)
        optimizers["adam"].step()
        self.ema.update(optimizers["adam"].steps - 1)
        return {"loss": loss.item(), **parts}

    def denoise(
        self, x_t: Array, t: np.ndarray, labels: np.ndarray | None, guidance: float = 0.0
    ) -> Array:
        """The x_0 (N, pixels) that the network believes in; of images, within [-1, 1].

        Guidance is (1 + w) eps(x_t, class) - w eps(x_t) (Ho & Salimans 2021, eq. 6). Since the
        weights add to 1 it is the same said of eps, x_0 or v.
        """
        said = self.predict(x_t, t, labels).data
        if guidance:
            said = (1 + guidance) * said - guidance * self.predict(x_t, t, None).data
        x_0 = self.diffusion.image(self.settings.objective, said, x_t, t)
        return x_0.clip(-1, 1) if self.levels else x_0

    def step(
        self, x_t: Array, t: int, s: int, rng: np.random.Generator, labels: np.ndarray | None
    ) -> Array:
        """A draw of p(x_s|x_t), (N, pixels); at s = 0 its mean."""
        settings, n = self.settings, len(x_t)
        now, then = np.full(n, t), np.full(n, s)
        x_0 = self.denoise(x_t, now, labels, settings.guidance)
        eta = settings.eta if settings.sampler == "ddim" else 1.0
        mean, variance = self._reverse(x_0, x_t, now, then, eta)
        if settings.sampler == "ddpm":
            variance = self.diffusion.variance(settings.variance, now, then)
        if s == 0 or not variance.any():
            return mean
        return mean + of(mean, variance**0.5) * self._normal(rng, x_t.shape)

    def _reverse(
        self, x_0: Array, x_t: Array, t: np.ndarray, s: np.ndarray, eta: float = 1.0
    ) -> tuple[Array, np.ndarray]:
        """The mean of q(x_s | x_t, x_0), and its variance (N,)."""
        on_x_0, on_x_t, variance = self.diffusion.posterior(t, s, eta)
        return of(x_0, on_x_0) * x_0 + of(x_t, on_x_t) * x_t, variance

    def chain(
        self, n: int, rng: np.random.Generator, labels: np.ndarray | None
    ) -> Iterator[tuple[int, Array]]:
        """(T, x_T), ..., (0, x_0), as the sampler visits them; x (n, pixels)."""
        s = self.settings
        times = np.linspace(s.T, 0, (s.sampling_steps or s.T) + 1).round().astype(int).tolist()
        x = self._normal(rng, (n, math.prod(self.shape)))
        yield s.T, x
        for now, then in itertools.pairwise(times):
            x = self.step(x, now, then, rng, labels)
            yield then, x

    def shown_as(self, x: Array) -> np.ndarray:
        """x_t (N, pixels) as images in [0, 1], or points."""
        x = to_device(self.center.data + self.scale.data * x, "cpu").reshape(-1, *self.shape)
        return x.clip(0, 1) if self.levels else x

    @no_grad()
    def sample(
        self, n: int, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> np.ndarray:
        labels = self.classes_of(n, labels)
        parts = []
        with self.ema.applied():
            for start in range(0, n, AT_A_TIME):
                some = None if labels is None else labels[start : start + AT_A_TIME]
                for _, x in self.chain(min(AT_A_TIME, n - start), rng, some):
                    images = x  # the last stays
                parts.append(self.shown_as(images))
        return np.concatenate(parts)

    def step_terms(
        self, x_0: Array, t: np.ndarray, rng: np.random.Generator, labels: np.ndarray | None
    ) -> np.ndarray:
        """L_{t-1} in nats for each image (N, pixels) at its time (N,); of t = 1 the decoder's L_0.

        KL = |mu_q - mu|^2 / 2 sigma^2 + D/2 (r - 1 - log r),  r = beta tilde / sigma^2    (eq. 8)
        """
        x_t = self.diffusion.mix(x_0, self._normal(rng, x_0.shape), t)
        believed = self.denoise(x_t, t, labels)
        mean, _ = self._reverse(believed, x_t, t, t - 1)
        sigma2 = self.diffusion.variance(self.settings.variance, t, t - 1)
        if (t == 1).all():
            x_0, mean = (to_device(a, "cpu").astype(np.float64) for a in (x_0, mean))
            decoder = -log_mass(x_0, mean, np.sqrt(sigma2)[:, None], self.levels).sum(1)
            # Of points it is a density, of which the units are the data's.
            return decoder if self.levels else decoder + x_0.shape[1] * math.log(self.scale.item())
        target, variance = self._reverse(x_0, x_t, t, t - 1)
        squares = to_device(((target - mean) ** 2).sum(axis=1), "cpu")
        r = variance / sigma2
        return squares / (2 * sigma2) + x_0.shape[1] / 2 * (r - 1 - np.log(r))

    @no_grad()
    def bound(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None, terms: int = 0
    ) -> dict[str, np.ndarray]:
        """The bound on -log p(x) and its three parts, nats for each image (N, pixels); eq. 5.

        The steps are all of t = 2 ... T; or, unbiased, `terms` of them an image, each drawn from
        a share of the times and standing for all of it. The shares grow with t, since most nats
        are where there is little noise. Without guidance.
        """
        n, count = len(x), self.settings.T - 1
        x_0 = self.standard(x)
        draws = min(terms, count) or count
        edges = np.geomspace(2, self.settings.T + 1, draws + 1).round().astype(int)
        edges = np.maximum(edges, 2 + np.arange(draws + 1))  # no share is empty
        abar, noise = self.diffusion.alpha_bar[-1], self.diffusion.noise[-1]
        squares = to_device((x_0 * x_0).sum(axis=1), "cpu").astype(np.float64)
        prior = 0.5 * (abar * squares - x_0.shape[1] * (abar + math.log(noise)))
        steps = np.zeros(n)
        with self.ema.applied():
            decoder = self.step_terms(x_0, np.full(n, 1), rng, labels)
            for start, stop in itertools.pairwise(edges.tolist()):
                t = rng.integers(start, stop, n)
                steps += self.step_terms(x_0, t, rng, labels) * (stop - start)
        return {"nll": prior + steps + decoder, "prior": prior, "steps": steps, "decoder": decoder}

    def test(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        return self.bound(x, rng, labels, TEST_TERMS)

    def evaluate(
        self, x: Array, rng: np.random.Generator, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        return self.bound(x, rng, labels, self.settings.bound_terms)

    def report(self, numbers: Mapping[str, float]) -> list[Row]:
        drawn = self.settings.bound_terms
        bits = numbers["nll"] / math.prod(self.shape) / math.log(2)
        return [
            Row("-log p(x), at most", numbers["nll"], f"{bits:.3f} bits/dim"),
            Row("  prior L_T", numbers["prior"]),
            Row("  steps L_1 ... L_{T-1}", numbers["steps"], f"{drawn or 'all'} terms an image"),
            Row("  decoder L_0", numbers["decoder"]),
        ]

    @property
    def called(self) -> str:
        s, conditional = self.settings, "conditional " * bool(self.classes)
        return f"{conditional}DDPM ({s.schedule}, {s.objective})"

    @property
    def sampled(self) -> str:
        s = self.settings
        how = f"DDIM, eta {s.eta:g}" if s.sampler == "ddim" else f"ancestral, {s.variance} variance"
        guided = f", guidance w = {s.guidance:g}" if s.guidance else ""
        return f"{how}, {s.sampling_steps or s.T} steps{guided}"

    def panels(self, baseline: float | None) -> list[Panel]:
        lines = {} if baseline is None else {f"factorised model {baseline:.2f}": baseline}
        image, pixel = ("image", "pixel") if self.levels else ("point", "coordinate")
        halves = {"little_noise": r"$t \leq T/2$", "much_noise": "$t > T/2$"}
        return [
            Panel("loss: squared error", f"per {pixel}", {"loss": "all $t$", **halves}),
            Panel("bound on $-\\log p(x)$", f"nats per {image}", {}, {"nll": "test"}, lines),
        ]

    def draw(self, data: Dataset, test: Array, rng: np.random.Generator) -> dict[str, Figure]:
        return diffusion_figures.draw(self, data, test, rng)

    def standard(self, x: Any) -> Array:
        """(N, pixels) of data as x_0, in the units of the diffusion."""
        self.check_pixels(x)
        return (self.array(x) - self.center.data) / self.scale.data

    def _normal(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draws of N(0, 1), made where the model is."""
        seed = int(rng.integers(2**64, dtype=np.uint64))
        return normal(shape, seed, like=self.center.data)
