"""Plans: strict JSON in and out, structure, validity against a catalogue."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.errors import PlanError
from platypus.plan.equality import same
from platypus.plan.plan import Malformed, Plan, Reference, Step, parse_json, parse_plan, plan_from_json

FIRST_SAMPLE = (
    '[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "CustomerABC"}]}, '
    '{"tool_name": "action_item", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[0]"}]}]'
)
SECOND_SAMPLE = (
    r'[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "\$$PREV[0]"}]} '
    r'{"tool_name": "summarize", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[1]"}]}]'
)


def read(catalogue: Catalogue, *steps: tuple[str, dict[str, Any]]) -> Plan | Malformed:
    data = [
        {"tool_name": name, "arguments": [{"argument_name": k, "argument_value": v} for k, v in arguments.items()]}
        for name, arguments in steps
    ]
    return plan_from_json(data, catalogue)


def plan(catalogue: Catalogue, *steps: tuple[str, dict[str, Any]]) -> Plan:
    result = read(catalogue, *steps)
    assert isinstance(result, Plan), result
    return result


# ---------------------------------------------------------------- the original's two sample answers


def test_the_first_sample_is_a_plan(crm: Catalogue) -> None:
    result = parse_plan(FIRST_SAMPLE, crm)
    assert isinstance(result, Plan)
    assert str(result) == FIRST_SAMPLE
    assert result.dependencies() == (frozenset(), frozenset({0}))


def test_the_second_sample_does_not_parse(crm: Catalogue) -> None:
    result = parse_plan(SECOND_SAMPLE, crm)
    assert isinstance(result, Malformed)
    assert result.problems[0].kind == "json"
    assert result.problems[0].position == SECOND_SAMPLE.index("\\")


# ---------------------------------------------------------------- checks


def test_a_plan_cannot_refer_forward_or_to_itself() -> None:
    for step in (0, 1):
        with pytest.raises(PlanError, match=r"step 1 \(a\), argument 'x'"):
            Plan((Step("a", {"x": Reference(step)}), Step("b")))


@pytest.mark.parametrize("value", ["see $$PREV[0] for more", ["x $$PREV[0]"], {"k": "$$PREV[0]"}, [["$$PREV[0]"]]])
def test_a_reference_is_a_whole_value_or_a_whole_element(tools: Catalogue, value: Any) -> None:
    result = read(tools, ("me", {}), ("any", {"x": value}))
    assert isinstance(result, Malformed)
    assert "merely contains a reference" in result.reason


@pytest.mark.parametrize(
    "arguments",
    [
        {"who": "$$PREV[0]"},
        {"who": "$$PREV[1]"},  # anything
        {"who": "$$PREV[1].some.where.0"},
        {"who": "$$PREV[2].owner"},
        {"many": "$$PREV[3]"},
        {"many": ["$$PREV[0]", "U-1", "$$PREV[2].owner"]},
        {"ordered": ["$$PREV[2].n", 3]},
        {"more": {"deep": [1, {"x": None}]}},
        {"level": "high", "flag": False},
    ],
)
def test_arguments_of_valid_plans(tools: Catalogue, arguments: dict[str, Any]) -> None:
    before = [("me", {}), ("any", {}), ("card", {}), ("users", {}), ("drop", {"who": "U-1"})]
    assert isinstance(read(tools, *before, ("take", arguments)), Plan)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"who": "$$PREV[2]"}, "reference"),
        ({"who": "$$PREV[2].n"}, "reference"),
        ({"who": "$$PREV[2].nothing"}, "reference"),
        ({"who": "$$PREV[3]"}, "reference"),
        ({"who": "$$PREV[4]"}, "reference"),  # returns nothing
        ({"who": "$$PREV[5]"}, "reference"),  # itself
        ({"who": "$$PREV[9]"}, "reference"),
        ({"many": "$$PREV[0]"}, "reference"),
        ({"many": ["$$PREV[3]"]}, "reference"),
        ({"many": ["$$PREV[0]", 5]}, "value"),
        ({"many": ["$$PREV[0]", "$$PREV[0]"]}, "value"),  # a set
        ({"many": ["$$PREV[0]", "a", "b", "c"]}, "value"),  # too many
        ({"level": "medium"}, "value"),
        ({"flag": "yes"}, "value"),
        ({"whom": "U-1"}, "unknown-argument"),
    ],
)
def test_arguments_of_invalid_plans(tools: Catalogue, arguments: dict[str, Any], kind: str) -> None:
    before = [("me", {}), ("any", {}), ("card", {}), ("users", {}), ("drop", {"who": "U-1"})]
    result = read(tools, *before, ("take", arguments))
    assert isinstance(result, Malformed)
    assert result.problems[0].kind == kind
    assert result.problems[0].where.startswith("step 6 (take)")


def test_no_position_of_a_tuple_may_be_a_reference() -> None:
    pair = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2, "maxItems": 2}
    catalogue = catalogue_from_json(
        [{"name": "who"}, {"name": "put", "inputSchema": {"type": "object", "properties": {"pair": pair}}}]
    )
    assert isinstance(read(catalogue, ("who", {}), ("put", {"pair": ["a", 1]})), Plan)
    assert isinstance(read(catalogue, ("who", {}), ("put", {"pair": "$$PREV[0]"})), Plan)
    malformed = read(catalogue, ("who", {}), ("put", {"pair": ["$$PREV[0]", 1]}))
    assert isinstance(malformed, Malformed) and malformed.problems[0].kind == "reference"


def test_unknown_tools_and_missing_arguments(tools: Catalogue) -> None:
    result = read(tools, ("fly", {}), ("must", {}))
    assert isinstance(result, Malformed)
    assert [(problem.kind, problem.where) for problem in result.problems] == [
        ("unknown-tool", "step 1"),
        ("missing-argument", "step 2 (must)"),
    ]


def test_a_bad_reference_hides_no_other_problem(tools: Catalogue) -> None:
    result = read(tools, ("must", {"who": "$$PREV[3]"}), ("fly", {}), ("take", {"who": "$$PREV[0]", "flag": "yes"}))
    assert isinstance(result, Malformed)
    assert [(problem.kind, problem.where) for problem in result.problems] == [
        ("reference", "step 1 (must), argument 'who'"),
        ("unknown-tool", "step 2"),
        ("value", "step 3 (take), argument 'flag'"),
    ]
    both = parse_plan('[7, {"tool_name": "me"}, {"tool_name": "me", "arguments": []}]', tools)
    assert isinstance(both, Malformed) and [problem.where for problem in both.problems] == ["step 1", "step 2"]


def test_arguments_in_catalogue_order(tools: Catalogue) -> None:
    result = plan(tools, ("take", {"flag": True, "who": "U-1"}))
    assert list(result.ordered(tools).steps[0].arguments) == ["who", "flag"]


# ---------------------------------------------------------------- properties

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda text: "$$PREV[" not in text)
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan, without a catalogue."""
    steps = []
    for i in range(draw(st.integers(0, 4))):
        parts = st.lists(st.from_regex(r"[A-Za-z0-9_-]+( [a-z]+)?", fullmatch=True), max_size=2)
        earlier = st.builds(Reference, st.integers(0, i - 1), parts.map(tuple)) if i else st.nothing()
        values = LITERALS | earlier | st.lists(LITERALS | earlier, max_size=3)
        steps.append(Step(draw(TEXTS), draw(st.dictionaries(TEXTS, values, max_size=3))))
    return Plan(tuple(steps))


@given(plans())
def test_a_printed_plan_is_read_back(plan: Plan) -> None:
    assert parse_plan(str(plan)) == plan
    assert plan_from_json(plan.to_json()) == plan


@given(st.text() | st.from_regex(r'\[\{"tool_name": .*', fullmatch=False))
def test_no_text_raises(text: str) -> None:
    assert isinstance(parse_plan(text), Plan | Malformed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tool_name", "arguments", "argument_name", "argument_value", "x"]), inner)
    ),
)


@given(JSON)
def test_no_json_raises(data: Any) -> None:
    assert isinstance(plan_from_json(data), Plan | Malformed)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[NaN]",
        "[" + "9" * 10_000 + "]",
        '[{"tool_name": "a", "tool_name": "b", "arguments": []}]',
        '[{"tool_name": "a", "arguments": [{"argument_name": "x", "argument_value": "\\ud800"}]}]',
        '[{"tool_name": "a", "arguments": [{"argument_name": "x", "argument_value": 1e999}]}]',
        '[{"tool_name": "a", "arguments": [{"argument_name": "x", "argument_value": ' + "[" * 90 + "]" * 90 + "}]}]",
    ],
)
def test_hostile_texts_are_malformed(text: str) -> None:
    assert isinstance(parse_plan(text), Malformed)


def test_a_number_that_no_float_can_hold_is_no_json() -> None:
    read = parse_json("[1e999]")
    assert isinstance(read, Malformed) and read.reason == "not JSON: the number 1e999 is too large"


def test_real_plans(shared_data: Path) -> None:
    """A row is a valid plan of the seed's catalogue exactly when its flag says so."""
    catalogue = read_catalogue(shared_data / "seed" / "catalogue.json")
    for name in ("train", "test"):
        for line in (shared_data / "seed" / f"{name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            result = plan_from_json(row["plan"], catalogue)
            if isinstance(result, Plan):
                assert row["valid"], row["query"]
                assert parse_plan(str(result), catalogue) == result
                assert same(result, result.ordered(catalogue), catalogue)


def test_a_step_with_other_indices_refers_to_the_moved_steps() -> None:
    step = Step("close", {"ids": [Reference(0), "T-1"], "by": Reference(1, ("id",)), "now": True})
    moved = step.renumbered(lambda i: i + 2)
    assert moved.arguments == {"ids": [Reference(2), "T-1"], "by": Reference(3, ("id",)), "now": True}
