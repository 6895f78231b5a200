"""A page of a file in a browser: nothing on its console, no request leaves the file."""

import shutil

import pytest

WIDTHS = (1280, 390)  # pixels: a projector, and a telephone


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("needs chromium: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """A function that opens a file; at the end of the test its console must be empty.

    `width` is that of the window, in pixels.
    """
    pages, noise = [], []

    def open_file(path, width=WIDTHS[0]):
        page = browser.new_page(viewport={"width": width, "height": 800})
        url = path.resolve().as_uri()
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on(
            "request", lambda r: r.url.startswith((url, "data:", "blob:")) or noise.append(r.url)
        )
        page.goto(url)
        pages.append(page)
        return page

    yield open_file
    for page in pages:
        page.close()
    assert not noise


@pytest.fixture
def accessible():
    """A function that fails for what axe-core finds serious on a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="extra `browser`")

    def check(page):
        found = axe.Axe().run(page).response["violations"]
        assert not [
            (v["id"], v["help"], [n["html"][:120] for n in v["nodes"]][:3])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]

    return check
