"""When two plans are the same: hand-worked cases, and against trying every order of the steps."""

from itertools import permutations
from random import Random
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.plan.equality import fingerprint, same
from platypus.plan.plan import Plan, Reference, Step, Value
from tests.plan.test_plan import plan


def test_plans_that_differ_in_the_order_of_independent_steps_are_the_same(tools: Catalogue) -> None:
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


def test_the_order_of_elements_matters_unless_the_array_is_a_set(tools: Catalogue) -> None:
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
def test_plans_that_are_not_the_same(tools: Catalogue, a: list[Any], b: list[Any]) -> None:
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


def test_an_optional_set_is_a_set() -> None:
    some = {"type": "array", "items": {"type": "string"}}
    kinds = {"set": {"anyOf": [{**some, "uniqueItems": True}, {"type": "null"}]}, "list": {"anyOf": [some, {}]}}
    catalogue = catalogue_from_json([{"name": "f", "inputSchema": {"properties": kinds}}])
    for name, free in (("set", True), ("list", False)):
        a, b = (Plan((Step("f", {name: [*order]}),)) for order in ("ab", "ba"))
        assert same(a, b, catalogue) == free == (fingerprint(a, catalogue) == fingerprint(b, catalogue))


def test_many_equal_steps_are_told_apart_by_their_uses(tools: Catalogue) -> None:
    """Trying their orders one by one would take days."""
    rolls: list[tuple[str, Any]] = [("any", {})] * 16

    def using(*steps: int) -> Plan:
        return plan(tools, *rolls, *(("must", {"who": f"$$PREV[{step}]"}) for step in steps))

    def listed(*steps: int) -> Plan:
        return plan(tools, *rolls, ("take", {"ordered": [f"$$PREV[{step}]" for step in steps]}))

    assert same(using(0), using(15), tools) and same(using(0, 1, 2), using(9, 15, 4), tools)
    assert not same(using(0, 0), using(0, 1), tools)
    assert same(listed(*range(16)), listed(*range(15, -1, -1)), tools)
    assert not same(listed(0, 0, 1), listed(0, 1, 0), tools)


# ---------------------------------------------------------------- against the slow way


def renumbered(value: Value, numbers: dict[int, int], *, free: bool) -> Any:
    """The value with its references renumbered; the elements of a set sorted."""
    if isinstance(value, list):
        elements = [renumbered(element, numbers, free=False) for element in value]
        return sorted(elements, key=repr) if free else elements
    return ("reference", numbers[value.step], value.path) if isinstance(value, Reference) else value


def steps_in_order(some: Plan, order: tuple[int, ...]) -> list[tuple[str, dict[str, Any]]]:
    """The steps in another order, their references renumbered with it."""
    numbers = {old: new for new, old in enumerate(order)}
    return [
        (step.tool, {name: renumbered(v, numbers, free=name == "many") for name, v in step.arguments.items()})
        for step in (some.steps[i] for i in order)
    ]


def slow_same(a: Plan, b: Plan) -> bool:
    """Whether some order of the steps of `b` gives those of `a`."""
    wanted = steps_in_order(a, tuple(range(len(a))))
    return any(steps_in_order(b, order) == wanted for order in permutations(range(len(b))))


def random_plan(rng: Random) -> Plan:
    """Few tools and values, so that equal steps and equal plans are frequent."""
    steps: list[Step] = []
    for i in range(rng.randint(0, 4)):
        users: list[Value] = ["U-1", *(Reference(k) for k in range(i))]
        arguments: dict[str, Value] = {"who": rng.choice(users)} if rng.random() < 0.7 else {}
        if rng.random() < 0.3:
            arguments["many"] = rng.sample(users, min(2, len(users)))
        steps.append(Step("take", arguments) if rng.random() < 0.6 else Step("any"))
    return Plan(tuple(steps))


def shuffled(some: Plan, rng: Random) -> Plan:
    """The same plan with its steps in another order that respects the references."""
    order: list[int] = []
    while len(order) < len(some):
        ready = [i for i, used in enumerate(some.dependencies()) if i not in order and used <= set(order)]
        order.append(rng.choice(ready))
    numbers = {old: new for new, old in enumerate(order)}

    def moved(value: Value) -> Any:
        if isinstance(value, list):
            return [moved(element) for element in value]
        return Reference(numbers[value.step], value.path) if isinstance(value, Reference) else value

    return Plan(
        tuple(Step(some.steps[i].tool, {n: moved(v) for n, v in some.steps[i].arguments.items()}) for i in order)
    )


def test_sameness_is_that_of_trying_every_order(tools: Catalogue) -> None:
    rng, equal = Random(7), 0
    for _ in range(1500):
        a, b = random_plan(rng), random_plan(rng)
        assert same(a, b, tools) == slow_same(a, b), (str(a), str(b))
        equal += same(a, b, tools)
    assert equal > 50


def test_a_shuffled_plan_is_the_same_and_has_the_same_fingerprint(tools: Catalogue) -> None:
    rng = Random(3)
    for _ in range(300):
        a = random_plan(rng)
        b = shuffled(a, rng)
        assert same(a, b, tools) and fingerprint(a, tools) == fingerprint(b, tools)
