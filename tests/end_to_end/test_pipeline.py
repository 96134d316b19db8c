"""A whole small job on the command line: from a catalogue and a random base to scores, plans and a conversation."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platypus.run.folder import Run
from tests.support.command import Ran, apart, here, write_recipe
from tests.support.tiny_models import tiny_llama

STAGES = ["generate", "refine", "train", "merge", "evaluate"]
TABLES = """
[prompt]
cutoff = 2048
notation = "calls"
[generate]
examples = 60
[train]
batch_size = 16
micro_batch_size = 8
rank = 4
[merge]
dtype = "float32"
verify = 2
[evaluate]
limit = 4
max_new_tokens = 12
resamples = 20
"""

Capture = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Job:
    folder: Path
    run: Path
    first: Ran

    def files(self) -> dict[Path, tuple[bytes, int]]:
        """Content and modification time of every file that the stages wrote."""
        files = (path for stage in STAGES for path in (self.run / stage).rglob("*") if path.is_file())
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    recipe = write_recipe(folder, base=tiny_llama(folder / "base"), tables=TABLES)
    run = folder / "run"
    return Job(folder, run, apart("all", run, "--recipe", recipe, "--json"))


def outcomes(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def test_every_stage_is_done_in_order_and_only_results_are_on_standard_output(job: Job) -> None:
    assert job.first.code == 0, job.first.err
    assert [(outcome["stage"], outcome["skipped"]) for outcome in outcomes(job.first)] == [
        (stage, False) for stage in STAGES
    ]
    assert "Traceback" not in job.first.err
    assert job.first.err.strip()


def test_the_run_folder_has_all_documented_files(job: Job) -> None:
    promised = [
        "recipe.toml",
        "catalogue.json",
        "generate/examples.jsonl",
        *(f"refine/{name}.jsonl" for name in ("train", "valid", "test", "rejected")),
        "train/adapter/adapter_model.safetensors",
        "train/adapter/platypus.json",
        "train/metrics.jsonl",
        "merge/model/config.json",
        "merge/model/tokenizer.json",
        "evaluate/scores.jsonl",
        "evaluate/report.json",
        "evaluate/report.md",
        "evaluate/confidence.json",
        *(f"{stage}/stage.json" for stage in STAGES),
    ]
    assert [name for name in promised if not (job.run / name).is_file()] == []
    assert not list(job.run.glob(".*.partial"))
    assert not list(job.run.glob(".*.old"))


def test_the_second_time_everything_is_skipped_and_untouched(job: Job, capsys: Capture) -> None:
    before = job.files()
    ran = here(capsys, "all", job.run, "--json")
    assert ran.code == 0
    assert all(outcome["skipped"] for outcome in outcomes(ran))
    assert [o["results"] for o in outcomes(ran)] == [o["results"] for o in outcomes(job.first)]
    assert job.files() == before


def test_a_changed_setting_redoes_its_stage_and_what_follows(job: Job, capsys: Capture) -> None:
    recipe = write_recipe(job.folder, base=job.folder / "base", tables=TABLES.replace("limit = 4", "limit = 3"))
    ran = here(capsys, "all", job.run, "--recipe", recipe, "--json")
    assert {o["stage"] for o in outcomes(ran) if not o["skipped"]} == {"evaluate"}
    ran = here(capsys, "merge", job.run, "--force", "--json")
    assert [(o["stage"], o["skipped"]) for o in outcomes(ran)] == [("merge", False)]


def test_every_test_row_is_scored_before_and_after(job: Job) -> None:
    scores = [json.loads(line) for line in (job.run / "evaluate" / "scores.jsonl").read_text("utf-8").splitlines()]
    test_rows = [json.loads(line) for line in (job.run / "refine" / "test.jsonl").read_text("utf-8").splitlines()]
    requests = [row["query"] for row in test_rows[: Run.open(job.run).recipe.evaluate.limit]]
    for variant in ("before", "after"):
        assert [row["query"] for row in scores if row["variant"] == variant] == requests


def test_show_lists_every_stage(job: Job, capsys: Capture) -> None:
    shown = json.loads(here(capsys, "show", job.run, "--json").out)
    assert [stage for stage, record in shown["stages"].items() if record] == STAGES
    readable = here(capsys, "show", job.run).out
    assert readable.count(": done ") == len(STAGES)
    assert "changed since" not in readable


def test_plan_shows_the_answer_of_a_random_model_or_its_problems(job: Job, capsys: Capture) -> None:
    ran = here(capsys, "plan", job.run, "Sum up the matters of CustomerABC", "--json")
    assert "merge" in ran.err
    if "not a valid plan" in ran.err:
        assert (ran.code, ran.out) == (1, "")
    else:
        assert isinstance(json.loads(ran.out), list) and ran.code == ("cut after" in ran.err)


def test_plan_with_other_tools_needs_no_training(job: Job, capsys: Capture) -> None:
    tools = job.folder / "other.json"
    tools.write_text('[{"name": "fly", "inputSchema": {"properties": {"to": {"enum": ["Oslo", "Rome"]}}}}]', "utf-8")
    ran = here(capsys, "plan", job.run, "Fly to Rome", "--catalogue", tools, "--json")
    assert ran.code == 0
    assert {step["tool_name"] for step in json.loads(ran.out)} <= {"fly"}
    refused = here(capsys, "plan", job.run, "Fly to Rome", "--catalogue", job.folder / "missing.json")
    assert refused.code == 1 and "missing.json: cannot be read" in refused.err


def test_chat_answers_until_quit(job: Job, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = "Sum up the matters of CustomerABC\n/history\n/quit\n/not-read\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    ran = here(capsys, "chat", job.run)
    assert ran.code == 0
    assert "> Sum up the matters of CustomerABC" in ran.err
    assert "/not-read" not in ran.err
