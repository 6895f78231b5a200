"""What a GMAN can be set to, and what works on which data."""

from dataclasses import asdict, dataclass

from models.adversarial import gan_settings
from models.errors import UsageError
from models.settings import setting


@dataclass(frozen=True)
class Settings(gan_settings.Settings):
    discriminators: int = setting(5, "N, each with a start of its own", least=1, most=100)
    inverse_temperature: float = setting(
        1.0, "lambda, of the softmax of their values: 0 is the mean, infinity the maximum", least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for wrong in ("loss=wgan-gp", "feature_matching=yes"):
            name, _, value = wrong.partition("=")
            if getattr(self, name) in (value, True):
                raise UsageError(f"{wrong}: it is for one discriminator, and a GMAN has several")


COLLAPSING = Settings(**asdict(gan_settings.COLLAPSING))
"""On the ring: what makes a GAN collapse, with several discriminators."""

DEFAULTS = {
    "digits": Settings(
        loss="minimax", network="mlp", latent=16, hidden=(128, 128), inverse_temperature=0.0,
        batch=100, learning_rate=1e-3, final_learning_rate=1e-5, epochs=100,
    ),
    "ring": Settings(
        loss="minimax", network="mlp", latent=4, hidden=(64, 64, 64), batch=128, epochs=25,
        learning_rate=1e-3, final_learning_rate=1e-5,
    ),
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(hidden=(32, 64, 128), batch=25, epochs=100),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class.

Durugkar et al. 2017 compare their models with each other, by GMAM (eq. 8, table 1), which needs the
discriminators of both: no number of theirs compares with ours.
"""
