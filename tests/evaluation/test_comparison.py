"""Comparisons by hand: differences, flips and their order, rows that only one has answered, files that are none."""

import json
from pathlib import Path

import pytest

from platypus.data.dataset import Example, Row
from platypus.errors import DatasetError
from platypus.evaluation.answering import Said, ScoredRow, scored
from platypus.evaluation.comparison import compare, read_answers
from tests.evaluation.test_metrics import CATALOGUE, GOLD, plan

REQUESTS = {"Who am I?": "me()", "The sprint": "sprint()", "All of it": GOLD, "Make tea": "[]", "Sum 1": "sum(of=1)"}


def answered(request: str, answer: str, gold: str) -> ScoredRow:
    said = plan(answer)
    row: Row = Example(request, plan(gold), "", {})
    assert isinstance(row, Example)
    return scored(row, Said(answer, said, said), CATALOGUE)


def file_of(folder: Path, answers: dict[str, str], name: str = "scores.jsonl") -> str:
    """A file of scores in which these requests are answered otherwise than right."""
    rows = [answered(request, answers.get(request, gold), gold) for request, gold in REQUESTS.items()]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"variant": "after", **row.to_json()}) + "\n" for row in rows))
    return str(path)


def test_differences_and_flips_by_hand(tmp_path: Path) -> None:
    first = read_answers(file_of(tmp_path / "a", {"Make tea": "me()"}))
    half = GOLD.replace("to=$2", "to=$1")
    second = read_answers(file_of(tmp_path / "b", {"Who am I?": "sprint()", "All of it": half}))
    found = compare(first, second, resamples=200, seed=0)
    assert (found.rows, found.left_out, found.lost) == (5, 0, 2)
    exact = found.differences["exact"]
    assert exact.value == pytest.approx((3 - 4) / 5) and exact.low < exact.value < exact.high
    assert found.p_rows == 1  # two against one
    flips = [(flip.line["query"], flip.won) for flip in found.flips]
    assert flips == [
        ("Who am I?", False),
        ("All of it", False),
        ("Make tea", True),
    ]  # no right call before three of four
    shown = found.to_json()
    assert (shown["turned_wrong"], shown["turned_right"]) == (2, 1)
    assert shown["flips"][0]["second"] == plan("sprint()").to_json() and shown["flips"][2]["gold"] == []


def test_the_same_answers_do_not_differ(tmp_path: Path) -> None:
    answers = read_answers(file_of(tmp_path, {"Sum 1": "sum(of=2)"}))
    found = compare(answers, answers, resamples=50, seed=0)
    assert not found.flips and {one.value for one in found.differences.values()} == {0.0}
    assert all(one.detectable > 0 for one in found.differences.values())


def test_rows_may_stand_in_any_order_and_those_of_one_alone_are_counted(tmp_path: Path) -> None:
    first, second = file_of(tmp_path / "a", {}), file_of(tmp_path / "b", {"Make tea": "me()"})
    forwards = compare(read_answers(first), read_answers(second), resamples=50, seed=0)
    lines = Path(second).read_text().splitlines(keepends=True)
    Path(second).write_text("".join(reversed(lines)))
    assert compare(read_answers(first), read_answers(second), resamples=50, seed=0) == forwards
    Path(second).write_text("".join(lines[:3]))
    fewer = compare(read_answers(first), read_answers(second), resamples=50, seed=0)
    assert (fewer.rows, fewer.left_out) == (3, 2)
    Path(second).write_text(json.dumps({"variant": "x", **answered("Other", "me()", "me()").to_json()}))
    with pytest.raises(DatasetError, match=r"has no row in common with .*a"):
        compare(read_answers(first), read_answers(second), resamples=50, seed=0)


def test_a_row_that_occurs_twice_is_compared_twice(tmp_path: Path) -> None:
    path = Path(file_of(tmp_path, {}))
    path.write_text(path.read_text() * 2)
    answers = read_answers(str(path))
    assert compare(answers, answers, resamples=10, seed=0).rows == 2 * len(REQUESTS)


def test_runs_folders_and_variants_are_found(tmp_path: Path) -> None:
    path = Path(file_of(tmp_path / "run" / "evaluate", {}))
    for source in (tmp_path / "run", path.parent, path, f"{path}@after"):
        assert len(read_answers(str(source)).lines) == len(REQUESTS)
    with pytest.raises(DatasetError, match=r"has no answers of 'before'\n.*It has after"):
        read_answers(f"{tmp_path / 'run'}@before")
    with pytest.raises(DatasetError, match=r"holds no evaluation\n.*platypus evaluate"):
        read_answers(str(tmp_path))


def test_a_folder_may_have_an_at_sign_in_its_name(tmp_path: Path) -> None:
    source = file_of(tmp_path / "me@home" / "evaluate", {})
    for place in (tmp_path / "me@home", source, f"{source}@after"):
        assert len(read_answers(str(place)).lines) == len(REQUESTS)


def test_requests_may_hold_line_ends_of_unicode(tmp_path: Path) -> None:
    row = answered("Note:\u2028buy milk\x85", "me()", "me()")
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps({"variant": "after", **row.to_json()}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert len(read_answers(str(path)).lines) == 1


def test_a_line_without_its_gold_plan_is_refused(tmp_path: Path) -> None:
    path = Path(file_of(tmp_path, {}))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for key in ("gold", "plan"):
        path.write_text("".join(json.dumps({k: v for k, v in line.items() if k != key}) + "\n" for line in lines))
        with pytest.raises(DatasetError, match="is not a file of scores"):
            read_answers(str(path))


@pytest.mark.parametrize("content", ["{}\n", "no json\n", '{"variant": "after", "score": {"exact": true}}\n', "[]\n"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.jsonl").write_text(content)
    with pytest.raises(DatasetError, match=r"is not a file of scores .*\n.*--force"):
        read_answers(str(tmp_path))
