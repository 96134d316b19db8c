"""Values as people would write them for an argument: chosen by its schema first, then its examples, then its kind.

An example in the schema or its prose is varied (`DEVU-123` → `DEVU-48`), so values look like the catalogue's own. What
prose lists as allowed is drawn like an enum.
"""

import json
import re
from functools import lru_cache
from random import Random
from typing import Any
from zoneinfo import available_timezones

from platypus.catalogue.schema import Schema, allowed_values, literal_problem, variants
from platypus.catalogue.words import singular, words
from platypus.generation.lexicon import name_words
from platypus.generation.plans.conditions import conditions_of
from platypus.generation.plans.kinds import (
    Setting,
    identifier,
    is_command,
    is_technical,
    kind_of,
    kind_of_words,
    written,
)
from platypus.generation.plans.numbers import made_up_number
from platypus.generation.plans.ordering import in_order
from platypus.generation.plans.prose_values import allowed_for, allowed_in, examples_in, reworded, sentences, varied

NO_NOUNS = {  # words of a name that do not say what has the id
    *("id", "gid", "uid", "iid", "key", "code", "number", "from", "to", "new", "old", "parent", "target", "source"),
    *("public", "any", "not", "all", "the", "by", "of", "a", "unique", "numeric", "insert", "before", "after", "exact"),
    *("current", "destination", "origin", "or", "and", "name"),
}
UNNAMED = {"url", "host", "page", "file", "long", "date"}  # kinds of which a value is no name
NAMELESS = {"", "name", "object", "item", "thing"}  # what can have a name of any kind
FIELDS = {"fields", "properties", "metadata", "attributes", "values", "variables", "filter", "filters"}  # free keys
PLACES = (["location"], ["city"], ["country"], ["place"], ["venue"])
NO_DOMAIN = re.compile(
    r"u?int\d+|float|double|byte|binary|json|text|string|starts_with|regex|.*-?ur[il].*|(?:json|relative)-.*"
)
MOMENTS = {"day", "date", "date_time", "time_of_day", "epoch", "epoch_seconds"}  # kinds of which a value has digits
NOWHERE = Setting()
DRAWS = 12  # until a value is one that the schema allows
YES = {True: 0.15, False: 0.95}  # share of the yeses, by the default: hardly anybody says what holds anyway
EXAMPLE_SHARE = 0.25  # of the values that are the only example as it stands, where its kind is known


def made_up_value(rng: Random, name: str, schema: Schema, setting: Setting = NOWHERE) -> Any:
    """Return a value for the argument `name` that the schema allows; None when no such value can be made up."""
    for _ in range(DRAWS):
        value = _value(rng, name, schema, setting)
        if value is None or literal_problem(schema, value) is None:
            return value
    return None


def choices(schema: Schema) -> tuple[Any, ...]:
    """The values of an enum or constant that are drawn: none where a richer form of the value is drawn instead."""
    allowed = [allowed_values(variant) for variant in _richest(schema)]
    return tuple(value for values in allowed for value in values) if all(allowed) else ()


def _richest(schema: Schema) -> list[Schema]:
    """The variants of which values are drawn: objects with fields, else numbers and the like, else lists and text."""
    known = [variant for variant in variants(schema) if variant.get("type") != "null" and _richness(variant)]
    best = max(map(_richness, known), default=0)
    return [variant for variant in known if _richness(variant) == best]


def _richness(variant: Schema) -> int:
    items = variant.get("items", {})
    if "properties" in variant or (isinstance(items, dict) and "properties" in items):
        return 4
    match variant.get("type"):
        case "boolean" | "integer" | "number":
            return 3
        case "string" | "array":
            return 2
        case _:
            return 2 if "enum" in variant or "const" in variant else int(variant.get("type") == "object")


def _value(rng: Random, name: str, schema: Schema, setting: Setting) -> Any:
    richest = _richest(schema)
    if not richest:
        return None
    chosen = rng.choice(richest)
    allowed = allowed_values(chosen)
    if allowed:
        return rng.choice(choices(schema) or allowed)
    match chosen["type"]:
        case "boolean":
            default = chosen.get("default")
            share = YES[default] if isinstance(default, bool) else 0.75
            return words(name)[:1] == ["confirm"] or rng.random() < share
        case "integer" | "number":
            return made_up_number(rng, name, chosen, setting, whole=chosen["type"] == "integer")
        case "string":
            return _string(rng, name, chosen, setting)
        case "array":
            return _array(rng, name, chosen, setting)
        case _:
            return _object(rng, name, chosen, setting)


# ---------------------------------------------------------------- text


def _string(rng: Random, name: str, schema: Schema, setting: Setting) -> str | None:
    """Text that the schema allows; text that is too long is cut where no other was found."""
    listed = [_like_moment(rng, text) or text for text in allowed_in(str(schema.get("description", "")))]
    fitting = [text for text in listed if _is_allowed(schema, text)]
    if len(fitting) > 1 and not schema.get("examples"):
        return rng.choice(fitting)
    text = ""
    for _ in range(DRAWS):
        text = _like_examples(rng, name, schema, setting) or _by_kind(rng, name, schema, setting)
        if _is_allowed(schema, text):
            return text
    return text[: schema["maxLength"]].strip() if "maxLength" in schema else None


def _is_allowed(schema: Schema, text: str) -> bool:
    return literal_problem({key: value for key, value in schema.items() if key != "description"}, text) is None


def _like_examples(rng: Random, name: str, schema: Schema, setting: Setting) -> str | None:
    """A variant of an example; None if there is none, or only one that has no variants and a kind that is known."""
    prose = str(schema.get("description", ""))
    own = tuple(example for example in schema.get("examples", ()) if isinstance(example, str))
    examples = own or examples_in(prose)
    if not own and words(name)[-1:] in PLACES:  # "(e.g., city, beach)" names kinds of places
        examples = tuple(example for example in examples if example[:1].isupper())
    if not own and _kind(name, schema, setting) in MOMENTS:  # "(e.g., flights)" is no time
        examples = tuple(example for example in examples if re.search(r"(?i)\d|yyyy|hh:", example))
    examples = tuple(example for example in examples if not _is_no_zone(example))
    if not examples:
        return None
    example = str(rng.choice(examples))
    moment = _like_moment(rng, example)
    if moment and words(name)[-1:] != ["format"]:
        return moment
    variant = varied(rng, example)
    if len(examples) > 1 or re.search(r"\d", example):
        return variant
    if rng.random() > (EXAMPLE_SHARE if variant == example else 2 * EXAMPLE_SHARE) and _is_known(name, schema, setting):
        return None
    return variant if variant != example or rng.random() < EXAMPLE_SHARE else reworded(rng, example)


def _is_no_zone(text: str) -> bool:
    """Whether a text looks like a time zone that does not exist: prose shows `America/San_Francisco` now and then."""
    return re.match(r"(?:America|Europe|Asia|Africa|Australia)/", text) is not None and text not in _zones()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    """All time zones: Python reads them from files each time."""
    return frozenset(available_timezones())


def _is_known(name: str, schema: Schema, setting: Setting) -> bool:
    """Whether the kind of text that the argument takes is recognised."""
    return bool(_kind(name, schema, setting) or kind_of_words(words(name)))


def _kind(name: str, schema: Schema, setting: Setting) -> str:
    """The name of the kind of text that the argument takes; "" if it is not recognised."""
    kind = kind_of("text", name, _told(schema), setting, str(schema.get("format", "")))
    return kind.name if kind else ""


def _told(schema: Schema) -> str:
    """What the prose says of a value, without links, "(optional)" and what it warns of."""
    prose = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", str(schema.get("description", "")))
    return re.sub(r"(?i)^\W*optional\b\W*", "", ". ".join(sentences(prose)))


def _like_moment(rng: Random, example: str) -> str | None:
    """Another date or time of day in the form of the example; None if it is neither."""
    days = re.findall(r"20\d\d-\d\d-\d\d", example)
    if len(days) > 1:
        later = iter(sorted(written(rng, "date") for _ in days))
        return re.sub(r"20\d\d-\d\d-\d\d", lambda _: next(later), example)
    if re.match(r"(?i)(?:\d{4}|yyyy)-(?:\d\d|mm)-(?:\d\d|dd)", example):
        rest = example[10:] if example[:4].isdigit() else ""
        return written(rng, "date") + re.sub(r"T\d\d:\d\d", f"T{written(rng, 'time')}", rest)
    if re.fullmatch(r"(?i)(?:mm|dd|yyyy|\d\d|\d{4})([/.-])(?:mm|dd|\d\d)\1(?:dd|yyyy|yy|\d\d|\d{4})", example):
        year, month, day = written(rng, "date").split("-")
        form = re.sub(r"\d{4}", "yyyy", example.lower())
        form = re.sub(r"\d\d(.)\d\d", r"mm\1dd", form)
        return form.replace("yyyy", year).replace("yy", year[2:]).replace("mm", month).replace("dd", day)
    if re.fullmatch(r"20\d\d-(?:0\d|1[0-2])", example):
        return written(rng, "date")[:7]
    clock = re.fullmatch(r"(?i)(?:hh:mm|\d\d:\d\d|\d:\d\d(?= ?[ap]m))(?::(?:ss|\d\d))?( ?[ap]m.*)?", example)
    if not clock:
        return None
    if clock[1]:
        return f"{rng.randint(1, 12)}:{rng.choice((0, 15, 30, 45)):02} {rng.choice(('AM', 'PM'))}"
    return written(rng, "time")


def _by_kind(rng: Random, name: str, schema: Schema, setting: Setting) -> str:
    prose, form = _told(schema), str(schema.get("format", ""))
    kind = kind_of("text", name, prose, setting, form)
    domain = "" if NO_DOMAIN.fullmatch(form) else form
    if (kind and kind.name == "id") or (domain and not kind):
        return _id(rng, domain or name, prose, setting)
    if kind:
        return written(rng, kind.name, f"{' '.join(words(name))} {prose}\n{setting.tool}", setting.files)
    return _by_words(rng, [part for part in words(name) if not part.isdigit()], prose, setting.thing)


def _id(rng: Random, name: str, prose: str, setting: Setting) -> str:
    """An id of what the prose or the name says, several with commas if the prose asks for that."""
    told = re.search(r"\b([a-z]+) g?ids?\b", prose.lower()) or re.search(
        r"\bg?ids? of (?:the |an? )?([a-z]+)", prose.lower()
    )
    own = [singular(word) for word in words(name) if not word.isdigit() and singular(word) not in NO_NOUNS]
    if told and singular(told[1]) not in NO_NOUNS and singular((words(name) or [name])[-1]) not in NO_NOUNS:
        own = [singular(told[1])]  # "followers: list of user IDs"
    noun = own or [singular(told[1]) if told and singular(told[1]) not in NO_NOUNS else setting.thing or "item"]
    ids = [identifier(rng, noun) for _ in range(rng.choice((1, 2)) if re.search("(?i)comma.separated", prose) else 1)]
    return ",".join(ids)


def _by_words(rng: Random, parts: list[str], prose: str, thing: str) -> str:
    """Text of the kind that a word of the name or of the prose's first phrase names; otherwise a topic."""
    if parts and parts[-1] in ("name", "names"):
        if len(parts) == 1 and {"your", "full"} & set(words(prose)):
            return written(rng, "person")
        described = parts[:-1] or _named(prose) or [word for word in [thing] if word not in NAMELESS]
        kind = kind_of_words(described)
        named = kind.name if kind and kind.name not in UNNAMED else "title" if described else "name"
        return written(rng, named, prose)
    kind = kind_of_words(parts) or kind_of_words(_head(prose))
    return written(rng, kind.name if kind else "topic", f"{' '.join(parts)} {prose}")


def _named(prose: str) -> list[str]:
    """The words for what has a name: "Name of the new board to create" → new, board."""
    found = re.search(r"(?i)\bnames? (?:of|for) (?:the |an? |this |each )*(.*)", prose)
    return [word for word in _head(found[1] if found else prose) if word not in ("name", "names", "the", "a")]


def _head(prose: str) -> list[str]:
    """The words of prose up to the first preposition or mark: what the value is."""
    return words(re.split(r"[.,;:(]| (?:of|to|for|in|on|that|which|used|with|from|by|if|when)\b", prose)[0])


# ---------------------------------------------------------------- lists and objects


def _array(rng: Random, name: str, schema: Schema, setting: Setting) -> list[Any] | None:
    if "prefixItems" in schema:
        each = [_value(rng, name, part, setting) for part in schema["prefixItems"]]
        return None if None in each else each
    if is_command(name) and _kind(name, schema, setting) == "shell":
        return written(rng, "shell").split(" ")
    low = max(schema.get("minItems", 1), 1)
    count = min(low + rng.choice((0, 0, 0, 0, 0, 1, 1, 2)), schema.get("maxItems", 9))
    items = schema.get("items", {})
    if "description" in schema and isinstance(items, dict):
        items = {"description": schema["description"], **items}
    values: list[Any] = []
    for draw in range(20 * count):
        value = _value(rng, name, items, setting)
        if value is not None and not any(_alike(value, other) for other in values):
            values.append(value)
        if len(values) == count or (not values and draw > 3):
            break
    return values if len(values) >= low else None


def _alike(value: Any, other: Any) -> bool:
    """Whether a reader could confuse the values: `review`, `In Review`."""
    if not isinstance(value, str) or not isinstance(other, str):
        return bool(value == other)
    one, two = (" ".join(words(text)) for text in (value, other))
    return value == other or (
        bool(one) and bool(two) and (one in two or two in one) and not re.search(r"\d", one + two)
    )


def _object(rng: Random, name: str, schema: Schema, setting: Setting) -> dict[str, Any] | None:
    properties = schema.get("properties", {})
    if not properties:
        return _record(rng, name, schema, setting)
    required = frozenset(schema.get("required", ())) & properties.keys()
    about = Setting(f"{setting.tool} {schema.get('description', '')}".lower(), " | ".join(properties))
    listed = {key: allowed_for(key, str(schema.get("description", ""))) for key in properties}
    conditions = conditions_of(properties)
    mode = conditions.draw(rng, required)
    clear = [key for key, part in properties.items() if listed[key] or _is_clear(key, part, about)] or [*properties]
    sense = [key for key in clear if conditions.allows(key, mode) and key not in conditions.options]
    chosen = {*required, *mode, *conditions.needs(mode), *_further(rng, sense, required, len(properties))} or {clear[0]}
    chosen |= _change(rng, chosen, [key for key in sense if key not in required], setting)
    values: dict[str, Any] = dict(mode)
    for key in properties:
        if key in chosen and key not in mode:
            fitting = [value for value in listed[key] if literal_problem(properties[key], value) is None]
            values[key] = rng.choice(fitting) if fitting else _value(rng, key, properties[key], about)
    if any(values.get(key) is None for key in required):
        return None
    ordered = {key: values[key] for key in properties if values.get(key) is not None}
    known = in_order(ordered, properties)
    within = schema.get("minProperties", 0) <= len(known) <= schema.get("maxProperties", len(known))
    return known if known and within else None


def _change(rng: Random, chosen: set[str], optional: list[str], setting: Setting) -> set[str]:
    """One more optional field if the tool changes something and no chosen field says what; otherwise none."""
    changed = [key for key in optional if key not in ("type", "id") and not is_technical(key)]
    changes = name_words("changing") & set(setting.tool.split(" ")[:4])
    return {rng.choice(changed)} if changes and changed and not chosen & {*changed} else set()


def _further(rng: Random, keys: list[str], required: frozenset[str], count: int) -> list[str]:
    """The optional fields that are said: each of a pair, such as latitude and longitude, otherwise none to two."""
    free = [key for key in keys if key not in required]
    if count < 3 and not required:
        return free
    usual = [key for key in free if not is_technical(key)]
    return rng.sample(usual, min(len(usual), rng.choice((0, 1, 1, 2) if required else (1, 1, 2))))


def _record(rng: Random, name: str, schema: Schema, setting: Setting) -> dict[str, Any] | None:
    """An object with free keys: an example in JSON, or one key with a value as the schema says; None without either."""
    examples = [text for text in examples_in(str(schema.get("description", ""))) if text.startswith("{")]
    if examples:
        example = json.loads(rng.choice(examples))
        return example if isinstance(example, dict) else None
    values = schema.get("additionalProperties", False)
    if values is False or (values is True and not FIELDS & set(words(name)[-1:])):
        return None
    if re.search(r"(?i)\bdefinitions?\b", str(schema.get("description", ""))):
        return {"name": written(rng, "field"), "type": written(rng, "field_type")}
    key = written(rng, "field")
    value = _value(rng, key, values if values is not True and _richest(values) else {"type": "string"}, setting)
    return None if value is None else {key: value}


def _is_clear(key: str, schema: Schema, about: Setting) -> bool:
    """Whether it can be told what a field holds: it has prose, allowed values, another type than text, or a kind."""
    text = any(variant.get("type") == "string" for variant in variants(schema))
    return not text or bool(schema.get("description") or allowed_values(schema)) or _is_known(key, schema, about)
