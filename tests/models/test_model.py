"""What every family shares: the pixels it takes, its samples, and how little it must define."""

import re

import numpy as np
import pytest

from autograd import Tensor, nn
from models import pictures
from models.cli import main
from models.data import PIXELS, Dataset, in_form
from models.data.ring import ring
from models.errors import UsageError
from models.families import FAMILIES, Family
from models.model import Model
from models.report import Report
from models.settings import CommonSettings
from tests.models.bernoulli_mixture import Mixture, Settings

LEVELS = np.random.default_rng(0).integers(0, 5, (30, 4, 4), dtype=np.uint8)
DATA = Dataset("noise", 5, LEVELS, LEVELS, np.arange(30) % 3, np.arange(30) % 3)
SMALL = {
    "vae": {"hidden": (4,), "latent": 2},
    "gan": {"network": "mlp", "hidden": (4,), "latent": 2},
    "pixelcnn": {"blocks": 1, "channels": 4},
    "ddpm": {"network": "mlp", "width": 4, "depth": 1, "T": 4, "sampling_steps": 0},
    "autoencoder": {"hidden": (4,), "latent": 2},
    "iwae": {"hidden": (4,), "latent": 2},
    "cvae": {"hidden": (4,), "latent": 2},
    "m2": {"hidden": (4,), "latent": 2, "labelled": 3},
    "vaegan": {"network": "mlp", "hidden": (4,), "latent": 2},
    "aae": {"network": "mlp", "hidden": (4,), "latent": 2},
    "bigan": {"network": "mlp", "hidden": (4,), "latent": 2},
    "realnvp": {"layers": 2, "hidden": (4,)},
    "gmm": {"components": 2},
    "hvae": {"hidden": (4,), "latent": 2, "upper_hidden": (3,), "upper_latent": 2},
    "vqvae": {"hidden": (4,), "latent": 2, "codes": 5, "prior_channels": 4, "prior_blocks": 1},
    "mgan": {"network": "mlp", "hidden": (4,), "latent": 2, "generators": 3},
    "gman": {"network": "mlp", "hidden": (4,), "latent": 2, "discriminators": 2},
    "ldm": {"hidden": (4,), "latent": 2, "width": 4, "depth": 1, "T": 4, "sampling_steps": 0},
}


def made(family, data=DATA, **changes):
    model = FAMILIES[family].model
    settings = model.settings_type(**SMALL[family] | changes)
    return model.for_data(settings, data, np.random.default_rng(0))


def entries(model, x):
    """Every way into a model for images."""
    rng = np.random.default_rng(0)
    optimizers = model.optimizers(1)
    yield "update", lambda: model.update(x, rng, 0, None, optimizers)
    yield "evaluate", lambda: model.evaluate(x, rng)
    yield "thorough", lambda: model.evaluate(x, rng, thorough=True)
    if model.name in ("vae", "iwae"):
        yield "bound", lambda: model.bound(x, rng)
        yield "log_prob", lambda: model.log_prob(x, rng, 2)
        yield "encode", lambda: model.encode(x)
    if type(model).update is Model.update:
        yield "loss", lambda: model.loss(x, rng)


@pytest.mark.parametrize("wrong", [2.0, -0.1, np.nan, np.inf])
@pytest.mark.parametrize("family", SMALL)
def test_no_way_in_takes_pixels_out_of_range(family, wrong):
    model = made(family)
    x = DATA.observe(DATA.train, model.pixels, np.random.default_rng(0))
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
        made(family).evaluate(np.zeros((2, 9), np.float32), np.random.default_rng(0))


@pytest.mark.parametrize("family", ["gan", "ddpm", "realnvp", "gmm", "mgan", "gman"])
def test_points_may_be_any_finite_numbers(family):
    model = made(family, ring(train=30, test=30))
    x = np.full((30, 2), 7.0, np.float32)
    model.evaluate(x, np.random.default_rng(0))
    x[0, 0] = np.nan
    with pytest.raises(ValueError, match="points from nan to nan: they must be finite"):
        model.evaluate(x, np.random.default_rng(0))


@pytest.mark.parametrize("pixels", PIXELS)
def test_samples_are_compared_in_the_form_of_the_pixels(pixels):
    samples = in_form(np.full((3, 4, 4), 0.7, np.float32), pixels)
    binary = pixels in ("fixed", "dynamic")
    assert set(np.unique(samples)) == {np.float32(1 if binary else 0.7)}


CONDITIONAL = [name for name in SMALL if getattr(FAMILIES[name].settings(""), "conditional", 0)]
"""The families that are always told the class."""


@pytest.mark.parametrize("family", [name for name in SMALL if name not in CONDITIONAL])
def test_an_unconditional_model_has_no_classes(family):
    model = made(family)
    able = hasattr(model.settings, "conditional")
    advice = "train one with --set conditional=yes" if able else f"no {family} has any"
    with pytest.raises(UsageError, match=f"this {family} is not conditional, .*: {advice}"):
        model.sample(2, np.random.default_rng(0), np.zeros(2, int))


def test_models_layers_and_large_tensors_are_shown_by_their_shapes():
    shown = repr(made("vae"))
    assert shown.startswith("VAE, ")
    assert re.search(r"\n  mu +Linear +10 +weight \(2, 4\), bias \(2,\)\n", shown)
    linear = nn.Linear(3, 2, np.random.default_rng(0))
    assert repr(linear).startswith("Linear, 8 parameters\n")
    assert repr(linear).endswith("  Linear  8  weight (2, 3), bias (2,)")
    assert repr(nn.BatchNorm(2)).endswith("weight (2,), bias (2,), 2 buffers")
    assert repr(nn.Sequential(np.tanh)) == "Sequential, 0 parameters"
    for family in FAMILIES:
        assert max(map(len, repr(made(family)).splitlines())) <= 100
    large = Tensor(np.linspace(-1, 2, 200, dtype=np.float32).reshape(2, 100))
    assert repr(large * 2) == "Tensor(float32, (2, 100), -2 to 4)"
    some = Tensor(np.arange(100, dtype=np.float32).reshape(10, 10), requires_grad=True)
    assert repr(some).count("\n") == 9 and repr(some * 2).endswith(", made by mul)")
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"


@pytest.mark.parametrize("black", [False, True])
@pytest.mark.parametrize("family", SMALL)
def test_one_test_image_is_enough_and_all_may_be_black(family, black):
    levels = np.zeros_like(LEVELS) if black else LEVELS
    labels = (np.arange(30) % 3, np.zeros(1, int)) if family in CONDITIONAL else ()
    data = Dataset("few", 5, levels, levels[:1], *labels)
    model, rng = made(family, data), np.random.default_rng(0)
    test = data.observe(data.test, model.pixels, rng)
    numbers = model.evaluate(test, rng, thorough=True)
    assert all(np.isfinite(values).all() for values in numbers.values())
    for figure in FAMILIES[family].report(model, data).pictures(test, rng).values():
        assert pictures.to_bytes(figure, ".png").startswith(b"\x89PNG")


def test_a_family_is_one_file_and_one_line_that_registers_it(tmp_path, monkeypatch, capsys):
    """It trains, resumes, evaluates, samples and is compared, with a report by default."""
    monkeypatch.setitem(FAMILIES, "mixture", Family("tests.models.bernoulli_mixture:Mixture"))
    run, short = tmp_path / "run", ["--limit", "300", "--set", "batch=50"]
    assert main(["train", "mixture", "--out", str(run), "--epochs", "8", *short]) == 0
    printed = capsys.readouterr().out
    assert "-log p(x)" in printed and "the baseline, beaten by" in printed
    assert {path.name for path in run.glob("*.png")} == {"samples.png", "curves.png"}
    assert main(["train", "mixture", "--resume", str(run), "--epochs", "9"]) == 0
    assert main(["sample", str(run), "-n", "4"]) == 0
    page = tmp_path / "page.html"
    assert main(["compare", str(run), "-n", "100", "--out", str(page)]) == 0
    assert main(["train", "mixture", "--set", "components=0"]) == 2
    assert capsys.readouterr().err.endswith("components=0: must be 1 to 1e+09\n")


def test_a_family_without_a_likelihood_reports_its_loss():
    class Lossy(Mixture):
        likelihood = ""
        evaluate = Model.evaluate

    model = Lossy.for_data(Settings(), DATA, np.random.default_rng(0))
    x = DATA.observe(DATA.test, "fixed", np.random.default_rng(0))
    numbers = model.evaluate(x, np.random.default_rng(0))
    report = Report(model, DATA)
    assert report.rows({"loss": 3.0}) == [("loss", 3.0, "")]
    assert numbers["loss"].shape == (len(x),)
    assert [panel.title for panel in report.panels()] == ["loss"]
    with pytest.raises(NotImplementedError, match="neither `loss` nor its own `update`"):
        Model(CommonSettings(), (4, 4), 2, np.random.default_rng(0)).loss(x, None)


def test_the_command_line_has_a_family_by_the_name_of_its_class():
    assert all(name == family.model.name for name, family in FAMILIES.items())


@pytest.mark.parametrize(
    ("pixels", "levels", "exact"),
    [("levels", 5, True), ("dequantised", 5, False), ("dequantised", 0, True)],
)
def test_a_density_of_dequantised_levels_is_a_bound(pixels, levels, exact):
    class Density(Mixture):
        pixels = "levels"

    Density.pixels = pixels
    model = Density(Settings(), (2,), levels, np.random.default_rng(0))
    assert model.nll_is_exact == exact
