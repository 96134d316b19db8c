"""Outcomes on standard output: readable or JSON, and only by the first process."""

import json
from pathlib import Path

import pytest

from platypus.outcomes import print_outcome, print_rows
from platypus.run.folder import Outcome

OUTCOME = Outcome("refine", Path("runs/a/refine"), False, 1.5, {"train": 7, "warnings": ["few rows"]})


def test_an_outcome_is_readable_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_outcome(OUTCOME, as_json=False)
    printed = capsys.readouterr()
    assert printed.out == "refine: done in 1.5 s → runs/a/refine\n  train: 7\n" and "few rows" in printed.err
    print_outcome(OUTCOME, as_json=True)
    assert json.loads(capsys.readouterr().out)["results"]["train"] == 7


def test_brackets_in_a_table_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([["settings", "[/a]"], ["[bold]", "1"]], "[dim] stands alone.", data=None)
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("[/a]", "[bold]", "[dim] stands")) and "alone." in printed


def test_only_the_first_process_prints(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    print_outcome(OUTCOME, as_json=True)
    assert capsys.readouterr().out == ""
