"""The report of an evaluation: the metrics of all variants side by side, for the terminal and as Markdown."""

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from platypus.evaluation.metrics import Interval
from platypus.reports import markdown_table

MEASURES = {
    "valid": "valid plans",
    "exact": "exact plans",
    "tool_sequence": "tool sequence",
    "tool_f1": "tool F1",
    "argument_f1": "argument F1",
    "reference_accuracy": "references",
    "correct_refusals": "correct refusals",
    "wrong_refusals": "wrong refusals",
    "text_exact": "exact texts",
    "word_f1": "word F1",
}


def table(results: Mapping[str, Any]) -> Table | Text:
    """The metrics of all variants side by side, for the terminal; without test rows, that there are none."""
    if not results["rows"]:
        return Text(results["reason"])
    shown = Table(title=f"{results['rows']} test requests, 95% intervals", title_justify="left")
    for heading in _measure_rows(results)[0]:
        shown.add_column(heading, justify="left" if heading == "measure" else "right")
    for cells in _measure_rows(results)[1:]:
        shown.add_row(*cells)
    shown.caption, shown.caption_justify = "\n".join(_remarks(results["variants"])), "left"
    return shown


def as_markdown(report: Mapping[str, Any]) -> str:
    """The report as a Markdown page."""
    if not report["rows"]:
        return f"# Evaluation\n\n{report['reason']}\n"
    variants: Mapping[str, Any] = report["variants"]
    models = [f"- {name}: {part['model']}, {part['tokens_per_second']} tokens/s" for name, part in variants.items()]
    rows = f"{report['rows']} of {report['of']} test rows. Brackets hold 95% bootstrap intervals, in percent."
    sections = ["# Evaluation", rows, "\n".join(models), markdown_table(_measure_rows(report))]
    for title, key in (("length of the gold plan", "by_length"), ("tool in the gold plan", "by_tool")):
        if variants["after"][key]:
            sections += [f"## Exact plans by {title}", markdown_table(_group_rows(variants, key, title))]
    sections += ["## Malformed answers", markdown_table(_malformed_rows(variants))]
    if remarks := _remarks(variants):
        sections += ["## Limits and confidence", "\n".join(f"- {remark}" for remark in remarks)]
    sections += ["## Examples"]
    sections += [_fenced(example) for example in report["examples"]]
    return "\n\n".join(sections) + "\n"


def _remarks(variants: Mapping[str, Any]) -> list[str]:
    """Remarks on answers that were cut, and on confidence."""
    remarks = [f"{name}: {part['cut']} answers were cut by a limit" for name, part in variants.items() if part["cut"]]
    for name, part in variants.items():
        if confidence := part.get("confidence"):
            score, errors = confidence["brier"], confidence["calibration_error"]
            remarks.append(
                f"{name}: confidence, fitted to {confidence['fitted_rows']} validation rows: Brier score"
                f" {score['probability']:.3f} → {score['confidence']:.3f},"
                f" calibration error {errors['probability']:.1%} → {errors['confidence']:.1%}"
            )
            if confidence["min_confidence"]:
                others = (
                    "none is" if confidence["exact_if_sure"] is None else f"{confidence['exact_if_sure']:.1%} are exact"
                )
                remarks.append(
                    f"{name}: not sure of {confidence['not_sure']} plans (below {confidence['min_confidence']:.0%});"
                    f" of the others {others}"
                )
    return remarks


def _measure_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """A heading, then one row for each metric that has rows."""
    parts = [part["measures"] for part in report["variants"].values()]
    named = [name for name in MEASURES if name in parts[0]]
    cells = [[MEASURES[name], *(_cell(part[name]) for part in parts), str(parts[0][name]["rows"])] for name in named]
    return [["measure", *report["variants"], "rows"], *cells]


def _group_rows(variants: Mapping[str, Any], key: str, title: str) -> list[list[str]]:
    parts = [part[key] for part in variants.values()]
    cells = [
        [name, *(_cell(part[name]["exact"]) for part in parts), str(parts[0][name]["exact"]["rows"])]
        for name in parts[0]
    ]
    return [[title, *variants, "rows"], *cells]


def _malformed_rows(variants: Mapping[str, Any]) -> list[list[str]]:
    kinds = sorted({kind for part in variants.values() for kind in part["malformed"]})
    cells = [[kind, *(str(part["malformed"].get(kind, 0)) for part in variants.values())] for kind in kinds]
    return [["first problem", *variants], *cells]


def _cell(interval: Mapping[str, Any]) -> str:
    return str(Interval(**interval))


def _fenced(example: Mapping[str, Any]) -> str:
    """One example as JSON in an indented code block, which no text of a model can end."""
    text = json.dumps(example, indent=2, ensure_ascii=False)
    return "\n".join(f"    {line}" for line in text.split("\n"))
