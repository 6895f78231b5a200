"""The tests of tests/models/test_step.py, on a real GPU instead of a pretended one."""

from tests.models.test_step import *  # noqa: F403

# isort: split
# After them, since this takes the place of their CuPy.
from tests.gpu.real import cupy  # noqa: F401
