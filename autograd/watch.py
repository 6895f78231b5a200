"""Watchers: what is told of every call of a primitive, and of every edge of a sweep.

`detect_nan`, `detect_writes` and `trace` are watchers. While nothing watches, they cost nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from autograd.modes import mode, switched
from autograd.tensor import Node, Tensor


class Watcher:
    """Does nothing. A subclass has those of the methods that it needs."""

    def entered(self, module: Any) -> None:
        """The `forward` of a module of `nn` begins: what is made next is made inside it."""

    def left(self, module: Any) -> None:
        """It has ended."""

    def made(
        self, primitive: Any, out: Tensor, inputs: Sequence, keywords: Mapping[str, Any]
    ) -> None:
        """A primitive has made `out`, which has no node if nothing is recorded."""

    def began(self, root: Node) -> None:
        """A sweep begins at `root`."""

    def reached(self, node: Node, g: Any) -> None:
        """`g` is the whole cotangent of `node`. Its rules come next, unless it is a leaf."""

    def passed(
        self, node: Node, rule: Callable, parent: Node, g: Any, given: Any, d: Any, before: Any
    ) -> None:
        """A rule of `node` made `given` of `g`.

        `d` is that in the shape and dtype of `parent`, and is added to `before`, the cotangent
        that `parent` has from other uses (None for none).
        """

    def ended(self) -> None:
        """The sweep has ended, or raised an error."""


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Within the block, in this thread, `watcher` is told what happens."""
    with switched(watchers=(*mode().watchers, watcher)):
        yield


def tell(watchers: Sequence[Watcher], what: str, *details: Any) -> None:
    """Call the method named `what` of each."""
    for watcher in watchers:
        getattr(watcher, what)(*details)
