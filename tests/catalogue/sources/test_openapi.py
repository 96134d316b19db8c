"""OpenAPI documents: what becomes of an operation, its arguments, its answer and its references."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from platypus.catalogue.sources.openapi import definitions, recognises
from platypus.catalogue.sources.source import Source
from platypus.errors import CatalogueError

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def tools(paths: dict[str, Any], only: tuple[str, ...] = (), **schemas: Any) -> list[Any]:
    return definitions(Source("a.json", {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}, only))


def tool(operation: dict[str, Any], method: str = "post", path: str = "/boats", **schemas: Any) -> dict[str, Any]:
    (found,) = tools({path: {method: operation}}, **schemas)
    Draft202012Validator.check_schema(found["inputSchema"])
    return dict(found)


def inputs(operation: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    return dict(tool(operation, **schemas)["inputSchema"])


def body(schema: Any, **more: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}, **more}}


def answer(schema: Any, code: str = "200") -> dict[str, Any]:
    return {"responses": {code: {"content": {"application/json": {"schema": schema}}}}}


def parameter(name: str, place: str, schema: Any = TEXT, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema, **more}


def test_names_titles_and_descriptions() -> None:
    named = tool({"operationId": "boats/find one", "summary": "Find a boat", "description": "By its name."})
    assert (named["name"], named["title"], named["description"]) == ("boats/find_one", "Find a boat", "By its name.")
    nameless = tool({"summary": "Find a boat"}, "get", "/boats/{id}/crew-list")
    assert (nameless["name"], nameless["description"]) == ("get_boats_id_crew_list", "Find a boat")


@pytest.mark.parametrize(
    ("method", "hints"),
    [
        ("get", {"readOnlyHint": True}),
        ("head", {"readOnlyHint": True}),
        ("delete", {"destructiveHint": True, "idempotentHint": True}),
        ("put", {"idempotentHint": True}),
        ("post", None),
        ("patch", None),
    ],
)
def test_the_method_tells_what_a_tool_may_do(method: str, hints: Any) -> None:
    assert tool({}, method).get("annotations") == hints


def test_arguments_of_all_places() -> None:
    paths = {
        "/boats/{id}": {
            "parameters": [parameter("id", "path", required=True), parameter("page", "query")],
            "patch": {
                "parameters": [
                    parameter("page", "query", NUMBER, description="Which page"),
                    parameter("X-Dry-Run", "header"),
                    parameter("Authorization", "header"),
                    parameter("session", "cookie"),
                    {"name": "filter", "in": "query", "content": {"application/json": {"schema": NUMBER}}},
                ],
                **body({"type": "object", "properties": {"name": TEXT, "berths": NUMBER}, "required": ["name"]}),
            },
        }
    }
    assert tools(paths)[0]["inputSchema"] == {
        "type": "object",
        "properties": {
            **{"id": TEXT, "page": {**NUMBER, "description": "Which page"}, "filter": NUMBER, "X-Dry-Run": TEXT},
            **{"name": TEXT, "berths": NUMBER},
        },
        "required": ["id", "name"],
    }


def test_one_name_in_several_places() -> None:
    """The same thing is one argument; another thing gets its place in front."""
    given = [parameter("id", "path", required=True), parameter("limit", "query"), parameter("limit", "header", NUMBER)]
    fields = {"id": {**TEXT, "description": "The boat"}, "limit": NUMBER, "header_limit": TEXT}
    schema = {"type": "object", "properties": fields, "required": ["limit"]}
    found = inputs({"parameters": given, **body(schema)})
    assert found["properties"] == {
        **{"id": TEXT, "limit": TEXT, "header_limit": NUMBER, "body_limit": NUMBER, "body_header_limit": TEXT}
    }
    assert found["required"] == ["id", "body_limit"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": TEXT},
        {"oneOf": [{"type": "object", "properties": {"a": TEXT}}, {"type": "object", "properties": {"b": TEXT}}]},
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "properties": {"a": TEXT}, "required": ["b"]},
        {"type": "object", "properties": {"a": TEXT}, "minProperties": 1},
        {"type": ["object", "null"], "properties": {"a": TEXT}},
        True,
    ],
)
def test_a_body_that_is_more_than_properties_is_one_argument(schema: Any) -> None:
    assert inputs(body(schema, required=True)) == {
        "type": "object",
        "properties": {"body": schema},
        "required": ["body"],
    }
    assert inputs(body(schema))["required"] == []


def test_parts_of_a_body_are_one_object() -> None:
    whole = {"allOf": [{"$ref": "#/components/schemas/Named"}, {"properties": {"b": NUMBER}}], "description": "Both"}
    found = inputs(body(whole), Named={"type": "object", "properties": {"a": TEXT}, "required": ["a"]})
    assert (set(found["properties"]), found["required"]) == ({"a", "b"}, ["a"])


def test_a_property_in_several_parts_of_a_body_is_all_that_they_say() -> None:
    pet = {"properties": {"kind": TEXT, "id": {**TEXT, "readOnly": True}, "name": {**TEXT, "title": "N"}}}
    cat = {"properties": {"kind": {"enum": ["cat"]}, "id": {"minLength": 2}, "name": TEXT}}
    found = inputs(body({"allOf": [{"$ref": "#/components/schemas/Pet"}, cat]}), Pet=pet)
    assert found["properties"] == {"kind": {"allOf": [TEXT, {"enum": ["cat"]}]}, "name": {**TEXT, "title": "N"}}


def test_a_parameter_of_the_path_is_required_whatever_the_document_says() -> None:
    given = [parameter("id", "path"), parameter("page", "query")]
    assert inputs({"parameters": given})["required"] == ["id"]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"text/plain": {}, "application/json": {"schema": {"properties": {"a": TEXT}}}}, {"a"}),
        ({"application/vnd.api+json; v=1": {"schema": {"properties": {"a": TEXT}}}}, {"a"}),
        ({"multipart/form-data": {"schema": {"properties": {"a": TEXT}}}}, {"a"}),
        ({"application/json": {"schema": None}}, {"body"}),
        ({"text/plain": {}}, {"body"}),
        ({}, set()),
    ],
)
def test_kinds_of_content(content: Any, names: set[str]) -> None:
    assert set(inputs({"requestBody": {"content": content}})["properties"]) == names


def test_what_a_server_sets_is_no_argument_and_what_only_a_client_sets_is_no_output() -> None:
    schema = {
        "type": "object",
        "properties": {
            "id": {**TEXT, "readOnly": True},
            "key": {"$ref": "#/components/schemas/Key"},
            "name": {**TEXT, "example": "Ida", "examples": ["Eva"]},
        },
        "required": ["id", "key", "name"],
    }
    found = tool({**body(schema), **answer(schema)}, Key={**TEXT, "writeOnly": True})
    assert found["inputSchema"]["properties"].keys() == {"key", "name"} == set(found["inputSchema"]["required"])
    assert found["inputSchema"]["properties"]["name"] == {**TEXT, "examples": ["Ida", "Eva"]}
    assert found["outputSchema"]["properties"].keys() == {"id", "name"} == set(found["outputSchema"]["required"])


@pytest.mark.parametrize(
    ("responses", "output"),
    [
        (answer(NUMBER, "201")["responses"], NUMBER),
        ({**answer(TEXT, "404")["responses"], **answer(NUMBER, "202")["responses"]}, NUMBER),
        (answer(NUMBER, "2XX")["responses"], NUMBER),
        ({"204": {"description": "Gone"}}, {"type": "null"}),
        ({"200": {"content": {"text/csv": {}}}}, TEXT),
        ({"200": {"content": {"image/png": {}}}}, None),
        (answer(True)["responses"], None),
        (answer(NUMBER, "default")["responses"], None),
    ],
)
def test_the_output_is_that_of_success(responses: Any, output: Any) -> None:
    assert tool({"responses": responses}).get("outputSchema") == output


def test_references_are_kept_as_definitions_recursive_ones_too() -> None:
    schemas = {
        "Boat": {
            "properties": {"crew": {"$ref": "#/components/schemas/a~1b"}, "next": {"$ref": "#/components/schemas/Boat"}}
        },
        "a/b": {"type": "array", "items": {"$ref": "#/components/schemas/a.b"}},
        "a.b": TEXT,
        "Unused": TEXT,
    }
    output = tool(answer({"$ref": "#/components/schemas/Boat"}), **schemas)["outputSchema"]
    assert output == {
        "$ref": "#/$defs/Boat",
        "$defs": {
            "Boat": {"properties": {"crew": {"$ref": "#/$defs/a_1b"}, "next": {"$ref": "#/$defs/Boat"}}},
            "a_1b": {"type": "array", "items": {"$ref": "#/$defs/a_b"}},
            "a_b": TEXT,
        },
    }
    assert Draft202012Validator(output).is_valid({"crew": ["Ida"], "next": {"next": {"crew": []}}})
    assert not Draft202012Validator(output).is_valid({"next": {"next": {"crew": "Ida"}}})


def test_references_to_parameters_bodies_answers_and_path_items() -> None:
    document = {
        "openapi": "3.0.0",
        "paths": {"/boats": {"$ref": "#/components/pathItems/boats"}},
        "components": {
            "pathItems": {
                "boats": {
                    "post": {
                        "parameters": [{"$ref": "#/components/parameters/page"}],
                        "requestBody": {"$ref": "#/components/requestBodies/boat"},
                        "responses": {"200": {"$ref": "#/components/responses/boat"}},
                    }
                }
            },
            "parameters": {"page": parameter("page", "query", NUMBER)},
            "requestBodies": body({"properties": {"name": TEXT}})
            | {"boat": body({"properties": {"name": TEXT}})["requestBody"]},
            "responses": {"boat": answer(NUMBER)["responses"]["200"]},
        },
    }
    (found,) = definitions(Source("a.json", document))
    assert found["inputSchema"]["properties"] == {"page": NUMBER, "name": TEXT}
    assert found["outputSchema"] == NUMBER


@pytest.mark.parametrize(
    "operation",
    [
        {"parameters": [{"$ref": "common.yaml#/page"}]},
        {"parameters": [parameter("page", "query", {"$ref": "common.yaml#/page"})]},
        {"requestBody": {"$ref": "common.yaml#/page"}},
        body({"$ref": "common.yaml#/page"}),
        body({"properties": {"a": {"$ref": "common.yaml#/page"}}}),
        body({"$ref": "#/components/schemas/Gone"}),
    ],
)
def test_a_reference_that_leads_nowhere_is_left_for_the_reader_to_refuse(operation: Any) -> None:
    assert "$ref" in str(inputs(operation)) and "#/$defs" not in str(inputs(operation))


def test_operations_of_some_tags() -> None:
    paths = {"/a": {"get": {"tags": ["x", "y"]}, "put": {"tags": ["z"]}}, "/b": {"get": {}}}
    assert [one["name"] for one in tools(paths)] == ["get_a", "put_a", "get_b"]
    assert [one["name"] for one in tools(paths, only=("y", "z"))] == ["get_a", "put_a"]
    with pytest.raises(CatalogueError, match=r"has no tag 'w'\n  It has: x, y, z\."):
        tools(paths, only=("w",))


@pytest.mark.parametrize(
    "operation",
    [
        {"parameters": {"name": "id"}},
        {"parameters": ["id"]},
        {"requestBody": {"content": [TEXT]}},
        {"responses": {"200": "ok"}},
        {"responses": ["200"]},
    ],
)
def test_an_operation_that_is_not_openapi_is_named(operation: Any) -> None:
    with pytest.raises(CatalogueError, match=r"^a\.json: POST /boats is not written as OpenAPI 3 says: .*\n  Check"):
        tool(operation)


def test_paths_and_tags_that_are_no_such_thing_are_none() -> None:
    assert definitions(Source("a.json", {"openapi": "3.1.0", "paths": ["/boats"]})) == []
    assert tool({"tags": 3})["name"] == "post_boats"


def test_other_versions_are_refused_by_name() -> None:
    assert recognises(Source("a.json", {"swagger": "2.0"})) and not recognises(Source("a.json", [{"openapi": "3.1.0"}]))
    with pytest.raises(CatalogueError, match=r"a\.json: is OpenAPI 2\.0\n  Convert it"):
        definitions(Source("a.json", {"swagger": "2.0"}))
