"""`platypus export --to`: what the options need, and that they arrive."""

import json
from pathlib import Path

import pytest

from tests.support.command import CRM, here
from tests.support.merged_runs import merged_run
from tests.support.tiny_models import tiny_llama

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--type", "f16"],
        ["run", "--shard-size", "2GB"],
        ["--catalogue", CRM, "--to", "hf"],
        ["run", "--to", "hf", "--out", "there"],
        ["run", "--notation", "calls"],
        ["run", "--max-steps", 3],
        ["run", "--to", "llamafile"],
    ],
)
def test_options_without_a_use_are_refused(capsys: Capture, words: list[object]) -> None:
    ran = here(capsys, "export", *words)
    assert ran.code == 2 and str(words[-2]) in ran.err


def test_every_option_arrives(tmp_path: Path, capsys: Capture) -> None:
    run = merged_run(tmp_path, tiny_llama(tmp_path / "base", hidden_size=128), "json")
    ran = here(capsys, "export", run.path, "--to", "vllm", "--shard-size", "1MB", "--json")
    results = json.loads(ran.out)["results"]
    assert ran.code == 0 and results["shards"] > 1 and results["losses"] == []
    ran = here(capsys, "export", run.path, "--to", "gguf", "--shard-size", "1MB")
    assert ran.code == 1 and "--shard-size with --to gguf" in ran.err and "Traceback" not in ran.err
