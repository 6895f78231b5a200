"""The losses of a generator, and a gradient of a gradient."""

from autograd import Tensor, grad, norm, softplus, tanh, tracing
from models.examples.example import Traces, example


@example("The loss of a generator, as the discriminator gets better")
def generator_loss() -> Traces:
    """Five samples, from one that D takes for real half of the time (a logit of 0) to one that it
    is sure to be fake (-16). The saturating loss log(1 - D) is flat there: the worse a sample, the
    smaller the gradient that could mend it. The non-saturating loss -log D has the same optimum,
    and its gradient goes to -1 where D is sure (Goodfellow et al. 2014, section 3).
    """
    losses = {
        "saturating": lambda x: -softplus(x),  # log(1 - sigmoid(x))
        "non-saturating": lambda x: softplus(-x),  # -log sigmoid(x)
    }
    traces = {}
    for name, loss in losses.items():
        logits = Tensor([0.0, -2.0, -4.0, -8.0, -16.0], requires_grad=True)
        with tracing({"logits": logits}) as traces[name]:
            loss(logits).sum().backward()
    return traces


@example("The gradient penalty: a gradient of a gradient")
def gradient_penalty() -> Traces:
    """The first sweep finds the slope of the critic at x. It is recorded, so what its rules compute
    stands in the graph as nodes of their own, in the group "sweep 1". The penalty is made of that
    slope, and the second sweep goes through those nodes as through any others, down to the weights
    (Gulrajani et al. 2017, eq. 3).
    """
    x = Tensor([[0.5, -1.0]], requires_grad=True)
    w = Tensor([[0.8, -0.4, 0.3], [0.2, 0.6, -0.9]], requires_grad=True)
    v = Tensor([[1.0], [-0.5], [0.7]], requires_grad=True)
    with tracing({"x": x, "w": w, "v": v}) as trace:
        score = (tanh(x @ w) @ v).sum()
        slope = grad(score, x, create_graph=True)
        penalty = ((norm(slope, axis=1) - 1.0) ** 2).mean()
        grad(penalty, [w, v])
    return {"gradient penalty": trace}
