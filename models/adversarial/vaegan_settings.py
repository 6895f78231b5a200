"""What a VAE-GAN can be set to, and what works on which data."""

from dataclasses import dataclass

from models.adversarial import gan_settings
from models.settings import setting


@dataclass(frozen=True)
class Settings(gan_settings.Settings):
    """As a GAN's, and what its generator minds beside the game."""

    gamma: float = setting(0.1, "weight of L_llike in the generator's loss", least=0)


DEFAULTS = {
    # L_llike is a sum over the features: of 256 it is little beside the KL, and codes say little.
    "digits": Settings(
        **vars(gan_settings.DEFAULTS["digits"]) | {"hidden": (256, 1024), "epochs": 60}
    ),
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(**vars(gan_settings.DEFAULTS["pictures"])),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""
