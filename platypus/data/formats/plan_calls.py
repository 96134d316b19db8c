"""`{"query": …, "plan": […]}` whose steps are calls: `{"type": "function", "function": {"name": …, "arguments": …}}`.

Steps in xLAM's form, `{"name": …, "arguments": {…}}`, are read if the row brings its own tools, as xLAM's rows do;
otherwise they are nearly a plan, which `refine` repairs.
"""

from collections.abc import Mapping
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.dialogues import planner_row
from platypus.data.formats.tool_calls import calls_from, tools_from
from platypus.plan.plan import parse_json

KEYS = frozenset({"query", "plan", "tools", "catalogue", "origin"})


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether all steps of the plan are calls."""
    plan = row.get("plan") if "query" in row else None
    if isinstance(plan, str) and plan.lstrip().startswith("[") and '"name"' in plan:
        plan = parse_json(plan)
    if not isinstance(plan, list) or not plan or not all(isinstance(step, Mapping) for step in plan):
        return False
    named = all(isinstance(step.get("name"), str) and isinstance(step.get("arguments"), Mapping) for step in plan)
    return all(_is_openai(step) for step in plan) or (named and bool(row.get("tools")))


def _is_openai(step: Mapping[str, Any]) -> bool:
    function = step.get("function")
    return step.get("type", "function") == "function" and isinstance(function, Mapping) and "name" in function


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    made = planner_row(row["query"], calls_from(row["plan"], "`plan`"), tools_from(row.get("tools")))
    return made._replace(row={**row, **made.row})


FORMAT = Format("plan of calls", KEYS, recognises, convert)
