"""show: the stages of a run, their inputs, and their results as lines."""

import json
from pathlib import Path

import pytest

from platypus.outcomes import result_lines
from platypus.run.folder import Run
from tests.support.command import here, write_recipe

Capture = pytest.CaptureFixture[str]


def test_show_says_which_stages_are_done(capsys: Capture, tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))
    assert run.catalogue is not None
    tools = run.catalogue.fingerprint
    run.perform("generate", inputs={"catalogue": tools}, settings={}, work=lambda _: {"examples": 7})
    shown = here(capsys, "show", run.path)
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert tools in lines[0]
    assert lines[1].startswith(f"generate: done {run.record('generate')['finished']}")
    assert lines[2:] == [
        f"  from catalogue {tools}",
        "  examples: 7",
        *(f"{stage}: not done" for stage in ("refine", "train", "merge", "evaluate", "export")),
    ]
    data = json.loads(here(capsys, "show", run.path, "--json").out)
    assert data["stages"]["generate"] == run.record("generate")
    assert data["stages"]["train"] is None
    assert data["recipe"] == run.recipe.model_dump()


def test_show_says_if_nothing_is_there(capsys: Capture, tmp_path: Path) -> None:
    gone = here(capsys, "show", tmp_path / "trace.jsonl")
    assert gone.code == 1 and "trace.jsonl: there is no such file or folder" in gone.err


def test_show_says_which_inputs_have_changed_since(capsys: Capture, tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))

    def write_rows(folder: Path) -> dict[str, int]:
        (folder / "examples.jsonl").write_text("{}\n", encoding="utf-8")
        return {}

    run.perform("generate", inputs={}, settings={}, work=write_rows)
    old_fingerprint = run.fingerprint("generate")
    run.perform("refine", inputs={"generate": old_fingerprint}, settings={}, work=lambda _: {})
    assert f"  from generate {old_fingerprint}\n" in here(capsys, "show", run.path).out
    (run.path / "generate" / "examples.jsonl").write_text("{}\n{}\n", encoding="utf-8")
    assert f"  from generate {old_fingerprint}, which has changed since\n" in here(capsys, "show", run.path).out


def test_results_as_lines_by_hand() -> None:
    results = {
        "rows": 4,
        "loss": 0.123456,
        "kept": {"train": 3, "valid": 0.25},
        "nothing": {},
        "steps": [1, 2.5],
        "none": [],
        "by": {"tool": {"me": 1}, "names": ["a", "b"]},
        "examples": [{"query": "Go"}],
    }
    assert list(result_lines(results)) == [
        "  rows: 4",
        "  loss: 0.1235",
        "  kept: train 3, valid 0.25",
        "  nothing: none",
        "  steps: 1, 2.5",
        "  none: none",
        "  by:",
        "    tool: me 1",
        "    names: a, b",
    ]
    assert list(result_lines({"a": 1}, indent="")) == ["a: 1"]


@pytest.mark.parametrize("name", ["~no-such-user/run", "x" * 300])
def test_a_name_that_the_system_refuses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = here(capsys, "show", name)
    assert said.code == 1 and "cannot be looked up: " in said.err
