"""Layers and optimisers: against PyTorch where it is installed, and by what they promise."""

import math

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, check, grad, nn, optim


def rng():
    return np.random.default_rng(0)


LAYERS = {
    "Linear": (lambda t: t.nn.Linear(3, 5), lambda: nn.Linear(3, 5, rng()), (4, 3)),
    "Conv2d, pairs": (
        lambda t: t.nn.Conv2d(2, 3, (1, 3), stride=(2, 1)),
        lambda: nn.Conv2d(2, 3, (1, 3), rng(), stride=(2, 1)),
        (2, 2, 5, 4),
    ),
    "ConvTranspose2d, pairs": (
        lambda t: t.nn.ConvTranspose2d(3, 2, (2, 3), stride=(2, 1), padding=(0, 1)),
        lambda: nn.ConvTranspose2d(3, 2, (2, 3), rng(), stride=(2, 1), padding=(0, 1)),
        (1, 3, 3, 4),
    ),
    "Linear, 3-d": (lambda t: t.nn.Linear(3, 5), lambda: nn.Linear(3, 5, rng()), (2, 4, 3)),
    "Conv2d": (
        lambda t: t.nn.Conv2d(2, 3, 3, stride=2, padding=1, dilation=2),
        lambda: nn.Conv2d(2, 3, 3, rng(), stride=2, padding=1, dilation=2),
        (2, 2, 9, 8),
    ),
    "ConvTranspose2d": (
        lambda t: t.nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1),
        lambda: nn.ConvTranspose2d(3, 2, 4, rng(), stride=2, padding=1),
        (2, 3, 5, 4),
    ),
    "ConvTranspose2d, output padding": (
        lambda t: t.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1),
        lambda: nn.ConvTranspose2d(3, 2, 3, rng(), stride=2, padding=1, output_padding=1),
        (1, 3, 4, 4),
    ),
    "BatchNorm, features": (lambda t: t.nn.BatchNorm1d(4), lambda: nn.BatchNorm(4), (6, 4)),
    "BatchNorm, images": (lambda t: t.nn.BatchNorm2d(4), lambda: nn.BatchNorm(4), (3, 4, 2, 5)),
    "LayerNorm": (lambda t: t.nn.LayerNorm(6), lambda: nn.LayerNorm(6), (3, 2, 6)),
    "Linear without a bias": (
        lambda t: t.nn.Linear(3, 5, bias=False),
        lambda: nn.Linear(3, 5, rng(), bias=False),
        (4, 3),
    ),
    "Conv2d of groups": (
        lambda t: t.nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
        lambda: nn.Conv2d(4, 6, 3, rng(), stride=2, padding=1, groups=2),
        (2, 4, 5, 4),
    ),
    "Conv2d of each channel, without a bias": (
        lambda t: t.nn.Conv2d(3, 6, (1, 2), groups=3, bias=False),
        lambda: nn.Conv2d(3, 6, (1, 2), rng(), groups=3, bias=False),
        (2, 3, 2, 4),
    ),
    "GroupNorm": (lambda t: t.nn.GroupNorm(2, 4), lambda: nn.GroupNorm(2, 4), (3, 4, 2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_with_pytorch_in_value_gradient_and_state(name):
    torch = pytest.importorskip("torch")
    make_theirs, make_ours, shape = LAYERS[name]
    ours, theirs = make_ours(), make_theirs(torch)
    generator = rng()
    weights = {k: generator.random(v.shape, dtype=np.float32) for k, v in ours.state().items()}
    ours.load_state(weights)
    counted = {k: v for k, v in theirs.state_dict().items() if k == "num_batches_tracked"}
    theirs.load_state_dict({k: torch.tensor(v) for k, v in weights.items()} | counted)

    x = generator.standard_normal(shape).astype(np.float32)
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        cotangent = generator.standard_normal(y.shape).astype(np.float32)
        ours.zero_grad()
        theirs.zero_grad()
        y.backward(cotangent)
        z.backward(torch.tensor(cotangent))
        assert y.dtype == np.float32
        pairs = [(y.data, z.detach()), (a.grad.data, b.grad)]
        pairs += [(p.grad.data, q.grad) for p, q in zip(_parameters(ours), theirs.parameters())]
        pairs += [(v, theirs.state_dict()[k]) for k, v in ours.state().items()]
        for mine, other in pairs:
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_an_lstm_cell_agrees_with_pytorch_over_several_steps():
    torch = pytest.importorskip("torch")
    ours, theirs = nn.LSTMCell(3, 4, rng()), torch.nn.LSTMCell(3, 4)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state().items()})
    x = rng().standard_normal((5, 2, 3)).astype(np.float32)
    state = [np.zeros((2, 4), np.float32)] * 2
    their_state = [torch.tensor(s) for s in state]
    for step in x:
        state, their_state = ours(step, state), theirs(torch.tensor(step), their_state)
    (state[0] * state[1]).sum().backward()
    (their_state[0] * their_state[1]).sum().backward()
    pairs = [(mine.data, other.detach()) for mine, other in zip(state, their_state)]
    pairs += [(p.grad.data, q.grad) for p, q in zip(_parameters(ours), theirs.parameters())]
    for mine, other in pairs:
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        nn.CausalConv1d(2, 2, 3, rng(), dilation=2),
        lambda x: ag.attention(*[ag.transpose(x, axes=(0, 2, 1))] * 3, causal=True).T,
    ],
)
def test_what_is_causal_sees_the_present_and_the_past(f):
    """d y_t / d x_s is 0 for s > t, and not for s = t."""
    x = rng().standard_normal((1, 2, 7))
    seen = np.abs(ag.jacobian(f, x).data).reshape(2, 7, 2, 7).sum(axis=(0, 2))
    np.testing.assert_array_equal(np.triu(seen, 1), 0)
    assert seen.diagonal().all() and seen[6, 2] > 0


def _parameters(module):
    return module.parameters().values()


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_derivatives_of_two_orders(name):
    _, make, shape = LAYERS[name]
    layer = make()
    parameters = list(_parameters(layer))
    for p in parameters:
        p.data = p.data.astype(np.float64)

    def f(x, *values):
        for name_, value in zip(layer.parameters(), values):
            setattr(layer, name_, value)
        return layer(x)

    check.gradients(f, rng().standard_normal(shape), *parameters, order=2)


def test_default_initialisation_has_pytorchs_bounds():
    for layer in (nn.Linear(100, 50, rng()), nn.Conv2d(4, 8, 5, rng())):  # both of fan-in 100
        for p in _parameters(layer):
            assert np.abs(p.data).max() <= 0.1
        assert layer.weight.data.std() == pytest.approx(0.1 / math.sqrt(3), rel=0.05)


def test_parameters_have_dotted_names_and_state_moves_between_modules():
    def make(seed):
        generator = np.random.default_rng(seed)
        return nn.Sequential(nn.Linear(2, 3, generator), ag.tanh, nn.BatchNorm(3))

    a, b = make(0), make(1)
    assert list(a.parameters()) == [
        "steps.0.weight",
        "steps.0.bias",
        "steps.2.weight",
        "steps.2.bias",
    ]
    assert set(a.state()) - set(a.parameters()) == {"steps.2.running_mean", "steps.2.running_var"}
    b.load_state(a.state())
    for name, array in a.state().items():
        np.testing.assert_array_equal(array, b.state()[name])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("bias"), "missing bias"),
        (lambda s: s.update(other=np.zeros(1)), "unknown other"),
        (lambda s: s.update(bias=np.zeros(4)), r"bias is \(4,\), not \(3,\)"),
    ],
)
def test_state_that_does_not_fit_changes_nothing(spoil, message):
    layer = nn.Linear(2, 3, rng())
    state = {name: np.zeros_like(array) for name, array in layer.state().items()}
    spoil(state)
    with pytest.raises(ValueError, match=message):
        layer.load_state(state)
    assert layer.weight.data.any()


def test_embedding_layer_looks_up_rows():
    layer = nn.Embedding(4, 3, rng())
    np.testing.assert_array_equal(layer(np.array([2, 0])).data, layer.weight.data[[2, 0]])


def test_tied_parameters_count_once_and_containers_are_searched():
    layer = nn.Linear(2, 2, rng())
    layer.tied = layer.weight
    layer.nested = {"a": [nn.Embedding(1, 1, rng())]}
    assert list(layer.parameters()) == ["weight", "bias", "nested.a.0.weight"]


def test_dropout_keeps_the_mean_and_rests_in_evaluation():
    layer = nn.Dropout(0.25, rng())
    x = Tensor(np.ones((400, 400), dtype=np.float32), requires_grad=True)
    y = layer(x)
    assert y.dtype == np.float32
    assert set(np.unique(y.data)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert y.data.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(grad(y.sum(), x).data, y.data)
    layer.train(False)
    assert layer(x) is x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.GroupNorm(3, 4), "4 channels do not divide into 3 groups"),
        (lambda: nn.Conv2d(4, 6, 1, rng(), groups=3), "4 and 6 channels do not divide into 3"),
        (
            lambda: ag.grouped_conv2d(np.ones((1, 4, 1, 1)), np.ones((2, 2, 1, 1)), groups=3),
            r"axis 1 of \(1, 4, 1, 1\) does not split into 3 equal parts",
        ),
        (lambda: nn.Dropout(1.0, rng()), r"in \[0, 1\), not 1.0"),
        (lambda: nn.Linear(2, 3, rng())(np.zeros((4, 5))), r"5 features and W \(3, 2\)"),
        (lambda: nn.LayerNorm(3)(np.zeros((2, 1))), "LayerNorm is for 3 features, not 1"),
        (lambda: nn.BatchNorm(3)(np.zeros((2, 1))), "BatchNorm is for 3 features, not 1"),
        (lambda: nn.GroupNorm(1, 3)(np.zeros((2, 1))), "GroupNorm is for 3 features, not 1"),
        (lambda: nn.BatchNorm(3)(np.zeros((1, 3))), "one value a feature has no variance"),
    ],
)
def test_layers_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        nn.Module()(1)


OPTIMISERS = {
    "SGD": (lambda t, p: t.optim.SGD(p, 0.1), lambda p: optim.SGD(p, 0.1)),
    "momentum": (
        lambda t, p: t.optim.SGD(p, 0.1, momentum=0.9),
        lambda p: optim.SGD(p, 0.1, momentum=0.9),
    ),
    "RMSprop": (lambda t, p: t.optim.RMSprop(p, 0.01), lambda p: optim.RMSprop(p, 0.01)),
    "Adam": (lambda t, p: t.optim.Adam(p, 0.01), lambda p: optim.Adam(p, 0.01)),
    "AdamW": (
        lambda t, p: t.optim.AdamW(p, 0.01, weight_decay=0.1),
        lambda p: optim.AdamW(p, 0.01, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_agree_with_pytorch(name):
    torch = pytest.importorskip("torch")
    make_theirs, make_ours = OPTIMISERS[name]
    start = rng().standard_normal((300, 200))  # more than one block
    p, q = Tensor(start.copy(), requires_grad=True), torch.nn.Parameter(torch.tensor(start))
    ours, theirs = make_ours({"p": p}), make_theirs(torch, [q])
    for scale in (1.0, 0.1, 3.0, -2.0):
        p.grad = Tensor(np.sin(scale * p.data))
        q.grad = torch.sin(scale * q.detach())
        ours.step()
        theirs.step()
    np.testing.assert_allclose(p.data, q.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_minimise_and_resume_where_they_were(name):
    def run(steps, state=None):
        p = nn.parameter([1.0, -2.0] if state is None else state[0])
        optimiser = OPTIMISERS[name][1]({"p": p})
        if state is not None:
            optimiser.load_state(state[1])
        for _ in range(steps):
            p.grad = None
            (p * p).sum().backward()
            optimiser.step()
        return p.data, {k: v.copy() for k, v in optimiser.state().items()}

    whole = run(60)
    resumed = run(30, run(30))
    np.testing.assert_array_equal(whole[0], resumed[0])
    assert {array.dtype for array in (whole[0], *whole[1].values())} <= {
        np.dtype(np.float32),
        np.dtype(int),  # the count of steps
    }
    assert np.abs(whole[0]).max() < 2


def test_an_optimiser_refuses_state_that_is_not_its_own():
    adam = optim.Adam({"p": nn.parameter([1.0])})
    with pytest.raises(ValueError, match=r"missing mean.p of shape \(1,\)"):
        adam.load_state(optim.SGD({"p": nn.parameter([1.0])}, 0.1).state())


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_parameter_in_any_layout_is_updated_where_it_is(name):
    rows, columns = (Tensor(x, requires_grad=True) for x in (np.ones((3, 2)), np.ones((2, 3)).T))
    for p in (rows, columns):
        p.grad = Tensor(np.arange(1.0, 7.0).reshape(3, 2))
        OPTIMISERS[name][1]({"p": p}).step()
    np.testing.assert_array_equal(rows.data, columns.data)
    assert (columns.data < 1).all()


def test_a_parameter_without_a_gradient_stays():
    p = nn.parameter([1.0])
    optim.Adam({"p": p}).step()
    assert p.data == 1


def test_a_gradient_is_not_written_to():
    for _, make in OPTIMISERS.values():
        p = nn.parameter([1.0, 2.0])
        p.grad = Tensor(np.float32([3, 4]))
        make({"p": p}).step()
        np.testing.assert_array_equal(p.grad.data, [3, 4])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (optim.linear_schedule(1.0, 0.0, 4), [1, 0.75, 0.5, 0.25, 0, 0]),
        (optim.cosine_schedule(1.0, 0.0, 2), [1, 0.5, 0, 0]),
        (optim.warmup(lambda step: 2.0, 4), [0.5, 1, 1.5, 2, 2]),
    ],
)
def test_schedules(schedule, expected):
    np.testing.assert_allclose([schedule(i) for i in range(len(expected))], expected, atol=1e-12)


def test_a_schedule_is_a_learning_rate():
    p = nn.parameter([0.0])
    sgd = optim.SGD({"p": p}, optim.linear_schedule(1.0, 0.0, 2))
    for _ in range(3):
        p.grad = Tensor(np.float32([1]))
        sgd.step()
    assert p.data == -1.5


def test_clipping_scales_all_gradients_together():
    parameters = {"a": nn.parameter([0.0]), "b": nn.parameter([0.0, 0.0])}
    held = np.float32([3.0])
    parameters["a"].grad = Tensor(held)
    parameters["b"].grad = Tensor(np.float32([0.0, 4.0]))
    assert optim.clip_gradients(parameters, 10.0) == 5.0
    assert optim.clip_gradients(parameters, 1.0) == 5.0
    np.testing.assert_allclose(parameters["a"].grad.data, [0.6])
    np.testing.assert_allclose(parameters["b"].grad.data, [0, 0.8])
    assert held == 3  # replaced, not written to


@pytest.mark.parametrize(("steps", "lag"), [(1, -99.9), (120, 12), (10_000, 963)])
def test_ema_forgets_the_start_and_gives_the_parameters_back(steps, lag):
    """Of parameters that were 1,000 and then 1, 2, ... it lags by a tenth, and at last by 999.

    Without a warm-up 887 of the 1,000 would be in it after 120 steps of d = 0.999.
    """
    p = nn.parameter([1000.0])
    ema = optim.EMA({"p": p}, decay=0.999)
    for t in range(steps):
        p.data[...] = t + 1
        ema.update(lambda t=t: t)
    with ema.applied():
        assert p.data == pytest.approx(steps - lag, abs=0.5)
    assert p.data == steps
