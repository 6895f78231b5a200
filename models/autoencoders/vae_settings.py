"""What a VAE can be set to, what works on which data, and the published number."""

from dataclasses import dataclass

from models.data import PIXELS
from models.errors import UsageError
from models.settings import CommonSettings, setting

DECODERS = {  # and the forms of the pixels that each describes
    "bernoulli": ("fixed", "dynamic"),
    "gaussian": ("dequantised",),  # since it is a density
    "logistic": ("levels",),
}


def check_decoder(decoder: str, pixels: str) -> None:
    """Raises UsageError for a p(x|z) that does not describe this form of the pixels."""
    if pixels not in DECODERS[decoder]:
        raise UsageError(
            f"decoder={decoder} with pixels={pixels}: a bernoulli describes binary "
            "pixels (fixed or dynamic), a logistic levels, and a gaussian, which is a density, "
            "dequantised ones"
        )


@dataclass(frozen=True)
class LatentVariableSettings(CommonSettings):
    """The networks of q(z|x) and p(x|z); the defaults are those for MNIST (PyTorch's example)."""

    network: str = setting("mlp", "conv: each layer halves the image", choices=("mlp", "conv"))
    hidden: tuple[int, ...] = setting(
        (400,), "widths of the encoder; the decoder mirrors it", least=1
    )
    latent: int = setting(20, "dimensions of z", least=1)
    activation: str = setting("relu", "of the hidden layers", choices=("relu", "silu", "tanh"))
    decoder: str = setting(
        "bernoulli", "p(x|z); gaussian and logistic are for levels", choices=tuple(DECODERS)
    )
    pixels: str = setting("dynamic", choices=PIXELS)
    final_learning_rate: float = setting(1e-3)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_decoder(self.decoder, self.pixels)


@dataclass(frozen=True)
class Settings(LatentVariableSettings):
    """What a VAE is and how it learns."""

    beta: float = setting(1.0, "weight of the KL term (Higgins et al. 2017, eq. 4)", least=0)
    anneal_epochs: float = setting(0.0, "epochs over which beta grows from 0 to its value", least=0)


DEFAULTS = {
    "digits": Settings(
        hidden=(64, 128), latent=8, pixels="fixed", batch=100, final_learning_rate=1e-5, epochs=300
    ),
    "binarized-mnist": Settings(
        hidden=(200, 200), latent=50, activation="tanh", pixels="fixed", batch=100, epochs=60,
        learning_rate=2e-3, final_learning_rate=1e-5,
    ),
    "pictures": Settings(
        network="conv", hidden=(16, 32), latent=32, activation="silu", decoder="logistic",
        pixels="levels", batch=25, learning_rate=3e-3, final_learning_rate=1e-5, epochs=120,
    ),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED_NLL = 88.71
"""Nats per image of binarized-mnist, beside `chainrule train vae --data binarized-mnist`.

Burda, Grosse & Salakhutdinov 2016, "Importance Weighted Autoencoders", fixed binarisation, one
stochastic layer: a VAE with k = 1, estimated with 5,000 importance samples. They train the same
networks for 3,280 epochs in batches of 20.
"""
