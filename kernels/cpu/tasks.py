"""A kernel as a task: what the cores share, of which each does a part.

Numba's own loop over the cores (`prange`) is three functions inside each other, and a copy of what
it calls in the innermost. Compiled for each kernel, these loops took longer than the kernels. Here
there is one loop, for all: it calls a task by its address, with the address of its arguments.
"""

from functools import cache, partial
from typing import Any

from llvmlite import ir
from numba import intp, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.cpu.compile import njit_cached, njit_kernel
from kernels.cpu.symbols import address, define, generate_call

INDEX, POINTER = ir.IntType(intp.bitwidth), ir.IntType(8).as_pointer()
TASK = ir.FunctionType(ir.VoidType(), [POINTER, INDEX, INDEX])  # of the arguments, start and stop
LOOP = (intp,) * 4  # the addresses of a task and of its arguments, and two numbers


@cache
def caller(kernel: Any) -> Any:
    """The kernel for Python: a compiled function of (loop, shares, count, *arguments).

    It calls kernel(*arguments, start, stop) for all of range(count), or, if there is more than one
    share, for each share in the loop of that address. Whatever a kernel raises is a MemoryError:
    nothing else in it can fail.
    """

    @intrinsic
    def run(typing, loop, shares, count, arguments):
        symbol = define(kernel, (*arguments, intp, intp))

        def generate(context, builder, signature, values):
            loop, shares, count, packed = values
            failed = cgutils.alloca_once_value(builder, INDEX(0))
            pair = cgutils.pack_struct(builder, [packed, failed])
            place = cgutils.alloca_once_value(builder, pair)
            task = ir.Function(builder.module, TASK, "task")
            task.linkage = "internal"
            inside = ir.IRBuilder(task.append_basic_block())
            data, start, stop = task.args
            given, flag = cgutils.unpack_tuple(
                inside, inside.load(inside.bitcast(data, place.type))
            )
            unpacked = cgutils.unpack_tuple(inside, given)
            status = generate_call(context, inside, symbol, [*unpacked, start, stop])
            with cgutils.if_unlikely(inside, status.is_error):
                inside.store(INDEX(1), flag)
            inside.ret_void()

            data = builder.bitcast(place, POINTER)
            alone = builder.icmp_signed("==", shares, INDEX(1))
            with builder.if_else(alone) as (here, on_cores):
                with here:
                    builder.call(task, [data, INDEX(0), count])
                with on_cores:
                    kind = context.call_conv.get_function_type(types.none, LOOP)
                    function = builder.inttoptr(loop, kind.as_pointer())
                    addresses = [builder.ptrtoint(pointer, INDEX) for pointer in (task, data)]
                    numbers = [*addresses, shares, count]
                    context.call_conv.call_function(builder, function, types.none, LOOP, numbers)
            with cgutils.if_unlikely(builder, cgutils.is_not_null(builder, builder.load(failed))):
                message = ("a kernel found no memory for its work",)
                context.call_conv.return_user_exc(builder, MemoryError, message)
            return context.get_dummy_value()

        return types.void(intp, intp, intp, arguments), generate

    # Numba takes a third of a microsecond longer for `*arguments`. The name is the cache file's.
    code = kernel.py_func.__code__
    names = ", ".join(code.co_varnames[: code.co_argcount - 2])
    source = f"def call(loop, shares, count, {names}): run(loop, shares, count, ({names},))"
    scope = {"run": run, "__name__": __name__}
    exec(compile(source, __file__, "exec"), scope)
    scope["call"].__qualname__ = f"{kernel.__module__}.{kernel.__qualname__}"
    return njit_cached(scope["call"])


@cache
def loop() -> int:
    """The address of the loop over the shares, each in a thread of OpenMP's."""
    _loop.compile(LOOP)
    return address(_loop.overloads[LOOP])


@partial(njit_kernel, parallel=True)
def _loop(task, arguments, shares, count):
    for i in prange(shares):
        _call(task, arguments, intp(count * i // shares), intp(count * (i + 1) // shares))


@intrinsic
def _call(typing, task, arguments, start, stop):
    def generate(context, builder, signature, values):
        task, data, start, stop = values
        function = builder.inttoptr(task, TASK.as_pointer())
        builder.call(function, [builder.inttoptr(data, POINTER), start, stop])
        return context.get_dummy_value()

    return types.void(*LOOP), generate
