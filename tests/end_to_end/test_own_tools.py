"""A run without a catalogue whose rows bring their own tools: from rows in a public format to a planner."""

import json
from pathlib import Path

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.commands.chat import plan
from platypus.commands.evaluate import evaluate
from platypus.commands.merge import merge
from platypus.commands.refine import refine
from platypus.commands.train import train
from platypus.errors import RunError
from platypus.run.folder import Run
from tests.support.tiny_models import tiny_llama

RECIPE = """
base = "BASE"
[prompt]
notation = "calls"
cutoff = 1024
[generate]
examples = 0
[refine]
data = ["rows.jsonl"]
bad_rows = "skip"
near_duplicate = 1.0
contamination = 1.0
test_fraction = 0.2
[train]
epochs = 1
batch_size = 4
rank = 2
shuffle_tools = true
[evaluate]
max_new_tokens = 30
"""
ISLES = ["Amrum", "Föhr", "Sylt", "Juist", "Borkum", "Baltrum", "Langeoog", "Norderney"]
WAYS = {
    "ferry": "Book a ferry to {}",
    "tide": "When is high water at {}, please?",
    "boat": "I want to hire a boat on {}",
}


def tool(name: str) -> dict[str, object]:
    parameters = {"isle": {"type": "str", "description": "Which"}, "n": {"type": "int, optional", "default": 1}}
    return {"name": name, "description": f"The {name}.", "parameters": parameters}


def rows() -> list[dict[str, object]]:
    made: list[dict[str, object]] = [
        {
            "query": way.format(isle),
            "answers": json.dumps([{"name": name, "arguments": {"isle": isle}}], ensure_ascii=False),
            "tools": json.dumps([tool(name), *([tool("sail")] if name == "tide" else [])]),
        }
        for name, way in WAYS.items()
        for isle in ISLES
    ]
    wrong = {**made[0], "query": "Fly to Wyk", "answers": '[{"name": "fly", "arguments": {}}]'}
    return [*made, wrong]


def test_from_rows_of_xlam_to_a_planner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows())), encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("BASE", str(tiny_llama(tmp_path / "base"))))
    run = Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")
    refined = refine(run).results
    assert refined["rejected"] == {"unknown-tool": 1}
    assert sum(refined[split] for split in ("train", "valid", "test")) == 24
    trained = train(run).results
    assert trained["tools_shown"] >= 1
    assert merge(run).results["verified_prompts"] > 0
    scored = evaluate(run).results
    assert scored["variants"]["after"]["measures"]["valid"]["value"] == 1.0
    lines = [json.loads(line) for line in (run.folder("evaluate") / "scores.jsonl").read_text().splitlines()]
    test = [json.loads(line) for line in (run.folder("refine") / "test.jsonl").read_text().splitlines()]
    tools = {row["query"]: {tool["name"] for tool in row["tools"]} for row in test}
    assert all({step["tool_name"] for step in line["plan"]} <= tools[line["query"]] for line in lines)
    with pytest.raises(RunError, match="the run has no catalogue to plan with") as caught:
        plan(run, "Book a ferry to Wyk")
    assert "--catalogue FILE" in caught.value.remedy
    plan(run, "Book a ferry to Wyk", catalogue=catalogue_from_json([tool("ferry")]))
    assert "answered by" in capsys.readouterr().err
