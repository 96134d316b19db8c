"""evaluate --data: any test set, interrupted and gone on with; an endpoint; options that need others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.commands import evaluate_data as module
from platypus.commands.evaluate_data import DataOptions, evaluate_data
from platypus.data.dataset import Example
from platypus.errors import RunError
from platypus.run.folder import Run
from tests.commands.test_evaluate import AFTER, BEFORE, GOLD, TOOLS, Oracle, examples, new_run, use
from tests.support.command import here
from tests.support.fake_teacher import serving, status

BOATS = [{"name": "sail", "inputSchema": {"properties": {"to": {"type": "string"}}}}]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    use(monkeypatch, Oracle("the base", BEFORE), Oracle("the adapter", {**AFTER, "Sail home": 'sail(to="home")'}))
    return new_run(tmp_path, examples())


def data_of(folder: Path, *more: dict[str, Any]) -> str:
    rows = [row.to_json() for row in examples() if isinstance(row, Example)]
    path = folder / "other.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *more]))
    return str(path)


def exact(results: Any, name: str = "run") -> float:
    return float(results["variants"][name]["measures"]["exact"]["value"])


def test_rows_are_planned_with_the_run_s_tools_or_their_own(run: Run, tmp_path: Path) -> None:
    sail = [{"tool_name": "sail", "arguments": [{"argument_name": "to", "argument_value": "home"}]}]
    data = data_of(tmp_path, {"query": "Sail home", "plan": sail, "tools": BOATS})
    outcome = evaluate_data(run, DataOptions(data))
    assert exact(outcome.results) == 4 / 5 and outcome.results["rows"] == outcome.results["of"] == 5
    assert outcome.folder == run.path / "evaluations" / "other"
    assert {path.name for path in outcome.folder.iterdir()} == {
        *("evaluation.json", "scores.jsonl", "report.json", "report.md", "report.html")
    }
    assert evaluate_data(run, DataOptions(data)).skipped
    with pytest.raises(RunError, match="limit differ"):
        evaluate_data(run, DataOptions(data, limit=2))
    assert evaluate_data(run, DataOptions(data, limit=2), force=True).results["rows"] == 2
    assert not run.is_done("evaluate")


def test_another_part_of_the_data_is_another_evaluation(run: Run, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for name in ("train", "test"):
        Path(data_of(tmp_path)).rename(tmp_path / "parts" / f"{name}.jsonl")
    evaluate_data(run, DataOptions(f"{tmp_path}/parts@train", out=tmp_path / "out"))
    with pytest.raises(RunError, match="part differ"):
        evaluate_data(run, DataOptions(f"{tmp_path}/parts@test", out=tmp_path / "out"))


def test_it_goes_on_where_it_was_interrupted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, whole = data_of(tmp_path), evaluate_data(run, DataOptions(data_of(tmp_path), out=tmp_path / "whole"))
    monkeypatch.setattr(module, "AT_ONCE", 1)
    answered, answer_rows = [], module.answer_rows

    def interrupted(planner: Any, rows: Any, settings: Any) -> Any:
        answered.extend(row.query for row in rows)
        if len(answered) == 3:
            raise KeyboardInterrupt
        return answer_rows(planner, rows, settings)

    monkeypatch.setattr(module, "answer_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate_data(run, DataOptions(data))
    outcome = evaluate_data(run, DataOptions(data))
    assert answered == [*GOLD][:3] + [*GOLD][2:]
    assert outcome.results["variants"] == whole.results["variants"]
    lines = [json.loads(line) for line in (outcome.folder / "scores.jsonl").read_text().splitlines()]
    assert [line["query"] for line in lines] == [*GOLD]


def test_a_row_that_is_too_long_for_the_model_does_not_stop_it(run: Run, tmp_path: Path) -> None:
    long = {"query": "word " * 5000, "plan": [{"tool_name": "me", "arguments": []}]}
    outcome = evaluate_data(run, DataOptions(data_of(tmp_path, long)))
    assert outcome.results["rows"] == 5 and exact(outcome.results) == 3 / 5
    assert outcome.results["variants"]["run"]["malformed"] == {"too-long": 1}


def test_plans_are_run_with_mock_tools(run: Run, tmp_path: Path) -> None:
    functions = "def me() -> str:\n    return 'U1'\ndef sprint() -> str:\n    return 'S1'\ndef sum(of: str) -> str:\n"
    (tmp_path / "mock.py").write_text(f"{functions}    return of + '!'\n")
    outcome = evaluate_data(run, DataOptions(data_of(tmp_path), mock=(str(tmp_path / "mock.py"),)))
    executed = outcome.results["variants"]["run"]["executed"]
    assert executed["rows"] == {"exact": 3, "other outcome": 1} and executed["right_outcome"]["value"] == 3 / 4
    assert "with mock tools, right outcome 75.0% [" in (outcome.folder / "report.md").read_text()
    with pytest.raises(RunError, match="mock differ"):
        evaluate_data(run, DataOptions(data_of(tmp_path)))


def test_the_base_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--out"):
        evaluate_data(None, DataOptions(data_of(tmp_path)))


def test_an_endpoint_stands_in_the_same_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    with serving(lambda system, user: "I am sorry." if "tea" in user else "Nothing") as server:
        words = [
            "--data",
            data_of(tmp_path),
            "--catalogue",
            tmp_path / "tools.json",
            "--out",
            tmp_path / "out",
            "--json",
        ]
        said = here(capsys, "evaluate", *words, "--endpoint", server.url, "--model", "peer")
        assert said.code == 0, said.err
        results = json.loads(said.out)["results"]
        assert exact(results, "peer") == 1 / 4  # it calls nothing, which is right for tea alone
        assert results["fingerprints"]["model"] == {"endpoint": server.url, "model": "peer", "ask": "calls"}
        assert len(server.asked) == 4


def test_an_endpoint_that_refuses_many_rows_is_evaluated_on_all(tmp_path: Path) -> None:
    rows = [{"query": f"Make tea for {n}", "plan": []} for n in range(4)]
    options = DataOptions(data_of(tmp_path, *rows), catalogue_from_json(TOOLS), model="peer", out=tmp_path / "out")
    with serving(lambda system, user: "I am sorry.") as server:
        server.faults = [status(400)] * 7
        results = evaluate_data(None, replace(options, endpoint=server.url)).results
    assert results["rows"] == 8 and results["variants"]["peer"]["malformed"] == {"unanswered": 7}


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate"],
        ["evaluate", "RUN", "--limit", "3"],
        ["evaluate", "--data", "DATA", "--endpoint", "http://x/v1"],
        ["evaluate", "--data", "DATA", "--out", "OUT", "--recipe", "RECIPE"],
    ],
)
def test_options_that_need_others_are_refused(
    run: Run, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.toml").write_text("seed = 1\n")
    places = {"RUN": str(run.path), "DATA": data_of(tmp_path), "OUT": f"{tmp_path}/out", "RECIPE": f"{tmp_path}/r.toml"}
    assert here(capsys, *(places.get(word, word) for word in words)).code == 2
