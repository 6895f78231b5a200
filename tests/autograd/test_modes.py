"""Switches of each thread, values written to between the passes, and whose memory a gradient is."""

import threading

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, detect_nan, detect_writes, grad, nn, no_grad, optim


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype=dtype), requires_grad=True)


def in_turns(*workers):
    """Run generators in threads of their own, one step of each at a time."""
    turns = [threading.Semaphore(0) for _ in workers]
    errors = []

    def work(i, worker):
        try:
            turns[i].acquire()
            for _ in worker():
                turns[(i + 1) % len(turns)].release()
                turns[i].acquire()
        except BaseException as error:
            errors.append(error)
        for turn in turns:
            turn.release()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(workers)]
    for thread in threads:
        thread.start()
    turns[0].release()
    for thread in threads:
        thread.join(10)
    assert not errors and not any(thread.is_alive() for thread in threads)


def test_overlapping_switches_of_two_threads_leave_recording_on():
    def sampling():
        with no_grad():
            yield
            assert not (leaf(1.0) * 2).requires_grad
            yield

    def training():
        assert (leaf(1.0) * 2).requires_grad  # while the other samples
        with no_grad():
            yield
        assert (leaf(1.0) * 2).requires_grad
        yield

    in_turns(sampling, training)
    in_turns(sampling, sampling)
    assert (leaf(1.0) * 2).requires_grad


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_is_looked_for_in_the_thread_that_asked():
    def looking():
        with detect_nan():
            yield
            with pytest.raises(FloatingPointError):
                ag.log(leaf(-1.0))

    def other():
        ag.log(leaf(-1.0))
        yield

    in_turns(looking, other)


def sgd(x):
    x.grad = np.ones_like(x.data)
    optim.SGD({"x": x}, 0.1).step()


def averaged(x):
    average = optim.EMA({"x": x}, 0.5)
    average.average["x"] = x.data
    average.update(lambda: 0)


def loaded(x):
    module = nn.Module()
    module.x = x
    module.load_state({"x": np.zeros_like(x.data)})


WRITERS = {
    "step 1 of SGD": sgd,
    "an update of EMA": averaged,
    "load_state": loaded,
}
NEEDING = {
    "the value": lambda w: w * w,
    "a view": lambda w: w.reshape(1, 2) @ w.reshape(2, 1),
    "a slice": lambda w: w[:1] * w[1:],
    "a transpose": lambda w: w.reshape(2, 1).T * 2 @ np.ones((2, 1)) * w[0],
    "a constant": lambda w: w.detach() * (w + 1),
    "through a layer": lambda w: ag.linear(w.reshape(1, 2), w.reshape(1, 2), np.zeros(1)),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("needed", NEEDING)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_value_written_to_between_the_passes_is_noticed(writer, needed, create_graph):
    w = leaf(3.0, 4.0)
    loss = NEEDING[needed](w).sum()
    WRITERS[writer](w)
    message = rf"test_modes.py:\d+ \(.*written to since, by {writer}"
    with pytest.raises(RuntimeError, match=message):
        grad(loss, w, create_graph=create_graph)
    WRITERS[writer](w)
    NEEDING[needed](w).sum().backward()  # computed again, it is right


@pytest.mark.parametrize("writer", WRITERS)
def test_a_value_that_no_rule_needs_may_be_written_to(writer):
    w, x = leaf(3.0, 4.0), leaf(1.0, 2.0)
    loss = (w + x * x).sum()
    WRITERS[writer](w)
    np.testing.assert_array_equal(grad(loss, x).data, 2 * x.data)


def test_the_step_of_another_network_is_no_obstacle():
    """A GAN's: the generator's loss goes through the discriminator, which has taken a step."""
    w, other = leaf(3.0), leaf(2.0)
    loss = w * w
    sgd(other)
    assert grad(loss, w).data == 6


def test_memory_of_a_freed_array_may_be_used_again():
    for _ in range(100):
        w = leaf(*range(1000))
        sgd(w)
        del w
        v = leaf(*range(1000))
        np.testing.assert_array_equal(grad((v * v).sum(), v).data, 2 * v.data)


def test_data_assigned_anew_leaves_the_gradient_as_it_was():
    w = leaf(3.0)
    loss = w * w
    w.data = w.data - 1
    assert grad(loss, w).data == 6


def test_writing_by_hand_is_noticed_under_its_switch():
    w = leaf(3.0, 4.0)
    with detect_writes():
        loss = (w * w).sum()
        assert grad(loss, w, retain_graph=True).data[0] == 6
        w.data[0] = 2
        with pytest.raises(RuntimeError, match=r"mul of shape .* by an assignment to its data"):
            grad(loss, w)
        assert grad((w * w).sum(), w).data[0] == 4


def test_gradients_share_no_memory():
    a, b, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), np.ones(2)
    (a + b).backward(seed)
    a.grad.data *= 0.1
    np.testing.assert_array_equal(b.grad.data, [1, 1])
    np.testing.assert_array_equal(seed, [1, 1])
    for create_graph in (False, True):
        y = ag.concatenate([a + b, b.reshape(2, 1).T[0]])
        cotangent = np.arange(4.0)
        found = grad(y, [a, b, a], cotangent, create_graph=create_graph)
        for i, one in enumerate([*found, Tensor(cotangent)]):
            for other in found[:i]:
                assert not np.shares_memory(one.data, other.data)


def test_a_graph_is_kept_for_another_sweep_without_recording():
    """The Hessian of a cubic, a row at a time; only the first sweep has to record."""
    x = leaf(1.0, 2.0)
    slope = grad((x * x * x).sum(), x, create_graph=True)
    rows = [grad(slope, x, unit, retain_graph=True) for unit in np.eye(2)]
    assert not any(row.requires_grad for row in rows)
    np.testing.assert_array_equal([row.data for row in rows], [[6, 0], [0, 12]])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.data, 2 * 2 * x.data)
    with pytest.raises(RuntimeError, match="retain_graph=True to the earlier backward"):
        y.backward()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_detect_nan_sees_cotangents_that_cancel_and_skips_what_is_not_there():
    x = leaf(0.0)
    with detect_nan():
        y = ag.sqrt(x) - ag.sqrt(x)  # of slope infinity less infinity
        with pytest.raises(FloatingPointError, match="a sum of cotangents of leaf of shape"):
            grad(y, x)
        ag.conv2d(Tensor(np.ones((1, 1, 2, 2))), np.ones((1, 1, 1, 1)), None)
