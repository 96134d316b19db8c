"""The report of an evaluation as one HTML page that opens without a network: figures, plots, tables, and every row.

Style and script are in `page/`. Whatever comes from data is escaped.
"""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from platypus.evaluation.intervals import Interval
from platypus.evaluation.mistakes import MISTAKES
from platypus.evaluation.plots import (
    MOST,
    calibration,
    can_plot,
    counts,
    learning_curve,
    losses,
    rates,
    risk_coverage,
)
from platypus.evaluation.report import MEASURES, MORE, measure_rows, other_plan_rows, published_rows, remarks

PAGE = Path(__file__).parent / "page"
PLANS = ("exact", "valid", "tool_sequence", "argument_f1", "reference_accuracy", "correct_refusals", "wrong_refusals")
HEADLINE = (*PLANS, "text_exact", "word_f1")
SHOWN = 1000  # rows on the page; wrong ones first


def as_html(report: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> str:
    """The page of a report; `lines` are those of `scores.jsonl`."""
    body = f"<h1>Evaluation</h1>{_intro(report)}"
    if report["rows"]:
        variants: Mapping[str, Any] = report["variants"]
        parts = [_headline(variants), _plots(report), _tables(report), _browser(_rows(lines), [*variants])]
        body += "\n".join(parts)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>Evaluation</title><style>{_file('report.css')}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>\n{body}\n</main></body></html>\n'


@cache
def _file(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _text(value: object) -> str:
    return html.escape(str(value))


def _intro(report: Mapping[str, Any]) -> str:
    if not report["rows"]:
        return f"<p>{_text(report['reason'])}</p>"
    part = next(iter(report["variants"].values()))
    rows = f"{report['rows']} of {report['of']} rows in {part['clusters']} clusters of rows that are alike"
    said = [f"{rows}. Brackets and thin lines are 95% intervals."]
    said += [f"{name}: {variant['model']}" for name, variant in report["variants"].items()]
    said += [f"data: {report['data']}"] if report.get("data") else []
    said += [report["left_out"]] if report.get("left_out") else []
    return "".join(f'<p class="soft">{_text(line)}</p>' for line in [*said, *remarks(report["variants"])])


def _headline(variants: Mapping[str, Any]) -> str:
    """The last variant's figures, with those of the others below."""
    *others, (_, last) = variants.items()
    cards = []
    for name in HEADLINE:
        if name in last["measures"]:
            value = Interval(**last["measures"][name])
            span = f"[{100 * value.low:.1f}, {100 * value.high:.1f}]"
            was = [
                f"{other} {part['measures'][name]['value']:.1%}" for other, part in others if name in part["measures"]
            ]
            lines = "".join(
                f"<span>{_text(line)}</span>" for line in [MEASURES[name], span, *was, f"{value.rows} rows"]
            )
            cards.append(f'<div class="figure"><b>{value.value:.1%}</b>{lines}</div>')
    return f'<div class="headline">{"".join(cards)}</div>'


# ---------------------------------------------------------------- plots


def _plots(report: Mapping[str, Any]) -> str:
    if not can_plot():
        return "<p>Plots need matplotlib: pip install 'platypus-llm[train]'</p>"
    variants: Mapping[str, Any] = report["variants"]
    measures = {MEASURES[name]: _of(variants, "measures", name) for name in MEASURES}
    drawn = {"All metrics": rates("all", {name: parts for name, parts in measures.items() if parts})}
    if report.get("training"):
        drawn["Loss"] = losses("loss", report["training"])
    if report.get("curve"):
        drawn["Exact plans by training examples"] = learning_curve("curve", report["curve"])
    groups = {"by_length": "Exact plans by steps of the gold plan", "by_tool": "Exact plans by tool in the gold plan"}
    for key, title in groups.items():
        if found := _exact(variants, key):
            drawn[title] = rates(key, found)
    if kinds := {
        kind: _of(variants, "by_argument", kind) for part in variants.values() for kind in part["by_argument"]
    }:
        drawn["Right arguments by kind of value"] = rates("kinds", kinds)
    made = [kind for kind in MISTAKES if any(kind in part["mistakes"] for part in variants.values())]
    if made:
        counted = {kind: {name: part["mistakes"].get(kind, 0) for name, part in variants.items()} for kind in made}
        drawn["Rows with each mistake"] = counts("mistakes", counted)
    for name, part in variants.items():
        if known := part.get("confidence"):
            drawn[f"Calibration ({name})"] = calibration(f"calibration {name}", known["bins"])
            drawn[f"Risk over coverage ({name})"] = risk_coverage(f"risk {name}", known["risk_coverage"])
    figures = [f"<figure><figcaption>{_text(title)}</figcaption>{svg}</figure>" for title, svg in drawn.items()]
    return f'<h2>Plots</h2><div class="plots">{"".join(figures)}</div>'


def _of(variants: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    return {variant: part[key][name] for variant, part in variants.items() if name in part[key]}


def _exact(variants: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """The rates of exact plans in each group; of many groups, those with the most rows."""
    last = [*variants.values()][-1][key]
    most = sorted(last, key=lambda name: -last[name]["exact"]["rows"])[:MOST]
    return {
        name: {variant: part[key][name]["exact"] for variant, part in variants.items() if name in part[key]}
        for name in last
        if name in most
    }


# ---------------------------------------------------------------- tables


def _tables(report: Mapping[str, Any]) -> str:
    variants: Mapping[str, Any] = report["variants"]
    shown = [_measures_table(variants, MEASURES)]
    if any(name in part["measures"] for part in variants.values() for name in MORE):
        shown.append(_folded("More metrics", _measures_table(variants, MORE)))
    if rows := published_rows(variants):
        shown.append(_folded("By the definitions of published benchmarks", _table(rows)))
    if others := other_plan_rows(variants):
        shown.append(_folded("Other plans with the same outcome", _table(others)))
    for name, part in variants.items():
        if part["confusions"]:
            pairs = [[pair["gold"], pair["answer"], str(pair["count"])] for pair in part["confusions"]]
            title = f"Tools called in place of others ({name})"
            shown.append(_folded(title, _table([["tool of the gold plan", "called instead", "calls"], *pairs])))
    origin = {key: report[key] for key in ("seed", "resamples", "commit", "versions", "fingerprints") if key in report}
    return f"<h2>Tables</h2>{''.join(shown)}{_folded('Origin', f'<pre>{_text(json.dumps(origin, indent=2))}</pre>')}"


def _measures_table(variants: Mapping[str, Any], names: Mapping[str, str]) -> str:
    head, *rest = measure_rows(variants, names)
    return _table([["metric", *head[1:]], *rest])


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = [[_text(cell) for cell in row] for row in rows]
    lines = [
        f"<tr><th>{'</th><th>'.join(head)}</th></tr>",
        *(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rest),
    ]
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _folded(title: str, content: str) -> str:
    return f'<details class="more"><summary>{_text(title)}</summary>{content}</details>'


# ---------------------------------------------------------------- rows


def _rows(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each row with the answers of all variants, which stand in the same order; wrong ones first, by the last."""
    by_variant: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        by_variant.setdefault(line["variant"], []).append(line)
    rows = [_row(dict(zip(by_variant, answered, strict=True))) for answered in zip(*by_variant.values(), strict=True)]
    return sorted(rows, key=lambda row: bool([*row["answers"].values()][-1]["exact"]))


def _row(lines: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    first = next(iter(lines.values()))
    answers = {
        variant: {
            **{key: line[key] for key in ("answer", "problems", "mistakes", "probability")},
            "plan": line.get("said", line["plan"]),
            "exact": line["score"]["exact"],
        }
        for variant, line in lines.items()
    }
    return {"request": _request(first), "gold": first["gold"], "answers": answers}


def _request(line: Mapping[str, Any]) -> str:
    if "query" in line:
        return str(line["query"])
    if "messages" in line:
        return " ".join(message["content"] for message in line["messages"])
    return " ".join(part for part in (line["instruction"], line["input"]) if part)


def _browser(rows: Sequence[Mapping[str, Any]], variants: Sequence[str]) -> str:
    """The rows as data, and the filters that `report.js` uses."""
    left = len(rows) - SHOWN
    note = f'<p class="soft">{left} rows, exact ones first, are only in scores.jsonl.</p>' if left > 0 else ""
    names = "".join(f"<option>{_text(name)}</option>" for name in reversed(variants))
    kinds = [("", "all"), ("wrong", "not exact"), ("exact", "exact"), *((kind, kind) for kind in MISTAKES)]
    choices = "".join(f'<option value="{value}">{label}</option>' for value, label in kinds)
    filters = f'<label>answers of<select id="variant">{names}</select></label>'
    filters += f'<label>rows<select id="kind">{choices}</select></label>'
    filters += '<label>request contains<input id="text" type="search"></label><span id="found" class="soft"></span>'
    data = json.dumps(rows[:SHOWN], ensure_ascii=False, default=str).replace("<", "\\u003c")
    script = f'<script type="application/json" id="rows">{data}</script><script>{_file("report.js")}</script>'
    more = '<button id="more" type="button" hidden>Show more</button>'
    return f'<h2>Rows</h2>{note}<div class="filters">{filters}</div><div id="list"></div>{more}{script}'
