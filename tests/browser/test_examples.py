"""The page of every example of chainrule trace: stepped through, at both widths."""

import numpy as np
import pytest

from autograd.traces.page import as_pages
from autograd.traces.values import MAX_WHOLE
from models.examples import EXAMPLES
from tests.browser.conftest import WIDTHS
from tests.browser.test_trace import box, numbers, section, steps


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example(name, tmp_path, opened, accessible):
    path, example = tmp_path / "page.html", EXAMPLES[name]
    traces = example.traces()
    path.write_text(as_pages(example.title, example.text, traces), "utf-8")
    page = opened(path, WIDTHS[list(EXAMPLES).index(name) % 2])
    assert page.inner_text("h1") == example.title
    tabs = page.locator("#tabs button")
    for i, trace in enumerate(traces.values()):
        if len(traces) > 1:
            tabs.nth(i).click()
        assert steps(page)[0] == 0
        texts = []
        while not page.is_disabled("#next"):
            page.keyboard.press("ArrowRight")
            texts.append(page.inner_text("#step"))
        assert len(texts) == steps(page)[1]
        assert sum("backward" in text for text in texts) >= 2  # an E step has no more
        page.locator("#graph .edge.passed .hit").last.dispatch_event("click")
        assert page.locator("#panel section").count() > 2
        page.keyboard.press("End")
        for number, made in enumerate(trace.nodes):
            value = trace.sweeps[-1].cotangents.get(number)
            shown = box(page, made.name)
            if made.kind != "leaf" or not value or value.size > MAX_WHOLE or shown.count() != 1:
                continue
            shown.click()
            text = section(page, "The gradient with respect").locator("table, .scalar").last
            found = numbers(text.inner_text())
            np.testing.assert_allclose(found, value.whole.ravel(), rtol=1e-3)
    accessible(page)
