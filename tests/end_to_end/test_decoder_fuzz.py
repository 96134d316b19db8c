"""A fast part of benchmarks/fuzz_decoder.py: every plan is valid and canonical, every valid plan is accepted."""

import argparse
import json
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.fuzz_decoder import (
    FAILURES,
    Subject,
    completeness,
    drawn,
    followed,
    fuzz,
    nested_rows,
    of_servers,
    seed_rows,
    soundness,
    tiny_models,
)
from platypus.plan.plan import Plan, Reference, Step
from tests.support.server_schemas import Judge


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("number", range(100, 112))
def test_random_plans_are_valid(number: int, models: dict[str, Subject]) -> None:
    """Catalogues of 1 to 500 tools, both notations and tokenizers: see `fuzz`."""
    row = fuzz(number, models, 12, 0.25)
    assert row["counts"]["plans"] == 12 and row["counts"]["by a model"] == 3
    assert {name: row["counts"][name] for name in (*FAILURES, "waived")} == dict.fromkeys((*FAILURES, "waived"), 0)
    assert row["counts"]["steps"] > 2


def test_an_interrupted_fuzzing_is_continued(tmp_path: Path) -> None:
    file = tmp_path / "fuzz.jsonl"
    options = argparse.Namespace(plans=8, catalogues=4, first=200, models=0.0, seconds=0.0, file=file)
    with pytest.raises(SystemExit, match="no catalogue"):
        soundness(tmp_path, options)
    options.seconds = float("inf")
    options.catalogues, options.plans = 2, 4
    assert soundness(tmp_path, options)["plans"] == 4
    text_before = file.read_text()
    options.catalogues, options.plans = 4, 8
    report = soundness(tmp_path, options)
    assert report["plans"] == 8 and report["catalogues"] == 4
    assert file.read_text().startswith(text_before)
    assert [json.loads(line)["number"] for line in file.open()] == [200, 201, 202, 203]


LOAN = {
    "type": "object",
    "properties": {
        "book": {"type": "string", "pattern": r"^\p{Lu}\d{2,4}$"},
        "fee": {"type": "number", "exclusiveMinimum": 0, "maximum": 9007199254740991},
        "shelf": {"type": "array", "items": [{"type": "integer"}, {"enum": ["a", "b"]}], "minItems": 2},
        "notes": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}, "minProperties": 1},
        "due": {"oneOf": [{"type": "string", "format": "date"}, {"type": "integer", "not": {"const": 0}}]},
        "reader": {"type": "string"},
        "card": {"allOf": [{"$ref": "#/properties/reader"}, {"not": {"maxLength": 1}}]},
    },
    "required": ["book", "shelf"],
    "dependencies": {"reader": ["card"]},
    "anyOf": [{"required": ["fee"]}, {"required": ["due"]}],
    "$schema": "http://json-schema.org/draft-07/schema#",
}


def test_plans_for_a_server_are_valid_for_its_own_schemas(tmp_path: Path) -> None:
    tools = [{"name": "lend", "inputSchema": LOAN}, {"name": "two words"}, {"name": "open"}]
    (tmp_path / "library.json").write_text(json.dumps({"tools": tools}))
    report = of_servers(tmp_path, argparse.Namespace(catalogues=tmp_path, plans=40, models=0.25, seed=0))
    assert report["plans"] == 40 and report["tools"] == 3 and report["usable tools"] == 2
    assert {name: report[name] for name in FAILURES} == dict.fromkeys(FAILURES, 0)
    assert report["steps"] > 20 and not report["refused"]


def test_a_plan_that_a_server_would_refuse_is_noticed() -> None:
    judge = Judge({"lend": LOAN, "open": {}})
    good = {"book": "Ä12", "shelf": [1, "a"], "fee": 1}
    assert judge.problems(Plan((Step("lend", good),))) == []
    for change in ({"book": "a12"}, {"fee": 0}, {"shelf": ["a", 1]}, {"due": 0}, {"card": ""}, {"reader": "x"}):
        assert judge.problems(Plan((Step("lend", {**good, **change}),))), change
    assert judge.problems(Plan((Step("open"), Step("lend", {**good, "fee": 0, "card": Reference(0)}))))
    assert judge.problems(Plan((Step("open"), Step("lend", {**good, "card": Reference(0)})))) == []


def test_every_plan_of_the_generator_is_accepted(tmp_path: Path) -> None:
    counts = followed(tmp_path, {"generated": islice(drawn(80), 0, None, 4)})
    assert counts == {"generated": 20, "followed": 80}
    assert completeness(tmp_path, 0, tmp_path / "none", 1) == {}


@pytest.mark.parametrize(("rows", "every"), [(seed_rows, 75), (nested_rows, 80)])
def test_every_valid_row_of_real_data_is_accepted(rows: object, every: int, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / ("seed" if rows is seed_rows else "nested")
    counts = followed(tmp_path, {"real": rows(folder, every)})  # type: ignore[operator]
    assert counts["real"] > 9 and counts["followed"] == 4 * counts["real"]
    assert not counts["refused"]


def test_generated_plans_are_of_several_catalogues() -> None:
    assert len({catalogue.fingerprint for catalogue, _ in drawn(60)}) == 3
