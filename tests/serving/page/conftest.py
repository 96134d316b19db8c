"""A browser and the stand-in server, for the tests of the page."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.serving.page.stand_in import StandIn

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# Two frames, or a fifth of a second in a tab that is not shown: what was done is drawn then.
DRAWN = """() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
    setTimeout(done, 200);
})"""


def drawn_after(act: Callable[..., None]) -> Callable[..., None]:
    """The action of a page or a locator, which ends when the page has drawn what it changed."""

    def acted(target: Any, *args: Any, **options: Any) -> None:
        act(target, *args, **options)
        getattr(target, "page", target).evaluate(DRAWN)

    return acted


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium; the test is skipped where it or Playwright is missing.

    While Playwright's synchronous interface is open, no other test of the process could run an event loop.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as tools, pytest.MonkeyPatch.context() as patched:
        for target in (playwright.Locator, playwright.Page):
            for name in ("click", "press", "fill", "select_option"):
                patched.setattr(target, name, drawn_after(getattr(target, name)))
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    """The stand-in, running."""
    server = StandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running: StandIn) -> StandIn:
    """The stand-in, running, as if it had just been started."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def profile(browser: Any, running: StandIn) -> Iterator[Any]:
    """A profile with one tab, for all tests of a module: a new one takes more than a second."""
    profile = browser.new_context(base_url=running.url)
    profile.set_default_timeout(60_000)  # for a machine that has other work too
    profile.new_page()
    yield profile
    profile.close()


@pytest.fixture
def context(profile: Any, server: StandIn) -> Iterator[Any]:
    """The profile, with nothing kept. In the end, no script has failed and nothing was asked of others."""
    (tab,) = profile.pages
    tab.goto("nothing")  # a page of the same server, whose storage it can empty
    tab.evaluate("localStorage.clear(); sessionStorage.clear()")
    errors: list[str] = []
    asked: list[str] = []
    listeners = {
        "weberror": lambda error: errors.append(str(error.error)),
        "console": lambda line: errors.append(line.text) if "Security Policy" in line.text else None,
        "request": lambda request: asked.append(request.url),
    }
    for event, listener in listeners.items():
        profile.on(event, listener)
    yield profile
    for event, listener in listeners.items():
        profile.remove_listener(event, listener)
    for other in profile.pages[1:]:
        other.close()
    tab.goto("about:blank")
    profile.clear_permissions()
    assert errors == []
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []


@pytest.fixture
def page(context: Any) -> Any:
    """The page, just opened in the tab: 1280 pixels wide, with the light theme."""
    page = context.pages[0]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    page.goto("")
    page.get_by_role("heading", name="Examples").wait_for()
    return page


def ask(page: Any, request: str) -> None:
    """Type the request, press Enter and wait for the answer, with every box in its place."""
    page.get_by_label("What should be done?").fill(request)
    with page.expect_response("**/v1/plan"):  # until then an earlier answer may stay
        page.get_by_label("What should be done?").press("Enter")
    page.locator(".waiting").wait_for(state="detached")
    page.locator(".answer").wait_for()
    page.locator(".answer :is(.canvas svg, .empty)").wait_for(state="attached")
