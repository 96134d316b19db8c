"""What a report says of answered rows, by hand; rows in any order say the same."""

import random
from dataclasses import replace

import pytest

from platypus.data.dataset import Example, Instruction
from platypus.evaluation.answering import Said, ScoredRow, scored
from platypus.evaluation.metrics import score_text
from platypus.evaluation.summary import calibration_for, confidence, examples, summary
from platypus.inference.calibration import Calibration
from tests.evaluation.test_metrics import CATALOGUE, GOLD, MALFORMED, plan


def answered(request: str, answer: str | None, gold: str, probability: float | None = None) -> ScoredRow:
    said = None if answer is None else plan(answer)
    return scored(
        Example(request, plan(gold), "", {}),
        Said(answer or "?", MALFORMED if said is None else said, said, 3, False, probability),
        CATALOGUE,
    )


ROWS = [
    answered("Who am I?", "me()", "me()", 0.9),
    answered("The sprint", "me()", "sprint()", 0.8),
    answered("All of it", GOLD, GOLD, 0.7),
    answered("Everything", None, GOLD, 0.0),
    answered("Make tea", "[]", "[]", 0.6),
]  # fmt: skip


def test_groups_mistakes_and_confusions_by_hand() -> None:
    found = summary(ROWS, resamples=20, seed=0)
    assert {key: part["exact"]["value"] for key, part in found["by_length"].items()} == {"0": 1, "1": 0.5, "4": 0.5}
    assert found["by_tool"]["sprint"]["exact"] == {**found["by_tool"]["sprint"]["exact"], "value": 1 / 3, "rows": 3}
    assert found["mistakes"] == {"malformed": 1, "wrong tool": 1} and found["malformed"] == {"calls": 1}
    assert found["confusions"] == [{"gold": "sprint", "answer": "me", "count": 1}]
    assert found["clusters"] == 4  # the two long requests have one skeleton
    assert found["measures"]["exact"]["clusters"] == 4 and found["measures"]["exact"]["value"] == 3 / 5
    assert found["by_argument"]["reference"]["value"] == found["by_argument"]["list"]["value"] == 1 / 2
    assert found["published"]["nestful_full"]["value"] == 3 / 5
    assert found["published"]["taskbench_node_f1"]["rows"] == 4
    assert found["published"]["taskbench_node_f1_answered"]["rows"] == 3


def test_lengths_are_ordered_as_numbers() -> None:
    long = "\n".join(["me()"] * 11)
    found = summary([answered("a", "me()", long), answered("b", "me()", "me()\nme()")], resamples=5, seed=0)
    assert list(found["by_length"]) == ["2", "11"]


def test_the_order_of_rows_changes_nothing() -> None:
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert summary(shuffled, resamples=30, seed=0) == summary(ROWS, resamples=30, seed=0)
    fitted = Calibration(1.5, -0.5, 4)
    assert confidence(shuffled, fitted, least=0.5) == confidence(ROWS, fitted, least=0.5)


def test_texts_have_metrics_of_their_own() -> None:
    text = ScoredRow(Instruction("Greet", "", "Hi", {}), "Hi", None, 1, score_text("Hi", "Hi"), False)
    found = summary([*ROWS, text], resamples=5, seed=0)
    assert found["measures"]["text_exact"]["rows"] == 1 and found["measures"]["exact"]["rows"] == 5
    assert text.mistakes == ()


def test_confidence_bins_and_risk_by_hand() -> None:
    found = confidence(ROWS, Calibration(), least=0.75)
    assert found["not_sure"] == 3 and found["exact_if_sure"] == 0.5
    assert [(part["rows"], part["exact"]) for part in found["bins"]] == [(1, 0), (1, 1), (1, 1), (1, 0), (1, 1)]
    assert found["risk_coverage"] == [
        {"coverage": 0.2, "risk": 0.0},
        {"coverage": 0.4, "risk": 0.5},
        {"coverage": 0.6, "risk": round(1 / 3, 4)},
        {"coverage": 0.8, "risk": 0.25},
        {"coverage": 1.0, "risk": 0.4},
    ]
    ties = [replace(row, probability=0.5) for row in ROWS]
    assert confidence(ties, Calibration(), least=0)["risk_coverage"] == [{"coverage": 1.0, "risk": 0.4}]
    assert calibration_for(ROWS, Calibration()).rows == 5


def test_examples_are_spread_over_the_rows() -> None:
    shown = examples({"before": ROWS, "after": ROWS})
    assert [row["query"] for row in shown] == ["Who am I?", "The sprint", "All of it"]
    assert shown[0]["before"] == shown[0]["after"] == "me()"


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows(count: int) -> None:
    found = summary(ROWS[:count], resamples=5, seed=0)
    assert len(found["by_length"]) == count and found["clusters"] == count
