"""The report of an evaluation: the metrics of all variants side by side, for the terminal and as Markdown."""

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from platypus.evaluation.intervals import Interval
from platypus.plan.notation import print_plan
from platypus.plan.plan import Plan, plan_from_json
from platypus.reports import escaped, markdown_table

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
MORE = {
    "strict_exact": "exact plans, in gold's order",
    "call_accuracy": "whole calls",
    "edge_f1": "edge F1",
    "argument_name_f1": "argument name F1",
    "tool_f1_macro": "tool F1, mean of rows",
    "edge_f1_macro": "edge F1, mean of rows",
    "argument_name_f1_macro": "argument name F1, mean of rows",
    "argument_f1_macro": "argument F1, mean of rows",
    "reference_steps": "referred steps",
    "refusal_precision": "refusals that are correct",
}
OFTEN = 0.5  # the share of wrong refusals from which the report warns of them


def table(results: Mapping[str, Any]) -> Table | Text:
    """The metrics of all variants side by side, for the terminal; without test rows, that there are none.

    What comes from data is Text, in which brackets are no markup.
    """
    if not results["rows"]:
        return Text(results["reason"])
    shown = Table(title=f"{results['rows']} test requests, 95% intervals", title_justify="left")
    head, *rest = measure_rows(results["variants"])
    for heading in head:
        shown.add_column(Text(heading), justify="left" if heading == "measure" else "right")
    for cells in rest:
        shown.add_row(*map(Text, cells))
    left_out = [results["left_out"]] if results.get("left_out") else []
    caption = "\n".join([*left_out, *remarks(results["variants"])])
    shown.caption, shown.caption_justify = Text(caption, style="table.caption"), "left"
    return shown


def as_markdown(report: Mapping[str, Any]) -> str:
    """The report as a Markdown page."""
    if not report["rows"]:
        return f"# Evaluation\n\n{report['reason']}\n"
    variants: Mapping[str, Any] = report["variants"]
    models = [f"- {name}: {part['model']}{_speed(part)}" for name, part in variants.items()]
    clusters = next(iter(variants.values()))["clusters"]
    rows = f"{report['rows']} of {report['of']} rows, in {clusters} clusters of rows that are alike."
    rows += " Brackets hold 95% bootstrap intervals over clusters, in percent."
    rows += f" {report['left_out']}." if report.get("left_out") else ""
    sections = ["# Evaluation", rows, "\n".join(models), markdown_table(measure_rows(variants))]
    if len(more := measure_rows(variants, MORE)) > 1:
        sections += ["## More metrics", markdown_table(more)]
    for title, key in (("length of the gold plan", "by_length"), ("tool in the gold plan", "by_tool")):
        if any(part[key] for part in variants.values()):
            sections += [f"## Exact plans by {title}", markdown_table(_group_rows(variants, key, title))]
    if kinds := list(dict.fromkeys(kind for part in variants.values() for kind in part["by_argument"])):
        head = ["kind of value", *variants]
        cells = [[kind, *(_cell(part["by_argument"].get(kind)) for part in variants.values())] for kind in kinds]
        sections += ["## Right arguments by kind of value", markdown_table([head, *cells])]
    sections += ["## Mistakes", markdown_table(_counted(variants, "mistakes", "rows with"))]
    sections += ["## Malformed answers", markdown_table(_counted(variants, "malformed", "first problem"))]
    if rows_published := published_rows(variants):
        sections += ["## By the definitions of published benchmarks", markdown_table(rows_published)]
    if others := other_plan_rows(variants):
        sections += ["## Other plans with the same outcome", markdown_table([[escaped(c) for c in r] for r in others])]
    if said := remarks(variants):
        sections += ["## Limits and confidence", "\n".join(f"- {remark}" for remark in said)]
    sections += ["## Examples"]
    sections += [_fenced(example) for example in report["examples"]]
    return "\n\n".join(sections) + "\n"


def _calibrated(confidence: Mapping[str, Any]) -> str:
    score, errors = confidence["brier"], confidence["calibration_error"]
    known = ["with the base's weights"] if confidence.get("weighted") else []  # evaluations of older versions don't say
    known += [f"fitted to {confidence['fitted_rows']} validation rows"] if confidence["fitted_rows"] else []
    if not known:
        return (
            f"probability, not calibrated: Brier score {score['probability']:.3f},"
            f" calibration error {errors['probability']:.1%}"
        )
    return (
        f"confidence, {', '.join(known)}: Brier score"
        f" {score['probability']:.3f} → {score['confidence']:.3f},"
        f" calibration error {errors['probability']:.1%} → {errors['confidence']:.1%}"
    )


def _speed(part: Mapping[str, Any]) -> str:
    return f", {part['tokens_per_second']} tokens/s" if part.get("tokens_per_second") else ""


def remarks(variants: Mapping[str, Any]) -> list[str]:
    """Remarks on answers that were cut, on refusals, and on confidence."""
    said = [f"{name}: {part['cut']} answers were cut by a limit" for name, part in variants.items() if part["cut"]]
    for name, part in variants.items():
        refused = part["measures"].get("wrong_refusals", {"value": 0.0})["value"]
        if refused >= OFTEN:
            said.append(f"{name}: refuses {refused:.1%} of the requests that the tools can answer")
    said += [
        f"{name}: apart from look-ups by name and from what words imply, exact {_cell(part['apart']['exact'])}"
        for name, part in variants.items()
        if part.get("apart")
    ]
    said += [f"{name}: {_ran(part['executed'])}" for name, part in variants.items() if part.get("executed")]
    for name, part in variants.items():
        if confidence := part.get("confidence"):
            said.append(f"{name}: {_calibrated(confidence)}")
            if confidence["min_confidence"]:
                others = (
                    "none is" if confidence["exact_if_sure"] is None else f"{confidence['exact_if_sure']:.1%} are exact"
                )
                said.append(
                    f"{name}: not sure of {confidence['not_sure']} plans (below {confidence['min_confidence']:.0%});"
                    f" of the others {others}"
                )
    return said


def _ran(executed: Mapping[str, Any]) -> str:
    """What came of running the plans with mock tools, in a sentence."""
    rows = executed["rows"]
    others = f"{rows.get('same outcome', 0)} of them by another plan than gold's"
    untold = rows.get("gold fails", 0) + rows.get("gold does nothing", 0)
    why = f" ({executed['first_failure']})" if executed["first_failure"] else ""
    left = f"; of {untold} other rows gold cannot be run, or shows nothing{why}" if untold else ""
    return f"with mock tools, right outcome {_cell(executed['right_outcome'])}, {others}{left}"


def other_plan_rows(variants: Mapping[str, Any]) -> list[list[str]]:
    """A heading, then a row for each of the first plans that are not gold's and do the same; none if there are none."""
    cells = [
        [name, other["query"], *(plan_line(other[key]) for key in ("gold", "plan"))]
        for name, part in variants.items()
        for other in part.get("executed", {}).get("other_plans", ())
    ]
    return [["variant", "request", "gold", "does the same"], *cells] if cells else []


def plan_line(answer: Any) -> str:
    """A plan's JSON as calls on one line; whatever else was answered, as it is."""
    plan = plan_from_json(answer)
    return print_plan(plan, "calls").replace("\n", "; ") if isinstance(plan, Plan) else str(answer)


def published_rows(variants: Mapping[str, Any]) -> list[list[str]]:
    """A heading, then one row for each published definition that has rows; none if no answers are plans."""
    names = list(dict.fromkeys(name for part in variants.values() for name in part["published"]))
    cells = [[name, *(_cell(part["published"].get(name)) for part in variants.values())] for name in names]
    return [["definition", *variants], *cells] if cells else []


def measure_rows(variants: Mapping[str, Any], titles: Mapping[str, str] = MEASURES) -> list[list[str]]:
    """A heading, then one row for each metric that has rows, with the intervals of all variants."""
    parts = [part["measures"] for part in variants.values()]
    named = {name: dict.fromkeys(str(part[name]["rows"]) for part in parts if name in part) for name in titles}
    cells = [
        [titles[name], *(_cell(part.get(name)) for part in parts), " / ".join(n)] for name, n in named.items() if n
    ]
    return [["measure", *variants, "rows"], *cells]


def _group_rows(variants: Mapping[str, Any], key: str, title: str) -> list[list[str]]:
    parts = [part[key] for part in variants.values()]
    cells = [
        [name, *(_cell(part[name]["exact"]) for part in parts), str(parts[0][name]["exact"]["rows"])]
        for name in parts[0]
    ]
    return [[title, *variants, "rows"], *cells]


def _counted(variants: Mapping[str, Any], key: str, title: str) -> list[list[str]]:
    kinds = list(dict.fromkeys(kind for part in variants.values() for kind in part[key]))
    cells = [[kind, *(str(part[key].get(kind, 0)) for part in variants.values())] for kind in kinds]
    return [[title, *variants], *cells]


def _cell(interval: Mapping[str, Any] | None) -> str:
    return str(Interval(**interval)) if interval else ""


def _fenced(example: Mapping[str, Any]) -> str:
    """One example as JSON in an indented code block, which no text of a model can end."""
    text = json.dumps(example, indent=2, ensure_ascii=False)
    return "\n".join(f"    {line}" for line in text.split("\n"))
