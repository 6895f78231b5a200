"""The definition: NumPy's e^x takes nearly all of its time."""

from kernels.logsumexp.reference import logsumexp

__all__ = ["logsumexp"]
