"""The tests of tests/models/test_step.py, on a real GPU instead of a pretended one."""

import importlib

import numpy as np
import pytest

from autograd import to_device

try:
    to_device(np.zeros(1), "cuda")
except RuntimeError as error:
    pytest.skip(str(error), allow_module_level=True)

from tests.models.test_step import *  # noqa: F403


@pytest.fixture(scope="module", autouse=True)
def cupy():
    return importlib.import_module("cupy")
