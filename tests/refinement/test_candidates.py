"""Candidates: all rows are read, with the same result for one process or several."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.errors import DatasetError
from platypus.refinement import candidates as candidate
from platypus.refinement.candidates import Candidate, Candidates, ReadingOptions, gather
from platypus.refinement.quality import RequestBounds

CATALOGUE = read_catalogue(Path(__file__).parents[2] / "examples" / "worktracker" / "catalogue.json")
READING = ReadingOptions(CATALOGUE, True, RequestBounds(2, 200))


def tasks(query: str, **filters: Any) -> dict[str, Any]:
    given = [{"argument_name": name, "argument_value": value} for name, value in filters.items()]
    return {"query": query, "plan": [{"tool_name": "works_list", "arguments": given}]}


def written(folder: Path, rows: list[Any], name: str = "rows.jsonl") -> str:
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def only(found: Candidates) -> Candidate:
    (one,) = found.candidates
    return one


def test_the_fields_of_a_candidate(tmp_path: Path) -> None:
    source = written(tmp_path, [tasks("My  tasks in triage", **{"type": ["task"], "stage.name": ["backlog"]})])
    one = only(gather([source], READING))
    assert (one.place, one.question, one.tools, one.steps) == (f"{source}:1", "My tasks in triage", ("works_list",), 1)
    assert one.skeleton == "works_list(stage.name,type)"
    assert [finding.kind for finding in one.findings] == ["ungrounded"]
    assert one.grounded == 0.5
    assert [argument["argument_name"] for argument in one.to_json()["plan"][0]["arguments"]] == ["stage.name", "type"]
    assert one.answer_text == json.dumps(one.to_json()["plan"])


def test_equal_plans_and_equal_templates_have_equal_hashes(tmp_path: Path) -> None:
    rows = [tasks("Tasks and issues", type=["task", "issue"]), tasks("Issues, tasks", type=["issue", "task"])]
    a, b = gather([written(tmp_path, rows)], READING).candidates
    assert (a.answer, a.template) == (b.answer, b.template)
    c = only(gather([written(tmp_path, [tasks("Tickets", type=["ticket"])])], READING))
    assert c.answer != a.answer


def test_text_answers(tmp_path: Path) -> None:
    one = only(gather([written(tmp_path, [{"instruction": "Add", "input": "1 2", "output": "3"}])], READING))
    assert (one.question, one.answer_text, one.steps, one.tools, one.is_example) == ("Add 1 2", "3", -1, (), False)


def test_several_processes_give_the_same_result_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Any] = [tasks(f"Tasks of DEVU-{n}", owned_by=[f"DEVU-{n}"]) for n in range(60)]
    rows[7:7] = ['{"query": "Half', "{'query': 'Mine', 'plan': [],}", {"query": "Fly", "plan": [{"tool_name": "fly"}]}]
    source = written(tmp_path, rows)
    alone = gather([source], READING)
    monkeypatch.setattr(candidate, "BATCH", 10)
    monkeypatch.setattr(candidate, "FEW", 2)
    monkeypatch.setattr(candidate, "cores", lambda: 2)
    together = gather([source], READING)
    assert together == alone
    assert len(alone.candidates) + len(alone.rejected) == len(rows)
    assert [(row.line, row.repairs) for row in alone.repaired] == [(9, ("single quotes (3)", "trailing comma (1)"))]


def test_an_error_in_a_source_names_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no rows of a known kind"):
        gather([written(tmp_path, [{"a": 1}])], READING)
    late = written(tmp_path, ["?"] * 1500 + [tasks("My tasks", type=["task"])])
    found = gather([late], READING)
    assert (len(found.candidates), len(found.rejected)) == (1, 1500)


def test_a_row_that_brings_its_own_tools_is_checked_and_hashed_with_them(tmp_path: Path) -> None:
    def sail(*others: str, plan: dict[str, Any] | None = None) -> dict[str, Any]:
        tools = [
            {"name": name, "parameters": {"to": {"type": "str"}, "by": {"type": "str"}}} for name in ("sail", *others)
        ]
        given = [{"argument_name": name, "argument_value": value} for name, value in (plan or {"to": "Wyk"}).items()]
        given += [] if "by" in (plan or {}) else [{"argument_name": "by", "argument_value": "noon"}]
        return {"query": "Sail to Wyk", "plan": [{"tool_name": "sail", "arguments": given}], "tools": tools}

    rows = [sail(), sail("row"), sail(plan={"by": "noon", "to": "Wyk"}), tasks("Sail to Wyk", type=["task"])]
    for reading in (READING, ReadingOptions(None, True, READING.bounds)):
        one, other, same, plain = gather([written(tmp_path, rows)], reading).candidates
        assert one.answer == same.answer != other.answer  # arguments in the order of the row's tools
        assert len({one.catalogue, other.catalogue, ""}) == 3 and same.catalogue == one.catalogue
        assert plain.catalogue == ""
        assert [finding.what for finding in one.findings] == ["'noon' (by) is not in the request"]
        assert list(one.to_json()) == ["query", "plan", "catalogue", "tools", "origin"]
