"""Plans as text: a printed plan is read back unchanged, and no text raises."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.plan.notation import (
    Notation,
    begun_tool_name,
    print_plan,
    read_begun,
    read_plan,
    readable,
    tool_beginning,
)
from platypus.plan.plan import MARK, Malformed, Plan, Reference, Step, Value

NOTATIONS: tuple[Notation, ...] = ("json", "calls")
NASTY = [
    "",
    "$0",
    "[]",
    '"',
    "\\",
    '\\"',
    "\n",
    "\r\n\t\x00\x7f",
    "\u2028\x85",
    "a=1, b=2",
    "f(x)",
    "null",
    "naïve 🦆 日本",
]

texts = (st.text() | st.sampled_from(NASTY)).filter(lambda text: MARK not in text)
numbers = st.integers() | st.sampled_from([10**400, -(2**63)]) | st.floats(allow_nan=False, allow_infinity=False)
literals = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan that can exist: names, paths and values are arbitrary, references point back."""
    steps: list[Step] = []
    for i in range(draw(st.integers(0, 4))):
        values: st.SearchStrategy[Value] = literals
        if i:
            part = st.from_regex(r"[a0_$é-]+( [Zк1-]+)*", fullmatch=True)
            reference = st.builds(Reference, st.integers(0, i - 1), st.lists(part, max_size=3).map(tuple))
            values = reference | st.lists(reference | literals, max_size=4) | literals
        steps.append(Step(draw(texts), draw(st.dictionaries(texts, values, max_size=3))))
    return Plan(tuple(steps))


@pytest.mark.parametrize("notation", NOTATIONS)
@given(plan=plans())
def test_a_printed_plan_is_read_back(notation: Notation, plan: Plan) -> None:
    assert read_plan(print_plan(plan, notation), notation, None) == plan


@pytest.mark.parametrize("notation", NOTATIONS)
@given(text=st.text(st.characters(exclude_categories=())) | st.text("[]{}()=,.:$0129aef\"\\ \n-+'Ew_"))
@example("f(a=" + "[" * 100_000)
@example("[" * 100_000)
@example("f(a=" + '{"a": ' * 100_000)
@example("f(a=" + "9" * 100_000 + ")")
@example("f(a=1e999)")
@example("f(a=NaN)")
@example('f(a="\\ud800")')
@example("f()\ng(a=$999999999999999999999)")
@example("")
def test_no_text_raises_and_a_plan_that_was_read_survives_printing(notation: Notation, text: str) -> None:
    plan = read_plan(text, notation, None)
    if isinstance(plan, Malformed):
        assert plan.text == text and plan.reason
    else:
        assert read_plan(print_plan(plan, notation), notation, None) == plan


@given(plan=plans(), data=st.data())
def test_a_broken_plan_never_raises(plan: Plan, data: st.DataObject) -> None:
    text = print_plan(plan, "calls")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    broken = text[:start] + data.draw(st.text('[]{}()=,.$0"\\\n x', max_size=2)) + text[end:]
    assert isinstance(read_plan(broken, "calls", None), Plan | Malformed)


WORKED = Plan(
    (
        Step("who_am_i"),
        Step(
            "works_list",
            {"owned_by": [Reference(0), "DEVU-1"], "stage.name": ["testing"], "limit": 5, "needs_response": True},
        ),
        Step(
            "mail", {"to": Reference(1, ("owner", "0", "e-mail")), "odd name": {"a": [1.5, None]}, "text": '$0 "x"\n'}
        ),
    )
)


def test_calls_by_hand() -> None:
    assert print_plan(WORKED, "calls") == (
        "who_am_i()\n"
        'works_list(owned_by=[$0, "DEVU-1"], stage.name=["testing"], limit=5, needs_response=true)\n'
        'mail(to=$1.owner.0.e-mail, "odd name"={"a": [1.5, null]}, text="$0 \\"x\\"\\n")'
    )


def test_json_by_hand() -> None:
    plan = Plan((Step("search", {"customer": "ACME"}), Step("summarize", {"objects": Reference(0)})))
    assert print_plan(plan, "json") == (
        '[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "ACME"}]}, '
        '{"tool_name": "summarize", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[0]"}]}]'
    )


@pytest.mark.parametrize("notation", NOTATIONS)
def test_the_empty_plan_is_an_empty_list(notation: Notation) -> None:
    assert print_plan(Plan(), notation) == "[]"
    assert read_plan(" [ ]\n", notation, None) == Plan()


def test_white_space_between_symbols_is_free() -> None:
    loose = '\n f ( a = [ 1 , "x y" ] , "b" = { "k" : $0 . z } ) \n\n'
    assert isinstance(read_plan(loose, "calls", None), Malformed)  # `$0 . z` is not one symbol
    loose = '\n g()\r\n\n f ( a = [ 1 , $0.z ] , "b"\n= { "k" : 2 } ) \n\n'
    assert read_plan(loose, "calls", None) == Plan(
        (Step("g"), Step("f", {"a": [1, Reference(0, ("z",))], "b": {"k": 2}}))
    )


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "the name of a tool"),
        ("I cannot do that.", 2, "'('"),
        ("f(a=1) g()", 7, "the end of the line"),
        ("[]\nf()", 3, "nothing more"),
        ("f(a=1", 5, "','"),
        ("f(a=1,)", 6, "the name of an argument"),
        ("f(a=[1 2])", 7, "','"),
        ("f(a=yes)", 4, "text in double quotes"),
        ("f(a='x')", 4, "text in double quotes"),
        ('f(a="x)', 4, "text in double quotes"),
        ("f(a=$x)", 4, "a reference such as $0"),
        ("f(a=1, a=2)", 7, "'a' is given twice"),
        ('f(a={"k": 1, "k": 2})', 13, "'k' stands twice"),
        ("f(a={k: 1})", 5, "a key in double quotes"),
    ],
)
def test_malformed_calls_say_where_and_why(text: str, position: int, reason: str) -> None:
    malformed = read_plan(text, "calls", None)
    assert isinstance(malformed, Malformed)
    assert malformed.problems[0].position == position
    assert reason in malformed.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("f(a=$0)", "its own output"),
        ("f(a=$1)\nf(a=1)", "no earlier step"),
        ('f()\nf(a="$$PREV[0]")', "merely contains a reference"),
        ('f()\nf(a={"k": $0})', "cannot stand in a plan"),
        ("f(a=Infinity)", "not a JSON number"),
    ],
)
def test_calls_with_an_invalid_structure(text: str, reason: str) -> None:
    malformed = read_plan(text, "calls", None)
    assert isinstance(malformed, Malformed) and reason in malformed.reason


@pytest.mark.parametrize("notation", NOTATIONS)
def test_with_a_catalogue_only_plans_that_are_valid_for_it_are_read(notation: Notation) -> None:
    catalogue: Catalogue = catalogue_from_json(
        [{"name": "f", "inputSchema": {"properties": {"a": {"type": "integer"}}}}]
    )
    good, bad = Plan((Step("f", {"a": 1}),)), Plan((Step("f", {"a": "x"}),))
    assert read_plan(print_plan(good, notation), notation, catalogue) == good
    malformed = read_plan(print_plan(bad, notation), notation, catalogue)
    assert isinstance(malformed, Malformed) and malformed.problems[0].kind == "value"


def test_calls_are_at_least_three_times_shorter_than_json() -> None:
    plan = Plan((Step("who_am_i"), Step("works_list", {"owned_by": [Reference(0)], "type": ["issue"], "limit": 5})))
    assert len(print_plan(plan, "json")) > 3 * len(print_plan(plan, "calls"))


@settings(max_examples=20)  # each reads hundreds of texts
@given(plans())
def test_the_complete_steps_of_an_unfinished_plan_are_read(plan: Plan) -> None:
    for notation in NOTATIONS:
        text = print_plan(plan, notation)
        read = [read_begun(text[:end], notation, None) for end in range(len(text) + 1)]
        lengths = [len(begun) for begun in read]
        assert lengths == sorted(lengths) and lengths[-1] >= len(plan) - (notation == "calls")
        assert all(begun == Plan(plan.steps[: len(begun)]) for begun in read)


# ---------------------------------------------------------------- plans for people


def test_a_readable_plan_counts_from_one_and_names_outputs() -> None:
    plan = Plan(
        (
            Step("who_am_i"),
            Step("works_list", {"owned_by": [Reference(0), "DEVU-1"], "issue.priority": ["p0"], "archived": True}),
            Step("add", {"work_ids": Reference(1, ("items", "0")), "note": 'für "uns"', "meta": {"limit": None}}),
        )
    )
    assert readable(plan) == (
        "1. who_am_i()\n"
        '2. works_list(owned_by = [output of step 1, "DEVU-1"], issue.priority = ["p0"], archived = true)\n'
        '3. add(work_ids = output of step 2 at items.0, note = "für \\"uns\\"", meta = {"limit": null})'
    )


def test_a_refusal_reads_as_one() -> None:
    assert readable(Plan()) == "No plan: these tools cannot answer that."


@given(st.lists(texts | st.dictionaries(texts, texts | st.none()), min_size=1))
def test_every_step_has_its_own_line(values: list[Any]) -> None:
    plan = Plan(tuple(Step("go", {"to": value}) for value in values))
    numbers = [line.partition(". ")[0] for line in readable(plan).split("\n")]
    assert numbers == [str(number) for number in range(1, len(values) + 1)]


@pytest.mark.parametrize(
    ("text", "notation", "begun"),
    [
        ("", "calls", ""),
        ("lis", "calls", "lis"),
        ("list(", "calls", None),
        ('list(text="a\\nb', "calls", None),
        ("list()\nsh", "calls", "sh"),
        ("[]", "calls", None),
        ('[{"tool_name": ', "json", ""),
        ('[{"tool_name": "lis', "json", '"lis'),
        ('[{"tool_name": "list"', "json", None),
        (
            '[{"tool_name": "list", "arguments": [{"argument_name": "a", "argument_value": "\\"tool_name\\": ',
            "json",
            None,
        ),
        ("[", "json", None),
    ],
)
def test_the_beginning_of_a_tool_name_is_found(text: str, notation: Notation, begun: str | None) -> None:
    assert begun_tool_name(text, notation) == begun


def test_what_begins_a_call_begins_a_printed_plan() -> None:
    plan = Plan((Step("get.list", {}),))
    assert print_plan(plan, "calls").startswith(tool_beginning("get.list", "calls"))
    assert tool_beginning("get.list", "json") in print_plan(plan, "json")
