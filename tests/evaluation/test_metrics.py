"""The metrics by hand (the examples of docs/metrics.md), and properties that they must have."""

import doctest
import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.evaluation.intervals import Ratio, summarise
from platypus.evaluation.metrics import Overlap, Score, score, score_of_json, score_text
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
                    "tags": {"anyOf": [{"type": "array", "items": STRING, "uniqueItems": True}, {"type": "null"}]},
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
        strict_exact=True,
        tool_sequence=True,
        tools=Overlap(4, 4, 4),
        calls=Overlap(4, 4, 4),
        edges=Overlap(3, 3, 3),
        argument_names=Overlap(4, 4, 4),
        arguments=Overlap(4, 4, 4),
        reference_steps=Overlap(3, 3, 3),
        references=Overlap(3, 3, 3),
        refused=False,
        length=4,
        uses=("add", "list", "me", "sprint"),
    )


def test_independent_steps_arguments_and_sets_may_be_reordered() -> None:
    reordered = 'sprint()\nme()\nlist(stages=["b", "a"], owner=$1)\nadd(to=$0, items=$2)'
    assert against_gold(reordered) == replace(against_gold(GOLD), strict_exact=False)


@pytest.mark.parametrize(
    ("answer", "strict"),
    [
        (GOLD.replace('owner=$0, stages=["a", "b"]', 'stages=["a", "b"], owner=$0'), True),
        (GOLD.replace('"a", "b"', '"b", "a"'), False),
        ('sprint()\nme()\nlist(owner=$1, stages=["a", "b"])\nadd(items=$2, to=$0)', False),
    ],
    ids=["arguments", "a set", "steps"],
)
def test_strictly_only_arguments_may_be_reordered(answer: str, strict: bool) -> None:
    scored = against_gold(answer)
    assert scored.exact and scored.strict_exact == strict


def test_a_set_that_may_be_left_empty_is_a_set() -> None:
    one, other = 'list(tags=["a", "b"])', 'list(tags=["b", "a"])'
    scored = score(plan(other), plan(one), CATALOGUE)
    assert scored.exact and scored.arguments == Overlap(1, 1, 1)


def test_the_order_of_a_list_that_is_no_set_counts() -> None:
    one, other = 'list(order=["a", "b"])', 'list(order=["b", "a"])'
    scored = score(plan(other), plan(one), CATALOGUE)
    assert not scored.exact and scored.tool_sequence and scored.arguments == Overlap(0, 1, 1)


def test_a_wrong_value_counts_only_against_the_argument() -> None:
    scored = against_gold(GOLD.replace('"b"', '"c"'))
    assert (scored.valid, scored.exact, scored.tool_sequence) == (True, False, True)
    assert scored.tools == scored.argument_names == Overlap(4, 4, 4)
    assert scored.calls == scored.arguments == Overlap(3, 4, 4)
    assert scored.edges == scored.references == Overlap(3, 3, 3)


def test_a_wrong_reference_counts_against_argument_and_reference() -> None:
    scored = against_gold(GOLD.replace("to=$2", "to=$0"))
    assert not scored.exact and scored.tool_sequence
    assert scored.calls == scored.arguments == Overlap(3, 4, 4)
    assert scored.edges == scored.reference_steps == scored.references == Overlap(2, 3, 3)


def test_a_reference_to_a_part_is_another_reference_to_the_same_step() -> None:
    scored = against_gold(GOLD.replace("to=$2", "to=$2.id"))
    assert not scored.exact and scored.references == Overlap(2, 3, 3)
    assert scored.reference_steps == scored.edges == Overlap(3, 3, 3)


def test_a_missing_step() -> None:
    scored = against_gold('me()\nlist(owner=$0, stages=["a", "b"])')
    assert scored.valid and not scored.exact and not scored.tool_sequence
    assert scored.tools == Overlap(2, 2, 4)
    assert scored.arguments == Overlap(2, 2, 4)
    assert scored.references == Overlap(1, 1, 3)
    assert scored.calls == Overlap(2, 2, 4) and scored.edges == Overlap(1, 1, 3)
    assert scored.ratios["tool_f1"] == Ratio(4, 6) and scored.ratios["tool_f1_macro"] == Ratio(4 / 6, 1)
    assert scored.ratios["call_accuracy"] == Ratio(2, 4)


def test_a_call_too_many_is_as_wrong_as_one_too_few() -> None:
    scored = score(plan("me()\nsprint()"), plan("me()"), CATALOGUE)
    assert scored.ratios["call_accuracy"] == Ratio(1, 2)


def test_an_edge_is_counted_once_however_often_the_step_uses_the_output() -> None:
    scored = score(plan("me()\nadd(items=$0, to=$0)"), plan("me()\nadd(items=$0)"), CATALOGUE)
    assert scored.edges == Overlap(1, 1, 1) and scored.references == Overlap(1, 2, 1)


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
    assert all(not hits for hits, _ in scored.ratios.values())
    summary = summarise([scored, against_gold(GOLD)], clusters=range(2), resamples=10, seed=0)
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
    summary = summarise(rows, clusters=range(5), resamples=10, seed=0)
    assert (summary["refusal_precision"].value, summary["refusal_precision"].rows) == (1 / 2, 2)
    assert (summary["correct_refusals"].value, summary["correct_refusals"].rows) == (1 / 3, 3)
    assert (summary["wrong_refusals"].value, summary["wrong_refusals"].rows) == (1 / 2, 2)
    assert (summary["exact"].value, summary["exact"].rows) == (2 / 5, 5)
    assert "reference_accuracy" not in summary


def test_references_of_a_plan_that_skips_a_step_are_told_by_their_tools() -> None:
    scored = score(plan('list(owner="x")\nsum(of=$0)'), plan("me()\nlist(owner=$0)\nsum(of=$1)"), CATALOGUE)
    assert scored.references == scored.reference_steps == Overlap(1, 1, 2)  # sum's, though its number is another one
    assert (scored.edges, scored.arguments, scored.calls) == (Overlap(1, 1, 2), Overlap(1, 2, 2), Overlap(1, 2, 3))
    assert scored.argument_names == Overlap(2, 2, 2) and not scored.tool_sequence


def test_equal_calls_count_as_often_as_they_are_made() -> None:
    twice, once = 'list(owner="a")\nlist(owner="a")', 'list(owner="a")\nlist(owner="b")'
    scored = score(plan(twice), plan(once), CATALOGUE)
    assert scored.tool_sequence and not scored.exact
    assert scored.calls == scored.arguments == Overlap(1, 2, 2) and scored.tools == Overlap(2, 2, 2)


def test_two_calls_of_one_tool_are_told_apart_by_exactness_alone() -> None:
    gold = 'list(owner="a")\nlist(owner="b")\nadd(items=$0, to=$1)'
    scored = score(plan(gold.replace("$0, to=$1", "$1, to=$0")), plan(gold), CATALOGUE)
    assert not scored.exact and scored.references == Overlap(2, 2, 2) and scored.arguments == Overlap(4, 4, 4)


def test_values_within_values_are_compared_as_json() -> None:
    same = score(
        plan('sum(of={"a": 1.0, "b": [true, {"c": 2}]})'), plan('sum(of={"b": [true, {"c": 2.0}], "a": 1})'), CATALOGUE
    )
    assert same.exact and same.strict_exact and same.arguments == Overlap(1, 1, 1)
    for other in ("[1, true, {}]", '{"b": [true], "a": 1}', '"{}"'):
        assert score(plan(f"sum(of={other})"), plan('sum(of={"b": [1], "a": 1})'), CATALOGUE).arguments.common == 0


def test_calls_where_there_are_none_to_make_count_as_too_many() -> None:
    scored = score(plan(GOLD), Plan(), CATALOGUE)
    assert scored.ratios["call_accuracy"] == Ratio(0, 4) and scored.ratios["argument_f1"] == Ratio(0, 4)
    assert scored.ratios["argument_f1_macro"] == Ratio(0, 1) and scored.ratios["reference_accuracy"] == Ratio(0, 0)
    nothing = score(Plan(), Plan(), CATALOGUE).ratios
    assert nothing["exact"] == nothing["tool_sequence"] == nothing["correct_refusals"] == Ratio(1, 1)
    assert nothing["call_accuracy"] == nothing["tool_f1"] == nothing["tool_f1_macro"] == Ratio(0, 0)


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
        others = {"wrong_refusals", "strict_exact"}
        assert {ratio.hits == ratio.of for name, ratio in scored.ratios.items() if name not in others} == {True}
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


def refusals(count: int) -> list[Score]:
    """The scores of a planner that refuses each of `count` requests, of which a fifth cannot be answered."""
    return [score(Plan(), Plan() if i % 5 == 0 else plan(GOLD), CATALOGUE) for i in range(count)]


def test_a_planner_that_answers_nothing_scores_0_in_every_metric() -> None:
    rows = [score(MALFORMED, gold, CATALOGUE) for gold in (plan(GOLD), plan("me()"), Plan())] * 10
    summary = summarise(rows, clusters=range(30), resamples=10, seed=0)
    assert {measured.value for measured in summary.values()} == {0.0}
    assert (summary["valid"].rows, summary["exact"].rows, summary["correct_refusals"].rows) == (30, 30, 10)


def test_a_planner_that_always_refuses_is_exposed() -> None:
    summary = summarise(refusals(50), clusters=range(50), resamples=10, seed=0)
    values = {name: measured.value for name, measured in summary.items()}
    assert values["correct_refusals"] == values["valid"] == values["wrong_refusals"] == 1
    assert values["refusal_precision"] == values["exact"] == 0.2
    assert values["tool_f1"] == values["argument_f1"] == values["call_accuracy"] == values["reference_accuracy"] == 0
    assert values["edge_f1_macro"] == values["argument_f1_macro"] == 0


def test_a_score_is_read_as_it_is_written() -> None:
    plans = (against_gold(GOLD), against_gold("me()"), score(MALFORMED, plan(GOLD), CATALOGUE))
    for scored in (*plans, score_text("the cat", "a cat")):
        assert score_of_json(json.loads(json.dumps(asdict(scored)))) == scored


def test_text_by_hand() -> None:
    assert score_text("The cat sat.\n", "The cat sat.").exact
    scored = score_text("the CAT, the dog", "A cat and the bird")
    assert not scored.exact and scored.words == Overlap(2, 4, 5)
    assert scored.ratios["word_f1"] == Ratio(4, 9)


def test_the_examples_of_the_page_on_metrics() -> None:
    result = doctest.testfile("../../docs/metrics.md", encoding="utf-8")
    assert result.attempted > 10 and result.failed == 0
