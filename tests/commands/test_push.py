"""The push command: checks come before the first byte, nothing local is told, and a killed push goes on."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from platypus.run.folder import Run
from tests.support.command import ROOT, here
from tests.support.model_hub import TOKEN, ModelHub, Repository, asked_hub
from tests.support.publishing import evaluated_run, redone

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelHub]:
    with asked_hub(monkeypatch, tmp_path) as hub:
        yield hub


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return evaluated_run(tmp_path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_model_is_pushed_with_its_card(hub: ModelHub, run: Run, capsys: Capture, tmp_path: Path) -> None:
    pushed = here(capsys, "push", run.path, "user/planner", "--json")
    assert pushed.code == 0, pushed.err
    results, there = json.loads(pushed.out), hub.repositories["user/planner"]
    assert there.private and results["visibility"] == "private" and there.tags == {results["tag"]: results["commit"]}
    assert {*there.files, *there.large} == {
        *(".gitattributes", "README.md", "catalogue.json", "config.json", "platypus.json", "provenance.json"),
        "model.safetensors",
    }
    assert there.large["model.safetensors"][0] == digest(run.path / "merge" / "model" / "model.safetensors")
    assert f"--revision {results['tag']}" in there.files["README.md"].decode()
    small = b"".join(there.files.values())
    assert str(tmp_path).encode() not in small and TOKEN.encode() not in small
    assert f"names {tmp_path}/base, a folder of this machine" in pushed.err and "licence of the base" in pushed.err
    assert TOKEN not in pushed.out + pushed.err
    assert not [path for path in run.path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    again = json.loads(here(capsys, "push", run.path, "user/planner", "--json").out)
    assert again["commit"] == results["commit"] and again["already_there"] == again["files"]


def test_an_adapter_with_its_base_on_the_hub(hub: ModelHub, run: Run, capsys: Capture) -> None:
    hub.repositories["some/base"] = Repository(False, licence="llama2")
    pushed = here(capsys, "push", run.path, "club/planner", *("--what", "both"), *("--base", "some/base"), "--public")
    assert pushed.code == 0, pushed.err
    there = hub.repositories["club/planner"]
    assert not there.private and {*there.large} == {"model.safetensors", "adapter/adapter_model.safetensors"}
    assert "license: llama2" in there.files["README.md"].decode()
    assert json.loads(there.files["adapter/adapter_config.json"])["base_model_name_or_path"] == "some/base"


def test_what_is_wrong_is_told_before_the_hub_is_asked(
    hub: ModelHub, run: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is not a repository's name" in here(capsys, "push", run.path, "planner").err
    adapter = here(capsys, "push", run.path, "user/planner", "--what", "adapter")
    assert "the base of its adapter is a folder" in adapter.err
    monkeypatch.delenv("HF_TOKEN")
    tokenless = here(capsys, "push", run.path, "user/planner")
    assert tokenless.code == 1 and "the environment has no HF_TOKEN" in tokenless.err
    redone(run, "train", {"refine": run.fingerprint("refine")})
    assert "'merge' was not made from what 'train' holds now" in here(capsys, "push", run.path, "user/planner").err
    assert not hub.requests


def test_a_killed_push_goes_on(hub: ModelHub, run: Run, capsys: Capture) -> None:
    """The first file has arrived, the second one hangs: only that is sent again, and then there is one commit."""
    model, adapter = (
        digest(run.path / name) for name in ("merge/model/model.safetensors", "train/adapter/adapter_model.safetensors")
    )
    hub.hangs = lambda request: request == f"PUT /objects/{adapter}"
    words = ["push", str(run.path), "user/planner", "--what", "both", "--base", "some/base"]
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "platypus", *words], cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )
    assert hub.hanging.wait(120)
    while model not in hub.objects:
        hub.hanging.wait(0.05)
    process.kill()
    process.communicate()
    assert len(hub.repositories["user/planner"].commits) == 1
    hub.hangs = lambda request: False
    again = here(capsys, *words, "--json")
    assert again.code == 0, again.err
    assert len(hub.asked(f"PUT /objects/{model}")) == 1 and len(hub.asked(f"PUT /objects/{adapter}")) == 2
    there = hub.repositories["user/planner"]
    assert len(there.commits) == 2 and there.tags == {json.loads(again.out)["tag"]: there.commits[-1]}
