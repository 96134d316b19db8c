"""Objects as values: which are said in words, `(type: part, size: 3)`, and which as JSON, as people paste them."""

import json

from platypus.catalogue.schema import variants
from platypus.catalogue.tools import Argument
from platypus.generation.requests.discourse import Unsayable
from platypus.plan.plan import Reference, Value

NAMING_KEYS = ("name", "title", "id", "path", "key", "filename", "file_path", "filepath")
MOST_FIELDS = 4  # said in words; larger objects are pasted


def is_large(value: dict[str, Value]) -> bool:
    """Whether an object is too large to be said in words: with an object in it, or with many values."""
    return len(value) > MOST_FIELDS or any(_is_deep(element) for element in value.values())


def _is_deep(value: Value) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(_is_deep(element) for element in value))


def has_name(argument: Argument) -> bool:
    """Whether an object for the argument has a key for its name, so that the name can stand for the object."""
    element = argument.schema.get("items", argument.schema)
    return any(key.lower() in NAMING_KEYS for variant in variants(element) for key in variant.get("properties", ()))


def pasted(value: Value) -> str:
    """Return the value as JSON. Raises Unsayable with a reference in it, or with text that JSON writes otherwise."""
    if not _is_plain(value):
        raise Unsayable
    return json.dumps(value, ensure_ascii=False)


def _is_plain(value: Value) -> bool:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) == f'"{value}"'
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not isinstance(value, Reference) and all(_is_plain(part) for part in parts)
