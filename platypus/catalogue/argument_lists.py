"""The original task's lists of arguments (`argument_name`, `argument_type`) as JSON Schema."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from platypus.catalogue.drafts import APPLICATORS, LIMITS
from platypus.catalogue.foreign_types import WORDS
from platypus.errors import CatalogueError

KEYWORDS = (LIMITS | APPLICATORS) - {"type"}  # those of JSON Schema that an argument may have as well
TYPES = ("string", "integer", "number", "boolean", "object", "any")


def from_argument_list(arguments: Sequence[Any], where: str) -> dict[str, Any]:
    """`[{"argument_name": "owned_by", "argument_type": "array of strings", …}]` as the schema of an object.

    An argument is optional if it says so, has a default, or is described as a filter; otherwise it is required.
    Raises CatalogueError, naming `where`, for an argument that is nameless, defined twice or of an unknown type.
    """
    properties: dict[str, Any] = {}
    required: list[str] = []
    for argument in arguments:
        name = argument.get("name", argument.get("argument_name")) if isinstance(argument, Mapping) else None
        if not isinstance(name, str) or not name:
            raise CatalogueError("an argument has no name", where=where, remedy="Give each argument a `name`.")
        place = f"{where}, argument {name!r}"
        if name in properties:
            raise CatalogueError("is defined twice", where=place, remedy="Keep one definition.")
        description = str(argument.get("description", argument.get("argument_description")) or "")
        properties[name] = _schema_from_words(argument, description, place)
        is_filter = re.match(r"\s*(filter|optional)", description, re.IGNORECASE)
        unsaid = not (is_filter or "default" in argument)
        said = argument.get("required", unsaid)
        if unsaid if isinstance(said, list) else said:  # a list tells of an object's properties
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def _schema_from_words(argument: Mapping[str, Any], description: str, where: str) -> dict[str, Any]:
    """The schema for `"array of strings"`, `"integer (int32)"` …; allowed values, examples go to the elements."""
    own = {key: value for key, value in argument.items() if key in KEYWORDS and value is not None}
    if not isinstance(own.get("required"), list):
        own.pop("required", None)
    words = str(argument.get("type", argument.get("argument_type", "any" if own else "string"))).lower()
    match = re.fullmatch(r"(?:(array|list)(?: of (\w+?)s?)?|(\w+))(?: \(\w+\))?", words.strip())
    array, element_type, plain_type = match.groups() if match else (None, None, words)
    kind = element_type or plain_type or "any"
    kind = WORDS.get(kind, kind)
    if kind not in TYPES:
        known = ", ".join(TYPES)
        remedy = f"Known types: {known}, and `array of` these."
        raise CatalogueError(f"unknown argument type {words!r}", where=where, remedy=remedy)
    element: dict[str, Any] = {} if kind == "any" else {"type": kind}
    listed = own.pop("enum", None)
    if values := argument.get("allowed_values") or listed:
        element["enum"] = list(values)
    if argument.get("examples"):
        element["examples"] = list(argument["examples"])
    schema = element
    if array:
        items = own.pop("items") if isinstance(own.get("items"), Mapping) else {}
        unique = kind != "object" and not items
        schema = {"type": "array", "items": {**items, **element}, "uniqueItems": unique}
    if description:
        schema["description"] = description
    if "default" in argument:
        schema["default"] = argument["default"]
    return {**schema, **own}
