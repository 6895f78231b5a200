"""What the pictures say: their texts, limits and curves, not their pixels."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from models import pictures
from models.autoencoders import vae_report as vae_figures
from models.data import Dataset
from models.data.ring import ring
from models.errors import UsageError
from models.families import FAMILIES
from models.pictures import Panel

ROOT = Path(__file__).parent.parent.parent
SLIDE = 13.33  # inches across
LEAST = 9.5  # points on a slide


def drawn(figure):
    """The texts that are seen and where each is, once the figure is laid out."""
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
    """Pairs of texts that lie over each other by more than a hair."""
    boxes = [(text.get_text(), box.shrunk(0.96, 0.96)) for text, box in drawn(figure)]
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
    "pixelcnn": {"channels": 4, "blocks": 1, "first": 3, "pixels": "fixed"},
    "ddpm": {"network": "mlp", "width": 8, "depth": 1, "T": 20, "sampling_steps": 0},
    "autoencoder": {"hidden": (8,), "latent": 2},
}


def made(family, data, **changes):
    settings = FAMILIES[family].settings_type(**(SMALL[family] | changes))
    return FAMILIES[family].for_data(settings, data, np.random.default_rng(0))


def pictures_of(model, data):
    """All that a run of the model draws; its curves are of two epochs of ten steps."""
    rng = np.random.default_rng(0)
    test = data.observe(data.test, model.shown, rng) if data.levels else data.test
    keys = {k for panel in model.panels(24.0) for k in (*panel.train, *panel.test)}
    lines = [{"step": i, **dict.fromkeys(keys, 20 / i)} for i in range(1, 21)]
    lines += [{"step": i, "test": True, **dict.fromkeys(keys, 20 / i)} for i in (10, 20)]
    curves = pictures.curves(lines, 10, model.panels(24.0), model.title(data))
    return model.draw(data, test, rng) | {"curves": curves}


CASES = [
    ("vae", noise(), {}),
    ("vae", noise(0), {"latent": 1}),
    ("vae", noise(names=("a$", "b_", r"\frac")), {"latent": 2}),
    ("gan", noise(0), {}),
    ("gan", ring(train=50, test=40), {}),
    ("pixelcnn", noise(names=("ankle boot", "bag", "coat")), {"conditional": True}),
    ("ddpm", noise(), {}),
    ("ddpm", ring(train=50, test=40), {}),
    ("autoencoder", noise(), {}),
]


@pytest.mark.parametrize(("family", "data", "changes"), CASES)
def test_no_text_lies_over_another_and_all_can_be_read_on_a_slide(family, data, changes):
    model = made(family, data, **changes)
    for name, figure in pictures_of(model, data).items():
        assert overlapping(figure) == [], name
        width = max(figure.get_size_inches()[0], SLIDE * 0.4)
        for text, _ in drawn(figure):
            assert text.get_fontsize() * SLIDE / width >= LEAST, (name, text.get_text())
        heading = " ".join(text.get_text() for text, _ in drawn(figure))
        assert model.title(data) in heading, name
        pictures.to_bytes(figure, ".png")


def test_titles_say_the_model_the_setting_that_matters_and_the_data():
    data = noise()
    assert made("vae", data).title(data) == (
        r"VAE ($\beta$ = 4) on noise\$, fixed binarisation (Larochelle's)"
    )
    assert made("gan", data).called == "WGAN-GP"
    assert made("gan", data, loss="minimax", conditional=True).called == "conditional GAN (minimax)"
    ddim = made("ddpm", data, sampler="ddim", guidance=2.0, conditional=True)
    assert ddim.called == "conditional DDPM (cosine, v)"
    assert ddim.sampled == "DDIM, eta 0, 20 steps, guidance w = 2"


# Curves


def lines_of(values, test=()):
    found = [{"step": i + 1, "loss": float(v)} for i, v in enumerate(values)]
    return found + [{"step": step, "test": True, "loss": float(v)} for step, v in test]


PANEL = Panel("a title", "nats", {"loss": "train"}, {"loss": "test"}, {"a level": 3.0})


def curve(axes, label):
    return next(line for line in axes.lines if line.get_label() == label).get_xydata()


def test_a_mean_of_steps_does_not_lag_behind_them():
    (axes,) = pictures.curves(lines_of(np.arange(1, 201)), 20, [PANEL], "").axes
    mean = curve(axes, "train")
    assert len(mean) == 181
    np.testing.assert_allclose(mean[:, 1], 20 * mean[:, 0])  # step for step, the value itself
    assert axes.get_xlabel() == "epoch (means of 20 steps)"


def test_one_test_is_a_mark_and_the_axis_begins_at_0():
    (axes,) = pictures.curves(lines_of([5, 4, 3], test=[(3, 3)]), 3, [PANEL], "").axes
    test = next(line for line in axes.lines if line.get_label() == "test")
    assert test.get_marker() == "o"
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] == pytest.approx(1, abs=0.05)


def test_a_panel_without_numbers_is_left_out_and_a_run_without_a_line_says_so():
    other = Panel("another", "nats", test={"nll": "test"})
    assert len(pictures.curves(lines_of([5, 4]), 2, [PANEL, other], "").axes) == 1
    (axes,) = pictures.curves([], 2, [PANEL, other], "").axes
    assert [text.get_text() for text in axes.texts] == ["no step yet"]


def test_the_legend_is_never_over_the_curves():
    figure = pictures.curves(lines_of([5, 4, 3], test=[(3, 3)]), 3, [PANEL, PANEL], "")
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert not axes.get_legend().get_window_extent().overlaps(axes.get_window_extent())


def test_noise_that_would_fill_the_frame_is_not_drawn():
    few, many = (s * np.tile([1.0, -1.0], 100) + np.linspace(9, 3, 200) for s in (0.5, 20))
    for values, drawn_lines in ((few, 3), (many, 2)):
        (axes,) = pictures.curves(lines_of(values), 20, [PANEL], "").axes
        assert len(axes.lines) == drawn_lines  # the mean and the level, and perhaps each step


def test_parts_of_another_scale_have_a_panel_of_their_own():
    titles = {panel.title: panel for panel in made("vae", noise()).panels(24.0)}
    assert set(titles) == {"$-$ELBO", "reconstruction", "KL"}
    assert titles["KL"].train and titles["KL"].test and not titles["KL"].lines
    for loss in ("wgan", "wgan-gp", "minimax", "non-saturating"):
        panels = made("gan", noise(), loss=loss).panels(None)
        shown = {key for panel in panels for key in panel.train}
        assert {"discriminator_loss", "generator_loss"} <= shown, loss


def test_points_have_units_of_points():
    data = ring(train=50, test=40)
    units = [panel.unit for panel in made("ddpm", data).panels(None)]
    assert units == ["per coordinate", "nats per point"]
    assert made("ddpm", noise()).panels(None)[1].unit == "nats per image"


# Files and notebooks


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_the_suffix_is_the_format_and_the_same_picture_has_the_same_bytes(suffix, start, tmp_path):
    files = []
    for name in "ab":
        figure = pictures.curves(lines_of([5, 4, 3]), 3, [PANEL], "a title")
        files.append(pictures.save(figure, tmp_path / f"{name}{suffix}").read_bytes())
    assert files[0] == files[1]
    assert files[0].startswith(start)
    assert b"Date" not in files[0] and b":date" not in files[0]


def test_another_suffix_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(UsageError, match=r"a\.gif: name a picture something\.png, \.svg or \.pdf"):
        pictures.save(pictures.rows([np.zeros((1, 2, 2))], ""), tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_shows_a_figure():
    assert pictures.rows([np.zeros((1, 2, 2))], "")._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("n", "columns"), [(1, 1), (2, 2), (8, 4), (12, 4), (64, 8), (100, 10), (96, 12), (61, 12)]
)
def test_rows_are_full_where_they_can_be(n, columns):
    assert pictures.across(n) == columns


def test_the_colours_are_dark_enough_for_a_projector():
    def luminance(color):
        c = np.array(to_rgb(color))
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]  # WCAG 2, relative luminance

    assert min(1.05 / (luminance(color) + 0.05) for color in pictures.COLORS) >= 4.5
    assert len(set(pictures.COLORS)) == 10


# What is drawn


def plane_of(scale, names=(), latent=2):
    """The latent plane of a VAE whose posterior means are `scale` times as far apart."""
    data = noise(names=names)
    model = made("vae", data, latent=latent)
    model.mu.weight.data[...] *= scale
    rng = np.random.default_rng(0)
    return model.draw(data, data.observe(data.test, "fixed", rng), rng)["latent_plane"]


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_a_collapsed_posterior_looks_it(latent):
    for axes in plane_of(1e-3, latent=latent).axes:
        (circle,) = axes.patches
        assert circle.radius == pytest.approx(2.448, abs=1e-3)  # 95% of N(0, I) in the plane
        assert axes.get_xlim()[0] < -2.448 and axes.get_xlim()[1] > 2.448
    assert plane_of(100.0, latent=latent).axes[0].get_xlim()[1] > 5  # and a wide one is not cut


def test_classes_keep_their_names():
    left, _ = plane_of(1.0, names=("boot", "bag", "coat")).axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["boot", "bag", "coat"]
    data = noise(names=("boot", "bag", "coat"))
    (axes,) = pictures_of(made("pixelcnn", data, conditional=True), data)["samples"].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["boot", "bag", "coat"]
    with pytest.raises(UsageError, match="1 class_names for 3 classes"):
        noise(names=("boot",))


def test_interpolations_begin_and_end_with_the_images_themselves():
    data = noise()
    (axes,) = pictures_of(made("vae", data), data)["interpolations"].axes
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
def test_a_vae_with_few_test_images_is_drawn(count):
    data = noise()
    few = dataclasses.replace(data, test=data.test[:count], test_labels=data.test_labels[:count])
    assert set(pictures_of(made("vae", few), few)) >= {"interpolations", "latent_plane"}


def test_the_axes_of_the_plane_are_those_of_the_greatest_variance():
    mu = np.random.default_rng(0).standard_normal((50, 3)) * [0.1, 3, 1]
    origin, axes, _ = vae_figures._plane_of(mu)
    np.testing.assert_allclose(np.abs(axes), [[0, 1, 0], [0, 0, 1]], atol=0.1)
    np.testing.assert_allclose(origin, mu.mean(0))


@pytest.mark.parametrize("kind", ["plain", "gated"])
def test_a_receptive_field_without_a_gradient_says_so(kind):
    data = noise()
    model = made("pixelcnn", data, kind=kind)
    for weight in model.parameters().values():
        weight.data[...] = 0
    drawn_ = pictures_of(model, data)["receptive_field"]
    assert drawn_.axes[0].get_xlabel() == "no gradient flows to any pixel"


def test_the_first_term_of_the_bound_is_told_from_the_others():
    steps = pictures_of(made("ddpm", noise()), noise())["steps"]
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
    figure = roofline.draw("conv2d", machine, result["cases"])
    assert overlapping(figure) == []
    for axes in figure.axes:
        (x_low, x_high), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert x_low < machine.peak / machine.bandwidth < x_high
        for marks in axes.collections:
            x, y = marks.get_offsets().T
            assert ((x_low < x) & (x < x_high) & (low < y) & (y < high)).all()
