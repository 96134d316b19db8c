"""compare on the command line: the table, the flips, JSON, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.evaluation.test_comparison import GOLD, REQUESTS, file_of
from tests.support.command import here


def test_two_planners(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = file_of(tmp_path / "a", {"Make tea": "me()"}), file_of(tmp_path / "b", {"All of it": GOLD[:4]})
    said = here(capsys, "compare", first, second, "--flips", "1")
    assert said.code == 0
    words = " ".join(said.out.split())
    assert "1 rows turned wrong, 1 turned right; McNemar's p 1.000" in words
    assert "turned wrong: All of it" in words and "and 1 more rows; --json lists all" in words
    assert "gold me(); list(owner=$0, stages=" in words and "second me()" in words
    (found,) = json.loads(here(capsys, "compare", first, second, "--json").out)["comparisons"]
    assert found["rows"] == len(REQUESTS) and [flip["turned"] for flip in found["flips"]] == ["wrong", "right"]


def test_a_name_in_brackets_is_shown_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "[b]"):
        file_of(Path(name), {})
    assert "[b] less a: 5 rows" in here(capsys, "compare", "a", "[b]").out


def test_an_evaluation_that_was_killed_is_compared_as_far_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line is half: the rows before it count, and nothing tells to throw them away."""
    first, second = (Path(file_of(tmp_path / name, {})) for name in "ab")
    second.write_bytes(second.read_bytes()[:-20])
    (second.parent / "evaluation.json").write_text("{}")
    said = here(capsys, "compare", first, second, "--json")
    assert said.code == 0 and json.loads(said.out)["comparisons"][0]["rows"] == len(REQUESTS) - 1
    told = f"{second}: its evaluation is not finished, {len(REQUESTS) - 1} rows are there; the same platypus evaluate"
    assert told in said.err and str(first) not in said.err
    (second.parent / "report.json").write_text("{}")
    assert "not finished" not in here(capsys, "compare", first, second).err


def test_each_is_compared_with_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [file_of(tmp_path / name, {}) for name in ("a", "b", "c")]
    found = json.loads(here(capsys, "compare", *files, "--json").out)["comparisons"]
    assert [(one["first"], one["second"]) for one in found] == [(files[0], files[1]), (files[0], files[2])]


def test_one_alone_and_files_that_are_not_there_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert here(capsys, "compare", str(tmp_path)).code == 2
    said = here(capsys, "compare", str(tmp_path), str(tmp_path))
    assert said.code == 1 and "holds no evaluation" in said.err
    said = here(capsys, "compare", str(tmp_path / "nowhere"), str(tmp_path))
    assert said.code == 1 and "nowhere: there is no such file or folder" in said.err
