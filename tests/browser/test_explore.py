"""The pages of `chainrule explore`: what a person does, and the numbers that the model gives."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor, grad, sigmoid, softplus
from models import explore
from models.adversarial import gan_page
from models.adversarial.gan_page import arrows, judge
from models.autoencoders.vae_page import image
from models.cli import exploration
from models.explore import export
from models.explore.lowering import lower
from models.families import FAMILIES
from models.training.config import Config
from models.training.run import Run
from tests.browser.conftest import WIDTHS
from tests.models.test_explore import FUNCTIONS

STEPS, KEPT = 20, 2


@pytest.fixture(scope="session")
def page_of(tmp_path_factory):
    """A function: the runs of a family's demonstration, hardly trained, and their page."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            runs = [
                exploration.trained(name, example, folder / run, steps=STEPS, keep=KEPT)
                for run, example in FAMILIES[name].page.demo.items()
            ]
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
    """How long the page is busy with a press of the mouse: the least of three."""
    page.evaluate(
        "() => { let t; window.took = [];"
        " addEventListener('pointerdown', () => (t = performance.now()), true);"
        " addEventListener('pointerdown', () => took.push(performance.now() - t)); }"
    )
    for _ in range(3):
        page.mouse.click(x, y)
    return min(page.evaluate("took"))


def untrained(model, directory, data="digits", **settings):
    changed = dataclasses.replace(FAMILIES[model].model.defaults[data], **settings)
    return Run(Config(changed, model=model, data=data), directory)


@pytest.mark.parametrize(
    "model, data, settings",
    [
        ("vae", "digits", {"latent": 2, "decoder": "gaussian", "pixels": "dequantised"}),
        ("gan", "ring", {"spectral_norm": True, "feature_matching": True}),
        ("gan", "ring", {"loss": "minimax", "hidden": (8,)}),
        (
            "ddpm",
            "ring",
            {"objective": "epsilon", "schedule": "linear", "T": 20, "variance": "large"},
        ),
        ("pixelcnn", "digits", {"pixels": "levels", "kind": "gated"}),
    ],
)
def test_every_kind_of_model_has_a_page_that_computes(tmp_path, opened, model, data, settings):
    run = untrained(model, tmp_path / "run", data, **settings)
    page = opened(exploration.write([run], tmp_path / "page.html"))
    page.wait_for_timeout(200)
    assert "NaN" not in page.locator("main").text_content()


FAMILIES_SHOWN = [name for name, family in FAMILIES.items() if family.page]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", FAMILIES_SHOWN)
def test_anyone_can_use_it_on_any_screen(page_of, opened, accessible, name, width):
    page = opened(page_of(name)[1], width)
    page.wait_for_timeout(200)
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["vae", "gan", "pixelcnn"])
def test_it_is_small_with_all_times_of_the_demonstration(page_of, name):
    size = page_of(name)[1].stat().st_size
    kept = max(example.keep for example in FAMILIES[name].page.demo.values())
    assert size * max(kept, 1) / KEPT < 1e6


def close(found, expected):
    expected = np.asarray(expected).ravel()
    np.testing.assert_allclose(list(found), expected, rtol=0, atol=1e-5 * abs(expected).max())


@pytest.fixture(scope="module")
def runner(browser):
    """A page that has program.js and nothing else."""
    page = browser.new_page()
    page.add_script_tag(path=Path(explore.__file__).with_name("program.js"))
    yield page
    page.close()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_program_js_computes_what_numpy_computes(runner, name):
    """Each primitive that a page may need, by itself and in the gradient of others."""
    function, shape = FUNCTIONS[name]
    rng = np.random.default_rng(1)
    x, other = (rng.standard_normal(shape, np.float32) for _ in range(2))
    program = json.dumps(
        lower(export(function, [x], [other])), default=lambda a: {"array": np.ravel(a).tolist()}
    )
    found = runner.evaluate(
        """([text, x]) => {
          const revive = (_, value) => value?.array ? Float32Array.from(value.array) : value;
          return [...compute(JSON.parse(text, revive), Float32Array.from(x))];
        }""",
        [program, other.ravel().tolist()],
    )
    close(found, function(other).data)


class TestVAE:
    @pytest.fixture
    def page(self, page_of, opened):
        return opened(page_of("vae")[1])

    def test_it_decodes_as_the_model_at_each_time(self, page_of, page):
        z = np.float32([[0.3, -1.2]])
        for i, run in enumerate(page_of("vae")[0]):
            for j, _ in enumerate(run.replay()):
                program = f"data.runs[{i}].times[{j}].decode"
                found = page.evaluate(f"[...compute({program}, Float32Array.of(0.3, -1.2))]")
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
        assert "step 0 of 20" in page.locator("output[for=time]").text_content()
        first = page.locator("#numbers").text_content()
        page.locator("#time").press("End")
        assert "step 20 of 20" in page.locator("output[for=time]").text_content()
        assert page.locator("#numbers").text_content() != first


class TestGAN:
    @pytest.fixture
    def page(self, page_of, opened):
        return opened(page_of("gan")[1])

    def test_both_players_are_the_model_at_each_time(self, page_of, page):
        x = np.float32([[0.7, -1.3]])
        for i, run in enumerate(page_of("gan")[0]):
            for j, _ in enumerate(run.replay()):
                time = f"data.runs[{i}].times[{j}]"
                samples = page.evaluate(f"[...compute({time}.generate, data.runs[{i}].z)]")
                z = np.random.default_rng(0).standard_normal((gan_page.SAMPLES, 2), np.float32)
                close(samples, run.model.generator(z).data)
                at = "Float32Array.of(0.7, -1.3)"
                close(page.evaluate(f"[...compute({time}.judge, {at})]"), judge(run.model, x).data)
                point = Tensor(x, requires_grad=True)
                score = run.model.discriminator(point)
                expected = -grad(softplus(-score).sum(), point).data  # non-saturating
                close(page.evaluate(f"[...compute({time}.arrow, {at})]"), expected)
                given = f"new Float32Array({samples})"
                found = page.evaluate(f"[...compute({time}.arrows, {given})]")
                close(found, arrows(run.model, np.float32(samples).reshape(-1, 2)).data)

    def test_a_click_says_what_D_thinks_there(self, page):
        x, y = position(page, "canvas >> nth=1", 0.75, 0.25)
        assert milliseconds_of_a_click(page, x, y) < 100
        reach = page.evaluate("data.reach")
        np.testing.assert_allclose(page.evaluate("probe"), [reach / 2, reach / 2], atol=0.02)
        for numbers in page.locator(".numbers").all_text_contents():
            assert "D = 0." in numbers and "At the cross (1." in numbers

    def test_the_keyboard_moves_the_cross_of_both(self, page):
        page.locator("canvas").first.focus()
        page.keyboard.press("ArrowLeft")
        np.testing.assert_allclose(page.evaluate("probe[0] / data.reach"), -1 / 50)

    def test_training_is_played_and_what_is_shown_is_chosen(self, page):
        slide(page, "time", 0)
        assert "step 0 of 20" in page.locator("output[for=time]").text_content()
        page.locator("#play").click()
        page.wait_for_function("when() > 0")
        assert page.locator("#play").text_content() == "Pause"
        page.locator("#play").click()
        before = page.evaluate("panels[0].plane.canvas.toDataURL()")
        page.locator("#arrows").uncheck()
        assert page.evaluate("panels[0].plane.canvas.toDataURL()") != before


class TestDDPM:
    @pytest.fixture
    def page(self, page_of, opened):
        return opened(page_of("ddpm")[1])

    @pytest.mark.parametrize("i, program, n", [(0, "one", 1), (1, "samples", 16)])
    def test_each_step_is_that_of_the_model(self, page_of, page, i, program, n):
        run = page_of("ddpm")[0][i]
        model, diffusion = run.model, run.model.diffusion
        rng = np.random.default_rng(0)
        x, noise = rng.standard_normal((2, n, np.prod(model.shape)), np.float32)
        slide(page, "run", i)
        for j, _ in enumerate(run.replay()):
            slide(page, "time", j)
            slide(page, "class", 3)
            slide(page, "guidance", 2)  # w = 1
            for steps, times in enumerate(page.evaluate("runOf().samplers.map(s => [...s.times])")):
                slide(page, "steps", steps)
                for k in (0, len(times) // 2, len(times) - 2):
                    t, s = np.array([times[k]]), np.array([times[k + 1]])
                    with model.ema.applied():
                        x_0 = model.denoise(x, t, np.array([2]), guidance=1.0)
                    for kind, eta in (("ddim", 0.0), ("ancestral", 1.0)):
                        mean, variance = diffusion.posterior_mean(x_0, x, t, s, eta)
                        found = page.evaluate(
                            "([x, k, kind, noise, program]) =>"
                            " [...step(timeOf()[program], Float32Array.from(x), k, kind, noise)]",
                            [x.ravel().tolist(), k, kind, noise.ravel().tolist(), program],
                        )
                        close(found, mean + np.sqrt(variance) * noise * (s > 0))

    def test_images_appear_and_the_plane_goes_with_its_controls(self, page):
        assert page.locator("#points").is_visible() and not page.locator("#images").is_visible()
        slide(page, "run", 1)
        assert page.locator("#images").is_visible() and not page.locator("#shown").is_visible()
        before = page.evaluate("byId('ddim').toDataURL()")
        page.locator("#t").press("End")
        assert page.evaluate("byId('ddim').toDataURL()") != before

    def test_both_samplers_begin_with_the_same_noise(self, page):
        slide(page, "t", 10)
        chains = page.evaluate("['ancestral', 'ddim'].map(k => chains[k].points.map(p => [...p]))")
        assert chains[0][0] == chains[1][0]
        assert chains[0][10] != chains[1][10]
        page.locator("#again").click()
        assert page.evaluate("[...chains.ddim.points[0]]") != chains[1][0]

    def test_it_is_played_to_the_end(self, page):
        slide(page, "steps", page.evaluate("runOf().samplers.length - 1"))
        page.locator("#play").click()
        page.wait_for_function("place() === sampler().times.length - 1")
        assert page.locator("output[for=t]").text_content().startswith("t = 0 ")
        page.wait_for_function("byId('play').textContent === 'Play'")

    def test_a_click_says_the_score_there(self, page):
        x, y = position(page, "#ddim", 0.75, 0.5)
        assert milliseconds_of_a_click(page, x, y) < 100
        assert page.locator("#numbers").text_content().startswith("At the cross (1.35")


class TestPixelCNN:
    @pytest.fixture
    def page(self, page_of, opened):
        return opened(page_of("pixelcnn")[1])

    def test_what_a_pixel_saw_and_its_distribution_are_the_models(self, page_of, page):
        for i, run in enumerate(page_of("pixelcnn")[0]):
            for j, _ in enumerate(run.replay()):
                slide(page, "time", j)
                image = np.float32(page.evaluate(f"[...panels[{i}].image]")).reshape(1, 1, 8, 8)
                x = Tensor(image, requires_grad=True)
                logits = run.model.logits(x)
                for row, column in ((4, 3), (7, 7), (0, 0)):
                    pixel = 8 * row + column
                    found = page.evaluate(f"[...seenBy(panels[{i}], {pixel})]")
                    seen = abs(grad(logits[0, 0, row, column], x, retain_graph=True).data)
                    close(found, seen)
                    assert (np.equal(found, 0) == (seen.ravel() == 0)).all()
                    (_, ink) = page.evaluate(f"distributionOf(panels[{i}], {pixel})")
                    close([ink], sigmoid(logits.data[0, 0, row, column]))

    def test_the_plain_network_has_a_blind_spot(self, page):
        plain, gated = page.locator(".numbers").all_text_contents()
        assert "depends on 29 of the 35 pixels before it, blind to 6" in plain
        assert "depends on 35 of the 35 pixels before it, blind to 0" in gated

    def test_a_pixel_is_pointed_at_chosen_and_reached_by_keys(self, page):
        page.mouse.move(*position(page, ".seen >> nth=1", 0.95, 0.95))
        assert page.locator(".numbers").first.text_content().startswith("Row 8, column 8:")
        page.mouse.move(0, 0)
        assert page.locator(".numbers").first.text_content().startswith("Row 5, column 4:")
        x, y = position(page, ".image-of >> nth=0", 0.95, 0.05)
        assert milliseconds_of_a_click(page, x, y) < 100
        page.mouse.move(0, 0)
        page.locator(".seen").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")  # there is nothing further to the right
        assert page.locator(".numbers").first.text_content().startswith("Row 2, column 8:")

    def test_the_rest_is_sampled_and_the_given_part_stays(self, page):
        page.evaluate("(chosen = 40, drawAll())")
        before = page.evaluate("panels.map(p => [...p.image])")
        page.locator("#sample").click()
        page.wait_for_function("panels.every(p => p.find('.completions').children.length === 1)")
        for given, sampled in zip(before, page.evaluate("panels.map(p => [...p.image])")):
            assert sampled[:40] == given[:40] and set(sampled) <= {0, 1}
        assert page.evaluate("chosen") == 40
        page.locator("#reset").click()
        assert page.evaluate("panels.map(p => [...p.image])") == before

    def test_a_flipped_pixel_changes_the_distributions_after_it(self, page):
        page.evaluate("(chosen = 34, drawAll())")
        before = page.evaluate("panels.map(p => distributionOf(p, 35))")
        page.locator("#flip").click()
        assert page.evaluate("panels.map(p => distributionOf(p, 35))") != before
        assert page.evaluate("panels[0].image[34]") != page.evaluate("data.images[34]")

    def test_levels_are_chosen_by_inversion(self, page):
        assert page.evaluate("[0.1, 0.25, 0.9].map(u => choose([0.2, 0.8], u))") == [0, 1, 1]
