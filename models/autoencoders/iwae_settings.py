"""What an IWAE can be set to, what works on which data, and the published numbers."""

from dataclasses import dataclass

from models.autoencoders.vae_settings import LatentVariableSettings
from models.settings import setting


@dataclass(frozen=True)
class Settings(LatentVariableSettings):
    """What an IWAE is and how it learns."""

    k: int = setting(5, "importance samples of an image in the loss; 1 is the VAE's", least=1)
    gradient: str = setting(
        "reparameterised",
        "of the encoder (Tucker et al. 2019)",
        choices=("reparameterised", "doubly-reparameterised"),
    )


DEFAULTS = {
    "digits": Settings(
        k=5, hidden=(64, 128), latent=8, pixels="fixed", batch=100, final_learning_rate=1e-5,
        epochs=300,
    ),
    "binarized-mnist": Settings(
        k=5, hidden=(200, 200), latent=50, activation="tanh", pixels="fixed", batch=100, epochs=36,
        learning_rate=2e-3, final_learning_rate=1e-5,
    ),
}  # fmt: skip
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED_NLL = {1: 88.71, 5: 87.63, 50: 87.10}
"""Nats per image for each k, beside those of `chainrule train iwae --data binarized-mnist`.

Burda, Grosse & Salakhutdinov 2016, appendix D: fixed binarisation, one stochastic layer, estimated
with 5,000 importance samples. With dynamic binarisation they are 86.76, 85.54 and 84.78 (table 1).
They train the same networks for 3,280 epochs in batches of 20.
"""
