"""The generator's loop: distinct, valid, seeded examples with a share of refusals, and what they cover."""

import re
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.errors import CatalogueError
from platypus.generation.examples import coverage_report, generate_examples
from platypus.generation.requests.phrasing import literals_said
from platypus.run.settings import GenerateSettings
from tests.support.command import ROOT


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def test_examples_are_valid_and_distinct_and_name_their_literals(worktracker: Catalogue) -> None:
    made = list(generate_examples(worktracker, GenerateSettings(examples=600), seed=0))
    assert len({example.query.lower() for example in made}) == 600
    for example in made:
        assert example.plan.problems(worktracker) == ()
        assert literals_said(example.plan, example.query)
        assert example.catalogue == worktracker.fingerprint
    refused = sum(not example.plan.steps for example in made) / 600
    assert 0.04 < refused < 0.13


def test_everything_occurs_as_often_as_the_setting_asks(worktracker: Catalogue) -> None:
    settings = GenerateSettings(examples=400, coverage=7)
    report = coverage_report(worktracker, settings, list(generate_examples(worktracker, settings, seed=1)))
    assert all(part["least"] >= 7 and part["covered"] == part["total"] for part in report.values())
    assert {kind: part["total"] for kind, part in report.items()} == {
        **{"tools": 9, "arguments": 19, "values": 11, "references": 20, "lengths": 5, "shapes": 5}
    }
    assert report["references"]["counts"]["get_sprint_id → add_work_items_to_sprint.sprint_id"] >= 7


def test_what_is_not_covered_is_reported(worktracker: Catalogue) -> None:
    settings = GenerateSettings(examples=20, coverage=50)
    report = coverage_report(worktracker, settings, list(generate_examples(worktracker, settings, seed=1)))
    assert {entry["why"] for part in report.values() for entry in part["uncovered"]} == {
        "it can be drawn, but too few examples were asked for"
    }


def test_refusals_record_their_kind(worktracker: Catalogue) -> None:
    made = list(generate_examples(worktracker, GenerateSettings(examples=300, refusals=0.3), seed=2))
    kinds = {example.origin.get("refusal") for example in made if not example.plan.steps}
    assert kinds == {"off-topic", "near-miss", "missing"}
    assert not any("refusal" in example.origin for example in made if example.plan.steps)


def test_equal_seeds_give_equal_examples(worktracker: Catalogue) -> None:
    def requests(seed: int) -> list[str]:
        return [example.query for example in generate_examples(worktracker, GenerateSettings(examples=50), seed=seed)]

    assert requests(3) == requests(3) != requests(4)


def test_a_catalogue_with_too_few_distinct_requests(worktracker: Catalogue) -> None:
    poor = catalogue_from_json([{"name": "ping", "description": "Pings", "outputSchema": {"type": "null"}}])
    with pytest.raises(CatalogueError, match="distinct requests could be made") as caught:
        list(generate_examples(poor, GenerateSettings(examples=200, refusals=0), seed=0))
    assert "Set examples = " in caught.value.remedy


def test_a_catalogue_without_a_callable_tool() -> None:
    needs = {"type": "object", "properties": {"x": {"type": "object"}}, "required": ["x"]}
    with pytest.raises(CatalogueError, match="no tool can be called"):
        list(generate_examples(catalogue_from_json([{"name": "a", "inputSchema": needs}]), GenerateSettings(), seed=0))


@pytest.fixture(scope="module")
def real_wording(shared_data: Path) -> Path:
    """The folder of small catalogues that are worded as real servers word theirs."""
    folder = shared_data.parent / "cases" / "catalogues"
    if not folder.is_dir():
        pytest.skip("no such catalogues here: ../shared/cases/catalogues is not beside this checkout")
    return folder


@pytest.mark.parametrize(
    ("name", "said", "never"),
    [
        (
            "markdown-description",
            "information about|documentation|topics",
            r"USE THIS|<example|\*\*|```|Share a|must call",
        ),
        ("error-list-description", "page|PAG", r"Error|40\d:|Workspace|\|"),
        (
            "not-imperative",
            "sub-issue|(?:create|make|add) an issue|issue",
            r"REST|can use|[Aa]ny user|youing|after youing",
        ),
    ],
)
def test_requests_say_only_what_a_tool_does(real_wording: Path, name: str, said: str, never: str) -> None:
    catalogue = read_catalogue(real_wording / f"{name}.json")
    settings = GenerateSettings(examples=60, refusals=0, context=0, typos=0)
    for example in generate_examples(catalogue, settings, seed=0):
        assert re.search(said, example.query) and not re.search(never, example.query), example.query


def texts(*tools: tuple[str, str, list[str]], title: str = "") -> list[str]:
    """Sixty requests for tools of a name, a description and required arguments."""
    definitions: list[dict[str, Any]] = []
    for name, description, arguments in tools:
        properties = {argument: {"type": "string"} for argument in arguments}
        inputs = {"type": "object", "properties": properties, "required": arguments}
        definitions.append({"name": name, "description": description, "inputSchema": inputs, "title": title})
    settings = GenerateSettings(examples=40, refusals=0, context=0, typos=0, max_steps=2)
    return [row.query for row in generate_examples(catalogue_from_json(definitions), settings, seed=1)]


@pytest.mark.parametrize(
    "description",
    [
        "## Overview\nCloses a ticket.\n\n- one\n- two\n\n```\nclose(1)\n```",
        "<purpose>Closes a ticket</purpose>\nWHEN TO USE:\n* always",
        "Tickets | Close a ticket\nErrors:\n401: who?\n",
        "\u26a0\ufe0f WARNING: you MUST ask first.\n\nThis tool closes a ticket and returns its state as JSON.",
    ],
)
def test_markdown_warnings_and_errors_stay_out_of_requests(description: str) -> None:
    for text in texts(("close_ticket", description, ["ticket_id"])):
        assert re.search("close", text, re.IGNORECASE), text
        assert not re.search(r"[#*<|`]|Overview|WHEN|Err|401:|MUST|JSON", text), text


@pytest.mark.parametrize(
    ("name", "description", "said"),
    [
        ("teams_create", "Everyone with a seat may start a team.", "(?:create|make|add) (?:a|the) team|team"),
        ("add_member", "You can use the HTTP API to add members to teams.", "add (?:the )?member"),
        ("member.remove", "Removal of a member", "(?:remove|delete|get rid of) "),
    ],
)
def test_what_is_no_imperative_is_said_by_the_name(name: str, description: str, said: str) -> None:
    for text in texts((name, description, ["team", "member"])):
        assert re.search(said, text, re.IGNORECASE) and not re.search("Everyone|HTTP|You can|Removal", text), text
