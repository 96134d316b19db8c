"""evaluate --tasks: before and after, gone on with; lm-eval has a test of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.commands import evaluate_tasks as module
from platypus.errors import DatasetError
from platypus.evaluation.general import TaskScore
from tests.commands.test_evaluate import Oracle, examples, new_run, use
from tests.support.command import here


def test_tasks_are_scored_before_and_after_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, Oracle("the base", {}), Oracle("the adapter", {}))
    monkeypatch.setattr("platypus.model.loading.load_base", lambda source: Oracle("the base", {}))
    asked: list[tuple[str, str]] = []

    def scores(loaded: Any, task: Any, manager: None, **options: Any) -> list[TaskScore]:
        asked.append((loaded.source, task.name))
        if len(asked) == 2:
            raise DatasetError("the data of mmlu cannot be loaded", where="--tasks")
        return [TaskScore("acc", 0.5 if loaded.source == "the base" else 0.25, 0.1)]

    monkeypatch.setattr(module, "task_scores", scores)
    monkeypatch.setattr(module, "known_tasks", lambda tasks: None)
    monkeypatch.setattr(module, "version", lambda name: "0")
    run = new_run(tmp_path, examples())
    words = ["evaluate", run.path, "--tasks", "arc_challenge:25,mmlu", "--limit", "10"]
    assert "the data of mmlu" in here(capsys, *words).err
    said = here(capsys, *words, "--json")
    assert said.code == 0, said.err
    every = [(model, task) for model in ("the base", "the adapter") for task in ("arc_challenge", "mmlu")]
    assert asked == [*every[:2], *every[1:]]  # what was done is not done again
    folder = run.path / "evaluations" / "tasks-arc_challenge-mmlu"
    report = json.loads((folder / "report.json").read_text())
    assert report["variants"]["after"]["mmlu"] == [{"metric": "acc", "value": 0.25, "error": 0.1}]
    assert report["fingerprints"]["tasks"] == ["arc_challenge:25", "mmlu"]
    assert "| mmlu | acc | 50.0% [30.4, 69.6] | 25.0% [5.4, 44.6] |" in (folder / "report.md").read_text()
    assert "skipped" in here(capsys, *words).out and len(asked) == 5


def test_tasks_need_a_run_and_no_other_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert here(capsys, "evaluate", "--tasks", "mmlu").code == 2
    run = new_run(tmp_path, examples())
    assert here(capsys, "evaluate", run.path, "--tasks", "mmlu", "--data", "x.jsonl").code == 2
