"""OpenAPI 3 documents (3.0, 3.1, 3.2; JSON or YAML): one tool for each operation.

    GET /boats/{id} with the query parameter `full` and an answer Boat → get_boat(id, full) → Boat

- The name is the `operationId`, else method and path (`get_boats_id`); the title is the summary.
- The arguments are the parameters of path, query and header, and the properties of the body. Where two have one name,
  they are one argument if their schemas allow the same; else the first of path, query, header, body keeps the name, and
  the others get their place in front: `body_id`. A body that is more than an object with properties is one argument,
  `body`. Cookies, and headers that the protocol or a key sets, are not arguments. What a body requires is required,
  whether or not the body is; so is what the path needs.
- The output is the schema of the first of the answers 200, 201, another 2xx; without content it is nothing.
- GET, HEAD and QUERY only read (`readOnlyHint`); DELETE may destroy (`destructiveHint`); PUT may be repeated
  (`idempotentHint`).
- References become `$defs` of the tool, recursive ones too. A reference to another file stays as it is, and the reader
  refuses that tool by its name.

`only` names tags.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from platypus.catalogue.sources.source import Source, SourceFormat, chosen
from platypus.errors import CatalogueError

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
ANNOTATIONS = {
    **{method: {"readOnlyHint": True} for method in ("get", "head", "query")},
    "delete": {"destructiveHint": True, "idempotentHint": True},
    "put": {"idempotentHint": True},
}
PLACES = ("path", "query", "header")
PROTOCOL_HEADERS = {"accept", "content-type", "authorization"}  # "shall be ignored" (OpenAPI 3.1, Parameter Object)
SCHEMAS_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
NOT_SCHEMAS = ("example", "examples", "default", "enum", "const")
FLAT = {"properties", "required", "type", "additionalProperties", "allOf"}
NOTES = {"title", "description", "example", "examples", "xml", "externalDocs", "deprecated", "discriminator"}
NOTES |= {"$comment", "$schema"}  # keys that limit nothing


def recognises(source: Source) -> bool:
    """Whether its file is an OpenAPI document, of whatever version."""
    return isinstance(source.document, Mapping) and bool({"openapi", "swagger"} & source.document.keys())


def definitions(source: Source) -> list[Any]:
    """A tool for each operation. Raises CatalogueError for a document of another version, or none of OpenAPI."""
    return list(_each(source, _tool))


def calls(source: Source) -> "dict[str, Call]":
    """Tool → how its operation is called, of the same tools as `definitions`."""
    return dict(_each(source, lambda one, reader: (_tool_name(one), _call(one, reader))))


def _each(source: Source, make: "Callable[[_Operation, _Document], Any]") -> Iterator[Any]:
    """What is made of each operation that `only` wants. Raises CatalogueError for what is not OpenAPI 3."""
    version = str(source.document.get("openapi", source.document.get("swagger")))
    if not version.startswith("3."):
        remedy = "Convert it to OpenAPI 3, as many tools can."
        raise CatalogueError(f"is OpenAPI {version}", where=source.where, remedy=remedy)
    reader = _Document(source.document)
    operations = list(reader)
    tags = chosen(dict.fromkeys(tag for one in operations for tag in one.tags), source, "tag")
    for one in (one for one in operations if not source.only or tags.keys() & set(one.tags)):
        try:
            yield make(one, reader)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"{one.method.upper()} {one.path} is not written as OpenAPI 3 says: {error}"
            remedy = "Check the document with a validator of OpenAPI."
            raise CatalogueError(what, where=source.where, remedy=remedy) from error


class _Placed(NamedTuple):
    """A part of a request: the place where it stands, its name there, its schema, and whether it is required."""

    place: str
    name: str
    schema: Any
    required: bool


class Part(NamedTuple):
    """Where an argument goes: a parameter of path, query or header with its style, or (`body`) a part of the body."""

    place: str
    name: str
    style: str = ""
    explode: bool | None = None
    is_json: bool = False


class Call(NamedTuple):
    """How an operation is called: `parts` are those of each argument; `whole`: the body is one argument, `body`."""

    method: str
    path: str
    parts: Mapping[str, tuple[Part, ...]]
    media_type: str = ""
    whole: bool = False


class _Operation(NamedTuple):
    """An operation of a path item, which may hold what all its operations share."""

    method: str
    path: str
    item: Mapping[str, Any]
    content: Mapping[str, Any]

    @property
    def tags(self) -> list[str]:
        tags = self.content.get("tags")
        return [str(tag) for tag in tags] if isinstance(tags, list) else []


class _Document:
    """An OpenAPI document with its operations and references."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        registry: Registry[Any] = Registry().with_resource("", DRAFT202012.create_resource(document))
        self.resolver = registry.resolver("")

    def __iter__(self) -> Iterator[_Operation]:
        paths = self.document.get("paths")
        for path, item in paths.items() if isinstance(paths, Mapping) else ():
            held = self.resolved(item)
            for method in METHODS:
                if isinstance(held, Mapping) and isinstance(held.get(method), Mapping):
                    yield _Operation(method, path, held, held[method])

    def resolved(self, part: Any) -> Any:
        """What a part refers to, with the keys beside the reference; a reference that leads nowhere stays."""
        seen: set[str] = set()
        while isinstance(part, Mapping) and isinstance(part.get("$ref"), str) and part["$ref"] not in seen:
            seen.add(part["$ref"])
            try:
                found = self.resolver.lookup(part["$ref"]).contents
            except Unresolvable:
                return part
            rest = {key: value for key, value in part.items() if key != "$ref"}
            part = {**found, **rest} if isinstance(found, Mapping) else found
        return part

    def holds(self, reference: str) -> bool:
        """Whether the reference leads to a part of this document."""
        return reference.startswith("#/") and self.resolved({"$ref": reference}) != {"$ref": reference}


@dataclass
class _Schemas:
    """The schemas of one side of a tool. References to the document become references to `definitions`.

    `hidden` is the mark of properties that this side does not have: `readOnly` in arguments, `writeOnly` in outputs.
    """

    document: _Document
    hidden: str
    definitions: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def own(self, schema: Any) -> Any:
        """The schema with its references led to `definitions`, and without hidden properties."""
        if isinstance(schema, list):
            return [self.own(part) for part in schema]
        if not isinstance(schema, Mapping):
            return schema
        own: dict[str, Any] = {}
        for key, value in schema.items():
            if key in NOT_SCHEMAS or key in ("required", "discriminator"):
                own[key] = value
            elif key in SCHEMAS_BY_NAME and isinstance(value, Mapping):
                own[key] = {name: self.own(part) for name, part in value.items() if not self._is_hidden(part)}
            else:
                own[key] = self.own(value)
        if isinstance(schema.get("$ref"), str):
            own["$ref"] = self._reference(schema["$ref"])
        if isinstance(own.get("required"), list):
            gone = {name for name, part in (schema.get("properties") or {}).items() if self._is_hidden(part)}
            own["required"] = [name for name in own["required"] if name not in gone]
        return _with_examples(own)

    def whole(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema, already own, with the definitions that it needs."""
        return {**schema, "$defs": self.definitions} if self.definitions else schema

    def _is_hidden(self, part: Any) -> bool:
        held = self.document.resolved(part)
        if not isinstance(held, Mapping):
            return False
        return held.get(self.hidden) is True or any(map(self._is_hidden, held.get("allOf") or ()))

    def _reference(self, reference: str) -> str:
        if not self.document.holds(reference):
            return reference
        if reference not in self.names:
            last = re.sub(r"\W+", "_", reference.rpartition("/")[2])
            name = next(name for name in _numbered(last) if name not in self.names.values())
            self.names[reference] = name
            self.definitions[name] = True  # keeps the order of first use
            self.definitions[name] = self.own(self.document.resolver.lookup(reference).contents)
        return f"#/$defs/{self.names[reference]}"


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in range(2, 10**6))


def _call(operation: _Operation, document: _Document) -> Call:
    method, path, item, content = operation
    body = document.resolved(content.get("requestBody") or {})
    schemas = _Schemas(document, hidden="readOnly")
    parts: dict[str, tuple[Part, ...]] = {}
    for unique, parameter, placed in _named(_parameters(item, content, document), body, schemas):
        style, explode = str(parameter.get("style") or ""), parameter.get("explode")
        part = Part(placed.place, placed.name, style, explode, bool(parameter.get("content")))
        parts[unique] = (*parts.get(unique, ()), part)
    whole = bool(body.get("content")) and _flat(_body_schema(body), document) is None
    return Call(method, path, parts, _media_type(body), whole)


def _tool_name(operation: _Operation) -> str:
    given = operation.content.get("operationId")
    name = str(given or f"{operation.method} {operation.path}")
    return re.sub(r"[^A-Za-z0-9_.:/-]+" if given else r"\W+", "_", name).strip("_")


def _tool(operation: _Operation, document: _Document) -> dict[str, Any]:
    method, _, item, content = operation
    title = str(content.get("summary") or item.get("summary") or "").strip()
    tool = {
        "name": _tool_name(operation),
        "description": str(content.get("description") or item.get("description") or title).strip(),
        "inputSchema": _inputs(item, content, document),
    }
    more = {"title": title or None, "outputSchema": _output(content, document), "annotations": ANNOTATIONS.get(method)}
    return {**tool, **{key: value for key, value in more.items() if value is not None}}


def _inputs(item: Mapping[str, Any], operation: Mapping[str, Any], document: _Document) -> dict[str, Any]:
    """The schema of an operation's arguments. A parameter that leads out of the document takes the schema's place."""
    schemas = _Schemas(document, hidden="readOnly")
    found = _parameters(item, operation, document)
    outside = next((parameter for parameter in found.values() if "$ref" in parameter), None)
    if outside is not None:
        return {"$ref": outside["$ref"]}
    properties: dict[str, Any] = {}
    required: dict[str, None] = {}
    for unique, _, placed in _named(found, document.resolved(operation.get("requestBody") or {}), schemas):
        properties.setdefault(unique, placed.schema)
        if placed.required or placed.place == "path":  # no path is without its parts, whatever the document says
            required[unique] = None
    return schemas.whole({"type": "object", "properties": properties, "required": list(required)})


def _parameters(
    item: Mapping[str, Any], operation: Mapping[str, Any], document: _Document
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The parameters of an operation by place and name; its own go before those that its path has."""
    resolved = map(document.resolved, [*(item.get("parameters") or []), *(operation.get("parameters") or [])])
    return {(str(parameter.get("in")), str(parameter.get("name"))): parameter for parameter in resolved}


def _named(
    found: Mapping[tuple[str, str], Mapping[str, Any]], body: Mapping[str, Any], schemas: _Schemas
) -> Iterator[tuple[str, Mapping[str, Any], _Placed]]:
    """The argument's name, the parameter (empty for the body) and what it is, of each part of a request, in order."""
    placed = [
        (parameter, _Placed(place, name, _parameter_schema(parameter, schemas), bool(parameter.get("required"))))
        for place in PLACES
        for (own_place, name), parameter in found.items()
        if own_place == place and not (place == "header" and name.lower() in PROTOCOL_HEADERS)
    ]
    placed += [({}, part) for part in _body(body, schemas)]
    taken: dict[str, Any] = {}
    for parameter, part in placed:
        unique = part.name
        if unique in taken and not _same(part.schema, taken[unique]):
            unique = next(each for each in _numbered(f"{part.place}_{part.name}") if each not in taken)
        taken.setdefault(unique, part.schema)
        yield unique, parameter, part


def _same(one: Any, other: Any) -> bool:
    """Whether two schemas allow the same, as far as their words tell."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return bool(one == other)
    return {key: one[key] for key in one.keys() - NOTES} == {key: other[key] for key in other.keys() - NOTES}


def _parameter_schema(parameter: Mapping[str, Any], schemas: _Schemas) -> Any:
    """The schema of a parameter, or of the first of its media types, with what the parameter says beside it."""
    media: Mapping[str, Any] = next(iter((parameter.get("content") or {}).values()), {})
    schema = schemas.own(_held_schema(parameter if "schema" in parameter else media))
    if not isinstance(schema, dict):
        return schema
    beside = {key: parameter[key] for key in ("description", "example", "examples") if parameter.get(key) is not None}
    return {**schema, **_with_examples(beside)}


def _body(body: Mapping[str, Any], schemas: _Schemas) -> list[_Placed]:
    """Each argument that stands in the body."""
    if "$ref" in body:
        return [_Placed("body", "body", {"$ref": body["$ref"]}, True)]
    if not body.get("content"):
        return []
    schema = _body_schema(body)
    parts = _flat(schema, schemas.document)
    if parts is None:
        own = schemas.own(schema)
        if isinstance(own, dict) and body.get("description"):
            own = {"description": body["description"], **own}
        return [_Placed("body", "body", own, bool(body.get("required")))]
    properties, required = parts
    held = schemas.own({"properties": properties, "required": sorted(required)})
    return [_Placed("body", name, part, name in held["required"]) for name, part in held["properties"].items()]


def _media_type(body: Mapping[str, Any]) -> str:
    """The media type in which a body is sent: JSON, else a form, else the first; empty if there is no body."""
    content = body.get("content") or {}
    kinds = [kind for kind in content if _is_json(kind)] + [kind for kind in content if "form" in kind] + list(content)
    return kinds[0] if kinds else ""


def _body_schema(body: Mapping[str, Any]) -> Any:
    kind = _media_type(body)
    return _held_schema(body["content"][kind], {} if _is_json(kind) else {"type": "string"})


def _flat(schema: Any, document: _Document, depth: int = 0) -> tuple[dict[str, Any], set[str]] | None:
    """Properties and required names of an object, those of its `allOf` too; None if it is anything else."""
    held = document.resolved(schema)
    if not isinstance(held, Mapping) or "$ref" in held or depth > 20:
        return None
    has_more = any(key not in FLAT | NOTES and not key.startswith("x-") for key in held)
    if has_more or held.get("type", "object") != "object":
        return None
    properties, required = dict(held.get("properties") or {}), set(held.get("required") or ())
    for part in held.get("allOf") or ():
        inner = _flat(part, document, depth + 1)
        if inner is None:
            return None
        twice = [name for name in inner[0].keys() & properties.keys() if not _same(inner[0][name], properties[name])]
        joined = {name: {"allOf": [properties[name], inner[0][name]]} for name in twice}
        properties, required = {**inner[0], **properties, **joined}, required | inner[1]
    return (properties, required) if depth or (properties and required <= properties.keys()) else None


def _output(operation: Mapping[str, Any], document: _Document) -> dict[str, Any] | None:
    """The schema of what a successful operation answers; None if the document does not say."""
    answers = operation.get("responses") or {}
    good = [code for code in ("200", "201") if code in answers]
    good += sorted(code for code in answers if re.fullmatch(r"2(\d\d|XX)", code, re.IGNORECASE) and code not in good)
    if not good:
        return None
    answer = document.resolved(answers[good[0]])
    content = answer.get("content") or {}
    if not content:
        return None if "$ref" in answer else {"type": "null"}
    kind = next((kind for kind in content if _is_json(kind)), None)
    if kind is None:
        return {"type": "string"} if all(kind.startswith("text/") for kind in content) else None
    schemas = _Schemas(document, hidden="writeOnly")
    own = schemas.own(_held_schema(content[kind]))
    return schemas.whole(own) if isinstance(own, dict) else None


def _held_schema(holder: Mapping[str, Any] | None, default: Any = None) -> Any:
    """The schema under `schema`; if there is none, or null: the default, or anything."""
    held = (holder or {}).get("schema")
    return held if held is not None else default or {}


def _with_examples(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its examples in a list: OpenAPI has one under `example`, and some by name."""
    examples = schema.get("examples") or []
    if isinstance(examples, Mapping):
        held = [value.get("value") if isinstance(value, Mapping) else value for value in examples.values()]
        examples = [value for value in held if value is not None]
    if "example" in schema:
        examples = [schema["example"], *examples]
    own = {key: value for key, value in schema.items() if key not in ("example", "examples")}
    return {**own, "examples": examples} if examples else own


def _is_json(media_type: str) -> bool:
    return bool(re.match(r"application/([\w.-]+\+)?json\b", media_type, re.IGNORECASE))


FORMAT = SourceFormat(recognises, definitions)
