"""What a Gaussian mixture can be set to, what works on which data, and the number to beat."""

from dataclasses import dataclass

from models.settings import CommonSettings, setting


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a mixture is and how it learns."""

    components: int = setting(5, "Gaussians in the mixture", least=1)
    method: str = setting("em", "gradient: Adam on the same likelihood", choices=("em", "gradient"))
    floor: float = setting(1e-6, "added by EM to each variance; 0 lets one collapse", least=0)
    pixels: str = setting("dequantised", choices=("dequantised",))
    batch: int = setting(0, "of method=gradient: images a step; 0: all of them", least=0)
    learning_rate: float = setting(0.01, "of method=gradient, at the start")
    epochs: int = setting(30)


DEFAULTS = {
    "digits": Settings(floor=3e-4, epochs=60),
    "mnist": Settings(components=10, epochs=20),
    "fashion-mnist": Settings(components=10, epochs=20),
    "ring": Settings(components=8),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""

SCIKIT_LEARN_BITS_PER_DIM = 2.868
"""Of digits, beside `chainrule train gmm --data digits`: a mixture of ten by scikit-learn.

Measured on the same split. A single Gaussian has 3.047, and a histogram of each pixel 2.366: most
pixels of the digits have one level nearly always, which a Gaussian has no way to say.
"""
