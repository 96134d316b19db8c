"""Exactness apart from conventions, worked by hand."""

from platypus.data.dataset import Example
from platypus.evaluation.answering import ScoredRow
from platypus.evaluation.apart import apart_from
from platypus.evaluation.metrics import score
from platypus.generation.plans.conventions import Conventions
from platypus.plan.plan import Malformed, Plan, Reference, Step
from tests.generation.plans.test_conventions import CATALOGUE, OWN, ROWS, listed

DRAWN = {"resamples": 50, "seed": 0}
LOOKED_UP = Plan((Step("find_user", {"name": "Anna"}), listed(owner=Reference(0, ()))))


def answered(query: str, gold: Plan, plan: Plan | Malformed) -> ScoredRow:
    row = Example(query, gold, CATALOGUE.fingerprint, {})
    measured = score(plan, gold, CATALOGUE)
    return ScoredRow(row, "", plan, 1, measured, cut=False, tools=CATALOGUE)


def test_plans_that_differ_in_conventions_only_count_as_exact() -> None:
    rows = [
        answered("What is Anna's?", LOOKED_UP, Plan((listed(owner="Anna"),))),
        answered("Tasks in review", Plan((listed(stage="review"),)), Plan((listed(stage="review", type=["task"]),))),
        answered("What does Anna own?", LOOKED_UP, Plan((listed(owner="Ben"),))),
        answered("All of Anna", LOOKED_UP, Malformed("x", ())),
    ]
    apart = apart_from(Conventions.learn(ROWS, CATALOGUE, OWN), rows, **DRAWN)
    assert apart and apart["exact"]["value"] == 0.5
    assert any(text.startswith("list_items.owner: names are looked up") for text in apart["conventions"])


def test_nothing_is_said_without_conventions() -> None:
    assert apart_from(Conventions(), [answered("Anna's", LOOKED_UP, LOOKED_UP)], **DRAWN) is None
