"""Gaussian mixtures: EM beside scikit-learn's, its bound, the gradient beside PyTorch's."""

import json
import math
import re

import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

from autograd import Tensor, logsumexp
from models.cli import main
from models.data import Dataset, load
from models.data.ring import ring
from models.densities.gmm import GMM
from models.densities.gmm_report import GMMReport, smallest_deviation
from models.densities.gmm_settings import DEFAULTS, SCIKIT_LEARN_BITS_PER_DIM, Settings
from models.errors import Failure, UsageError

FLOOR = 1e-3


def in_float64(model):
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    return model


def points(n=300, dimensions=3, seed=0):
    """Of three Gaussians with correlations, which overlap."""
    rng = np.random.default_rng(seed)
    parts = [
        rng.standard_normal((n // 3, dimensions)) @ rng.standard_normal((dimensions,) * 2) + shift
        for shift in (-1.0, 0.5, 2.0)
    ]
    return np.concatenate(parts)


def made(x, components=3, **changes):
    """A mixture that starts at the points x, in float64."""
    settings = Settings(components=components, floor=FLOOR, **changes)
    model = in_float64(GMM(settings, x.shape[1:], 0, np.random.default_rng(0)))
    model.start(x, np.random.default_rng(1))
    return model


def step(model, x):
    return -model.update(x, None, 0.0, None, {})["loss"]


def covariances(model):
    return np.stack([c.factor.data @ c.factor.data.T for c in model.components])


def log_likelihood(model, x):
    return logsumexp(model.log_joint(x), axis=1).data


def test_every_step_is_that_of_scikit_learn():
    x = points()
    ours = made(x)
    start = {
        "weights_init": np.full(3, 1 / 3),
        "means_init": np.stack([c.mean.data for c in ours.components]),
        "precisions_init": np.linalg.inv(covariances(ours)),
    }
    for steps in range(1, 13):
        before = step(ours, x)
        theirs = GaussianMixture(3, reg_covar=FLOOR, tol=0, max_iter=steps, **start)
        with pytest.warns(match="did not converge"):
            theirs.fit(x)
        assert before == pytest.approx(theirs.lower_bound_, abs=1e-9)
        means = np.stack([c.mean.data for c in ours.components])
        np.testing.assert_allclose(means, theirs.means_, atol=1e-6)
        np.testing.assert_allclose(covariances(ours), theirs.covariances_, atol=1e-6)
        weights = np.exp(ours.log_weight.data)
        np.testing.assert_allclose(weights, theirs.weights_, atol=1e-6)
        np.testing.assert_allclose(log_likelihood(ours, x), theirs.score_samples(x), atol=1e-6)
        np.testing.assert_allclose(ours.e_step(x)[0], theirs.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_never_falls(seed):
    x = points(seed=seed)
    model = made(x, components=5)
    model.settings = Settings(components=5, floor=0.0)  # a floor is no part of the likelihood
    history = [step(model, x) for _ in range(60)]
    assert (np.diff(history) > -1e-12).all() and history[-1] > history[0] + 0.1


def test_the_responsibilities_are_the_posterior_and_the_density_is_scipys():
    x = points(30)
    model = made(x)
    for _ in range(3):
        step(model, x)
    joint = np.stack(
        [
            np.exp(w) * stats.multivariate_normal(c.mean.data, covariance).pdf(x)
            for w, c, covariance in zip(model.log_weight.data, model.components, covariances(model))
        ],
        axis=1,
    )
    r, log_p = model.e_step(x)
    np.testing.assert_allclose(log_p, np.log(joint.sum(1)), atol=1e-12)
    np.testing.assert_allclose(r, joint / joint.sum(1, keepdims=True), atol=1e-12)


def test_a_pytorch_twin_has_the_same_loss_and_gradients():
    torch = pytest.importorskip("torch")
    x = points(30)
    model = made(x, method="gradient")
    rng = np.random.default_rng(2)
    for p in model.parameters().values():
        p.data = p.data + 0.3 * rng.standard_normal(p.shape)
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    factors = [
        torch.tril(p[f"components.{k}.below"], -1)
        + torch.diag(torch.exp(p[f"components.{k}.log_diagonal"]))
        for k in range(3)
    ]
    d = torch.distributions
    mixture = d.MixtureSameFamily(
        d.Categorical(logits=p["log_weight"]),
        d.MultivariateNormal(
            torch.stack([p[f"components.{k}.mean"] for k in range(3)]),
            scale_tril=torch.stack(factors),
        ),
    )
    theirs = -mixture.log_prob(torch.tensor(x)).mean()
    theirs.backward()
    ours, _ = model.loss(x, None)
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-12)
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(parameter.grad.data, p[name].grad, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(("method", "steps"), [("em", 30), ("gradient", 400)])
def test_both_ways_find_the_ring_of_which_the_entropy_is_known(method, steps):
    data = ring(train=2000, test=1000)
    settings = Settings(components=8, method=method, learning_rate=0.03)
    model = GMM.for_data(settings, data, np.random.default_rng(3))
    assert model.images_per_step == 2000
    optimizers = model.optimizers(steps)
    assert bool(optimizers) == (method == "gradient")
    for _ in range(steps):
        model.update(data.train, None, 0.0, None, optimizers)
    entropy = math.log(8) + math.log(2 * math.pi * 0.05**2) + 1  # of modes far apart
    nll = model.evaluate(data.test, None)["nll"]
    assert nll.dtype == np.float32 and nll.mean() == pytest.approx(entropy, abs=0.05)
    samples = model.sample(1000, np.random.default_rng(0))
    assert data.modes_covered(samples) == 8 and data.share_of_good(samples) > 0.97


def test_a_component_without_images_stays_and_has_no_weight():
    x = points(30)
    model = made(x)
    model.components[2].mean.data[...] = 1e4
    for _ in range(3):
        step(model, x)
    assert np.isfinite(log_likelihood(model, x)).all()
    assert np.exp(model.log_weight.data[2]) < 1e-12 and (model.components[2].mean.data == 1e4).all()


def test_digits_have_fewer_bits_than_scikit_learns_mixture_of_ten(tmp_path, capsys):
    directory = str(tmp_path / "run")
    command = ["train", "gmm", "--epochs", "20", "--pictures", "no", "--out", directory]
    assert main(command) == 0
    capsys.readouterr()
    assert main(["evaluate", directory, "--json"]) == 0
    bits = json.loads(capsys.readouterr().out)["nll"] / 64 / math.log(2)
    assert 2.7 < bits < SCIKIT_LEARN_BITS_PER_DIM


# A component that collapses


def collapsing(floor, steps=30):
    """A mixture of 8 Gaussians, trained on 40 points of the ring."""
    data = load("ring").first(40)
    settings = Settings(components=8, floor=floor)
    model = GMM.for_data(settings, data, np.random.default_rng(0))
    for _ in range(steps):
        model.update(data.train, None, 0.0, None, {})
    return model, data


def test_a_component_collapses_on_a_point_and_a_floor_keeps_it_from_that():
    with pytest.raises(Failure, match=r"component \d has collapsed on .* --set floor=1e-6"):
        collapsing(floor=0.0)
    test = load("ring").test
    low, high = (collapsing(floor)[0] for floor in (1e-6, 1e-3))
    losses = [m.loss(load("ring").train[:40], None)[0].item() for m in (low, high)]
    assert losses[0] < losses[1]  # on the images that it was trained on
    assert low.evaluate(test, None)["nll"].mean() > high.evaluate(test, None)["nll"].mean() + 10
    deviations = [min(map(smallest_deviation, m.components)) for m in (low, high)]
    np.testing.assert_allclose(deviations, [1e-3, 10**-1.5], rtol=0.3)
    rows = GMMReport(low, load("ring").first(40)).rows({"nll": 1.0})
    assert rows[-1].value == pytest.approx(deviations[0])


# Its pictures


def test_the_iterations_shown_are_those_of_the_training_and_the_model_stays_as_it_is():
    data, rng = ring(train=200, test=100), np.random.default_rng(0)
    model = GMM.for_data(Settings(components=6), data, rng)
    report, states = GMMReport(model, data), [model.state()]
    for _ in range(7):
        step(model, data.train)
        states.append(model.state())
    shown = {name: model.state() for name in report.iterations(rng)}
    expected = {"start": 0, "after 1": 1, "after 2": 2, "after 5": 5, "trained": 7}
    assert list(shown) == list(expected)
    for name, i in expected.items():
        for key, array in states[i].items():
            np.testing.assert_array_equal(shown[name][key], array, f"{key}, {name}")
    figure = report.pictures(data.test, rng)["iterations"]
    assert [len(axes.patches) for axes in figure.axes] == 5 * [6]


def test_iterations_end_where_a_component_collapses():
    data = load("ring").first(40)
    settings = Settings(components=8, floor=0.0)
    model, rng = GMM.for_data(settings, data, np.random.default_rng(0)), np.random.default_rng(0)
    model.components[0].mean.data[...] = data.train[0]
    model.components[0].log_diagonal.data[...] = -20  # nothing else is near it
    start = model.state()
    shown = list(GMMReport(model, data).iterations(rng))
    assert shown == ["start", "trained"]
    for key, array in model.state().items():
        np.testing.assert_array_equal(array, start[key])


# What it takes, and what it refuses


def test_images_in_colour_of_any_sides():
    images = np.random.default_rng(0).integers(17, size=(40, 3, 5, 3)).astype(np.uint8)
    data, rng = Dataset("noise", 17, images, images), np.random.default_rng(0)
    model = GMM.for_data(Settings(components=2, floor=0.01), data, rng)
    x = data.observe(data.train, "dequantised", rng)
    for _ in range(3):
        step(model, x)
    samples = model.sample(6, rng)
    assert samples.shape == (6, 3, 5, 3) and samples.min() >= 0 and samples.max() <= 1
    assert {f.axes[0].get_title() for f in GMMReport(model, data).pictures(x, rng).values()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("components=0", "components=0: must be 1 to 1e+09"),
        ("components=2000", "components=2000: digits has 1500 to train on"),
        ("method=newton", "method=newton: choose one of em, gradient"),
        ("floor=-1", "floor=-1.0: must be 0 to 1e+09"),
        ("pixels=levels", "pixels=levels: choose one of dequantised"),
        ("batch=100", "batch=100: a step of EM takes all images; leave it at 0, or --set method"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message, tmp_path, capsys):
    assert main(["train", "gmm", "--set", options, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert re.search(re.escape(message), error) and error.count("\n") == 1


def test_its_likelihood_is_exact_of_points_and_a_bound_of_levels():
    settings, rng = DEFAULTS["digits"], np.random.default_rng(0)
    of_points, of_digits = (GMM(settings, (2,), levels, rng) for levels in (0, 17))
    assert of_points.nll_is_exact and not of_digits.nll_is_exact
    x = np.full((1, 2), 0.5, np.float32)
    gap = of_digits.evaluate(x, rng)["nll"] - of_points.evaluate(x, rng)["nll"]
    assert gap == pytest.approx(2 * math.log(17), rel=1e-6)
    with pytest.raises(UsageError, match="this gmm is not conditional"):
        of_points.sample(2, rng, np.zeros(2, int))
    assert isinstance(of_points.log_joint(x), Tensor)
