"""Calls of a kernel by a symbol, without a copy of its code.

Numba copies every function into those that call it, and optimises and translates the copy anew: in
a loop over the cores three times, which took longer than to compile the kernels themselves. A
symbol stands for the address of a function in this process; the cached code has its name.
"""

from typing import Any

from llvmlite import binding
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def define(kernel: Any, arguments: tuple[types.Type, ...]) -> tuple[str, Any]:
    """The symbol of the kernel for arguments of these types, compiled by then, and its compilation.

    It has to be defined in a process before code that calls it is compiled there or read from disk.
    """
    kernel.compile(arguments)
    compiled = kernel.overloads[arguments]
    name = f"{kernel.__module__}.{kernel.__qualname__}{arguments}"
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    binding.add_symbol(name, address)
    return name, compiled


def caller(kernel: Any) -> Any:
    """A function of a tuple, for compiled code: it calls the kernel with what is in the tuple."""

    @intrinsic
    def call(typing, arguments):
        name, compiled = define(kernel, tuple(arguments))
        result, parameters = compiled.fndesc.restype, compiled.fndesc.argtypes

        def generate(context, builder, signature, values):
            convention = context.call_conv
            kind = convention.get_function_type(result, parameters)
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            unpacked = cgutils.unpack_tuple(builder, values[0])
            status, _ = convention.call_function(builder, function, result, parameters, unpacked)
            with cgutils.if_unlikely(builder, status.is_error):
                convention.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(arguments), generate

    return call
