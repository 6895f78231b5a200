"""What a GAN can be set to, and what works on which data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from models.adversarial.losses import LOSSES
from models.errors import UsageError
from models.settings import CommonSettings, setting


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a GAN is and how it learns; the defaults are those for MNIST."""

    loss: str = setting("non-saturating", "of both players", choices=tuple(LOSSES))
    network: str = setting("dcgan", "dcgan: Radford et al. 2016", choices=("mlp", "dcgan"))
    latent: int = setting(64, "dimensions of z", least=1)
    hidden: tuple[int, ...] = setting((32, 64), "widths of D; G mirrors them", least=1)
    conditional: bool = setting(False, "both have the class as input (Mirza & Osindero 2014)")
    real_target: float = setting(1.0, "of D; 0.9 is one-sided smoothing", least=0, most=1)
    fake_target: float = setting(0.0, "of D; 0.1 smooths that side too", least=0, most=1)
    spectral_norm: bool = setting(False, "divide D's weights by their norm (Miyato et al. 2018)")
    minibatch_kernels: int = setting(0, "of minibatch discrimination; 0: none", least=0, most=1000)
    feature_matching: bool = setting(False, "G matches mean features (Salimans et al. 2016)")
    unrolled_steps: int = setting(0, "of D, a look ahead (Metz et al. 2017)", least=0, most=100)
    unrolled_rate: float = setting(0.1, "the learning rate of these steps", least=0)
    clip: float = setting(0.01, "wgan: the greatest size of a critic's weight", least=1e-12)
    penalty: float = setting(10.0, "wgan-gp: lambda, the weight of the gradient penalty", least=0)
    critic_steps: int = setting(1, "of D for each of G; 5 for wgan and wgan-gp", least=1, most=1000)
    optimizer: str = setting("adam", "wgan needs rmsprop", choices=("adam", "rmsprop"))
    beta1: float = setting(0.5, "of Adam", least=0, most=1 - 1e-9)
    beta2: float = setting(0.999, "of Adam", least=0, most=1 - 1e-9)
    batch: int = setting(64, "images for each step of D, and samples for each of G")
    learning_rate: float = setting(2e-4, "of D, at the start")
    generator_pace: float = setting(1.0, "G's learning rate, as a multiple of D's", least=1e-9)
    final_learning_rate: float = setting(2e-4)
    epochs: int = setting(5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.real_target <= self.fake_target:
            raise UsageError(
                f"real_target={self.real_target}, fake_target={self.fake_target}: "
                "D's target for data must be greater than that for samples"
            )
        if self.loss == "wgan-gp" and self.minibatch_kernels:
            raise UsageError(
                f"loss=wgan-gp with minibatch_kernels={self.minibatch_kernels}: the penalty is "
                "on each image's own gradient, and the kernels tie images together"
            )


_WGAN_GP = Settings(
    loss="wgan-gp", network="mlp", critic_steps=2, beta2=0.9, final_learning_rate=1e-5
)
DEFAULTS: Mapping[str, Settings] = {
    "digits": replace(
        _WGAN_GP,
        latent=16,
        hidden=(256, 256),
        penalty=1.0,
        batch=100,
        learning_rate=2e-3,
        epochs=300,
    ),
    "ring": replace(
        _WGAN_GP, latent=4, hidden=(64,) * 3, penalty=0.1, batch=128, learning_rate=1e-3, epochs=100
    ),
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(hidden=(32, 64, 128), batch=25, epochs=100),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""

COLLAPSING = Settings(
    network="mlp", latent=2, hidden=(64, 64, 64), batch=128, generator_pace=5.0,
    final_learning_rate=1e-5, epochs=25,
)  # fmt: skip
"""On the ring: a generator faster than its discriminator leaves each mode where that finds it."""

UNROLLED = replace(COLLAPSING, unrolled_steps=5, unrolled_rate=0.05)
"""Looking ahead against mode collapse, `python -m benchmarks mode_collapse`.

Metz, Poole, Pfau & Sohl-Dickstein 2017, "Unrolled Generative Adversarial Networks", section 3.1: of
8 Gaussians on a ring a plain GAN never holds more than one or two and goes round, and with unrolled
steps of D (they take 5 to 10) it covers all 8. Theirs have sigma = 0.02.
"""
