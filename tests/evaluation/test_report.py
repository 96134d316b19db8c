"""The report of an evaluation: tables, remarks and examples, worked out by hand."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from platypus.commands.evaluate import evaluate
from platypus.evaluation.report import MEASURES, MORE, as_markdown, table
from tests.commands.test_evaluate import AFTER, BEFORE, Oracle, examples, new_run, use


def interval(value: float, *, rows: int = 4) -> dict[str, Any]:
    return {"value": value, "low": value / 2, "high": value, "rows": rows, "clusters": rows}


def variant(exact: float, *, malformed: dict[str, int], cut: int = 0) -> dict[str, Any]:
    return {
        "model": f"model {exact}",
        "tokens_per_second": 12.5,
        "measures": {"exact": interval(exact), "valid": interval(0.75), "word_f1": interval(0.5, rows=2)},
        "by_length": {"2": {"exact": interval(exact, rows=3)}},
        "by_tool": {},
        "by_argument": {"number": interval(exact, rows=2)},
        "mistakes": {"wrong tool": 2},
        "confusions": [],
        "published": {"bfcl_ast": interval(exact)},
        "clusters": 4,
        "malformed": malformed,
        "cut": cut,
    }


REPORT = {
    "rows": 4,
    "of": 9,
    "variants": {"before": variant(0.25, malformed={"json": 2}), "after": variant(0.5, malformed={"calls": 1}, cut=3)},
    "examples": [{"query": "Go", "after": "# no heading\n```"}],
}
PAGE = """\
# Evaluation

4 of 9 rows, in 4 clusters of rows that are alike. Brackets hold 95% bootstrap intervals over clusters, in percent.

- before: model 0.25, 12.5 tokens/s
- after: model 0.5, 12.5 tokens/s

| measure | before | after | rows |
| --- | ---: | ---: | ---: |
| valid plans | 75.0% [37.5, 75.0] | 75.0% [37.5, 75.0] | 4 |
| exact plans | 25.0% [12.5, 25.0] | 50.0% [25.0, 50.0] | 4 |
| word F1 | 50.0% [25.0, 50.0] | 50.0% [25.0, 50.0] | 2 |

## Exact plans by length of the gold plan

| length of the gold plan | before | after | rows |
| ---: | ---: | ---: | ---: |
| 2 | 25.0% [12.5, 25.0] | 50.0% [25.0, 50.0] | 3 |

## Right arguments by kind of value

| kind of value | before | after |
| --- | ---: | ---: |
| number | 25.0% [12.5, 25.0] | 50.0% [25.0, 50.0] |

## Mistakes

| rows with | before | after |
| --- | ---: | ---: |
| wrong tool | 2 | 2 |

## Malformed answers

| first problem | before | after |
| --- | ---: | ---: |
| json | 2 | 0 |
| calls | 0 | 1 |

## By the definitions of published benchmarks

| definition | before | after |
| --- | ---: | ---: |
| bfcl_ast | 25.0% [12.5, 25.0] | 50.0% [25.0, 50.0] |

## Limits and confidence

- after: 3 answers were cut by a limit

## Examples

    {
      "query": "Go",
      "after": "# no heading\\n```"
    }
"""


def test_the_page_by_hand() -> None:
    assert as_markdown(REPORT) == PAGE


@pytest.mark.parametrize(
    ("exact_if_sure", "others", "weighted", "known"),
    [
        (0.625, "62.5% are exact", False, "fitted to 40 validation rows"),
        (None, "none is", True, "with the base's weights, fitted to 40 validation rows"),
    ],
)
def test_confidence_is_reported_before_and_after_the_calibration(
    exact_if_sure: float | None, others: str, weighted: bool, known: str
) -> None:
    confidence = {
        "weighted": weighted,
        "fitted_rows": 40,
        "brier": {"probability": 0.25, "confidence": 0.125},
        "calibration_error": {"probability": 0.3, "confidence": 0.05},
        "min_confidence": 0.9,
        "not_sure": 2,
        "exact_if_sure": exact_if_sure,
    }
    report = {**REPORT, "variants": {"after": {**variant(0.5, malformed={}), "confidence": confidence}}}
    remarks = as_markdown(report).split("## Limits and confidence\n\n")[1].split("\n\n")[0].splitlines()
    assert remarks == [
        f"- after: confidence, {known}: Brier score 0.250 → 0.125, calibration error 30.0% → 5.0%",
        f"- after: not sure of 2 plans (below 90%); of the others {others}",
    ]


def test_the_terminal_table_has_every_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Oracle("the base", BEFORE), Oracle("the adapter", AFTER))
    shown = io.StringIO()
    results = evaluate(new_run(tmp_path, examples())).results
    Console(width=120, file=shown).print(table(results))
    cells = {
        line.split("│")[1].strip(): line.split("│")[2:4]
        for line in shown.getvalue().splitlines()
        if line.count("│") == 5
    }
    assert [cell.split()[0] for cell in cells["valid plans"]] == ["25.0%", "100.0%"]
    assert [cell.split()[0] for cell in cells["references"]] == ["0.0%", "50.0%"]
    measured = results["variants"]["after"]["measures"]
    assert list(cells) == [title for name, title in MEASURES.items() if name in measured]
    assert set(measured) <= {*MEASURES, *MORE}


def test_brackets_in_texts_of_data_are_shown_as_they_are() -> None:
    shown = io.StringIO()
    named = {"[b]": variant(0.5, malformed={})}
    Console(width=120, file=shown).print(table({**REPORT, "variants": named, "left_out": "no '^[/a-z]+$', no '[a-z]'"}))
    assert "no '^[/a-z]+$', no '[a-z]'" in shown.getvalue() and "[b]" in shown.getvalue()


def test_a_planner_that_refuses_most_requests_is_named() -> None:
    refusing = {**variant(0.5, malformed={}), "measures": {"exact": interval(0.2), "wrong_refusals": interval(0.96)}}
    report = {**REPORT, "variants": {"after": refusing}}
    assert "- after: refuses 96.0% of the requests that the tools can answer" in as_markdown(report)
