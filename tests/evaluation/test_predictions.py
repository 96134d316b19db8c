"""Answers in files, by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.data.dataset import Example, Rejected
from platypus.errors import DatasetError
from platypus.evaluation.predictions import MISSING, read_predictions, said_of
from platypus.plan.plan import Malformed, Plan, Step
from tests.evaluation.test_metrics import CATALOGUE, plan

CALL = [{"tool_name": "me", "arguments": []}]
ROWS = [Example(query, Plan((Step("me"),)), "", {}) for query in ("a", "b", "a")]


def file_of(folder: Path, *lines: Any) -> str:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_a_plan_is_read_from_json_or_from_text_in_either_notation() -> None:
    for answer in (CALL, json.dumps(CALL), "me()"):
        assert said_of(answer, CATALOGUE).plan == said_of(answer, CATALOGUE).said == plan("me()")
    unknown = said_of("fly()", CATALOGUE)
    assert isinstance(unknown.plan, Malformed) and unknown.said == Plan((Step("fly"),))
    prose = said_of("I cannot do that.", CATALOGUE)
    assert isinstance(prose.plan, Malformed) and prose.said is None and prose.text == "I cannot do that."
    assert isinstance(said_of({"name": "me"}, CATALOGUE).plan, Malformed)


def test_answers_go_to_the_rows_with_their_requests_in_order(tmp_path: Path) -> None:
    source = file_of(tmp_path, {"query": "a", "plan": CALL}, {"query": "a", "plan": None, "answer": "sprint()"})
    found = read_predictions(source, ROWS, CATALOGUE)
    assert [answer.text for answer in found] == [json.dumps(CALL), "", "sprint()"] and found[1] is MISSING
    assert isinstance(MISSING.plan, Malformed) and MISSING.plan.problems[0].kind == "missing"


def test_without_requests_they_go_by_their_places(tmp_path: Path) -> None:
    lines = [{"prediction": "me()"}, {"response": "sprint()"}, {"output": "[]"}]
    assert [answer.text for answer in read_predictions(file_of(tmp_path, *lines), ROWS, CATALOGUE)] == [
        *("me()", "sprint()", "[]")
    ]
    with pytest.raises(DatasetError, match="has 2 answers for 3 rows"):
        read_predictions(file_of(tmp_path, *lines[:2]), ROWS, CATALOGUE)


def test_null_is_no_answer(tmp_path: Path) -> None:
    for name in ("query", "place"):  # with requests and without
        lines = [{name: query, "plan": plan} for query, plan in (("a", CALL), ("b", None), ("a", []))]
        found = read_predictions(file_of(tmp_path, *lines), ROWS, CATALOGUE)
        assert [answer.text for answer in found] == [json.dumps(CALL), "", "[]"] and found[1] is MISSING


@pytest.mark.parametrize("key", ["query", "place"])
@pytest.mark.parametrize("answered", [4, 3])
def test_answers_to_rows_that_are_left_out_are_left_out(tmp_path: Path, key: str, answered: int) -> None:
    """The first row cannot be used; a planner answered all rows, or those alone that can be."""
    bad = Rejected("gold.jsonl", 1, "bad", {"query": "a"})
    lines = [{key: query, "answer": f"me{n}()"} for n, query in enumerate("aaba")][-answered:]
    found = read_predictions(file_of(tmp_path, *lines), [bad, *ROWS], CATALOGUE)
    assert [answer.text for answer in found] == ["me1()", "me2()", "me3()"] and ROWS[1].query == "b"
    with pytest.raises(DatasetError):
        read_predictions(file_of(tmp_path, *lines, *lines), [bad, *ROWS], CATALOGUE)


def test_of_several_variants_the_last_one_answers(tmp_path: Path) -> None:
    lines = [{"variant": name, "query": q, "plan": []} for name in ("before", "after") for q in ("a", "b", "a")]
    lines[-1]["plan"] = CALL
    found = read_predictions(file_of(tmp_path, *lines), ROWS, CATALOGUE)
    assert [answer.text for answer in found] == ["[]", "[]", json.dumps(CALL)]


def test_a_request_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"jsonl:1: has a `query` that is no text"):
        read_predictions(file_of(tmp_path, {"query": ["a"], "plan": []}), ROWS, CATALOGUE)


def test_what_belongs_to_no_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="belong to no row, the first to 'c'"):
        read_predictions(file_of(tmp_path, {"query": "c", "answer": "me()"}), ROWS, CATALOGUE)
    with pytest.raises(DatasetError, match=r"answers.jsonl:1: is no prediction\n.*`plan`, `answer`"):
        read_predictions(file_of(tmp_path, {"query": "a"}), ROWS, CATALOGUE)
