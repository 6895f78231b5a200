"""Every primitive, with the rule for its derivative beside it, and functions made of them."""

# ruff: noqa: F403, F405

from autograd.ops.activation import *
from autograd.ops.attention import *
from autograd.ops.conv import *
from autograd.ops.cumulative import *
from autograd.ops.einsum import *
from autograd.ops.elementwise import *
from autograd.ops.index import *
from autograd.ops.linalg import *
from autograd.ops.matrix import *
from autograd.ops.normalisation import *
from autograd.ops.order import *
from autograd.ops.reduce import *
from autograd.ops.sample import *
from autograd.ops.shape import *
from autograd.ops.special import *
from autograd.ops.stable import *

__all__ = [
    "abs", "add", "argmax", "argmin", "argsort", "astype", "attention", "avg_pool2d",
    "bce_with_logits", "broadcast_to", "causal_conv1d", "cholesky", "clip", "concatenate",
    "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "cos", "cross_entropy", "cumsum", "div",
    "einsum", "embedding", "erf", "exp", "expm1", "flatten", "flip", "fold", "gather", "gelu",
    "getitem", "group_norm", "grouped_conv2d", "inverse", "leaky_relu", "lgamma", "linear", "log",
    "log1p", "log_sigmoid", "log_softmax", "logaddexp", "logcumsumexp", "logsumexp", "matmul",
    "matrix_product", "max", "max_pool2d", "maximum", "mean", "min", "minimum", "mul", "neg",
    "norm", "normalize", "one_hot", "pad", "polygamma", "power", "prod", "relu", "reparameterize",
    "reshape", "roll", "scatter_add", "sigmoid", "sign", "silu", "sin", "slogdet", "softmax",
    "softplus", "solve", "solve_triangular", "sort", "split", "sqrt", "squared_distances",
    "squeeze", "stack", "std", "sub", "sum", "sum_by_channel", "sum_to", "tanh", "topk",
    "transpose", "tril", "triu", "unfold", "upsample_nearest", "var", "where",
]  # fmt: skip
