"""Values that people would write for an argument: by its schema first, then its format, then its name.

An example in the schema is varied (`DEVU-123` → `DEVU-48`), so a catalogue with examples gets values of its own kind.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any

from platypus.schema import Schema, allowed_values, variants


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, Any]:
    """The word lists of `vocabulary.toml`."""
    return tomllib.loads(resources.files("platypus").joinpath("vocabulary.toml").read_text(encoding="utf-8"))


WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name: str) -> list[str]:
    """The words of an identifier in any style: `stage.name`, `needsResponse`, `work_ids`."""
    return [word.lower() for word in WORDS.findall(name)]


def plural(noun: str) -> str:
    """`ticket` → `tickets`, `policy` → `policies`, `branch` → `branches`."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "" if noun.endswith("feedback") else "s")


def coined(rng: Random) -> str:
    """A noun that does not exist: `brenolt`, `vasumi`."""
    ends = ("b", "d", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr", "pl")
    syllables = (rng.choice(ends) + rng.choice("aeiou") for _ in range(rng.choice((2, 2, 3))))
    return "".join(syllables) + rng.choice(("", "n", "l", "r", "t", "ld"))


def _pick(rng: Random, kind: str) -> str:
    return str(rng.choice(vocabulary()["values"][kind]))


def _topic(rng: Random) -> str:
    return f"{_pick(rng, 'topics')} {_pick(rng, 'things')}"


def _date(rng: Random) -> str:
    return f"{rng.randint(2019, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _person(rng: Random) -> str:
    return _pick(rng, "first") + (f" {_pick(rng, 'last')}" if rng.random() < 0.5 else "")


def _firm(rng: Random) -> str:
    return _pick(rng, "firms") + _pick(rng, "forms")


def _email(rng: Random) -> str:
    return f"{_pick(rng, 'first').lower()}@{_pick(rng, 'firms').lower()}.com"


def _product(rng: Random) -> str:
    return _pick(rng, "products") + rng.choice(["", "", f"-{rng.randint(1, 99)}", f" {rng.randint(2, 9)}", "X", " Pro"])


def _name(rng: Random) -> str:
    return rng.choice((_person, _firm, _product, _product, _topic))(rng)


def _sentence(rng: Random) -> str:
    forms = (
        f"The {_topic(rng)} needs attention",
        f"Customers report a {_topic(rng)} since the last release",
        f"Please check the {_topic(rng)} with {_pick(rng, 'first')}",
        f"{_pick(rng, 'first')} will fix the {_topic(rng)} and {_pick(rng, 'first')} will test it",
        f"We should discuss the {_topic(rng)} tomorrow",
    )
    return rng.choice(forms)


Maker = Callable[[Random], str]
BY_WORD: Mapping[str, Maker] = {
    **dict.fromkeys(("date", "day", "since", "until", "deadline", "due"), _date),
    **dict.fromkeys(("user", "person", "owner", "author", "assignee", "member", "employee", "contact"), _person),
    **dict.fromkeys(("customer", "company", "account", "organization", "organisation", "vendor", "client"), _firm),
    **dict.fromkeys(("email", "recipient"), _email),
    **dict.fromkeys(("city", "location", "destination", "origin"), lambda rng: _pick(rng, "cities")),
    **dict.fromkeys(("country", "region"), lambda rng: _pick(rng, "countries")),
    **dict.fromkeys(("product", "part", "item", "model", "brand", "project"), _product),
    **dict.fromkeys(("text", "body", "message", "content", "comment", "note", "description"), _sentence),
    **dict.fromkeys(
        ("stage", "status", "state", "tag", "label", "channel", "category", "type"), lambda r: _pick(r, "labels")
    ),
    **dict.fromkeys(("query", "search", "name"), _name),
    **dict.fromkeys(("title", "subject", "topic", "keyword"), _topic),
    "time": lambda rng: f"{rng.randint(0, 23):02}:{rng.choice((0, 15, 30, 45)):02}",
    "url": lambda rng: f"https://{_pick(rng, 'firms').lower()}.com/{_pick(rng, 'topics')}",
}
BY_FORMAT: Mapping[str, Maker] = {
    "date": _date,
    "date-time": lambda rng: f"{_date(rng)}T{rng.randint(0, 23):02}:00:00",
    "time": lambda rng: f"{rng.randint(0, 23):02}:30:00",
    "email": _email,
    "uri": BY_WORD["url"],
    "text": _sentence,
}


def literal(rng: Random, name: str, schema: Schema) -> Any:
    """A value for the argument `name`, allowed by the schema; None when no such value can be made up."""
    allowed = allowed_values(schema)
    if allowed:
        return rng.choice(allowed)
    choices = [variant for variant in variants(schema) if variant.get("type") not in (None, "null")]
    if not choices:
        return None
    chosen = rng.choice(choices)
    match chosen["type"]:
        case "boolean":
            return rng.random() < 0.75
        case "integer" | "number":
            return _number(rng, chosen, whole=chosen["type"] == "integer")
        case "string":
            return _string(rng, name, chosen)
        case "array":
            return _array(rng, name, chosen)
        case _:
            return _object(rng, chosen)


def _number(rng: Random, schema: Schema, *, whole: bool) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + rng.choice((10, 100, 1000))))
    step = schema.get("multipleOf", 1)
    if whole or "multipleOf" in schema:
        return int(rng.randint(int(-(-low // step)), max(int(high // step), int(-(-low // step)))) * step)
    return float(round(rng.uniform(low, high), rng.choice((1, 2))))


def _string(rng: Random, name: str, schema: Schema) -> str | None:
    made = _vary(rng, schema) or _by_kind(rng, name, schema)
    short = made[: schema["maxLength"]] if "maxLength" in schema else made
    if "pattern" in schema and not re.search(schema["pattern"], short):
        return None
    return short if len(short) >= schema.get("minLength", 0) else None


def _vary(rng: Random, schema: Schema) -> str | None:
    examples = [example for example in schema.get("examples", ()) if isinstance(example, str)]
    if not examples:
        return None
    example = rng.choice(examples)
    return re.sub(r"\d+", lambda _: str(rng.randint(1, 10 ** rng.randint(1, 4) - 1)), example)


def _by_kind(rng: Random, name: str, schema: Schema) -> str:
    kind = schema.get("format", "")
    if kind in BY_FORMAT:
        return BY_FORMAT[kind](rng)
    parts = words(name)
    if kind or (parts and parts[-1] in ("id", "ids", "key", "code", "number")):
        return identifier(rng, [word for word in words(kind or name) if word not in ("id", "ids")] or ["item"])
    for word in reversed(parts):
        maker = BY_WORD.get(word) or BY_WORD.get(word.removesuffix("s"))
        if maker:
            return maker(rng)
    return rng.choice((_topic, _name, lambda r: _pick(r, "labels")))(rng)


def identifier(rng: Random, noun: list[str]) -> str:
    """An id of the kind that systems give out: `SPRINT-12`, `usr_4821`, `ord-77`, `58213`."""
    number = rng.randint(1, 10 ** rng.randint(2, 5) - 1)
    short = noun[-1][:4]
    forms = (f"{noun[-1].upper()}-{number}", f"{short.upper()}-{number}", f"{short}_{number}", f"{short[:3]}-{number}")
    return rng.choice((*forms, str(number)))


def _array(rng: Random, name: str, schema: Schema) -> list[Any] | None:
    low = max(schema.get("minItems", 1), 1)
    count = min(low + rng.choice((0, 0, 0, 1, 1, 2)), schema.get("maxItems", 9))
    made: list[Any] = []
    for _ in range(20 * count):
        value = literal(rng, name, schema.get("items", {}))
        if value is not None and value not in made:
            made.append(value)
        if len(made) == count:
            break
    return made if len(made) >= low else None


def _object(rng: Random, schema: Schema) -> dict[str, Any] | None:
    properties = schema.get("properties", {})
    needed = schema.get("required", ())
    made = {key: literal(rng, key, part) for key, part in properties.items() if key in needed or rng.random() < 0.5}
    if not made or any(value is None for value in made.values()):
        return None
    return made
