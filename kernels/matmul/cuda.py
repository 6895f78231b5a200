"""cuBLAS by its C interface: CuPy refuses to ask it while a CUDA graph is recorded (cupy #6290).

cuBLAS has matrices by columns: an array that is by rows is to it the transposed matrix. So for
Z = X Y it is asked for Z^T = Y^T X^T.
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np

from kernels.dispatch import Array, namespace

ITEMSIZE = 4  # bytes of a float32
WORKSPACE = 32 * 2**20  # bytes, as cuBLAS's documentation has it for Hopper (cublasSetWorkspace)
AS_IT_IS, TRANSPOSED = 0, 1  # of cublasOperation_t


def matmul(x: Array, y: Array) -> Array:
    (rows, inner), columns = x.shape[-2:], y.shape[-1]
    if y.shape[-2] != inner:
        raise ValueError(f"matmul of {x.shape} and {y.shape}: {inner} columns, {y.shape[-2]} rows")
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    make = namespace(x).empty if inner else namespace(x).zeros
    z = make((*batch, rows, columns), np.float32)
    if z.size and inner:
        products(_stack(x, batch), _stack(y, batch), z.reshape(-1, rows, columns))
    return z


def _stack(a: Array, batch: tuple[int, ...]) -> Array:
    """(number, rows, columns), with neighbours in memory in each row or in each column."""
    if batch:
        a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    a = a.reshape(-1, *a.shape[-2:]) if len(batch) > 1 else a if batch else a[None]
    return namespace(a).ascontiguousarray(a) if _layout(a) is None else a


def _layout(a: Array) -> tuple[int, int] | None:
    """cuBLAS's operation, and the elements from a row, or column, to the next; None if neither.

    Along an axis of one element the stride says nothing: a new axis has 0.
    """
    _, rows, columns = a.shape
    row, column = (n // ITEMSIZE for n in a.strides[1:])
    if (column == 1 or columns == 1) and (row >= columns or rows == 1):
        return AS_IT_IS, max(row, columns)
    if (row == 1 or rows == 1) and (column >= rows or columns == 1):
        return TRANSPOSED, max(column, rows)
    return None


def products(x: Array, y: Array, z: Array) -> None:
    """z = x y, each (number, rows, columns), on CuPy's current stream."""
    import cupy

    library, handle, _ = _cublas(x.device.id, cupy.cuda.get_current_stream().ptr)
    if library is None:
        cupy.matmul(x, y, out=z)
        return
    number, rows, columns = z.shape
    (of_x, next_x), (of_y, next_y) = _layout(x), _layout(y)  # type: ignore[misc]
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    _check(
        library.cublasSgemmStridedBatched(
            handle, of_y, of_x, columns, rows, x.shape[2],
            ctypes.byref(one), _pointer(y), next_y, _stride(y), _pointer(x), next_x, _stride(x),
            ctypes.byref(zero), _pointer(z), columns, _stride(z), number,
        )
    )  # fmt: skip


def _pointer(a: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(a.data.ptr)


def _stride(a: Array) -> ctypes.c_longlong:
    """Elements from one matrix to the next."""
    return ctypes.c_longlong(a.strides[0] // ITEMSIZE)


@cache
def _cublas(device: int, stream: int) -> tuple[Any, ctypes.c_void_p, Array]:
    """The library, a handle for this stream, and the workspace, which lives as long.

    With a workspace of its own cuBLAS allocates nothing, as a recording demands, and gives the same
    bits in every run. The library is None where it is not found: then CuPy's does the products.
    """
    import cupy

    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        path = load_nvidia_dynamic_lib("cublas").abs_path
        library = ctypes.CDLL(str(path))  # the text of None is no library: OSError
    except (ImportError, OSError, RuntimeError):
        return None, ctypes.c_void_p(), None
    handle, workspace = ctypes.c_void_p(), cupy.empty(WORKSPACE, np.uint8)
    _check(library.cublasCreate_v2(ctypes.byref(handle)))
    _check(library.cublasSetStream_v2(handle, ctypes.c_void_p(stream)))
    _check(library.cublasSetWorkspace_v2(handle, _pointer(workspace), ctypes.c_size_t(WORKSPACE)))
    return library, handle, workspace


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"cuBLAS returned the status {status} (cublasStatus_t)")
