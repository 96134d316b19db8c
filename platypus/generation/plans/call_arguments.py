"""Which of a tool's arguments a call has, and how its values agree.

People say what a tool needs and one or two further things. They hardly ever say a cursor or a token, and never two
arguments of which the prose says "not both".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from platypus.catalogue.schema import allowed_values
from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import singular, words
from platypus.generation.plans.kinds import Setting, kind_of, setting_of
from platypus.generation.plans.ordering import in_order
from platypus.generation.plans.prose_values import TOGETHER
from platypus.plan.plan import Value

CHANGES = {"update", "edit", "modify", "change"}  # tools that need at least one optional argument: what changes
_NAMING = {"id", "ids", "url", "uri", "name", "names", "slug", "key", "path", "number", "gid", "uid"}
RARELY = 0.02  # share of the draws in which an argument of a rare kind can be chosen


@dataclass(frozen=True)
class Habits:
    """What people say of a tool: where its values are needed, what they hardly ever say, and what excludes what."""

    setting: Setting
    rare: frozenset[str]
    excluded: Mapping[str, frozenset[str]]


def habits_of(tool: Tool, files: str = "") -> Habits:
    """What the tool's names and prose tell of its arguments; `files` as in `setting_of`."""
    setting = setting_of(tool, files)
    kinds = {
        a.name: kind_of("text", a.name, a.description, setting, str(a.schema.get("format", ""))) for a in tool.arguments
    }
    return Habits(setting, frozenset(name for name, kind in kinds.items() if kind and kind.rare), _excluded(tool))


def _excluded(tool: Tool) -> dict[str, frozenset[str]]:
    """For each argument, those that the prose forbids beside it: "Provide either text or regex, not both"."""
    pairs: set[tuple[str, str]] = set()
    for argument in tool.arguments:
        said = [part for part in re.split(r"(?<=[.!?])\s+", argument.description) if TOGETHER.search(part)]
        for other in tool.arguments if said else ():
            if other != argument and re.search(rf"(?<![\w-]){re.escape(other.name)}(?![\w-])", " ".join(said)):
                pairs |= {(argument.name, other.name), (other.name, argument.name)}
    return {name: frozenset(other for one, other in pairs if one == name) for name, _ in pairs}


def choose_arguments(rng: Random, tool: Tool, habits: Habits, fed: set[str], wanted: str | None) -> list[Argument]:
    """Required arguments, the wanted one, and some optional ones; those that an output can fill come first."""
    rare = habits.rare if rng.random() > RARELY else frozenset()
    optional = [argument for argument in tool.arguments if not argument.required and argument.name not in rare]
    names = {wanted}
    if optional:
        filters = len(optional) == len(tool.arguments) > 3
        some = min(len(optional), rng.choice((1, 1, 1, 2, 2, 2, 2, 3, 3, 4) if filters else (0, 1, 1, 2, 2, 3)))
        if CHANGES & set(words(tool.name)[:1]) or (len(optional) == len(tool.arguments) and rng.random() < 0.85):
            some = max(some, 1)
        weights = [3 if argument.name in fed else 2 for argument in optional]
        names |= {argument.name for argument in rng.choices(optional, weights, k=some)} if some else set()
    chosen: list[Argument] = []
    for argument in sorted(tool.arguments, key=lambda a: (a.name != wanted, not a.required)):
        alike = [a for a in chosen if _is_alternative(a.name, argument.name)]
        barred = any(argument.name in habits.excluded.get(a.name, ()) for a in chosen)
        if argument.required or (
            argument.name in names and not alike and not barred
        ):  # never `issue.org` and `ticket.org`
            chosen.append(argument)
    chosen.sort(key=tool.arguments.index)
    return sorted(chosen, key=lambda argument: argument.name not in fed)


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
