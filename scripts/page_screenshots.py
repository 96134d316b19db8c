"""Photographs the page for docs/page.md: wide and narrow, light and dark. `python -m scripts.page_screenshots`

Needs Playwright and Chromium, as the tests of the page do.
"""

import io
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.serving.page.conftest import CHROMIUM, ask
from tests.serving.page.stand_in import OWNED, StandIn
from tests.support.command import ROOT

REQUEST = "Put my urgent issues into the current sprint, the most pressing first"
COLOURS = 128


def main() -> None:
    """Write docs/page-*.png."""
    server = StandIn()
    server.start()
    server.corrections.append({"model": "worktracker", "request": "Sort the work of DEVU-7", "plan": OWNED})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, width, theme in (
            ("answer", 1280, "light"),
            ("correct", 1280, "dark"),
            ("answer", 390, "dark"),
            ("correct", 390, "light"),
        ):
            height = {1280: 1080, 390: 1080}[width]
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            page = context.new_page()
            page.goto(server.url)
            show(page, name)
            save(page.screenshot(), f"page-{name}-{width}.png")
            context.close()
    server.stop()


def show(page: Any, name: str) -> None:
    """Ask, and open the form if that is wanted."""
    ask(page, "Find work items owned by DEVU-7, then prioritize them")
    ask(page, REQUEST)
    page.get_by_role("radio").nth(2).wait_for()
    if name == "correct":
        page.get_by_role("button", name="Correct it").click()
        page.get_by_label("Add an argument to step 2").select_option("limit")
        page.get_by_label("limit of step 2", exact=True).fill("10")
        page.get_by_text("This plan is valid.").wait_for()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)


def save(picture: bytes, name: str) -> None:
    """Write a picture with few colours, which makes it small."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(ROOT / "docs" / name, optimize=True)


if __name__ == "__main__":
    main()
