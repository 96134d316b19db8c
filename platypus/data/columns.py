"""The keys of rows: other names for them, what a row has that is not used, and what it must not lose.

A key may differ from a known one in case and in spaces around it: `Instruction` is `instruction`. Other names are given
by the user: `{"query": "question"}` says that the key `question` of the rows is what is called `query` here.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from platypus.errors import DatasetError

Columns = Mapping[str, str]  # known name → the name in the rows

KINDS = (  # the keys that make a row one of this kind, and those that are used
    (frozenset({"query", "plan"}), frozenset({"query", "plan", "catalogue", "tools", "origin"})),
    (frozenset({"messages"}), frozenset({"messages", "origin"})),
    (frozenset({"instruction", "output"}), frozenset({"instruction", "input", "output", "origin"})),
)
FOREIGN = {"messages", "conversations", "conversation", "answers", "functions", "system", "history"}
FOREIGN |= {"prompt", "completion", "chat", "sample", "id"}
KNOWN = frozenset(FOREIGN.union(*(used for _, used in KINDS)))
COMPANIONS = {  # keys without which a row says something else
    "system": "a system prompt",
    "history": "earlier turns of a conversation",
    "images": "pictures",
    "image": "a picture",
    "videos": "films",
    "audio": "sound",
    "audios": "sound",
}
TEXTS = ("query", "instruction", "input", "output")
GUESSES = {  # what other data sets call them
    "query": ("question", "request", "prompt", "user", "task"),
    "plan": ("answer", "answers", "steps", "calls"),
    "messages": ("chat", "dialog", "dialogue", "turns"),
    "instruction": ("question", "prompt", "query", "request", "task", "user"),
    "input": ("context", "passage", "document"),
    "output": ("answer", "response", "completion", "target", "reply", "assistant"),
}
SHOWN = 20  # keys in a message


def check_columns(columns: Columns) -> None:
    """Raise ValueError, with what is wrong and the remedy, for names that no row has, or one name for two."""
    for name, own in columns.items():
        if name not in KNOWN:
            turned = f'The known key comes first: {own} = "{name}".'
            remedy = turned if own in KNOWN else f"Known keys are {', '.join(sorted(KNOWN))}."
            raise ValueError(f"columns gives a name for {name!r}, which is no key of a row", remedy)
    if len({*columns.values()}) < len(columns):
        raise ValueError("columns gives the same column two meanings", "Name each column once.")


def parse_columns(texts: Iterable[str]) -> dict[str, str]:
    """The columns in texts like `query=question`. Raises DatasetError."""
    columns = {}
    for text in texts:
        name, equals, own = text.partition("=")
        if not name or not equals or not own:
            raise DatasetError(
                f"is not KEY=COLUMN: {text!r}", where="--columns", remedy="Write it like query=question."
            )
        columns[name] = own
    try:
        check_columns(columns)
    except ValueError as error:
        raise DatasetError(error.args[0], where="--columns", remedy=error.args[1]) from error
    return columns


def check_found(columns: Columns, found: Iterable[str], *, where: str, keys: Iterable[str] = ()) -> None:
    """Raise DatasetError for a column that no row has. `keys` are those of the rows, for the remedy."""
    missing = sorted({*columns.values()} - {*found})
    if missing:
        name = next(name for name, own in columns.items() if own == missing[0])
        raise DatasetError(
            f"no row has the column `{missing[0]}`, which `columns` gives for `{name}`",
            where=where,
            remedy="Correct its name, or take it out." + (f" The rows have: {_listed(keys)}." if keys else ""),
        )


def renamed(row: Mapping[str, Any], columns: Columns) -> Mapping[str, Any]:
    """The row under the known names: `{"Question": …}` → `{"query": …}` with `{"query": "Question"}`.

    A key that another one takes the place of keeps its value under a name that tells so, as one that is not used.
    """
    names = {own: name for name, own in columns.items() if own in row}
    for key in row:
        known = _known(key) if isinstance(key, str) else None
        if known and known != key and known not in row and key not in names and known not in names.values():
            names[key] = known
    if not names:
        return row
    taken = {*names.values()}
    return {names.get(key, f"{key} (replaced)" if key in taken else key): value for key, value in row.items()}


def unused(row: Mapping[str, Any], *, used: frozenset[str] | None = None) -> list[str]:
    """The keys of a row of a known kind that hold something and are not used."""
    for needed, its_keys in KINDS if used is None else ():
        if row.keys() >= needed:
            used = its_keys
            break
    if used is None:
        return []
    others = [str(key) for key, value in row.items() if key not in used and _holds(value)]
    is_origin = isinstance(row.get("origin"), Mapping)
    return others if is_origin or not _holds(row.get("origin")) else [*others, "origin"]


def lost_companion(row: Mapping[str, Any]) -> str | None:
    """Why a row must not be used without one of its keys; None if it may."""
    key = next((key for key in COMPANIONS if _holds(row.get(key))), None)
    if key is None:
        return None
    return f"`{key}` holds {COMPANIONS[key]}, which is not learned; put its text under another key, or take it out"


def numbers_as_text(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with its numbers as text, where a row has text: `{"output": 3}` → `{"output": "3"}`."""
    numbers = {key: str(row[key]) for key in TEXTS if _is_number(row.get(key))}
    return {**row, **numbers} if numbers else row


def unknown_keys(rows: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """For rows of no known kind: which keys they have, and what to do."""
    keys = [*dict.fromkeys(str(key) for row in rows for key in row)]
    lowered = {key.strip().casefold(): key for key in keys}
    best: dict[str, str] = {}
    for needed, _ in KINDS:
        guess = _guess(sorted(needed), lowered)
        best = guess if len(guess) == len(needed) else best
    example = best or {"query": "…", "plan": "…"}
    named = ", ".join(f'{name} = "{own}"' for name, own in example.items())
    remedy = (
        'A row is {"query": …, "plan": [...]}, {"instruction": …, "input": …, "output": …} or '
        '{"messages": [{"role": …, "content": …}, …]}, one a line. '
        f"Other names are given under [refine]: columns = {{{named}}}."
    )
    return f"holds no rows of a known kind; the keys of its rows are: {_listed(keys)}", remedy


def _listed(keys: Iterable[str]) -> str:
    names = [*keys]
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _guess(needed: Iterable[str], lowered: Mapping[str, str]) -> dict[str, str]:
    found = {name: [lowered[word] for word in (name, *GUESSES[name]) if word in lowered] for name in needed}
    return {name: words[0] for name, words in found.items() if words}


@lru_cache(maxsize=1024)
def _known(key: str) -> str | None:
    folded = key.strip().casefold()
    return folded if folded in KNOWN else None


def _holds(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
