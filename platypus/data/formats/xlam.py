r"""xLAM: `{"query": …, "answers": "[{\"name\": …, \"arguments\": {…}}]", "tools": "[…]"}`, lists or their JSON texts.

Several answers are the steps of one plan; `[]` says that the tools cannot do it.
"""

from collections.abc import Mapping
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import planner_row
from platypus.data.formats.tool_calls import calls_from, tools_from

KEYS = frozenset({"query", "answers", "tools"})


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether the row has a request and answers to it."""
    return row.keys() >= {"query", "answers"} and "plan" not in row and isinstance(row["answers"], str | list)


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    return planner_row(row["query"], calls_from(row["answers"], "`answers`"), tools_from(row.get("tools")))


FORMAT = Format("xLAM", KEYS, recognises, convert)
