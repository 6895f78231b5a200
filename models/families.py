"""The families of models, by the names that the command line has for them."""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from models.data import DATASETS, PICTURES

if TYPE_CHECKING:
    from models.explore import Page
    from models.model import Model
    from models.report import Report


class Family:
    """A model with its report, and its page if it has one: the names of classes, MODULE:CLASS.

    A class is imported when it is asked for. So the help imports none, and a run those of its own
    family: all of them, with what they rest on, would take longer than to train some.
    """

    def __init__(self, model: str, report: str = "models.report:Report", page: str | None = None):
        self._model, self._report, self._page = model, report, page

    @property
    def model(self) -> type["Model"]:
        return resolve_name(self._model)

    @property
    def report(self) -> type["Report"]:
        return resolve_name(self._report)

    @property
    def page(self) -> type["Page"] | None:
        return resolve_name(self._page) if self._page else None

    def settings(self, data: str) -> Any:
        """Those known to work on the data of this name, or on pictures, or else the defaults."""
        kind = "pictures" if data in PICTURES or data not in DATASETS else data
        known = self.model.defaults
        return known.get(data) or known.get(kind) or self.model.settings_type()


FAMILIES = {
    "vae": Family(
        "models.autoencoders.vae:VAE",
        "models.autoencoders.vae_report:VAEReport",
        "models.autoencoders.vae_page:VAEPage",
    ),
    "gan": Family(
        "models.adversarial.gan:GAN",
        "models.adversarial.gan_report:GANReport",
        "models.adversarial.gan_page:GANPage",
    ),
    "pixelcnn": Family(
        "models.autoregressive.pixelcnn:PixelCNN",
        "models.autoregressive.pixelcnn_report:PixelCNNReport",
        "models.autoregressive.pixelcnn_page:PixelCNNPage",
    ),
    "ddpm": Family(
        "models.diffusion.ddpm:DDPM",
        "models.diffusion.ddpm_report:DDPMReport",
        "models.diffusion.ddpm_page:DDPMPage",
    ),
    "autoencoder": Family(
        "models.autoencoders.autoencoder:Autoencoder",
        "models.autoencoders.autoencoder_report:AutoencoderReport",
    ),
    "iwae": Family("models.autoencoders.iwae:IWAE", "models.autoencoders.iwae_report:IWAEReport"),
    "cvae": Family("models.autoencoders.cvae:CVAE", "models.autoencoders.cvae_report:CVAEReport"),
    "m2": Family("models.autoencoders.m2:M2", "models.autoencoders.m2_report:M2Report"),
    "hvae": Family("models.autoencoders.hvae:HVAE", "models.autoencoders.hvae_report:HVAEReport"),
    "vqvae": Family(
        "models.autoencoders.vqvae:VQVAE", "models.autoencoders.vqvae_report:VQVAEReport"
    ),
    "vaegan": Family(
        "models.adversarial.vaegan:VAEGAN", "models.adversarial.vaegan_report:VAEGANReport"
    ),
    "aae": Family("models.adversarial.aae:AAE", "models.adversarial.aae_report:AAEReport"),
    "bigan": Family(
        "models.adversarial.bigan:BiGAN", "models.adversarial.encoder_report:EncoderReport"
    ),
    "mgan": Family("models.adversarial.mgan:MGAN", "models.adversarial.mgan_report:MGANReport"),
    "gman": Family("models.adversarial.gman:GMAN", "models.adversarial.gman_report:GMANReport"),
    "ldm": Family("models.diffusion.ldm:LDM", "models.diffusion.ldm_report:LDMReport"),
    "realnvp": Family(
        "models.densities.realnvp:RealNVP", "models.densities.realnvp_report:RealNVPReport"
    ),
    "gmm": Family("models.densities.gmm:GMM", "models.densities.gmm_report:GMMReport"),
}
