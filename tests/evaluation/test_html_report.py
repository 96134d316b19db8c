"""The page of a report: what it holds, that it needs no network, and that it works in Chromium."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from platypus.data.dataset import Example
from platypus.evaluation import html_report
from platypus.evaluation.answering import Said, ScoredRow, scored
from platypus.evaluation.html_report import SHOWN, as_html
from platypus.evaluation.summary import confidence, summary
from platypus.inference.calibration import Calibration
from tests.evaluation.test_metrics import CATALOGUE, plan
from tests.evaluation.test_plots import CURVE
from tests.evaluation.test_summary import ROWS, answered
from tests.serving.page.conftest import browser  # noqa: F401  # a fixture

NASTY = 'Sum <script>alert(1)</script> & "1" </script>'
AFTER = [*ROWS, answered(NASTY, 'sum(of="<b>x</b>")', "sum(of=1)", 0.4)]
BEFORE = [
    scored(row.row, Said("me()", plan("me()"), plan("me()")), CATALOGUE)
    for row in AFTER
    if isinstance(row.row, Example)
]


def report_of(**variants: Sequence[ScoredRow]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    parts = {name: {"model": f"the {name}", **summary(rows, resamples=10, seed=0)} for name, rows in variants.items()}
    rows = len(next(iter(variants.values())))
    lines = [{"variant": name, **row.to_json()} for name, answers in variants.items() for row in answers]
    return {"rows": rows, "of": rows, "data": "x.jsonl", "seed": 0, "variants": parts, "examples": []}, lines


@pytest.fixture(scope="module")
def html() -> str:
    report, lines = report_of(before=BEFORE, after=AFTER)
    report["variants"]["after"]["confidence"] = confidence(AFTER, Calibration(1, 0, 5), least=0.0)
    executed = {"right_outcome": report["variants"]["after"]["measures"]["exact"], "rows": {"same outcome": 1}}
    other = {"query": "Who?", "gold": [], "plan": [{"tool_name": "me", "arguments": []}]}
    report["variants"]["after"]["executed"] = {**executed, "other_plans": [other], "first_failure": ""}
    report["curve"] = CURVE
    report["training"] = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "valid_loss": 1.5}]
    return as_html(report, lines)


def test_it_has_figures_plots_tables_and_rows(html: str) -> None:
    for text in ("<b>50.0%</b>", "before 16.7%", "Loss", "Calibration (after)", "Risk over coverage (after)"):
        assert text in html
    for text in ("Tools called in place of others (after)", "taskbench_node_f1", "Right arguments by kind of value"):
        assert text in html
    for text in ("with mock tools, right outcome 50.0% [", "Other plans with the same outcome", "<td>me()</td>"):
        assert text in html
    assert "Exact plans by training examples" in html and html.count("<svg") == 9


def test_it_loads_nothing_and_shows_data_as_text_only(html: str) -> None:
    for text in ("src=", "href=", "@import", "url(http"):
        assert text not in html.replace('xlink:href="#', "").replace('href="#', "")
    assert "<script>alert" not in html and "<b>x</b>" not in html
    assert html.count("</script>") == 2


def test_without_rows_it_says_why() -> None:
    assert "<p>There is &lt;nothing&gt;.</p>" in as_html({"rows": 0, "reason": "There is <nothing>."}, [])


def test_without_matplotlib_the_rest_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_report, "can_plot", lambda: False)
    page = as_html(*report_of(after=AFTER))
    assert "<svg" not in page and "Plots need matplotlib" in page and "exact plans" in page


def test_of_many_rows_the_wrong_ones_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_report, "can_plot", lambda: False)
    right, wrong = answered("Who am I?", "me()", "me()"), answered("The sprint", "me()", "sprint()")
    page = as_html(*report_of(after=[right] * SHOWN + [wrong] * 2))
    assert "2 rows, exact ones first, are only in scores.jsonl." in page
    rows = page.split('id="rows">')[1]
    assert rows.index("The sprint") < rows.index("Who am I?") and rows.count("The sprint") == 2


@pytest.mark.parametrize("width", [1280, 390])
def test_rows_are_filtered_and_drawn(html: str, width: int, tmp_path: Path, browser: Any) -> None:  # noqa: F811
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: problems.append(request.url) if "report.html" not in request.url else None)
    page.goto(f"file://{tmp_path / 'report.html'}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#list .row").count() == len(AFTER) and page.locator("#found").inner_text() == "6 of 6 rows"
    page.select_option("#kind", "wrong tool")
    assert page.locator("#list .request").all_inner_texts() == ["The sprint"]
    page.locator("#list summary").click()
    page.locator("#list .plan").first.wait_for()  # drawn when the row is open, a moment later
    assert page.locator("#list .step.differs").all_inner_texts() == ["1 sprint", "1 me", "1 me"]
    page.select_option("#kind", "")
    page.fill("#text", "ALL OF")
    page.locator("#list summary").click()
    page.locator("#list .plan").first.wait_for()
    assert page.locator("#list .row").count() == 1
    assert "owner = output of 1" in page.locator("#list .step").nth(1).inner_text()
    assert page.locator("#list .plan").first.locator("path").count() == 3
    page.fill("#text", "alert")
    assert page.locator("#list .request").all_inner_texts() == [NASTY]
    page.select_option("#variant", "before")
    assert page.locator("#list .badge").all_inner_texts() == ["wrong tool"]
    page.close()
    assert problems == []
