"""check: recognises a catalogue, recipe, plan or dataset, and lists every problem in it with its place.

What kind of file it is shows in its suffix (`.toml` a recipe, `.jsonl` a dataset) or in what it holds. A dataset may
also be a folder or a name on the hub; it is read as `refine` reads it, but nothing is repaired. A catalogue may also be
Python functions or a server. A recipe with a mistake raises its error; bad tools, rows and plans are listed.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from platypus.catalogue.kinds import Note
from platypus.catalogue.reading import read_catalogue, read_tools
from platypus.catalogue.sources.source import LINES, YAML, Source, file_of, shown
from platypus.catalogue.sources.tool_lists import FORMAT as TOOL_LIST
from platypus.catalogue.sources.tool_lists import TOOL_LISTS
from platypus.catalogue.tools import Catalogue
from platypus.data.columns import KINDS, Columns
from platypus.data.dataset import Dataset, read_dataset
from platypus.data.formats.formats import format_of
from platypus.data.sources import holds_rows
from platypus.errors import CatalogueError, PlatypusError
from platypus.files import expanded, read_text, write_whole
from platypus.generation.plans.conventions import Conventions, Habit
from platypus.plan.plan import Malformed, parse_plan
from platypus.prompt.base_files import QuickTokenizer, context_of
from platypus.prompt.prompt import Prompt
from platypus.run.conventions_settings import ConventionsSettings
from platypus.run.places import Places, names
from platypus.run.recipe import read_recipe
from platypus.run.settings import PromptSettings

KEY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:')
ROW_KEYS = {"query", "instruction", "input", "output", "messages"}
PLAN_KEYS = {"tool_name", "arguments", "argument_name", "argument_value"}
TOOL_KEYS = {"name", "tool_name", "function", "inputSchema", "parameters", "result", *TOOL_LISTS}
TOOL_KEYS |= {"mcpServers", "servers", "mcp", "openapi", "swagger"}
PLACES = 3  # places that a note names
LONGEST = 3  # tools that are listed with their tokens
FILES = "A catalogue is a JSON list of tools, a plan a JSON list of steps, a dataset rows, a recipe TOML."


@dataclass(frozen=True)
class FileProblem:
    """One problem: the file, the line if it is known, and the reason."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line is not None else f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class TokenCount:
    """What tools cost in a prompt of a base, in tokens by tool: in full and in brief. `limit` is what they may cost.

    `shown` is how a planner shows them: in `full`, in `brief`, or `some` of them to each request, in brief.
    """

    base: str
    limit: int
    full: dict[str, int]
    brief: dict[str, int]
    shown: Literal["full", "brief", "some"]

    def __str__(self) -> str:
        full, brief = (sum(tokens.values()) for tokens in (self.full, self.brief))
        sizes = f"{full:,} tokens in full, {brief:,} in brief ({median(self.full.values()):.0f} and"
        longest = sorted(self.full, key=lambda name: -self.full[name])[:LONGEST]
        listed = ", ".join(f"{name} {self.full[name]}" for name in longest)
        return f"{sizes} {median(self.brief.values()):.0f} a tool; the longest: {listed}); {self._meaning()}"

    def _meaning(self) -> str:
        shown = {
            "full": "is shown them in full",
            "brief": "is shown them in brief",
            "some": "each request is shown those most similar to it",
        }
        room = f"the base {self.base!r} has room for {self.limit:,} in a recipe's default cutoff"
        return f"{room}, and {shown[self.shown]}"


@dataclass(frozen=True)
class Report:
    """What the source is, in a few words, and its problems.

    `unused` counts the rows of a dataset that hold something under a key or column that is not used. `notes` say what
    of a catalogue's schemas was given up, `habits` what a dataset's rows do where the catalogue leaves a choice: no
    problems.
    """

    file: str
    kind: str
    summary: str
    problems: tuple[FileProblem, ...] = ()
    unused: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    habits: tuple[Habit, ...] = ()
    tokens: TokenCount | None = None

    def __str__(self) -> str:
        others = ", ".join(f"`{key}` ({count})" for key, count in self.unused.items())
        lines = [*map(str, self.problems), *([f"{self.file}: not used: {others}"] if others else [])]
        lines += [f"{self.file}: note: {line}" for line in _grouped(self.notes)]
        lines += [f"{self.file}: habit: {habit}" for habit in self.habits]
        lines.append(f"{self.file}: {self.kind}, {self.summary}")
        return "\n".join([*lines, *([f"{self.file}: {self.tokens}"] if self.tokens else [])])

    def to_json(self) -> dict[str, Any]:
        """All fields, for `--json`."""
        return {
            **asdict(self),
            "notes": [note._asdict() for note in self.notes],
            "habits": [habit._asdict() for habit in self.habits],
        }


def _grouped(notes: Sequence[Note]) -> Iterator[str]:
    """The notes by keyword and by what was done, each with its count and its first places."""
    groups: dict[tuple[str, str], list[Note]] = {}
    for note in notes:
        groups.setdefault((note.keyword, note.done), []).append(note)
    for (keyword, done), group in groups.items():
        places = [f"{note.tool}{note.place}" for note in group]
        more = f", and {len(places) - PLACES} more" if len(places) > PLACES else ""
        what = f"`{keyword}` {done}" if keyword else done
        yield f"{what} ({', '.join(places[:PLACES])}{more})"


def check(
    source: str | Path,
    *,
    catalogue: str | Path | None = None,
    only: Sequence[str] = (),
    columns: Columns | None = None,
    write: Path | None = None,
    base: str = "embedded",
) -> Report:
    """The report on one source. Raises the error of a catalogue, recipe or dataset that cannot be read at all.

    `only` names the wanted parts of the catalogue: of the source, or of `catalogue` if that is given. `columns` has
    other names for the keys of a dataset, and so says that it is one. The tools of a catalogue are written to the file
    `write`, as a JSON list in MCP's form; their tokens are counted for `base`.
    """
    tools = read_catalogue(catalogue, only=only) if catalogue is not None else None
    kind = "dataset" if columns else _kind(str(source))
    if kind == "catalogue":
        return _check_catalogue(str(source), only=() if tools else only, write=write, base=base)
    if write is not None or (only and tools is None):
        raise PlatypusError("is no catalogue", where=str(source), remedy="Leave --write and --only out.")
    if kind == "dataset":
        return _check_dataset(Path(source), tools, columns or {})
    return _check_recipe(Path(source)) if kind == "recipe" else _check_plan(Path(source), tools)


def _kind(source: str) -> Literal["catalogue", "recipe", "plan", "dataset"]:
    """What a source is: by its name or suffix, or by what its file holds."""
    if file_of(source) != source or Path(source).suffix in (".py", *YAML):
        return "catalogue"
    path = expanded(source, error=PlatypusError)
    if holds_rows(path):
        return "catalogue" if path.suffix in LINES and _begins_with_a_tool(path) else "dataset"
    if path.is_dir() or (not path.is_file() and path.suffix not in (".json", ".toml", ".txt")):
        return "dataset"
    if path.suffix == ".toml":
        return "recipe"
    text = _read(path)
    keys = KEY.findall(text)
    entries = _entries(text)
    if entries and text.lstrip().startswith("{") and _is_request(entries[0]):
        return "catalogue"
    if (keys and keys[0] in ROW_KEYS) or any(map(_is_row, entries or ())):
        return "dataset"
    if "argument_value" in keys or (PLAN_KEYS.issuperset(keys) and text.lstrip().startswith("[")):
        return "plan"
    is_catalogue = entries is None or any(not isinstance(one, dict) or TOOL_KEYS & one.keys() for one in entries)
    return "catalogue" if is_catalogue else "dataset"


def _begins_with_a_tool(path: Path) -> bool:
    """Whether the first line of JSON Lines is a tool, or several, and no row of a dataset."""
    with path.open("rb") as file:
        try:
            first = json.loads(next((line for line in file if line.strip()), b""))
        except (ValueError, RecursionError):
            return False
    return not _is_row(first) and TOOL_LIST.recognises(Source(str(path), [first]))


def _entries(text: str) -> list[Any] | None:
    """The entries of a JSON list, or the one value that the text holds; None if it is not JSON."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, list) else [data]


def _is_request(entry: Any) -> bool:
    """Whether it is the body of a request to a model: tools, and messages without an answer."""
    messages = entry.get("messages") if isinstance(entry, dict) and "tools" in entry else None
    if not isinstance(messages, list):
        return False
    return "assistant" not in [one.get("role") for one in messages if isinstance(one, dict)]


def _is_row(entry: Any) -> bool:
    """Whether it is a row of a known kind. A row may bring tools, but is none."""
    is_known = isinstance(entry, dict) and any(entry.keys() >= needed for needed, _ in KINDS)
    return is_known or format_of(entry) is not None


def _read(file: Path) -> str:
    return read_text(file, error=PlatypusError, remedy=FILES, resave=FILES)


def _check_catalogue(source: str, *, only: Sequence[str], write: Path | None, base: str) -> Report:
    reading = read_tools(source, only=only)
    tools = reading.catalogue
    problems = tuple(FileProblem(reading.where, None, _reason(fault, reading.where)) for fault in reading.faults)
    left_out = f", {len(reading.skipped)} that cannot be used" if reading.skipped else ""
    summary = f"{len(tools)} tools{left_out}, fingerprint {tools.fingerprint}"
    if write is not None:
        write_whole(write, json.dumps(tools.to_json(), indent=2, ensure_ascii=False) + "\n")
        summary += f", written to {write}"
    return Report(shown(source), "catalogue", summary, problems, notes=reading.notes, tokens=_tokens(tools, base))


def _tokens(tools: Catalogue, base: str) -> TokenCount | None:
    """What the tools cost in a prompt of the base; None if its tokenizer is not on this machine."""
    tokenizer = QuickTokenizer.of(base)
    if tokenizer is None:
        return None
    context = context_of(base)
    prompt = Prompt.of(tokenizer, tools, PromptSettings()).fitted(context)
    return TokenCount(
        base=base,
        limit=prompt.tool_limit(context),
        full=replace(prompt, rendering="full").tool_tokens,
        brief=replace(prompt, rendering="brief").tool_tokens,
        shown=prompt.rendering if prompt.has_room(context) else "some",
    )


def _reason(fault: CatalogueError, source: str) -> str:
    """What is wrong with a tool, where in the source, and the remedy, in one line."""
    where = fault.where.removeprefix(source).removeprefix(", ")
    return ": ".join(filter(None, (where, fault.what))) + (f". {fault.remedy}" if fault.remedy else "")


def _check_recipe(file: Path) -> Report:
    recipe = read_recipe(file)
    places = Places.of(file, recipe)
    problems = [
        FileProblem(str(file), None, f"{name}: there is no such file or folder. {places.explanation(name)}")
        for name in names(recipe)
        if places.is_missing(name)
    ]
    catalogue = "no catalogue" if recipe.catalogue is None else f"catalogue {recipe.catalogue!r}"
    return Report(str(file), "recipe", f"base {recipe.base!r}, {catalogue}", tuple(problems))


def _check_plan(file: Path, catalogue: Catalogue | None) -> Report:
    plan = parse_plan(_read(file), catalogue)
    if isinstance(plan, Malformed):
        problems = tuple(FileProblem(str(file), None, str(problem)) for problem in plan.problems)
        return Report(str(file), "plan", "not valid", problems)
    return Report(str(file), "plan", f"{len(plan)} steps")


def _check_dataset(file: Path, catalogue: Catalogue | None, columns: Columns) -> Report:
    dataset = read_dataset(str(file), catalogue, columns=columns)
    problems = tuple(FileProblem(bad.file, bad.line, bad.reason) for bad in dataset.rejected)
    summary = f"{len(dataset.rows)} good rows, {len(problems)} bad{_repairable(dataset, file, catalogue, columns)}"
    summary += _conversions(dataset)
    return Report(str(file), "dataset", summary, problems, dataset.unused, habits=_habits(dataset, catalogue))


def _habits(dataset: Dataset, catalogue: Catalogue | None) -> tuple[Habit, ...]:
    """How the rows use the catalogue where it leaves a choice."""
    return tuple(Conventions.learn(dataset.rows, catalogue, ConventionsSettings()).habits()) if catalogue else ()


def _repairable(dataset: Dataset, file: Path, catalogue: Catalogue | None, columns: Columns) -> str:
    """How many of the bad rows `refine` repairs, if it does."""
    if not dataset.rejected:
        return ""
    mended = len(read_dataset(str(file), catalogue, lenient=True, columns=columns).rows) - len(dataset.rows)
    return f" ({mended} of them `refine` repairs)" if mended > 0 else ""


def _conversions(dataset: Dataset) -> str:
    """Which foreign formats the good rows had, and what of them was left out or changed, with counts."""
    formats = Counter(row.origin["format"] for row in dataset.rows if "format" in row.origin)
    notes = Counter(note.rpartition(" (")[0] for row in dataset.repaired for note in row.repairs)
    read = ", ".join(f"{count} as {name}" for name, count in formats.items())
    changed = ", ".join(f"{note} ({count})" for note, count in notes.items())
    return (f"; read {read}" if read else "") + (f"; {changed}" if changed else "")
