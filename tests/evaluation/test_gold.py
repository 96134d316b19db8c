"""The rows of a test set: first ones, samples, bad ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.data.dataset import Rejected
from platypus.errors import DatasetError
from platypus.evaluation.gold import read_gold

TOOLS = catalogue_from_json([{"name": "me"}])
OWN = [{"name": "sail", "inputSchema": {"properties": {"to": {"type": "string"}}}}]
CALL = [{"tool_name": "me", "arguments": []}]


def file_of(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"query": f"Who {i}", "plan": CALL} for i in range(count)]


def queries(gold: Any) -> list[str]:
    return [row.query for row in gold.rows]


def test_all_rows_the_first_ones_and_samples(tmp_path: Path) -> None:
    source = file_of(tmp_path, *numbered(30))
    everything, first = read_gold(source, TOOLS), read_gold(source, TOOLS, limit=4)
    assert queries(everything) == [f"Who {i}" for i in range(30)] and everything.remark() == ""
    assert queries(first) == queries(everything)[:4] and (first.of, everything.of) == (30, 30)
    sample, again = (read_gold(source, TOOLS, limit=10, shuffle=1) for _ in range(2))
    assert queries(sample) == queries(again) and len(set(queries(sample))) == 10 and sample.of == 30
    assert queries(sample) != queries(read_gold(source, TOOLS, limit=10, shuffle=2))
    assert sorted(queries(read_gold(source, TOOLS, shuffle=1))) == sorted(queries(everything))


def test_rows_may_bring_their_own_tools(tmp_path: Path) -> None:
    source = file_of(tmp_path, {"query": "Sail", "plan": [], "tools": OWN})
    (row,) = read_gold(source, None).rows
    assert row.known_tools(None) == catalogue_from_json(OWN)  # type: ignore[union-attr]
    with pytest.raises(DatasetError, match=r"'Who 0' brings no tools.*\n.*--catalogue"):
        read_gold(file_of(tmp_path, *numbered(1)), None)


def test_bad_rows_stop_it_or_are_counted(tmp_path: Path) -> None:
    bad = {"query": "Fly", "plan": [{"tool_name": "fly", "arguments": []}]}
    source = file_of(tmp_path, *numbered(2), bad)
    with pytest.raises(DatasetError, match=r"gold.jsonl:3: .*'fly'; 1 of 3 rows cannot be used\n.*--skip-bad"):
        read_gold(source, TOOLS)
    gold = read_gold(source, TOOLS, skip_bad=True)
    assert gold.chosen == (*gold.rows, *gold.rejected) and len(gold.chosen) == 3
    first, *others = read_gold(file_of(tmp_path, bad, *numbered(2)), TOOLS, skip_bad=True).chosen
    assert isinstance(first, Rejected) and [row.query for row in others] == ["Who 0", "Who 1"]  # type: ignore[union-attr]
    assert len(gold.rows) == 2 and "1 rows cannot be used and are left out, the first at" in gold.remark()
    with pytest.raises(DatasetError, match="holds no row that can be used"):
        read_gold(file_of(tmp_path, bad), TOOLS, skip_bad=True)


def test_of_rows_on_one_line_only_the_bad_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "gold.json"
    path.write_text(json.dumps([numbered(2)[0], {"query": "Fly"}, numbered(2)[1]]))
    gold = read_gold(str(path), TOOLS, skip_bad=True)
    first, bad, last = gold.chosen
    assert (first, last) == gold.rows and (bad,) == gold.rejected and isinstance(bad, Rejected)
