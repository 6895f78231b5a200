"""What a latent diffusion model can be set to, and what works on which data."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from models.autoencoders import vae_settings
from models.diffusion import ddpm_settings
from models.diffusion.gaussian_diffusion import OBJECTIVES, SCHEDULES
from models.errors import UsageError
from models.settings import setting


@dataclass(frozen=True)
class Settings(vae_settings.Settings):
    """Those of the VAE, and of the DDPM of its codes."""

    beta: float = setting(0.1, "weight of the KL term of the VAE", least=0)
    autoencoder_epochs: int = setting(5, "of all epochs, the first, which train the VAE", least=1)
    standardise: bool = setting(True, "bring the codes to mean 0 and variance 1")
    T: int = setting(400, "steps from code to noise", least=1, most=100_000)
    schedule: str = setting("cosine", "of the noise", choices=SCHEDULES)
    objective: str = setting("v", "what the network predicts from z_t", choices=OBJECTIVES)
    width: int = setting(128, "units of the diffusion's perceptron", least=1)
    depth: int = setting(3, "its residual layers", least=1, most=1000)
    ema: float = setting(0.995, "decay of its weights' average, which samples", least=0, most=1)
    sampler: str = setting("ddpm", "ddpm is ancestral", choices=("ddpm", "ddim"), sampling=True)
    sampling_steps: int = setting(0, "spread over T; 0: all", least=0, sampling=True)
    eta: float = setting(0.0, "of ddim: 1 is ancestral", least=0, most=1, sampling=True)
    variance: str = setting(
        "large", "of p(z_s|z_t): beta tilde, or beta", choices=("small", "large"), sampling=True
    )
    bound_terms: int = setting(0, "of the bound, an image, in evaluate; 0: all T", least=0)
    epoch_terms: int = setting(8, "the same after each epoch", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.autoencoder_epochs >= self.epochs:
            raise UsageError(
                f"autoencoder_epochs={self.autoencoder_epochs}, epochs={self.epochs}: the epochs "
                "after those of the autoencoder train the diffusion, so there must be more"
            )
        if self.standardise and self.batch == 1:
            raise UsageError(
                "standardise=yes with batch=1: the codes of one image have no deviation; take more "
                "images, such as --set batch=2"
            )
        _ = self.of_diffusion  # raises, as the DDPM does

    @property
    def of_autoencoder(self) -> vae_settings.Settings:
        return vae_settings.Settings(**self._of(vae_settings.Settings))

    @property
    def of_diffusion(self) -> ddpm_settings.Settings:
        """Its data are codes, points without levels, so its network is a perceptron."""
        own = self._of(ddpm_settings.Settings) | {"network": "mlp", "pixels": "levels"}
        return ddpm_settings.Settings(**own)

    def _of(self, stage: type) -> dict[str, Any]:
        names = {field.name for field in dataclasses.fields(stage)}
        return {name: value for name, value in vars(self).items() if name in names}


DEFAULTS = {
    "digits": Settings(
        hidden=(128, 128), latent=16, activation="silu", decoder="logistic", pixels="levels",
        batch=100, final_learning_rate=1e-5, autoencoder_epochs=100, epochs=300,
        sampling_steps=100,
    ),
    "mnist": Settings(
        hidden=(400, 400), latent=32, activation="silu", decoder="logistic", pixels="levels",
        batch=100, final_learning_rate=1e-5, autoencoder_epochs=10, epochs=30, width=256,
        sampling_steps=100, bound_terms=16,
    ),
    "binarized-mnist": Settings(
        hidden=(400, 400), latent=32, activation="silu", pixels="fixed", batch=100,
        final_learning_rate=1e-5, autoencoder_epochs=10, epochs=30, width=256, sampling_steps=100,
        bound_terms=16,
    ),
    "pictures": Settings(
        network="conv", hidden=(16, 32), latent=32, activation="silu", decoder="logistic",
        pixels="levels", batch=25, final_learning_rate=1e-5, autoencoder_epochs=100, epochs=200,
        sampling_steps=100, bound_terms=16,
    ),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class.

Rombach et al. 2022 (table 1) have no data set of ours, and their FID is of another network.
"""
