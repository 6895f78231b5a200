"""What a hierarchical VAE can be set to, what works on which data, and the published numbers."""

from dataclasses import dataclass

from models.autoencoders import vae_settings
from models.settings import setting


@dataclass(frozen=True)
class Settings(vae_settings.Settings):
    """A VAE's, and those of its upper layer; the defaults are for MNIST (Burda et al. 2016)."""

    inference: str = setting(
        "ladder", "bottom-up infers z1 first, a ladder z2", choices=("bottom-up", "ladder")
    )
    hidden: tuple[int, ...] = setting((200, 200), "widths between x and z1, both ways", least=1)
    latent: int = setting(100, "dimensions of z1", least=1)
    upper_hidden: tuple[int, ...] = setting((100, 100), "widths between z1 and z2", least=1)
    upper_latent: int = setting(50, "dimensions of z2", least=1)
    free_bits: float = setting(0.0, "nats of KL that each layer has for free", least=0)
    activation: str = setting("tanh", "of the hidden layers", choices=("relu", "silu", "tanh"))
    anneal_epochs: float = setting(15.0, "epochs over which beta grows to its value", least=0)
    batch: int = setting(100)
    learning_rate: float = setting(2e-3)
    final_learning_rate: float = setting(1e-5)
    epochs: int = setting(45)


DEFAULTS = {
    "digits": Settings(
        hidden=(64, 128), latent=8, upper_hidden=(64,), upper_latent=4, activation="relu",
        anneal_epochs=100, pixels="fixed", learning_rate=1e-3, epochs=300,
    ),
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(
        network="conv", hidden=(16, 32), latent=32, upper_hidden=(64,), upper_latent=8,
        activation="silu", decoder="logistic", pixels="levels", batch=25, learning_rate=3e-3,
        anneal_epochs=40, epochs=120,
    ),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED_NLL = 85.33
"""Nats per image of MNIST in dynamic binarisation, beside `chainrule train hvae --data mnist`.

Burda, Grosse & Salakhutdinov 2016, "Importance Weighted Autoencoders", two stochastic layers of 100
and 50 units, bottom-up, k = 1: by 5,000 importance samples, after 3,280 epochs in batches of 20.
Sønderby et al. 2016, "Ladder Variational Autoencoders", come to 81.74 with five layers.
"""
