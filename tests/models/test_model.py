"""What every family shares: which pixels it takes, what it draws, and how it is shown."""

import numpy as np
import pytest

from autograd import Tensor, nn
from models import pictures
from models.data import Dataset
from models.data.ring import ring
from models.errors import UsageError
from models.families import FAMILIES

LEVELS = np.random.default_rng(0).integers(0, 5, (30, 4, 4), dtype=np.uint8)
DATA = Dataset("noise", 5, LEVELS, LEVELS, np.arange(30) % 3, np.arange(30) % 3)
SMALL = {
    "vae": {"hidden": (4,), "latent": 2},
    "gan": {"network": "mlp", "hidden": (4,), "latent": 2},
    "pixelcnn": {"blocks": 1, "channels": 4},
    "ddpm": {"network": "mlp", "width": 4, "depth": 1, "T": 4, "sampling_steps": 0},
    "autoencoder": {"hidden": (4,), "latent": 2},
}


def made(family, data=DATA, **changes):
    settings = FAMILIES[family].settings_type(**SMALL[family] | changes)
    return FAMILIES[family].for_data(settings, data, np.random.default_rng(0))


def entries(model, x):
    """Every way into a model for images."""
    rng = np.random.default_rng(0)
    optimizers = model.optimizers(1)
    yield "update", lambda: model.update(x, rng, 0, None, optimizers)
    yield "test", lambda: model.test(x, rng)
    yield "evaluate", lambda: model.evaluate(x, rng)
    if model.name == "vae":
        yield "bound", lambda: model.bound(x, rng)
        yield "log_prob", lambda: model.log_prob(x, rng, 2)
        yield "encode", lambda: model.encode(x)
    if model.name != "gan":
        yield "loss", lambda: model.loss(x, rng)


@pytest.mark.parametrize("wrong", [2.0, -0.1, np.nan, np.inf])
@pytest.mark.parametrize("family", SMALL)
def test_no_way_in_takes_pixels_out_of_range(family, wrong):
    model = made(family)
    x = DATA.observe(DATA.train, model.shown, np.random.default_rng(0))
    x[3, 5] = wrong
    for name, call in entries(model, x):
        with pytest.raises(ValueError, match=r"pixels from .* they must be in \[0, 1\]"):
            call()
            pytest.fail(f"{family}.{name} took {wrong}")


@pytest.mark.parametrize("family", SMALL)
def test_images_of_another_size_are_refused(family):
    with pytest.raises(
        ValueError, match=r"images of \(9,\): this .* is for \(4, 4\), flat \(16,\)"
    ):
        made(family).test(np.zeros((2, 9), np.float32), np.random.default_rng(0))


@pytest.mark.parametrize("family", ["gan", "ddpm"])
def test_points_may_be_any_finite_numbers(family):
    model = made(family, ring(train=30, test=30))
    x = np.full((30, 2), 7.0, np.float32)
    model.test(x, np.random.default_rng(0))
    x[0, 0] = np.nan
    with pytest.raises(ValueError, match="points from nan to nan: they must be finite"):
        model.test(x, np.random.default_rng(0))


@pytest.mark.parametrize("shown", ["fixed", "dynamic", "grey", "dequantised"])
def test_what_is_measured_is_binary_where_the_model_is_shown_bits(shown):
    how = "none" if shown in ("grey", "dequantised") else shown

    class Constant(FAMILIES["autoencoder"]):
        shown = property(lambda self: shown_as)

        def sample(self, n, rng, labels=None):
            return np.full((n, *self.shape), 0.7, np.float32)

    shown_as = shown
    settings = Constant.settings_type(**SMALL["autoencoder"] | {"binarisation": how})
    drawn = Constant.for_data(settings, DATA, np.random.default_rng(0)).draws(3, None)
    assert set(np.unique(drawn)) == {np.float32(0.7) if how == "none" else np.float32(1)}


@pytest.mark.parametrize("family", SMALL)
def test_a_class_is_asked_only_of_who_can_have_one(family):
    model = made(family)
    advice = "train one with --set conditional=yes"
    if family in ("vae", "autoencoder"):
        advice = f"no {family} has any"
    with pytest.raises(UsageError, match=f"this {family} is not conditional, .*: {advice}"):
        model.sample(2, np.random.default_rng(0), np.zeros(2, int))


def test_models_layers_and_large_tensors_are_shown_by_their_shapes():
    shown = repr(made("vae"))
    assert shown.startswith("VAE, ") and "\n  mu.weight (2, 4)\n" in shown
    assert repr(nn.Linear(3, 2, np.random.default_rng(0))) == (
        "Linear, 8 parameters\n  weight (2, 3)\n  bias (2,)"
    )
    large = Tensor(np.linspace(-1, 2, 2000, dtype=np.float32).reshape(2, 1000))
    assert repr(large * 2) == "Tensor(float32, (2, 1000), -2 to 4)"
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"


@pytest.mark.parametrize("black", [False, True])
@pytest.mark.parametrize("family", SMALL)
def test_one_test_image_is_enough_and_all_may_be_black(family, black):
    levels = np.zeros_like(LEVELS) if black else LEVELS
    data = Dataset("few", 5, levels, levels[:1])
    model, rng = made(family, data), np.random.default_rng(0)
    test = data.observe(data.test, model.shown, rng)
    assert all(np.isfinite(numbers).all() for numbers in model.evaluate(test, rng).values())
    for figure in model.draw(data, test, rng).values():
        assert pictures.to_bytes(figure, ".png").startswith(b"\x89PNG")
