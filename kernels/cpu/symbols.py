"""Calls of a kernel by a symbol, without a copy of its code.

Numba copies every function into those that call it, and optimises and translates the copy anew. A
symbol stands for the address of a function in this process; the cached code has its name.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from llvmlite import binding
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

Arguments = tuple[types.Type, ...]

kernels: dict[tuple[str, str], Any] = {}  # by module and name
_defined: dict[str, tuple[str, str, Arguments]] = {}  # by symbol


def by_symbol(kernel: Any) -> Any:
    """The kernel for other compiled code, which calls it by its symbol.

    A kernel returns nothing. What it raises, its caller raises.
    """

    @intrinsic
    def call(typing, *arguments):
        arguments = tuple(map(types.unliteral, arguments))
        symbol = define(kernel, arguments)

        def generate(context, builder, signature, values):
            unpacked = cgutils.unpack_tuple(builder, values[0])
            status = generate_call(context, builder, symbol, unpacked)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(types.StarArgTuple(arguments)), generate

    return call


def define(kernel: Any, arguments: Arguments) -> tuple[str, Any]:
    """Compile the kernel for arguments of these types: its symbol, and what Numba made of it."""
    module, name = kernel.__module__, kernel.__qualname__
    kernel.compile(arguments)
    compiled = kernel.overloads[arguments]
    symbol = f"{module}.{name}{arguments}"
    binding.add_symbol(symbol, address(compiled))
    _defined[symbol] = module, name, arguments
    return symbol, compiled


def address(compiled: Any) -> int:
    """Of the machine code, for as long as the kernel exists."""
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


def generate_call(context: Any, builder: Any, symbol: tuple[str, Any], values: list) -> Any:
    """Of what `define` has returned, with LLVM's values; the status says whether it has raised."""
    name, compiled = symbol
    result, parameters = compiled.fndesc.restype, compiled.fndesc.argtypes
    kind = context.call_conv.get_function_type(result, parameters)
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    status, _ = context.call_conv.call_function(builder, function, result, parameters, values)
    return status


def callees(library: Any) -> Iterator[tuple[str, str, Arguments]]:
    """The kernels that compiled code calls: module, name and types, as for `define_again`."""
    for function in library._final_module.functions:
        if function.is_declaration and function.name in _defined:
            yield _defined[function.name]


def define_again(module: str, name: str, arguments: Arguments) -> None:
    """In a new process, before code that calls the kernel is read from the cache."""
    import_module(module)
    define(kernels[module, name], arguments)
