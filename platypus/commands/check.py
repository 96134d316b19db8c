"""check: recognises a catalogue, recipe, plan or dataset file, and lists every problem in it with its place.

The kind of file is recognised by its suffix (`.toml` is a recipe, `.jsonl` a dataset) or, in JSON, by its keys. A
mistake in a catalogue or recipe raises its error; bad rows and bad plans are listed.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import read_dataset
from platypus.errors import PlatypusError
from platypus.files import read_text
from platypus.plan.plan import Malformed, parse_plan
from platypus.run.recipe import read_recipe

KEY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:')
ROW_KEYS = {"query", "instruction", "input", "output"}
PLAN_KEYS = {"tool_name", "arguments", "argument_name", "argument_value"}
KINDS = "A catalogue is a JSON list of tools, a plan a JSON list of steps, a dataset JSON or JSONL rows, a recipe TOML."


@dataclass(frozen=True)
class FileProblem:
    """One problem: the file, the line if it is known, and the reason."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line is not None else f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class Report:
    """The kind of the file, a short summary, and its problems."""

    file: str
    kind: str
    summary: str
    problems: tuple[FileProblem, ...] = ()

    def __str__(self) -> str:
        return "\n".join([*map(str, self.problems), f"{self.file}: {self.kind}, {self.summary}"])

    def to_json(self) -> dict[str, Any]:
        """All fields, for `--json`."""
        return asdict(self)


def check(file: Path, *, catalogue: Path | None = None) -> Report:
    """The report on one file. Raises the error of a catalogue, recipe or dataset that cannot be read at all."""
    tools = read_catalogue(catalogue) if catalogue is not None else None
    return _check_of(file)(file, tools)


def _check_of(file: Path) -> Callable[[Path, Catalogue | None], Report]:
    if file.suffix == ".toml":
        return _check_recipe
    if file.suffix == ".jsonl":
        return _check_dataset
    text = _read(file)
    keys = KEY.findall(text)
    if keys and keys[0] in ROW_KEYS:
        return _check_dataset
    if "argument_value" in keys or (PLAN_KEYS.issuperset(keys) and text.lstrip().startswith("[")):
        return _check_plan
    return _check_catalogue


def _read(file: Path) -> str:
    return read_text(file, error=PlatypusError, remedy=KINDS, resave=KINDS)


def _check_catalogue(file: Path, _: Catalogue | None) -> Report:
    tools = read_catalogue(file)
    return Report(str(file), "catalogue", f"{len(tools)} tools, fingerprint {tools.fingerprint}")


def _check_recipe(file: Path, _: Catalogue | None) -> Report:
    recipe = read_recipe(file)
    return Report(str(file), "recipe", f"base {recipe.base!r}, catalogue {recipe.catalogue!r}")


def _check_plan(file: Path, catalogue: Catalogue | None) -> Report:
    plan = parse_plan(_read(file), catalogue)
    if isinstance(plan, Malformed):
        problems = tuple(FileProblem(str(file), None, str(problem)) for problem in plan.problems)
        return Report(str(file), "plan", "not valid", problems)
    return Report(str(file), "plan", f"{len(plan)} steps")


def _check_dataset(file: Path, catalogue: Catalogue | None) -> Report:
    dataset = read_dataset(str(file), catalogue)
    problems = tuple(FileProblem(bad.file, bad.line, bad.reason) for bad in dataset.rejected)
    return Report(str(file), "dataset", f"{len(dataset.rows)} good rows, {len(problems)} bad", problems)
