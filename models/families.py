"""The families of models, by the names that the command line has for them."""

from typing import Any, NamedTuple

from models.adversarial.aae import AAE
from models.adversarial.aae_report import AAEReport
from models.adversarial.bigan import BiGAN
from models.adversarial.encoder_report import EncoderReport
from models.adversarial.gan import GAN
from models.adversarial.gan_page import GANPage
from models.adversarial.gan_report import GANReport
from models.adversarial.gman import GMAN
from models.adversarial.gman_report import GMANReport
from models.adversarial.mgan import MGAN
from models.adversarial.mgan_report import MGANReport
from models.adversarial.vaegan import VAEGAN
from models.adversarial.vaegan_report import VAEGANReport
from models.autoencoders.autoencoder import Autoencoder
from models.autoencoders.autoencoder_report import AutoencoderReport
from models.autoencoders.cvae import CVAE
from models.autoencoders.cvae_report import CVAEReport
from models.autoencoders.hvae import HVAE
from models.autoencoders.hvae_report import HVAEReport
from models.autoencoders.iwae import IWAE
from models.autoencoders.iwae_report import IWAEReport
from models.autoencoders.m2 import M2
from models.autoencoders.m2_report import M2Report
from models.autoencoders.vae import VAE
from models.autoencoders.vae_page import VAEPage
from models.autoencoders.vae_report import VAEReport
from models.autoencoders.vqvae import VQVAE
from models.autoencoders.vqvae_report import VQVAEReport
from models.autoregressive.pixelcnn import PixelCNN
from models.autoregressive.pixelcnn_page import PixelCNNPage
from models.autoregressive.pixelcnn_report import PixelCNNReport
from models.data import DATASETS, PICTURES
from models.densities.gmm import GMM
from models.densities.gmm_report import GMMReport
from models.densities.realnvp import RealNVP
from models.densities.realnvp_report import RealNVPReport
from models.diffusion.ddpm import DDPM
from models.diffusion.ddpm_page import DDPMPage
from models.diffusion.ddpm_report import DDPMReport
from models.diffusion.ldm import LDM
from models.diffusion.ldm_report import LDMReport
from models.explore import Page
from models.model import Model
from models.report import Report


class Family(NamedTuple):
    model: type[Model]
    report: type[Report] = Report
    page: type[Page] | None = None

    def settings(self, data: str) -> Any:
        """Those known to work on the data of this name, or on pictures, or else the defaults."""
        kind = "pictures" if data in PICTURES or data not in DATASETS else data
        known = self.model.defaults
        return known.get(data) or known.get(kind) or self.model.settings_type()


FAMILIES = {
    "vae": Family(VAE, VAEReport, VAEPage),
    "gan": Family(GAN, GANReport, GANPage),
    "pixelcnn": Family(PixelCNN, PixelCNNReport, PixelCNNPage),
    "ddpm": Family(DDPM, DDPMReport, DDPMPage),
    "autoencoder": Family(Autoencoder, AutoencoderReport),
    "iwae": Family(IWAE, IWAEReport),
    "cvae": Family(CVAE, CVAEReport),
    "m2": Family(M2, M2Report),
    "hvae": Family(HVAE, HVAEReport),
    "vqvae": Family(VQVAE, VQVAEReport),
    "vaegan": Family(VAEGAN, VAEGANReport),
    "aae": Family(AAE, AAEReport),
    "bigan": Family(BiGAN, EncoderReport),
    "mgan": Family(MGAN, MGANReport),
    "gman": Family(GMAN, GMANReport),
    "ldm": Family(LDM, LDMReport),
    "realnvp": Family(RealNVP, RealNVPReport),
    "gmm": Family(GMM, GMMReport),
}
