"""Autoencoders: PCA in the linear case, every penalty against its formula, and what is hidden."""

import dataclasses
import math

import numpy as np
import pytest

from autograd import Tensor, grad, no_grad
from models import data
from models.autoencoders.autoencoder import Autoencoder
from models.autoencoders.autoencoder_report import AutoencoderReport
from models.autoencoders.autoencoder_settings import DEFAULTS, KINDS, PUBLISHED, Settings
from models.errors import UsageError

TINY = Settings(hidden=(6,), latent=3, activation="tanh", patch=2)


def make(shape=(4, 4), seed=0, train=None, **changes):
    rng = np.random.default_rng(seed)
    model = Autoencoder(dataclasses.replace(TINY, **changes), shape, 17, rng)
    if train is not None:
        model.use_training_images(train)
    return model


def in_float64(model):
    for p in model.parameters().values():
        p.data = p.data.astype(np.float64)
    return model


def pixels(n=5, count=16, seed=1, dtype=np.float32):
    return np.random.default_rng(seed).random((n, count)).astype(dtype)


@pytest.fixture(scope="module")
def digits():
    digits = data.load("digits")
    return digits.observe(digits.train, "levels", np.random.default_rng())


@pytest.mark.parametrize(("hidden", "latent"), [((), 8), ((16,), 4)])
def test_the_linear_one_finds_the_subspace_of_pca(digits, hidden, latent):
    """To a tenth of a degree in 600 steps on all of the training digits; and with PCA's error."""
    from scipy.linalg import subspace_angles
    from sklearn.decomposition import PCA

    pca = PCA(latent).fit(digits)
    linear = {"activation": "linear", "hidden": hidden, "latent": latent}
    model = make((8, 8), train=digits, learning_rate=0.03, final_learning_rate=0.0, **linear)
    optimizers, rng = model.optimizers(600), np.random.default_rng(0)
    before = subspace_angles(spanned(model), pca.components_.T)
    for _ in range(600):
        model.update(digits, rng, 0, None, optimizers)
    after = subspace_angles(spanned(model), pca.components_.T)
    assert np.degrees(before.max()) > 60
    assert np.degrees(after.max()) < 0.1
    numbers = model.evaluate(digits, rng, thorough=True)
    residue = digits - pca.inverse_transform(pca.transform(digits))
    np.testing.assert_allclose(numbers["pca"], (residue**2).sum(1), rtol=1e-3, atol=1e-4)
    assert numbers["squared_error"].mean() == pytest.approx(numbers["pca"].mean(), rel=1e-4)
    about_mean = ((digits - digits.mean(0)) ** 2).sum(1)
    np.testing.assert_allclose(numbers["mean_image"], about_mean, rtol=1e-3)


def spanned(model):
    """(pixels, latent): what each unit of the code adds to the image, of a linear decoder."""
    with no_grad():
        z = np.eye(model.settings.latent, dtype=np.float32)
        return (model.decode(z) - model.decode(0 * z)).numpy().T


def test_the_decoder_has_the_encoders_weights_transposed():
    model = make()
    first, second = (layer.weight.numpy() for layer in model.encoder)
    x = pixels()
    a, b = (layer.bias.numpy() for layer in model.encoder)
    z = np.tanh(x @ first.T + a) @ second.T + b
    np.testing.assert_allclose(model.encode(x).numpy(), z, atol=1e-6)
    c, d = (bias.numpy() for bias in model.biases)
    decoded = np.tanh(z @ second + d) @ first + c
    np.testing.assert_allclose(model.decode(z).numpy(), decoded, atol=1e-6)


def test_the_plain_loss_is_summed_over_pixels_and_averaged_over_images():
    model, x = make(), pixels()
    loss, parts = model.loss(x, np.random.default_rng(0))
    error = model.decode(model.encode(x)).numpy() - x
    assert loss.item() == pytest.approx((error**2).sum() / 5, rel=1e-5)
    assert parts == {"squared_error": loss.item()}
    squared = model.evaluate(x, None)["squared_error"]
    np.testing.assert_allclose(squared, (error**2).sum(1), rtol=1e-5)
    assert loss.dtype == np.float32


def test_the_sparse_penalty_is_the_codes_l1_norm():
    model, x = make(kind="sparse", weight=0.7), pixels()
    loss, parts = model.loss(x, np.random.default_rng(0))
    z = model.encode(x).numpy()
    assert (z >= 0).all()
    assert parts["penalty"] == pytest.approx(np.abs(z).sum(1).mean(), rel=1e-5)
    assert loss.item() == pytest.approx(parts["squared_error"] + 0.7 * parts["penalty"], rel=1e-5)


def test_the_contractive_penalty_of_one_layer_is_its_closed_form():
    """sum_j (h_j (1 - h_j))^2 |W_j|^2 (Rifai et al. 2011, eq. 4), and so is its gradient."""
    model, x = in_float64(make(kind="contractive", hidden=(), weight=0.7)), pixels(dtype=np.float64)
    (layer,) = model.encoder
    h = model.encode(x)
    closed = (h * (1 - h)) ** 2 @ (layer.weight**2).sum(axis=1)
    ours = model.jacobian_penalty(x)
    np.testing.assert_allclose(ours.numpy(), closed.numpy(), rtol=1e-12)
    for g, expected in zip(*(grad(p.sum(), [layer.weight, layer.bias]) for p in (ours, closed))):
        np.testing.assert_allclose(g.data, expected.data, rtol=1e-9, atol=1e-12)
    loss, parts = model.loss(x, np.random.default_rng(0))
    assert parts["penalty"] == pytest.approx(closed.numpy().mean())
    assert loss.item() == pytest.approx(parts["squared_error"] + 0.7 * parts["penalty"])


def test_the_contractive_penalty_of_two_layers_is_the_jacobians_norm():
    model, x = in_float64(make(kind="contractive")), pixels(2, dtype=np.float64)
    step, norms = 1e-5, np.zeros(2)
    for i in range(16):
        up, down = (model.encode(x + sign * step * np.eye(16)[i]).numpy() for sign in (1, -1))
        norms += (((up - down) / (2 * step)) ** 2).sum(1)
    np.testing.assert_allclose(model.jacobian_penalty(x).numpy(), norms, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_each_kind_has_the_gradient_of_finite_differences(kind):
    model, x = in_float64(make(kind=kind, weight=0.5)), pixels(3, dtype=np.float64)
    parameters = list(model.parameters().values())
    gradients = grad(model.loss(x, np.random.default_rng(3))[0], parameters)
    for parameter, gradient in zip(parameters, gradients):
        kept, losses = parameter.data, []
        direction = np.random.default_rng(0).standard_normal(kept.shape)
        for step in (1e-5, -1e-5):
            parameter.data = kept + step * direction
            losses.append(model.loss(x, np.random.default_rng(3))[0].item())
        parameter.data = kept
        slope = (losses[0] - losses[1]) / 2e-5
        assert (gradient.data * direction).sum() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_denoising_restores_the_clean_image_from_a_noisy_one():
    model, x = make(kind="denoising", noise=0.5), pixels(2000)
    given, counts = model.corrupt(x, np.random.default_rng(0))
    assert (given - x).std() == pytest.approx(0.5, rel=0.02)
    assert given.dtype == np.float32
    assert counts.all()
    loss, _ = model.loss(x, np.random.default_rng(0))
    restored = model.decode(model.encode(given)).numpy()
    assert loss.item() == pytest.approx(((restored - x) ** 2).sum(1).mean(), rel=1e-4)
    numbers = model.evaluate(x, np.random.default_rng(0))
    assert numbers["noise"].mean() == pytest.approx(16 * 0.25, rel=0.05)
    assert numbers["denoised"].mean() == pytest.approx(loss.item(), rel=1e-4)
    whole = model.decode(model.encode(x)).numpy()
    assert numbers["squared_error"].mean() == pytest.approx(((whole - x) ** 2).sum(1).mean(), 1e-4)


@pytest.mark.parametrize(
    ("shape", "patch", "share", "hidden", "often"),
    [
        ((4, 4), 2, 0.5, {8}, 1 / 2),
        ((4, 6), 2, 0.8, {20}, 5 / 6),
        ((5, 4), 4, 0.5, {4, 16}, 1 / 2),  # the patch at the edge is cut off
        ((4, 6, 3), 2, 0.5, {36}, 1 / 2),  # in all colours
    ],
)
def test_as_many_patches_of_each_image_are_hidden(shape, patch, share, hidden, often):
    model = make(shape, kind="masked", patch=patch, mask_ratio=share)
    mask = model.hide(300, np.random.default_rng(0))
    assert set(mask.sum(1).astype(int)) == hidden
    grid = mask.reshape(-1, *shape)
    for top in range(0, shape[0], patch):
        for left in range(0, shape[1], patch):
            inside = grid[:, top : top + patch, left : left + patch].reshape(300, -1)
            assert (inside == inside[:, :1]).all()
            assert inside.mean() == pytest.approx(often, abs=0.1)


def test_the_masked_loss_is_of_hidden_pixels_which_are_not_seen():
    model, x = make(kind="masked"), pixels()
    mask = model.hide(5, np.random.default_rng(7))
    given, counts = model.corrupt(x, np.random.default_rng(7))
    np.testing.assert_array_equal(counts, mask)
    assert (given[mask == 1] == 0.5).all()
    np.testing.assert_array_equal(given[mask == 0], x[mask == 0])
    loss, _ = model.loss(x, np.random.default_rng(7))
    error = (model.decode(model.encode(given)).numpy() - x) * mask
    assert loss.item() == pytest.approx((error**2).sum(1).mean(), rel=1e-5)
    numbers = model.evaluate(x, np.random.default_rng(7))
    np.testing.assert_allclose(numbers["squared_error"], (error**2).sum(1), rtol=1e-5)


def test_samples_are_decoded_from_codes_with_the_mean_and_covariance_of_the_training_codes():
    train = pixels(400)
    model = make(train=train)
    seen = []
    model.decode = lambda z: seen.append(z) or Tensor(np.full((len(z), 16), 2.0, np.float32))
    samples = model.sample(20_000, np.random.default_rng(0))
    assert samples.shape == (20_000, 4, 4)
    assert samples.max() == 1  # what lies beyond a pixel's range is cut off
    codes = model.encode(train).numpy()
    np.testing.assert_allclose(seen[0].mean(0), codes.mean(0), atol=0.01)
    np.testing.assert_allclose(np.cov(seen[0].T), np.cov(codes.T), atol=0.02 * codes.var())


def test_one_dimension_and_a_constant_code_can_be_sampled_too():
    for train in (pixels(50), np.zeros((50, 16), np.float32)):
        samples = make(latent=1, train=train).sample(4, np.random.default_rng(0))
        assert np.isfinite(samples).all()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_learns_reports_and_samples(kind):
    digits = data.load("digits")
    settings = dataclasses.replace(DEFAULTS["digits"], kind=kind, hidden=(32,))
    rng = np.random.default_rng(0)
    model = Autoencoder.for_data(settings, digits, rng)
    optimizers = model.optimizers(300)
    losses = []
    for _ in range(300):
        x = digits.observe(digits.train[rng.permutation(1500)[:100]], model.pixels, rng)
        losses.append(model.update(x, rng, 0, None, optimizers)["loss"])
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:3])
    test = digits.observe(digits.test, model.pixels, rng)
    numbers = model.evaluate(test, rng, thorough=True)
    numbers = {key: float(value.mean()) for key, value in numbers.items()}
    report = AutoencoderReport(model, digits)
    row = report.rows(numbers)[0]
    assert row.value == numbers[report.headline[0]]
    counted = 32 if kind == "masked" else 64
    assert row.remark == f"{numbers['squared_error'] / counted:.4f} a pixel"
    trained = set(model.loss(x, rng)[1])
    for panel in report.panels():
        assert set(panel.train) <= trained
        assert set(panel.test) <= set(numbers)
    assert report.pictures(test, rng).keys() == {"reconstructions", "samples", "filters"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "variational"}, "kind=variational: choose one of plain, denoising"),
        ({"activation": "gelu"}, "activation=gelu"),
        ({"hidden": (4, 0)}, "hidden=0"),
        ({"latent": 0}, "latent=0"),
        ({"noise": -1.0}, "noise=-1"),
        ({"weight": -0.1}, "weight=-0.1"),
        ({"weight": math.nan}, "weight=nan"),
        ({"mask_ratio": 1.5}, "mask_ratio=1.5"),
        ({"patch": 0}, "patch=0"),
        ({"kind": "masked", "patch": 4}, "patch=4, mask_ratio=0.5: hides 0 of 1 patches"),
        ({"kind": "masked", "mask_ratio": 0.99}, "hides 4 of 4 patches"),
    ],
)
def test_bad_settings(changes, message):
    with pytest.raises(UsageError, match=message):
        make(**changes)


def test_without_training_images_there_is_nothing_to_imitate():
    model = make()
    with pytest.raises(ValueError, match="without training images"):
        model.sample(1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="without training images"):
        model.evaluate(pixels(), np.random.default_rng(0), thorough=True)
    with pytest.raises(UsageError, match="not conditional"):
        model.sample(1, np.random.default_rng(0), np.array([1]))


def test_the_published_setting_can_be_made():
    model = Autoencoder(PUBLISHED, (28, 28), 256, np.random.default_rng(0))
    assert [layer.weight.shape for layer in model.encoder] == [
        (1000, 784), (500, 1000), (250, 500), (30, 250)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_colour_images_of_any_size(kind):
    images = np.random.default_rng(0).integers(256, size=(30, 7, 6, 3)).astype(np.uint8)
    noise, rng = data.Dataset("noise", 256, images, images[:8]), np.random.default_rng(0)
    model = Autoencoder.for_data(dataclasses.replace(TINY, kind=kind), noise, rng)
    x = noise.observe(noise.test, "levels", rng)
    model.update(x, rng, 0, None, model.optimizers(1))
    numbers = model.evaluate(x, rng, thorough=True)
    assert all(np.isfinite(values).all() for values in numbers.values())
    z = model.codes(x)
    assert z.shape == (8, 3)
    for made in (model.decode_codes(z, rng), model.sample(8, rng)):
        assert made.shape == (8, 7, 6, 3) and made.min() >= 0 and made.max() <= 1
    figures = AutoencoderReport(model, noise).pictures(x, rng)
    assert figures.keys() == {"reconstructions", "samples", "filters"}


def test_pca_of_fewer_images_than_pixels_is_that_of_more():
    from sklearn.decomposition import PCA

    train, x = pixels(10), pixels(6, seed=2)
    pca = PCA(3).fit(train)
    residue = x - pca.inverse_transform(pca.transform(x))
    error = make(train=train).pca_error(x, 3)
    np.testing.assert_allclose(error, (residue**2).sum(1), rtol=1e-5)
