"""The scripts run the original's job or another recipe, on one device or several, and stop at a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platypus.run.folder import Run
from tests.support.command import ROOT, here, write_recipe
from tests.support.tiny_models import tiny_llama

SMALL = """
[prompt]
notation = "calls"
[generate]
examples = 24
max_steps = 2
[train]
batch_size = 8
rank = 2
dropout = 0.0
[merge]
dtype = "float32"
"""


def script(name: str, *words: str, cwd: str | Path = "/", **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a script from another folder, with these environment variables."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("RUN", "RECIPE", "GPUS", "PYTHON")}
    variables_given = {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"} | {
        key: str(value) for key, value in variables.items()
    }
    command = [str(ROOT / "scripts" / name), *words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=inherited | variables_given, check=False
    )


@pytest.mark.slow
def test_the_scripts_train_on_two_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What they made can be merged. With one device, the commands are those of test_pipeline."""
    run, base = tmp_path / "run", tiny_llama(tmp_path / "base", context=4096)
    recipe = write_recipe(tmp_path, base=base, tables=SMALL)
    trained = script("fine-tuning.sh", RUN=run, RECIPE=recipe, GPUS=2)
    assert trained.returncode == 0, trained.stderr
    assert Run.open(run).record("train")["results"]["devices"] == 2
    merged = here(capsys, "merge", run)
    assert merged.code == 0, merged.err
    record = Run.open(run).record("merge")["results"]
    assert record["error"] <= record["tolerance"]
    assert (run / "merge" / "model" / "model.safetensors").is_file()


def test_a_stage_that_fails_stops_the_script(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, tables=SMALL.replace("examples = 24", "examples = 0"))
    ran = script("fine-tuning.sh", RUN=tmp_path / "run", RECIPE=recipe)
    assert ran.returncode == 1
    assert "asks for no examples" in ran.stderr
    assert not (tmp_path / "run" / "train").exists()


def echo(folder: Path) -> Path:
    """A stand-in for Python that prints its arguments."""
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return python


def test_by_default_the_scripts_run_the_original_job(tmp_path: Path) -> None:
    job = f"{ROOT}/runs/llama-2-13b --recipe {ROOT}/recipes/llama-2-13b.toml"
    python = echo(tmp_path)
    trained = script("fine-tuning.sh", PYTHON=python).stdout.splitlines()
    assert trained == [f"-m platypus {stage} {job}" for stage in ("generate", "refine", "train")]
    merged = script("merge.sh", "--json", PYTHON=python, RUN=tmp_path).stdout
    assert merged == f"-m platypus merge {tmp_path} --json\n"


def test_only_the_training_runs_on_several_devices(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, catalogue=None)
    ran = script("fine-tuning.sh", "--force", RUN="R", RECIPE=recipe, GPUS=3, PYTHON=echo(tmp_path))
    assert ran.stdout.splitlines() == [
        f"-m platypus refine R --recipe {recipe}",  # without a catalogue there is nothing to generate
        f"-m torch.distributed.run --standalone --nproc-per-node=3 -m platypus train R --recipe {recipe} --force",
    ]


def test_names_are_relative_to_the_folder_of_the_caller(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, catalogue=None).name
    (tmp_path / "run").mkdir()
    echo(tmp_path)
    ran = script("fine-tuning.sh", RUN="run", RECIPE=recipe, PYTHON="./python", cwd=tmp_path)
    assert ran.stdout.splitlines()[0] == f"-m platypus refine run --recipe {recipe}"
    assert script("merge.sh", RUN="run", PYTHON="./python", cwd=tmp_path).stdout == "-m platypus merge run\n"


@pytest.mark.parametrize("name", ["fine-tuning.sh", "merge.sh"])
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--force", "--help"]])
def test_help_prints_the_head_of_the_script_and_does_nothing(tmp_path: Path, name: str, words: list[str]) -> None:
    ran = script(name, *words, RUN=tmp_path / "run", PYTHON=tmp_path / "none")
    head = [line.removeprefix("#").removeprefix(" ") for line in (ROOT / "scripts" / name).read_text().splitlines()]
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == head[1 : head.index("set -euo pipefail")]
    assert "Environment variables" in ran.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "variables", "said"),
    [
        ("fine-tuning.sh", {"PYTHON": "none/python"}, ["PYTHON is none/python", "make lint", "PYTHON="]),
        ("merge.sh", {"PYTHON": "none/python"}, ["PYTHON is none/python", "make lint", "PYTHON="]),
        ("merge.sh", {"PYTHON": "false"}, ["platypus is not installed in false", "make lint"]),
        ("fine-tuning.sh", {"RECIPE": "mine.toml"}, ["RECIPE is mine.toml", "no such file in /", "RECIPE=FILE"]),
        ("fine-tuning.sh", {"GPUS": "all"}, ["GPUS is all", "GPUS=4"]),
        ("fine-tuning.sh", {"GPUS": "0"}, ["GPUS is 0", "GPUS=4"]),
        ("merge.sh", {"RUN": "none"}, ["RUN is none", "fine-tuning.sh"]),
    ],
)
def test_what_is_missing_is_named_with_the_remedy(
    tmp_path: Path, name: str, variables: dict[str, str], said: list[str]
) -> None:
    ran = script(name, **{"PYTHON": echo(tmp_path), "RUN": tmp_path / "run", **variables})
    assert ran.returncode == 1 and ran.stdout == ""
    assert all(text in ran.stderr for text in said), ran.stderr
    assert not (tmp_path / "run").exists()
