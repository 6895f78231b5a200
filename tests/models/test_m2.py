"""M2: few labels, and the images without one help to find the classes."""

import dataclasses

import numpy as np
import pytest

import kernels
from models.autoencoders.cvae import CVAE
from models.autoencoders.m2 import M2, with_labels
from models.autoencoders.m2_settings import Settings
from models.data import Dataset, load
from models.errors import UsageError

TINY = Settings(
    hidden=(6,), latent=3, pixels="fixed", activation="tanh", beta=2.0, labelled=3, batch=8
)
RNG = np.random.default_rng(1)
IMAGES = RNG.integers(0, 2, (12, 2, 2)).astype(np.uint8)
LABELS = np.arange(12) % 3
DATA = Dataset("few", 2, IMAGES, IMAGES, LABELS, LABELS)
X = IMAGES[:5].reshape(5, 4).astype(np.float64)


def make(data=DATA, seed=0, **changes):
    settings = dataclasses.replace(TINY, **changes)
    return M2.for_data(settings, data, np.random.default_rng(seed))


def in_float64(model):
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    model.sent = lambda make, dtype=np.float64: np.asarray(make(), dtype)
    return model


@pytest.mark.parametrize("changes", [{}, {"unlabelled": False}, {"labelled": 0}])
def test_a_pytorch_twin_has_the_same_loss_and_gradients(changes):
    torch = pytest.importorskip("torch")
    model = in_float64(make(**changes))
    p = {k: torch.tensor(v, requires_grad=True) for k, v in model.state().items()}
    linear = torch.nn.functional.linear
    layer = lambda h, name: linear(h, p[f"{name}.weight"], p[f"{name}.bias"])  # noqa: E731

    def bound(x, y, eps):
        """-log p(x, y), at most, with beta = 2, image by image."""
        h = torch.cat([torch.tanh(layer(x, "encoder.steps.0")), y], 1)
        mu, logvar = layer(h, "mu"), layer(h, "logvar")
        z = torch.cat([mu + torch.exp(0.5 * logvar) * eps, y], 1)
        logits = layer(torch.tanh(layer(z, "decoder.steps.0")), "output")
        log_p = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(1)
        q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
        prior = torch.distributions.Normal(torch.zeros_like(mu), 1.0)
        return 2 * torch.distributions.kl_divergence(q, prior).sum(1) - log_p + np.log(3)

    def classes(x):
        h = torch.tanh(layer(x, "classifier.steps.0.steps.0"))
        return torch.distributions.Categorical(logits=layer(h, "classifier.steps.1"))

    rng = np.random.default_rng(2)  # which gives the same numbers in the same order
    seed = lambda: int(rng.integers(2**64, dtype=np.uint64))  # noqa: E731
    known, labels = (torch.tensor(a) for a in model.batch_of_known(rng))
    n = len(known)
    eps = torch.tensor(kernels.normal((n, 3), seed(), dtype=np.float64))
    theirs = bound(known, torch.eye(3)[labels].double(), eps).mean()
    share = n / 12 if changes.get("labelled", 3) else 1
    if share < 1 and changes.get("unlabelled", True):
        x = torch.tensor(X)
        eps = torch.tensor(kernels.normal((3, 5, 3), seed(), dtype=np.float64))
        one_hot = torch.eye(3).double()
        each = torch.stack([bound(x, one_hot[[c] * 5], eps[c]) for c in range(3)], 1)
        q = classes(x)
        unlabelled = ((q.probs * each).sum(1) - q.entropy()).mean()
        theirs = share * theirs + (1 - share) * unlabelled
    theirs = theirs - model.settings.alpha * classes(known).log_prob(labels).mean()
    theirs.backward()

    ours, _ = model.loss(X, np.random.default_rng(2))
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    for name, parameter in model.parameters().items():
        np.testing.assert_allclose(parameter.grad.data, p[name].grad, atol=1e-9)


def accuracy(**changes):
    """Of q(y|x) after 10 epochs of the digits with 50 labels."""
    data, rng = load("digits"), np.random.default_rng(0)
    settings = dataclasses.replace(M2.defaults["digits"], **changes)
    model = M2.for_data(settings, data, rng)
    steps = 10 * (len(data.train) // settings.batch)
    optimizers = model.optimizers(steps)
    for _ in range(steps):
        chosen = rng.integers(len(data.train), size=settings.batch)
        x = data.observe(data.train[chosen], "fixed", rng)
        model.update(x, rng, 0, None, optimizers)
    test = data.observe(data.test, "fixed", rng)
    return model.evaluate(test, rng, data.test_labels)["accuracy"].mean()


def test_images_without_labels_help_if_q_of_y_learns_from_the_labels_too():
    m2, classifier, without_alpha = accuracy(), accuracy(unlabelled=False), accuracy(alpha=0.0)
    assert m2 > classifier + 0.02 > 0.6
    assert without_alpha < classifier - 0.1


def test_each_class_at_once_is_one_class_after_the_other():
    model, rng = make(), np.random.default_rng(0)
    x = X.astype(np.float32)
    mu, logvar = model.told_each().encode(x)
    z = rng.standard_normal((3, 5, 3)).astype(np.float32)
    decoded = model.told_each().decode(z)
    for c in range(3):
        told = model.given(5, np.full(5, c))
        np.testing.assert_allclose(mu.data[c], told.encode(x)[0].data, atol=1e-6)
        np.testing.assert_allclose(logvar.data[c], told.encode(x)[1].data, atol=1e-6)
        np.testing.assert_allclose(decoded.data[c], told.decode(z[c]).data, atol=1e-6)


@pytest.mark.parametrize("count", [3, 5, 12])
def test_the_known_labels_are_even_over_the_classes_and_those_of_the_seed(count):
    data = dataclasses.replace(DATA, train_labels=np.array([0] * 7 + [1] * 3 + [2] * 2))
    known, again = (with_labels(data, count, np.random.default_rng(4)) for _ in range(2))
    counts = np.bincount(known.train_labels)
    assert counts.sum() == count
    assert counts.max() - counts.min() <= 1 or count == 12
    np.testing.assert_array_equal(known.train, again.train)
    fewer = with_labels(data, 3, np.random.default_rng(4))
    assert all((known.train == image).all((1, 2)).any() for image in fewer.train)
    np.testing.assert_array_equal(make(hidden=(2,)).known.train, make(hidden=(9,)).known.train)


def test_the_labels_of_the_batch_are_not_used():
    x = X.astype(np.float32)
    losses = [
        make().loss(x, np.random.default_rng(0), labels=labels)[0].item()
        for labels in (None, LABELS[:5], (LABELS[:5] + 1) % 3)
    ]
    assert len(set(losses)) == 1


def test_counts_of_labels_that_cannot_be_are_refused():
    assert make(labelled=0).share == 1.0 and isinstance(make(), CVAE)
    for count in (2, 13):
        with pytest.raises(UsageError, match=f"labelled={count}: few has 3 classes and 12 train"):
            make(labelled=count)
    bare = Dataset("bare", 2, IMAGES, IMAGES)
    with pytest.raises(UsageError, match="m2 is told the class of each image: bare has no labels"):
        make(bare)
