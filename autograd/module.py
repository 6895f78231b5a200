"""A module: a function with parameters, which have names."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from autograd.array import namespace, to_device
from autograd.memory import note_write
from autograd.modes import mode
from autograd.tensor import Tensor
from autograd.watch import tell


class Module:
    """A function with parameters. Its Tensors, and those of its Modules, have dotted names.

    A Tensor that requires a gradient is a parameter. Any other is a buffer, which is saved with
    the parameters but not trained.
    """

    training = True

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def __call__(self, *args: Any) -> Any:
        watchers = mode().watchers
        tell(watchers, "entered", self)
        try:
            return self.forward(*args)
        finally:
            tell(watchers, "left", self)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer, in order of definition; shared ones by their first name."""
        first: dict[int, tuple[str, Tensor]] = {}
        for name, tensor in self.named_tensors():
            first.setdefault(id(tensor), (name, tensor))
        return dict(first.values())

    def named_tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """The parameters and buffers, shared ones by each of their names."""
        for name, value in _members(self):
            if isinstance(value, Tensor):
                yield prefix + name, value
            else:
                yield from value.named_tensors(f"{prefix}{name}.")

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This one, by the name "", and every Module inside it."""
        yield prefix.removesuffix("."), self
        for name, value in _members(self):
            if isinstance(value, Module):
                yield from value.named_modules(f"{prefix}{name}.")

    def parameters(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.tensors().items() if tensor.requires_grad}

    def __repr__(self) -> str:
        """A line for each module that has Tensors of its own: its parameters and their number."""
        rows = []
        for name, module in self.named_modules():
            tensors = {part: t for part, t in _members(module) if isinstance(t, Tensor)}
            parts = [f"{part} {t.shape}" for part, t in tensors.items() if t.requires_grad]
            if buffers := len(tensors) - len(parts):
                parts.append(f"{buffers} buffer{'s' * (buffers > 1)}")
            if tensors:
                rows.append((name, type(module).__name__, f"{_count(tensors):,}", ", ".join(parts)))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        title = f"{type(self).__name__}, {_count(self.parameters()):,} parameters"
        return "\n  ".join([title, *lines])

    def zero_grad(self) -> None:
        for parameter in self.parameters().values():
            parameter.grad = None

    def train(self, training: bool = True) -> None:
        """Switch to training, or with False to evaluation: for BatchNorm and Dropout."""
        self.training = training
        for _, value in _members(self):
            if isinstance(value, Module):
                value.train(training)

    def to(self, device: str) -> None:
        """Move every parameter and buffer, with its gradient, to `device`, "cpu" or "cuda".

        Make the optimiser afterwards, since its arrays are on the device of the parameters.
        """
        for tensor in self.tensors().values():
            tensor.data = to_device(tensor.data, device)
            if tensor.grad is not None:
                tensor.grad = tensor.grad.to(device)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of every parameter and buffer, in NumPy."""
        return {name: tensor.numpy().copy() for name, tensor in self.tensors().items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Copy arrays into the Tensors of the same names; nothing is changed if one is wrong.

        Raises ValueError for an array that is missing, unknown, or of another shape.
        """
        tensors = self.tensors()
        if missing := sorted(tensors.keys() - state.keys()):
            raise ValueError(f"missing {', '.join(missing)}")
        if unknown := sorted(state.keys() - tensors.keys()):
            raise ValueError(f"unknown {', '.join(unknown)}")
        arrays = {name: np.asarray(state[name], tensors[name].dtype) for name in tensors}
        for name, tensor in tensors.items():
            if arrays[name].shape != tensor.shape:
                raise ValueError(f"{name} is {arrays[name].shape}, not {tensor.shape}")
        for name, tensor in tensors.items():
            note_write(tensor.data, "load_state")
            tensor.data[...] = namespace(tensor.data).asarray(arrays[name])


def _members(module: Module) -> Iterator[tuple[str, "Tensor | Module"]]:
    """The Tensors and Modules among a Module's attributes, and in lists and dicts of them."""
    pending = list(vars(module).items())
    while pending:
        name, value = pending.pop(0)
        if isinstance(value, Tensor | Module):
            yield name, value
        elif isinstance(value, list | tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            pending = [(f"{name}.{key}", item) for key, item in items] + pending


def _count(tensors: Mapping[str, Tensor]) -> int:
    """How many parameters they have; buffers have none."""
    return sum(tensor.size for tensor in tensors.values() if tensor.requires_grad)
