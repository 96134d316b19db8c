"""sweep and its table; the trainings are stand-ins, since `train` and `evaluate` have tests of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.commands import evaluate as evaluate_module
from platypus.commands import train as train_module
from platypus.data.dataset import write_rows
from platypus.run.folder import Outcome, Run
from tests.commands.test_evaluate import examples, new_run
from tests.evaluation.test_comparison import file_of
from tests.support.command import here


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand-ins for both stages: rank 4 answers everything right. The settings and rows of every training."""
    done: list[dict[str, Any]] = []

    def train(run: Run) -> Outcome:
        rows = (run.folder("refine") / "train.jsonl").read_text().splitlines()
        facts = {"rank": run.recipe.train.rank, "alpha": run.recipe.train.alpha, "seed": run.recipe.seed, "rows": rows}

        def work(folder: Path) -> dict[str, Any]:
            done.append(facts)
            return {"trainable_parameters": 100 * run.recipe.train.rank}

        inputs = {"refine": run.fingerprint("refine")}
        return run.perform("train", inputs=inputs, settings=run.recipe.train.model_dump(), work=work)

    def evaluate(run: Run) -> Outcome:
        assert not run.recipe.evaluate.before
        wrong = {} if run.recipe.train.rank == 4 else {"Who am I?": "[]", "Sum 1": "[]", "The sprint": "[]"}

        def work(folder: Path) -> dict[str, Any]:
            file_of(folder, wrong)
            return {}

        return run.perform("evaluate", inputs={"train": run.fingerprint("train")}, settings={}, work=work)

    monkeypatch.setattr(train_module, "train", train)
    monkeypatch.setattr(evaluate_module, "evaluate", evaluate)
    return done


def run_with_rows(folder: Path, base: str = "base") -> Run:
    run = new_run(folder, examples(), base=base)

    def refine(folder: Path) -> dict[str, Any]:
        for name in ("train", "valid"):
            (folder / f"{name}.jsonl").write_text("".join(f'"{name} {i}"\n' for i in range(40)))
        write_rows(folder / "test.jsonl", examples())
        return {}

    run.perform("refine", inputs={}, settings={}, work=refine, force=True)
    return run


def test_all_combinations_are_trained_once(
    tmp_path: Path, trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_with_rows(tmp_path)
    words = ["sweep", run.path, "--set", "train.rank=4,8", "--seeds", "2"]
    said = here(capsys, *words)
    assert said.code == 0, said.err
    assert [(one["rank"], one["seed"]) for one in trained] == [(4, 0), (4, 1), (8, 0), (8, 1)]
    assert "rank=4" in said.out and said.err.count("train: done") == 4
    assert len(trained[0]["rows"]) == 40
    again = json.loads(here(capsys, *words, "--json").out)
    assert len(trained) == 4 and [line["settings"] for line in again["lines"]] == [{"train.rank": 4}, {"train.rank": 8}]
    assert [line["value"]["value"] for line in again["lines"]] == [1.0, 0.4]
    assert [line["trainable_parameters"] for line in again["lines"]] == [400, 800]
    text = (run.path / "sweep" / "table.md").read_text()
    assert text.startswith("# Sweep\n\n| rank | exact |") and again["verdict"] in text
    assert "](table.svg)" in text and (run.path / "sweep" / "table.svg").read_text().startswith("<svg")


def test_it_goes_on_where_it_was_interrupted(
    tmp_path: Path,
    trained: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["sweep", run_with_rows(tmp_path).path, "--set", "train.rank=4,8", "--seeds", "2"]
    evaluate = evaluate_module.evaluate

    def interrupted(run: Run) -> Outcome:
        if len(trained) == 3:
            raise KeyboardInterrupt
        return evaluate(run)

    monkeypatch.setattr(evaluate_module, "evaluate", interrupted)
    assert here(capsys, *words).code != 0 and len(trained) == 3
    monkeypatch.setattr(evaluate_module, "evaluate", evaluate)
    assert here(capsys, *words).code == 0
    assert [(one["rank"], one["seed"]) for one in trained] == [(4, 0), (4, 1), (8, 0), (8, 1)]


def test_a_search_tries_some_of_the_combinations(
    tmp_path: Path, trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="pip install 'platypus-llm[search]'")
    words = ["sweep", run_with_rows(tmp_path).path, "--set", "train.rank=4,8,16,32", "--seeds", "1", "--search", "2"]
    said = here(capsys, *words, "--json")
    assert said.code == 0, said.err
    assert len(trained) == 2 == len(json.loads(said.out)["lines"])
    assert sum(path.is_dir() for path in (tmp_path / "run" / "sweep").iterdir()) == 2  # what is tried alone has folders
    assert here(capsys, *words).code == 0 and len(trained) == 2  # the same ones again


def test_what_the_base_suggests_gives_way_to_what_the_sweep_changes(
    tmp_path: Path, trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_with_rows(tmp_path, base="embedded")
    assert (run.recipe.train.rank, run.recipe.train.alpha) == (32, 32)
    said = here(capsys, "sweep", run.path, "--set", "train.rank=4", "--set", "prompt.notation=json", "--seeds", "1")
    assert said.code == 0, said.err
    assert [(one["rank"], one["alpha"]) for one in trained] == [(4, 16)]


def test_a_wrong_value_is_refused_before_anything_is_trained(
    tmp_path: Path, trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    said = here(capsys, "sweep", run_with_rows(tmp_path).path, "--set", "train.rank=4,many")
    assert said.code == 1 and "train.rank = 'many' should be" in said.err and not trained
    said = here(capsys, "sweep", tmp_path / "run", "--set", "refine.test=x")
    assert said.code == 1 and "cannot differ between runs of a sweep" in said.err
    pytest.importorskip("optuna", reason="pip install 'platypus-llm[search]'")
    said = here(capsys, "sweep", tmp_path / "run", "--set", "train.rank=4,8,many", "--search", "1")
    assert said.code == 1 and "train.rank = 'many' should be" in said.err and not trained


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ("exakt", "there is no metric 'exakt'"),
        ("word_f1", "there is no metric 'word_f1'"),
        ("wrong_refusals", "is better the lower it is"),
        ("reference_accuracy", "has no test row that takes part in it"),
    ],
)
def test_a_wrong_metric_is_refused_before_anything_is_trained(
    tmp_path: Path, trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], metric: str, what: str
) -> None:
    run = run_with_rows(tmp_path)
    write_rows(run.folder("refine") / "test.jsonl", examples()[:1])
    said = here(capsys, "sweep", run.path, "--set", "train.rank=4,8", "--metric", metric)
    assert said.code == 1 and what in said.err and not trained
