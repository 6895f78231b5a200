"""A program in the form that `program.js` runs, where an array is flat and knows no shape.

What only moves elements (a slice, a transposed matrix, a broadcast) is written as `take`: where
each element of the answer is in the input. A sum is written as `add_at`: to which element of the
answer each element of the input is added. The sizes of a product or a convolution are numbers.
"""

from typing import Any

import numpy as np

from kernels import pair
from kernels.conv2d.mask import live_taps
from models.explore.program import Input, Program, Step

ELEMENTWISE = {
    "abs", "add", "clip", "cos", "div", "exp", "leaky_relu", "leaky_relu_grad", "log", "maximum",
    "minimum", "mul", "neg", "power", "relu", "sigmoid", "silu", "silu_grad", "sin", "softplus",
    "sqrt", "sub", "tanh", "where",
}  # fmt: skip
MOVES = {"astype", "broadcast_to", "getitem", "reshape", "squeeze", "transpose"}
SUMS = {"scatter_add", "sum", "sum_by_channel", "sum_to"}


def lower(program: Program) -> dict[str, Any]:
    """Inputs, constants, steps and output by their places.

    Raises ValueError for a primitive that `program.js` does not have.
    """
    lowered = _Lowered(program)
    for place, step in program.steps.items():
        lowered.add(place, step)
    used = {i for _, _, inputs, _ in lowered.steps for i in inputs}
    return {
        "constants": [[i, array] for i, array in lowered.constants.items() if i in used],
        "steps": lowered.steps,
        "output": lowered.at(program.output),
    }


class _Lowered:
    def __init__(self, program: Program):
        self.shapes = list(program.shapes)
        self.constants = dict(program.constants)
        self.same: dict[int, int] = {}  # places whose flat arrays are those of others
        self.steps: list[tuple[int, str, list[int], dict[str, Any]]] = []

    def at(self, place: int) -> int:
        return self.same.get(place, place)

    def size(self, place: int) -> int:
        return int(np.prod(self.shapes[place]))

    def emit(self, place: int, name: str, inputs: list[int], **options: Any) -> None:
        self.steps.append((place, name, [self.at(i) for i in inputs], options))

    def new_place(self, shape: tuple[int, ...]) -> int:
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def places_in(self, place: int) -> np.ndarray:
        """For each element its place in the flat array."""
        return np.arange(self.size(place), dtype=np.int32).reshape(self.shapes[place])

    def take(self, place: int, source: int, index: np.ndarray) -> None:
        if np.array_equal(index.reshape(-1), np.arange(self.size(source))):
            self.same[place] = self.at(source)
        else:
            self.emit(place, "take", [source], index=index.reshape(-1))

    def broadcast(self, source: int, shape: tuple[int, ...], whole: bool = False) -> int:
        """The place of `source` in this shape.

        An array that repeats as a whole may stay short, since `program.js` begins it again.
        """
        own = self.shapes[source]
        while own and own[0] == 1:
            own = own[1:]
        if self.size(source) == int(np.prod(shape)):
            return source
        if not whole and own == shape[len(shape) - len(own) :]:
            return source
        place = self.new_place(shape)
        self.take(place, source, np.broadcast_to(self.places_in(source), shape))
        return place

    def add(self, place: int, step: Step) -> None:
        name, inputs, keywords = step.primitive.name, step.inputs, step.keywords
        shape, first = self.shapes[place], self.shapes[inputs[0]]
        if name in ELEMENTWISE:
            self.emit(place, name, [self.broadcast(i, shape) for i in inputs], **keywords)
        elif name == "getitem" and isinstance(keywords["index"], Input):
            index = keywords["index"].place
            self.emit(place, "rows", [inputs[0], index], width=int(np.prod(first[1:])))
        elif name in MOVES:
            moved = step.primitive.forward(self.places_in(inputs[0]), **keywords)
            self.take(place, inputs[0], moved.astype(np.int32))
        elif name in SUMS:  # the rule of a sum gives each element of x the place of its sum
            kept = step.primitive.keep([np.empty(first)], np.empty(shape), keywords)
            index = step.primitive.rules[0](self.places_in(place), kept)
            self.emit(place, "add_at", inputs, index=index.reshape(-1), size=self.size(place))
        elif hasattr(self, f"_{name}"):
            getattr(self, f"_{name}")(place, *inputs, **keywords)
        else:
            raise ValueError(f"program.js has no {name}")

    def _linear(self, place: int, x: int, w: int, b: int) -> None:
        self.emit(place, "linear", [x, w, b])

    def _matrix_product(self, place: int, x: int, y: int) -> None:
        *batch, rows, columns = self.shapes[place]
        inner = self.shapes[x][-1]
        inputs = [
            self.broadcast(x, (*batch, rows, inner), whole=True),
            self.broadcast(y, (*batch, inner, columns)),
        ]
        self.emit(place, "matrix_product", inputs, rows=rows, inner=inner, columns=columns)

    def _concatenate_pair(self, place: int, x: int, y: int, *, axis: int) -> None:
        """`axis` is outermost in the pieces that are put one after the other."""
        pieces = [int(np.prod(self.shapes[i][axis:])) for i in (x, y)]
        self.emit(place, "concatenate", [x, y], pieces=pieces)

    def _log_softmax(self, place: int, x: int, *, axis: int) -> None:
        if axis not in (-1, len(self.shapes[x]) - 1):
            raise ValueError(f"program.js has log_softmax along the last axis only, not {axis}")
        self.emit(place, "log_softmax", [x], width=self.shapes[x][-1])

    def _conv2d(self, place: int, x: int, w: int, b: int, **keywords: Any) -> None:
        self._convolution("conv2d", place, self.shapes[x], self.shapes[place], [x, w, b], keywords)

    def _conv2d_input_grad(self, place: int, g: int, w: int, b: int, **keywords: Any) -> None:
        self._convolution(
            "conv2d_input_grad", place, self.shapes[place], self.shapes[g], [g, w, b], keywords
        )

    def _convolution(
        self, name: str, place: int, image: Any, answer: Any, inputs: list[int], keywords: Any
    ) -> None:
        """`image` and `answer` are the shapes of x and of conv2d(x, w)."""
        source, w, b = inputs
        if self.constants[b] is None:
            b = self.new_place((1,))
            self.constants[b] = np.zeros(1)
        if keywords["mask"] is not None:
            kernel = self.constants[w]
            live = np.zeros(kernel.shape[2] * kernel.shape[3])
            live[live_taps(keywords["mask"], kernel.shape[2:])] = 1
            w = self.new_place(kernel.shape)
            self.constants[w] = kernel * live.reshape(kernel.shape[2:])
        sizes = {"image": image[1:], "answer": answer[1:], "kernel": self.shapes[w][2:]}
        sizes |= {option: pair(keywords[option]) for option in ("stride", "padding", "dilation")}
        self.emit(place, name, [source, w, b], **sizes)
