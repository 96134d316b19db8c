"""Of repeated rows the best stays, not the longest; conflicts are listed in pairs; rows that leak a test row go."""

import json
from typing import Any

import numpy as np
import pytest

from platypus.refinement.candidates import Candidate
from platypus.refinement.deduplication import (
    Kept,
    without_contamination,
    without_near_copies,
    without_paraphrases,
    without_repetitions,
)
from platypus.refinement.distinct_text import distinct_text
from platypus.refinement.quality import Doubt

DOUBT = Doubt("ungrounded", "'p0' is not in the request")


def row(
    question: str, answer: int = 1, *, line: int = 0, file: str = "a", template: int = 0, **known: Any
) -> Candidate:
    """A row with a plan; its template is its line number, unless one is passed."""
    row = json.dumps({"query": question, "plan": [answer]}).encode()
    given = {"findings": (), "grounded": 1.0, "skeleton": "a()", "tools": ("a",), "steps": 1, **known}
    return Candidate(file, line, line, row, question, template or line, answer, **given)


def kept(left: Kept) -> list[int]:
    return [one.line for one in left.kept]


def rejected(left: Kept) -> list[tuple[int, str, str]]:
    return [(one.line, one.kind, one.reason) for one in left.rejected]


def test_of_duplicates_the_one_with_fewer_doubts_stays_then_the_better_grounded_then_the_first() -> None:
    rows = [
        row("List my tasks", line=1, findings=(DOUBT,)),
        row("list my tasks.", line=2, grounded=0.5),
        row("LIST my tasks !", line=3),
        row("List  my tasks".replace("  ", " "), line=4),
        row("Something else", line=5),
    ]
    left = without_repetitions(rows)
    assert kept(left) == [3, 5]
    assert left.places == [2, 4]
    assert {(line, kind, reason) for line, kind, reason in rejected(left)} == {
        (line, "duplicate", "the same as a:3") for line in (1, 2, 4)
    }
    assert all(one.evidence == ("a:3: LIST my tasks !",) for one in left.rejected)


def test_a_conflict_is_listed_in_pairs() -> None:
    rows = [row("My tasks", 1, line=1), row("My tasks", 2, line=2), row("My tasks", 1, line=3)]
    left = without_repetitions(rows)
    assert left.kept == []
    assert [(one.line, one.evidence) for one in left.rejected] == [
        (1, ("a:2: [2]",)),
        (2, ("a:1: [1]", "a:3: [1]")),
        (3, ("a:2: [2]",)),
    ]
    assert {one.kind for one in left.rejected} == {"conflict"}


def test_the_only_plan_without_doubts_wins_a_conflict() -> None:
    rows = [row("My tasks", 1, line=1, findings=(DOUBT,)), row("My tasks", 2, line=2), row("My tasks", 2, line=3)]
    left = without_repetitions(rows)
    assert kept(left) == [2]
    assert [(one.line, one.kind) for one in left.rejected] == [(1, "conflict"), (3, "duplicate")]


def test_a_doubted_row_with_the_plan_that_wins_a_conflict_is_its_duplicate() -> None:
    rows = [
        row("My tasks", 1, line=1),
        row("My tasks", 1, line=2, findings=(DOUBT,)),
        row("My tasks", 2, line=3, findings=(DOUBT,)),
    ]
    left = without_repetitions(rows)
    assert kept(left) == [1]
    assert sorted((one.line, one.kind, one.evidence) for one in left.rejected) == [
        (2, "duplicate", ("a:1: My tasks",)),
        (3, "conflict", ("a:1: [1]",)),
    ]


def test_plans_may_differ_if_the_case_of_the_request_does() -> None:
    assert kept(without_repetitions([row("Find ART", 1, line=1), row("find art", 2, line=2)])) == [1, 2]


def test_alpaca_answers_are_no_conflict() -> None:
    rows = [row("Name a colour", answer, line=answer, steps=-1) for answer in (1, 2)]
    assert kept(without_repetitions(rows)) == [1, 2]


def near_copies(rows: list[Candidate], threshold: float = 0.8) -> Kept:
    return without_near_copies(rows, distinct_text(rows), threshold=threshold)


def test_of_near_duplicates_the_best_stays_and_not_the_longest() -> None:
    rows = [
        row("Show me the open tasks of my whole team, please", line=1, findings=(DOUBT,)),
        row("Show me the open tasks of my whole team", line=2),
        row("Show me the open tasks of my whole teams", 2, line=3),
    ]
    left = near_copies(rows)
    assert kept(left) == [2, 3]
    assert rejected(left) == [(1, "near-duplicate", "nearly the same as a:2 (0.87 alike)")]
    assert left.rejected[0].evidence == ("a:2: Show me the open tasks of my whole team",)


def test_a_row_is_removed_only_for_one_that_stays() -> None:
    """The second row is similar to the first, the third only to the second, so the third stays."""
    texts = ["abcdefgh ijklmnop", "abcdefgh ijklmnop qrstuv", "abcdefgh ijklmnop qrstuv wxyzab"]
    rows = [row(text, line=i) for i, text in enumerate(texts)]
    assert kept(near_copies(rows, 0.78)) == [0, 2]


def test_paraphrases_with_a_similar_embedding_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"buy milk": (1.0, 0.0), "get some milk": (0.96, 0.28), "milk, please": (0.96, 0.28), "sing": (0.0, 1.0)}
    monkeypatch.setattr(
        "platypus.refinement.deduplication.embed", lambda texts, _: np.array([places[text] for text in texts])
    )
    rows = [row("get some milk", line=1, findings=(DOUBT,)), row("buy milk", line=2), row("sing", line=3)]
    rows.append(row("milk, please", 2, line=4))
    left = without_paraphrases(rows, distinct_text(rows), model="any", threshold=0.9)
    assert kept(left) == [2, 3, 4]
    assert rejected(left) == [(1, "semantic-duplicate", "says the same as a:2 (0.96 alike)")]


def contaminated(rows: list[Candidate], tests: list[Candidate], **limits: float) -> Kept:
    texts = distinct_text([*rows, *tests])
    given = {"near_duplicate": 0.9, "embedding": 0.95, **limits}
    return without_contamination(rows, tests, texts, model="tfidf", **given)


def test_rows_that_leak_a_test_row_are_removed_with_evidence() -> None:
    tests = [
        row("Which tickets await our answer right now?", line=1, file="one", template=100),
        row("Summarize the sprint for the board, then list the tasks", line=2, file="two", template=200),
    ]
    rows = [
        row("Anything at all", line=1, template=100),
        row("Which tickets await our answers right now?", line=2),
        row("which tickets await our answer right now", line=3),
        row("List the tasks, then summarize the sprint for the board", line=4),
        row("Which boards are there", line=5),
    ]
    left = contaminated(rows, tests, embedding=0.8, near_duplicate=0.93)
    assert kept(left) == [5]
    reasons = [reason for _, _, reason in rejected(left)]
    assert reasons[0] == "has the template of the test row one:1"
    assert reasons[1].startswith("nearly the same as the test row one:1 (0.")
    assert reasons[2].startswith("nearly the same as the test row one:1 (")
    assert reasons[3].startswith("speaks of nearly the same as the test row two:2 (0.8")
    assert left.rejected[3].evidence == (f"two:2: {tests[1].question}",)
    assert {one.kind for one in left.rejected} == {"contamination"}


def test_without_tests_nothing_is_contaminated() -> None:
    rows = [row("a task", line=1)]
    assert contaminated(rows, []).kept == rows


def test_rows_with_other_tools_neither_repeat_nor_contradict_each_other() -> None:
    rows = [
        row("My tasks", 1, line=1, catalogue="a"),
        row("My tasks", 2, line=2, catalogue="b"),
        row("my tasks.", 1, line=3, catalogue="a"),
        row("My tasks", 3, line=4),
        row("My tasks", 4, line=5, catalogue="c"),
        row("My tasks", 5, line=6, catalogue="c"),
    ]
    left = without_repetitions(rows)
    assert kept(left) == [1, 2, 4]
    assert [(line, kind) for line, kind, _ in rejected(left)] == [(3, "duplicate"), (5, "conflict"), (6, "conflict")]
