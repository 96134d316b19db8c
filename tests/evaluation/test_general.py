"""Tasks of lm-eval: names, refusals, and the wiring with a tiny model and a task of one's own."""

import json
from pathlib import Path

import pytest

from platypus.errors import RecipeError
from platypus.evaluation.general import Task, TaskScore, known_tasks, task_scores
from platypus.model.loading import load_base
from tests.support.tiny_models import tiny_llama

TASK = """task: colours
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
fewshot_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
doc_to_choice: "{{{{choices}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


def own_task(folder: Path) -> Path:
    """A task of four questions, of which a model that takes the shorter text has two right, or so."""
    questions = [("The sky is", 0), ("Grass is", 1), ("Blood is", 0), ("Snow is", 1)]
    rows = [{"question": question, "answer": answer, "choices": [" blue", " green"]} for question, answer in questions]
    (folder / "rows.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "colours.yaml").write_text(TASK.format(rows=folder / "rows.json"))
    return folder / "colours.yaml"


def test_names_and_worked_examples() -> None:
    assert Task.read("arc_challenge:25") == Task("arc_challenge", 25) and Task.read(" mmlu ") == Task("mmlu")
    assert [str(Task.read(text)) for text in ("arc_challenge:0", "mmlu")] == ["arc_challenge:0", "mmlu"]
    for text in ("", "arc:many", ":5"):
        with pytest.raises(RecipeError, match="is not a task"):
            Task.read(text)


def test_a_score_is_shown_with_its_interval() -> None:
    assert str(TaskScore("acc", 0.5, 0.1)) == "50.0% [30.4, 69.6]" and str(TaskScore("acc", 0.5, None)) == "50.0%"
    assert str(TaskScore("acc", 1.0, 0.05)) == "100.0% [90.2, 100.0]"
    assert str(TaskScore("word_perplexity", 21.5, 0.4)) == "21.5 ± 0.78"  # no share


def test_a_task_of_one_s_own_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="pip install 'platypus-llm[general]'")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    task = Task(str(own_task(tmp_path)))
    manager = known_tasks([task])
    loaded = load_base(str(tiny_llama(tmp_path / "base", context=256)), device="cpu")
    (score,) = task_scores(loaded, task, manager, limit=None, batch_size=2, seed=0)
    assert score.metric == "acc" and score.value in (0.0, 0.25, 0.5, 0.75, 1.0) and score.error is not None


def test_an_unknown_task_is_refused_with_those_near_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="pip install 'platypus-llm[general]'")

    class Manager:
        all_tasks = ("arc_challenge", "mmlu")

        def __init__(self, *, include_defaults: bool) -> None:
            assert include_defaults

    monkeypatch.setattr("lm_eval.tasks.TaskManager", Manager)
    with pytest.raises(RecipeError, match="has no task 'arc_challeng'") as refused:
        known_tasks([Task("mmlu"), Task("arc_challeng")])
    assert "arc_challenge" in refused.value.remedy
