"""Runs that are ready to be pushed, without a training: their stages hold what the real ones leave."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platypus.run.folder import Run
from platypus.run.provenance import IN_HEADER, write_provenance
from tests.support.tiny_models import examples, tiny_run

MEASURES = {
    "exact": {"value": 0.875, "low": 0.5, "high": 1.0, "rows": 8},
    "valid": {"value": 1.0, "low": 0.7, "high": 1.0, "rows": 8},
}
EVALUATED = {
    "rows": 8,
    "of": 8,
    "variants": {
        name: {"measures": MEASURES | {"exact": exact}, "malformed": {}, "cut": 0}
        for name, exact in (
            ("before", {"value": 0.25, "low": 0.0, "high": 0.5, "rows": 8}),
            ("after", MEASURES["exact"]),
        )
    },
}
TRAINED = {"rank": 4, "alpha": 8.0, "target_modules": "all-linear", "epochs": 3, "batch_size": 4, "learning_rate": 0.02}
DATASET_CARD = """---
tags:
- platypus
---

# A dataset for planners

## Rows

Requests and plans.

## Quality

Left out: none. See report.md.

## Samples

- a secret request → []

## Licence

That of the sources.
"""


def evaluated_run(folder: Path, *, recipe: str = "", weights: int = 1000) -> Run:
    """A run with all stages, on a base that is the folder `base`; its weights are zeros, so many bytes of them."""
    run = tiny_run(folder, base=folder / "base", rows=examples(8), recipe=recipe)

    def refined(partial: Path) -> dict[str, Any]:
        (partial / "README.md").write_text(DATASET_CARD)
        return {"rejected": {"contamination": 3, "duplicate": 1}}

    def trained(partial: Path) -> dict[str, Any]:
        adapter = partial / "adapter"
        adapter.mkdir()
        _tensors(adapter / "adapter_model.safetensors", {}, weights)
        (adapter / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": f"{folder}/base"}))
        (adapter / "platypus.json").write_text(json.dumps({"base": f"{folder}/base"}))
        return {"steps": 6}

    def merged(partial: Path) -> dict[str, Any]:
        model = partial / "model"
        model.mkdir()
        facts = {
            "base": {"source": f"{folder}/base", "fingerprint": "b"},
            "sources": [{"source": f"{folder}/run/train/adapter", "digest": "d", "weight": 1.0}],
            "method": "task-arithmetic",
        }
        _tensors(model / "model.safetensors", facts | {"sources": []}, weights)
        write_provenance(model, facts)
        (model / "config.json").write_text("{}")
        (model / "platypus.json").write_text(json.dumps({"base": f"{folder}/base"}))
        return {"dtype": "bfloat16", "verified_prompts": 8, "error": 1e-3, "tolerance": 1e-2}

    stage = run.perform
    stage("refine", inputs={}, settings={"contamination": 0.9}, work=refined)
    known = {"refine": run.fingerprint("refine")}
    settings = {"train": {**TRAINED, "prefix": "auto"}}
    stage("train", inputs={**known, "base": "0123456789abcdef"}, settings=settings, work=trained)
    stage("merge", inputs={"train": run.fingerprint("train"), "base": "0123456789abcdef"}, settings={}, work=merged)
    evaluated(run)
    return run


def evaluated(run: Run, results: Mapping[str, Any] = EVALUATED) -> None:
    """Let the run be evaluated, with these results."""
    inputs = {"refine": run.fingerprint("refine"), "merge": run.fingerprint("merge")}
    settings = {"decode": {"decoding": "grammar", "beams": 3}}
    run.perform("evaluate", inputs=inputs, settings=settings, work=lambda _: results, force=True)


def redone(run: Run, stage: str, inputs: Mapping[str, str], settings: Mapping[str, Any] | None = None) -> None:
    """Let a stage be done again, from these inputs, with the files that it has."""
    kept = {path: path.read_bytes() for path in run.folder(stage).rglob("*") if path.is_file()}

    def work(partial: Path) -> dict[str, Any]:
        for path, content in kept.items():
            if path.name != "stage.json":
                new = partial / path.relative_to(run.path / stage)
                new.parent.mkdir(exist_ok=True)
                new.write_bytes(content)
        return dict(run.record(stage)["results"])

    known = run.record(stage)["settings"]
    run.perform(stage, inputs=inputs, settings={**known, **(settings or {}), "again": 1}, work=work)


def _tensors(path: Path, facts: Mapping[str, Any], size: int) -> None:
    """A file of one tensor."""
    tensor = {"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    header = json.dumps(tensor | ({"__metadata__": {IN_HEADER: json.dumps(facts)}} if facts else {})).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
