"""Attention: means of values, weighted by how well their keys fit a query."""

import math
from typing import Any

import numpy as np

from autograd.ops.elementwise import where
from autograd.ops.linalg import matmul
from autograd.ops.matrix import lower_triangle
from autograd.ops.shape import swap_last_axes
from autograd.ops.stable import softmax
from autograd.tensor import Values


def attention(q: Values, k: Values, v: Values, causal: bool = False) -> Any:
    """softmax(Q K^T / sqrt d) V (Vaswani et al. 2017, eq. 1).

    Queries (..., N, d), keys (..., M, d) and values (..., M, D) give (..., N, D), by weights
    (..., N, M). If causal, query i sees the keys 0 to i only. Heads are an axis before N.
    """
    scores = matmul(q, swap_last_axes(k)) / math.sqrt(q.shape[-1])
    if causal:
        scores = where(lower_triangle(scores), scores, -np.inf)
    return matmul(softmax(scores), v)
