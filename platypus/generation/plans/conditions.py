"""When an argument is given: in one mode of its tool only, or where one of several is needed. Told by prose and names.

"Required for drain", "(for add/move operations)", "text_to_columns: the delimiters", "when `type` is 'image'". The
argument that chooses the mode is called the selector. Works for a tool's arguments and for an object's fields alike.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from platypus.catalogue.schema import Schema, allowed_values, variants
from platypus.catalogue.words import words
from platypus.generation.plans.prose_values import allowed_in

_NOT = re.compile(r"(?i)\b(?:not|n't|ignored|except|unless|default(?:s)?|instead|rather|unlike|deprecated)\b")
_NEEDED = re.compile(
    r"(?i)\b(?:required|needed|mandatory|necessary|must be (?:given|provided|set|specified)|provide)\b"
)
_SURE = re.compile(r"(?i)\bonly\b|\boptional for\b|\bused (?:for|with|by|in|when)\b")
_FROM = re.compile(r"(?i)\b(?:only )?(?:for|when|if|with|in|where)\b:? ")
_MODE = re.compile(r" (?:operations?|modes?|actions?|types?|methods?|commands?|kinds?)\b")
_END = re.compile(r"\s*(?:$|[,:.;)\u2014\u2013]|only\b|to\b)")
_CHOOSING = {"type", "mode", "action", "operation", "kind"}  # last words of selectors whose options can be arguments
_NAMING = {"id", "ids", "name", "path", "url"}  # what a call of the right mode says for sure
_ONE_OF = re.compile(
    r"(?i)\b(?:either|at least one of|exactly one of|one of|any of)\b[^.]*"
    r"\b(?:required|needed|must|provided|specified|given)\b"
    r"|\b(?:required|provide|specify|must|give|pass|needs?)\b[^.]*\b(?:either|at least one of|exactly one of|one of)\b"
    r"|\brequired (?:when|if|unless) (?:not using |no |there is no |.* (?:is|are) (?:not|omitted))"
)


@dataclass(frozen=True)
class Condition:
    """An argument is given only where the selector has one of the values; it is needed where it has one of `needed`."""

    selector: str
    values: frozenset[str]
    needed: frozenset[str]


@dataclass(frozen=True)
class Conditions:
    """The conditions of arguments, the options of their selectors, and the selectors' defaults."""

    of: Mapping[str, Condition]
    options: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, str]

    def draw(
        self, rng: Random, required: frozenset[str], wanted: str | None = None, value: object = None
    ) -> dict[str, str]:
        """The mode: a value for each selector that is given. The one `wanted` fits it, or it has the wanted `value`."""
        mode: dict[str, str] = {}
        for selector, options in self.options.items():
            condition = self.of.get(wanted or "")
            if condition and condition.selector == selector:
                mode[selector] = rng.choice(sorted(condition.values))
            elif selector == wanted and value is not None:
                mode[selector] = str(value)
            elif selector == wanted or selector in required or rng.random() < 0.8:
                mode[selector] = rng.choice(options)
        return mode

    def allows(self, name: str, mode: Mapping[str, str]) -> bool:
        """Whether the argument has a meaning in the mode."""
        condition = self.of.get(name)
        return condition is None or self._chosen(condition.selector, mode) in condition.values

    def needs(self, mode: Mapping[str, str]) -> list[str]:
        """The arguments that a call in the mode cannot do without."""
        return [name for name, one in self.of.items() if self._chosen(one.selector, mode) in one.needed]

    def _chosen(self, selector: str, mode: Mapping[str, str]) -> str:
        return mode.get(selector, self.defaults.get(selector, ""))


def conditions_of(properties: Mapping[str, Schema]) -> Conditions:
    """What the names and the prose of arguments (or of an object's fields) tell of when each is given."""
    listed = {name: options for name, schema in properties.items() if len(options := options_of(schema)) > 1}
    found: dict[str, Condition] = {}
    for name, schema in properties.items():
        told = [_condition(name, _prose(schema), other, options) for other, options in listed.items() if other != name]
        first = next(filter(None, told), None)
        if first and (first.selector not in found or found[first.selector].selector != name):
            found[name] = first
    used = {condition.selector for condition in found.values()}
    defaults = {name: str(properties[name].get("default") or "") for name in used}
    return Conditions(found, {name: listed[name] for name in listed if name in used}, defaults)


def options_of(schema: Schema) -> tuple[str, ...]:
    """The texts between which a schema or its prose lets one choose."""
    if any(variant.get("type") in ("array", "object", "boolean", "number", "integer") for variant in variants(schema)):
        return ()
    allowed = [value for variant in variants(schema) for value in allowed_values(variant) if isinstance(value, str)]
    return tuple(filter(None, allowed)) or allowed_in(_prose(schema))


def _prose(schema: Schema) -> str:
    """What a schema says of itself, in one of its forms at least."""
    told = [str(schema.get("description", "")), *(str(one.get("description", "")) for one in variants(schema))]
    return " ".join(dict.fromkeys(filter(None, told)))


def _condition(name: str, prose: str, selector: str, options: tuple[str, ...]) -> Condition | None:
    chooses = bool(_CHOOSING & set(words(selector)[-1:]))
    namesake = [option for option in options if chooses and words(option) == words(name)]
    if namesake:
        return Condition(selector, frozenset(namesake), frozenset(namesake))
    labelled = _label(prose, options)
    if labelled:
        return Condition(selector, labelled, frozenset())
    values: set[str] = set()
    needed: set[str] = set()
    for sentence in re.split(r"(?<=[.!?;])\s+|\n\s*\n", prose):
        need = _NEEDED.search(sentence) is not None
        sure = need or _SURE.search(sentence) is not None
        said = {value for part in _clauses(sentence) for value in _named(part, selector, options, sure)}
        values |= said
        needed |= (
            said if need or (chooses and _NAMING & set(words(name)[-1:]) and "optional" not in sentence) else set()
        )
    return Condition(selector, frozenset(values), frozenset(needed)) if values else None


def _label(prose: str, options: tuple[str, ...]) -> frozenset[str]:
    """The options that stand before a colon or alone: "fill series: the last value", "Liquid only"."""
    one = "|".join(map(re.escape, sorted(options, key=len, reverse=True)))
    found = re.match(
        rf"(?:for )?(?P<listed>(?:{one})(?:(?:, | and | or |/)(?:{one}))*)(?: [a-z]+){{0,2}}[:.](?:\s|$)", prose
    )
    found = found or re.match(rf"(?i)(?P<listed>(?:{one}))[ -]only\b", prose)
    said = re.findall(one, found["listed"], re.IGNORECASE) if found else []
    return frozenset(option for option in options if option.lower() in [text.lower() for text in said])


def _clauses(sentence: str) -> Iterator[str]:
    """What follows "for", "when" and the like, and what stands in brackets; nothing after a negative."""
    for start in _FROM.finditer(sentence):
        clause = re.split(r"[;)]|\.\s", sentence[start.end() :])[0]
        remark = start.start() == 0 and "," in clause and ":" not in clause  # "For replays, the fields are …"
        if not remark and not _NOT.search(sentence[: start.start()]):
            yield clause
    if _NEEDED.search(sentence) and not _NOT.search(sentence):
        yield from re.findall(r"\(([^()]*, [^()]*)\)", sentence)


def _named(clause: str, selector: str, options: tuple[str, ...], sure: bool) -> list[str]:
    """The options with which a clause begins: "`mode` is 'a' or 'b'", "drain operation", "add/move operations".

    A bare word alone ("for text") counts only where it is `sure` that the sentence states a condition.
    """
    spoken = "[ _]?".join(map(re.escape, words(selector)))
    start = re.match(
        rf"(?i)(?:the |an? )?[`'\"]?(?:{spoken})[`'\"]?(?: is| are| set to| of| to|s)*\s*(?:==?|:)?\s*", clause
    )
    rest = clause[start.end() :] if start else re.sub(r"^the ", "", clause)
    one = "|".join(map(re.escape, sorted(options, key=len, reverse=True)))
    quoted = rf"[`'\"]?(?:{one})[`'\"]?(?![\w-])"
    listed = re.match(rf"(?:{quoted})(?:(?:,? and |,? or |, ?|/| / )(?:{quoted}))*", rest, re.IGNORECASE)
    if not listed:
        return []
    after = rest[listed.end() :]
    if not start and listed[0][0] not in "`'\"" and not (_MODE.match(after) or (sure and _END.match(after))):
        return []
    said = [text.lower() for text in re.findall(one, listed[0], re.IGNORECASE)]
    return [option for option in options if option.lower() in said]


def one_needed(prose: Mapping[str, str], about: str) -> list[frozenset[str]]:
    """Groups of which one argument is needed: "Either content or content_file must be provided".

    `prose` is that of each argument, `about` that of the tool.
    """
    groups: list[frozenset[str]] = []
    for own, text in [*prose.items(), ("", about)]:
        for sentence in re.split(r"(?<=[.!?])\s+|\n", text):
            if _ONE_OF.search(sentence):
                named = {name for name in prose if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", sentence)}
                group = frozenset({*named, own} - {""})
                if own and not named and sentence.lower().startswith("required when not using"):
                    said = {*words(sentence)}
                    group = frozenset({own, *(name for name in prose if {*words(name)} <= said)})
                if 1 < len(group) < 5 and group not in groups:
                    groups.append(group)
    return groups
