"""One neuron."""

from autograd import Tensor, sigmoid, tracing
from models.examples.example import Traces, example


@example("One neuron")
def neuron() -> Traces:
    """Forward, each step computes a value from those above it; backward, each hands on the
    cotangent that came in, times its local derivative. At the sigmoid that derivative is at most
    1/4. The gradient of each weight is what reaches the sum, times the input beside the weight.
    """
    x = Tensor([1.0, 2.0, -1.0])
    w = Tensor([0.5, 0.25, 1.0], requires_grad=True)
    b = Tensor(0.5, requires_grad=True)
    with tracing({"x": x, "w": w, "b": b}) as trace:
        h = (w * x).sum() + b
        y = sigmoid(h)
        loss = (y - 1.0) ** 2
        loss.backward()
    return {"neuron": trace}


@example("Fan-out and broadcasting")
def fan_out() -> Traces:
    """x is used three times, so its gradient is the sum of three cotangents. The bias b is added to
    each of two rows: broadcasting forward is a sum over that axis backward. y.detach() is a cut:
    the value goes on, and no gradient comes back through it.
    """
    x = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    b = Tensor([0.1, 0.2, 0.3], requires_grad=True)
    with tracing({"x": x, "b": b}) as trace:
        y = x * x + b
        loss = (y * y.detach() + x).sum()
        loss.backward()
    return {"fan-out": trace}
