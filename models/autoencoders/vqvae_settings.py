"""What a VQ-VAE can be set to, what works on which data, and the published number."""

from dataclasses import dataclass

from models.autoencoders.vae_settings import DECODERS, check_decoder
from models.data import PIXELS
from models.errors import UsageError
from models.settings import CommonSettings, setting


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a VQ-VAE is and how it learns; the defaults are for MNIST, a grid of 7 x 7 codes."""

    hidden: tuple[int, ...] = setting((32, 64), "features after each halving of the image", least=1)
    activation: str = setting("relu", "of the hidden layers", choices=("relu", "silu", "tanh"))
    latent: int = setting(16, "dimensions of a vector of the codebook", least=1)
    codes: int = setting(64, "vectors in the codebook", least=2, most=4096)
    codebook: str = setting(
        "ema", "learnt by its loss (eq. 3), or as a moving average", choices=("loss", "ema")
    )
    decay: float = setting(0.95, "of the moving average", least=0, most=1 - 1e-9)
    revive: float = setting(0.5, "uses a batch, on average, below which a code is dead", least=0)
    beta: float = setting(0.25, "weight of the commitment (eq. 3)", least=0)
    decoder: str = setting(
        "bernoulli", "p(x|z); gaussian and logistic are for levels", choices=tuple(DECODERS)
    )
    pixels: str = setting("dynamic", choices=PIXELS)
    prior_channels: int = setting(32, "of the PixelCNN of the codes, even", least=2, most=4096)
    prior_blocks: int = setting(4, "residual blocks of it", least=1, most=1000)
    autoencoder_epochs: int = setting(10, "for the codes; those after are for their prior", least=1)
    batch: int = setting(100)
    learning_rate: float = setting(2e-3)
    epochs: int = setting(20)

    @property
    def network(self) -> str:
        """Codes have a place in the image, so a perceptron has none of them."""
        return "conv"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_decoder(self.decoder, self.pixels)
        if self.autoencoder_epochs >= self.epochs:
            raise UsageError(
                f"autoencoder_epochs={self.autoencoder_epochs}, epochs={self.epochs}: none is left "
                "for the prior of the codes; take more --epochs, or a smaller "
                "--set autoencoder_epochs"
            )
        if self.prior_channels % 2:
            raise UsageError(f"prior_channels={self.prior_channels}: it is halved, so it is even")


DEFAULTS = {
    "digits": Settings(
        hidden=(32, 64), codes=8, pixels="fixed", autoencoder_epochs=100, epochs=150
    ),
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(
        hidden=(32, 64), codes=128, activation="silu", decoder="logistic", pixels="levels",
        batch=25, autoencoder_epochs=80, epochs=120,
    ),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED_BITS_PER_DIM = 4.67
"""Of CIFAR-10, beside `chainrule train vqvae --data cifar10`.

van den Oord, Vinyals & Kavukcuoglu 2017, "Neural Discrete Representation Learning", section 4.1:
a VAE of the same networks has 4.51, and VIMCO, discrete too, 5.14.
"""
