"""The page with a real server that asks for a key, and a real planner."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platypus.serving.keys import Keys, add_key
from platypus.serving.planners import Planners, Served
from platypus.serving.server import Options
from tests.serving.conftest import LIMITS, listening
from tests.serving.page.conftest import ask

REQUEST = "List the work items that are owned by DEVU-7, then prioritize them"


@pytest.fixture
def key(tmp_path: Path) -> str:
    return add_key(tmp_path / "keys", "ann")


@pytest.fixture
def guarded(served: Served, key: str, tmp_path: Path) -> Iterator[str]:
    """The address of a server that only answers with the key."""
    one = replace(served, corrections=tmp_path / "corrections.jsonl")
    options = Options(LIMITS, Keys.read(tmp_path / "keys"), quiet=True)
    with listening(Planners([one], room=LIMITS.cache), options) as address:
        yield address


def test_with_a_key_one_asks_corrects_and_comes_back(browser: Any, guarded: str, key: str, tmp_path: Path) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(60_000)
    page.goto(guarded)
    notice = page.get_by_role("alert", name="This server asks for a key")
    notice.get_by_text("Whoever runs the server can give you one.").wait_for()
    for tried in ("pk-wrong", f" {key} "):
        notice.get_by_label("Key").fill(tried)
        notice.get_by_role("button", name="Use it").click()
        if tried == "pk-wrong":
            notice.get_by_text("It does not know the key that was given.").wait_for()
            assert notice.get_by_label("Key").input_value() == ""
    page.get_by_role("link", name="Tools 9").wait_for()
    ask(page, REQUEST)
    page.get_by_role("button", name="Correct it").click()
    page.get_by_role("button", name="Remove step 2").click()
    page.get_by_text("This plan is valid.").wait_for()
    page.get_by_role("button", name="Save as right").click()
    page.get_by_role("link", name="Corrections 1").wait_for()
    page.reload()
    page.get_by_role("link", name="Corrections 1").wait_for()
    assert page.get_by_role("alert").count() == 0
    (kept,) = map(json.loads, (tmp_path / "corrections.jsonl").read_text().splitlines())
    assert kept["query"] == REQUEST and len(kept["plan"]) == 1
