"""Derivatives checked by number.

`gradients` compares the engine's derivatives with finite differences, `adjoint` without any, and
`derivation` checks a gradient that you derived on paper, in plain NumPy.
"""

from autograd.check.adjoint import adjoint
from autograd.check.derivation import DerivationError, Wrong, derivation
from autograd.check.gradients import GradientError, gradients

__all__ = ["DerivationError", "GradientError", "Wrong", "adjoint", "derivation", "gradients"]
