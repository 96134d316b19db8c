"""axe-core finds no fault on any view, light or dark, wide or narrow."""

from typing import Any

import pytest

from tests.serving.page.conftest import ask
from tests.serving.page.stand_in import MINE, StandIn
from tests.support.command import ROOT

AXE = ROOT / "page" / "node_modules" / "axe-core" / "axe.min.js"
URGENT = "Put my urgent issues into the current sprint, the most pressing first"

pytestmark = pytest.mark.skipif(not AXE.is_file(), reason="no axe-core here: npm ci --prefix page")


def faults(page: Any) -> list[str]:
    """The faults of the page as it stands, with the elements."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{fault['id']}: {node['html']}" for fault in found for node in fault["nodes"]]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view(page: Any, server: StandIn, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)
    assert faults(page) == []
    ask(page, URGENT)
    page.get_by_role("radio").nth(2).wait_for()
    assert faults(page) == []
    page.get_by_role("button", name="Correct it").click()
    page.get_by_label("Add an argument to step 2").select_option("limit")
    page.get_by_text("needs a value").wait_for()
    assert faults(page) == []
    page.get_by_role("link", name="Tools").click()
    page.locator(".tools summary").first.click()
    assert faults(page) == []
    server.corrections.append({"model": "worktracker", "request": URGENT, "plan": MINE})
    page.reload()
    page.get_by_role("link", name="Corrections").click()
    page.locator(".corrections summary").click()
    assert faults(page) == []
    server.fault = (429, "Too many requests wait.")
    page.get_by_role("link", name="Ask", exact=True).click()
    page.get_by_role("button", name="Book me a flight").click()
    page.get_by_role("alert").wait_for()
    assert faults(page) == []


def test_the_key(context: Any, server: StandIn) -> None:
    server.key = "open sesame"
    page = context.new_page()
    page.goto("")
    page.get_by_role("alert").wait_for()
    assert faults(page) == []
