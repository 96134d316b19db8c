"""Values as people would write them for an argument: chosen by its schema first, then its format, then its name.

An example in the schema is varied (`DEVU-123` → `DEVU-48`), so values look like the catalogue's own examples.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from typing import Any

from platypus.catalogue.schema import Schema, allowed_values, variants
from platypus.catalogue.words import words
from platypus.generation.lexicon import word_lists

CODES = ("id", "ids", "key", "code", "number")
THINGS = (
    "comput|serv|contain|print|rout|sens|tract|mot|riv|tow|chapt|ord|fold|numb|lay|pow|wat|col|charact|pap|fact|gend"
)
PLACES = (["location"], ["city"], ["country"], ["place"], ["venue"])
PERSON = re.compile(rf"(?!(?:{THINGS})[eo]r)\w{{3,}}(?:er|or|ist|ian)|figure|leader")  # nouns for people
CATEGORY = re.compile(  # examples that only name a kind of thing
    r"(?:[\w'\u2019]+ )*(?:city|country|state|region|farm|garden|name|area|village|number|hospital|address|building"
    r"|username|notation|town|title|date|format|identifier|coordinate)s?|path to .*",
    re.IGNORECASE,
)


def _pick(rng: Random, kind: str) -> str:
    return str(rng.choice(word_lists()["values"][kind]))


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
        f"Action items from the {_pick(rng, 'topics')} meeting",
        f"Notes from the call with {_firm(rng)}",
    )
    return rng.choice(forms)


def _time(rng: Random) -> str:
    return f"{rng.randint(0, 23):02}:{rng.choice((0, 15, 30, 45)):02}"


def _address(rng: Random) -> str:
    return f"{rng.randint(1, 240)} {_pick(rng, 'streets')}, {_pick(rng, 'cities')}"


def _phone(rng: Random) -> str:
    return f"+{rng.randint(1, 99)} {rng.randint(200, 999)} {rng.randint(100_000, 999_999)}"


def _file(rng: Random, *kinds: str) -> str:
    return f"{_pick(rng, 'topics')}_{_pick(rng, 'things')}.{rng.choice(kinds or ('pdf', 'csv', 'txt', 'docx'))}"


def _range(rng: Random) -> str:
    start = rng.randint(2015, 2025)
    period = f"Q{rng.randint(1, 4)} {start}", f"{start}-{start + rng.randint(1, 5)}", "last month", "this year"
    return rng.choice((*period, "last week", "the past year"))


def _pages(rng: Random) -> str:
    first = rng.randint(1, 300)
    return rng.choice((str(first), f"{first}-{first + 4}", f"{first} to {first + rng.randint(1, 20)}"))


def _label(rng: Random) -> str:  # a stage or tag, as people type it: `In Review`, `in-review`, `blocked`
    label = _pick(rng, "labels")
    return rng.choice((label, label, label.title(), label.replace(" ", "-")))


def _of(kind: str) -> "Maker":
    return lambda rng: _pick(rng, kind)


Maker = Callable[[Random], str]
BY_WORD: Mapping[str, Maker] = {
    **dict.fromkeys(("date", "day", "since", "until", "deadline", "due"), _date),
    **dict.fromkeys(("user", "person", "owner", "author", "assignee", "member", "employee", "contact"), _person),
    **dict.fromkeys(("patient", "student", "teacher", "doctor", "director", "artist", "chef", "player"), _person),
    **dict.fromkeys(("customer", "company", "account", "organization", "organisation", "vendor", "client"), _firm),
    **dict.fromkeys(("firm", "brand", "supplier", "employer", "institution", "club", "agency"), _firm),
    **dict.fromkeys(("email", "recipient", "sender", "subscriber"), _email),
    **dict.fromkeys(
        ("city", "location", "destination", "origin", "venue", "place", "area", "neighborhood"), _of("cities")
    ),
    **dict.fromkeys(("country", "region", "nation"), _of("countries")),
    **dict.fromkeys(("product", "part", "item", "model", "project", "game", "device", "equipment"), _product),
    **dict.fromkeys(
        ("text", "body", "message", "content", "comment", "note", "description", "conversation", "lyric", "speech"),
        _sentence,
    ),
    **dict.fromkeys(("stage", "status", "state", "tag", "label", "category"), _label),
    **dict.fromkeys(("channel", "medium"), lambda rng: _pick(rng, "channels")),
    **dict.fromkeys(("query", "search", "name"), _name),
    **dict.fromkeys(("title", "subject", "topic", "keyword", "reason", "goal", "issue"), _topic),
    **dict.fromkeys(("file", "document", "attachment", "resume"), _file),
    **dict.fromkeys(("image", "photo", "logo", "picture"), lambda rng: _file(rng, "png", "jpg")),
    **dict.fromkeys(("video", "movie", "clip"), lambda rng: _file(rng, "mp4", "mov")),
    "apk": lambda rng: _file(rng, "apk"),
    **dict.fromkeys(("audio", "recording", "podcast"), lambda rng: _file(rng, "mp3", "wav")),
    **dict.fromkeys(("period", "range", "timeframe"), _range),
    **{
        word: _of(word)
        for word in ("occupation", "animal", "food", "disease", "sport", "crop", "material", "department")
    },
    **dict.fromkeys(("species", "pet", "breed", "livestock"), _of("animal")),
    **dict.fromkeys(("medication", "drug", "medicine"), _of("medication")),
    **dict.fromkeys(("payment", "pay"), _of("payment")),
    **dict.fromkeys(("population", "audience"), _of("population")),
    **dict.fromkeys(("type", "kind", "mode", "variant"), _of("kinds")),
    **dict.fromkeys(("parameter", "setting", "feature"), _of("settings")),
    "experience": _of("experience"),
    "question": lambda rng: f"How does {_pick(rng, 'topics')} affect {_pick(rng, 'population')}?",
    **dict.fromkeys(("ingredient", "dish", "cuisine", "meal", "recipe"), _of("food")),
    **dict.fromkeys(("condition", "disorder", "symptom", "illness", "infection"), _of("disease")),
    **dict.fromkeys(("plant", "tree"), _of("crop")),
    **dict.fromkeys(("manufacturer", "hospital", "provider", "publisher", "airline", "employer"), _firm),
    **dict.fromkeys(
        ("instructor", "speaker", "manager", "writer", "actor", "singer", "composer", "participant"), _person
    ),
    **dict.fromkeys(
        ("guest", "attendee", "applicant", "candidate", "donor", "tutor", "beneficiary", "passenger"), _person
    ),
    **dict.fromkeys(("info", "feedback", "request", "remark"), _sentence),
    **dict.fromkeys(("team", "group", "school", "university", "organizer", "bank", "library", "church"), _firm),
    **dict.fromkeys(("role", "job", "profession"), _of("occupation")),
    **dict.fromkeys(("dataset", "data", "source", "path", "log"), _file),
    **dict.fromkeys(
        ("host", "server", "domain", "website"), lambda rng: f"{_pick(rng, 'topics')}.{_pick(rng, 'firms').lower()}.com"
    ),
    "word": lambda rng: _pick(rng, "things"),
    "pressure": lambda rng: f"{rng.randint(100, 150)}/{rng.randint(60, 95)}",
    "dimension": lambda rng: "x".join(str(rng.randint(2, 90)) for _ in range(3)) + " cm",
    "page": _pages,
    "password": lambda rng: f"{_pick(rng, 'products').lower()}{rng.randint(10, 9999)}",
    "language": _of("languages"),
    "currency": _of("currencies"),
    "color": _of("colors"),
    "address": _address,
    "phone": _phone,
    "genre": _of("genres"),
    "league": _of("leagues"),
    "season": lambda rng: f"{(year := rng.randint(2005, 2025))}/{(year + 1) % 100:02}",
    "time": _time,
    "url": lambda rng: f"https://{_pick(rng, 'firms').lower()}.com/{_pick(rng, 'topics')}",
}
BY_NAME: Mapping[str, Maker] = {  # where the last word alone would mislead
    **dict.fromkeys(("first name", "given name", "nickname", "username"), _of("first")),
    **dict.fromkeys(("last name", "family name", "surname"), _of("last")),
    "full name": lambda rng: f"{_pick(rng, 'first')} {_pick(rng, 'last')}",
    **dict.fromkeys(("contact info", "contact information", "contact details", "contact"), _email),
    "job title": _of("occupation"),
    "phone number": _phone,
    "required by": _date,
}
BY_FORMAT: Mapping[str, Maker] = {
    "date": _date,
    "date-time": lambda rng: f"{_date(rng)}T{rng.randint(0, 23):02}:00:00",
    "time": lambda rng: f"{rng.randint(0, 23):02}:30:00",
    "email": _email,
    "uri": BY_WORD["url"],
    "text": _sentence,
}
SPANS = {"minutes": (5, 180), "hours": (1, 48), "days": (1, 60), "weeks": (1, 26), "months": (1, 36)}
MEASURES = {
    **dict.fromkeys(("year", "season", "vintage"), (1990, 2026)),
    **{"age": (1, 90), "month": (1, 12), "day": (1, 28), "hour": (1, 24), "duration": (1, 60), "edition": (1, 20)},
    **{"rating": (1, 10), "threshold": (1, 100)},
    **dict.fromkeys(("income", "salary"), (15_000, 140_000)),
    **dict.fromkeys(("price", "cost", "budget", "amount", "investment", "revenue", "savings", "expenses"), (10, 9000)),
    **{"weight": (1, 120), "height": (50, 220), "distance": (1, 900), "population": (1000, 2_000_000)},
    **{"percentage": (1, 100), "temperature": (1, 40), "latitude": (1, 80), "longitude": (1, 170), "rate": (1, 20)},
    **dict.fromkeys(("limit", "count", "top", "quantity", "participants", "people", "guests"), (1, 50)),
    **dict.fromkeys(("id", "number", "code"), (1000, 99999)),
}


def made_up_value(rng: Random, name: str, schema: Schema) -> Any:
    """Return a value for the argument `name` that the schema allows; None when no such value can be made up."""
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
            return _number(rng, name, chosen, whole=chosen["type"] == "integer")
        case "string":
            return _string(rng, name, chosen)
        case "array":
            return _array(rng, name, chosen)
        case _:
            return _object(rng, chosen)


def _number(rng: Random, name: str, schema: Schema, *, whole: bool) -> int | float:
    unit = re.search(r"\bin (minutes|hours|days|weeks|months)\b", str(schema.get("description", "")))
    usual = SPANS[unit[1]] if unit else MEASURES.get((words(name) or [""])[-1])
    if usual and not {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"} & schema.keys():
        low, high = max(schema.get("minimum", usual[0]), usual[0]), min(schema.get("maximum", usual[1]), usual[1])
        if int(low) == low <= high:
            return rng.randint(int(low), int(high))
    low = schema.get(
        "minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema or "maximum" not in schema)
    )
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + rng.choice((10, 100, 1000))))
    step = schema.get("multipleOf", 1)
    if whole or "multipleOf" in schema:
        return int(rng.randint(int(-(-low // step)), max(int(high // step), int(-(-low // step)))) * step)
    exact = round(rng.uniform(low, high), rng.choice((0, 1, 1, 2)))
    return round(exact) if exact == round(exact) and low <= exact <= high else exact


def _string(rng: Random, name: str, schema: Schema) -> str | None:
    text = _vary(rng, name, schema) or _by_kind(rng, name, schema)
    short = text[: schema["maxLength"]] if "maxLength" in schema else text
    if "pattern" in schema and not re.search(schema["pattern"], short):
        return None
    return short if len(short) >= schema.get("minLength", 0) else None


def _vary(rng: Random, name: str, schema: Schema) -> str | None:
    """An example from the schema or its description; an id gets other digits: `DEVU-123` → `DEVU-48`."""
    own = tuple(example for example in schema.get("examples", ()) if isinstance(example, str))
    examples = own or examples_in(str(schema.get("description", "")))
    if not own and words(name)[-1:] in PLACES:  # "(e.g., city, beach)" names kinds of places
        examples = tuple(example for example in examples if example[:1].isupper())
    if not examples:
        return None
    example = rng.choice(examples)
    if re.match(r"(?i)(?:\d{4}|yyyy)-(?:\d\d|mm)-(?:\d\d|dd)", example):
        return _date(rng) + (example[10:] if example[:4].isdigit() else "")
    if re.fullmatch(r"(?i)(?:mm|dd|yyyy)([/.-])(?:mm|dd)\1(?:dd|yyyy|yy)", example):
        year, month, day = _date(rng).split("-")
        return example.lower().replace("yyyy", year).replace("yy", year[2:]).replace("mm", month).replace("dd", day)
    clock = re.fullmatch(r"(?i)(?:hh:mm|\d\d:\d\d|\d:\d\d(?= ?[ap]m))(?::(?:ss|\d\d))?( ?[ap]m.*)?", example)
    if clock:
        return (
            f"{rng.randint(1, 12)}:{rng.choice((0, 15, 30, 45)):02} {rng.choice(('AM', 'PM'))}"
            if clock[1]
            else _time(rng)
        )
    if not re.fullmatch(r"[A-Za-z]{2,12}[-_ #]?\d+", example):
        return str(example)
    digits = str(rng.randint(1, 10 ** rng.randint(1, 4) - 1))
    return re.sub(r"\d+", digits.zfill(3) if rng.random() < 0.2 else digits, example)


@lru_cache(maxsize=4096)
def examples_in(description: str) -> tuple[str, ...]:
    """Return the examples in prose: `"The species (e.g., oak, maple)"` → oak, maple. Kinds of things are left out."""
    listing = re.search(
        r"(?:e\.g\.,?|for example,?|for instance,?|such as|(?:allowed|possible) values:?) ([^();]+)", description
    )
    parts = re.split(r", (?:or |and |etc)?| or |, ", listing[1].strip(" .")) if listing else []
    examples = [part.strip(" '\".") for part in parts]
    examples = [part for part in examples if part and part.lower() not in ("etc", "and", "or") and len(part) < 40]
    return tuple(part for part in examples if not (CATEGORY.fullmatch(part) or part.startswith(("the ", "a ", "an "))))


def _by_kind(rng: Random, name: str, schema: Schema) -> str:
    kind = schema.get("format", "")
    if kind in BY_FORMAT:
        return BY_FORMAT[kind](rng)
    parts = [part for part in words(name) if not part.isdigit()]
    if " ".join(parts) in BY_NAME:
        return BY_NAME[" ".join(parts)](rng)
    if kind or (parts and parts[-1] in CODES):
        return identifier(rng, [word for word in words(kind or name) if word not in CODES] or ["item"])
    if parts and parts[-1] in ("file", "path"):  # `audio_file`
        parts = [parts[-1], *parts[:-1]]
    is_name = parts[-1:] == ["name"] or parts[-1:] == ["names"]
    if is_name:
        described = words(str(schema.get("description", "")))
        if len(parts) == 1 and {"your", "full"} & set(described):
            return _person(rng)
        parts = [part for part in (described if len(parts) == 1 else parts) if part not in ("name", "names")]
    for word in reversed(parts):
        maker = BY_WORD.get(word) or BY_WORD.get(word.removesuffix("s"))
        if maker:
            return maker(rng)
        if PERSON.fullmatch(word.removesuffix("s")):
            return _person(rng)
    if is_name:
        return _name(rng) if not parts else rng.choice((_product, _firm))(rng)
    if parts and parts[-1].endswith("s"):
        return _topic(rng)
    described = words(str(schema.get("description", "")))
    is_id = not described or {"id", "identifier"} & set(described)
    return identifier(rng, parts) if parts and is_id else _product(rng)


def identifier(rng: Random, noun: list[str]) -> str:
    """Return an id as systems assign them: `SPRINT-12`, `usr_4821`, `ord-77`, `58213`."""
    number = rng.randint(1, 10 ** rng.randint(2, 5) - 1)
    short = noun[-1][:4]
    usual = f"{noun[-1].upper()}-{number}", f"{short[:3].upper()}-{number}", f"{short.upper()}-{number % 1000}"
    return rng.choice((*usual, *usual, f"{short[:3]}_{number}", f"{short.upper()}{number}", str(number)))


def _array(rng: Random, name: str, schema: Schema) -> list[Any] | None:
    if "prefixItems" in schema:
        each = [made_up_value(rng, name, part) for part in schema["prefixItems"]]
        return None if None in each else each
    low = max(schema.get("minItems", 1), 1)
    count = min(low + rng.choice((0, 0, 0, 0, 0, 1, 1, 2)), schema.get("maxItems", 9))
    values: list[Any] = []
    for draw in range(20 * count):
        value = made_up_value(rng, name, schema.get("items", {}))
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


def _object(rng: Random, schema: Schema) -> dict[str, Any] | None:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    values = {
        key: made_up_value(rng, key, part) for key, part in properties.items() if key in required or rng.random() < 0.5
    }
    if not values or any(value is None for value in values.values()):
        return None
    within = schema.get("minProperties", 0) <= len(values) <= schema.get("maxProperties", len(values))
    return values if within else None
