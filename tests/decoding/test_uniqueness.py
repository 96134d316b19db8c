"""Equal elements and keys are noticed as soon as they are complete, and nothing else is."""

from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.decoding.uniqueness import UniquenessTracker
from platypus.plan.notation import Notation, print_plan
from platypus.plan.plan import Plan, Reference, Step

SET = {"type": "array", "uniqueItems": True}
TOOLS = catalogue_from_json(
    [
        {"name": "ns:do", "inputSchema": {"type": "object", "properties": {"a set": SET, "list": {"type": "array"}}}},
        {
            "name": "do",
            "inputSchema": {"type": "object", "properties": {"list": SET, "deep": {"type": "array", "items": SET}}},
        },
    ]
)


def step(tool: str, name: str, value: object) -> Step:
    return Step(tool, {name: value})  # type: ignore[dict-item]


GOOD = (
    step("ns:do", "a set", ["a", "b", 1, True, None, "1"]),
    step("ns:do", "list", ["a", "a"]),
    step("do", "list", ['a\\"]', 'a\\"', ", ", ","]),
    step("do", "deep", [[1, 2], [2, 1], [1, 2]]),
    step("do", "list", [{"a": 1}, {"a": 2}, {"a": {"a": 1}}]),
)
BAD = (
    step("ns:do", "a set", ["a", "b", "a"]),
    step("do", "list", [1, 1.0]),
    step("do", "list", [True, False, True]),
    step("do", "list", [{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]),
    step("do", "deep", [[1, 1]]),
    step("do", "list", [Reference(0), Reference(0)]),
)


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_equal_elements_are_noticed_at_the_end_of_the_second_one(notation: Notation) -> None:
    first = step("do", "list", ["x", "y"])
    for good in GOOD:
        assert UniquenessTracker(TOOLS, notation).read(print_plan(Plan((first, good, good)), notation).encode()), str(
            good
        )
    for bad in BAD:
        text = print_plan(Plan((first, bad)), notation).encode()
        reader = UniquenessTracker(TOOLS, notation)
        lengths = [length for length in range(len(text)) if not reader.read(text[length : length + 1])]
        assert lengths and text[lengths[0] :][:1] in b'"],}', str(bad)


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_a_key_may_occur_once_in_an_object(notation: Notation) -> None:
    value = '{"a": {"b": 1}, "b": 2, "a": 3}'
    plan = Plan((step("ns:do", "list", "VALUE"),))
    text = print_plan(plan, notation).replace('"VALUE"', value)
    assert not UniquenessTracker(TOOLS, notation).read(text.encode())
    assert UniquenessTracker(TOOLS, notation).read(text.replace('"a": 3', '"c": 3').encode())


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_copies_are_independent_and_pieces_may_have_any_size(notation: Notation) -> None:
    rng = Random(0)
    for value, verdict in ((["a", "b"], True), (["é", "é"], False)):
        text = print_plan(Plan((step("do", "list", value),)), notation).encode()
        reader, other, at = UniquenessTracker(TOOLS, notation), UniquenessTracker(TOOLS, notation), 0
        good = True
        while at < len(text):
            size = rng.randint(1, 5)
            other = reader.copy()
            other.read(b"junk")
            good &= reader.read(text[at : at + size])
            at += size
        assert good is verdict


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_only_arrays_with_unique_items_must_have_distinct_elements(notation: Notation) -> None:
    plain = {"type": "array"}
    box = {"type": "object", "properties": {"set": SET, "list": plain}, "additionalProperties": SET}
    pair = {"type": "array", "prefixItems": [{"type": "integer"}, SET], "minItems": 2, "maxItems": 2}
    arguments = {
        "pair": pair,
        "box": box,
        "boxes": {"type": "array", "items": box},
        "sets": {"anyOf": [{"type": "integer"}, SET]},
    }
    tools = catalogue_from_json([{"name": "do", "inputSchema": {"type": "object", "properties": arguments}}])
    twice: list[object] = [1, 1]
    for name, value, verdict in (
        ("box", {"set": [1, 2], "list": twice}, True),
        ("box", {"list": [twice], "set": twice}, False),
        ("box", {"other": twice}, False),
        ("boxes", [{"list": twice}, {"list": twice}], True),
        ("boxes", [{"list": twice}, {"set": twice}], False),
        ("sets", twice, False),
        ("pair", [1, twice], False),
        ("pair", [1, [1, 2]], True),
    ):
        text = print_plan(Plan((step("do", name, value),)), notation)
        assert UniquenessTracker(tools, notation).read(text.encode()) is verdict, text


def settled(tools: Catalogue, *values: object) -> str:
    """The text of a call, with a bar wherever everything that is begun can be completed."""
    text = print_plan(Plan((step("do", "list", list(values)),)), "calls")
    reader, marked = UniquenessTracker(tools, "calls"), ""
    for byte in text.encode():
        reader.read(bytes([byte]))
        marked += chr(byte) + ("|" if reader.is_settled else "")
    return marked.replace("|", "", text.index("["))  # before the set that is always so


def test_it_is_unsettled_within_a_set() -> None:
    assert settled(TOOLS, "a", "b") == 'do(list=["a", "b"]|)|'


def test_it_is_settled_before_an_element_that_a_set_still_needs() -> None:
    least = {**SET, "minItems": 2}
    tools = catalogue_from_json([{"name": "do", "inputSchema": {"type": "object", "properties": {"list": least}}}])
    assert settled(tools, 1, 2, 3) == "do(list=[|1,| |2, 3]|)|"
