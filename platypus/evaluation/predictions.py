"""Answers in a file as predictions for the rows of a test set: plans, or what a model said.

A line is a JSON object with the answer under `plan`, `answer`, `prediction`, `response` or `output`: a plan as JSON, or
a text in either notation; null is no answer. Lines with a `query` belong to the row with this request; without one, to
the row at their place. `scores.jsonl` of an evaluation is such a file; of several variants, the answers of the last one
count.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Rejected
from platypus.data.sources import decode_row, read_raw_rows
from platypus.errors import DatasetError
from platypus.evaluation.answering import Said
from platypus.plan.notation import Notation, read_plan
from platypus.plan.plan import Malformed, Plan, Problem, plan_from_json

KEYS = ("plan", "answer", "prediction", "response", "output")
MISSING = Said("", Malformed("", (Problem("missing", "there is no answer to this row"),)), None)


def read_predictions(source: str, rows: Sequence[Example | Rejected], tools: Catalogue | None) -> list[Said]:
    """The answer to each row that can be used; a row without one is answered by nothing, which is wrong.

    Answers to the other rows are left out with them, if they are there. Raises DatasetError for lines that are no
    predictions, for those of no row, and where lines without `query` are not as many as rows.
    """
    lines = [_line(decode_row(entry).data, f"{source}:{entry.line}") for entry in read_raw_rows(source)]
    if variants := [line["variant"] for line in lines if "variant" in line]:
        lines = [line for line in lines if line.get("variant") == variants[-1]]
    if any("query" in line for line in lines):
        return _by_request(source, lines, rows, tools)
    usable = [row for row in rows if isinstance(row, Example)]
    answered = usable if len(lines) == len(usable) else rows
    if len(lines) != len(answered):
        what = f"has {len(lines)} answers for {len(rows)} rows, and does not say to which they belong"
        raise DatasetError(what, where=source, remedy="Give each line the `query` of its row.")
    pairs = zip(answered, map(_answer, lines), strict=True)
    return [_said(answer, row, tools) for row, answer in pairs if isinstance(row, Example)]


def _by_request(
    source: str, lines: Sequence[Mapping[str, Any]], rows: Sequence[Example | Rejected], tools: Catalogue | None
) -> list[Said]:
    answers: dict[str | None, list[Any]] = defaultdict(list)
    for line in lines:
        answers[line.get("query", "")].append(_answer(line))
    usable = Counter(row.query for row in rows if isinstance(row, Example))
    found = []
    for row in rows:
        waiting = answers.get(_request(row), [])
        if isinstance(row, Example):
            usable[row.query] -= 1
            found.append(_said(waiting.pop(0) if waiting else None, row, tools))
        elif len(waiting) > usable[_request(row) or ""]:
            waiting.pop(0)
    if left := [query for query, others in answers.items() if others]:
        what = f"has answers that belong to no row, the first to {left[0]!r}"
        raise DatasetError(what, where=source, remedy="Score them against the rows that were asked, once each.")
    return found


def _request(row: Example | Rejected) -> str | None:
    """The request of a row, as far as it can be read."""
    if isinstance(row, Example):
        return row.query
    query = row.row.get("query") if isinstance(row.row, Mapping) else None
    return query if isinstance(query, str) else None


def _said(answer: Any, row: Example, tools: Catalogue | None) -> Said:
    return MISSING if answer is None else said_of(answer, row.known_tools(tools))


def said_of(answer: Any, tools: Catalogue | None) -> Said:
    """A plan as JSON, or a text in either notation, as an answer."""
    if not isinstance(answer, str):
        text, plan, said = json.dumps(answer), plan_from_json(answer, tools), plan_from_json(answer)
    else:
        notation: Notation = "json" if answer.lstrip().startswith(("[", "{")) else "calls"
        text, plan, said = answer, read_plan(answer, notation, tools), read_plan(answer, notation, None)
    return Said(text, plan, said if isinstance(said, Plan) else None)


def _line(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or not any(key in data for key in KEYS):
        named = ", ".join(f"`{key}`" for key in KEYS)
        raise DatasetError("is no prediction", where=where, remedy=f"A line has the answer under one of {named}.")
    if not isinstance(data.get("query", ""), str):
        raise DatasetError("has a `query` that is no text", where=where, remedy="Write the request as it was asked.")
    return data


def _answer(line: Mapping[str, Any]) -> Any:
    return next((line[key] for key in KEYS if line.get(key) is not None), None)
