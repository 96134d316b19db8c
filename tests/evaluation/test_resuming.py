"""The folder of an evaluation: what is kept, what is refused."""

import json
from pathlib import Path

import pytest

from platypus.errors import RunError
from platypus.evaluation.resuming import EvaluationFolder

ONE = {"rows": "0", "limit": 3}


def test_lines_are_kept_and_a_cut_one_is_removed(tmp_path: Path) -> None:
    folder = EvaluationFolder.open(tmp_path / "e", ONE, force=False)
    assert folder.lines() == [] and folder.report() is None
    folder.add([{"answer": "é\ud800"}])
    with (folder.path / "scores.jsonl").open("a") as file:
        file.write('{"answer": "cu')
    again = EvaluationFolder.open(tmp_path / "e", ONE, force=False)
    assert again.lines() == [{"answer": "é\ud800"}]
    again.add([{"answer": "next"}])
    assert [line["answer"] for line in again.lines()] == ["é\ud800", "next"]


def test_another_evaluation_and_other_files_are_refused(tmp_path: Path) -> None:
    EvaluationFolder.open(tmp_path / "e", ONE, force=False).add([{"answer": "x"}])
    with pytest.raises(RunError, match=r"e: holds another evaluation: limit differ\n.*--out"):
        EvaluationFolder.open(tmp_path / "e", {**ONE, "limit": 4}, force=False)
    assert EvaluationFolder.open(tmp_path / "e", {**ONE, "limit": 4}, force=True).lines() == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(RunError, match="is not an evaluation's folder"):
            EvaluationFolder.open(tmp_path / "other", ONE, force=force)
        with pytest.raises(RunError, match="is not an evaluation's folder"):
            EvaluationFolder.open(tmp_path / "other" / "notes.txt", ONE, force=force)
    assert (tmp_path / "other" / "notes.txt").exists()


def test_the_report_marks_the_end(tmp_path: Path) -> None:
    folder = EvaluationFolder.open(tmp_path / "e", ONE, force=False)
    (folder.path / "report.json").write_text(json.dumps({"rows": 3}))
    assert folder.report() == {"rows": 3}
