"""Rows that share text: what differs is compared, nothing that differs is lost, and a test is drawn."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.refine import refine
from platypus.data.dataset import Row
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Step
from platypus.run.folder import Run
from tests.commands.test_refine import example, rejected, split_of, start
from tests.support.command import ROOT, here

CASES = ROOT.parent / "shared" / "cases" / "finetuning"
TASK = (
    "You sort the letters that reach the keeper of a lighthouse. Say in one word, in small letters and without a full"
    " stop, whether the writer of the letter below wants to visit. Give no reasons and do not greet."
)
LETTERS = [f"{verb} {what}" for verb in ("see", "sell", "fix", "draw", "hear") for what in ("lamp", "stairs", "horn")]
LETTERS += ["boat came late", "no wind today", "paint is dry", "oil ran out", "gulls again", "fog all week"]
PASSAGE = (
    "The lighthouse on the northern rock was built in 1871 from stones of the old quarry. Its lamp is seen from twenty"
    " miles. Four keepers lived there with their families until 1964, when a cable from the shore made them needless."
)
QUESTIONS = ["Is it old?", "Is the rock bare?", "Were there keepers?", "Is it red?", "Has it power?", "Was oil burnt?"]
QUESTIONS += ["Can one see it far off?", "Did it fall?", "Is a quarry named?", "Is there a school?", "Do ships call?"]


def row(instruction: str, given: str, output: str) -> dict[str, str]:
    return {"instruction": instruction, "input": given, "output": output}


def answers(count: int) -> list[str]:
    return ["yes" if i % 2 else "no" for i in range(count)]


def refined(folder: Path, rows: list[Any], **settings: Any) -> tuple[Run, dict[str, list[Row]], dict[str, Any]]:
    run = start(folder, rows, **settings)
    results = dict(refine(run).results)
    return run, split_of(run), results


SHARED = {
    "one instruction": [row(TASK, text, said) for text, said in zip(LETTERS, answers(21), strict=True)],
    "one instruction in the same field": [
        row(f"{TASK}\n\nLetter: {text}", "", said) for text, said in zip(LETTERS, answers(21), strict=True)
    ],
    "one passage": [row(text, PASSAGE, said) for text, said in zip(QUESTIONS, answers(11), strict=True)],
    "questions on every passage": [
        row(f"{PASSAGE} {question}", f"{PASSAGE} Rock {rock}.", "no") for question in QUESTIONS for rock in "abcde"
    ],
    "many instructions with few inputs": [
        row(f"{TASK} Letters of this kind were filed in the year {1900 + n // 3}.", text, "no")
        for n, text in enumerate(LETTERS)
    ],
    "three tasks": [
        row(f"{task} {TASK} {text}", "", "no" if task == "First:" else text[::-1])
        for task in ("First:", "Second:", "Third:")
        for text in LETTERS
    ],
}


@pytest.mark.parametrize("name", SHARED)
def test_no_row_is_lost_for_what_all_share(tmp_path: Path, name: str) -> None:
    rows = SHARED[name]
    _, splits, results = refined(tmp_path, rows, test_fraction=0.2, valid_fraction=0.1)
    assert results["rejected"] == {}
    assert sum(map(len, splits.values())) == len(rows)
    assert splits["test"] and splits["valid"]


def test_requests_for_a_plan_under_one_preamble(tmp_path: Path) -> None:
    rows = [example(f"{TASK} {text}", Plan((Step("who_am_i"),) if i % 2 else ())) for i, text in enumerate(LETTERS)]
    _, splits, results = refined(tmp_path, rows)
    assert (results["rejected"], sum(map(len, splits.values()))) == ({}, 21)
    assert splits["test"]


def test_near_copies_under_one_instruction_still_go_and_stay_on_one_side(tmp_path: Path) -> None:
    copies = [
        row(TASK, "please let me come to see the great lamp", "yes"),
        row(TASK, "Please let me come to see the great lamps", "yes"),
        row(TASK, "please let me come to see the great lamp!", "no"),
    ]
    run, splits, _ = refined(tmp_path, [*SHARED["one instruction"], *copies], test_fraction=0.3, near_duplicate=0.85)
    assert [(one["line"], one["kind"]) for one in rejected(run)] == [(23, "near-duplicate")]
    sides = {name for name, some in splits.items() for one in some if "great lamp" in str(one.to_json())}
    assert len(sides) == 1


def test_a_given_test_under_the_same_instruction_takes_only_what_repeats_it(tmp_path: Path) -> None:
    rows = SHARED["one instruction"]
    test = [row(TASK, "the door is stuck", "no"), {**rows[4], "input": "Sell stairs!"}]
    run, splits, _ = refined(tmp_path, rows, test=test)
    assert [(one["line"], one["kind"]) for one in rejected(run)] == [(5, "contamination")]
    assert len(splits["test"]) == 2


def test_sums_are_split_by_rows_which_is_said_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(f"How much is {a} and {b}?", "", str(a + b)) for a in range(10, 18) for b in range(30, 36)]
    run, splits, results = refined(tmp_path, rows)
    assert {name: len(some) for name, some in splits.items()} == {"train": 41, "valid": 2, "test": 5}
    (warning,) = results["warnings"]
    assert warning.startswith("rows of test and valid were drawn singly") and "the largest has 48 of 48 rows" in warning
    folder = run.folder("refine")
    assert json.loads((folder / "report.json").read_text("utf-8"))["split_by_rows"] == ["test", "valid"]
    assert "drawn singly" in (folder / "report.md").read_text("utf-8")
    assert "similar rows stand on both sides" in (folder / "README.md").read_text("utf-8")
    said = here(capsys, "refine", run.path)
    assert said.code == 0 and said.err.startswith("warning: rows of test and valid were drawn singly")
    assert "warning" not in said.out


def test_sums_of_a_given_test_do_not_take_all_other_sums(tmp_path: Path) -> None:
    rows = [row(f"How much is {a} and {b}?", "", str(a + b)) for a in range(10, 18) for b in range(30, 36)]
    run, splits, _ = refined(tmp_path, rows, test=[row("How much is 71 and 55?", "", "126"), rows[0]])
    assert {one["kind"] for one in rejected(run)} <= {"contamination"}
    assert len(splits["train"]) + len(splits["valid"]) > 40
    assert rows[0]["instruction"] not in [one.to_json()["instruction"] for one in splits["train"]]


def test_a_great_loss_is_a_warning_with_numbers(tmp_path: Path) -> None:
    rows = [row(f"Tell me what the old keeper of the lighthouse does {'!' * n}", "", "w") for n in range(1, 9)]
    rows += [row(f"What is a {word}?", "", word) for word in ("gull", "lamp", "horn", "buoy", "reef")]
    _, _, results = refined(tmp_path, rows)
    (warning,) = results["warnings"]
    assert warning.startswith("7 of 13 rows (54%) were left out, 6 are kept: ")


def test_hardly_anything_left_is_refused_unless_the_recipe_allows_it(tmp_path: Path) -> None:
    rows = [
        row(f"Tell me at length what the old keeper of the lighthouse does in year {n}", "", "w") for n in range(30)
    ]
    run = start(tmp_path, rows, near_duplicate=0.8)
    with pytest.raises(DatasetError, match="only 1 of 30 different rows would be kept") as caught:
        refine(run)
    listed = (run.path / "refine-rejected.jsonl").read_text("utf-8").splitlines()
    assert (len(listed), caught.value.where) == (29, str(run.path / "refine-rejected.jsonl"))
    allowed = start(tmp_path, rows, near_duplicate=0.8, min_kept=0.0)
    assert refine(allowed).results["rejected"] == {"near-duplicate": 29}
    assert not (run.path / "refine-rejected.jsonl").exists()


@pytest.mark.parametrize(("case", "kept"), [("same-instruction", 30), ("same-template", 59)])
def test_the_reported_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, kept: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (CASES / case).is_dir():
        pytest.skip(f"no reported cases here: {CASES / case} is not beside this checkout")
    monkeypatch.chdir(CASES / case)
    assert here(capsys, "refine", tmp_path / "run", "--recipe", "recipe.toml").code == 0
    splits = split_of(Run.open(tmp_path / "run"))
    assert sum(map(len, splits.values())) == kept
    assert splits["test"] and splits["valid"]
