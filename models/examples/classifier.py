"""Softmax with cross-entropy."""

import numpy as np

from autograd import Tensor, exp, log, log_softmax, sum, tracing
from models.examples.example import Traces, example


@example("Softmax with cross-entropy")
def softmax() -> Traces:
    """The gradient by the logits is softmax(z) - y, divided by the number of examples: compare it
    in the two traces. Step by step, the division by the sum and the logarithm each have their own
    derivative, and most of it cancels. As one primitive, log_softmax has a rule that is short and
    does not overflow.
    """
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    y = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    z = Tensor(logits, requires_grad=True)
    with tracing({"z": z, "y": y}) as by_steps:
        e = exp(z)
        p = e / sum(e, axis=1, keepdims=True)
        loss = -(y * log(p)).sum() / 2
        loss.backward()
    z = Tensor(logits, requires_grad=True)
    with tracing({"z": z, "y": y}) as at_once:
        loss = -(y * log_softmax(z)).sum() / 2
        loss.backward()
    return {"step by step": by_steps, "one primitive": at_once}
