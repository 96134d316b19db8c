"""Corrections: kept whole whatever happens, replaced by later ones, and read by the next `refine`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.commands.refine import refine
from platypus.data.dataset import Example, read_dataset
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Step
from platypus.run.corrections import CORRECTIONS, Corrections
from platypus.run.folder import Run
from tests.support.command import ROOT

TOOLS = catalogue_from_json([{"name": "list"}, {"name": "stop"}])
LIST, STOP = Plan((Step("list"),)), Plan((Step("stop"),))
WRITER = """
import sys
from pathlib import Path
from tests.run.test_corrections import LIST, TOOLS
from platypus.run.corrections import Corrections
print("begun", flush=True)
for number in range(100_000):
    Corrections(Path(sys.argv[1])).add(f"Request {number} " + "word " * 500, LIST, TOOLS)
    print(number, flush=True)
"""


def test_a_correction_is_a_row_that_can_be_read(tmp_path: Path) -> None:
    kept = Corrections(tmp_path / CORRECTIONS)
    id = kept.add("List them", LIST, TOOLS, answered=Plan(), model="m")
    (row,) = read_dataset(str(kept.path), None).rows
    assert isinstance(row, Example) and (row.query, row.plan, row.tools) == ("List them", LIST, TOOLS)
    (written,) = kept.waiting()
    assert written["origin"]["id"] == id and written["origin"]["answered"] == [] and written["origin"]["model"] == "m"
    assert str(kept.path) in kept.command


def test_a_later_correction_replaces_an_earlier_one(tmp_path: Path) -> None:
    kept = Corrections(tmp_path / CORRECTIONS)
    for plan in (LIST, STOP):
        kept.add("List them", plan, TOOLS)
    kept.add("Stop", STOP, TOOLS)
    assert [(row["query"], len(row["plan"])) for row in kept.rows()] == [("List them", 1), ("Stop", 1)]
    assert kept.rows()[0]["plan"] == STOP.to_json()


def test_a_correction_can_be_taken_back(tmp_path: Path) -> None:
    kept = Corrections(tmp_path / CORRECTIONS)
    first, _ = kept.add("List them", LIST, TOOLS), kept.add("Stop", STOP, TOOLS)
    kept.remove(first)
    kept.remove(first)
    assert [row["query"] for row in kept.rows()] == ["Stop"]


def test_what_a_correction_replaced_can_be_put_back(tmp_path: Path) -> None:
    kept = Corrections(tmp_path / CORRECTIONS)
    assert kept.of_request("List them", TOOLS) is None
    kept.add("List them", LIST, TOOLS)
    before = kept.of_request("List them", TOOLS)
    second = kept.add("List them", STOP, TOOLS)
    kept.remove(second, back=before)
    assert before is not None and kept.rows() == [before]
    kept.remove(second, back=before)  # it is gone already, so it has replaced nothing
    assert kept.rows() == [before]


def test_a_request_may_hold_any_character(tmp_path: Path) -> None:
    kept, odd = Corrections(tmp_path / CORRECTIONS), "one\u2028two\x85three\x0cfour\r\nfive\0"
    for request in (odd, "Stop"):
        kept.add(request, STOP, TOOLS)
    assert [row["query"] for row in kept.rows()] == [odd, "Stop"]
    rows = read_dataset(str(kept.path), None).rows
    assert [row.query for row in rows if isinstance(row, Example)] == [odd, "Stop"]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        '{"query": "a", "plan": []}',
        '{"query": "a", "catalogue": "b"}',
        '{"query": "a", "catalogue": "b", "origin": "id"}',
        '{"query": "a", "catalogue": "b", "origin": {"id": []}}',
    ],
)
def test_a_line_that_is_no_correction_is_named(line: str, tmp_path: Path) -> None:
    kept = Corrections(tmp_path / CORRECTIONS)
    kept.add("Stop", STOP, TOOLS)
    with kept.path.open("a") as file:
        file.write(f"{line}\n")
    for read in (kept.rows, kept.waiting, lambda: kept.remove("x"), lambda: kept.of_request("List them", TOOLS)):
        with pytest.raises(DatasetError, match=f"{CORRECTIONS}:2"):
            read()


@pytest.mark.slow
def test_killing_the_process_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    """Killed in the middle of writing, again and again; the file is whole, with all rows that were confirmed."""
    path, confirmed = tmp_path / CORRECTIONS, 0
    for turn in range(3):
        command = [sys.executable, "-c", WRITER, str(path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        assert writer.stdout is not None
        while writer.stdout.readline() == "":
            pass
        time.sleep(0.4 + 0.15 * turn)
        writer.send_signal(signal.SIGKILL)
        confirmed = max(confirmed, len(writer.stdout.read().splitlines()))
        writer.wait()
        rows = Corrections(path).rows()
        assert confirmed <= len(rows) and [row["query"].split()[1] for row in rows[:2]]


def test_refine_takes_corrections_in_the_place_of_other_rows_and_never_tests_on_them(tmp_path: Path) -> None:
    rows = [{"query": f"List number {n} of them {n * 7}", "plan": LIST.to_json()} for n in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS.to_json()))
    table = f'[generate]\nexamples = 0\n[refine]\ndata = ["{tmp_path}/rows.jsonl"]\n'
    table += "near_duplicate = 1.0\ncontamination = 1.0"
    (tmp_path / "recipe.toml").write_text(f'base = "none"\ncatalogue = "{tmp_path}/tools.json"\n{table}\n')
    run = Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")
    assert refine(run).skipped is False
    kept = Corrections.of(run)
    assert kept.command == f"platypus all {run.path}"
    for number in range(6):
        kept.add(rows[number]["query"], STOP, TOOLS)  # type: ignore[arg-type]
    assert len(kept.waiting()) == 6
    outcome = refine(run)
    assert not outcome.skipped and outcome.results["rejected"]["corrected"] == 6
    learned = read_dataset(str(run.folder("refine") / "train.jsonl"), run.catalogue).rows
    assert {row.query for row in learned if isinstance(row, Example) and row.plan == STOP} == {
        row["query"] for row in rows[:6]
    }
    assert refine(run).skipped
