"""Plots of images, curves and points, and the files that they are saved in."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from models import pictures
from models.data.ring import ring
from models.errors import UsageError
from models.pictures import Panel

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


def test_a_single_test_is_a_mark_and_the_axis_begins_at_0():
    (axes,) = pictures.curves(lines_of([5, 4, 3], test=[(3, 3)]), 3, [PANEL], "").axes
    test = next(line for line in axes.lines if line.get_label() == "test")
    assert test.get_marker() == "o"
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] == pytest.approx(1, abs=0.05)


def test_a_panel_without_numbers_is_left_out():
    other = Panel("another", "nats", test={"nll": "test"})
    assert len(pictures.curves(lines_of([5, 4]), 2, [PANEL, other], "").axes) == 1
    (axes,) = pictures.curves([], 2, [PANEL, other], "").axes
    assert [text.get_text() for text in axes.texts] == ["no step yet"]


def test_the_legend_is_never_over_the_curves():
    figure = pictures.curves(lines_of([5, 4, 3], test=[(3, 3)]), 3, [PANEL, PANEL], "")
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert not axes.get_legend().get_window_extent().overlaps(axes.get_window_extent())


def test_noise_that_would_fill_the_frame_is_left_out():
    quiet, noisy = (s * np.tile([1.0, -1.0], 100) + np.linspace(9, 3, 200) for s in (0.5, 20))
    for values, lines in ((quiet, 3), (noisy, 2)):
        (axes,) = pictures.curves(lines_of(values), 20, [PANEL], "").axes
        assert len(axes.lines) == lines  # the mean and the level, and perhaps each step


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
    figure = pictures.Picture(figsize=(6, 2))
    figure.subplots()
    content, shown = figure._repr_png_()
    assert content.startswith(b"\x89PNG")
    assert 400 < shown["width"] < 600


def test_the_colours_are_dark_enough_for_a_projector():
    def luminance(color):
        c = np.array(to_rgb(color))
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]  # WCAG 2, relative luminance

    assert min(1.05 / (luminance(color) + 0.05) for color in pictures.COLORS) >= 4.5
    assert len(set(pictures.COLORS)) == 10


# Images and points


@pytest.mark.parametrize(
    ("n", "columns"), [(1, 1), (2, 2), (8, 4), (12, 4), (64, 8), (100, 10), (96, 12), (61, 12)]
)
def test_rows_are_full_where_they_can_be(n, columns):
    assert pictures.across(n) == columns


def test_a_mosaic_has_a_gap_between_images_and_white_after_the_last():
    pixels = pictures.mosaic([np.full((2, 2, 3), 0.5), np.ones((1, 2, 3))])
    expected = np.zeros((5, 7))
    expected[:2, :3] = expected[:2, 4:] = 0.5
    expected[3:, :3] = 1
    np.testing.assert_array_equal(pixels, expected)


def test_points_are_counted_below_their_frame():
    data = ring(train=50, test=40)
    one_mode = np.repeat(data.modes[2:3], 100, axis=0)
    figure = pictures.scatter(data, {"data": data.test, "one mode": one_mode}, "a title")
    assert [axes.get_title() for axes in figure.axes] == ["data", "one mode"]
    assert figure.get_suptitle().endswith("good, within 3 sigma of a mode (the circles)")
    assert figure.axes[1].get_xlabel() == "modes 1 of 8, 100% good"
    (alone,) = pictures.scatter(data, {"samples": 9 * one_mode}, "samples").axes
    assert alone.get_title() == ""  # it is in the figure's title
    assert alone.get_xlabel() == "modes 0 of 8, 0% good\n100 outside"
