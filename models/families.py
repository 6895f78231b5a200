"""The families of models, by the names that the command line knows them by."""

from models.autoencoder import Autoencoder
from models.ddpm import DDPM
from models.gan import GAN
from models.model import Model
from models.pixelcnn import PixelCNN
from models.vae import VAE

FAMILIES: dict[str, type[Model]] = {f.name: f for f in (VAE, GAN, PixelCNN, DDPM, Autoencoder)}
