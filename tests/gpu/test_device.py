"""The tests of tests/autograd/test_device.py, on a real GPU instead of a pretended one."""

from tests.autograd.test_device import *  # noqa: F403

# isort: split
# After them, since this takes the place of their CuPy.
from tests.gpu.real import cupy  # noqa: F401
