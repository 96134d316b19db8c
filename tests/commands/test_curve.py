"""curve: parts of the training rows, and what is measured on them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_sweep import run_with_rows, trained  # noqa: F401  # a fixture
from tests.support.command import here


def test_smaller_sets_are_parts_of_larger_ones(
    tmp_path: Path,
    trained: list[dict[str, Any]],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = run_with_rows(tmp_path)
    said = here(capsys, "curve", run.path, "--examples", "20,5,10", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["examples"] == [5, 10, 20] == [len(one["rows"]) for one in trained]
    assert set(trained[0]["rows"]) < set(trained[1]["rows"]) < set(trained[2]["rows"])
    assert [value["value"] for value in found["values"]] == [0.4] * 3
    assert found["forecasts"] == []  # all sizes score alike
    text = (run.path / "curve" / "curve.md").read_text()
    assert "| 20 | 40.0% [" in text and "](curve.svg)" in text
    assert "training examples" in (run.path / "curve" / "curve.svg").read_text()
    assert here(capsys, "curve", run.path, "--examples", "5,10,20").code == 0 and len(trained) == 3
    tested = [path / "refine" / "test.jsonl" for path in (run.path, run.path / "curve" / "5" / "seed-0")]
    assert tested[0].read_text() == tested[1].read_text() != ""


def test_a_text_may_hold_line_ends_of_unicode(
    tmp_path: Path,
    trained: list[dict[str, Any]],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = run_with_rows(tmp_path)
    path = run.folder("refine") / "train.jsonl"
    path.write_text("".join(f'"one\u2028row {i}"\n' for i in range(4)), encoding="utf-8")
    assert here(capsys, "curve", run.path, "--examples", "2,3,4").code == 0
    drawn = run.path / "curve" / "3" / "seed-0" / "refine" / "train.jsonl"
    assert drawn.read_text(encoding="utf-8").count('"') == 6
    assert here(capsys, "curve", run.path, "--examples", "5").code == 1


@pytest.mark.parametrize(("examples", "code"), [("5,50", 1), ("many", 2), ("0", 2), ("", 2)])
def test_sizes_that_are_none_are_refused(
    tmp_path: Path,
    trained: list[dict[str, Any]],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    examples: str,
    code: int,
) -> None:
    said = here(capsys, "curve", run_with_rows(tmp_path).path, "--examples", examples)
    assert said.code == code and not trained
    assert code == 2 or "there are 40 training rows, fewer than 50" in said.err
