"""What an autoencoder can be set to, what works on which data, and the published number."""

from dataclasses import dataclass

from models.autoencoders.networks import ACTIVATIONS
from models.settings import CommonSettings, setting

KINDS = {  # and the activation of the code
    "plain": "linear",
    "denoising": "linear",
    "sparse": "relu",  # so that a code can be exactly 0
    "contractive": "sigmoid",  # as Rifai's
    "masked": "linear",
}


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What an autoencoder is and how it learns; the defaults are those for 28 x 28."""

    kind: str = setting("plain", "of autoencoder", choices=tuple(KINDS))
    hidden: tuple[int, ...] = setting(
        (256,), "widths between pixels and code; may be none", least=1, may_be_empty=True
    )
    latent: int = setting(32, "dimensions of the code", least=1)
    activation: str = setting("relu", "of the hidden layers", choices=tuple(ACTIVATIONS))
    noise: float = setting(0.3, "denoising: standard deviation of the noise on a pixel", least=0)
    weight: float = setting(0.1, "sparse, contractive: of the penalty", least=0)
    patch: int = setting(4, "masked: pixels along a side of a patch", least=1)
    mask_ratio: float = setting(0.5, "masked: share of the patches that is hidden", least=0, most=1)
    epochs: int = setting(20)


DEFAULTS = {
    "digits": Settings(hidden=(128,), latent=8, patch=2, batch=50, learning_rate=2e-3, epochs=150),
    "binarized-mnist": Settings(pixels="fixed"),
    "pictures": Settings(batch=50, epochs=100),
}
"""The settings known to work on a data set; for the others they are the defaults of the class."""

PUBLISHED = Settings(hidden=(1000, 500, 250), latent=30, activation="sigmoid", epochs=200)
PUBLISHED_SQUARED_ERROR, PUBLISHED_PCA = 3.00, 13.87
"""Per test image of MNIST, summed over its 784 pixels, with these settings and by PCA with as many
dimensions: Hinton & Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks",
figure 2. They train it with RBMs first and conjugate gradients afterwards, and the decoder's
weights are not tied to the encoder's.
"""
