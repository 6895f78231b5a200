"""What a diffusion model can be set to, what works on which data, and a number beside it."""

from dataclasses import dataclass, replace

from models.diffusion.gaussian_diffusion import OBJECTIVES, SCHEDULES
from models.errors import UsageError
from models.settings import CommonSettings, setting

GROUPS = 4  # of GroupNorm


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a diffusion model is, how it learns, and how it is sampled from."""

    T: int = setting(400, "steps from image to noise", least=1, most=100_000)
    schedule: str = setting("cosine", "of the noise", choices=SCHEDULES)
    beta_start: float = setting(0.0, "of the linear schedule, at t = 1; 0: 1e-4 x 1000/T", least=0)
    beta_end: float = setting(0.0, "of the linear schedule, at t = T; 0: 0.02 x 1000/T", least=0)
    objective: str = setting("v", "what the network predicts from x_t", choices=OBJECTIVES)
    network: str = setting("unet", "mlp is for points and few pixels", choices=("unet", "mlp"))
    width: int = setting(16, "channels of the unet at full resolution; units of the mlp", least=1)
    resolutions: int = setting(3, "of the unet, each half of the one before", least=1, most=10)
    depth: int = setting(3, "residual layers of the mlp", least=1, most=1000)
    fourier: bool = setting(False, "further inputs: where a pixel lies between two grey levels")
    ema: float = setting(0.999, "decay of the weights' average, which samples", least=0, most=1)
    conditional: bool = setting(False, "learn from the labels too")
    drop: float = setting(0.1, "share of labels dropped, for guidance", least=0, most=1)
    sampler: str = setting("ddpm", "ddpm is ancestral", choices=("ddpm", "ddim"), sampling=True)
    sampling_steps: int = setting(0, "spread over T; 0: all", least=0, sampling=True)
    eta: float = setting(0.0, "of ddim: 1 is ancestral", least=0, most=1, sampling=True)
    variance: str = setting(
        "small", "of p(x_s|x_t): beta tilde, or beta", choices=("small", "large"), sampling=True
    )
    resamplings: int = setting(
        10, "of each step that completes images (RePaint)", least=1, sampling=True
    )
    guidance: float = setting(0.0, "w of (1 + w) eps(x, class) - w eps(x)", least=-1, sampling=True)
    bound_terms: int = setting(0, "of the bound, an image, in evaluate; 0: all T", least=0)
    epoch_terms: int = setting(8, "the same after each epoch", least=0)
    batch: int = setting(64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampling_steps > self.T:
            raise UsageError(
                f"sampling_steps={self.sampling_steps}: there are T={self.T} steps to choose from"
            )
        if self.schedule != "linear" and (self.beta_start or self.beta_end):
            raise UsageError(f"beta_start and beta_end are of schedule=linear, not {self.schedule}")
        if self.guidance and not self.conditional:
            raise UsageError(
                f"guidance={self.guidance:g} needs a conditional model: "
                "train one with --set conditional=yes"
            )
        if self.network == "unet" and self.width % GROUPS:
            raise UsageError(f"width={self.width}: GroupNorm needs a multiple of {GROUPS}")
        if self.network == "mlp" and self.width % 2:
            raise UsageError(
                f"width={self.width}: the embedding of t has as many sines as cosines, so it must "
                "be even"
            )


# In 256 levels further inputs would be nothing but noise: it hides the levels at every t.
_PICTURES = Settings(
    ema=0.995, sampling_steps=100, bound_terms=16, epoch_terms=2, batch=32, epochs=100
)
_MNIST = Settings(sampling_steps=100, bound_terms=16, epochs=3)
DEFAULTS = {
    "digits": Settings(
        resolutions=2, fourier=True, ema=0.99, sampling_steps=100, batch=50, epochs=60
    ),
    "binarized-mnist": replace(_MNIST, pixels="fixed"),
    "mnist": _MNIST,
    "fashion-mnist": _MNIST,
    "pictures": _PICTURES,
    "ring": Settings(T=100, network="mlp", width=128, ema=0.995, batch=200, epochs=80),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""

HISTOGRAM_BITS_PER_DIM = 2.366
"""Of digits, beside `chainrule train ddpm --data digits`: measured on the same split.

A bound on 8 x 8 digits is published nowhere. Of the 17 levels a uniform distribution needs 4.087
bits/dim, a Gaussian of full covariance 3.047, a mixture of ten 2.868, and a histogram of each
pixel, which is the factorised model, 2.366. (For scale: Ho et al. 2020, table 1, have at most 3.75
bits/dim on CIFAR-10 with the same loss, and a network of 35.7 million weights.)
"""
