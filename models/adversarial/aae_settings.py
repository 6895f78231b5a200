"""What an adversarial autoencoder can be set to, and what works on which data."""

from dataclasses import dataclass

from models.adversarial import gan_settings
from models.adversarial.priors import PRIORS
from models.errors import UsageError
from models.settings import setting


@dataclass(frozen=True)
class Settings(gan_settings.Settings):
    """As a GAN's, of which the generator is now the encoder."""

    prior: str = setting("gaussian", "p(z), of the codes", choices=tuple(PRIORS))
    latent: int = setting(2, "dimensions of z", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior == "swiss-roll" and self.latent != 2:
            raise UsageError(
                f"prior=swiss-roll with latent={self.latent}: the roll lies in the plane, so that "
                "a code has two numbers: choose latent=2"
            )


DEFAULTS = {
    "digits": Settings(
        network="mlp",
        hidden=(128, 128),
        batch=100,
        learning_rate=1e-3,
        final_learning_rate=1e-5,
        epochs=100,
    ),
    "binarized-mnist": Settings(pixels="fixed", latent=8),
    "pictures": Settings(latent=32, hidden=(32, 64, 128), batch=25, epochs=100),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""
