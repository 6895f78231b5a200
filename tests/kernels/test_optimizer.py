"""The kernels of the optimisers, on the CPU, are their definitions: every bit of them."""

import numpy as np
import pytest

from kernels import optimizer, use

RULES = {
    # the lists that a rule takes, the numbers of a step, and its constants
    "sgd": (3, [0.1], (0.9,)),
    "rmsprop": (3, [0.01], (0.99, 1e-8)),
    "adam": (4, [0.001 / (1 - 0.9**3), (1 - 0.999**3) ** 0.5, 0.99], (0.9, 0.999, 1e-8)),
    "average": (2, [0.7, 1 - 0.7], ()),
}
SHAPES = [(), (0, 3), (5, 7), (3, 2**14 + 1), (100_000,)]  # the last two are shared by the cores
ENDS = [0.0, -0.0, 1e-40, 1e-30, 3e38, np.inf, np.nan]


def lists(rule, shapes=SHAPES, dtype=np.float32):
    """The lists that a rule takes: parameters, gradients, and what is never negative."""
    rng = np.random.default_rng(0)
    arrays = [[rng.standard_normal(s).astype(dtype) for s in shapes] for _ in range(RULES[rule][0])]
    return [*arrays[:2], *([np.asarray(np.abs(a)) for a in slot] for slot in arrays[2:])]


def follow(rule, arrays, times=3):
    _, numbers, constants = RULES[rule]
    for _ in range(times):
        getattr(optimizer, rule)(*arrays, np.array(numbers), *constants)


def same_bits(found, expected):
    for a, b in zip(found, expected):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)  # NaN is equal to NaN
        np.testing.assert_array_equal(np.signbit(a[a == 0]), np.signbit(b[b == 0]))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_definition(rule, cores, monkeypatch):
    monkeypatch.setattr("kernels.cpu.threads.CORES", cores)
    found, expected = lists(rule), lists(rule)
    for slot in (*found, *expected):
        slot[-1][: len(ENDS)] = ENDS
    given = [a.copy() for a in found[1]]
    follow(rule, found)
    same_bits(found[1], given)  # what it only reads
    with use("reference"):
        follow(rule, expected)
    for slot, defined in zip(found, expected):
        same_bits(slot, defined)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_takes_any_layout_and_both_dtypes(rule):
    expected = lists(rule, [(4, 6)], np.float64)
    follow(rule, expected)
    for dtype, tolerance in ((np.float64, 0), (np.float32, 1e-5)):
        for change in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]):
            found = [[change(a) for a in slot] for slot in lists(rule, [(4, 6)], dtype)]
            follow(rule, found)
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_clipping(cores, layout, monkeypatch):
    monkeypatch.setattr("kernels.cpu.threads.CORES", cores)
    gs = [np.asarray(g, order=layout) for g in lists("average")[0]]
    norm = np.sqrt(sum((g.astype(float) ** 2).sum() for g in gs))
    kept, found = optimizer.clip(gs, 1.01 * norm)
    assert found == pytest.approx(norm, rel=1e-14)
    assert all(a is b for a, b in zip(kept, gs))
    clipped, found = optimizer.clip(gs, 0.3)
    with use("reference"):
        same_bits(clipped, optimizer.clip(gs, 0.3)[0])
    assert found == pytest.approx(norm, rel=1e-14)
    assert not any(np.shares_memory(a, b) for a, b in zip(clipped, gs))
