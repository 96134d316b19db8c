"""Whether a call is valid for the schema that its server wrote, by the library `jsonschema`; nothing of ours is used.

The judge takes the draft that the schema declares, and draft 2020-12 too where the schema is one. Formats are asserted
where this project asserts them; patterns are read by the package `regex`, which knows `\\p{L}`. A value that refers to
an earlier output cannot be judged: neither it nor what depends on all arguments of its call is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import regex
from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend, validator_for

from platypus.plan.plan import Plan, Reference, Step, value_to_json

FORMATS = FormatChecker(("date", "time", "email", "ipv4", "ipv6", "uuid"))
INPUTS = ("inputSchema", "input_schema", "parameters")


@FORMATS.checks("date-time", ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not regex.search(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _multiple_of(validator: Any, factor: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "number") and Fraction(str(value)) % Fraction(str(factor)):
        yield ValidationError(f"{value!r} is not a multiple of {factor}")


OURS = {"pattern": _pattern, "multipleOf": _multiple_of}


def server_tools(path: Path) -> dict[str, Any]:
    """Tool → its input schema as the file has it, of a list of tools or an answer to `tools/list`."""
    data = json.loads(path.read_text(encoding="utf-8"))
    while isinstance(data, Mapping):
        data = data.get("tools", data.get("result"))
    entries = [entry.get("function", entry) for entry in data]
    given = {entry["name"]: next((entry[key] for key in INPUTS if entry.get(key)), {}) for entry in reversed(entries)}
    return {name: given[name] for name in given}


class Judge:
    """Judges calls by the input schemas of a server."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._validators = {name: list(_validators(schema)) for name, schema in schemas.items()}

    def problems(self, plan: Plan) -> list[str]:
        """What is wrong with the calls of a plan for their server; empty if nothing is."""
        return [f"{step.tool}: {problem}" for step in plan for problem in self._step(step)]

    def _step(self, step: Step) -> Iterator[str]:
        arguments = {name: value_to_json(value) for name, value in step.arguments.items()}
        unknown = {
            name
            for name, value in step.arguments.items()
            if any(isinstance(part, Reference) for part in (value if isinstance(value, list) else [value]))
        }
        for validator in self._validators[step.tool]:
            for error in validator.iter_errors(arguments):
                about_all = not error.path and error.validator not in ("required", "additionalProperties")
                if not unknown or not (about_all or (error.path and error.path[0] in unknown)):
                    yield f"{error.json_path}: {error.message}"


def _validators(schema: Any) -> Iterator[Any]:
    kinds = [Draft202012Validator]
    if isinstance(schema, Mapping) and "$schema" in schema:
        kinds.append(validator_for(schema, default=Draft202012Validator))
    if re.search(r'"exclusiveM(in|ax)imum": (true|false)', json.dumps(schema)):
        kinds = [Draft4Validator]
    elif len(kinds) > 1 and re.search(r'"items": \[', json.dumps(schema)):
        kinds = kinds[1:]  # a tuple of earlier drafts is no schema of 2020-12
    for kind in dict.fromkeys(kinds):
        yield extend(kind, OURS)(schema, format_checker=FORMATS)
