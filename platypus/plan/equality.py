"""Whether two plans are the same, and a plan's fingerprint.

Two plans are the same if one becomes the other by reordering independent steps (with references renumbered), arguments,
and the elements of sets: arrays whose schema, or an alternative of it, has `uniqueItems`.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.plan.plan import Plan, Reference, Step, Value


def same(a: Plan, b: Plan, catalogue: Catalogue) -> bool:
    """Whether one plan becomes the other by reordering independent steps, arguments, and the elements of sets."""
    ours, theirs = _unfolded_keys(a, catalogue), _unfolded_keys(b, catalogue)
    if sorted(ours) != sorted(theirs):
        return False
    ours, theirs = _roles(a, catalogue, ours), _roles(b, catalogue, theirs)
    if sorted(ours) != sorted(theirs):
        return False
    alike = [[j for j, role in enumerate(theirs) if role == own] for own in ours]
    return _match(a, step_keys(b, catalogue), alike, catalogue, ())


def _match(
    a: Plan, keys: Sequence[str], alike: Sequence[Sequence[int]], catalogue: Catalogue, matched: tuple[int, ...]
) -> bool:
    """Whether the steps of `a` from `len(matched)` on can be matched with other steps that have these `keys`.

    `alike` are the steps that each can be matched with as far as their roles tell.
    """
    i = len(matched)
    if i == len(a):
        return True
    wanted = _step_key(a.steps[i], catalogue, [*map(str, matched)])
    candidates = (j for j in alike[i] if j not in matched and keys[j] == wanted)
    return any(_match(a, keys, alike, catalogue, (*matched, j)) for j in candidates)


def fingerprint(plan: Plan, catalogue: Catalogue) -> str:
    """16 hex digits, equal for plans that are the same. A step is hashed with what it uses and what uses it."""
    keys = _unfolded_keys(plan, catalogue)
    users: list[list[str]] = [[] for _ in keys]
    for key, used in zip(keys, plan.dependencies(), strict=True):
        for step in used:
            users[step].append(key)
    return _short(json.dumps(sorted([key, sorted(user_keys)] for key, user_keys in zip(keys, users, strict=True))))


def step_keys(plan: Plan, catalogue: Catalogue) -> list[str]:
    """A key for each step, in order: equal for steps that are equal but for the order of arguments and of sets."""
    own = [str(k) for k in range(len(plan))]
    return [_step_key(step, catalogue, own) for step in plan.steps]


def _unfolded_keys(plan: Plan, catalogue: Catalogue) -> list[str]:
    """A key for each step that includes its dependencies and not its number. Hashed, so that keys stay short."""
    keys: list[str] = []
    for step in plan.steps:
        keys.append(_short(_step_key(step, catalogue, keys)))
    return keys


def _roles(plan: Plan, catalogue: Catalogue, keys: Sequence[str]) -> list[str]:
    """For each step, its key and where later steps use it, with their own roles: many equal steps are so told apart."""
    uses: list[list[str]] = [[] for _ in keys]
    roles = [*keys]
    for i, used in reversed([*enumerate(plan.dependencies())]):
        roles[i] = _short(json.dumps([keys[i], sorted(uses[i])]))
        for k in used:
            names = [*keys[:k], "this", *keys[k + 1 :]]
            uses[k].append(json.dumps([roles[i], _step_key(plan.steps[i], catalogue, names)]))
    return roles


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _step_key(step: Step, catalogue: Catalogue, names: Sequence[str]) -> str:
    """The step as text: its arguments sorted, and each referenced step named by `names`."""
    tool = catalogue.tool(step.tool)
    arguments = []
    for name in sorted(step.arguments):
        argument = tool.argument(name) if tool else None
        value = step.arguments[name]
        is_set = argument is not None and argument.is_set
        if isinstance(value, list):
            elements = [_value_key(element, names) for element in value]
            arguments.append([name, sorted(elements) if is_set else elements])
        else:
            arguments.append([name, _value_key(value, names)])
    return json.dumps([step.tool, arguments])


def _value_key(value: Value, names: Sequence[str]) -> str:
    if isinstance(value, Reference):
        return json.dumps(["reference", names[value.step], value.path])
    return json.dumps(plain_numbers(value), sort_keys=True)


def plain_numbers(value: Any) -> Any:
    """The value with 1.0 replaced by 1: JSON Schema does not tell them apart."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [plain_numbers(element) for element in value]
    if isinstance(value, dict):
        return {key: plain_numbers(element) for key, element in value.items()}
    return value
