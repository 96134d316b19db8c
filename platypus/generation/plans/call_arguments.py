"""Which of a tool's arguments a call has, and how its values agree.

People say what a tool needs and one or two further things. They hardly ever say a cursor or a token, and never two
arguments of which the prose says "not both".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from random import Random

from platypus.catalogue.prose import first_sentence
from platypus.catalogue.schema import Schema, allowed_values, types, variants
from platypus.catalogue.subjects import PLACES, is_destructive, is_look_up
from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import plural, singular, words
from platypus.generation.lexicon import name_words
from platypus.generation.plans.conditions import Conditions, conditions_of, one_needed
from platypus.generation.plans.kinds import Setting, is_technical, kind_of, kind_of_words, setting_of
from platypus.generation.plans.ordering import in_order
from platypus.generation.plans.prose_values import TOGETHER, documented
from platypus.plan.plan import Value

_NAMING = {"id", "ids", "url", "uri", "name", "names", "slug", "key", "path", "number", "gid", "uid"}
_OBJECTS = {
    "url",
    "uri",
    "query",
    "path",
    "text",
    "file",
    "prompt",
    "search",
    "input",
    "sql",
    "command",
    "code",
    "script",
}  # what a look-up is made with
_PAIRS = (("old", "new"), ("latitude", "longitude"), ("lat", "lng"), ("lat", "lon"), ("type", "id"), ("type", "name"))
_EITHER = {("head", "tail"), ("tail", "head")}  # no two ends of one text
MOST_FIELDS = 4  # of an object, or a call, that people would say
RARELY = 0.02  # share of the draws in which an argument of a rare kind can be chosen


@dataclass(frozen=True)
class Habits:
    """What people say of a tool: where its values are needed, what they hardly ever say, what excludes what.

    `needed` are groups of which a call has one argument, `prose` replaces what arguments say.
    """

    setting: Setting
    rare: frozenset[str]
    excluded: Mapping[str, frozenset[str]]
    conditions: Conditions
    needed: tuple[frozenset[str], ...] = ()
    prose: Mapping[str, str] = field(default_factory=dict)

    def schema(self, argument: Argument) -> Schema:
        """The argument's schema, with what the tool's prose says of it too."""
        told = self.prose.get(argument.name)
        return argument.schema if told is None else {**argument.schema, "description": told}


def habits_of(tool: Tool, files: str = "") -> Habits:
    """What the tool's names and prose tell of its arguments; `files` as in `setting_of`."""
    setting = setting_of(tool, files)
    prose = documented(tool.description, {argument.name: argument.description for argument in tool.arguments})
    schemas = {
        a.name: {**a.schema, "description": prose[a.name]} if a.name in prose else a.schema for a in tool.arguments
    }
    rare = frozenset(name for name, schema in schemas.items() if _is_rare(name, schema, setting))
    told = {name: str(schema.get("description", "")) for name, schema in schemas.items()}
    alternatives = one_needed(told, tool.description)
    conditions = conditions_of(schemas)
    needed = (*alternatives, *(() if conditions.options else _deeds(tool, rare)))  # a mode tells what it needs
    return Habits(setting, rare, _excluded(tool, alternatives), conditions, needed, prose)


def _is_rare(name: str, schema: Schema, setting: Setting) -> bool:
    """Whether people hardly ever say the argument: it is technical, or nothing tells what it holds."""
    prose = str(schema.get("description", ""))
    kind = kind_of("text", name, prose, setting, str(schema.get("format", "")))
    free = "object" in types(schema) and not {"properties", "additionalProperties"} & schema.keys()
    if (kind and kind.rare) or is_technical(name) or (free and "{" not in prose) or is_nested(schema):
        return True
    if prose or kind or schema.get("type") != "string" or "format" in schema:
        return False
    return not (schema.get("examples") or allowed_values(schema) or kind_of_words(words(name)))


def is_nested(schema: Schema) -> bool:
    """Whether the values are lists of objects, objects with objects in them, or objects with many fields."""
    for variant in variants(schema):
        fields = variant.get("properties", {})
        deep = any(_has_fields(part) for part in fields.values())
        if deep or len(fields) > MOST_FIELDS or "properties" in variant.get("items", {}):
            return True
    return False


def is_long(tool: Tool) -> bool:
    """Whether a call needs more than people would say: nested objects, or many values."""
    required = [argument for argument in tool.arguments if argument.required]
    return len(required) > MOST_FIELDS or any(is_nested(argument.schema) for argument in required)


def _has_fields(schema: Schema) -> bool:
    return any("properties" in variant or "properties" in variant.get("items", {}) for variant in variants(schema))


def _deeds(tool: Tool, rare: frozenset[str]) -> list[frozenset[str]]:
    """The optional arguments of which a call needs one: what an update changes, what is the object of the tool."""
    optional = [a for a in tool.arguments if not a.required and a.name not in rare]
    said = {*words(tool.name), *words(first_sentence(tool.description))}
    bare = not any(argument.required for argument in tool.arguments)
    objects = [a.name for a in optional if words(a.name)[-1:] and words(a.name)[-1] in _OBJECTS & said]
    if bare and objects and not {"list", "all"} & said:
        return [frozenset(objects)]
    changes = bool(name_words("changing") & set(words(tool.name)[:3]))
    if not changes and (not bare or is_look_up(tool)):
        return []
    kept = [a for a in optional if _is_deed(a, changes)]
    own = [a.name for a in kept if words(a.name)[-1:] in (["name"], ["id"])]
    if own and is_destructive(tool):
        return [frozenset(own)]
    deeds = [a.name for a in kept if not changes or bare or not _NAMING & set(words(a.name)[-1:])]
    return [frozenset(deeds or [a.name for a in kept])] if kept else []


def _is_deed(argument: Argument, changes: bool) -> bool:
    """Whether the argument can be what a call is for: no switch, no place; a number only if it `changes`."""
    kinds, last = types(argument.schema), (words(argument.name) or [""])[-1]
    anything = not kinds and not {"anyOf", "oneOf", "enum"} & argument.schema.keys()
    how = (
        "boolean" in kinds
        or anything
        or argument.schema.get("default") is not None
        or (not changes and {"integer", "number"} & set(kinds))
    )
    return not (how or singular(last) in PLACES or last in ("type", "mode", "format", "origin", "options"))


def _excluded(tool: Tool, alternatives: list[frozenset[str]]) -> dict[str, frozenset[str]]:
    """For each argument, its alternatives and those that the prose forbids beside it: "not both"."""
    pairs = {(one, two) for group in alternatives for one in group for two in group if one != two} | _EITHER
    for argument in tool.arguments:
        said = [part for part in re.split(r"(?<=[.!?])\s+", argument.description) if TOGETHER.search(part)]
        for other in tool.arguments if said else ():
            if other != argument and re.search(rf"(?<![\w-]){re.escape(other.name)}(?![\w-])", " ".join(said)):
                pairs |= {(argument.name, other.name), (other.name, argument.name)}
    return {name: frozenset(other for one, other in pairs if one == name) for name, _ in pairs}


def choose_arguments(
    rng: Random,
    tool: Tool,
    habits: Habits,
    fed: set[str],
    wanted: str | None,
    mode: Mapping[str, str] | None = None,
    team: Mapping[str, float] | None = None,
) -> list[Argument]:
    """Required arguments, the wanted one, what the mode needs, and some optional ones.

    Those that an output can fill come first. `mode` has the values of the selectors (see `Conditions`), `team` how much
    more often than usual a team gives an argument (`Conventions.weight`).
    """
    mode = mode or {}
    never = {name for name, weight in (team or {}).items() if weight == 0}
    allowed = (a.name for a in tool.arguments if a.name == wanted or habits.conditions.allows(a.name, mode))
    sense = {name for name in allowed if name not in never}
    always = {name for name, weight in (team or {}).items() if weight == inf}
    sure = {*mode, *always, *habits.conditions.needs(mode), *([wanted] if wanted else ())}
    names = sure | _optional(rng, tool, habits, fed, sense, team or {})
    names |= _one_of_each(rng, habits, {*names, *(a.name for a in tool.arguments if a.required)}, sense)
    names = _with_partners(tool, names, sense) - never
    chosen: list[Argument] = []
    for argument in sorted(tool.arguments, key=lambda a: (a.name != wanted, not a.required, a.name not in sure)):
        alike = [a for a in chosen if _is_alternative(a.name, argument.name)]
        barred = any(argument.name in habits.excluded.get(a.name, ()) for a in chosen)
        if argument.required or (
            argument.name in names and not alike and not barred
        ):  # never `issue.org` and `ticket.org`
            chosen.append(argument)
    chosen.sort(key=tool.arguments.index)
    return sorted(chosen, key=lambda argument: argument.name not in fed)


def _optional(
    rng: Random, tool: Tool, habits: Habits, fed: set[str], sense: set[str], team: Mapping[str, float]
) -> set[str]:
    """Names of none to three optional arguments that have a sense in the mode."""
    rare = habits.rare if rng.random() > RARELY else frozenset()
    optional = [a for a in tool.arguments if not a.required and a.name not in rare and a.name in sense]
    optional = [a for a in optional if a.name not in habits.conditions.options and team.get(a.name, 1) < inf]
    if not optional:
        return set()
    filters = len(optional) == len(tool.arguments) > 3
    some = min(len(optional), rng.choice((1, 1, 1, 1, 2, 2, 2, 3) if filters else (0, 0, 1, 1, 1, 2)))
    if len(optional) == len(tool.arguments) and rng.random() < 0.85:
        some = max(some, 1)
    weights = [
        (3 if argument.name in fed else 1 if argument.schema.get("type") == "boolean" else 2)
        * team.get(argument.name, 1)
        for argument in optional
    ]
    return {argument.name for argument in rng.choices(optional, weights, k=some)} if some else set()


def _with_partners(tool: Tool, names: set[str], sense: set[str]) -> set[str]:
    """The names with those that are nothing without each other: `old_text` and `new_text`."""
    parts = {argument.name: words(argument.name) for argument in tool.arguments if argument.name in sense}

    def partners(name: str) -> set[str]:
        found: set[str] = set()
        for one, two in (*_PAIRS, *((two, one) for one, two in _PAIRS)):
            swapped = [two if word == one else word for word in parts.get(name, [])]
            if one in parts.get(name, []) and (len(swapped) > 1 or "type" not in (one, two)):
                found |= {other for other, own in parts.items() if own == swapped}
        return found

    named = {name for name in names if parts.get(name) in (["name"], ["id"])}
    typed = {other for other, own in parts.items() if named and len(own) == 2 and own[-1] == "type"}
    told = words(f"{tool.name} {first_sentence(tool.description)}")
    kinds = {other for other in typed if {parts[other][0], plural(parts[other][0])} & set(told)}
    return names.union(kinds, *map(partners, names))


def _one_of_each(rng: Random, habits: Habits, names: set[str], sense: set[str]) -> set[str]:
    """One argument of each group of which one is needed and none is named yet."""
    added: set[str] = set()
    for group in habits.needed:
        barred = set().union(*(habits.excluded.get(name, frozenset()) for name in names))
        free = sorted((group & sense) - barred)
        if free and not group & (names | added):
            added.add(rng.choice([name for name in free if name not in habits.rare] or free))
    return added


def _is_alternative(one: str, other: str) -> bool:
    """Whether both names are for the same: `issue.org` and `ticket.org`, `issueId` and `issueUrl`."""
    if "." in one and _kin(one) == _kin(other):
        return True
    thing, same = ([word for word in words(name) if word not in _NAMING] for name in (one, other))
    return bool(thing) and thing == same and len(words(one)) > len(thing) and len(words(other)) > len(same)


def _kin(name: str) -> str:
    """The last word of a name, in the singular: the same for `issue.rev_orgs` and `ticket.rev_org`."""
    return singular((words(name) or [name])[-1])


def agree(rng: Random, tool: Tool, arguments: dict[str, Value], wanted: str | None) -> None:
    """Make arguments agree: beside a filter of one type (`ticket.severity`), the argument for types mostly has it."""
    arguments.update(in_order(arguments, {argument.name: argument.schema for argument in tool.arguments}))
    qualified = [name for name in arguments if "." in name]
    ambiguous = [name for name in qualified if sum(_kin(a.name) == _kin(name) for a in tool.arguments) > 1]
    for argument in tool.arguments if qualified else ():
        element = argument.schema.get("items", argument.schema)
        allowed = allowed_values(element)
        fitting = [words(name)[0] for name in ambiguous or qualified if words(name)[0] in allowed]
        if (
            fitting
            and argument.name != wanted
            and rng.random() < (0.95 if ambiguous else 0.6 if argument.name in arguments else 0.25)
        ):
            value = rng.choice(fitting)
            arguments[argument.name] = [value] if "items" in argument.schema else value
