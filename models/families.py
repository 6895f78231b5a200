"""The families of models, by the names that the command line knows them by."""

from models.adversarial.gan import GAN
from models.autoencoders.autoencoder import Autoencoder
from models.autoencoders.vae import VAE
from models.autoregressive.pixelcnn import PixelCNN
from models.diffusion.ddpm import DDPM
from models.model import Model

FAMILIES: dict[str, type[Model]] = {f.name: f for f in (VAE, GAN, PixelCNN, DDPM, Autoencoder)}
