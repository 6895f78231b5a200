"""Small computations to step through, which need no training: `chainrule trace NAME`.

neuron, classifier, normalisation   parts of a network
convolution                         plain and masked
sampling                            with and without the reparameterisation trick
depth                               gradients that vanish on their way up ten layers
adversary                           losses of a GAN, and a gradient of a gradient
steps                               one training step of a model
example                             how an example is declared
"""

import importlib
import pkgutil

from models.examples.example import EXAMPLES, Example, example

__all__ = ["EXAMPLES", "Example", "example"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
