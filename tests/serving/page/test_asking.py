"""Asking on the page: graph, JSON, alternatives, history, links, theme, and a server that does not answer."""

import json
from typing import Any

import pytest

from tests.serving.page.conftest import ask
from tests.serving.page.stand_in import ANSWERS, CATALOGUES, MINE, SPRINT, StandIn, step

RESEMBLE = "Find all work items that resemble TKT-123 and put them into the current sprint"
URGENT = "Put my urgent issues into the current sprint, the most pressing first"
LISBON = "Book me a flight to Lisbon"


def boxes(page: Any) -> list[dict[str, float]]:
    """The places of the steps' boxes, in order."""
    return [box.bounding_box() for box in page.locator(".step").all()]


def apart(a: dict[str, float], b: dict[str, float]) -> bool:
    """Whether two boxes do not overlap."""
    beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
    return beside or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]


def test_a_request_gets_a_graph_and_json(page: Any) -> None:
    ask(page, RESEMBLE)
    assert page.locator("#answer-title").inner_text() == "Three steps"
    assert "Almost certainly right" in page.locator(".sureness").inner_text()
    assert "97 in 100" in page.locator(".sureness").inner_text()
    assert page.locator(".step .head").all_inner_texts() == [f"{i}\n{s['tool_name']}" for i, s in enumerate(SPRINT, 1)]
    assert page.locator(".step").nth(2).locator("dd").all_inner_texts() == ["output of step 1", "output of step 2"]
    assert page.locator(".arrow").count() == 2
    assert page.locator(".graph text").all_text_contents() == ["work_ids", "sprint_id"]
    assert json.loads(page.locator(".json pre").inner_text()) == SPRINT
    assert page.locator("#announcer").inner_text() == "A plan with three steps. Almost certainly right."


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("request_", [RESEMBLE, URGENT])
def test_boxes_do_not_overlap_and_the_page_does_not_scroll_sideways(page: Any, width: int, request_: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    ask(page, request_)
    found = boxes(page)
    assert len(found) == len(ANSWERS[request_][0][0])
    assert all(apart(a, b) for i, a in enumerate(found) for b in found[:i])
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in found)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_on_a_wide_page_independent_steps_stand_beside_each_other(page: Any) -> None:
    ask(page, RESEMBLE)
    first, second, third = boxes(page)
    assert first["x"] < second["x"]
    assert abs(first["y"] + first["height"] / 2 - second["y"] - second["height"] / 2) < 2
    assert third["y"] > first["y"] + first["height"]


def test_an_alternative_can_be_chosen(page: Any) -> None:
    ask(page, RESEMBLE)
    page.get_by_role("button", name="Look for other plans").click()
    choices = page.get_by_role("group", name="Plans, most likely first").get_by_role("radio")
    choices.nth(2).wait_for()
    assert page.locator(".share").all_inner_texts() == ["91%", "5%", "< 1%"]
    choices.nth(1).check()
    assert json.loads(page.locator(".json pre").inner_text()) == SPRINT[:1]
    assert page.locator("#answer-title").inner_text() == "One step"
    choices.nth(2).check()
    assert page.locator("#answer-title").inner_text() == "No tool here can do this"


def test_alternatives_come_by_themselves_if_the_planner_is_not_sure(page: Any, server: StandIn) -> None:
    ask(page, URGENT)
    choices = page.get_by_role("group", name="Plans, most likely first").get_by_role("radio")
    choices.nth(2).wait_for()
    assert choices.first.is_checked()
    assert server.asked == [URGENT, URGENT]


def test_alternatives_that_differ_in_arguments_are_told_apart(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [([step("works_list", owned_by=[user])], 0.3, 0.3) for user in ("DEVU-1", "DEVU-2")]
    monkeypatch.setitem(ANSWERS, "List", [*plans, ([step("who_am_i")], 0.35, 0.3)])
    ask(page, "List")
    page.get_by_role("radio").nth(2).wait_for()
    assert page.locator(".choices .code").all_inner_texts() == [
        "who_am_i",
        'works_list(owned_by: ["DEVU-1"])',
        'works_list(owned_by: ["DEVU-2"])',
    ]
    assert page.get_by_role("radio").nth(1).is_checked()  # the first answer stays the one that is shown


def test_a_search_for_alternatives_that_fails(page: Any, server: StandIn) -> None:
    ask(page, RESEMBLE)
    server.fault = (503, "The model is busy.")
    page.get_by_role("button", name="Look for other plans").click()
    page.get_by_text("No other plans: The model is busy.").wait_for()
    server.fault = None
    page.get_by_role("button", name="Look for other plans").click()
    page.get_by_role("radio").nth(2).wait_for()


def test_a_request_beyond_the_tools(page: Any) -> None:
    page.get_by_role("button", name=LISBON).click()
    page.locator(".answer").wait_for()
    assert page.locator("#answer-title").inner_text() == "No tool here can do this"
    assert page.locator(".json pre").inner_text() == "[]"


def test_a_planner_without_calibration_says_so(page: Any) -> None:
    page.get_by_label("Planner").select_option("crm")
    page.get_by_role("button", name="Search for the customer").click()
    assert "Confidence unknown" in page.locator(".sureness").inner_text()


def test_the_plan_and_the_link_are_copied(context: Any, page: Any) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, RESEMBLE)
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Copied").wait_for()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == SPRINT
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('http'))")
    link = page.evaluate("navigator.clipboard.readText()")
    other = context.browser.new_context().new_page()
    other.goto(link)
    other.locator(".answer").wait_for()
    assert other.get_by_label("What should be done?").input_value() == RESEMBLE
    other.context.close()


def test_a_link_names_the_model(page: Any, server: StandIn) -> None:
    customer = "Search for the customer CustomerABC and create action items from the results"
    page.goto(f"{server.url}#request={customer.replace(' ', '%20')}&model=crm")
    page.locator(".answer").wait_for()
    assert page.get_by_label("Planner").input_value() == "crm"
    assert page.locator(".step .head").all_inner_texts() == ["1\nsearch", "2\naction_item"]


def test_a_model_that_is_not_there_is_said(page: Any) -> None:
    page.evaluate("location.hash = 'request=Anything&model=gone'")
    page.get_by_text("This server has no planner named gone; worktracker answers.").wait_for()


def test_integers_keep_all_their_digits(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = [step("works_list", limit=12345678901234567890)]
    monkeypatch.setitem(ANSWERS, "Many", [(plan, 1.0, 1.0)])
    ask(page, "Many")
    assert json.loads(page.locator(".json pre").inner_text()) == plan
    assert page.locator(".step dd").inner_text() == "12345678901234567890"


def test_texts_are_shown_and_never_run(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "<img src=x onerror=alert(1)>\n</script> $$PREV"
    monkeypatch.setitem(
        ANSWERS, hostile.replace("\n", " "), [([step("search_object_by_name", query=hostile)], 0.5, 0.5)]
    )
    ask(page, hostile.replace("\n", " "))
    assert page.locator(".step dd").inner_text() == hostile
    assert page.locator("main img").count() == 0


def test_requests_are_remembered(page: Any) -> None:
    ask(page, RESEMBLE)
    ask(page, LISBON)
    page.goto("about:blank")
    page.go_back()
    page.goto("")
    earlier = page.get_by_role("region", name="Asked before")
    assert earlier.locator("li button").all_inner_texts() == [LISBON, RESEMBLE]
    earlier.get_by_role("button", name=RESEMBLE).click()
    page.locator(".answer").wait_for()
    assert page.locator("#answer-title").inner_text() == "Three steps"
    page.get_by_role("button", name="Clear").click()
    page.reload()
    page.locator(".answer").wait_for()
    assert page.get_by_role("region", name="Asked before").count() == 0


def test_going_back_shows_the_request_before(page: Any) -> None:
    ask(page, RESEMBLE)
    page.get_by_role("button", name=LISBON).click()
    page.get_by_role("heading", name="No tool here can do this").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Three steps").wait_for()
    assert page.get_by_label("What should be done?").input_value() == RESEMBLE


def test_the_catalogue_is_searched(page: Any) -> None:
    page.get_by_role("link", name="Tools").click()
    assert page.locator(".tools details").count() == len(CATALOGUES["worktracker"])
    page.get_by_label("Search the tools").fill("sprint")
    names = page.locator(".tools summary .code").all_inner_texts()
    assert names == ["add_work_items_to_sprint", "get_sprint_id"]
    page.locator(".tools summary").first.click()
    assert "list of text (work-item)" in page.locator(".tools details[open]").inner_text()
    assert "required" in page.locator(".tools details[open]").inner_text()


def test_a_step_leads_to_its_tool_and_back_to_the_answer(page: Any, server: StandIn) -> None:
    ask(page, RESEMBLE)
    page.locator(".step").get_by_role("link", name="get_sprint_id").click()
    assert page.locator(".tools details[open] summary .code").inner_text() == "get_sprint_id"
    page.get_by_role("link", name="Ask").click()
    assert page.locator("#answer-title").inner_text() == "Three steps"
    assert server.asked == [RESEMBLE]


def test_the_theme_follows_the_system_until_it_is_switched(page: Any) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Light theme").wait_for()
    dark = page.evaluate(ground)
    assert dark != light
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(ground) == light
    page.reload()
    page.get_by_role("button", name="Dark theme").wait_for()
    assert page.evaluate(ground) == light


def test_a_busy_server(page: Any, server: StandIn) -> None:
    server.fault = (429, "Too many requests wait.")
    page.get_by_role("button", name=RESEMBLE).click()
    notice = page.get_by_role("alert", name="The server is busy")
    assert "Too many requests wait. It asks to wait 2 seconds." in notice.inner_text()
    server.fault = None
    notice.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="Three steps").wait_for()


def test_a_server_that_is_starting_is_asked_again(page: Any, server: StandIn) -> None:
    server.fault = (503, "The model is being loaded.")
    page.get_by_role("button", name=RESEMBLE).click()
    page.get_by_role("alert", name="The planner is not ready yet").wait_for()
    server.fault = None
    page.get_by_role("heading", name="Three steps").wait_for()


def test_a_server_that_is_gone(page: Any, server: StandIn) -> None:
    server.stop()
    page.get_by_role("button", name=RESEMBLE).click()
    notice = page.get_by_role("alert", name="The server is gone")
    notice.wait_for()
    server.start()
    notice.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="Three steps").wait_for()


def test_a_refused_request_shows_the_reason(page: Any, server: StandIn) -> None:
    server.fault = (413, "The request is longer than the model's context.")
    page.get_by_role("button", name=RESEMBLE).click()
    assert "longer than the model's context" in page.get_by_role("alert", name="That did not work").inner_text()


def test_a_key_is_asked_for_and_kept_for_the_tab(context: Any, server: StandIn) -> None:
    server.key = "open sesame"
    page = context.new_page()
    page.goto("")
    notice = page.get_by_role("alert", name="This server asks for a key")
    notice.get_by_label("Key").fill("wrong")
    notice.get_by_role("button", name="Use it").click()
    notice.get_by_label("Key").fill("open sesame")
    notice.get_by_role("button", name="Use it").click()
    page.get_by_role("heading", name="Examples").wait_for()
    page.reload()
    page.get_by_role("heading", name="Examples").wait_for()
    assert page.evaluate("Object.values(localStorage).join()").count("sesame") == 0
    assert page.evaluate("sessionStorage.length") == 1


def test_a_request_can_be_stopped(page: Any, server: StandIn) -> None:
    server.delay = 5
    page.get_by_role("button", name=RESEMBLE).click()
    page.get_by_role("button", name="Stop").click()
    page.locator(".waiting").wait_for(state="detached")
    assert server.asked == [RESEMBLE]
    server.delay = 0
    page.get_by_role("button", name="Plan it").click()
    page.get_by_role("heading", name="Three steps").wait_for()


def test_what_is_saved_while_the_page_is_closed_is_seen(page: Any, server: StandIn) -> None:
    server.corrections.append({"model": "worktracker", "request": URGENT, "plan": MINE})
    page.reload()
    page.get_by_role("link", name="Corrections 1").wait_for()
