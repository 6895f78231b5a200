"""The page of a trace, by doing what a person does: step, play, scrub, choose, open and close."""

import re
from functools import cache

import numpy as np
import pytest

from autograd import Tensor, exp, grad, log, no_grad, sigmoid, tanh, tracing
from autograd.traces.page import as_pages
from models.data import load
from models.examples import EXAMPLES
from models.examples.steps import traced_step
from models.families import FAMILIES
from tests.browser.conftest import WIDTHS

X = np.array([[1.0, 2.0, -1.0], [0.5, -3.0, 2.0]])


def leaf(value):
    return Tensor(value, requires_grad=True)


# Each function returns a trace, and the gradients of its leaves by their names, from `grad`.


def neuron():
    def loss(w, b):
        return (sigmoid((w * X[0]).sum() + b) - 1.0) ** 2

    return traced(loss, w=[0.5, 0.25, 1.0], b=0.5)


def fan_out():
    def loss(x, b):
        y = x * x + b
        return (y * y.detach() + x).sum()

    return traced(loss, x=X, b=[0.1, 0.2, 0.3])


def cut():
    def loss(a, c):
        with no_grad():
            target = tanh(a * c)
        exp(c)  # no sweep comes here
        return ((a * 2.0 - target - c.detach()) ** 2).sum()

    return traced(loss, a=[1.0, 2.0], c=[3.0, 4.0])


def marks():
    def loss(zero, vanishing, exploding, infinite):
        a = (zero * 0.0).sum() + vanishing * 1e-9
        return a + exploding * 1e9 + (log(infinite) * 0.0).sum()

    return traced(loss, zero=[1.0, 2.0], vanishing=1.0, exploding=1.0, infinite=[1.0, 0.0])


def double():
    w = leaf([0.5, -1.0, 2.0])
    with tracing({"w": w}) as trace:
        (g,) = grad(tanh((w * X[0]).sum()) ** 2, [w], create_graph=True)
        (h,) = grad((g**2).sum(), [w])
    return trace, {"w": h.data}


def traced(loss, **values):
    leaves = {name: leaf(value) for name, value in values.items()}
    with np.errstate(all="ignore"):
        with tracing(leaves) as trace:
            loss(**leaves).backward()
        gradients = grad(loss(**leaves), list(leaves.values()))
    return trace, {name: g.data for name, g in zip(leaves, gradients)}


def step_of(name):
    data, family = load("digits"), FAMILIES[name].model
    model = family.for_data(family.defaults["digits"], data, np.random.default_rng(0))
    (trace,) = traced_step(model, data).values()
    return trace, {}


def depth():
    return EXAMPLES["depth"].traces(), {}


TRACES = {f.__name__: f for f in (neuron, fan_out, cut, marks, double, depth)}


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A function: the file of a page, its trace, and the gradients that it has to show."""
    folder = tmp_path_factory.mktemp("traces")

    @cache
    def make(name):
        trace, gradients = TRACES[name]() if name in TRACES else step_of(name)
        file = folder / f"{name}.html"
        traces = trace if isinstance(trace, dict) else {name: trace}
        file.write_text(as_pages(name, "What to look for.", traces), "utf-8")
        return file, trace, gradients

    return make


@pytest.fixture
def page_of(made, opened):
    """A function that opens the page of a trace, and at the end looks for sideways scrolling."""
    pages = []

    def open_page(name, width=WIDTHS[0]):
        page = opened(made(name)[0], width)
        page.set_default_timeout(5000)
        pages.append((page, width))
        return page

    yield open_page
    for page, width in pages:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def numbers(text):
    """What a person reads: 1.5, -2, 3.1e-4, NaN, inf."""
    text = text.replace("\N{MINUS SIGN}", "-")
    return [float(x) for x in re.findall(r"-?(?:\d+(?:\.\d+)?(?:e-?\d+)?|inf)|NaN", text)]


def steps(page):
    """The number of the step, and of all."""
    found = re.match(r"step (\d+) of (\d+)", page.inner_text("#step"))
    return int(found[1]), int(found[2])


def box(page, name):
    """The box of a node, by the name or by the number and the primitive that it shows."""
    return page.locator("#graph .box").filter(
        has=page.locator("text.title", has_text=re.compile(f"^{re.escape(name)}$"))
    )


def section(page, title):
    return page.locator("#panel section").filter(has=page.locator("h3", has_text=title)).first


@pytest.mark.parametrize("width", WIDTHS)
def test_steps_go_forward_and_then_backward(width, page_of, made):
    page, (_, trace, _) = page_of("neuron", width), made("neuron")
    texts = []
    while not page.is_disabled("#next"):
        page.click("#next")
        texts.append(page.inner_text("#step"))
    assert [t.split(",")[0] for t in texts] == [f"step {i + 1} of 16" for i in range(16)]
    kinds = [re.search("forward|backward", t)[0] for t in texts]
    assert kinds == ["forward"] * len(trace.nodes) + ["backward"] * len(trace.sweeps[0].edges)
    assert texts[0].endswith("forward: w")
    assert texts[-1].endswith("backward: 3 mul → w")
    assert page.locator(".edge.passed").count() == len(trace.sweeps[0].edges)


CONTROLS = [  # what a person does at step 5 of 16, and where that leads
    ("click", "#first", 0),
    ("click", "#back", 4),
    ("click", "#next", 6),
    ("click", "#last", 16),
    ("press", "ArrowLeft", 4),
    ("press", "ArrowRight", 6),
    ("press", "Home", 0),
    ("press", "End", 16),
    ("fill", "12", 12),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_controls_and_keys(width, page_of):
    page = page_of("neuron", width)
    for action, argument, expected in CONTROLS:
        page.fill("#slider", "5")
        page.locator("#slider").blur()
        if action == "click":
            page.click(argument)
        elif action == "press":
            page.keyboard.press(argument)
        else:
            page.fill("#slider", argument)
        assert steps(page) == (expected, 16), (action, argument)
        assert page.input_value("#slider") == str(expected)


def test_play_goes_to_the_end_and_can_be_stopped(page_of):
    page = page_of("neuron")
    page.select_option("#speed", "20")
    page.keyboard.press("Escape")
    page.locator("#speed").blur()
    page.keyboard.press(" ")
    page.wait_for_function("document.getElementById('slider').value > 2")
    page.keyboard.press(" ")
    stopped = steps(page)
    page.wait_for_timeout(200)
    assert steps(page) == stopped
    page.click("#play")
    page.wait_for_function("document.getElementById('next').disabled")
    assert steps(page) == (16, 16)
    assert "play" in page.inner_text("#play")


@pytest.mark.parametrize("name", ["neuron", "fan_out", "cut", "marks", "double"])
def test_the_gradients_are_those_of_grad(name, page_of, made):
    page, (_, _, gradients) = page_of(name), made(name)
    page.click("#last")
    for leaf_name, expected in gradients.items():
        box(page, leaf_name).click()
        if not np.any(expected):
            continue
        shown = numbers(section(page, "The gradient with respect").locator(".value, .scalar").first
                        .inner_text())[: expected.size]  # fmt: skip
        np.testing.assert_allclose(shown, expected.ravel(), rtol=1e-3)


@pytest.mark.parametrize("name", ["neuron", "fan_out", "double"])
def test_each_step_backward_shows_its_numbers_and_its_rule(name, page_of, made):
    page, (_, trace, _) = page_of(name), made(name)
    page.keyboard.press("End")
    for number, sweep in reversed(list(enumerate(trace.sweeps))):
        for edge in reversed(sweep.edges):
            while (
                f"in sweep {number + 1}" not in page.inner_text("#step") and len(trace.sweeps) > 1
            ):
                page.keyboard.press("ArrowLeft")
            for title, value in [("In: g", sweep.cotangents[edge.node]), ("Out: d", edge.d)]:
                text = section(page, title).locator("table, .scalar").first.inner_text()
                np.testing.assert_allclose(numbers(text), value.whole.ravel(), rtol=1e-3)
            rule = trace.rules[trace.nodes[edge.node].primitive, edge.argument]
            assert section(page, "The rule of").locator("pre").inner_text() == rule
            page.keyboard.press("ArrowLeft")


def test_fan_out_shows_the_sum_and_what_has_come(page_of, made):
    page, (_, trace, gradients) = page_of("fan_out"), made("fan_out")
    (node,) = [i for i, made_node in enumerate(trace.nodes) if made_node.name == "x"]
    come = []
    for edge in trace.sweeps[0].edges:
        if edge.parent == node:
            while not page.inner_text("#step").endswith("→ x") or len(come) == len(set(come)) - 1:
                page.keyboard.press("ArrowRight")
            come.append(page.locator(".sum .come").count())
            page.keyboard.press("ArrowRight")
    assert come == [1, 2, 3]
    page.keyboard.press("End")
    box(page, "x").click()
    assert page.locator(".sum li").count() == 3
    assert page.locator(".sum .come").count() == 3
    total = np.sqrt(np.mean(gradients["x"] ** 2))
    np.testing.assert_allclose(numbers(page.inner_text(".total")), [total], rtol=0.05)
    page.locator(".sum .link").first.click()  # to the step of that edge
    assert page.inner_text("#step").endswith("→ x")


def test_broadcasting_shows_the_sum_over_the_axis(page_of, made):
    page = page_of("fan_out")
    while not page.inner_text("#step").endswith("→ b"):
        page.keyboard.press("ArrowRight")
    assert "from (2, 3) to (3,)" in page.inner_text("#panel")
    given = numbers(section(page, "The rule gives").locator("table").inner_text())
    out = numbers(section(page, "Out: d").locator("table").inner_text())
    np.testing.assert_allclose(np.reshape(given, (2, 3)).sum(axis=0), out, rtol=1e-3)


def test_a_cut_is_plain_to_see(page_of):
    page = page_of("cut")
    page.keyboard.press("End")
    assert page.locator(".edge.cut text.sign").all_text_contents() == ["✂"] * 3
    dashes = page.locator(".edge.cut .line").first.evaluate(
        "e => getComputedStyle(e).strokeDasharray"
    )
    assert dashes != "none"
    unrecorded = page.locator(".box.unrecorded")
    assert set(unrecorded.locator("text.came").all_text_contents()) == {"no gradient"}
    assert box(page, "c").locator("text.came").text_content() == "not reached"
    box(page, "c").click()
    assert "no gradient reached it" in page.inner_text("#panel")
    unrecorded.filter(has_text="tanh").click()
    assert "made without recording" in page.inner_text("#panel")


@pytest.mark.parametrize("width", WIDTHS)
def test_marks_stand_on_the_edges_and_are_explained(width, page_of, made):
    page, (_, trace, _) = page_of("marks", width), made("marks")
    expected = {"zero": "0", "vanishing": "≪", "exploding": "≫", "not finite": "!"}
    assert not any(page.locator("text.sign").all_text_contents())
    listed = page.locator(".remarks li").all_inner_texts()
    page.keyboard.press("End")
    assert set(page.locator("text.sign").all_text_contents()) >= set(expected.values())
    for kind, sign in expected.items():
        assert any(text.startswith(sign) and text.endswith(kind) for text in listed)
        page.keyboard.press("Home")
        page.locator(".remarks li", has_text=kind).last.locator("button").click()
        assert re.match(rf"{re.escape(sign)}\s+{kind}: \w+", page.inner_text(".remark"))
    last = [e.d.whole for e in trace.sweeps[0].edges if e.d.nans or e.d.infinities][-1]
    np.testing.assert_array_equal(
        numbers(section(page, "Out: d").locator("table").inner_text()), last
    )


def test_a_recorded_sweep_makes_nodes_as_it_goes(page_of, made):
    page, (_, trace, _) = page_of("double"), made("double")
    assert box(page, "sweep 1").is_hidden()
    late = [f"{n} {trace.nodes[n].primitive}" for n in trace.sweeps[0].made_by]
    seen = []
    while "in sweep 2" not in page.inner_text("#step"):
        page.keyboard.press("ArrowRight")
        seen.append(sum(box(page, name).is_visible() for name in late if "constant" not in name))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert len(set(seen)) > 3
    assert seen[-1] == len([name for name in late if name.split()[1]])


def test_modules_open_and_close_in_place(page_of):
    page = page_of("vae")
    folded = page.locator("#graph [aria-expanded=false]")
    page.keyboard.press("End")
    before, count = folded.count(), steps(page)[1]
    name = folded.last.locator("text.title").text_content()
    folded.last.click()
    assert folded.count() == before - 1
    assert steps(page)[1] > count
    assert steps(page)[0] == steps(page)[1]  # it is still the end
    assert "weight" in page.inner_text("#panel")
    page.keyboard.press("Enter")  # the focus has stayed on it
    assert folded.count() == before
    assert steps(page)[1] == count
    assert name in page.evaluate("document.activeElement.textContent")


def test_the_graph_by_keyboard(page_of):
    page = page_of("neuron")
    page.keyboard.press("End")
    page.focus("#slider")
    page.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    first = page.evaluate(focused)
    assert first.startswith("w, ")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) != first
    assert page.locator("#graph [tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    assert "a constant" in page.inner_text("#panel")
    page.keyboard.press("ArrowLeft")
    assert steps(page) == (15, 16)
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    assert page.is_hidden("#help")
    assert steps(page) == (15, 16)


def test_fit_shows_the_whole_graph(page_of):
    page = page_of("vae")
    page.click("#fit")
    room, graph = (
        page.evaluate(f"(e => [e.clientWidth, e.clientHeight])(document.getElementById('{name}'))")
        for name in ("view", "graph")
    )
    assert graph[0] <= room[0] and graph[1] <= room[1]


def test_each_of_several_traces_keeps_its_step(page_of):
    page = page_of("depth")
    tabs = page.locator("#tabs button")
    assert tabs.all_inner_texts() == ["sigmoid", "relu", "residual"]
    page.fill("#slider", "20")
    tabs.nth(1).click()
    assert steps(page)[0] == 0
    tabs.nth(0).click()
    assert steps(page)[0] == 20


def test_a_node_that_is_clicked_shows_where_it_comes_from(page_of, made):
    page, (_, trace, _) = page_of("neuron"), made("neuron")
    box(page, "3 mul").click()
    panel = page.inner_text("#panel")
    assert "mul(x = w, y = 2 constant)" in panel
    assert f"{trace.nodes[3].source.file}:{trace.nodes[3].source.line}" in panel
    assert trace.nodes[3].source.text in panel
    value = numbers(section(page, "Its value").locator("table").inner_text())
    np.testing.assert_allclose(value, trace.nodes[3].value.whole, rtol=1e-3)


def test_a_large_value_has_a_picture_a_histogram_and_words(page_of):
    page = page_of("vae")
    page.keyboard.press("End")
    page.locator("#graph .box.primitive", has_text="relu").first.click()
    canvas = section(page, "Its value").locator("canvas")
    assert re.match(
        r"value as a picture: \(8, \d+\) · float32 · from", canvas.get_attribute("aria-label")
    )
    colours = canvas.evaluate("""c => new Set(Array.from(new Uint32Array(
        c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer))).size""")
    assert colours > 5
    assert page.locator(".histogram").first.is_visible()


MILLISECONDS = """async ([selector, i]) => {
    const chosen = document.querySelectorAll(selector), began = performance.now();
    chosen[i % chosen.length].dispatchEvent(new MouseEvent("click", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - began;
}"""
"""From a click until the frame that shows what it did."""

SIZES = {"vae": 1_000_000, "ddpm": 5_000_000}


@pytest.mark.parametrize("name", SIZES)
def test_a_step_of_a_model_is_small_and_answers_at_once(name, page_of, made):
    page = page_of(name)
    assert made(name)[0].stat().st_size < SIZES[name]
    assert page.locator("#graph [aria-expanded=false]").count() > 2
    page.keyboard.press("End")
    for chosen in ("#back, #next", "#graph [aria-expanded=false]", "#graph .primitive"):
        times = [page.evaluate(MILLISECONDS, [chosen, i]) for i in range(6)]
        assert min(times) < 100, (chosen, times)  # the least: other programs take time as well


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["marks", "vae"])
def test_it_is_accessible(name, width, page_of, accessible):
    page = page_of(name, width)
    accessible(page)
    page.keyboard.press("End")
    accessible(page)
    page.keyboard.press("ArrowLeft")
    page.locator("#graph .box").first.click()
    page.click("#keys")
    accessible(page)


def test_who_asks_for_less_motion_gets_none(page_of):
    page = page_of("neuron")
    page.keyboard.press("End")
    name = "getComputedStyle(document.querySelector('.edge.now .line')).animationName"
    assert page.evaluate(name) == "flow"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(name) == "none"
