"""What people read: outputs by the names of their tools, alternatives, explanations, tools."""

from platypus.catalogue.reading import read_catalogue
from platypus.chat.explaining import explain
from platypus.chat.showing import alternative_lines, explanation_lines, plan_lines, tool_lines
from platypus.inference.planner import Answer
from platypus.plan.plan import Plan, Reference, Step
from tests.support.command import CRM
from tests.support.scripted_planner import SEARCH, SUMMARY

TOOLS = read_catalogue(CRM)


def plain(plan: Plan) -> str:
    return "\n".join(line.plain for line in plan_lines(plan))


def test_a_reference_is_shown_by_the_name_of_its_tool() -> None:
    assert plain(SUMMARY) == (
        '1. search\n     customer = "CustomerABC"\n2. summarize\n     objects ← the output of search'
    )
    assert plain(Plan()) == "No plan: these tools cannot answer that."


def test_a_step_has_its_number_where_its_tool_alone_does_not_say_which() -> None:
    search = Step("search", {"customer": "A"})
    plan = Plan((search, search, Step("summarize", {"objects": [Reference(1, ("all", "0")), "x"]})))
    assert plain(plan).endswith('objects ← [all.0 of the output of search (step 2), "x"]')


def test_the_lines_of_the_first_steps_are_the_first_lines_of_the_plan() -> None:
    search = Step("search", {"customer": "A"})
    plan = Plan(
        (search, Step("summarize", {"objects": Reference(0)}), search, Step("summarize", {"objects": Reference(0)}))
    )
    for count in range(1, len(plan)):
        assert plain(plan).startswith(plain(Plan(plan.steps[:count])))
    assert plain(plan).endswith("the output of search (step 1)")


def test_alternatives_have_their_probabilities() -> None:
    answers = [Answer("x", plan, "", 1, 1, "model", chance) for plan, chance in ((SUMMARY, 0.604), (SEARCH, 0.25))]
    lines = [line.plain for line in alternative_lines(answers, SEARCH)]
    assert lines[:2] == ["[1] 60.4%", "    1. search"] and lines[5] == "[2] 25.0%  (the present plan)"


def test_an_explanation_quotes_the_request() -> None:
    request = "Find the matters of customerABC, sum them up, and dance"
    lines = [line.plain for line in explanation_lines(explain(request, SUMMARY, TOOLS), SUMMARY)]
    assert lines == [
        "1. search",
        '     customer = "CustomerABC" from “customerABC”',
        "2. summarize from “sum”",
        "     objects ← the output of search",
        "No step has: “matters”, “dance”",
    ]


def test_tools_are_listed_and_found() -> None:
    assert [line.plain.split()[0] for line in tool_lines(TOOLS)] == ["search", "action_item", "summarize"]
    (first, *_) = tool_lines(TOOLS, "short text")
    assert first.plain.startswith("summarize  ")
    assert not [*tool_lines(TOOLS, "qqqq")]
