"""A function as a CUDA graph, on a stand-in for CuPy that records and repeats what is captured."""

from contextlib import nullcontext

import numpy as np
import pytest

from autograd import Replayed, detect_nan, drawn, namespace, nn, no_replay, sent
from kernels import dispatch
from tests.autograd import device


@pytest.fixture(scope="module", autouse=True)
def cupy():
    kernels = {name: device.Kernels(name) for name in dispatch.KERNELS}
    with device.pretended(), dispatch.use(**kernels):
        yield device


class Sum:
    """x <- x + what a step draws, times what depends on that, and returns it; counts its calls."""

    def __init__(self, xp):
        self.x, self.calls, self.draws = xp.asarray(np.zeros(3, np.float32)), 0, 0

    def draw(self):
        self.draws += 1
        return self.draws

    def __call__(self):
        self.calls += 1
        step = drawn(self.draw)
        noise = sent(lambda: np.full(3, step, np.float32), self.x)
        share = sent(lambda: 2.0 / step, self.x, np.float64)
        self.x[...] = self.x + noise * share.astype(np.float32)
        return self.x * 2.0 + sent(lambda: [step] * 3, self.x, np.float32)

    def state(self):
        return [self.x]


def values(array):
    return array.get() if dispatch.is_on_device(array) else array.copy()


@pytest.mark.parametrize("on_gpu", [False, True])
def test_it_gives_what_the_function_gives(on_gpu, cupy):
    xp = cupy if on_gpu else np
    again, expected = Sum(xp), Sum(xp)
    replayed = Replayed(again, again.state)
    for call in range(6):
        found = values(replayed())
        np.testing.assert_array_equal(found, values(expected()))
        np.testing.assert_array_equal(values(again.x), values(expected.x))
        assert again.draws == call + 1
    # Once by itself, once beside the recording, and once to record it.
    assert again.calls == (3 if on_gpu else 6)
    assert (replayed.graph is not None) == on_gpu


@pytest.mark.parametrize("by_python", [no_replay, detect_nan])
def test_without_replay_and_watched_the_function_is_called(by_python, cupy):
    function = Sum(cupy)
    replayed = Replayed(function, function.state)
    for _ in range(3):
        replayed()
    with by_python():
        replayed()
    replayed()
    assert function.calls == 4
    assert function.draws == 5
    np.testing.assert_array_equal(values(function.x), 10)


def test_all_of_a_step_is_sent_by_one_copy(cupy, monkeypatch):
    function, told = Sum(cupy), []
    replayed = Replayed(function, function.state)
    for _ in range(2):
        replayed()
    monkeypatch.setattr(cupy, "tell", lambda kind, name, *_: told.append((kind, name)))
    replayed()
    assert told == [("send", "set"), ("launch", "graph")]


def test_dropout_draws_anew_in_each_replay(cupy):
    ones = np.ones((4, 5), np.float32)

    def kept(xp):
        layer, x, y = nn.Dropout(0.5, np.random.default_rng(0)), xp.asarray(ones), xp.zeros((4, 5))

        def drop():
            y[...] = layer(x)

        replayed = Replayed(drop, lambda: [y])
        return [replayed() or values(y) for _ in range(4)], replayed.graph

    on_gpu, graph = kept(cupy)
    np.testing.assert_array_equal(on_gpu, kept(np)[0])
    assert graph is not None


class Wrong(Sum):
    """A step of which a graph would make something else; `way` is how."""

    def __init__(self, xp, way):
        super().__init__(xp)
        self.way = way

    def __call__(self):
        y = super().__call__()
        if self.way == "a wait":
            float(self.x.sum())
        elif self.way == "an array of the host":
            namespace(y).asarray(np.ones(3))
        elif self.way == "a number of Python":
            self.x[...] = self.x + float(self.calls)
        elif self.way == "another array":
            self.x = self.x + 0
        elif self.way == "cuBLAS by CuPy":
            y @ y
        return y


REFUSED = {
    "a wait": "get, a wait, is not permitted",
    "an array of the host": "asarray, a send, is not permitted",
    "a number of Python": "the graph does not do what Python does",
    "another array": "an array is replaced, and not written to",
    "cuBLAS by CuPy": "NotImplementedError: calling cuBLAS",
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_a_graph_cannot_do_is_done_by_python(way, cupy):
    again, expected = Wrong(cupy, way), Wrong(cupy, way)
    replayed = Replayed(again, again.state)
    for call in range(4):
        if call > 1:  # the number of calls is the same from here on
            again.calls = expected.calls
        with pytest.warns(UserWarning, match="no CUDA graph") if call == 1 else nullcontext():
            found = replayed()
        np.testing.assert_array_equal(values(found), values(expected()))
        np.testing.assert_array_equal(values(again.x), values(expected.x))
    assert replayed.graph is None
    assert REFUSED[way] in replayed.refused
