"""Photographs a report for docs/metrics.md. `python -m scripts.report_screenshots runs/demo/evaluate`

Needs Playwright and Chromium, as the tests of the page do.
"""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from scripts.page_screenshots import save
from tests.serving.page.conftest import CHROMIUM

TALLEST = 2600  # pixels of a picture


def main() -> None:
    """Write docs/report-*.png: wide, narrow, as it is printed, and a row."""
    address = f"file://{Path(sys.argv[1]).resolve() / 'report.html'}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, width in (("1280", 1280), ("390", 390), ("print", 794)):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(address)
            page.emulate_media(media="print" if name == "print" else "screen")
            save(page.screenshot(full_page=True, clip=top(page, width)), f"report-{name}.png")
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.select_option("#kind", "missing argument")
        page.locator("#list details").first.evaluate("row => row.open = true")
        page.wait_for_timeout(300)
        save(page.locator("#list .row").first.screenshot(), "report-row.png")


def top(page: Any, width: int) -> dict[str, float]:
    """The upper part of the page."""
    height = page.evaluate("document.documentElement.scrollHeight")
    return {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST)}


if __name__ == "__main__":
    main()
