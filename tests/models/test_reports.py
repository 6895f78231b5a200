"""What is in the pictures of a report: texts, limits, curves; not every pixel."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from models import pictures
from models.data import Dataset
from models.data.ring import ring
from models.errors import UsageError
from models.families import FAMILIES
from models.pictures.codes import _plane_of

ROOT = Path(__file__).parent.parent.parent
SLIDE = 13.33  # inches across
MIN_FONT = 9.5  # points on a slide


def visible_texts(figure):
    """The visible texts, each with its box, after the figure is laid out."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ticks = {tick: False for axis in figure.findobj(Axis) for tick in axis.get_major_ticks()}
    for axis in figure.findobj(Axis):
        if axis.axes.axison:
            ticks |= dict.fromkeys(axis._update_ticks(), True)  # those within the frame
    hidden = {t for tick, seen in ticks.items() if not seen for t in (tick.label1, tick.label2)}
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    renderer = canvas.get_renderer()
    return [(text, text.get_window_extent(renderer)) for text in texts if text not in hidden]


def overlapping(figure):
    """Pairs of texts that overlap by more than 4 %."""
    boxes = [(text.get_text(), box.shrunk(0.96, 0.96)) for text, box in visible_texts(figure)]
    pairs = itertools.combinations(boxes, 2)
    return [(a, b) for (a, at), (b, there) in pairs if at.overlaps(there)]


def noise(classes=3, levels=2, names=(), size=6):
    rng = np.random.default_rng(0)
    images = rng.integers(levels, size=(40, size, size)).astype(np.uint8)
    labels = np.arange(40) % classes if classes else None
    return Dataset("noise$", levels, images, images, labels, labels, tuple(names))


SMALL = {
    "vae": {"hidden": (8,), "latent": 4, "pixels": "fixed", "beta": 4.0},
    "gan": {"hidden": (8,), "latent": 2, "network": "mlp", "loss": "wgan-gp"},
    "pixelcnn": {"channels": 4, "blocks": 1, "kernel_size": 3, "pixels": "fixed"},
    "ddpm": {"network": "mlp", "width": 8, "depth": 1, "T": 20, "sampling_steps": 0},
    "autoencoder": {"hidden": (8,), "latent": 2},
    "iwae": {"hidden": (8,), "latent": 4, "pixels": "fixed"},
    "cvae": {"hidden": (8,), "latent": 4, "pixels": "fixed"},
    "m2": {"hidden": (8,), "latent": 4, "pixels": "fixed", "labelled": 3},
    "vaegan": {"hidden": (8,), "latent": 3, "network": "mlp"},
    "aae": {"hidden": (8,), "latent": 2, "network": "mlp"},
    "bigan": {"hidden": (8,), "latent": 3, "network": "mlp"},
    "realnvp": {"layers": 2, "hidden": (8,)},
    "gmm": {"components": 3},
    "hvae": {
        "hidden": (8,),
        "latent": 3,
        "upper_hidden": (4,),
        "upper_latent": 2,
        "pixels": "fixed",
    },
    "vqvae": {"hidden": (4,), "codes": 5, "prior_channels": 4, "pixels": "fixed"},
    "mgan": {"hidden": (8,), "latent": 2, "network": "mlp", "generators": 3},
    "gman": {"hidden": (8,), "latent": 2, "network": "mlp", "discriminators": 2},
    "ldm": {"hidden": (8,), "latent": 2, "width": 8, "depth": 1, "T": 20, "pixels": "fixed"},
}


def report(family, data, **changes):
    """The report of an untrained model."""
    model = FAMILIES[family].model
    settings = model.settings_type(**(SMALL[family] | changes))
    return FAMILIES[family].report(model.for_data(settings, data, np.random.default_rng(0)), data)


def pictures_of(report):
    """All pictures of a run; its curves are of two epochs of ten steps."""
    data, rng = report.data, np.random.default_rng(0)
    images = data.observe(data.test, report.model.pixels, rng)
    panels = report.panels()
    keys = {k for panel in panels for k in (*panel.train, *panel.test)}
    lines = [{"step": i, **dict.fromkeys(keys, 20 / i)} for i in range(1, 21)]
    lines += [{"step": i, "test": True, **dict.fromkeys(keys, 20 / i)} for i in (10, 20)]
    curves = pictures.curves(lines, 10, panels, report.title)
    return report.pictures(images, rng) | {"curves": curves}


CASES = [
    ("vae", noise(), {}),
    ("vae", noise(0), {"latent": 1}),
    ("vae", noise(names=("a$", "b_", r"\frac")), {"latent": 2}),
    ("gan", noise(0, 4), {}),
    ("gan", ring(train=50, test=40), {}),
    ("pixelcnn", noise(names=("ankle boot", "bag", "coat")), {"conditional": True}),
    ("ddpm", noise(levels=4), {}),
    ("ddpm", ring(train=50, test=40), {}),
    ("autoencoder", noise(levels=4), {}),
    ("iwae", noise(), {}),
    ("cvae", noise(names=("ankle boot", "bag", "coat")), {}),
    ("m2", noise(names=("ankle boot", "bag", "coat")), {}),
    ("vaegan", noise(), {}),
    ("aae", noise(), {"prior": "swiss-roll"}),
    ("bigan", noise(levels=4), {"conditional": True, "loss": "wgan-gp"}),
    ("realnvp", noise(levels=4), {}),
    ("realnvp", ring(train=50, test=40), {}),
    ("gmm", noise(levels=4), {}),
    ("gmm", ring(train=50, test=40), {"method": "gradient"}),
    ("hvae", noise(), {}),
    ("vqvae", noise(), {}),
    ("mgan", noise(levels=4), {"conditional": True}),
    ("mgan", ring(train=50, test=40), {}),
    ("gman", noise(levels=4), {"conditional": True}),
    ("ldm", noise(), {}),
]


@pytest.mark.parametrize(("family", "data", "changes"), CASES)
def test_no_text_lies_over_another_and_all_can_be_read_on_a_slide(family, data, changes):
    made = report(family, data, **changes)
    for name, figure in pictures_of(made).items():
        assert overlapping(figure) == [], name
        width = max(figure.get_size_inches()[0], SLIDE * 0.4)
        for text, _ in visible_texts(figure):
            assert text.get_fontsize() * SLIDE / width >= MIN_FONT, (name, text.get_text())
        heading = " ".join(text.get_text() for text, _ in visible_texts(figure))
        assert made.title in " ".join(heading.split()), name
        pictures.to_bytes(figure, ".png")


def test_titles_have_the_model_the_setting_that_matters_and_the_data():
    data, grey = noise(), noise(levels=4)
    title = r"VAE ($\beta$ = 4) on noise\$, fixed binarisation (pixel > 1/2)"
    assert report("vae", data).title == title
    assert report("gan", grey).model_name == "WGAN-GP"
    conditional = report("gan", grey, loss="minimax", conditional=True)
    assert conditional.model_name == "conditional GAN (minimax)"
    for family, name in (("mgan", "MGAN"), ("gman", "GMAN"), ("bigan", "BiGAN")):
        title = report(family, grey, conditional=True).title
        assert title.startswith(f"conditional {name} ("), title
    ddim = report("ddpm", grey, sampler="ddim", guidance=2.0, conditional=True)
    assert ddim.model_name == "conditional DDPM (cosine, v)"
    assert ddim.sampler == "DDIM, eta 0, 20 steps, guidance w = 2"


def test_parts_of_another_scale_have_a_panel_of_their_own():
    titles = {panel.title: panel for panel in report("vae", noise()).panels()}
    assert set(titles) == {"$-$ELBO", "reconstruction", "KL(q(z|x)||p(z))"}
    kl = titles["KL(q(z|x)||p(z))"]
    assert kl.train and kl.test and not kl.lines
    for loss in ("wgan", "wgan-gp", "minimax", "non-saturating"):
        panels = report("gan", noise(levels=4), loss=loss).panels()
        keys = {key for panel in panels for key in panel.train}
        assert {"discriminator_loss", "generator_loss"} <= keys, loss


@pytest.mark.parametrize("family", FAMILIES)
def test_each_number_after_an_epoch_has_the_name_that_it_has_in_the_table(family):
    data, rng = noise(), np.random.default_rng(0)
    data = noise(levels=4) if family in ("realnvp", "gmm") else data
    made = report(family, data, **({"loss": "minimax"} if family == "gan" else {}))
    x = data.observe(data.test, made.model.pixels, rng)
    labels = data.test_labels if made.model.classes else None
    numbers = made.model.evaluate(x, rng, labels)
    assert set(numbers) <= set(made.names)
    key, name = made.headline
    assert key in numbers and name.startswith(made.names[key])
    means = {k: float(v.mean()) for k, v in numbers.items()}
    assert made.line(means).startswith(f"{name} {means[key]:.2f}")
    thorough = {k: v.mean(0) for k, v in made.model.evaluate(x, rng, labels, True).items()}
    rows = " ".join(row.name for row in made.rows(thorough))
    assert made.names[key] in rows
    given = "p(x|y)" in made.names["nll"]
    assert given == bool(made.model.classes)


def test_a_likelihood_of_images_whose_class_is_given_is_called_so():
    for family in ("pixelcnn", "ddpm"):
        made = report(family, noise(), conditional=True)
        assert made.rows(dict.fromkeys(("nll", "prior", "steps", "decoder"), 1.0))[0].name in (
            "-log p(x|y)", "-log p(x|y), at most",
        )  # fmt: skip
        assert made.panels()[-1].title.startswith(r"$-\log p(x|y)$")
    assert report("cvae", noise()).panels()[0].title == "$-$ELBO of p(x|y)"


def test_points_have_units_of_points():
    data = ring(train=50, test=40)
    units = [panel.unit for panel in report("ddpm", data).panels()]
    assert units == ["per coordinate", "nats per point"]
    assert report("ddpm", noise(levels=4)).panels()[1].unit == "nats per image"


def plane_of(scale, names=(), latent=2):
    """The latent plane of a VAE whose posterior means are `scale` times as far apart."""
    made = report("vae", noise(names=names), latent=latent)
    made.model.mu.weight.data[...] *= scale
    return pictures_of(made)["latent_plane"]


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_a_collapsed_posterior_lies_within_the_prior(latent):
    for axes in plane_of(1e-3, latent=latent).axes:
        (circle,) = axes.patches
        assert circle.radius == pytest.approx(2.448, abs=1e-3)  # 95% of N(0, I) in the plane
        assert axes.get_xlim()[0] < -2.448 and axes.get_xlim()[1] > 2.448
    assert plane_of(100.0, latent=latent).axes[0].get_xlim()[1] > 5  # and a wide one is not cut


def test_classes_keep_their_names():
    left, _ = plane_of(1.0, names=("boot", "bag", "coat")).axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["boot", "bag", "coat"]
    made = report("pixelcnn", noise(names=("boot", "bag", "coat")), conditional=True)
    (axes,) = pictures_of(made)["samples"].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["boot", "bag", "coat"]
    with pytest.raises(UsageError, match="1 class_names for 3 classes"):
        noise(names=("boot",))


def test_interpolations_begin_and_end_with_the_images_themselves():
    data = noise()
    (axes,) = pictures_of(report("vae", data))["interpolations"].axes
    canvas = axes.images[0].get_array()
    side = data.image_shape[0]
    for row in range(6):
        line = canvas[row * (side + 1) : row * (side + 1) + side]
        for end in (line[:, :side], line[:, -side:]):
            assert any(np.array_equal(end, image) for image in data.test)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    lengths = [float(label.split("= ")[1]) for label in labels]
    assert all(a <= b for a, b in zip(lengths[::2], lengths[1::2]))  # the arc stays far from 0


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_vae_with_few_test_images_has_its_pictures(count):
    data = noise()
    few = dataclasses.replace(data, test=data.test[:count], test_labels=data.test_labels[:count])
    assert set(pictures_of(report("vae", few))) >= {"interpolations", "latent_plane"}


def test_the_axes_of_the_plane_are_those_of_the_greatest_variance():
    mu = np.random.default_rng(0).standard_normal((50, 3)) * [0.1, 3, 1]
    origin, axes, _ = _plane_of(mu, "z")
    np.testing.assert_allclose(np.abs(axes), [[0, 1, 0], [0, 0, 1]], atol=0.1)
    np.testing.assert_allclose(origin, mu.mean(0))


@pytest.mark.parametrize("kind", ["plain", "gated"])
def test_a_receptive_field_without_a_gradient_says_so(kind):
    made = report("pixelcnn", noise(), kind=kind)
    for weight in made.model.parameters().values():
        weight.data[...] = 0
    figure = pictures_of(made)["receptive_field"]
    assert figure.axes[0].get_xlabel() == "no gradient flows to any pixel"


def test_the_first_term_of_the_bound_is_marked_apart_from_the_others():
    steps = pictures_of(report("ddpm", noise(levels=4)))["steps"]
    first, others = (line for line in steps.axes[0].lines)
    assert list(first.get_xdata()) == [1] and min(others.get_xdata()) == 2
    assert "L_0" in first.get_label()


def test_every_mark_and_the_bend_of_the_roof_are_in_the_frame(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import roofline

    result = json.loads((ROOT / "benchmarks" / "results" / "conv2d.json").read_text())
    case = next(iter(result["cases"].values()))
    case["seconds"]["chainrule"] = case["floor"] / 2.7  # above a roof that was measured too low
    machine = roofline.Machine(**result["roof"])
    figure = roofline.figure_of("conv2d", machine, result["cases"])
    assert overlapping(figure) == []
    for axes in figure.axes:
        (x_low, x_high), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert x_low < machine.peak / machine.bandwidth < x_high
        for marks in axes.collections:
            x, y = marks.get_offsets().T
            assert ((x_low < x) & (x < x_high) & (low < y) & (y < high)).all()
