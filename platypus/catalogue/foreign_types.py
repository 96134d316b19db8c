"""Tools of public data sets as JSON Schema: Python's type names, and arguments that are listed by name.

    {"port": {"type": "str, optional", "description": "The port."}}       xLAM
    {"type": "dict", "properties": {"levels": {"type": "array", "items": {"type": "float"}}}}      BFCL, ToolACE
    {"type": "OBJECT", "properties": {"port": {"type": "STRING"}}}       Gemini

become the schemas that they mean. An unknown name stays as it is and is a fault in `platypus.catalogue.drafts`.
"""

import ast
import re
from collections.abc import Mapping
from typing import Any

from platypus.errors import CatalogueError

WORDS = {
    **dict.fromkeys(("string", "str", "text"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("object", "dict", "mapping"), "object"),
    **dict.fromkeys(("array", "list", "sequence", "iterable", "tuple", "set"), "array"),
    **dict.fromkeys(("null", "none"), "null"),
}
PARTS = {  # keywords that hold a schema or a list of schemas
    *("items", "additionalItems", "additionalProperties", "prefixItems", "contains", "propertyNames"),
    *("anyOf", "oneOf", "allOf", "not", "if", "then", "else"),
}
NAMED_PARTS = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
COUNTS = {f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties")}
OF = re.compile(r"(?:array|list) of (\w+?)s?", re.IGNORECASE)
OPTIONAL = re.compile(r",\s*optional\b.*|\s*\(optional\)", re.IGNORECASE | re.DOTALL)


def plain_types(schema: Any) -> Any:
    """The schema, and all schemas in it, with JSON Schema's names of types: `dict` → `object`, `any` → no type.

    A key that holds null, as tables fill up what is missing, is none. Gemini's counts are texts: `"minItems": "1"`.
    """
    if not isinstance(schema, Mapping):
        return schema
    plain = {key: value for key, value in schema.items() if value is not None or key in ("default", "const")}
    if isinstance(plain.get("type"), str):
        plain = {**{key: value for key, value in plain.items() if key != "type"}, **_typed(plain["type"])}
        plain = {**{key: plain[key] for key in schema if key in plain}, **plain}  # in the order of the original
    for key in COUNTS & plain.keys():
        plain[key] = int(plain[key]) if isinstance(plain[key], str) and plain[key].isdecimal() else plain[key]
    for key in PARTS & plain.keys():
        part = plain[key]
        plain[key] = list(map(plain_types, part)) if isinstance(part, list) else plain_types(part)
    for key in NAMED_PARTS & plain.keys():
        if isinstance(plain[key], Mapping):
            plain[key] = {name: plain_types(part) for name, part in plain[key].items() if part is not None}
    return plain


def lists_by_name(parameters: Any) -> bool:
    """Whether these are arguments by name, as in xLAM, and not a schema of an object."""
    if not isinstance(parameters, Mapping) or not parameters:
        return False
    if not all(isinstance(value, Mapping | None) for value in parameters.values()):
        return False
    properties = parameters.get("properties")
    is_schema = isinstance(properties, Mapping) and all(
        isinstance(part, Mapping | bool) for part in properties.values()
    )
    return not is_schema and not parameters.keys() <= {"$defs", "definitions", "additionalProperties"}


def from_arguments_by_name(parameters: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`{"port": {"type": "str, optional", …}}` as the schema of an object.

    An argument is optional if its type or its `required` says so, or if it has a default. Raises CatalogueError for a
    type that is not known.
    """
    properties: dict[str, Any] = {}
    required = []
    for name, entry in parameters.items():
        if entry is None:
            continue
        words = entry.get("type", "any")
        place = f"{where}, argument {name!r}"
        if not isinstance(words, str):
            raise CatalogueError(f"its type is {words!r}", where=place, remedy='Write a name such as "str".')
        kind, optional = OPTIONAL.subn("", words)
        optional_type = kind.strip().lower().startswith("optional[")
        rest = {key: value for key, value in entry.items() if key not in ("type", "required", "optional", "default")}
        rest |= {"default": entry["default"]} if entry.get("default") is not None else {}
        properties[name] = plain_types({"type": kind.strip(), **rest})
        optional = optional or optional_type or entry.get("optional") is True or "default" in entry
        if entry.get("required") or (entry.get("required") is None and not optional):
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def _typed(words: str) -> dict[str, Any]:
    """The schema of a type's name: `float` → number, `List[int]` → an array of integers; others stay as they are."""
    if words.lower() in WORDS:
        name = WORDS[words.lower()]
        return {"type": name, "uniqueItems": True} if words.lower() == "set" else {"type": name}
    if match := OF.fullmatch(words.strip()):
        return {"type": "array", "items": _typed(match[1])}
    try:
        return _from_annotation(ast.parse(words.strip(), mode="eval").body)
    except (_NotKnown, SyntaxError, ValueError, RecursionError, MemoryError):  # the last for long or nested text
        return {"type": words}


class _NotKnown(Exception):
    """An annotation that no schema stands for here."""


def _from_annotation(node: ast.expr) -> dict[str, Any]:
    """The schema of a Python annotation: `Dict[str, Union[int, float]]`, `int or str`."""
    match node:
        case ast.Constant(value=None):
            return {"type": "null"}
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _named(name)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return _any_of([_from_annotation(part) for part in parts])
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _any_of([_from_annotation(left), _from_annotation(right)])
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _generic(name, list(inner.elts) if isinstance(inner, ast.Tuple) else [inner])
    raise _NotKnown


def _named(name: str) -> dict[str, Any]:
    if name.lower() == "any":
        return {}
    if name.lower() not in WORDS:
        raise _NotKnown
    return _typed(name)


def _generic(name: str, inner: list[ast.expr]) -> dict[str, Any]:
    kind = name.lower()
    if kind == "literal":
        return {"enum": [ast.literal_eval(value) for value in inner]}
    parts = [_from_annotation(part) for part in inner if not _is_ellipsis(part)]
    if kind == "optional":
        return _any_of([*parts, {"type": "null"}])
    if kind == "union":
        return _any_of(parts)
    known = _named(name)
    if known.get("type") == "array" and parts:
        return {**known, "items": _any_of(parts)}
    if known.get("type") == "object" and len(parts) == 2:
        return {**known, "additionalProperties": parts[1]} if parts[1] else known
    raise _NotKnown


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _any_of(parts: list[dict[str, Any]]) -> dict[str, Any]:
    distinct = [part for i, part in enumerate(parts) if part not in parts[:i]]
    if {} in distinct:
        return {}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
