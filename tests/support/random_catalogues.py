"""Random catalogues with every feature of the schema subset, and random texts of a grammar."""

from random import Random
from typing import Any

import numpy as np
from llguidance import LLMatcher

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.decoding.constraint import Constraint
from platypus.decoding.grammar.strings import byte_vocabulary

DOMAINS = ("user-id", "ticket-id", "sprint-id")
LEAVES: tuple[dict[str, Any], ...] = (
    {"type": "string"},
    *({"type": "string", "format": domain} for domain in DOMAINS),
    *({"type": "string", "format": name} for name in ("date", "date-time", "time", "email", "ipv4", "ipv6", "uuid")),
    {"type": "string", "minLength": 2, "maxLength": 9},
    {"type": "string", "pattern": r"^[A-Z]{2,4}-\d+$"},
    {"type": "string", "pattern": "^(ab|c)+$|z", "maxLength": 12},
    {"type": "string", "pattern": "^[a-c]$"},
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "maximum": 50},
    {"type": "integer", "minimum": -3, "exclusiveMaximum": 40},
    {"type": "integer", "multipleOf": 5, "minimum": 10},
    {"type": "number"},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    {"type": "number", "multipleOf": 0.1},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["string", "null"]},
    {"enum": ["p0", "p1", 'a "quoted" é\n', "$$PREV[0]"]},
    {"enum": [1, None, True, {"k": [1]}]},
    {"const": "only"},
    {"anyOf": [{"type": "integer", "minimum": 5}, {"type": "array", "items": {"type": "string"}}]},
    {"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]},
    {"minLength": 3},
    {},
)


def random_schema(rng: Random, depth: int = 2) -> dict[str, Any]:
    """A leaf, an array or an object."""
    kind = rng.random() if depth else 0.0
    if kind < 0.6:
        return dict(rng.choice(LEAVES))
    if kind < 0.85:
        least = rng.choice((0, 0, 0, 1, 2))
        schema = {"type": "array", "items": random_schema(rng, depth - 1), "minItems": least}
        schema |= {"uniqueItems": True} if rng.random() < 0.5 else {}
        return schema | ({"maxItems": least + rng.randint(0, 3)} if rng.random() < 0.3 else {})
    if kind < 0.9:
        return rng.choice(({"type": "object"}, {"type": "object", "additionalProperties": {"type": "integer"}}))
    names = rng.sample(("id", "name", "due date", "größe", "a.b", "owner"), rng.randint(1, 4))
    properties = {name: random_schema(rng, depth - 1) for name in names}
    return {"type": "object", "properties": properties, "required": rng.sample(names, rng.randint(0, len(names)))}


def random_tools(rng: Random, count: int) -> Catalogue:
    """A catalogue with `count` tools. One needs no arguments, so that there are plans."""
    tools: list[dict[str, Any]] = [{"name": "who_am_i", "outputSchema": {"type": "string", "format": "user-id"}}]
    for number in range(count - 1):
        names = rng.sample(("query", "limit", "issue.priority", "work ids", "größe", "owner", "to"), rng.randint(0, 4))
        inputs: dict[str, Any] = {"type": "object", "properties": {name: random_schema(rng) for name in names}}
        inputs["required"] = [name for name in names if rng.random() < 0.4 and _has_values(inputs["properties"][name])]
        tool: dict[str, Any] = {"name": f"{rng.choice(('list', 'get', 'ns:do', '9'))}_{number}", "inputSchema": inputs}
        tools.append(tool | ({"outputSchema": random_schema(rng)} if rng.random() < 0.8 else {}))
    rng.shuffle(tools)
    return catalogue_from_json(tools)


def _has_values(schema: dict[str, Any]) -> bool:
    """Whether an argument may be required: an array of distinct elements may have too few possible values."""
    if schema.get("uniqueItems") and schema.get("minItems", 0) > 1:
        return False
    return all(
        map(_has_values, [*schema.get("properties", {}).values(), *([schema["items"]] if schema.get("items") else [])])
    )


def random_text(lark: str, rng: Random, *, limit: int = 1500) -> str | None:
    """A text of the grammar, drawn byte by byte; None if it gets too long. Fails if no byte is allowed."""
    matcher = LLMatcher(byte_vocabulary(), lark, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    text = bytearray()
    while len(text) < limit:
        mask = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        if matcher.is_error():  # at one of its limits, the engine allows the end
            return None
        allowed = [int(token) for token in np.flatnonzero(mask)]
        assert allowed, f"stranded after {bytes(text)!r}"
        closing = [token for token in allowed if token == 256 or token in b'"]}),']
        token = rng.choice(closing if closing and rng.random() < 0.4 else allowed)
        if token == 256:
            return text.decode()
        text.append(token)
        matcher.consume_token(token)
    return None


def accepts(lark: str, text: str) -> bool:
    """Whether the grammar derives the text."""
    matcher = LLMatcher(byte_vocabulary(), lark, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    data = list(text.encode())
    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()


def refusal(constraint: Constraint, text: str) -> str | None:
    """Where the constraint refuses the canonical tokens of a text; None if it allows all of them."""
    vocabulary, state = constraint.vocabulary, constraint.start()
    ids = [*vocabulary.encode(text), vocabulary.end]
    while not state.ended:
        begin = len(state.ids)
        forced = state.forced()
        if forced != ids[begin : len(state.ids)]:
            return f"{vocabulary.decode(forced)!r} is forced after {vocabulary.decode(ids[:begin])!r}"
        if not state.ended:
            token = ids[len(state.ids)]
            if token not in state.candidates() or state.legal(np.array([token])) != [token]:
                return f"{vocabulary.token(token)!r} is refused after {state.text!r}"
            state.append(token)
    return None
