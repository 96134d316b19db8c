"""overlap: worked out by hand on small files, and the command."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.commands.overlap import overlap
from platypus.errors import DatasetError
from platypus.refinement import overlap as overlap_module
from tests.support.command import ROOT, here

FILE = ROOT / "examples" / "worktracker" / "catalogue.json"
TRACKER = read_catalogue(FILE)


def row(query: str, **filters: Any) -> dict[str, Any]:
    arguments = [{"argument_name": name, "argument_value": value} for name, value in filters.items()]
    return {"query": query, "plan": [{"tool_name": "works_list", "arguments": arguments}]}


FIRST = [row("List my tasks", type=["task"]), row("What does DEVU-7 own?", owned_by=["DEVU-7"])]
SECOND = [
    row("list my tasks.", type=["task"]),
    row("What does DEVU-9 own?", owned_by=["DEVU-9"]),
    row("Quux zyx", limit=3),
    row("Quux zyx vwu", limit=4),
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    for name, rows in (("a", FIRST), ("b", [*SECOND, {"query": "Fly", "plan": [{"tool_name": "fly"}]}])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")


def test_what_two_small_files_share(files: tuple[str, str]) -> None:
    report = overlap(*files, tools=TRACKER)
    assert (report.rows, report.left_out, report.compared) == ((2, 4), (0, 1), (2, 4))
    assert (report.requests.keys, report.requests.of_first, report.requests.of_second) == (1, 0.5, 0.25)
    assert (report.templates.keys, report.templates.of_first, report.templates.of_second) == (2, 1.0, 0.5)
    assert (report.skeletons.keys, report.skeletons.of_first, report.skeletons.of_second) == (2, 1.0, 0.5)
    of_first, of_second = report.letters
    assert sum(of_first.tenths) == 2 and sum(of_second.tenths) == 4
    assert of_first.tenths[9] + of_first.tenths[8] == 2
    assert of_second.tenths[0] == 2
    assert of_first.mean > 0.8 > of_second.mean


def test_a_file_overlaps_completely_with_itself(files: tuple[str, str]) -> None:
    report = overlap(files[0], files[0])
    assert [one.mean for one in (*report.letters, *report.words)] == [1, 1, 1, 1]
    assert report.skeletons.of_first == 1


def test_of_large_files_a_sample_is_compared(files: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap_module, "SAMPLE", 3)
    report = overlap(*files, tools=TRACKER)
    assert (report.rows, report.compared) == ((2, 4), (2, 3))
    assert report == overlap(*files, tools=TRACKER)


def test_a_file_without_valid_rows(tmp_path: Path, files: tuple[str, str]) -> None:
    (tmp_path / "c.jsonl").write_text('{"query": "Fly", "plan": [{"tool_name": "fly"}]}', encoding="utf-8")
    with pytest.raises(DatasetError, match="has no valid row"):
        overlap(files[0], str(tmp_path / "c.jsonl"), tools=TRACKER)


def test_the_command(capsys: pytest.CaptureFixture[str], files: tuple[str, str]) -> None:
    ran = here(capsys, "overlap", *files, "--catalogue", FILE)
    assert ran.code == 0
    assert "the same plan shapes: 2, in 100.0% of the first's rows and 50.0% of the second's" in ran.out
    as_json = json.loads(here(capsys, "overlap", *files, "--catalogue", FILE, "--json").out)
    assert as_json["rows"] == [2, 4]
    assert here(capsys, "overlap", files[0], "nowhere.jsonl").code == 1
