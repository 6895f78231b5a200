"""The kernels of the optimisers on CUDA against their definitions."""

import numpy as np
import pytest

from tests.cuda import needs_cuda, on_device, to_numpy

needs_cuda()

from kernels.optimizer import cuda as implementation  # noqa: E402
from kernels.optimizer import reference  # noqa: E402
from tests.kernels.test_optimizer import RULES, lists  # noqa: E402

CLOSE = {"atol": 1e-6, "rtol": 1e-6}
SHAPES = [(), (0, 2), (3, 100)]  # one number, none, and more than a block has threads


@pytest.fixture(autouse=True)
def small_launches(monkeypatch):
    """Two parameters of Adam in a launch, so that three take two."""
    monkeypatch.setattr(implementation, "ARRAYS", 8)
    monkeypatch.setattr(implementation, "BLOCKS", 2)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_definition(rule):
    _, numbers, constants = RULES[rule]
    expected = lists(rule, SHAPES)
    found = [[on_device(a.copy()) for a in arrays] for arrays in expected]
    getattr(reference, rule)(*expected, np.array(numbers), *constants)
    getattr(implementation, rule)(*found, on_device(np.array(numbers)), *constants)
    for arrays, defined in zip(found, expected):
        for a, b in zip(arrays, defined):
            np.testing.assert_allclose(to_numpy(a), b, **CLOSE)


@pytest.mark.parametrize(("shapes", "most"), [(SHAPES, 0.5), ([(5,)], 1e3)])
def test_clipping(shapes, most):
    gs = lists("average", shapes)[0]
    expected, norm = reference.clip(gs, most)
    clipped, found = implementation.clip([on_device(g) for g in gs], most)
    assert float(found) == pytest.approx(norm, rel=1e-12)
    for a, b, g in zip(clipped, expected, gs):
        assert a is not g
        np.testing.assert_allclose(to_numpy(a), b, **CLOSE)
