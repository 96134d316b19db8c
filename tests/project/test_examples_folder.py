"""The example catalogues and their tools agree with each other, and the tools give the answers worked out by hand."""

import importlib.util
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.plan.plan import Plan, Reference, parse_plan

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("worktracker", "crm")


def load_tools(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_tools", EXAMPLES / name / "tools.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def catalogue(name: str) -> Catalogue:
    return read_catalogue(EXAMPLES / name / "catalogue.json")


@pytest.fixture
def tracker() -> Any:
    return load_tools("worktracker").sample_tracker()


@pytest.fixture
def crm() -> Any:
    return load_tools("crm").sample_crm()


def execute(plan: Plan, tools: dict[str, Any]) -> list[Any]:
    """The output of every step."""
    outputs: list[Any] = []

    def value(argument: Any) -> Any:
        if isinstance(argument, list):
            return [value(element) for element in argument]
        return outputs[argument.step] if isinstance(argument, Reference) else argument

    for step in plan:
        outputs.append(
            tools[step.tool](**{name.replace(".", "_"): value(argument) for name, argument in step.arguments.items()})
        )
    return outputs


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_file_is_canonical(name: str) -> None:
    written = json.loads((EXAMPLES / name / "catalogue.json").read_text(encoding="utf-8"))
    assert catalogue(name).to_json() == written


@pytest.mark.parametrize("name", NAMES)
def test_tools_and_catalogue_have_the_same_tools_and_arguments(name: str, tracker: Any, crm: Any) -> None:
    tools = {"worktracker": tracker, "crm": crm}[name].tools()
    expected = {tool.name: [argument.name.replace(".", "_") for argument in tool.arguments] for tool in catalogue(name)}
    assert {tool: list(inspect.signature(function).parameters) for tool, function in tools.items()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_required_arguments_are_those_without_a_default(name: str, tracker: Any, crm: Any) -> None:
    tools = {"worktracker": tracker, "crm": crm}[name].tools()
    for tool in catalogue(name):
        parameters = inspect.signature(tools[tool.name]).parameters.values()
        required = [parameter.default is inspect.Parameter.empty for parameter in parameters]
        assert [argument.required for argument in tool.arguments] == required, tool.name


@pytest.mark.parametrize("name", NAMES)
def test_every_example_value_is_allowed(name: str) -> None:
    def check(schema: dict[str, Any]) -> int:
        for value in schema.get("examples", ()):
            Draft202012Validator(schema).validate(value)
        return len(schema.get("examples", ())) + (check(schema["items"]) if "items" in schema else 0)

    strings = [a for tool in catalogue(name) for a in tool.arguments if "string" in json.dumps(a.schema)]
    assert strings
    assert all(check(dict(argument.schema)) >= 3 or "enum" in json.dumps(argument.schema) for argument in strings)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"owned_by": ["DEVU-184"], "type": ["issue"]}, ["ISS-14", "ISS-52"]),
        ({"issue_priority": ["p0", "p1"]}, ["ISS-14", "ISS-33"]),
        ({"issue_rev_orgs": ["REV-9"]}, ["ISS-14"]),
        ({"ticket_rev_org": ["REV-9"]}, ["TKT-101", "TKT-203"]),
        ({"ticket_needs_response": True, "ticket_source_channel": ["slack"]}, ["TKT-203", "TKT-240"]),
        ({"ticket_needs_response": False}, ["TKT-118"]),
        ({"ticket_severity": ["low", "blocker"]}, ["TKT-101", "TKT-118"]),
        ({"applies_to_part": ["CAPL-7"], "limit": 2}, ["ISS-21", "TKT-240"]),
        ({"stage_name": ["testing"], "created_by": ["DEVU-57"]}, ["ISS-33", "TKT-203"]),
        ({"stage_name": ["no such stage"]}, []),
    ],
)
def test_works_list(tracker: Any, call: dict[str, Any], expected: list[str]) -> None:
    assert tracker.works_list(**call) == expected


def test_works_list_without_filters_lists_everything_up_to_the_limit(tracker: Any) -> None:
    assert tracker.works_list() == list(tracker.items)
    assert len(tracker.items) == 12
    assert tracker.works_list(limit=1) == ["ISS-14"]


def test_the_other_worktracker_tools(tracker: Any) -> None:
    assert tracker.who_am_i() == "DEVU-184"
    assert tracker.get_sprint_id() == "SPR-19"
    assert tracker.prioritize_objects(objects=["TASK-3", "ISS-21", "TKT-101", "TKT-240", "ISS-14"]) == [
        *("TKT-101", "ISS-14", "ISS-21", "TKT-240", "TASK-3")
    ]
    assert tracker.summarize_objects(objects=["ISS-21"]) == "Export misses a column (ISS-21, in backlog)."
    assert tracker.get_similar_work_items(work_id="ISS-14") == ["ISS-52", "TASK-8"]
    assert tracker.search_object_by_name(query="globex") == "REV-9"
    assert tracker.search_object_by_name(query="Search Api") == "FEAT-88"
    assert tracker.search_object_by_name(query="Tomas") == "DEVU-57"


def test_adding_to_a_sprint_twice_adds_once(tracker: Any) -> None:
    for _ in range(2):
        tracker.add_work_items_to_sprint(work_ids=["ISS-14", "ISS-33"], sprint_id="SPR-19")
    assert tracker.sprints["SPR-19"] == ["ISS-33", "ISS-14"]


def test_created_tasks_are_work_items_of_the_current_user(tracker: Any) -> None:
    created = tracker.create_actionable_tasks_from_text(text="Call Globex back. Refund the double payment.\nUse v1.2!")
    assert created == ["TASK-12", "TASK-13", "TASK-14"]
    assert [tracker.items[i].title for i in created] == ["Call Globex back", "Refund the double payment", "Use v1.2"]
    assert set(created) <= set(tracker.works_list(owned_by=["DEVU-184"], type=["task"]))


def test_an_unknown_id_is_named_in_the_error(tracker: Any, crm: Any) -> None:
    for call in (
        lambda: tracker.get_similar_work_items(work_id="ISS-999"),
        lambda: tracker.summarize_objects(objects=["ISS-999"]),
        lambda: tracker.add_work_items_to_sprint(work_ids=["ISS-999"], sprint_id="SPR-6"),
        lambda: tracker.add_work_items_to_sprint(work_ids=["ISS-14"], sprint_id="SPR-999"),
        lambda: tracker.search_object_by_name(query="SPR-999"),
        lambda: crm.summarize(objects=["MAT-999"]),
    ):
        with pytest.raises(LookupError, match="999"):
            call()
    assert "ISS-999" not in tracker.sprints["SPR-6"]


def test_crm_plan_runs(crm: Any) -> None:
    text = """[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "CustomerABC"}]},
      {"tool_name": "action_item", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[0]"}]},
      {"tool_name": "summarize", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[1]"}]}]"""
    plan = parse_plan(text, catalogue("crm"))
    assert isinstance(plan, Plan)
    matters, noted, summary = execute(plan, crm.tools())
    assert matters == noted == crm.action_items == ["MAT-3", "MAT-12"]
    assert summary == "CustomerABC: wants an offer for twenty seats. CustomerABC: cannot reach support."


def test_the_plan_in_the_readme_is_valid_and_runs(tracker: Any) -> None:
    readme = (EXAMPLES / "worktracker" / "README.md").read_text(encoding="utf-8")
    plan = parse_plan(readme.split("```json\n")[1].split("```")[0], catalogue("worktracker"))
    assert isinstance(plan, Plan)
    assert execute(plan, tracker.tools()) == ["DEVU-184", ["ISS-14"], "Login page times out (ISS-14, in triage)."]
