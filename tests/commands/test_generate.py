"""The generate command: rows that read back, and the coverage report beside them."""

import json
from pathlib import Path

from platypus.commands.generate import generate
from platypus.data.dataset import read_dataset
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
    assert outcome.results["covered"]["tools"] == "3 of 3"
    assert generate(run).skipped
