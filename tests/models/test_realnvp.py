"""Real NVP: the determinant beside the Jacobian's, the inverse, a PyTorch twin, what it learns."""

import json
import math
import re

import numpy as np
import pytest
from scipy import integrate

from autograd import jacobian
from models.cli import main
from models.data import Dataset, load
from models.data.ring import ring
from models.densities.realnvp import RealNVP, checkerboard
from models.densities.realnvp_report import RealNVPReport
from models.densities.realnvp_settings import Settings

SHAPES = {"points": ((2,), 0), "grey": ((2, 3), 17), "colour": ((2, 2, 3), 256)}


def made(shape=(2, 3), levels=17, **changes):
    """A flow in float64, with random weights in the layers that begin at 0."""
    settings = Settings(**{"layers": 3, "hidden": (5,)} | changes)
    rng = np.random.default_rng(0)
    model = RealNVP(settings, shape, levels, rng)
    for tensor in model.tensors().values():
        tensor.data = tensor.data.astype(np.float64)
    for p in model.parameters().values():
        p.data = p.data + 0.4 * rng.standard_normal(p.shape)
    pixels = math.prod(shape)
    model.center.data, model.deviation.data = rng.random(pixels), 0.5 + rng.random(pixels)
    return model


def inputs(model, n=4):
    return np.random.default_rng(1).random((n, math.prod(model.shape)))


@pytest.mark.parametrize("kind", SHAPES)
def test_the_log_determinant_is_that_of_the_jacobian_and_the_inverse_is_the_inverse(kind):
    model = made(*SHAPES[kind])
    x = inputs(model)
    z, log_det = model.encode(x)
    for row, expected in zip(x, log_det.data):
        j = jacobian(lambda one: model.encode(one.reshape((1, -1)))[0].reshape(-1), row).data
        assert np.linalg.slogdet(j)[1] == pytest.approx(expected, abs=1e-10)
    np.testing.assert_allclose(model.decode(z.data).data, x, atol=1e-10)


def test_a_coupling_is_triangular_and_begins_as_the_identity():
    x = inputs(made())
    coupling = made().couplings[0]
    order = np.argsort(-coupling.kept.data, kind="stable")
    j = jacobian(lambda one: coupling(one.reshape((1, -1)))[0].reshape(-1), x[0]).data
    j = j[np.ix_(order, order)]
    np.testing.assert_array_equal(np.triu(j, 1), 0)
    np.testing.assert_array_equal(np.diag(j)[:3], 1)
    fresh = RealNVP(Settings(), (2,), 0, np.random.default_rng(0))
    y, log_det = fresh.couplings[0](x[:, :2])
    np.testing.assert_array_equal(y.data, x[:, :2])
    np.testing.assert_array_equal(log_det.data, 0)


def test_the_density_integrates_to_one():
    model = made((2,), 0)

    def density(*point):
        return math.exp(model.log_density(np.array([point])).item())

    whole = integrate.dblquad(density, -12, 12, -12, 12, epsabs=1e-3)[0]
    assert whole == pytest.approx(1, abs=5e-3)


def test_a_pytorch_twin_has_the_same_loss_and_gradients():
    torch = pytest.importorskip("torch")
    model = made()
    x = inputs(model)
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    y = torch.logit(0.05 + 0.9 * torch.tensor(x, requires_grad=True))
    inner = 0.05 + 0.9 * torch.tensor(x)
    log_det = (math.log(0.9) - torch.log(inner) - torch.log1p(-inner)).sum(1)
    z = (y - p["center"]) / p["deviation"]
    log_det = log_det - torch.log(p["deviation"]).sum()
    linear = torch.nn.functional.linear
    for i in range(3):
        own = {k.split(".", 2)[2]: v for k, v in p.items() if k.startswith(f"couplings.{i}.")}
        b = own["kept"].detach()
        h = linear(b * z, own["features.steps.0.weight"], own["features.steps.0.bias"]).relu()
        s = own["bound"] * torch.tanh(linear(h, own["scale.weight"], own["scale.bias"]))
        t = linear(h, own["shift.weight"], own["shift.bias"])
        z = b * z + (1 - b) * (z * torch.exp(s) + t)
        log_det = log_det + ((1 - b) * s).sum(1)
    normal = torch.distributions.Normal(torch.zeros(()).double(), 1)
    theirs = -(normal.log_prob(z).sum(1) + log_det).mean()
    theirs.backward()
    ours, _ = model.loss(x, None)
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-12)
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(parameter.grad.data, p[name].grad, atol=1e-9, err_msg=name)


def trained(data, steps, **changes):
    settings = Settings(layers=4, hidden=(32,), learning_rate=5e-3, batch=200, **changes)
    model, rng = (
        RealNVP.for_data(settings, data, np.random.default_rng(0)),
        np.random.default_rng(1),
    )
    optimizers = model.optimizers(steps)
    for _ in range(steps):
        x = data.train[rng.integers(len(data.train), size=200)]
        model.update(x, rng, 0.0, None, optimizers)
    return model


def test_a_bent_density_is_learnt_and_masks_that_stay_leave_half_as_it_is():
    """x_1 = x_2^2 + noise: the entropy is known."""
    data = ring(modes=1, radius=0.0, sigma=1.0, train=4000, test=2000)
    for part in (data.train, data.test):
        part[:, 0] = part[:, 1] ** 2 + 0.1 * part[:, 0]  # a bent density
    entropy = 1 + math.log(2 * math.pi) + math.log(0.1)
    bent = trained(data, 300)
    assert bent.evaluate(data.test, None)["nll"].mean() == pytest.approx(entropy, abs=0.1)
    stays = trained(data, 300, alternate=False)
    same = (data.test - stays.center.data) / stays.deviation.data
    np.testing.assert_allclose(stays.codes(data.test)[:, 0], same[:, 0], rtol=1e-5)
    assert stays.evaluate(data.test, None)["nll"].mean() > entropy + 0.3


def test_digits_have_fewer_bits_than_a_histogram_of_each_pixel(tmp_path, capsys):
    directory = str(tmp_path / "run")
    assert main(["train", "realnvp", "--epochs", "8", "--pictures", "no", "--out", directory]) == 0
    capsys.readouterr()
    assert main(["evaluate", directory, "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["nll"] < numbers["factorised_nll"]


@pytest.mark.parametrize("shape", [(3, 5), (7, 4, 3), (1, 2)], ids=str)
def test_images_of_any_size_and_colour(shape):
    images = np.random.default_rng(0).integers(17, size=(12, *shape)).astype(np.uint8)
    data, rng = Dataset("noise", 17, images, images), np.random.default_rng(0)
    model = RealNVP.for_data(Settings(layers=2, hidden=(4,)), data, rng)
    x = data.observe(data.test, "dequantised", rng)
    model.update(x, rng, 0.0, None, model.optimizers(1))
    restored = model.decode_codes(model.codes(x), rng)
    np.testing.assert_allclose(restored.reshape(len(x), -1), x, atol=1e-4)
    assert RealNVPReport(model, data).pictures(x, rng).keys() == {"samples", "interpolations"}


def test_a_checkerboard_has_no_equal_neighbours_and_a_pixel_one_value():
    mask = checkerboard((4, 5, 3)).reshape(4, 5, 3)
    assert (mask[1:] != mask[:-1]).all() and (mask[:, 1:] != mask[:, :-1]).all()
    assert (mask == mask[..., :1]).all()
    np.testing.assert_array_equal(checkerboard((2,)), [1, 0])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("layers=0", "layers=0: must be 1 to 1000"),
        ("hidden=0", "hidden=0: must be 1 to 1e+09"),
        ("alpha=0.5", "alpha=0.5: must be 1e-06 to 0.49"),
        ("pixels=levels", "pixels=levels: choose one of dequantised"),
    ],
)
def test_settings_that_make_no_sense_are_refused(option, message, tmp_path, capsys):
    assert main(["train", "realnvp", "--set", option, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert re.search(re.escape(message), error) and error.count("\n") == 1


def test_its_likelihood_is_exact_of_points_and_a_bound_of_levels():
    of_points, of_digits = made((2,), 0), made((2,), 17)
    assert of_points.nll_is_exact and not of_digits.nll_is_exact
    assert load("digits").levels == 17
