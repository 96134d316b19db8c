"""Correcting on the page: the form, what it may save, what is kept, and all of it by keyboard."""

from typing import Any

import pytest

from platypus.catalogue.tools import Argument, Catalogue, Tool
from tests.serving.page.conftest import ask
from tests.serving.page.stand_in import ANSWERS, CATALOGUES, COMMAND, MINE, OWNED, SPRINT, StandIn, step

RESEMBLE = "Find all work items that resemble TKT-123 and put them into the current sprint"
OWN = "Find work items owned by DEVU-7, then prioritize them"
URGENT = "Put my urgent issues into the current sprint, the most pressing first"
VALID = "This plan is valid."


def correct(page: Any, request: str) -> None:
    """Ask, and open the form."""
    ask(page, request)
    page.get_by_role("button", name="Correct it").click()
    page.get_by_role("heading", name="What would be right?").wait_for()


def save(page: Any) -> None:
    """Save once the plan is valid."""
    page.get_by_text(VALID).wait_for()
    page.get_by_role("button", name="Save as right").click()
    page.get_by_text("to be learned").first.wait_for()


def options(select: Any) -> list[str]:
    """The choices of a select."""
    return [str(text) for text in select.locator("option").all_inner_texts()]


def test_a_corrected_plan_is_saved_shown_and_kept(page: Any, server: StandIn) -> None:
    correct(page, OWN)
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("Tool of step 3").select_option("summarize_objects")
    page.get_by_label("Where objects of step 3 comes from").select_option(label="output of step 2 · prioritize_objects")
    save(page)
    right = [*OWNED, step("summarize_objects", objects="$$PREV[1]")]
    assert server.corrections == [{"model": "worktracker", "request": OWN, "plan": right, "answered": OWNED}]
    page.reload()
    page.get_by_text("to be learned").first.wait_for()
    page.locator(".choices label").first.wait_for()
    assert page.locator(".step").count() == 3
    assert page.locator(".choices label").first.inner_text().endswith("yours")
    page.get_by_role("link", name="Corrections 1").click()
    assert page.get_by_label("Command", exact=True).inner_text().strip() == COMMAND
    page.locator(".corrections summary").click()
    assert page.locator(".corrections .step").count() == 3


def test_a_right_plan_is_saved_as_it_is(page: Any, server: StandIn) -> None:
    ask(page, RESEMBLE)
    page.get_by_role("button", name="Save as right").click()
    page.get_by_text("to be learned").first.wait_for()
    assert [one["plan"] for one in server.corrections] == [SPRINT]
    assert page.locator("#announcer").inner_text() == "Saved as right. One correction to learn."


def test_only_what_fits_can_be_connected(page: Any) -> None:
    correct(page, URGENT)
    assert options(page.get_by_label("Where sprint_id of step 5 comes from")) == [
        "a value",
        "output of step 4 · get_sprint_id",
    ]
    assert options(page.get_by_label("Where work_ids of step 5 comes from", exact=True)) == [
        "a value",
        "output of step 2 · works_list",
        "output of step 3 · prioritize_objects",
    ]
    objects = page.get_by_label("Where objects of step 3 comes from", exact=True)
    objects.select_option(label="a value")
    page.get_by_role("button", name="Add a value to objects of step 3").click()
    assert options(page.get_by_label("Where objects of step 3, value 1 comes from")) == [
        "a value",
        "output of first of step 2 · works_list",
    ]


def test_an_invalid_plan_cannot_be_saved(page: Any, server: StandIn) -> None:
    correct(page, OWN)
    page.get_by_role("button", name="Remove step 1").click()
    assert "needs a value" in page.locator(".draft").inner_text()
    page.get_by_text("One problem left").wait_for()
    button = page.get_by_role("button", name="Save as right")
    assert button.get_attribute("aria-disabled") == "true"
    button.click(force=True)
    page.get_by_role("button", name="Add a value to objects").click()
    page.get_by_label("objects of step 1, value 1", exact=True).fill("ISS-14")
    save(page)
    assert [one["plan"] for one in server.corrections] == [[step("prioritize_objects", objects=["ISS-14"])]]


def test_the_servers_problems_stand_at_their_argument(page: Any) -> None:
    correct(page, OWN)
    page.get_by_label("Add an argument to step 1").select_option("limit")
    page.get_by_label("limit of step 1", exact=True).fill("0")
    page.get_by_text("0 is less than the minimum of 1").wait_for()
    page.get_by_label("limit of step 1", exact=True).and_(page.locator('[aria-invalid="true"]')).wait_for()
    page.get_by_label("limit of step 1", exact=True).fill("some")
    page.get_by_text("'some' is not of type 'integer'").wait_for()
    page.get_by_label("limit of step 1", exact=True).fill("10")
    page.get_by_text(VALID).wait_for()


def test_steps_are_moved_with_their_references(page: Any, server: StandIn) -> None:
    correct(page, RESEMBLE)
    blocked = page.get_by_role("button", name="Move step 3 up: Step 3 uses the output of step 2")
    assert blocked.get_attribute("aria-disabled") == "true"
    page.get_by_role("button", name="Move step 1 down").click()
    assert page.get_by_label("Tool of step 1").input_value() == "get_sprint_id"
    save(page)
    moved = [SPRINT[1], SPRINT[0], step("add_work_items_to_sprint", work_ids="$$PREV[1]", sprint_id="$$PREV[0]")]
    assert [one["plan"] for one in server.corrections] == [moved]


def test_a_removed_step_renumbers_the_others(page: Any, server: StandIn) -> None:
    correct(page, URGENT)
    page.get_by_role("button", name="Remove step 3").click()
    page.get_by_label("Where work_ids of step 4 comes from", exact=True).select_option(
        label="output of step 2 · works_list"
    )
    save(page)
    last = step("add_work_items_to_sprint", work_ids="$$PREV[1]", sprint_id="$$PREV[2]")
    assert [one["plan"] for one in server.corrections] == [[*MINE[:2], MINE[3], last]]


def test_a_plan_without_steps_can_be_saved(page: Any, server: StandIn) -> None:
    correct(page, OWN)
    page.get_by_role("button", name="Remove step 2").click()
    page.get_by_role("button", name="Remove step 1").click()
    save(page)
    assert [one["plan"] for one in server.corrections] == [[]]


def test_cancelling_changes_nothing_and_returns_the_focus(page: Any, server: StandIn) -> None:
    correct(page, OWN)
    page.get_by_role("button", name="Remove step 2").click()
    page.get_by_role("button", name="Cancel").click()
    assert page.locator(".step").count() == 2
    assert page.evaluate("document.activeElement.textContent") == "Correct it"
    assert server.corrections == []


def test_a_server_that_goes_while_a_plan_is_corrected(page: Any, server: StandIn) -> None:
    correct(page, OWN)
    page.get_by_text(VALID).wait_for()
    server.stop()
    page.get_by_role("button", name="Save as right").click()
    notice = page.get_by_role("alert", name="The server is gone")
    notice.wait_for()
    server.start()
    notice.get_by_role("button", name="Try again").click()
    save(page)
    assert [one["plan"] for one in server.corrections] == [OWNED]


KINDS: dict[str, Any] = {
    "text": {"type": "string", "description": "a text"},
    "number": {"type": "number"},
    "whole": {"type": "integer"},
    "flag": {"type": "boolean"},
    "choice": {"enum": ["a", 2, None]},
    "fixed": {"const": "always"},
    "list": {"type": "array", "items": {"type": "integer"}},
    "lists": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
    "object": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "zip": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "free object": {"type": "object"},
    "anything": {},
    "either": {"type": ["string", "null"]},
    "number or list": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
    "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
}
VALUES = {
    "text": "two\nlines",
    "number": 0.25,
    "whole": 12345678901234567890,
    "flag": False,
    "choice": None,
    "fixed": "always",
    "list": [1, 2],
    "lists": [["a"], []],
    "object": {"city": "Graz", "zip": 8010},
    "free object": {"a": [1, {"b": None}]},
    "anything": ["x", True],
    "either": None,
    "number or list": [3],
    "pair": ["a", 1],
}


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue whose tool takes every kind of value, and a tool whose output nobody described."""
    tool = Tool("take", "Takes all", tuple(Argument(name, schema, required=True) for name, schema in KINDS.items()))
    read = Tool("read", "Reads something", ())
    monkeypatch.setitem(CATALOGUES, "worktracker", Catalogue((tool, read)))
    given = [{"argument_name": name, "argument_value": value} for name, value in VALUES.items()]
    monkeypatch.setitem(ANSWERS, "All kinds", [([{"tool_name": "take", "arguments": given}], 0.5, 0.5)])
    monkeypatch.setitem(ANSWERS, "Nothing yet", [([step("read"), step("take")], 0.5, 0.5)])


def test_every_kind_of_value_passes_the_form_unchanged(kinds: None, page: Any, server: StandIn) -> None:
    correct(page, "All kinds")
    save(page)
    (saved,) = server.corrections
    assert {one["argument_name"]: one["argument_value"] for one in saved["plan"][0]["arguments"]} == VALUES


def test_every_kind_of_value_can_be_filled_in(kinds: None, page: Any, server: StandIn) -> None:
    correct(page, "Nothing yet")
    page.get_by_label("Tool of step 2").select_option("read")
    page.get_by_label("Tool of step 2").select_option("take")

    def field(name: str) -> Any:
        return page.get_by_label(f"{name} of step 2", exact=True)

    def add(name: str, last: str) -> Any:
        page.get_by_role("button", name=f"Add a value to {name} of step 2{last}", exact=True).click()
        return page.get_by_label(f"{name} of step 2{last}, value", exact=False).last

    for name in ("text", "number", "whole"):
        field(name).fill(str(VALUES[name]))
    for name, label in (("flag", "false"), ("choice", "null"), ("fixed", "always")):
        field(name).select_option(label=label)
    for i in (1, 2):
        page.get_by_role("button", name="Add a value to list of step 2").click()
        page.get_by_label(f"list of step 2, value {i}", exact=True).fill(str(i))
    for _ in range(2):
        page.get_by_role("button", name="Add a value to lists of step 2", exact=True).click()
    page.get_by_role("button", name="Add a value to lists of step 2, value 2").click()
    page.get_by_role("button", name="Remove lists of step 2, value 2, value 1").click()
    page.get_by_role("button", name="Add a value to lists of step 2, value 1").click()
    page.get_by_label("lists of step 2, value 1, value 1", exact=True).fill("a")
    page.get_by_label("object of step 2, city", exact=True).fill("Graz")
    page.get_by_label("Add to object of step 2").select_option("zip")
    page.get_by_label("object of step 2, zip", exact=True).fill("8010")
    field("free object").fill('{"a": [1, {"b": null}]}')
    field("anything").fill('["x", true]')
    page.get_by_label("Kind of either of step 2").select_option(label="nothing")
    field("either").select_option(label="null")
    page.get_by_label("Kind of number or list of step 2").select_option(label="list of whole number")
    page.get_by_role("button", name="Add a value to number or list of step 2").click()
    page.get_by_label("number or list of step 2, value 1", exact=True).fill("3")
    field("pair").fill('["a", 1]')
    save(page)
    (saved,) = server.corrections
    assert {one["argument_name"]: one["argument_value"] for one in saved["plan"][1]["arguments"]} == VALUES


def test_a_field_of_an_output_that_nobody_described(kinds: None, page: Any, server: StandIn) -> None:
    correct(page, "All kinds")
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("Tool of step 2").select_option("read")
    page.get_by_role("button", name="Move step 2 up").click()
    page.get_by_label("Where text of step 2 comes from").select_option(label="output of step 1 · read")
    named = page.get_by_label("Field of the output for text of step 2")
    named.fill("items.0.title")
    save(page)
    (saved,) = server.corrections
    assert saved["plan"][1]["arguments"][0]["argument_value"] == "$$PREV[0].items.0.title"


def test_all_of_it_by_keyboard(page: Any, server: StandIn) -> None:
    """No mouse: ask, choose an alternative, correct it, save it."""

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "(document.activeElement.ariaLabel || document.activeElement.textContent || '').trim()"
            )
            if focused == name:
                return
        raise AssertionError(f"Tab does not lead to {name!r}")

    tab_to("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "request"
    page.keyboard.type(OWN)
    page.keyboard.press("Enter")
    page.locator(".answer").wait_for()
    tab_to("Look for other plans")
    page.keyboard.press("Enter")
    page.get_by_role("radio").nth(1).wait_for()
    while page.evaluate("document.activeElement.type") != "radio":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.get_by_role("heading", name="One step").wait_for()
    tab_to("Correct it")
    page.keyboard.press("Enter")
    tab_to("Add a step")
    page.keyboard.press("Enter")
    page.get_by_label("Tool of step 2").wait_for()
    page.wait_for_function("document.activeElement.ariaLabel === 'Tool of step 2'")
    page.keyboard.type("summ")
    tab_to("Where objects of step 2 comes from")
    page.keyboard.press("ArrowDown")
    page.get_by_text(VALID).wait_for()
    tab_to("Save as right")
    page.keyboard.press("Enter")
    page.get_by_text("to be learned").first.wait_for()
    assert [one["plan"] for one in server.corrections] == [[OWNED[0], step("summarize_objects", objects="$$PREV[0]")]]
    assert page.evaluate("document.activeElement.textContent") == "Correct it"
