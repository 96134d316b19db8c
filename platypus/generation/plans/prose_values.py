"""Values that prose names: examples ("e.g., oak, maple"), lists of what is allowed ("one of: a, b"); their variants.

What prose warns of ("do not include passwords") is no example. Does not know schemas or kinds of values.
"""

import json
import re
import string
from collections.abc import Mapping
from functools import lru_cache
from random import Random

from platypus.catalogue.prose import one_line
from platypus.generation.lexicon import word_lists

CHARACTERS = string.ascii_letters + string.digits
_CATEGORY = re.compile(  # examples that only name a kind of thing
    r"(?:[\w'\u2019]+ )*(?:city|country|state|region|farm|garden|name|area|village|number|hospital|address|building"
    r"|username|notation|town|title|date|format|identifier|coordinate|key|password|credential|syntax|id|field|filter"
    r"|type|query|url)s?|path to .*",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\betc)(?<!\bex)(?<!\bvs)[.!?](?=\s+[A-Z\"'`(\u2018]|\s*$)|\n", re.IGNORECASE
)
_NEGATIVE = re.compile(
    r"\b(?:do(?:es)? not|don't|doesn't|not (?!only)|never|instead of|rather than|avoid|except|excluding|other than"
    r"|without|unlike|must not|cannot|can't|isn't|if not)\b.*",
    re.IGNORECASE | re.DOTALL,
)
TOGETHER = re.compile(  # of arguments that exclude each other
    r"\b(?:not both|mutually exclusive|(?:cannot|can't|can not|must not|do not|should not) be (?:used|combined|set"
    r"|specified|given|provided|passed) (?:together|with)|exactly one of|incompatible with|alternative to"
    r"|ignored (?:if|when))\b",
    re.IGNORECASE,
)
_EXAMPLES = re.compile(
    r"(?:\be\.g\.?,?:?|\bfor example,?:?|\bfor instance,?|\bsuch as:?|\bexamples?(?: values?)?(?::| are| is)|\bex\.?:"
    r"|\blike (?=['\"`\u2018\u201c]))\s*(?P<listed>.*)",
    re.IGNORECASE | re.DOTALL,
)
_ALLOWED = re.compile(  # "one of the following values:", "valid values are", "can be 'a' or 'b'"
    r"(?:\b(?:either|one of|any of)(?: the)?(?: following| these)?(?: values?| options?)?[:\s]"
    r"|\b(?:valid|allowed|possible|supported|accepted|available|permitted) (?:\w+ )?"
    r"(?:values?|options?|types?|modes?|choices|states|statuses|levels|keys)?(?: are| is| include)?(?: supported)?[:\s]"
    r"|\bvalues are supported:|\b(?:values?|options?|choices|enum|allowed|valid|supported):"
    r"|\b(?:can|must|may|should) be:\s|\b(?:can|must|may|should) be (?=['\"`])|\b(?:is|are) an? (?=['\"`])"
    r"|\w [-\u2013] (?=['\"`]))\s*"
    r"(?=(?P<listed>.*))",
    re.IGNORECASE | re.DOTALL,
)
_COLON_LIST = re.compile(r"(?:^|[^:]{0,60}\w): ?(?P<listed>[^:]*\b(?:or|and) [^:]*)$")
_QUOTED = re.compile(
    r"\\?(?P<quote>[\"`]|(?<!\w)')(?P<text>(?:(?!\\?(?P=quote)(?!\w)).|(?<=\w)'(?=\w)){1,100}?)\\?(?P=quote)(?!\w)"
    r"|[\u2018\u201c](?P<curly>[^\u2019\u201d]{1,60})[\u2019\u201d]"
)
_BETWEEN = re.compile(  # a comma, a bar or a word; or an explanation: "'off' - No filtering. 'strict' - …"
    r"\s*(?:(?:,|\||/|;|\bor\b|\band\b)\s*(?:or |and )?(?:an? )?|(?:\(|[-\u2013\u2014:=]) ?[^'\"`]{1,120})"
    r"(?=['\"`\u201c\u2018])"
)
_BARE = re.compile(r"[A-Za-z][\w.+-]*|-?\d+(?:\.\d+)?")
_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


@lru_cache(maxsize=8192)
def sentences(prose: str) -> tuple[str, ...]:
    """The sentences of prose, each up to what it warns of; those about two arguments together are left out."""
    parts = (part.strip() for part in _SENTENCE_END.split(prose))
    kept = (_NEGATIVE.sub("", part).strip() for part in parts if not TOGETHER.search(part))
    return tuple(part for part in kept if part)


_LINE = re.compile(  # "name: text", "- name (type): text"
    r"^[ \t]*[-*]?[ \t]*[`\"]?(?P<name>[A-Za-z]\w*)[`\"]?(?: \([^()]*\))?[ \t]*(?::|[-\u2013] )[ \t]*", re.MULTILINE
)
_OPTION = re.compile(r"^[ \t]*[-*][ \t]*([\"'`])([\w-]+)\1[ \t]*(?::|[-\u2013] )", re.MULTILINE)
_SELECTORS = {"action", "operation", "mode"}


def documented(prose: str, own: Mapping[str, str]) -> dict[str, str]:
    """What a tool's prose adds to its arguments' `own` prose: a line on an argument, its options, URLs as examples."""
    starts = list(_LINE.finditer(prose))
    ends = [start.start() for start in starts[1:]] + [len(prose)] * bool(starts)
    told = {start["name"]: prose[start.end() : end].split("\n\n")[0] for start, end in zip(starts, ends, strict=True)}
    added: dict[str, str] = {}
    for name, text in own.items():
        line = one_line(told.get(name, ""))
        options = [option for _, option in _OPTION.findall(prose)]
        if not text and line:
            added[name] = line
        elif not text and name in _SELECTORS and len(options) > 1:
            added[name] = f"One of: {', '.join(options)}"
        elif name.lower().endswith(("url", "uri")) and (shown := _shown_urls(prose, name)) and not examples_in(text):
            added[name] = f"{text.rstrip('. ')} (e.g., {', '.join(map(repr, shown))})".strip()
    return added


def _shown_urls(prose: str, name: str) -> list[str]:
    """The URLs that a tool's prose shows: in a call (`url='https://…'`), or after "Example URLs"."""
    called = [url for _, url in re.findall(rf"\b{re.escape(name)} ?= ?(['\"])(https?://.+?)\1", prose)]
    heading = re.search(r"(?i)\bexample ur[li]s?\b", prose)
    listed = re.findall(r"https?://[^\s'\"<>)]+", prose[heading.end() :].lstrip().split("\n\n")[0]) if heading else []
    return list(dict.fromkeys([*called, *(url.rstrip(".,") for url in listed)]))


@lru_cache(maxsize=8192)
def examples_in(prose: str) -> tuple[str, ...]:
    """Return the examples in prose: `"The species (e.g., oak, maple)"` → oak, maple. Kinds of things are left out."""
    for sentence in sentences(prose):
        found = _EXAMPLES.search(sentence)
        if found:
            return tuple(text for text in _listed(found["listed"]) if not _is_category(text))
    listed = re.search(r"\(([a-z][\w-]*(?:, (?:or )?[a-z][\w-]*){2,})(?:, etc\.?)?\)", " ".join(sentences(prose)))
    return tuple(re.split(r", (?:or )?", listed[1])) if listed else ()


def _listed(text: str) -> list[str]:
    """The examples at the beginning of a text: JSON, quoted values, or phrases."""
    if text[:1] in ("{", "["):
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return _quoted(text.lstrip("[ "))
        texts = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
        return texts or [text[:end]]
    quoted = _quoted(text)
    return quoted if quoted or text[:1] in ("'", '"', "`") else _phrases(text)


def _is_category(text: str) -> bool:
    plain = not any(map(str.isupper, text[1:]))
    return (plain and _CATEGORY.fullmatch(text) is not None) or text.startswith(("the ", "a ", "an "))


def _phrases(text: str) -> list[str]:
    """The phrases at the beginning of a text, up to a bracket, separated by commas or `or`."""
    parts = [
        part.strip(" '\"`.") for part in re.split(r", (?:or |and )?| or ", re.split(r"[();]", text)[0].strip(" ."))
    ]
    if len(parts) == 2 and re.fullmatch("[A-Z]{2}", parts[1]) and parts[0].istitle():
        parts = [", ".join(parts)]  # a city and its state
    inner = [found[2] if (found := re.fullmatch(r"[\w ]+ (['\"`])(.+)\1?", part)) else part for part in parts]
    return [part for part in inner if part and part.lower() not in ("etc", "and", "or", "...") and len(part) < 60]


def _quoted(text: str) -> list[str]:
    """The quoted values at the beginning of a text, separated by commas, bars, words or short explanations."""
    values: list[str] = []
    found = _QUOTED.match(text)
    while found:
        values.append(re.sub(r"^(['\"`])([^'\"`]+)\1$", r"\2", found["text"] or found["curly"]))
        between = _BETWEEN.match(text, found.end())
        found = _QUOTED.match(text, between.end()) if between else None
    return values


@lru_cache(maxsize=8192)
def allowed_in(prose: str) -> tuple[str, ...]:
    """Return what prose lists as the only values: `"Must be one of: asc, desc"` → asc, desc. Two or more, or none."""
    options = tuple(dict.fromkeys(option for _, option in _OPTION.findall(prose)))
    options = options if len(options) > 1 else tuple(dict.fromkeys(_quoted(prose.strip())))
    if len(options) > 1:
        return options
    text = " ".join(f"{sentence}." for sentence in sentences(prose))
    listed = [found["listed"] for found in _ALLOWED.finditer(text)]
    listed += [found["listed"] for sentence in sentences(prose) if (found := _COLON_LIST.match(sentence))]
    listed += re.findall(r": ([a-z_]+(?:, [a-z_]+){2,})\.", text) if "_" in text else []
    for rest in listed:
        distinct = tuple(dict.fromkeys(_quoted(rest) or _bare(rest)))
        if 2 <= len(distinct) <= 40:
            return distinct
    bracketed = re.findall(r"\((['\"`])([\w-]+)\1\)", text)
    if len(bracketed) > 1:
        return tuple(dict.fromkeys(value for _, value in bracketed))
    bars = re.search(r"(?:(?<![\w/])[(:]|^)\s*((?:['\"]?[\w-]+['\"]?\s?\|\s?)+['\"]?[\w-]+['\"]?)(?:[).](?!/)|$)", text)
    return tuple(part.strip(" '\"") for part in bars[1].split("|")) if bars else ()


def _bare(text: str) -> list[str]:
    """Single words at the beginning of a text, separated by commas, bars or `or`: `asc, desc or none.` → all three."""
    plain = re.sub(r" ?\([^()]*\)", "", text)
    clause = re.split(r"[.;)](?:\s|$)|\n", plain)[0]
    parts = [part.strip(" '\"`") for part in re.split(r"\s*(?:,|\||/)\s*(?:or |and )?|\s+or\s+|\s+and\s+", clause)]
    return parts if len(parts) > 1 and all(_BARE.fullmatch(part) for part in parts) else []


def allowed_for(key: str, prose: str) -> tuple[str, ...]:
    """Return the values that an object's prose lists for one of its keys: "Possible `kind` values are `a` or `b`"."""
    named = rf"\b(?:possible|valid|allowed|supported) [\"'`]?{re.escape(key)}[\"'`]? (?:property )?"
    values = r"(?:values?|options?)(?: are| is|:)?:?\s*(?P<listed>.*)"
    found = re.search(named + values, prose, re.IGNORECASE | re.DOTALL)
    return tuple(dict.fromkeys(_quoted(found["listed"]) or _bare(found["listed"]))) if found else ()


# ---------------------------------------------------------------- variants of an example


def varied(rng: Random, example: str) -> str:
    """Another value of the same shape: other digits, other code letters, other words of the same word list."""
    paper = re.fullmatch(r"(?:\d\d)(?:0[1-9]|1[0-2])\.(\d{4,5})(v\d)?", example)  # of a preprint server: year, month
    if paper:
        number = rng.randrange(10 ** len(paper[1]) // 5)
        return f"{rng.randint(15, 25)}{rng.randint(1, 12):02}.{number:0{len(paper[1])}}{paper[2] or ''}"
    if re.fullmatch(r"[A-Za-z]{2,12}[-_ #]?\d+", example):  # an id of a usual form: its number can have any length
        digits = str(rng.randint(1, 10 ** rng.randint(1, 4) - 1))
        return re.sub(r"\d+", digits.zfill(3) if rng.random() < 0.2 else digits, example)
    if re.search("X{4}", example):  # `fldXXXXXXXXXXXXXX`
        return re.sub("X{4,}", lambda blank: "".join(rng.choices(CHARACTERS, k=len(blank[0]))), example)
    if re.match(r"[{\[<]", example):  # digits of tags and keys
        return example
    if _UUID.fullmatch(example):
        return re.sub("[0-9a-f]", lambda _: rng.choice("0123456789abcdef"), example)
    part = (
        r"(?<![A-Za-z0-9])(?![A-Z]?[a-z]{3})[A-Za-z0-9]+" if "://" in example else r"[A-Za-z0-9]+"
    )  # not of `AmazonS3`
    text = re.sub(part, lambda token: _other_token(rng, token[0]), example)
    return _other_words(rng, text) if text == example else text


def _other_token(rng: Random, token: str) -> str:
    """`1Z43` → `6P04`, `v14` → `v60`, `9f86d081` → other hex digits; a word stays, and so does the first letter."""
    if not re.search(r"\d", token):
        return token
    if re.fullmatch(r"[0-9a-f]{7,}", token) and re.search(r"[a-f]", token):
        return "".join(rng.choices("0123456789abcdef", k=len(token)))
    code = not re.search(r"[a-z]{3}|[A-Z]{3}", token) and (len(token) >= 8 or token.upper() == token)

    def other(one: re.Match[str]) -> str:
        char, before = one[0], token[: one.start()]
        if char.isdigit():
            return rng.choice("0123456789" if char == "0" or before[-1:].isdigit() else "123456789")
        return (
            char
            if not before or not code
            else rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ" if char.isupper() else "abcdefghjkmnprst")
        )

    return re.sub(r"[A-Za-z\d]", other, token)


def reworded(rng: Random, example: str) -> str:
    """Other words in the form of an example without spaces: `my-team` → `billing-page`; other examples stay."""
    if re.search(r" |://|@", example) or not re.search(r"[A-Za-z]{2}[-_/:.]+[A-Za-z]{2}", example):
        return example
    head, dot, ending = example.rpartition(".")
    if not dot or not re.fullmatch("[a-z0-9]{1,5}", ending):
        head, dot, ending = example, "", ""
    lists = word_lists()["values"]

    def other(found: re.Match[str]) -> str:
        word = str(rng.choice(lists["topics"] if rng.random() < 0.6 else lists["things"]))
        return word.upper() if found[0].isupper() else word.title() if found[0][0].isupper() else word

    return re.sub(r"[A-Za-z]{2,}", other, head) + dot + ending


def _other_words(rng: Random, text: str) -> str:
    """The text with each word or name that stands in a word list replaced by another of that list."""

    def other(found: re.Match[str]) -> str:
        return rng.choice([value for value in _list_of()[found[0].lower()] if value.lower() != found[0].lower()])

    return _known_words().sub(other, text)


@lru_cache(maxsize=1)
def _list_of() -> dict[str, list[str]]:
    plain = {name: values for name, values in word_lists()["values"].items() if name in _SWAPPED}
    return {value.lower(): values for values in plain.values() for value in values}


@lru_cache(maxsize=1)
def _known_words() -> re.Pattern[str]:
    known = sorted(_list_of(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, known))})(?![\w-])", re.IGNORECASE)


_SWAPPED = (
    *("first", "last", "cities", "countries", "languages", "animal", "food", "streets", "shops", "colors"),
    *("programming_languages", "tables", "currencies", "occupation", "sport", "zones"),
)
