"""The mask of a convolution, (KH, KW): the taps where it is zero are dead, the others are live.

The masks of the autoregressive models: with the pixels in raster order, the live taps of "A" are
those before the centre, and "B" has the centre too (van den Oord et al. 2016, "Pixel Recurrent
Neural Networks", section 3.4).
"""

import numpy as np

Mask = str | np.ndarray


def live_taps(mask: Mask, kernel_size: tuple[int, int]) -> np.ndarray:
    """The live taps, in ascending order: tap (a, b) is a KW + b.

    Raises ValueError for a mask of even size, which has no centre, of another size than the
    kernel, or without a live tap.
    """
    rows, columns = kernel_size
    if rows % 2 == 0 or columns % 2 == 0:
        raise ValueError(f"a mask of {kernel_size} has no centre: its sizes must be odd")
    if isinstance(mask, str):
        if mask not in ("A", "B"):
            raise ValueError(f"no mask {mask!r}: choose A, B, or an array {kernel_size}")
        taps = np.arange(rows * columns // 2 + (mask == "B"))
    elif np.shape(mask) != kernel_size:
        raise ValueError(f"a mask of {np.shape(mask)} for a kernel of {kernel_size}")
    else:
        taps = np.flatnonzero(mask)
    if not len(taps):
        raise ValueError(f"mask {mask} of {kernel_size} has no live tap")
    return taps
