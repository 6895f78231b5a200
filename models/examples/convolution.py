"""Convolution, plain and masked."""

import numpy as np

from autograd import Tensor, conv2d, grad, tracing
from models.examples.example import Traces, example

PICTURE = np.array([[0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 1, 1]], float)[None, None]
KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], float)[None, None]


@example("Convolution as three adjoint operations")
def convolution() -> Traces:
    """The gradient of conv2d by its input is conv2d_input_grad, and by its kernel
    conv2d_weight_grad: look at its two rules. The first sweep is recorded here, so both stand in
    the graph as nodes. The second sweep goes through them, and the rules of each are the other two:
    so a convolution has derivatives of any order.
    """
    x, w = Tensor(PICTURE, requires_grad=True), Tensor(KERNEL, requires_grad=True)
    with tracing({"x": x, "w": w}) as trace:
        y = conv2d(x, w)
        loss = (y * y).sum() / 2
        by_x, by_w = grad(loss, [x, w], create_graph=True)
        grad((by_x * by_x).sum() + (by_w * by_w).sum(), [x, w])
    return {"convolution": trace}


@example("Masked convolution and its dead taps")
def masked_convolution() -> Traces:
    """Mask A lets a pixel see the pixels above it and those to its left. The five other taps of the
    kernel are dead: they are not multiplied with anything, and their gradient is exactly 0, so that
    training leaves them as they are. The gradient by the image is zero at the last pixel, which no
    other pixel sees.
    """
    x, w = Tensor(PICTURE, requires_grad=True), Tensor(KERNEL + 1.0, requires_grad=True)
    with tracing({"x": x, "w": w}) as trace:
        y = conv2d(x, w, padding=1, mask="A")
        loss = (y * y).sum() / 2
        loss.backward()
    return {"mask A": trace}
