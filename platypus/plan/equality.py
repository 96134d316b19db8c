"""Whether two plans are the same, and a plan's fingerprint.

Two plans are the same if one becomes the other by reordering independent steps (with references renumbered), arguments,
and the elements of sets: arrays whose schema has `uniqueItems`.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.plan.plan import Plan, Reference, Step, Value


def same(a: Plan, b: Plan, catalogue: Catalogue) -> bool:
    """Whether one plan becomes the other by reordering independent steps, arguments, and the elements of sets.

    An array is a set if the argument's schema has `uniqueItems`.
    """
    if len(a) != len(b) or sorted(_unfolded_keys(a, catalogue)) != sorted(_unfolded_keys(b, catalogue)):
        return False
    return _match(a, b, catalogue, {})


def _match(a: Plan, b: Plan, catalogue: Catalogue, mapping: dict[int, int]) -> bool:
    """Whether the steps of `a` from `len(mapping)` on can be matched with steps of `b` that are not matched yet."""
    i = len(mapping)
    if i == len(a):
        return True
    wanted = _step_key(a.steps[i], catalogue, [str(mapping.get(k)) for k in range(i)])
    matched = set(mapping.values())
    candidates = (j for j, key in enumerate(step_keys(b, catalogue)) if j not in matched and key == wanted)
    return any(_match(a, b, catalogue, {**mapping, i: j}) for j in candidates)


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


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _step_key(step: Step, catalogue: Catalogue, names: Sequence[str]) -> str:
    """The step as text: its arguments sorted, and each referenced step named by `names`."""
    tool = catalogue.tool(step.tool)
    arguments = []
    for name in sorted(step.arguments):
        argument = tool.argument(name) if tool else None
        value = step.arguments[name]
        is_set = argument is not None and bool(argument.schema.get("uniqueItems"))
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
