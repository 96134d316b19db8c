"""The generate command: rows that read back, and the coverage report beside them."""

import json
from pathlib import Path

import pytest

from platypus.commands.generate import generate
from platypus.data.dataset import read_dataset
from platypus.errors import RunError
from platypus.run.folder import Run
from tests.support.command import ROOT


def test_the_stage_writes_rows_that_read_back(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    catalogue = ROOT / "examples" / "crm" / "catalogue.json"
    recipe.write_text(f'catalogue = "{catalogue}"\n[generate]\nexamples = 60\n')
    run = Run.open(tmp_path / "run", recipe=recipe)
    outcome = generate(run)
    rows = read_dataset(str(outcome.folder / "examples.jsonl"), run.catalogue)
    assert len(rows.rows) == 60 and rows.rejected == ()
    report = json.loads((outcome.folder / "report.json").read_text())
    assert set(report["tools"]["counts"]) == {"search", "action_item", "summarize"}
    assert report["shapes"]["uncovered"][0]["what"] == "fan-in"
    assert "| shapes | 5 | 4 |" in (outcome.folder / "report.md").read_text()
    assert outcome.results["covered"]["tools"] == "3 of 3" and outcome.results["covered"]["at least"] == "5 times"
    assert outcome.results["uncovered"] == ["fan-in"]
    assert generate(run).skipped


def test_no_examples_are_an_error(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'catalogue = "{ROOT}/examples/crm/catalogue.json"\n[generate]\nexamples = 0\n')
    with pytest.raises(RunError, match="asks for no examples"):
        generate(Run.open(tmp_path / "run", recipe=recipe))


def test_plans_follow_the_habits_of_the_user_s_rows(tmp_path: Path) -> None:
    catalogue = ROOT / "examples" / "worktracker" / "catalogue.json"
    plan = '[{"tool_name": "works_list", "arguments": [{"argument_name": "stage.name", "argument_value": ["x"]}]}]'
    rows = [f'{{"query": "Find {number}", "plan": {plan}}}\n' for number in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    recipe = tmp_path / "recipe.toml"

    def stages(tables: str) -> tuple[float, str, bool]:
        text = f'catalogue = "{catalogue}"\n[generate]\nexamples = 80\ncoverage = 1\n[refine]\ndata = ["rows.jsonl"]\n'
        recipe.write_text(text + tables)
        run = Run.open(tmp_path / "run", recipe=recipe)
        outcome = generate(run)
        made = read_dataset(str(outcome.folder / "examples.jsonl"), run.catalogue).rows
        calls = [step for row in made for step in row.plan if step.tool == "works_list"]  # type: ignore[union-attr]
        shown = (outcome.folder / "report.md").read_text().partition("## Habits of your rows")[2]
        return sum("stage.name" in step.arguments for step in calls) / len(calls), shown, outcome.skipped

    learned, shown, _ = stages("")
    assert learned > 0.6 and "works_list.stage.name: always given in 30 of 30" in shown
    assert stages("")[2]
    plain, shown, skipped = stages("[conventions]\nlearn = false\n")
    assert plain < 0.4 and not shown and not skipped
