"""check: recognises a catalogue, recipe, plan or dataset file, and lists every problem in it with its place.

What kind of file it is shows in its suffix (`.toml` a recipe, `.jsonl` a dataset) or in what it holds. A dataset may
also be a folder or a name on the hub; it is read as `refine` reads it, but nothing is repaired. A catalogue or recipe
with a mistake raises its error; bad rows and bad plans are listed.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platypus.catalogue.reading import TOOL_LISTS, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.columns import Columns
from platypus.data.dataset import Dataset, read_dataset
from platypus.data.sources import holds_rows
from platypus.errors import PlatypusError
from platypus.files import read_text
from platypus.plan.plan import Malformed, parse_plan
from platypus.run.recipe import read_recipe

KEY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:')
ROW_KEYS = {"query", "instruction", "input", "output", "messages"}
PLAN_KEYS = {"tool_name", "arguments", "argument_name", "argument_value"}
TOOL_KEYS = {"name", "tool_name", "function", "inputSchema", "parameters", "result", *TOOL_LISTS}
KINDS = "A catalogue is a JSON list of tools, a plan a JSON list of steps, a dataset rows, a recipe TOML."


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
    """What the file is, in a few words, and its problems.

    `unused` counts the rows of a dataset that hold something under a key or column that is not used.
    """

    file: str
    kind: str
    summary: str
    problems: tuple[FileProblem, ...] = ()
    unused: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        others = ", ".join(f"`{key}` ({count})" for key, count in self.unused.items())
        lines = [*map(str, self.problems), *([f"{self.file}: not used: {others}"] if others else [])]
        return "\n".join([*lines, f"{self.file}: {self.kind}, {self.summary}"])

    def to_json(self) -> dict[str, Any]:
        """All fields, for `--json`."""
        return asdict(self)


def check(file: Path, *, catalogue: Path | None = None, columns: Columns | None = None) -> Report:
    """The report on one file. Raises the error of a catalogue, recipe or dataset that cannot be read at all.

    `columns` has other names for the keys of a dataset, and so says that it is one.
    """
    tools = read_catalogue(catalogue) if catalogue is not None else None
    if columns or _is_dataset(file):
        return _check_dataset(file, tools, columns or {})
    return _check_of(file)(file, tools)


def _is_dataset(file: Path) -> bool:
    """Whether it can only be a dataset: by its suffix, or as it is a folder, or a name on the hub."""
    return holds_rows(file) or file.is_dir() or (not file.is_file() and file.suffix not in (".json", ".toml", ".txt"))


def _check_of(file: Path) -> Callable[[Path, Catalogue | None], Report]:
    if file.suffix == ".toml":
        return _check_recipe
    text = _read(file)
    keys = KEY.findall(text)
    if keys and keys[0] in ROW_KEYS:
        return _check_rows
    if "argument_value" in keys or (PLAN_KEYS.issuperset(keys) and text.lstrip().startswith("[")):
        return _check_plan
    return _check_rows if _is_no_catalogue(text) else _check_catalogue


def _is_no_catalogue(text: str) -> bool:
    """Whether it is JSON, but neither tools nor a list of them."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    entries = data if isinstance(data, list) else [data]
    return all(isinstance(entry, dict) and not TOOL_KEYS & entry.keys() for entry in entries)


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


def _check_rows(file: Path, catalogue: Catalogue | None) -> Report:
    return _check_dataset(file, catalogue, {})


def _check_dataset(file: Path, catalogue: Catalogue | None, columns: Columns) -> Report:
    dataset = read_dataset(str(file), catalogue, columns=columns)
    problems = tuple(FileProblem(bad.file, bad.line, bad.reason) for bad in dataset.rejected)
    summary = f"{len(dataset.rows)} good rows, {len(problems)} bad{_conversions(dataset)}"
    return Report(str(file), "dataset", summary, problems, dataset.unused)


def _conversions(dataset: Dataset) -> str:
    """Which foreign formats the good rows had, and what of them was left out or changed, with counts."""
    formats = Counter(row.origin["format"] for row in dataset.rows if "format" in row.origin)
    notes = Counter(note.rpartition(" (")[0] for row in dataset.repaired for note in row.repairs)
    read = ", ".join(f"{count} as {name}" for name, count in formats.items())
    changed = ", ".join(f"{note} ({count})" for note, count in notes.items())
    return (f"; read {read}" if read else "") + (f"; {changed}" if changed else "")
