"""The metrics by hand (the examples of docs/metrics.md), and properties that they must have."""

import doctest
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.evaluation.metrics import Overlap, Ratio, Score, grouped, score, score_text, summarise
from platypus.plan.notation import read_plan
from platypus.plan.plan import Malformed, Plan, Problem, Step

STRING = {"type": "string"}
CATALOGUE: Catalogue = catalogue_from_json(
    [
        {
            "name": "list",
            "inputSchema": {
                "properties": {
                    "owner": STRING,
                    "limit": {"type": "number"},
                    "stages": {"type": "array", "items": STRING, "uniqueItems": True},
                    "order": {"type": "array", "items": STRING},
                }
            },
        },
        {"name": "me"},
        {"name": "sprint"},
        {"name": "sum", "inputSchema": {"properties": {"of": {}}, "required": ["of"]}},
        {"name": "add", "inputSchema": {"properties": {"items": {}, "to": {}}}},
    ]
)
GOLD = 'me()\nlist(owner=$0, stages=["a", "b"])\nsprint()\nadd(items=$1, to=$2)'
MALFORMED = Malformed("?", (Problem("calls", "not a call"),))


def plan(text: str) -> Plan:
    read = read_plan(text, "calls", CATALOGUE)
    assert isinstance(read, Plan), read
    return read


def against_gold(text: str) -> Score:
    return score(plan(text), plan(GOLD), CATALOGUE)


def test_the_gold_plan_itself() -> None:
    assert against_gold(GOLD) == Score(
        valid=True,
        exact=True,
        tool_sequence=True,
        tools=Overlap(4, 4, 4),
        arguments=Overlap(4, 4, 4),
        references=Overlap(3, 3, 3),
        refused=False,
        length=4,
        uses=("add", "list", "me", "sprint"),
    )


def test_independent_steps_arguments_and_sets_may_be_reordered() -> None:
    reordered = 'sprint()\nme()\nlist(stages=["b", "a"], owner=$1)\nadd(to=$0, items=$2)'
    assert against_gold(reordered) == against_gold(GOLD)


def test_the_order_of_a_list_that_is_no_set_counts() -> None:
    one, other = 'list(order=["a", "b"])', 'list(order=["b", "a"])'
    scored = score(plan(other), plan(one), CATALOGUE)
    assert not scored.exact and scored.tool_sequence and scored.arguments == Overlap(0, 1, 1)


def test_a_wrong_value_counts_only_against_the_argument() -> None:
    scored = against_gold(GOLD.replace('"b"', '"c"'))
    assert (scored.valid, scored.exact, scored.tool_sequence) == (True, False, True)
    assert scored.tools == Overlap(4, 4, 4)
    assert scored.arguments == Overlap(3, 4, 4)
    assert scored.references == Overlap(3, 3, 3)


def test_a_wrong_reference_counts_against_argument_and_reference() -> None:
    scored = against_gold(GOLD.replace("to=$2", "to=$0"))
    assert not scored.exact and scored.tool_sequence
    assert scored.arguments == Overlap(3, 4, 4)
    assert scored.references == Overlap(2, 3, 3)


def test_a_reference_to_a_part_is_another_reference() -> None:
    scored = against_gold(GOLD.replace("to=$2", "to=$2.id"))
    assert not scored.exact and scored.references == Overlap(2, 3, 3)


def test_a_missing_step() -> None:
    scored = against_gold('me()\nlist(owner=$0, stages=["a", "b"])')
    assert scored.valid and not scored.exact and not scored.tool_sequence
    assert scored.tools == Overlap(2, 2, 4)
    assert scored.arguments == Overlap(2, 2, 4)
    assert scored.references == Overlap(1, 1, 3)
    assert scored.ratios["tool_f1"] == Ratio(4, 6)


def test_a_tool_called_too_often_counts_once() -> None:
    assert score(plan("me()\nme()\nme()"), plan("me()"), CATALOGUE).tools == Overlap(1, 3, 1)


def test_a_tool_before_its_inputs_is_another_sequence() -> None:
    wrong = 'list(stages=["a", "b"])\nme()\nsprint()\nadd(items=$0, to=$2)'
    assert not against_gold(wrong).tool_sequence
    assert against_gold(wrong).tools == Overlap(4, 4, 4)


@pytest.mark.parametrize(
    "answer",
    [MALFORMED, Plan((Step("unknown"),)), Plan((Step("sum"),))],
    ids=["malformed", "unknown tool", "incomplete"],
)
def test_an_invalid_answer_is_wrong_everywhere_and_still_counted(answer: Plan | Malformed) -> None:
    scored = score(answer, plan(GOLD), CATALOGUE)
    assert not (scored.valid or scored.exact or scored.tool_sequence or scored.refused)
    assert (scored.tools, scored.arguments, scored.references) == (Overlap(0, 0, 4), Overlap(0, 0, 4), Overlap(0, 0, 3))
    summary = summarise([scored, against_gold(GOLD)], resamples=10, seed=0)
    assert summary["valid"].value == summary["exact"].value == summary["reference_accuracy"].value == 0.5
    assert summary["tool_f1"].value == 2 * 4 / (4 + 8)


def test_refusals() -> None:
    rows = [
        score(Plan(), Plan(), CATALOGUE),  # rightly refused
        score(plan("me()"), Plan(), CATALOGUE),  # answered although no tool fits
        score(MALFORMED, Plan(), CATALOGUE),  # neither a plan nor a refusal
        score(Plan(), plan("me()"), CATALOGUE),  # refused although a tool fits
        score(plan("me()"), plan("me()"), CATALOGUE),
    ]
    summary = summarise(rows, resamples=10, seed=0)
    assert (summary["correct_refusals"].value, summary["correct_refusals"].rows) == (1 / 3, 3)
    assert (summary["wrong_refusals"].value, summary["wrong_refusals"].rows) == (1 / 2, 2)
    assert (summary["exact"].value, summary["exact"].rows) == (2 / 5, 5)
    assert "reference_accuracy" not in summary


def test_numbers_are_compared_as_numbers() -> None:
    scored = score(plan("list(limit=5.0)"), plan("list(limit=5)"), CATALOGUE)
    assert scored.exact and scored.arguments == Overlap(1, 1, 1)
    assert score(plan("sum(of=1)"), plan("sum(of=true)"), CATALOGUE).arguments == Overlap(0, 1, 1)


@st.composite
def valid_plans(draw: st.DrawFn) -> Plan:
    lines: list[str] = []
    for i in range(draw(st.integers(0, 4))):
        value = draw(st.sampled_from(['"x"', "1", *(f"${k}" for k in range(i))]))
        other = draw(st.sampled_from(['"y"', *(f"${k}" for k in range(i))]))
        calls = [
            "me()",
            "sprint()",
            f"sum(of={value})",
            f"add(items=[{value}, {other}])",
            f"add(to={other}, items={value})",
        ]
        lines.append(draw(st.sampled_from(calls)))
    return plan("\n".join(lines) or "[]")


@settings(deadline=None)
@given(predicted=valid_plans(), gold=valid_plans())
def test_the_metrics_are_consistent(predicted: Plan, gold: Plan) -> None:
    scored = score(predicted, gold, CATALOGUE)
    if scored.exact:
        assert scored.valid and scored.tool_sequence
        assert {ratio.hits == ratio.of for name, ratio in scored.ratios.items() if name != "wrong_refusals"} == {True}
    if scored.tool_sequence:
        assert scored.tools == Overlap(len(gold), len(gold), len(gold))
    assert all(0 <= ratio.hits <= ratio.of for ratio in scored.ratios.values())


def _orders(gold: Plan) -> set[tuple[str, ...]]:
    """The slow reference: the tools of every order in which the gold plan can run."""

    def extend(ran: tuple[int, ...]) -> Sequence[tuple[int, ...]]:
        if len(ran) == len(gold):
            return [ran]
        ready = [i for i, needs in enumerate(gold.dependencies()) if i not in ran and needs <= set(ran)]
        return [order for i in ready for order in extend((*ran, i))]

    return {tuple(gold.steps[i].tool for i in order) for order in extend(())}


@settings(deadline=None)
@given(predicted=valid_plans(), gold=valid_plans())
def test_tool_sequence_accepts_the_orders_in_which_gold_can_run(predicted: Plan, gold: Plan) -> None:
    tools = tuple(step.tool for step in predicted)
    assert score(predicted, gold, CATALOGUE).tool_sequence == (tools in _orders(gold))


def test_intervals_by_hand() -> None:
    rows = [against_gold(GOLD)] * 30 + [score(MALFORMED, plan(GOLD), CATALOGUE)] * 10
    interval = summarise(rows, resamples=2000, seed=1)["exact"]
    assert interval.value == 0.75 and interval.rows == 40
    # the binomial's 2.5% and 97.5% quantiles for n = 40, p = 3/4 are 24/40 and 35/40
    assert interval.low == pytest.approx(24 / 40, abs=1 / 40)
    assert interval.high == pytest.approx(35 / 40, abs=1 / 40)
    assert str(interval).startswith("75.0% [")


def test_intervals_depend_on_the_seed_alone() -> None:
    rows = [against_gold(GOLD), score(MALFORMED, plan(GOLD), CATALOGUE), against_gold("me()")] * 5
    assert summarise(rows, resamples=100, seed=3) == summarise(rows, resamples=100, seed=3)
    assert summarise(rows, resamples=100, seed=3) != summarise(rows, resamples=100, seed=4)


def test_without_rows_there_are_no_metrics() -> None:
    assert summarise([], resamples=10, seed=0) == {}


def test_grouping_by_tool_and_length() -> None:
    first, second = against_gold(GOLD), score(plan("me()"), plan("me()"), CATALOGUE)
    assert grouped([first, second], lambda row: row.uses) == {
        "add": [first],
        "list": [first],
        "me": [first, second],
        "sprint": [first],
    }
    assert grouped([first, second], lambda row: [str(row.length)]) == {"1": [second], "4": [first]}


def test_text_by_hand() -> None:
    assert score_text("The cat sat.\n", "The cat sat.").exact
    scored = score_text("the CAT, the dog", "A cat and the bird")
    assert not scored.exact and scored.words == Overlap(2, 4, 5)
    assert summarise([scored], resamples=10, seed=0)["word_f1"].value == 4 / 9


def test_the_examples_of_the_page_on_metrics() -> None:
    result = doctest.testfile("../../docs/metrics.md", encoding="utf-8")
    assert result.attempted > 10 and result.failed == 0
