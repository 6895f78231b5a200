"""What a CVAE can be set to, and what works on which data."""

from dataclasses import dataclass

from models.autoencoders import vae_settings


@dataclass(frozen=True)
class Settings(vae_settings.Settings):
    """What a CVAE is and how it learns: as a VAE, with the classes of the data."""

    conditional = True  # there is no choice: without an annotation it is not a setting


DEFAULTS = {
    "digits": Settings(
        hidden=(64, 128), latent=8, pixels="fixed", batch=100, final_learning_rate=1e-5, epochs=300
    ),
    "mnist": Settings(
        hidden=(200, 200), latent=20, activation="tanh", batch=100, epochs=40,
        learning_rate=2e-3, final_learning_rate=1e-5,
    ),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class."""
