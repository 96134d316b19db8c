"""A catalogue as text in a prompt: compact, and the same for both notations."""

import json
import re
from collections.abc import Iterator
from typing import Any

from platypus.catalogue.prose import one_line
from platypus.catalogue.schema import Schema, is_nothing, variants
from platypus.catalogue.tools import Argument, Catalogue, Tool

_WORD = re.compile(r"[^\W\d][\w./:-]*")


def render_catalogue(catalogue: Catalogue) -> str:
    """The catalogue as text in a prompt:

    works_list(issue.priority?: [p0|p1|p2|p3], limit?: integer) -> [work-item]
      Returns the work items that match.
      limit: How many at most.
    """
    return "\n".join(line for tool in catalogue for line in _tool_lines(tool))


def _tool_lines(tool: Tool) -> Iterator[str]:
    arguments = ", ".join(_member(argument.name, argument.schema, argument.required) for argument in tool.arguments)
    yield f"{tool.name}({arguments})" + ("" if is_nothing(tool.output) else f" -> {type_text(tool.output)}")
    if tool.description:
        yield f"  {one_line(tool.description)}"
    yield from map(_description_line, (argument for argument in tool.arguments if argument.description))


def _description_line(argument: Argument) -> str:
    return f"  {argument.name}: {argument.description}"


def _member(name: str, schema: Schema, required: bool) -> str:
    return f"{name}{'' if required else '?'}: {type_text(schema)}"


def type_text(schema: Schema) -> str:
    """A schema as short text: `[p0|p1]`, `{id: user-id, name?: string}`, `integer|null`, `any`."""
    return "|".join(dict.fromkeys(map(_variant_text, variants(schema))))


def _variant_text(schema: Schema) -> str:
    if "enum" in schema or "const" in schema:
        return "|".join(map(_choice, schema.get("enum", [schema.get("const")])))
    match schema.get("type"):
        case None:
            return "any"
        case "string":
            return str(schema.get("format", "string"))
        case "array":
            return f"[{type_text(schema.get('items', {}))}]"
        case "object" if schema.get("properties"):
            required = schema.get("required", ())
            return f"{{{', '.join(_member(n, part, n in required) for n, part in schema['properties'].items())}}}"
        case kind:
            return str(kind)


def _choice(value: Any) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value) and value not in ("true", "false", "null"):
        return value
    return json.dumps(value, ensure_ascii=False)
