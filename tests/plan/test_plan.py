"""Plans: reading, printing, checking, sameness."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.errors import PlanError
from platypus.plan.equality import fingerprint, same
from platypus.plan.plan import Malformed, Plan, Reference, Step, parse_plan, plan_from_json
from tests.support.command import ROOT

FIRST_SAMPLE = (
    '[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "CustomerABC"}]}, '
    '{"tool_name": "action_item", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[0]"}]}]'
)
SECOND_SAMPLE = (
    r'[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "\$$PREV[0]"}]} '
    r'{"tool_name": "summarize", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[1]"}]}]'
)


@pytest.fixture(scope="module")
def crm() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "crm" / "catalogue.json")


@pytest.fixture(scope="module")
def tools() -> Catalogue:
    """One tool that takes everything, one without an output schema, one that returns fields, one nothing."""

    def tool(name: str, output: Any, required: tuple[str, ...] = (), **arguments: Any) -> dict[str, Any]:
        inputs = {"type": "object", "properties": arguments, "required": list(required)}
        return {"name": name, "inputSchema": inputs, **({} if output is None else {"outputSchema": output})}

    user = {"type": "string", "format": "user-id"}
    return catalogue_from_json(
        [
            tool("me", user),
            tool("any", None),
            tool("card", {"type": "object", "properties": {"owner": user, "n": {"type": "integer"}}}),
            tool("users", {"type": "array", "items": user}),
            tool("drop", {"type": "null"}, who=user),
            tool(
                "take",
                {"type": "string"},
                who=user,
                many={"type": "array", "items": user, "uniqueItems": True, "maxItems": 3},
                ordered={"type": "array", "items": {"type": "integer"}},
                level={"type": "string", "enum": ["low", "high"]},
                flag={"type": "boolean"},
                more={"type": "object"},
            ),
            tool("must", {"type": "string"}, ("who",), who=user),
        ]
    )


def read(catalogue: Catalogue, *steps: tuple[str, dict[str, Any]]) -> Plan | Malformed:
    data = [
        {"tool_name": name, "arguments": [{"argument_name": k, "argument_value": v} for k, v in arguments.items()]}
        for name, arguments in steps
    ]
    return plan_from_json(data, catalogue)


def plan(catalogue: Catalogue, *steps: tuple[str, dict[str, Any]]) -> Plan:
    made = read(catalogue, *steps)
    assert isinstance(made, Plan), made
    return made


# ---------------------------------------------------------------- the original's two sample answers


def test_the_first_sample_is_a_plan(crm: Catalogue) -> None:
    made = parse_plan(FIRST_SAMPLE, crm)
    assert isinstance(made, Plan)
    assert str(made) == FIRST_SAMPLE
    assert made.dependencies() == (frozenset(), frozenset({0}))


def test_the_second_sample_does_not_parse(crm: Catalogue) -> None:
    made = parse_plan(SECOND_SAMPLE, crm)
    assert isinstance(made, Malformed)
    assert made.problems[0].kind == "json"
    assert made.problems[0].position == SECOND_SAMPLE.index("\\")


# ---------------------------------------------------------------- checks


def test_a_plan_cannot_refer_forward_or_to_itself() -> None:
    for step in (0, 1):
        with pytest.raises(PlanError, match="step 0, argument 'x'"):
            Plan((Step("a", {"x": Reference(step)}), Step("b")))


@pytest.mark.parametrize("value", ["see $$PREV[0] for more", ["x $$PREV[0]"], {"k": "$$PREV[0]"}, [["$$PREV[0]"]]])
def test_a_reference_is_a_whole_value_or_a_whole_element(tools: Catalogue, value: Any) -> None:
    made = read(tools, ("me", {}), ("any", {"x": value}))
    assert isinstance(made, Malformed)
    assert "merely contains a reference" in made.reason


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
def test_what_a_valid_plan_may_say(tools: Catalogue, arguments: dict[str, Any]) -> None:
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
def test_what_a_valid_plan_may_not_say(tools: Catalogue, arguments: dict[str, Any], kind: str) -> None:
    before = [("me", {}), ("any", {}), ("card", {}), ("users", {}), ("drop", {"who": "U-1"})]
    made = read(tools, *before, ("take", arguments))
    assert isinstance(made, Malformed)
    assert made.problems[0].kind == kind
    assert made.problems[0].where.startswith("step 5")


def test_unknown_tools_and_missing_arguments(tools: Catalogue) -> None:
    made = read(tools, ("fly", {}), ("must", {}))
    assert isinstance(made, Malformed)
    assert [(problem.kind, problem.where) for problem in made.problems] == [
        ("unknown-tool", "step 0"),
        ("missing-argument", "step 1 (must)"),
    ]


def test_arguments_in_catalogue_order(tools: Catalogue) -> None:
    made = plan(tools, ("take", {"flag": True, "who": "U-1"}))
    assert list(made.ordered(tools).steps[0].arguments) == ["who", "flag"]


# ---------------------------------------------------------------- sameness


def test_independent_steps_may_change_places(tools: Catalogue) -> None:
    a = plan(tools, ("me", {}), ("card", {}), ("take", {"who": "$$PREV[0]", "ordered": ["$$PREV[1].n"]}))
    b = plan(tools, ("card", {}), ("me", {}), ("take", {"ordered": ["$$PREV[0].n"], "who": "$$PREV[1]"}))
    assert same(a, b, tools)
    assert a != b


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([("me", {}), ("card", {})], [("card", {}), ("me", {})]),
        ([("take", {"many": ["a", "b"]})], [("take", {"many": ["b", "a"]})]),
        ([("take", {"ordered": [1]})], [("take", {"ordered": [1.0]})]),
        ([("take", {"ordered": [1, 2]})], [("take", {"ordered": [2, 1]})]),
        ([("me", {})], [("me", {}), ("me", {})]),
        (  # one step used twice, or two alike used once each
            [("me", {}), ("me", {}), ("take", {"who": "$$PREV[0]"}), ("take", {"who": "$$PREV[1]", "flag": True})],
            [("me", {}), ("me", {}), ("take", {"who": "$$PREV[0]"}), ("take", {"who": "$$PREV[0]", "flag": True})],
        ),
        ([], []),
    ],
)
def test_fingerprints_are_equal_exactly_for_plans_that_are_the_same(tools: Catalogue, a: Any, b: Any) -> None:
    one, other = plan(tools, *a), plan(tools, *b)
    assert (fingerprint(one, tools) == fingerprint(other, tools)) == same(one, other, tools)
    assert len(fingerprint(one, tools)) == 16


def test_order_matters_only_where_the_schema_says_so(tools: Catalogue) -> None:
    assert same(plan(tools, ("take", {"many": ["a", "b"]})), plan(tools, ("take", {"many": ["b", "a"]})), tools)
    assert not same(plan(tools, ("take", {"ordered": [1, 2]})), plan(tools, ("take", {"ordered": [2, 1]})), tools)
    assert same(plan(tools, ("take", {"ordered": [1]})), plan(tools, ("take", {"ordered": [1.0]})), tools)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([("me", {})], []),
        ([("me", {})], [("users", {})]),
        ([("take", {"flag": True})], [("take", {})]),
        ([("take", {"more": {"x": True}})], [("take", {"more": {"x": 1}})]),
        (
            [("me", {}), ("any", {}), ("must", {"who": "$$PREV[0]"})],
            [("me", {}), ("any", {}), ("must", {"who": "$$PREV[1]"})],
        ),
        (
            [("any", {}), ("must", {"who": "$$PREV[0].a"})],
            [("any", {}), ("must", {"who": "$$PREV[0].b"})],
        ),
    ],
)
def test_what_is_not_the_same(tools: Catalogue, a: list[Any], b: list[Any]) -> None:
    assert not same(plan(tools, *a), plan(tools, *b), tools)


def test_one_shared_step_is_not_two_equal_ones(tools: Catalogue) -> None:
    shared = plan(tools, ("any", {}), ("any", {}), ("drop", {"who": "$$PREV[0]"}), ("must", {"who": "$$PREV[0]"}))
    apart = plan(tools, ("any", {}), ("any", {}), ("drop", {"who": "$$PREV[0]"}), ("must", {"who": "$$PREV[1]"}))
    assert not same(shared, apart, tools)
    assert same(
        apart,
        plan(tools, ("any", {}), ("drop", {"who": "$$PREV[0]"}), ("any", {}), ("must", {"who": "$$PREV[2]"})),
        tools,
    )


# ---------------------------------------------------------------- properties

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda text: "$$PREV[" not in text)
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan at all, for no catalogue in particular."""
    steps = []
    for i in range(draw(st.integers(0, 4))):
        parts = st.lists(st.from_regex(r"[A-Za-z0-9_-]+( [a-z]+)?", fullmatch=True), max_size=2)
        earlier = st.builds(Reference, st.integers(0, i - 1), parts.map(tuple)) if i else st.nothing()
        values = LITERALS | earlier | st.lists(LITERALS | earlier, max_size=3)
        steps.append(Step(draw(TEXTS), draw(st.dictionaries(TEXTS, values, max_size=3))))
    return Plan(tuple(steps))


@given(plans())
def test_what_is_printed_is_read_back(made: Plan) -> None:
    assert parse_plan(str(made)) == made
    assert plan_from_json(made.to_json()) == made


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


def test_real_plans(shared_data: Path) -> None:
    """A row is a valid plan of the seed's catalogue exactly when its flag says so."""
    catalogue = read_catalogue(shared_data / "seed" / "catalogue.json")
    for name in ("train", "test"):
        for line in (shared_data / "seed" / f"{name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            made = plan_from_json(row["plan"], catalogue)
            if isinstance(made, Plan):
                assert row["valid"], row["query"]
                assert parse_plan(str(made), catalogue) == made
                assert same(made, made.ordered(catalogue), catalogue)
