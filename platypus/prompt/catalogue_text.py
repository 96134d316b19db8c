"""A catalogue as text in a prompt, the same for both notations: in full, or in brief where that would be too long."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from platypus.catalogue.dataflow import content
from platypus.catalogue.prose import first_sentence, one_line
from platypus.catalogue.schema import Schema, is_nothing, variants
from platypus.catalogue.tools import Argument, Catalogue, Tool

Rendering = Literal["full", "brief"]

BRIEF = 170  # letters of a tool in brief, if its name and required arguments leave room
CLAUSE = 90  # letters of what it does
HINT = 45  # letters of a hint to an argument
CHOICES = 40  # letters of the values of an enum
_WORD = re.compile(r"[^\W\d][\w./:-]*")
_LOOSE_END = re.compile(
    r"(?:[\s,;:]+(?:the|an?|any|all|of|for|in|on|to|at|by|from|with|and|or|as|given|whose|that|is|e\.g)\b)+\.?$"
)
_CLAUSE_END = re.compile(r"(?:[,;:]| (?:so that|which|such as|e\.g|i\.e|including|and returns?|by|using) )")


def render_catalogue(catalogue: Catalogue, rendering: Rendering = "full") -> str:
    """The catalogue as text in a prompt:

    works_list(issue.priority?: [p0|p1|p2|p3], limit?: integer) -> [work-item]
      Returns the work items that match.
      limit: How many at most.

    In brief, a tool has the first clause of its description, all required arguments, and as many optional arguments and
    hints as fit into `BRIEF` letters; the type of a text is left out, and `…` stands for what is not shown.
    """
    lines = _tool_lines if rendering == "full" else _brief_lines
    return "\n".join(line for tool in catalogue for line in lines(tool))


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


def _brief_lines(tool: Tool) -> Iterator[str]:
    clause = _clause(first_sentence(tool.description) or tool.title, CLAUSE)
    room = BRIEF - len(tool.name) - len(clause)
    members = {argument.name: _brief_member(argument) for argument in tool.arguments}
    room -= sum(len(members[argument.name]) + 2 for argument in tool.arguments if argument.required)
    shown: list[str] = []
    for argument in tool.arguments:
        if not argument.required:
            room -= len(members[argument.name]) + 2
            if room < 0:
                continue
        shown.append(members[argument.name])
    more = ["…"] if len(shown) < len(tool.arguments) else []
    yield f"{tool.name}({', '.join([*shown, *more])})" + _brief_output(tool)
    if clause:
        yield f"  {clause}"
    for argument in tool.arguments:
        hint = _clause(first_sentence(argument.description), HINT)
        room -= len(argument.name) + len(hint) + 4
        if argument.required and hint and room >= 0 and content(hint) - content(f"{argument.name} {tool.name}"):
            yield f"  {argument.name}: {hint}"


def _brief_member(argument: Argument) -> str:
    kind = _brief_type(argument.schema)
    return f"{argument.name}{'' if argument.required else '?'}" + (f": {kind}" if kind != "string" else "")


def _brief_type(schema: Schema) -> str:
    """The type in few letters; an object's fields, and what may be null, are left out."""
    kinds = dict.fromkeys(map(_brief_variant, variants(schema)))
    kinds.pop("null", None)
    return "|".join(kinds) or "null"


def _brief_variant(schema: Schema) -> str:
    if "enum" in schema or "const" in schema:
        text = _variant_text(schema)
        return text if len(text) <= CHOICES else f"{text[:CHOICES].rpartition('|')[0] or text[:CHOICES]}|…"
    if schema.get("type") == "array":
        return f"[{_brief_type(schema.get('items', {}))}]"
    if schema.get("type") == "object":
        names = ", ".join(schema.get("properties", ()))
        return f"{{{names}}}" if 0 < len(names) <= CHOICES else "object"
    return _variant_text(schema)


def _brief_output(tool: Tool) -> str:
    kind = "" if is_nothing(tool.output) else _brief_type(tool.output)
    return f" -> {kind}" if kind and kind != "any" else ""


def _clause(sentence: str, most: int) -> str:
    """The first clause of at most so many letters; whole words."""
    if len(sentence) <= most:
        return sentence
    ends = [end.start() for end in _CLAUSE_END.finditer(sentence) if most // 3 <= end.start() <= most]
    cut = sentence[: ends[-1]] if ends else sentence[:most].rpartition(" ")[0]
    return _LOOSE_END.sub("", re.sub(r"\s*\([^()]*$", "", cut))


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
        case "array" if schema.get("prefixItems"):
            return f"[{', '.join(map(type_text, schema['prefixItems']))}]"
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
