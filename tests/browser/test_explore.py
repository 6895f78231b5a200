"""The pages of `chainrule explore`: what a person does, and the numbers that the model gives."""

import dataclasses

import numpy as np
import pytest

from models.autoencoders.vae_page import image
from models.cli import exploration
from models.families import FAMILIES
from models.training.config import Config
from models.training.run import Run
from tests.browser.conftest import WIDTHS

STEPS, KEPT = 40, 3


@pytest.fixture(scope="session")
def page_of(tmp_path_factory):
    """A function: the runs of a family's demonstration, hardly trained, and their page."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            model, _, page = FAMILIES[name]
            runs = []
            for run_name, settings in page.demo.items():
                defaults = model.defaults.get(page.demo_data)
                config = Config(
                    dataclasses.replace(defaults, **settings),
                    model=name,
                    data=page.demo_data,
                    steps=STEPS,
                    keep=KEPT,
                )
                runs.append(Run.create(config, folder / run_name))
                runs[-1].train(pictures="no")
            made[name] = runs, exploration.write(runs, folder / "page.html")
        return made[name]

    return make


def slide(page, name, place):
    """Set a slider as the arrow keys would."""
    page.eval_on_selector(
        f"#{name}",
        "(input, v) => (input.value = v, input.dispatchEvent(new Event('input')))",
        place,
    )


def position(page, canvas, across, down):
    """The place on the screen of a point of a canvas, given as shares of its sides."""
    page.locator(canvas).scroll_into_view_if_needed()
    box = page.locator(canvas).bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def milliseconds_of_a_click(page, x, y):
    """How long the page is busy with a press of the mouse."""
    page.evaluate(
        "() => { let t; addEventListener('pointerdown', () => (t = performance.now()), true);"
        " addEventListener('pointerdown', () => (window.took = performance.now() - t)); }"
    )
    page.mouse.click(x, y)
    return page.evaluate("window.took")


FAMILIES_SHOWN = [name for name, family in FAMILIES.items() if family.page]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", FAMILIES_SHOWN)
def test_anyone_can_use_it_on_any_screen(page_of, opened, accessible, name, width):
    page = opened(page_of(name)[1], width)
    page.wait_for_timeout(200)
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", FAMILIES_SHOWN)
def test_it_is_small(page_of, name):
    assert page_of(name)[1].stat().st_size < 1e6


def close(found, expected):
    expected = np.asarray(expected).ravel()
    np.testing.assert_allclose(list(found), expected, rtol=0, atol=1e-5 * abs(expected).max())


class TestVAE:
    @pytest.fixture
    def page(self, page_of, opened):
        return opened(page_of("vae")[1])

    def test_it_decodes_as_the_model_at_each_time(self, page_of, page):
        z = np.float32([[0.3, -1.2]])
        for i, run in enumerate(page_of("vae")[0]):
            for j, _ in enumerate(run.replay()):
                program = f"data.runs[{i}].times[{j}].decode"
                found = page.evaluate(f"[...run({program}, Float32Array.of(0.3, -1.2))]")
                close(found, image(run.model, z).data)
            codes = page.evaluate(f"[...data.runs[{i}].times.at(-1).codes]")
            assert len(codes) == 2 * len(run.data.test)

    def test_a_click_decodes_there_at_once(self, page):
        before = page.evaluate("byId('image').toDataURL()")
        x, y = position(page, "#codes", 0.75, 0.25)
        assert milliseconds_of_a_click(page, x, y) < 100
        reach = page.evaluate("codes.reach")
        np.testing.assert_allclose(page.evaluate("points.z"), [reach / 2, reach / 2], atol=0.02)
        assert page.evaluate("byId('image').toDataURL()") != before

    def test_the_ends_of_the_line_are_dragged(self, page):
        x, y = position(page, "#codes", 0.5, 0.5)
        a = page.evaluate("codes.at(...points.A).map(v => v / codes.side)")
        page.mouse.move(*position(page, "#codes", *a))
        page.mouse.down()
        page.mouse.move(x - 40, y)
        page.mouse.move(x - 80, y)
        page.mouse.up()
        assert page.locator("input[value=A]").is_checked()
        moved = page.evaluate("points.A")
        assert moved[0] < 0 and abs(moved[1]) < 0.02
        line, arc = page.evaluate("[way('line').at(-1), way('arc').at(-1)]")
        np.testing.assert_allclose(line, arc)

    def test_the_keyboard_moves_z(self, page):
        page.locator("#codes").focus()
        before = page.evaluate("points.z")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
        moved = np.subtract(page.evaluate("points.z"), before) / page.evaluate("codes.reach")
        np.testing.assert_allclose(moved, [1 / 50, 1 / 10], atol=1e-6)

    def test_the_sliders_go_through_runs_and_training(self, page):
        slide(page, "run", 0)
        slide(page, "time", 0)
        assert page.locator("output[for=run]").text_content().startswith("β = 0")
        assert "step 0 of 40" in page.locator("output[for=time]").text_content()
        first = page.locator("#numbers").text_content()
        page.locator("#time").press("End")
        assert "step 40 of 40" in page.locator("output[for=time]").text_content()
        assert page.locator("#numbers").text_content() != first
