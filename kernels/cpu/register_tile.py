"""The innermost loop of the CPU kernels: a matrix product whose tiles stay in vector registers.

    C[c_rows[i] + j] += sum over r of A[a_rows[i] + a_steps[r]] B[r, j]

Tables give the places of the rows and the columns of A, and of the rows of C, so that a convolution
is a product of arrays as they lie in memory, and nothing is unfolded. Only B is packed, in strips
as wide as a tile: then the part that a tile reads is one piece of memory.

To multiply a scalar of A by a vector of B takes a load or two for each multiplication, and the
loads limit the speed. A tile of ROWS x VECTORS does ROWS x VECTORS multiplications for ROWS +
VECTORS loads, as the thread tile of the CUDA ladder does. Numba cannot express vector registers, so
`_tile` generates the LLVM code itself; the compiler keeps each vector of the tile in a register.
"""

from functools import partial

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.cpu.compile import njit_kernel
from kernels.cpu.symbols import by_symbol

_features = binding.get_host_cpu_features()
REGISTER_BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx") else 16
REGISTERS = 32 if _features.get("avx512f") or _features.get("neon") else 16
ROWS = 6
VECTORS = REGISTERS // 8
"""The tile has 6 x 4 registers of 32, or 6 x 2 of 16; the others hold A and B."""


def whole_vectors(columns: int, itemsize: int) -> int:
    """The number of columns rounded up to fill vector registers."""
    lanes = REGISTER_BYTES // itemsize
    return -(-columns // lanes) * lanes


def strip_width(columns: int, itemsize: int) -> int:
    """The columns of a strip of B: those of a tile, or all if there are fewer."""
    return min(whole_vectors(columns, itemsize), VECTORS * REGISTER_BYTES // itemsize)


def in_strips(b: np.ndarray) -> np.ndarray:
    """B (rows, columns) as (strips, rows, strip_width), filled with zeros."""
    rows, columns = b.shape
    width = strip_width(columns, b.itemsize)
    strips = np.zeros((-(-columns // width), rows, width), b.dtype)
    for strip, left in zip(strips, range(0, columns, width)):
        part = b[:, left : left + width]
        strip[:, : part.shape[1]] = part
    return strips


@by_symbol
@partial(njit_kernel, _nrt=False)
def product(a, a_start, a_rows, a_steps, b, b_start, b_strip, c, c_start, c_rows, columns):
    """Add the product to C. a, b and c are flat; B has `columns` columns, in whole vectors.

    `b_strip` is the distance of two strips of B.
    """
    rows = len(a_rows)
    lanes = REGISTER_BYTES // c.itemsize
    width = min(columns, VECTORS * lanes)
    v = 0
    while v < columns:
        vectors = VECTORS
        while v + vectors * lanes > columns:
            vectors //= 2
        place = b_start + v // width * b_strip + v % width
        i = 0
        for tiles in range(-(-rows // ROWS), 0, -1):
            height = -(-(rows - i) // tiles)  # nearly equal: 7 rows are 4 + 3, not 6 + 1
            _tile(a, a_start, a_rows, a_steps, b, place, width,
                  c, c_start + v, c_rows, i, (height, vectors))  # fmt: skip
            i += height
        v += vectors * lanes


@intrinsic
def _tile(typing, a, a_start, a_rows, a_steps, b, b_start, b_pitch, c, c_start, c_rows, row, shape):
    """`product` for one tile, from `row` on, with a branch of code for each shape up to
    (ROWS, VECTORS)."""

    def generate(context, builder, signature, arguments):
        def array(k):
            return context.make_array(signature.args[k])(context, builder, arguments[k])

        a, a_rows, a_steps, b, c, c_rows = (array(k).data for k in (0, 2, 3, 4, 7, 9))
        a_start, b_start, b_pitch, c_start = (arguments[k] for k in (1, 5, 6, 8))
        count = cgutils.unpack_tuple(builder, array(3).shape)[0]
        row = arguments[10]
        rows, vectors = cgutils.unpack_tuple(builder, arguments[11])

        element = a.type.pointee
        itemsize = context.get_abi_sizeof(element)
        lanes = REGISTER_BYTES // itemsize
        vector = ir.VectorType(element, lanes)
        every_lane = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        fma = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * 3),
            f"llvm.fmuladd.v{lanes}f{8 * itemsize}",  # fused where the processor can
        )

        def load(array, index):
            return builder.load(builder.gep(array, [index]))

        def line(array, start, count):
            """Pointers to `count` neighbouring vectors."""
            first = builder.bitcast(builder.gep(array, [start]), vector.as_pointer())
            return [builder.gep(first, [ir.Constant(start.type, v)]) for v in range(count)]

        def broadcast(scalar):
            undefined = ir.Constant(vector, ir.Undefined)
            lane = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(lane, undefined, every_lane)

        def tile(height, breadth):
            numbers = [builder.add(row, ir.Constant(row.type, i)) for i in range(height)]
            a_lines = [builder.add(a_start, load(a_rows, i)) for i in numbers]
            places = [line(c, builder.add(c_start, load(c_rows, i)), breadth) for i in numbers]
            sums = [[cgutils.alloca_once(builder, vector) for _ in range(breadth)] for _ in numbers]
            cells = [(place, cell) for pair in zip(places, sums) for place, cell in zip(*pair)]
            for place, cell in cells:
                builder.store(builder.load(place, align=itemsize), cell)
            with cgutils.for_range(builder, count) as r:
                b_line = builder.add(b_start, builder.mul(r.index, b_pitch))
                b_vectors = [builder.load(p, align=itemsize) for p in line(b, b_line, breadth)]
                step = load(a_steps, r.index)
                for a_line, cells_of_row in zip(a_lines, sums):
                    scalar = broadcast(load(a, builder.add(a_line, step)))
                    for b_vector, cell in zip(b_vectors, cells_of_row):
                        total = builder.call(fma, [scalar, b_vector, builder.load(cell)])
                        builder.store(total, cell)
            for place, cell in cells:
                builder.store(builder.load(cell), place, align=itemsize)

        breadth = VECTORS
        while breadth:
            with builder.if_then(builder.icmp_signed("==", vectors, vectors.type(breadth))):
                for height in range(1, ROWS + 1):
                    with builder.if_then(builder.icmp_signed("==", rows, rows.type(height))):
                        tile(height, breadth)
            breadth //= 2
        return context.get_dummy_value()

    index, pair = types.intp, types.UniTuple(types.intp, 2)
    return types.void(
        a, index, a_rows, a_steps, b, index, index, c, index, c_rows, index, pair
    ), generate  # fmt: skip
