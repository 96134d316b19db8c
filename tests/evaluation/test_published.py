"""The definitions of published benchmarks, worked out by hand."""

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.evaluation.intervals import Ratio
from platypus.evaluation.published import published
from platypus.plan.notation import read_plan
from platypus.plan.plan import Plan

TOOLS = catalogue_from_json([{"name": name} for name in ("me", "list", "sum", "add")])
GOLD = 'me()\nlist(owner=$0, stage="in review")\nsum(of=$1.items)'


def said(text: str) -> Plan:
    """The plan as it is said, valid for the tools or not."""
    plan = read_plan(text, "calls", None)
    assert isinstance(plan, Plan), plan
    return plan


def ratios(text: str | None, gold: str = GOLD) -> dict[str, Ratio]:
    return dict(published(None if text is None else said(text), said(gold), TOOLS).ratios)


def values(text: str | None, gold: str = GOLD, *, of: str = "") -> dict[str, float]:
    return {
        name: ratio.hits / ratio.of for name, ratio in ratios(text, gold).items() if ratio.of and name.startswith(of)
    }


def test_gold_itself_is_right_by_all_definitions() -> None:
    assert set(values(GOLD).values()) == {1.0} and "bfcl_irrelevance" not in values(GOLD)
    assert values("[]", "[]") == {
        **dict.fromkeys(["seal_tools_format", "nestools_format", "nestools_format_answered"], 1.0),
        **dict.fromkeys(["nestful_partial", "nestful_full", "bfcl_irrelevance"], 1.0),
    }


def test_an_answer_that_cannot_be_read_is_wrong_unless_the_benchmark_skips_it() -> None:
    found = ratios(None)
    assert {ratio.hits for ratio in found.values()} == {0}
    assert found["taskbench_node_f1"] == Ratio(0, 3) and found["nestools_api_f1"] == Ratio(0, 3)
    assert {ratio for name, ratio in found.items() if name.endswith("_answered")} == {Ratio(0, 0)}
    assert values(None, "[]")["bfcl_irrelevance"] == 1  # no call could be read, so none was made
    assert values(None, "[]")["nestful_full"] == 0


def test_taskbench_compares_sets() -> None:
    # nodes {me, list} of {me, list, sum} (fly does not exist); edges: me→list of two; parameters: owner, stage of three
    found = ratios('me()\nme()\nlist(owner=$0, stage="done")\nfly()')
    assert found["taskbench_node_f1"] == Ratio(4, 5)
    assert found["taskbench_edge_f1"] == Ratio(2, 3)
    assert found["taskbench_parameter_f1"] == Ratio(4, 5)
    assert found["taskbench_value_f1"] == Ratio(2, 5)
    assert found["taskbench_value_f1_answered"] == Ratio(2, 5)


def test_seal_tools_compares_with_the_first_call_of_the_tool() -> None:
    gold = 'list(owner="a")\nlist(owner="b")'
    found = ratios('list(owner="b")\nlist(owner="a")\nme()', gold)
    assert found["seal_tools_format"] == Ratio(1, 1)
    assert found["seal_tools_api_f1"] == Ratio(4, 5)
    assert found["seal_tools_parameter_f1"] == Ratio(2, 4)  # "b" is compared with "a"
    assert ratios('list(owner="a")\nlist(owner="a")', gold)["seal_tools_parameter_f1"] == Ratio(4, 4)
    assert ratios("me()\nme()\nme()", "me()")["seal_tools_api_f1"] == Ratio(
        6, 4
    )  # more than all, as the evaluator has it


def test_nestools_matches_each_call_with_one_of_gold() -> None:
    gold = 'list(owner="a")\nlist(owner="b c d")\nsum(of=$1.items)'
    found = ratios('list(owner="b c")\nlist(owner="a")\nsum(of=$0.items)', gold)
    assert found["nestools_api_f1"] == Ratio(6, 6)
    assert found["nestools_order_f1"] == Ratio(4, 4)  # (list, list), (list, sum)
    rouge = 2 * 2 / (2 + 3)
    assert found["nestools_parameter_f1"].hits == pytest.approx(2 * (rouge + 1 + 1))
    assert found["nestools_nested_f1"] == Ratio(2, 2)  # its list is matched with the list that gold refers to
    other = ratios('list(owner="b c d")\nlist(owner="a")\nsum(of=$1.items)', gold)
    assert other["nestools_nested_f1"] == Ratio(0, 2)
    other = ratios('list(owner="b c d")\nsum(of=$0.total)', gold)
    assert other["nestools_nested_f1"] == Ratio(0, 2) and other["nestools_api_f1"] == Ratio(4, 5)


@pytest.mark.parametrize(
    ("answer", "partial"),
    [
        (GOLD.replace("in review", "done"), 2 / 3),
        (GOLD + "\nadd()", 3 / 4),  # a call too many counts as well
        ('me()\nlist(owner=$0, stage="in review")', 2 / 3),
        ('list(owner="x", stage="in review")\nsum(of=$0.items)', 0),  # found by name, but with other references
        ("add()\n" + GOLD.replace("$1", "$2").replace("$0", "$1"), 0),  # nothing is found behind a call gold lacks
        ('list(owner=1)\nme()\nsum(of="x")', 0),  # as many calls: place by place
        ("[]", 0),
    ],
)
def test_nestful_looks_at_places_or_else_at_names(answer: str, partial: float) -> None:
    found = values(answer, of="nestful")
    assert found == {"nestful_partial": pytest.approx(partial), "nestful_full": 0}


def test_nestful_compares_values_as_texts_and_arguments_in_any_order() -> None:
    gold = 'list(owner="1", stage="b")\nsum(of=2)'
    assert values('list(stage="b", owner=1)\nsum(of=2)', gold, of="nestful")["nestful_full"] == 1
    assert values('list(stage="b", owner=1)\nsum(of=2.0)', gold, of="nestful")["nestful_partial"] == 1 / 2


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ('me()\nlist(owner=$0, stage="In-Review")\nsum(of=$1.items)', True),
        ('me()\nlist(stage="in review", owner=$0)\nsum(of=$1.items)', True),
        ('me()\nlist(owner=$0, stage="in reviews")\nsum(of=$1.items)', False),
        ("me()\nlist(owner=$0)\nsum(of=$1.items)", False),
        ('me()\nlist(owner=$0, stage="in review")', False),
    ],
)
def test_bfcl_compares_texts_loosely_and_nothing_else(answer: str, right: bool) -> None:
    assert values(answer, of="bfcl") == {"bfcl_ast": float(right)}


def test_bfcl_takes_calls_in_any_order_and_numbers_as_numbers() -> None:
    assert values('sum(of=2.0)\nsum(of=["A b"])', 'sum(of=["ab"])\nsum(of=2)', of="bfcl") == {"bfcl_ast": 1}
    assert values("sum(of=true)", "sum(of=1)", of="bfcl") == {"bfcl_ast": 0}
    assert values('sum(of="1")', "sum(of=1)", of="bfcl") == {"bfcl_ast": 0}
    assert values('sum(of={"b": 1, "a": "X y"})', 'sum(of={"a": "x-y", "b": 1.0})', of="bfcl") == {"bfcl_ast": 1}
    assert values("sum(of=1)\nsum(of=1)", "sum(of=1)", of="bfcl") == {"bfcl_ast": 0}
    assert values("me()", "[]", of="bfcl") == {"bfcl_irrelevance": 0}
