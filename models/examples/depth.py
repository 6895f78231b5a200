"""Ten layers: how far a gradient comes."""

import numpy as np

from autograd import Tensor, relu, sigmoid, tracing
from models.examples.example import Traces, example

DEPTH, WIDTH = 10, 4


@example("Ten layers: sigmoid, relu, residual")
def depth() -> Traces:
    """Each sigmoid has a slope of at most 1/4, so ten of them leave almost nothing of the gradient:
    follow it up to the first weights. A relu has a slope of 1 or of 0: what survives is larger, and
    where a unit is off, its gradient is exactly zero. In a residual network the cotangent of h goes
    on unchanged beside that of the layer, and the sum of both reaches the first layer in full size.
    """
    layers = {
        "sigmoid": lambda h, w: sigmoid(h @ w),
        "relu": lambda h, w: relu(h @ w),
        "residual": lambda h, w: h + sigmoid(h @ w),
    }
    traces = {}
    for name, layer in layers.items():
        rng = np.random.default_rng(3)
        scale = np.sqrt(2 / WIDTH)
        weights = {
            f"w{i}": Tensor(scale * rng.standard_normal((WIDTH, WIDTH)), requires_grad=True)
            for i in range(1, DEPTH + 1)
        }
        h = Tensor(rng.standard_normal((1, WIDTH)))
        with tracing(weights | {"h0": h}) as traces[name]:
            for w in weights.values():
                h = layer(h, w)
            h.sum().backward()
    return traces
