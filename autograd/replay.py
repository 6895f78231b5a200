"""A function that a GPU repeats by itself, as one CUDA graph.

Python starts one kernel after the other, and where these are short the GPU waits for Python. A CUDA
graph is a recording of all of them, each with the addresses of its arrays, and the GPU goes through
it alone. So in a replay nothing of the function's Python happens again. What it needs from the host
it has to be `sent`, and it must not wait for a number of the GPU:

    step = Replayed(lambda: update(sent(next_batch, weight)), lambda: [weight])
    step()  # as often as you like

The first call is made by Python, since it compiles kernels. The second is made by Python and again
as a graph, and only if both leave the same bits are the calls to come made by the graph.
"""

import warnings
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from autograd.array import Array, namespace
from autograd.modes import mode

ALIGNMENT = 16  # bytes, as kernels expect of an array

_running: ContextVar["Replayed | None"] = ContextVar("_running", default=None)


def sent(make: Callable[[], Any], like: Array, dtype: Any = None) -> Array:
    """`make()` as an array beside `like`. For each replay `make` is called anew.

    So what `make` reads has to be new by then, but in the same object: an array, a generator.
    """
    running = _running.get()
    if running is None:
        return namespace(like).asarray(make(), dtype)
    return running.inputs.next(make, dtype, namespace(like)).there


def drawn(make: Callable[[], Any]) -> np.ndarray:
    """As `sent`, but it stays on the host: what other `make`s read."""
    running = _running.get()
    return np.asarray(make()) if running is None else running.inputs.next(make).here


class Replayed:
    """`function()`: a CUDA graph from its third call on, where its arrays are on a GPU.

    It returns None, or an array, which the next call overwrites. `state()` lists the arrays that it
    changes. Where there can be no graph, a warning and `refused` say why, and all calls are made by
    Python, as are those that are watched (`watch`).
    """

    def __init__(self, function: Callable[[], Array | None], state: Callable[[], list[Array]]):
        self.function, self.state = function, state
        self.xp = namespace(state()[0])
        self.inputs = _Inputs()
        self.graph: Any = None
        self.out: Array | None = None
        self.refused = ""

    def __call__(self) -> Array | None:
        xp = self.xp
        if xp is np or self.refused or not mode().replaying or mode().watchers:
            return self.function()
        if not self.inputs.packed:
            self.inputs = _Inputs()  # in case that an earlier call was interrupted
            out = self._by_python()
            self.inputs.pack(xp)
            return out
        stream = _stream(xp, xp.cuda.runtime.getDevice())
        self.inputs.send(stream)
        if self.graph is not None:
            self.graph.launch(stream)
            return self.out
        self.pool = xp.cuda.MemoryPool()  # no one else may use the memory of a graph
        with stream, xp.cuda.using_allocator(self.pool.malloc):
            return self._record(stream)

    def _by_python(self) -> Array | None:
        self.inputs.position = 0
        token = _running.set(self)
        try:
            return self.function()
        finally:
            _running.reset(token)

    def _record(self, stream: Any) -> Array | None:
        """The call by Python; and, from the same state, as a graph, which is kept if all agrees."""
        state = self.state()
        before = _copies(state)
        by_python = self._by_python()
        after, expected = _copies(self.state()), _bits([*self.state(), by_python])
        _write(before, state)
        try:
            graph = self._captured(stream)
            graph.launch(stream)
            if any(a is not b for a, b in zip(state, self.state(), strict=True)):
                self.refused = "an array is replaced, and not written to"
            elif _bits([*state, self.out]) != expected:
                self.refused = "the graph does not do what Python does"
            else:
                self.graph = graph
                return self.out
        except Exception as error:  # of CuPy, of the driver, or of code that may not be captured
            self.refused = f"{type(error).__name__}: {error}"
        _write(after, self.state())
        text = f"no CUDA graph, so Python starts each kernel: {self.refused}"
        warnings.warn(text, stacklevel=4)
        return by_python

    def _captured(self, stream: Any) -> Any:
        stream.synchronize()
        stream.begin_capture()
        try:
            self.out = self._by_python()
        except BaseException:
            with suppress(Exception):  # the first error says more
                stream.end_capture()
            raise
        return stream.end_capture()


@cache
def _stream(xp: Any, device: int) -> Any:
    """One for all graphs. CUDA keeps it in order with its default stream, where other code runs."""
    return xp.cuda.Stream()


class _Input(NamedTuple):
    make: Callable[[], Any]
    here: np.ndarray
    there: Array  # None if it is drawn


class _Inputs:
    """What a function takes from the host, in order. Once packed, it is sent by one copy."""

    def __init__(self) -> None:
        self.found: list[_Input] = []
        self.packed = False
        self.position = 0

    def next(self, make: Callable[[], Any], dtype: Any = None, xp: Any = None) -> _Input:
        """That which is called for: the first time made, later what `send` has put there."""
        if not self.packed:
            here = np.array(make(), dtype)
            self.found.append(_Input(make, here, None if xp is None else xp.asarray(here)))
        self.position += 1
        return self.found[self.position - 1]

    def pack(self, xp: Any) -> None:
        """Give all that is sent a place in one array of bytes, here and there."""
        sizes = [0 if x.there is None else -(-x.here.nbytes // ALIGNMENT) for x in self.found]
        *starts, end = (ALIGNMENT * int(n) for n in np.cumsum([0, *sizes]))
        self.here, self.there = np.zeros(end, np.uint8), xp.zeros(end, np.uint8)

        def place(memory: Array, start: int, like: np.ndarray) -> Array:
            return memory[start : start + like.nbytes].view(like.dtype).reshape(like.shape)

        for i, (start, (make, here, there)) in enumerate(zip(starts, self.found)):
            if there is not None:
                places = [place(memory, start, here) for memory in (self.here, self.there)]
                self.found[i] = _Input(make, *places)
        self.packed = True

    def send(self, stream: Any) -> None:
        for make, here, _ in self.found:
            here[...] = make()
        self.there.set(self.here, stream)


def _copies(arrays: list[Array]) -> list[Array]:
    return [array.copy() for array in arrays]


def _write(values: list[Array], arrays: list[Array]) -> None:
    for array, value in zip(arrays, values):
        array[...] = value


def _bits(arrays: list[Array]) -> list[bytes]:
    return [array.get().tobytes() for array in arrays if array is not None]
