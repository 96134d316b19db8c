"""The files of an evaluation."""

import json
from pathlib import Path

from platypus.evaluation.answering import restored
from platypus.evaluation.writing import brief, losses, origin, write_report
from tests.evaluation.test_html_report import AFTER, report_of
from tests.evaluation.test_metrics import CATALOGUE


def test_all_files_are_written_and_answers_can_be_read_back(tmp_path: Path) -> None:
    report, _ = report_of(after=AFTER)
    write_report(tmp_path, report, {"after": AFTER})
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report))
    assert (tmp_path / "report.md").read_text().startswith("# Evaluation\n\n6 of 6 rows, in ")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert not (tmp_path / "report.json.new").exists()
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    again = [restored(line, row.row, CATALOGUE) for line, row in zip(lines, AFTER, strict=True)]
    assert [row.to_json() for row in again] == [row.to_json() for row in AFTER]
    assert [row.published for row in again] == [row.published for row in AFTER]


def test_the_record_of_a_stage_holds_no_groups() -> None:
    report, _ = report_of(after=AFTER)
    short = brief({**report, "training": [{"step": 1}]})
    assert short["training"] == [] and short["rows"] == 6
    assert {"measures", "mistakes", "malformed"} <= short["variants"]["after"].keys()
    assert not {"by_tool", "by_length", "published", "confusions"} & short["variants"]["after"].keys()


def test_origin_and_losses(tmp_path: Path) -> None:
    found = origin(seed=3, resamples=7)
    assert (found["seed"], found["resamples"]) == (3, 7) and found["versions"]["python"]
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0, "norm": 1}\n{"step": 1, "valid_loss": 1.5}\n')
    assert losses(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 2.0}, {"step": 1, "valid_loss": 1.5}]
    assert losses(tmp_path / "none.jsonl") == []
