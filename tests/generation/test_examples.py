"""The generator's loop: distinct, valid, seeded examples with a share of refusals, and what they cover."""

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
        list(generate_examples(poor, GenerateSettings(examples=500, refusals=0), seed=0))
    assert "Set examples = " in caught.value.remedy


def test_a_catalogue_without_a_callable_tool() -> None:
    needs = {"type": "object", "properties": {"x": {"type": "object"}}, "required": ["x"]}
    with pytest.raises(CatalogueError, match="no tool can be called"):
        list(generate_examples(catalogue_from_json([{"name": "a", "inputSchema": needs}]), GenerateSettings(), seed=0))
