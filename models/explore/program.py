"""A function of arrays as a program: the list of primitives that one call of it makes.

A page computes with it what the model computes. The list is what a `Watcher` saw, so there is no
second description of the model. Its shapes are those of the call. A sweep with `create_graph=True`
makes its gradient of primitives too, so a function may take gradients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.tensor import array_of
from autograd.watch import Watcher, watching

TOLERANCE = 1e-4  # of the largest element; an operation in float32 rounds by 6e-8


@dataclass(frozen=True)
class Input:
    """An input in place of a keyword, such as the times that select rows of an embedding."""

    place: int


@dataclass
class Step:
    """A call of a primitive on the values at these places."""

    primitive: Any
    inputs: list[int]
    keywords: Mapping[str, Any]


@dataclass
class Program:
    """Values by their places: the inputs first, then constants and what the steps make."""

    shapes: list[tuple[int, ...]]
    inputs: int
    constants: dict[int, Any] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    output: int = 0

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """What the program makes of other inputs, in NumPy."""
        values: dict[int, Any] = {**dict(enumerate(inputs)), **self.constants}
        for place, step in self.steps.items():
            keywords = {
                name: values[value.place] if isinstance(value, Input) else value
                for name, value in step.keywords.items()
            }
            values[place] = step.primitive.forward(*(values[i] for i in step.inputs), **keywords)
        return np.asarray(values[self.output])


class _Recorder(Watcher):
    """Writes down what is made of the inputs. Anything else is a constant."""

    def __init__(self, inputs: Sequence[np.ndarray]):
        self.program = Program([], len(inputs))
        self.places: dict[int, int] = {}  # by the id of an array, and of the node that made it
        self.kept: list[Any] = []  # so that no id is used again
        self.inputs = {id(array): self._new_place(array) for array in inputs}

    def _new_place(self, value: Any) -> int:
        place, array = len(self.program.shapes), array_of(value)
        self.program.shapes.append(np.shape(array))
        for thing in (array, value.node if isinstance(value, Tensor) else None):
            if thing is not None:
                self.places[id(thing)] = place
                self.kept.append(thing)
        return place

    def place_of(self, value: Any) -> int | None:
        """By its node first, since a sweep may copy the array of a gradient."""
        node = value.node if isinstance(value, Tensor) else None
        return self.places.get(id(node), self.places.get(id(array_of(value))))

    def _place_or_constant(self, value: Any) -> int:
        place = self.place_of(value)
        if place is None:
            place = self._new_place(value)
            array = array_of(value)
            # A copy, since the weights may change. An input that is not given is None.
            self.program.constants[place] = None if array is None else np.array(array)
        return place

    def made(
        self, primitive: Any, out: Tensor, inputs: Sequence, keywords: Mapping[str, Any]
    ) -> None:
        given = {
            name: Input(self.inputs[id(value)]) if id(value) in self.inputs else value
            for name, value in keywords.items()
        }
        places = {self.place_of(x) for x in inputs} - {None, *self.program.constants}
        if places or any(isinstance(value, Input) for value in given.values()):
            step = Step(primitive, [self._place_or_constant(x) for x in inputs], given)
            self.program.steps[self._new_place(out)] = step


def export(
    function: Callable[..., Any], example: Sequence[np.ndarray], other: Sequence[np.ndarray]
) -> Program:
    """The program of `function`, which is called with the arrays of `example`.

    `other` are inputs of the same shapes, for which the program must give what the function gives.
    Raises ValueError if it does not: then something was computed beside the primitives, with plain
    NumPy or by a branch, and would stay what it was for the example.
    """
    example = tuple(example)
    recorder = _Recorder(example)
    with watching(recorder):
        answer = function(*example)
    place, program = recorder.place_of(answer), recorder.program
    if place is None:
        raise ValueError("the answer is not made of the inputs by primitives")
    program.output = place
    _leave_out_what_is_not_needed(program)
    expected, found = np.asarray(array_of(function(*other))), program(*other)
    error = abs(found - expected).max()
    if not error <= TOLERANCE * max(1e-6, abs(expected).max()):
        raise ValueError(
            f"for another input the program is wrong by {error:.3g}: something was computed beside "
            "the primitives"
        )
    return program


def _leave_out_what_is_not_needed(program: Program) -> None:
    needed = {program.output}
    for place, step in reversed(program.steps.items()):
        if place in needed:
            needed |= {*step.inputs}
    program.steps = {i: step for i, step in program.steps.items() if i in needed}
    program.constants = {i: array for i, array in program.constants.items() if i in needed}
