"""The importance-weighted autoencoder: its loss, its two gradients, and what k is good for."""

import dataclasses
import math
import re

import numpy as np
import pytest

import kernels
from autograd import grad
from models.autoencoders.iwae import IWAE
from models.autoencoders.iwae_report import IWAEReport
from models.autoencoders.iwae_settings import DEFAULTS, PUBLISHED_NLL, Settings
from models.autoencoders.vae import VAE
from models.autoencoders.vae_settings import Settings as VAESettings
from models.data import Dataset
from models.errors import UsageError

TINY = Settings(hidden=(6,), latent=2, pixels="fixed", activation="tanh", k=3)
PLAIN, DOUBLY = "reparameterised", "doubly-reparameterised"
X = np.random.default_rng(1).integers(0, 2, (5, 4)).astype(np.float64)


def make(seed=0, **changes):
    settings = dataclasses.replace(TINY, **changes)
    model = IWAE(settings, (2, 2), 2, np.random.default_rng(seed))
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    return model


def seeded():
    return np.random.default_rng(2)


@pytest.mark.parametrize("gradient", [PLAIN, DOUBLY])
def test_a_pytorch_twin_has_the_same_loss_and_gradients(gradient):
    """The twin of the doubly reparameterised gradient has hooks in the place of z'."""
    torch = pytest.importorskip("torch")
    model = make(gradient=gradient)
    seed = int(seeded().integers(2**64, dtype=np.uint64))
    eps = torch.tensor(kernels.normal((3, 5, 2), seed, dtype=np.float64))
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    x, linear = torch.tensor(X), torch.nn.functional.linear
    h = torch.tanh(linear(x, p["encoder.steps.0.weight"], p["encoder.steps.0.bias"]))
    mu = linear(h, p["mu.weight"], p["mu.bias"])
    logvar = linear(h, p["logvar.weight"], p["logvar.bias"])
    z = mu + torch.exp(logvar / 2) * eps
    h = torch.tanh(linear(z, p["decoder.steps.0.weight"], p["decoder.steps.0.bias"]))
    logits = linear(h, p["output.weight"], p["output.bias"])
    normal = torch.distributions.Normal
    if gradient == DOUBLY:
        mu, logvar = mu.detach(), logvar.detach()
    log_p = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    log_prior = normal(0.0, 1.0).log_prob(z).sum(-1)
    log_w = log_p + log_prior - normal(mu, torch.exp(logvar / 2)).log_prob(z).sum(-1)
    if gradient == DOUBLY:
        weight = torch.softmax(log_w, 0).detach()[..., None]
        z.register_hook(lambda g: weight * g)
    theirs = -(torch.logsumexp(log_w, 0) - math.log(3)).mean()
    theirs.backward()

    ours, _ = model.loss(X, seeded())
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(parameter.grad.data, p[name].grad, atol=1e-9)


def test_one_sample_is_the_vae_with_a_sampled_kl():
    model, vae = make(k=1), VAE(VAESettings(**form(TINY)), (2, 2), 2, np.random.default_rng(0))
    vae.load_state({name: p.astype(np.float32) for name, p in model.state().items()})
    ours = np.mean([model.loss(X, np.random.default_rng(i))[0].item() for i in range(200)])
    theirs = vae.bound(X.astype(np.float32), seeded(), samples=200)["negative_elbo"].mean()
    assert ours == pytest.approx(theirs, abs=0.05)


def form(settings):
    fields = dataclasses.asdict(settings)
    return {name: value for name, value in fields.items() if name not in ("k", "gradient")}


def test_both_gradients_have_one_value_one_mean_and_the_same_decoder():
    means = {}
    for gradient in (PLAIN, DOUBLY):
        model, found = make(gradient=gradient), []
        parameters = [model.mu.weight, model.logvar.weight, model.output.weight]
        for i in range(400):
            loss, _ = model.loss(X, np.random.default_rng(i))
            found.append([g.data.ravel() for g in grad(loss, parameters)])
        means[gradient] = loss.item(), [np.array(each) for each in zip(*found)]
    (value, plain), (same, doubly) = means[PLAIN], means[DOUBLY]
    assert value == pytest.approx(same, rel=1e-12)
    np.testing.assert_allclose(plain[2], doubly[2], atol=1e-12)
    for one, other in zip(plain[:2], doubly[:2]):
        error = np.hypot(one.std(0), other.std(0)) / math.sqrt(400)
        assert (abs(one.mean(0) - other.mean(0)) < 5 * error).all()
        assert other.var(0).sum() < 0.7 * one.var(0).sum()


def test_more_samples_learn_more_units_and_a_better_model():
    """Stripes of random phase, where few steps of a VAE leave z unused."""
    rng = np.random.default_rng(0)
    x = (np.arange(6) + rng.integers(6, size=(200, 1)) < 6).astype(np.uint8)
    data = Dataset("stripes", 2, x.reshape(-1, 2, 3), x.reshape(-1, 2, 3))
    nll = {}
    for k in (1, 20):
        settings = dataclasses.replace(TINY, k=k, gradient=DOUBLY, learning_rate=0.02)
        model = IWAE.for_data(settings, data, np.random.default_rng(0))
        optimizers = model.optimizers(150)
        for _ in range(150):
            model.update(x.astype(np.float32), rng, 0, None, optimizers)
        nll[k] = -model.log_prob(x.astype(np.float32), rng, 500).mean()
    assert math.log(6) < nll[20] < nll[1] - 0.02


def test_the_report_counts_the_units_whose_mean_varies():
    numbers = {"negative_bound": 3.0, "negative_elbo": 3.5, "reconstruction": 3.0, "kl": 0.5}
    numbers |= {"nll": 2.9, "posterior_mean": [1.0, 0.2], "posterior_mean_squared": [1.005, 0.3]}
    rows = IWAEReport(make(), None).rows(numbers | {"nll": 2.9})
    (row,) = (row for row in rows if "active" in row.name)
    assert (row.value, row.remark) == (1, "of 2; variances of E[z|x] over x: 0.26, 0.00")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k=0: must be 1 to 1e+09"),
        ({"gradient": "score"}, "choose one of reparameterised, doubly-reparameterised"),
        ({"decoder": "logistic"}, "a logistic levels"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        dataclasses.replace(TINY, **changes)


def test_the_published_setting_is_the_one_we_run():
    settings = DEFAULTS["binarized-mnist"]
    assert (settings.hidden, settings.latent, settings.pixels) == ((200, 200), 50, "fixed")
    assert settings.k in PUBLISHED_NLL
