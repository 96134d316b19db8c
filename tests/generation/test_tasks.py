"""Tasks are determined by their keys; those of real rows have the row, some of its tools, and generated requests."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.errors import DatasetError
from platypus.generation.tasks import REAL_TOOLS, random_task, read_real_tasks, real_task

TOOLS = [
    {"name": f"get_{thing}", "description": f"Get a {thing}.", "inputSchema": {
        "properties": {"id": {"type": "string", "description": f"Id of the {thing}"}}, "required": ["id"]}}
    for thing in ("book", "car", "dog", "elk", "fox", "goat", "hen", "ibis", "jay", "kite")
]  # fmt: skip
PLAN = [{"tool_name": "get_fox", "arguments": [{"argument_name": "id", "argument_value": "F-7"}]}]


def written(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_tasks_are_drawn_from_their_key_alone() -> None:
    assert random_task("7/3", tools=6, requests=5) == random_task("7/3", tools=6, requests=5)
    assert random_task("7/3", tools=6, requests=5).catalogue != random_task("7/4", tools=6, requests=5).catalogue


def test_few_catalogues_are_much_larger() -> None:
    sizes = [len(random_task(str(key), tools=4, requests=1).catalogue) for key in range(200)]
    assert max(sizes) > 8 and sum(size > 4 for size in sizes) < 20


def test_a_task_of_a_real_row_has_its_request_and_generated_ones_for_some_of_its_tools(tmp_path: Path) -> None:
    real = read_real_tasks([written(tmp_path, {"query": "Show me fox F-7", "plan": PLAN, "tools": TOOLS})])
    assert not real.rejected
    tasks = [real_task(str(key), real, requests=4) for key in range(30)]
    assert tasks[0] == real_task("0", real, requests=4)
    assert len({tuple(tool.name for tool in drawn.catalogue) for drawn in tasks}) > 20
    for drawn in tasks:
        assert len(drawn.examples) == 4 and 2 <= len(drawn.catalogue) <= REAL_TOOLS
        assert drawn.examples[0].query == "Show me fox F-7" and drawn.examples[0].plan.to_json() == PLAN
        assert not any(example.plan.problems(drawn.catalogue) for example in drawn.examples)


def test_a_single_real_request_is_shown_up_to_all_tools_of_its_row(tmp_path: Path) -> None:
    real = read_real_tasks([written(tmp_path, {"query": "Show me fox F-7", "plan": PLAN, "tools": TOOLS})])
    tasks = [real_task(str(key), real, requests=1) for key in range(40)]
    assert all(len(drawn.examples) == 1 for drawn in tasks)
    assert {len(drawn.catalogue) for drawn in tasks} > {2, len(TOOLS)}


def test_texts_of_real_requests_give_way_to_those_of_other_rows_in_request_and_plan(tmp_path: Path) -> None:
    def row(query: str, animal_id: str, **changes: Any) -> dict[str, Any]:
        plan = [{"tool_name": "get_fox", "arguments": [{"argument_name": "id", "argument_value": animal_id}]}]
        return {"query": query, "plan": plan, "tools": TOOLS, **changes}

    limited = [{"name": "get_fox", "inputSchema": {"properties": {"id": {"type": "string", "maxLength": 4}}}}]
    rows = [
        row("Show me fox F-7", "F-7"),
        row("What of the fox G-88?", "G-88"),
        row("F-9 or not F-9, fetch it", "F-9"),  # said twice
        row("Give me all there is about it", "all there is about it"),  # nearly the whole request
        row("I want to see fox H-1", "H-1", tools=limited),
    ]
    real = read_real_tasks([written(tmp_path, *rows)])
    queries = set()
    for key in range(200):
        (example,) = real_task(str(key), real, requests=1).examples
        (step,) = example.plan
        queries.add(example.query)
        assert str(step.arguments["id"]) in example.query
    assert queries == {
        *("Show me fox F-7", "Show me fox G-88", "What of the fox F-7?", "What of the fox G-88?"),
        *(row["query"] for row in rows),
    }


def test_large_files_do_not_crowd_out_small_ones(tmp_path: Path) -> None:
    row = {"plan": PLAN, "tools": TOOLS}
    for name, count in (("large", 81), ("small", 1)):
        (tmp_path / name).mkdir()
        written(tmp_path / name, *({"query": f"Show {name} fox F-7", **row} for _ in range(count)))
    real = read_real_tasks([str(tmp_path / name / "rows.jsonl") for name in ("large", "small")])
    queries = [real_task(str(key), real, requests=1).examples[0].query for key in range(300)]
    assert 10 < queries.count("Show small fox F-7") < 60  # a tenth is expected


def test_a_real_row_without_possible_generated_requests_is_a_task_too(tmp_path: Path) -> None:
    tools = [
        {"name": "tidy", "inputSchema": {"properties": {"id": {"type": "string", "format": "x"}}, "required": ["id"]}}
    ]
    real = read_real_tasks([written(tmp_path, {"query": "What a day!", "plan": [], "tools": tools})])
    assert real_task("0", real, requests=3).examples[0].query == "What a day!"


def test_unusable_rows_are_listed(tmp_path: Path) -> None:
    good = {"query": "Show me fox F-7", "plan": PLAN, "tools": TOOLS}
    bad = (
        {**good, "tools": TOOLS[:2]},
        {"query": "q", "plan": []},
        {**good, "tools": [{"name": ""}]},
        {**good, "query": ""},
    )
    real = read_real_tasks([written(tmp_path, *bad, good)])
    assert [row.line for row in real.rejected] == [1, 2, 3, 4] and len(real.tasks) == 1
    assert "get_fox" in real.rejected[0].reason and "has no `tools`" in real.rejected[1].reason
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"query": \n' + json.dumps(good) + "\n", encoding="utf-8")
    (row,) = read_real_tasks([str(broken)]).rejected
    assert row.line == 1 and "no `tools`" not in row.reason
    with pytest.raises(DatasetError, match="no usable row"):
        read_real_tasks([written(tmp_path, *bad)])
