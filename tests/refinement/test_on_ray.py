"""A Ray cluster gives the same files as one machine, whichever worker reads which row."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.refine import refine
from platypus.refinement import candidates as candidate
from platypus.refinement.on_ray import on_ray
from platypus.run.folder import Run
from tests.commands.test_refine import many, start
from tests.support.command import here

MESSY = ['{"query": "Half', "{'query': 'Fly me home', 'plan': [],}", json.dumps(many()[0])]
FILES = ("train.jsonl", "valid.jsonl", "test.jsonl", "rejected.jsonl", "doubts.jsonl", "report.json", "report.html")


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """A local cluster of two nodes with one core each."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address)
        yield ray
        ray.shutdown()
        cluster.shutdown()


def content(run: Run) -> dict[str, bytes]:
    return {name: (run.folder("refine") / name).read_bytes() for name in FILES}


@pytest.mark.slow
def test_the_cluster_gives_the_same_files_as_one_machine(
    two_workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate, "BATCH", 20)
    run = start(tmp_path, [*many(), *MESSY], bad_rows="skip", seed=3)
    refine(run)
    alone = content(run)
    assert len([node for node in two_workers.nodes() if node["Alive"]]) == 2
    refine(run, force=True, mapped=on_ray)
    assert content(run) == alone


def test_without_ray_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = here(capsys, "refine", start(tmp_path, many()).path, "--ray")
    assert ran.code == 1
    assert "needs the package `ray`" in ran.err and "platypus-llm[ray]" in ran.err
