"""Small GANs with an encoder in float64, for their PyTorch twins, and images for them."""

import numpy as np

SHAPE = (4, 3)


def made(model_type, shape=SHAPE, classes=0, dtype=np.float64, **settings):
    """A perceptron of each player, with two dimensions of z, unless the settings say otherwise."""
    small = {"network": "mlp", "hidden": (6, 5), "latent": 2}
    chosen = model_type.settings_type(**small | settings)
    model = model_type(chosen, shape, 5, np.random.default_rng(0), classes)
    for tensor in model.tensors().values():
        tensor.data = tensor.data.astype(dtype)
    model.array = lambda values: np.asarray(values, dtype)
    return model


def images(n=7, shape=SHAPE):
    return np.random.default_rng(1).random((n, np.prod(shape)))
