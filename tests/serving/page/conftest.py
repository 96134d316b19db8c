"""A browser and the stand-in server, for the tests of the page."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving.page.stand_in import StandIn

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium; the test is skipped where it or Playwright is missing.

    While Playwright's synchronous interface is open, no other test of the process could run an event loop.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def server() -> Iterator[StandIn]:
    """The stand-in, running."""
    server = StandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def context(browser: Any, server: StandIn) -> Iterator[Any]:
    """A fresh profile, 1280 pixels wide. In the end, no script has failed and nothing was asked of others."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light", base_url=server.url)
    context.set_default_timeout(60_000)  # for a machine that has other work too
    errors: list[str] = []
    asked: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("console", lambda line: errors.append(line.text) if "Security Policy" in line.text else None)
    context.on("request", lambda request: asked.append(request.url))
    yield context
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []


@pytest.fixture
def page(context: Any) -> Any:
    """The page, just opened."""
    page = context.new_page()
    page.goto("")
    page.get_by_role("heading", name="Examples").wait_for()
    return page


def ask(page: Any, request: str) -> None:
    """Type the request, press Enter and wait for the answer, with every box in its place."""
    page.get_by_label("What should be done?").fill(request)
    page.get_by_label("What should be done?").press("Enter")
    page.locator(".answer").wait_for()
    page.locator(".answer :is(.canvas svg, .empty)").wait_for(state="attached")
