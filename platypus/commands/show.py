"""show: a run, where a merged model comes from, or the trace of an execution, as text and as JSON.

A run has stages: when they were done, their inputs and results. Only reads. `Run.perform` decides whether a stage
has to be done again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platypus.errors import RunError
from platypus.execution.drawing import trace_lines
from platypus.execution.trace import History, read_trace
from platypus.files import expanded
from platypus.outcomes import result_lines
from platypus.run.folder import Run
from platypus.run.provenance import Provenance

STAGES = ("generate", "refine", "train", "merge", "evaluate", "export")


@dataclass(frozen=True)
class Overview:
    """A run and the record of each of its stages; None for a stage that is not done."""

    run: Run
    stages: Mapping[str, Mapping[str, Any] | None]

    def to_json(self) -> dict[str, Any]:
        """All fields, for `--json`; a stage that is not done is null."""
        tools = self.run.catalogue
        return {
            "run": str(self.run.path),
            "recipe": self.run.recipe.model_dump(),
            "catalogue": None if tools is None else {"tools": len(tools), "fingerprint": tools.fingerprint},
            "stages": {name: None if record is None else dict(record) for name, record in self.stages.items()},
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        tools = self.run.catalogue
        catalogue = (
            "none (instructions, or rows with their own tools)"
            if tools is None
            else f"{len(tools)} tools ({tools.fingerprint})"
        )
        yield f"{self.run.path}: base {self.run.recipe.base}, seed {self.run.recipe.seed}, catalogue {catalogue}"
        for name, record in self.stages.items():
            if record is None:
                yield f"{name}: not done"
                continue
            yield f"{name}: done {record['finished']} in {record['seconds']:.1f} s"
            for source, fingerprint in record["inputs"].items():
                changed = self.stages.get(source) and self.run.fingerprint(source) != fingerprint
                yield f"  from {source} {fingerprint}" + (", which has changed since" if changed else "")
            yield from result_lines(record["results"])


@dataclass(frozen=True)
class ShownTrace:
    """What happened in an execution."""

    history: History

    def to_json(self) -> dict[str, Any]:
        """Its events, for `--json`."""
        return {"events": self.history.events}

    def __str__(self) -> str:
        return "\n".join(trace_lines(self.history))


def show(path: Path) -> Overview | Provenance | ShownTrace:
    """The overview of a run; of a model's folder, where it comes from; of a file, the trace in it.

    Raises ModelError if nothing says where a model comes from, ExecutionError for a file without a trace, and RunError
    for what is not there.
    """
    path = expanded(str(path), error=RunError)
    if path.suffix and not path.exists():  # a folder that is not there may become a run
        raise RunError(
            "there is no such file or folder",
            where=str(path),
            remedy="Name a run, the folder of a merged model, or a trace.",
        )
    if path.is_file():
        return ShownTrace(read_trace(path))
    if (path / "config.json").is_file():
        return Provenance.read(path)
    run = Run.open(path)
    return Overview(run, {stage: run.record(stage) if run.is_done(stage) else None for stage in STAGES})
