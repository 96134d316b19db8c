"""Answers in a file as predictions for the rows of a test set: plans, or what a model said.

A line is a JSON object with the answer under `plan`, `answer`, `prediction`, `response` or `output`: a plan as JSON, or
a text in either notation. Lines with a `query` belong to the row with this request; without one, to the row at their
place. `scores.jsonl` of an evaluation is such a file; of several variants, the last one's answers count.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.data.sources import decode_row, read_raw_rows
from platypus.errors import DatasetError
from platypus.evaluation.answering import Said
from platypus.plan.notation import Notation, read_plan
from platypus.plan.plan import Malformed, Plan, Problem, plan_from_json

KEYS = ("plan", "answer", "prediction", "response", "output")
MISSING = Said("", Malformed("", (Problem("missing", "there is no answer to this row"),)), None)


def read_predictions(source: str, rows: Sequence[Example], tools: Catalogue | None) -> list[Said]:
    """The answer to each row; a row without one is answered by nothing, which is wrong.

    Raises DatasetError for lines that are no predictions, for those of no row, and where lines without `query` are not
    as many as rows.
    """
    lines = [_line(decode_row(entry).data, f"{source}:{entry.line}") for entry in read_raw_rows(source)]
    if variants := [line["variant"] for line in lines if "variant" in line]:
        lines = [line for line in lines if line.get("variant") == variants[-1]]
    if not any("query" in line for line in lines):
        if len(lines) != len(rows):
            what = f"has {len(lines)} answers for {len(rows)} rows, and does not say to which they belong"
            raise DatasetError(what, where=source, remedy="Give each line the `query` of its row.")
        return [said_of(_answer(line), row.known_tools(tools)) for line, row in zip(lines, rows, strict=True)]
    answers: dict[str, list[Any]] = defaultdict(list)
    for line in lines:
        answers[line.get("query", "")].append(_answer(line))
    found = [
        said_of(answers[row.query].pop(0), row.known_tools(tools)) if answers.get(row.query) else MISSING
        for row in rows
    ]
    if left := [query for query, others in answers.items() if others]:
        what = f"has answers that belong to no row, the first to {left[0]!r}"
        raise DatasetError(what, where=source, remedy="Score them against the rows that were asked, once each.")
    return found


def said_of(answer: Any, tools: Catalogue | None) -> Said:
    """A plan as JSON, or a text in either notation, as an answer."""
    if not isinstance(answer, str):
        text, plan, said = json.dumps(answer), plan_from_json(answer, tools), plan_from_json(answer)
    else:
        notation: Notation = "json" if answer.lstrip().startswith(("[", "{")) else "calls"
        text, plan, said = answer, read_plan(answer, notation, tools), read_plan(answer, notation, None)
    return Said(text, plan, said if isinstance(said, Plan) else None)


def _line(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or not any(data.get(key) is not None for key in KEYS):
        named = ", ".join(f"`{key}`" for key in KEYS)
        raise DatasetError("is no prediction", where=where, remedy=f"A line has the answer under one of {named}.")
    if not isinstance(data.get("query", ""), str):
        raise DatasetError("has a `query` that is no text", where=where, remedy="Write the request as it was asked.")
    return data


def _answer(line: Mapping[str, Any]) -> Any:
    return next(line[key] for key in KEYS if line.get(key) is not None)
