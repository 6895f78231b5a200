"""What a BiGAN can be set to, what works on which data, and the published number."""

from dataclasses import dataclass

from models.adversarial import gan_settings
from models.settings import setting


@dataclass(frozen=True)
class Settings(gan_settings.Settings):
    """As a GAN's, and the weight of a term that asks for faithful reconstructions."""

    reconstruction: float = setting(0.0, "weight of |x - G(E(x))|^2 (Li et al. 2017)", least=0)


DEFAULTS = {
    "digits": Settings(**vars(gan_settings.DEFAULTS["digits"]) | {"epochs": 100}),
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(**vars(gan_settings.DEFAULTS["pictures"])),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED_ERROR, PUBLISHED_ERROR_OF_ANOTHER = 5.95, 9.60
"""The mean of |x - G(E(x))| on MNIST, and of |x' - G(E(x))| for another image x'.

What the code of Donahue et al. prints after 400 epochs (its README), with perceptrons and 50
uniform dimensions of z. Their paper compares the features of E instead.
"""
