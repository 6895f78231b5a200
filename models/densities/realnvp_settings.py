"""What a Real NVP can be set to, what works on which data, and the published numbers."""

from dataclasses import dataclass

from models.settings import CommonSettings, setting


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a flow is and how it learns; the defaults are those for MNIST."""

    layers: int = setting(8, "affine couplings", least=1, most=1000)
    hidden: tuple[int, ...] = setting((256, 256), "widths of each coupling's perceptron", least=1)
    alternate: bool = setting(True, "the masks; if not, half of the numbers are never changed")
    alpha: float = setting(0.05, "of the logit (section 4.1)", least=1e-6, most=0.49)
    pixels: str = setting("dequantised", choices=("dequantised",))
    batch: int = setting(100)
    epochs: int = setting(10)


DEFAULTS = {
    "digits": Settings(layers=6, hidden=(128, 128), epochs=60),
    "ring": Settings(layers=10, hidden=(64, 64), learning_rate=3e-3, batch=200, epochs=40),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED_BITS_PER_DIM = 3.49
"""Of CIFAR-10, by couplings of convolutions in several scales (Dinh et al. 2017, table 1).

Ours are perceptrons for small images. On 8 x 8 digits nothing is published.
"""
