"""What cuBLAS is asked for, by a stand-in that reads memory as cuBLAS does: by columns."""

import ctypes

import numpy as np
import pytest

import kernels
from kernels.matmul import cuda
from tests.autograd import device


class CuBLAS:
    """Of the C library the one function, on the memory of the host."""

    def cublasSgemmStridedBatched(
        self, handle, of_a, of_b, m, n, k, alpha, a, next_a, stride_a, b, next_b, stride_b,
        beta, c, next_c, stride_c, number,
    ):  # fmt: skip
        """C <- alpha op(A) op(B) + beta C, of matrices by columns: m x k, k x n and m x n."""
        assert (alpha._obj.value, beta._obj.value) == (1, 0)
        for i in range(number):
            left = _by_columns(a, (m, k) if of_a == cuda.AS_IT_IS else (k, m), next_a, i, stride_a)
            right = _by_columns(b, (k, n) if of_b == cuda.AS_IT_IS else (n, k), next_b, i, stride_b)
            left = left if of_a == cuda.AS_IT_IS else left.T
            right = right if of_b == cuda.AS_IT_IS else right.T
            _by_columns(c, (m, n), next_c, i, stride_c)[...] = left @ right
        return 0


def _by_columns(pointer, shape, leading, i, stride):
    rows, columns = shape
    assert leading >= max(1, rows)  # which cuBLAS demands
    start = pointer.value + i * stride.value * cuda.ITEMSIZE
    memory = np.ctypeslib.as_array(
        ctypes.cast(start, ctypes.POINTER(ctypes.c_float)), (leading * (columns - 1) + rows,)
    )
    return np.lib.stride_tricks.as_strided(memory, shape, (4, 4 * leading))


@pytest.fixture(autouse=True)
def cupy(monkeypatch):
    monkeypatch.setattr(cuda, "_cublas", lambda *_: (CuBLAS(), None, None))
    with device.pretended():
        yield device


def stored(shape, layout, rng):
    """Of this shape, in a layout: `transposed` in its last axes, a `slice` of a larger one, or
    with 0 as the stride of an axis of one element, which a `new axis` has."""
    *batch, rows, columns = shape
    if layout == "transposed":
        return rng.standard_normal((*batch, columns, rows), np.float32).swapaxes(-1, -2)
    if layout == "slice":
        return rng.standard_normal((*batch, rows, columns + 3), np.float32)[..., 1 : columns + 1]
    if layout == "every other":
        return rng.standard_normal((*batch, rows, 2 * columns), np.float32)[..., ::2]
    x = rng.standard_normal(shape, np.float32)
    if layout == "new axis":
        strides = [0 if n == 1 else stride for n, stride in zip(x.shape, x.strides)]
        return np.lib.stride_tricks.as_strided(x, x.shape, strides)
    return x


LAYOUTS = ("by rows", "transposed", "slice", "every other", "new axis")
SHAPES = [
    ((4, 5), (5, 3)),
    ((1, 5), (5, 1)),
    ((4, 1), (1, 3)),
    ((2, 4, 5), (2, 5, 3)),
    ((2, 4, 5), (5, 3)),
    ((4, 5), (3, 5, 2)),
    ((2, 1, 4, 5), (3, 5, 2)),
    ((4, 0), (0, 3)),
    ((0, 4), (4, 3)),
    ((2, 0, 4), (4, 3)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("of_x", LAYOUTS)
@pytest.mark.parametrize("of_y", LAYOUTS)
def test_products(shapes, of_x, of_y, cupy):
    rng = np.random.default_rng(0)
    x, y = (stored(shape, layout, rng) for shape, layout in zip(shapes, (of_x, of_y)))
    found = kernels.matmul(cupy.ndarray(x), cupy.ndarray(y))
    expected = x @ y
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.get(), expected, atol=1e-5)


def test_other_dtypes_are_left_to_cupy_and_shapes_are_checked(cupy):
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(kernels.matmul(x, x.T), x @ x.T)
    there = cupy.asarray(x)
    np.testing.assert_array_equal(kernels.matmul(there, there.T).get(), x @ x.T)
    with pytest.raises(ValueError, match=r"matmul of \(2, 3\) and \(2, 3\): 3 columns, 2 rows"):
        kernels.matmul(*[cupy.asarray(x.astype(np.float32))] * 2)
    with pytest.raises(TypeError, match="Unsupported type"):
        kernels.matmul(there, x.T)
