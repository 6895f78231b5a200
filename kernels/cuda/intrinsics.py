"""Operations of the PTX instruction set that Numba does not offer, as Numba intrinsics.

Wide loads and stores, asynchronous copies from global to shared memory, and the product of a warp
on a tensor core (NVIDIA, "Parallel Thread Execution ISA", sections ld, st, cp.async and mma). Each
intrinsic types its arguments, and generates LLVM code for them. `simulator.py` has each in plain
Python: read it first.

Arrays are flat float32 arrays, and an index counts elements. Index with `uint32`, or with a sum of
it and constants: for a signed index Numba adds a check for negative ones, which also hides that two
loads are neighbours.
"""

from llvmlite import ir

try:
    from numba.cuda import cgutils, types
    from numba.cuda.extending import intrinsic
except ImportError:  # in the simulator; else `launch` refuses to start a kernel
    from numba.core import cgutils, types
    from numba.extending import intrinsic

from kernels.cuda.launch import SIMULATED

_FLOAT, _INT32, _INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOAT4 = ir.VectorType(_FLOAT, 4)
_SHARED, _GLOBAL = 3, 1  # address spaces
_INDEX = types.int64


@intrinsic
def divide(typing_context, a, b):
    """a // b of two uint32, b not 0: Numba's own division checks b each time."""

    def generate(context, builder, signature, args):
        return builder.udiv(*args)

    return types.uint32(types.uint32, types.uint32), generate


def _pointer(context, builder, array_type, array, index):
    """The address of array[index], without a check for a negative index."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _pointer4(context, builder, array_type, array, index):
    pointer = _pointer(context, builder, array_type, array, index)
    return builder.bitcast(pointer, _FLOAT4.as_pointer(pointer.type.addrspace))


@intrinsic
def load4(typing_context, array, i):
    """Four neighbours from array[i], by one 128-bit load. i is a multiple of 4."""

    def generate(context, builder, signature, args):
        pointer = _pointer4(context, builder, signature.args[0], *args)
        vector = builder.load(pointer, align=16)
        values = [builder.extract_element(vector, _INT32(k)) for k in range(4)]
        return context.make_tuple(builder, signature.return_type, values)

    return types.UniTuple(types.float32, 4)(array, _INDEX), generate


@intrinsic
def store4(typing_context, array, i, a, b, c, d):
    """array[i : i + 4] = a, b, c, d by one 128-bit store. i is a multiple of 4."""

    def generate(context, builder, signature, args):
        pointer = _pointer4(context, builder, signature.args[0], *args[:2])
        vector = cgutils.get_null_value(_FLOAT4)
        for k, value in enumerate(args[2:]):
            vector = builder.insert_element(vector, value, _INT32(k))
        builder.store(vector, pointer, align=16)
        return context.get_dummy_value()

    return types.void(array, _INDEX, *(types.float32,) * 4), generate


def _copy_async(size, instruction):
    """cp.async of `size` bytes to shared[i] from global[j], or of zeros if not `valid`.

    It reads nothing if not `valid`, so j may then be out of bounds.
    """

    @intrinsic
    def copy(typing_context, destination, i, source, j, valid):
        def generate(context, builder, signature, args):
            to = _pointer(context, builder, signature.args[0], *args[:2])
            of = _pointer(context, builder, signature.args[2], *args[2:4])
            to = builder.addrspacecast(to, _FLOAT.as_pointer(_SHARED))
            of = builder.addrspacecast(of, _FLOAT.as_pointer(_GLOBAL))
            operands = [
                builder.ptrtoint(to, _INT32),
                builder.ptrtoint(of, _INT64),
                builder.select(args[4], _INT32(size), _INT32(0)),  # bytes read, then zeros
            ]
            function = ir.FunctionType(ir.VoidType(), [_INT32, _INT64, _INT32])
            text = f"{instruction} [$0], [$1], {size}, $2;"
            assembly = ir.InlineAsm(function, text, "r,l,r,~{memory}", side_effect=True)
            builder.call(assembly, operands)
            return context.get_dummy_value()

        return types.void(destination, _INDEX, source, _INDEX, types.boolean), generate

    return copy


copy4_async = _copy_async(4, "cp.async.ca.shared.global")
copy16_async = _copy_async(16, "cp.async.cg.shared.global")  # .cg: past the first-level cache


def _statement(context, builder, text):
    function = ir.FunctionType(ir.VoidType(), [])
    builder.call(ir.InlineAsm(function, text, "~{memory}", side_effect=True), [])
    return context.get_dummy_value()


@intrinsic
def commit_group(typing_context):
    """End a group of copies: all since the last commit, perhaps none."""

    def generate(context, builder, signature, args):
        return _statement(context, builder, "cp.async.commit_group;")

    return types.void(), generate


@intrinsic
def wait_group(typing_context, pending):
    """Wait until at most `pending` groups of this thread are on their way.

    `pending` is a number, or a variable from outside of the kernel, but no expression. Other
    threads can read the copies only after `cuda.syncthreads()` too.
    """
    if not isinstance(pending, types.IntegerLiteral):
        return None

    def generate(context, builder, signature, args):
        text = f"cp.async.wait_group {pending.literal_value};"
        return _statement(context, builder, text)

    return types.void(pending), generate


@intrinsic
def nearest_tf32(typing_context, x):
    """The nearest TF32, by two instructions, where cvt.rna.tf32 is five on sm_90."""

    def generate(context, builder, signature, args):
        rounded = builder.add(builder.bitcast(args[0], _INT32), _INT32(0x1000))
        return builder.bitcast(builder.and_(rounded, _INT32(0xFFFFE000)), _FLOAT)

    return types.float32(types.float32), generate


@intrinsic
def mma(typing_context, a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """C + A B of a warp, of A (16, 8), B (8, 8) and C (16, 8), which its threads hold together.

    With g = lane // 4 and m = lane % 4 a thread gives, and gets the same elements of the result,

        A[g, m]   A[g + 8, m]   A[g, m + 4]   A[g + 8, m + 4]
        B[m, g]   B[m + 4, g]
        C[g, 2 m]   C[g, 2 m + 1]   C[g + 8, 2 m]   C[g + 8, 2 m + 1]

    A and B are read as TF32: `tf32.py`. All 32 threads take part.
    """

    def generate(context, builder, signature, args):
        factors = [builder.bitcast(x, _INT32) for x in args[:6]]
        results = ir.LiteralStructType([_FLOAT] * 4)
        function = ir.FunctionType(results, [_INT32] * 6 + [_FLOAT] * 4)
        text = (
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {$0, $1, $2, $3}, "
            "{$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};"
        )
        constraints = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)
        assembly = ir.InlineAsm(function, text, constraints, side_effect=True)
        struct = builder.call(assembly, [*factors, *args[6:]])
        values = [builder.extract_value(struct, k) for k in range(4)]
        return context.make_tuple(builder, signature.return_type, values)

    return types.UniTuple(types.float32, 4)(*(types.float32,) * 10), generate


if SIMULATED:
    from kernels.cuda.simulator import *  # noqa: F403
