"""What an MGAN can be set to, and what works on which data."""

from dataclasses import asdict, dataclass

from models.adversarial import gan_settings
from models.errors import UsageError
from models.settings import setting


@dataclass(frozen=True)
class Settings(gan_settings.Settings):
    generators: int = setting(4, "K, which share all layers but the first", least=2, most=100)
    beta: float = setting(1.0, "weight of the classifier's loss in that of G", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch < self.generators:
            raise UsageError(
                f"batch={self.batch}, generators={self.generators}: each generator makes a sample "
                "of a batch at least, so take a batch as large"
            )
        if self.feature_matching:
            raise UsageError(
                "feature_matching=yes: it takes the place of the loss of G, which an MGAN needs"
            )


COLLAPSING = Settings(**asdict(gan_settings.COLLAPSING), generators=8)
"""On the ring: what makes a GAN collapse, with a generator for each mode."""

DEFAULTS = {
    "digits": Settings(
        network="mlp", latent=16, hidden=(128, 128), generators=8, beta=0.3, batch=100,
        learning_rate=1e-3, final_learning_rate=1e-5, epochs=100,
    ),
    "ring": COLLAPSING,
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(hidden=(32, 64, 128), batch=25, epochs=100),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class.

Hoang et al. 2018 report inception scores of natural images in colour, which are not those of our
classifier of digits: no number of theirs compares with ours.
"""
