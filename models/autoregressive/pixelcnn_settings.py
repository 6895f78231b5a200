"""What a PixelCNN can be set to, what works on which data, and the published number."""

from dataclasses import dataclass

from models.autoregressive.distributions import DISTRIBUTIONS
from models.autoregressive.networks import NETWORKS
from models.errors import UsageError
from models.settings import CommonSettings, setting


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a PixelCNN is and how it learns; the defaults are those for MNIST."""

    kind: str = setting("plain", "gated has two stacks and no blind spot", choices=tuple(NETWORKS))
    kernel_size: int = setting(15, "of the first layer, odd", least=3, most=99)
    channels: int = setting(
        64, "features of a pixel between the blocks, even; within, half of it", least=2, most=4096
    )
    blocks: int = setting(8, "residual blocks", least=1, most=1000)
    conditional: bool = setting(False, "learn p(x | class), by a bias for each class")
    pixels: str = setting("dynamic", "their form")
    output: str = setting(
        "softmax",
        "the distribution of a pixel's levels; logistic is a mixture of them",
        choices=tuple(DISTRIBUTIONS),
    )
    components: int = setting(10, "of the mixture of logistics", least=1, most=1000)
    batch: int = setting(16)
    learning_rate: float = setting(2e-3)
    epochs: int = setting(8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel_size % 2 == 0 or self.channels % 2 == 1:
            raise UsageError(
                f"kernel_size={self.kernel_size}, channels={self.channels}: a kernel with a centre "
                "is odd, and channels that are halved are even"
            )


DEFAULTS = {
    "pictures": Settings(
        kernel_size=7,
        channels=60,
        blocks=5,
        pixels="levels",
        output="logistic",
        learning_rate=4e-3,
        epochs=30,
    ),
    "digits": Settings(kernel_size=5, blocks=4, pixels="fixed", epochs=15),
    "binarized-mnist": Settings(pixels="fixed"),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED_NLL = 81.30
"""Nats per image of binarized-mnist, beside `chainrule train pixelcnn --data binarized-mnist`.

van den Oord et al. 2016, "Pixel Recurrent Neural Networks", table 4: a PixelCNN on MNIST, fixed
binarisation.
"""
