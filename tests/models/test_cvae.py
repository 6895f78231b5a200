"""The conditional VAE: told the class, it leaves the style to z."""

import dataclasses
import re

import numpy as np
import pytest

import kernels
from autograd import Tensor
from models.autoencoders.cvae import CVAE, read_linearly
from models.autoencoders.cvae_settings import Settings
from models.data import Dataset, load
from models.errors import UsageError
from models.families import FAMILIES
from models.outputs.likelihood import classify
from models.training import Config, Run

TINY = Settings(hidden=(6,), latent=3, pixels="fixed", activation="tanh")
X = np.random.default_rng(1).integers(0, 2, (5, 4)).astype(np.float64)
LABELS = np.array([0, 2, 1, 2, 0])


def make(settings=TINY, shape=(2, 2), classes=3):
    return CVAE(settings, shape, 2, np.random.default_rng(0), classes)


def test_a_pytorch_twin_has_the_same_loss_and_gradients():
    torch = pytest.importorskip("torch")
    model = make(dataclasses.replace(TINY, beta=2.0))
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    seed = int(np.random.default_rng(2).integers(2**64, dtype=np.uint64))
    eps = torch.tensor(kernels.normal((5, 3), seed, dtype=np.float64))
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    x, y, linear = torch.tensor(X), torch.eye(3)[LABELS].double(), torch.nn.functional.linear

    h = torch.tanh(linear(x, p["encoder.steps.0.weight"], p["encoder.steps.0.bias"]))
    h = torch.cat([h, y], 1)
    mu = linear(h, p["mu.weight"], p["mu.bias"])
    logvar = linear(h, p["logvar.weight"], p["logvar.bias"])
    z = torch.cat([mu + torch.exp(0.5 * logvar) * eps, y], 1)
    h = torch.tanh(linear(z, p["decoder.steps.0.weight"], p["decoder.steps.0.bias"]))
    logits = linear(h, p["output.weight"], p["output.bias"])
    log_p = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum()
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    prior = torch.distributions.Normal(torch.zeros_like(mu), 1.0)
    kl = torch.distributions.kl_divergence(q, prior).sum()
    theirs = (2 * kl - log_p) / 5
    theirs.backward()

    ours, _ = model.loss(X, np.random.default_rng(2), labels=LABELS)
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(parameter.grad.data, p[name].grad, atol=1e-9)


@pytest.fixture(scope="module")
def trained():
    """A model of the digits after 40 epochs, and one whose z costs next to nothing."""
    data, models = load("digits"), {}
    for beta in (1.0, 0.02):
        settings = dataclasses.replace(CVAE.defaults["digits"], beta=beta)
        rng = np.random.default_rng(0)
        models[beta] = CVAE.for_data(settings, data, rng)
        steps = 40 * (len(data.train) // settings.batch)
        optimizers = models[beta].optimizers(steps)
        for _ in range(steps):
            chosen = rng.integers(len(data.train), size=settings.batch)
            x = data.observe(data.train[chosen], "fixed", rng)
            models[beta].update(x, rng, 0, data.train_labels[chosen], optimizers)
    return data, models


def test_samples_are_of_the_class_that_is_asked_for_unless_z_says_it_too(trained):
    """Nearest to the mean image of their class: with a cheap z the decoder does not listen."""
    data, models = trained
    means = np.stack([data.train[data.train_labels == c].mean(0) for c in range(10)]) / 16
    labels = np.arange(400) % 10
    right = {}
    for beta, model in models.items():
        samples = model.sample_means(400, np.random.default_rng(0), labels)
        distance = ((samples[:, None] - means) ** 2).sum((2, 3))
        right[beta] = (distance.argmin(1) == labels).mean()
    assert right[1.0] > 0.9 and right[0.02] < 0.6


def test_bayes_finds_the_class_that_the_bound_is_highest_for(trained):
    data, models = trained
    report = FAMILIES["cvae"].report(models[1.0], data)
    images, labels = data.test[:60], data.test_labels[:60]
    assert (classify(report, images) == labels).mean() > 0.8


def test_one_style_goes_with_every_class_and_only_the_class_differs():
    model = make()
    z = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    labels = np.arange(6) % 3
    images = model.decode_codes(z, None, labels)
    np.testing.assert_allclose(images[3:], model.decode_codes(z[3:], None, labels[3:]), atol=1e-6)
    other = model.decode_codes(z, None, (labels + 1) % 3)
    assert (abs(images - other).reshape(6, -1).max(1) > 1e-3).all()
    x = X.astype(np.float32)
    assert (model.codes(x, LABELS) != model.codes(x, (LABELS + 1) % 3)).all()
    assert model.y is None


def test_classes_are_read_from_codes_without_the_image_itself():
    rng = np.random.default_rng(0)
    y = np.eye(3)[rng.integers(3, size=300)]
    assert read_linearly(4 * y @ rng.standard_normal((3, 5)), y).mean() == 1
    assert abs(read_linearly(rng.standard_normal((300, 200)), y).mean() - 1 / 3) < 0.12
    assert read_linearly(rng.standard_normal((6, 5)), y[:6]).sum() == 0  # the others say nothing


def test_data_without_classes_are_refused_and_so_is_a_class_that_is_not_there():
    images = np.zeros((4, 2, 2), np.uint8)
    with pytest.raises(UsageError, match="cvae is told the class of each image: none has no"):
        CVAE.for_data(TINY, Dataset("none", 2, images, images), np.random.default_rng(0))
    with pytest.raises(UsageError, match=re.escape("class 3: the classes are 0 to 2")):
        make().sample(1, np.random.default_rng(0), np.array([3]))


def test_a_run_opens_again(tmp_path):
    changes = {"hidden": (4,), "latent": 2, "steps": 1}
    run = Run.create(Config.of("cvae", **changes), tmp_path / "run")
    run.train(pictures="no")
    again = Run.open(tmp_path / "run")
    np.testing.assert_array_equal(run.sample(3, 7), again.sample(3, 7))
    assert isinstance(again.model.given(3, None).decode(np.zeros((3, 2), np.float32)), Tensor)
