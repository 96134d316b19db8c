"""Which steps a client runs now: references, results, one call at a time."""

from platypus.catalogue.reading import catalogue_from_json
from platypus.plan.plan import Reference, Step
from platypus.serving.calls import Call, Calls, Earlier

TEXT = {"type": "string"}
TOOLS = catalogue_from_json(
    [
        {"name": "find", "inputSchema": {"properties": {"name": TEXT}}, "outputSchema": {}},
        {"name": "open", "inputSchema": {"properties": {"id": TEXT, "count": {"type": "integer"}}}},
        {"name": "join", "inputSchema": {"properties": {"ids": {"type": "array", "items": TEXT}}}},
    ]
)
FIND, OPEN = Step("find", {"name": "a"}), Step("open", {"id": Reference(0, ("id",))})
JOIN = Step("join", {"ids": [Reference(0, ("id",)), "b", Reference(1)]})


def taken(calls: Calls, *steps: Step) -> list[Call]:
    return [call for call in map(calls.take, steps) if call is not None]


def test_references_to_calls_of_the_same_answer_stay() -> None:
    assert taken(Calls(TOOLS), FIND, OPEN, JOIN) == [
        Call("find", {"name": "a"}, 0),
        Call("open", {"id": "$$PREV[0].id"}, 1),
        Call("join", {"ids": ["$$PREV[0].id", "b", "$$PREV[1]"]}, 2),
    ]


def test_without_references_a_step_waits_for_the_results_that_it_needs() -> None:
    calls = Calls(TOOLS, references="none")
    assert taken(calls, FIND, OPEN, Step("find", {"name": "b"}), JOIN) == [
        Call("find", {"name": "a"}, 0),
        Call("find", {"name": "b"}, 2),
    ]
    assert calls.waiting == 2


def test_results_take_the_place_of_references_and_later_ones_are_counted_anew() -> None:
    done = Earlier("find", {"name": "a"}, '{"id": "X-1"}')
    assert taken(Calls(TOOLS, [done]), FIND, OPEN, JOIN) == [
        Call("open", {"id": "X-1"}, 1),
        Call("join", {"ids": ["X-1", "b", "$$PREV[0]"]}, 2),
    ]
    assert taken(Calls(TOOLS, [done], "none"), FIND, OPEN, JOIN) == [Call("open", {"id": "X-1"}, 1)]


def test_calls_that_were_sent_with_references_are_recognised_by_their_values() -> None:
    done = [Earlier("find", {"name": "a"}, '{"id": "X-1"}'), Earlier("open", {"id": "$$PREV[0].id"}, "opened")]
    calls = Calls(TOOLS, done)
    assert taken(calls, FIND, OPEN, JOIN) == [Call("join", {"ids": ["X-1", "b", "opened"]}, 2)]
    whole = Calls(TOOLS, [*done, Earlier("join", {"ids": ["X-1", "b", "opened"]}, "joined", batch=1)])
    assert taken(whole, FIND, OPEN, JOIN) == [] and whole.last == "joined" and not whole.unmatched


def test_each_earlier_call_stands_for_one_step() -> None:
    calls = Calls(TOOLS, [Earlier("find", {"name": "a"}, "1")])
    assert taken(calls, FIND, FIND) == [Call("find", {"name": "a"}, 1)]
    other = Calls(TOOLS, [Earlier("find", {"name": "c"}, "1")])
    assert len(taken(other, FIND)) == 1 and other.unmatched == 1


def test_one_call_at_a_time() -> None:
    assert taken(Calls(TOOLS, one=True), FIND, OPEN) == [Call("find", {"name": "a"}, 0)]
    done = Earlier("find", {"name": "a"}, '{"id": "X-1"}')
    assert taken(Calls(TOOLS, [done], one=True), FIND, OPEN) == [Call("open", {"id": "X-1"}, 1)]


def test_a_result_that_lacks_a_part_stops_the_steps_that_need_it() -> None:
    calls = Calls(TOOLS, [Earlier("find", {"name": "a"}, "no such thing")])
    assert taken(calls, FIND, OPEN, JOIN) == []
    assert calls.stopped == "the result of step 1 has no 'id'"


def test_of_text_and_number_the_one_is_taken_that_the_argument_allows() -> None:
    steps = FIND, Step("open", {"id": Reference(0), "count": Reference(0)})
    (call,) = taken(Calls(TOOLS, [Earlier("find", {"name": "a"}, "17")]), *steps)
    assert call.arguments == {"id": "17", "count": 17}


def test_results_in_the_notation_of_python_are_data() -> None:
    """Agents that make a text of a result with `str` send these."""
    for result, wanted in (("{'id': 'X-1', 'open': True}", "X-1"), ("{'id': \"it's\"}", "it's")):
        (call,) = taken(Calls(TOOLS, [Earlier("find", {"name": "a"}, result)]), FIND, OPEN)
        assert call.arguments == {"id": wanted}
    whole = Step("join", {"ids": Reference(0)})
    (call,) = taken(Calls(TOOLS, [Earlier("find", {"name": "a"}, "['X-1', 'X-2']")]), FIND, whole)
    assert call.arguments == {"ids": ["X-1", "X-2"]}
    (call,) = taken(
        Calls(TOOLS, [Earlier("find", {"name": "a"}, "[see below")]), FIND, Step("open", {"id": Reference(0)})
    )
    assert call.arguments == {"id": "[see below"}


def test_results_with_numbers_that_are_too_large_are_text() -> None:
    steps = FIND, Step("open", {"id": Reference(0)})
    for result in (f"[{'1' * 5000}]", "{a: 1e999}", '{"id": NaN}', '{"id": 1e999}'):
        (call,) = taken(Calls(TOOLS, [Earlier("find", {"name": "a"}, result)]), *steps)
        assert call.arguments == {"id": result}
