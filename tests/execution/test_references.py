"""References → values: paths, texts that are JSON, checks, and what is said of a misfit."""

from typing import Any

import pytest

from platypus.catalogue.tools import Argument, Tool
from platypus.execution.references import Misfit, resolve
from platypus.execution.results import ToolResult
from platypus.plan.plan import Reference, Step, Value

TEXT = {"type": "string"}


def filled(value: Value, schema: dict[str, Any], result: ToolResult) -> Any:
    tool = Tool("take", "", (Argument("it", schema, True),))
    return resolve(1, Step("take", {"it": value}), tool, {0: result})["it"]


@pytest.mark.parametrize(
    ("path", "result", "schema", "expected"),
    [
        ((), ToolResult({"id": 7}), {"type": "object"}, {"id": 7}),
        (("id",), ToolResult({"id": 7}), {"type": "integer"}, 7),
        (("a", "1", "b"), ToolResult({"a": [0, {"b": "x"}]}), TEXT, "x"),
        (("id",), ToolResult({"id": 7}, text='{"id": 8}'), {}, 7),  # structured content goes before text
        (("id",), ToolResult(text='{"id": 8}'), {}, 8),
        ((), ToolResult(text='["a"]'), {"type": "array", "items": TEXT}, ["a"]),
        ((), ToolResult(text='["a"]'), {}, ["a"]),
        ((), ToolResult(text='{"a": 1}'), TEXT, '{"a": 1}'),  # a text that only happens to be JSON
        ((), ToolResult(text="42"), TEXT, "42"),
        ((), ToolResult(text="42"), {"type": "integer"}, 42),
        ((), ToolResult(text="plain"), {}, "plain"),
        ((), ToolResult({"result": ["a"]}), {"type": "array"}, ["a"]),  # as SDKs wrap what is no object
        ((), ToolResult({"result": ["a"]}), {}, {"result": ["a"]}),
        ((), ToolResult(None), {"type": "null"}, None),
        (("0", "id"), ToolResult({"result": [{"id": 7}]}), {"type": "integer"}, 7),  # a path into what is wrapped
        (("id",), ToolResult({"result": '{"id": 7}'}), {"type": "integer"}, 7),
        (("result", "id"), ToolResult({"result": {"id": 7, "result": {"id": 8}}}), {"type": "integer"}, 7),
        ((), ToolResult({"result": "[1]"}), {"type": "array"}, [1]),
        ((), ToolResult({"result": "[1]"}), TEXT, "[1]"),
        ((), ToolResult({"result": [1], "more": 2}), {"type": "object"}, {"result": [1], "more": 2}),
        (("a",), ToolResult(text='{"a": "$$PREV[0]"}'), TEXT, "$$PREV[0]"),  # data, whatever it looks like
        ((), ToolResult(text="01"), {}, "01"),
        ((), ToolResult(text='{"a": 1, "a": 2}'), {}, '{"a": 1, "a": 2}'),
    ],
)
def test_what_a_reference_means(path: tuple[str, ...], result: ToolResult, schema: Any, expected: Any) -> None:
    assert filled(Reference(0, path), schema, result) == expected


def test_references_in_a_list_and_literals() -> None:
    schema = {"type": "array", "items": TEXT, "maxItems": 2}
    assert filled(["a", Reference(0, ("id",))], schema, ToolResult({"id": "b"})) == ["a", "b"]
    assert filled(["a", "b"], schema, ToolResult()) == ["a", "b"]
    with pytest.raises(Misfit, match="found array the whole list"):
        filled([Reference(0)], {**schema, "minItems": 2}, ToolResult(text="a"))


@pytest.mark.parametrize(
    ("path", "result", "schema", "expected", "found"),
    [
        ((), ToolResult({"id": 7}), TEXT, "string", 'object in the result of step 1: {"id": 7}'),
        (("id",), ToolResult({"id": "7"}), {"type": "integer"}, "integer", 'string in the result of step 1: "7"'),
        (("no",), ToolResult({"id": 7}), TEXT, "string", "no 'no' in the result of step 1: {\"id\": 7}"),
        (("0",), ToolResult(text="[]"), TEXT, "string", "no '0' in the result of step 1: []"),
        (("a",), ToolResult(text="prose"), TEXT, "string", "no 'a' in the result of step 1: \"prose\""),
        ((), ToolResult(others=("image",)), TEXT, "string", "only image in the result of step 1"),
        ((), ToolResult(None), TEXT, "string", "null in the result of step 1: null"),
        ((), ToolResult("x"), {"type": "string", "enum": ["a"]}, '{"type": "string", "enum": ["a"]}', "string in"),
        ((), ToolResult("x"), {"type": "string", "format": "date"}, "string (date)", "string in"),
        ((), ToolResult(True), {"type": "integer"}, "integer", "boolean in"),
    ],
)
def test_a_misfit_names_step_argument_expected_and_found(
    path: tuple[str, ...], result: ToolResult, schema: Any, expected: str, found: str
) -> None:
    with pytest.raises(Misfit) as raised:
        filled(Reference(0, path), schema, result)
    error = raised.value
    assert (error.step, error.tool, error.argument, error.expected) == (1, "take", "it", expected)
    assert error.found.startswith(found)
    assert str(error) == f"step 2 (take), argument 'it': expected {expected}, found {error.found}"


def test_where_a_made_up_result_does_not_suffice_more_is_made_up() -> None:
    made_up = ToolResult("made up", is_mock=True)
    assert filled(Reference(0, ("id",)), {"type": "integer"}, made_up) == 1
    assert filled(Reference(0), {"type": "string", "enum": ["low"]}, made_up) == "low"
