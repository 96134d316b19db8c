"""What is wrong with a plan, by hand."""

import pytest

from platypus.evaluation.intervals import Ratio
from platypus.evaluation.mistakes import MISTAKES, NO_TOOL, argument_kinds, confusions, mistakes
from platypus.plan.plan import Plan
from tests.evaluation.test_metrics import CATALOGUE, GOLD, MALFORMED, plan


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (GOLD, ()),
        ('sprint()\nme()\nlist(stages=["b", "a"], owner=$1)\nadd(to=$0, items=$2)', ()),
        ("[]", ("over-refusal",)),
        (GOLD.replace("sprint()", "me()"), ("wrong tool",)),
        ('me()\nlist(owner=$0, stages=["a", "b"])', ("missing step",)),
        (f"{GOLD}\nsum(of=$1)", ("extra step",)),
        (GOLD.replace("to=$2", "to=$1"), ("wrong reference",)),
        (GOLD.replace("to=$2", 'to="it"'), ("wrong reference",)),
        (GOLD.replace('"b"', '"c"'), ("wrong value",)),
        (GOLD.replace("owner=$0, ", ""), ("missing argument",)),
        (GOLD.replace("owner=$0", "owner=$0, limit=3"), ("extra argument",)),
        (
            GOLD.replace('stages=["a", "b"]', 'order=["a", "b"]').replace("to=$2", "to=$1"),
            ("wrong reference", "missing argument", "extra argument"),
        ),
    ],
)
def test_each_kind(answer: str, kinds: tuple[str, ...]) -> None:
    assert mistakes(plan(answer), plan(GOLD), CATALOGUE) == kinds


def test_calls_that_only_refer_to_other_calls_of_their_tool_are_in_the_wrong_order() -> None:
    gold = plan("sum(of=1)\nsum(of=2)\nadd(items=$0, to=$1)")
    assert mistakes(plan("sum(of=1)\nsum(of=2)\nadd(items=$1, to=$0)"), gold, CATALOGUE) == ("wrong order",)


def test_values_of_the_wrong_one_of_two_calls_are_wrong_values() -> None:
    gold = plan('list(owner="A", limit=1)\nlist(owner="B", limit=2)')
    swapped = plan('list(owner="A", limit=2)\nlist(owner="B", limit=1)')
    assert mistakes(swapped, gold, CATALOGUE) == ("wrong value",)


def test_malformed_answers_and_calls_where_nothing_is_to_be_called() -> None:
    assert mistakes(MALFORMED, plan(GOLD), CATALOGUE) == mistakes(MALFORMED, Plan(), CATALOGUE) == ("malformed",)
    assert mistakes(plan("me()"), Plan(), CATALOGUE) == ("over-call",)
    assert mistakes(Plan(), Plan(), CATALOGUE) == ()
    assert len(MISTAKES) == len(set(MISTAKES))


def test_tools_called_in_place_of_others() -> None:
    assert confusions(plan("me()\nme()\nsum(of=1)"), plan("sprint()\nme()\nsum(of=2)")) == [("sprint", "me")]
    assert confusions(plan("me()"), plan("me()\nsprint()")) == [("sprint", NO_TOOL)]
    assert confusions(plan("me()\nsprint()"), plan("me()")) == [(NO_TOOL, "sprint")]


def test_arguments_by_the_kind_of_gold_s_value() -> None:
    gold = plan('me()\nlist(owner=$0, limit=3, stages=["a"])\nsum(of="x")\nsum(of=true)\nsum(of={"k": 1})')
    answer = plan('me()\nlist(owner=$0, limit=4, stages=["a"])\nsum(of="x")\nsum(of=false)')
    assert argument_kinds(answer, gold, CATALOGUE) == {
        "reference": Ratio(1, 1),
        "number": Ratio(0, 1),
        "list": Ratio(1, 1),
        "text": Ratio(1, 1),
        "yes or no": Ratio(0, 1),
        "object": Ratio(0, 1),
    }
    assert argument_kinds(MALFORMED, plan("sum(of=1)"), CATALOGUE) == {"number": Ratio(0, 1)}
    twice = plan("sum(of=1)\nsum(of=1)")
    assert argument_kinds(plan("sum(of=1)"), twice, CATALOGUE) == {"number": Ratio(1, 2)}
