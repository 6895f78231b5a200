"""An array as one row, for compiled code.

Numba's `reshape(-1)` says the same, but takes as long to compile as a small kernel.
"""

from numba import types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array


@intrinsic
def flat(typing, array):
    """A view (elements,) of an array whose elements lie in order, without a gap."""

    def generate(context, builder, signature, values):
        source = context.make_array(signature.args[0])(context, builder, values[0])
        view = context.make_array(signature.return_type)(context, builder)
        parts = {name: getattr(source, name) for name in ("data", "itemsize", "meminfo", "parent")}
        populate_array(view, shape=[source.nitems], strides=[source.itemsize], **parts)
        result = view._getvalue()
        return impl_ret_borrowed(context, builder, signature.return_type, result)

    return types.Array(array.dtype, 1, "C")(array), generate
