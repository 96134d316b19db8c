"""Corrections: requests with the plans that people said are right, kept in the run's folder for the next `refine`.

The file has one example a line, each with its origin: when it was given, and what had been answered. It is written
whole, flushed and renamed, under a lock of its own: whatever kills the process, the file is the old one or the new one.
A later correction of the same request over the same tools replaces the earlier one.
"""

import fcntl
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.errors import DatasetError
from platypus.files import read_text, write_whole
from platypus.plan.plan import Plan
from platypus.run.folder import Run

CORRECTIONS = "corrections.jsonl"  # in the run's folder; a copy in that of `refine`: those that it has read


@dataclass(frozen=True)
class Corrections:
    """The corrections in a file. Those of a run are read by its next `refine`."""

    path: Path
    run: Run | None = None

    @classmethod
    def of(cls, run: Run) -> "Corrections":
        """Those of a run."""
        return cls(run.path / CORRECTIONS, run)

    def rows(self) -> list[dict[str, Any]]:
        """All rows, oldest first. Raises DatasetError that names a line which is no correction."""
        return _rows(self.path) if self.path.exists() else []

    def of_request(self, request: str, catalogue: Catalogue) -> dict[str, Any] | None:
        """The row that corrects this request over these tools, if there is one. Raises DatasetError as `rows`."""
        same = (request, catalogue.fingerprint)
        return next((row for row in self.rows() if (row["query"], row["catalogue"]) == same), None)

    def add(
        self, request: str, plan: Plan, catalogue: Catalogue, *, answered: Plan | None = None, model: str = ""
    ) -> str:
        """Keep a correction, and return its id. Raises DatasetError if it cannot be written."""
        id = f"corr_{secrets.token_hex(8)}"
        time = datetime.now(UTC).isoformat(timespec="seconds")
        known = {"model": model, "answered": None if answered is None else answered.to_json()}
        origin = {"source": "correction", "id": id, "time": time, **known}
        own = self.run is not None and self.run.catalogue == catalogue
        row = Example(request, plan, catalogue.fingerprint, origin, None if own else catalogue).to_json()
        same = (request, catalogue.fingerprint)
        self._rewrite(lambda rows: [*(old for old in rows if (old["query"], old["catalogue"]) != same), row])
        return id

    def remove(self, id: str, *, back: dict[str, Any] | None = None) -> None:
        """Take a correction back, if it is there, and put the row `back` that it had replaced.

        Raises DatasetError if that cannot be written.
        """

        def changed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            left = [row for row in rows if row["origin"]["id"] != id]
            return [*left, back] if back and len(left) < len(rows) else left

        self._rewrite(changed)

    def waiting(self) -> list[dict[str, Any]]:
        """The rows that no training has learned yet."""
        learned = {row["origin"]["id"] for row in self._learned()}
        return [row for row in self.rows() if row["origin"]["id"] not in learned]

    @property
    def command(self) -> str:
        """The command that learns them."""
        if self.run is not None:
            return f"platypus all {self.run.path}"
        return f'platypus all RUN   (with data = ["{self.path.absolute()}"] under [refine] in its recipe)'

    def _learned(self) -> list[dict[str, Any]]:
        run = self.run
        if run is None or not (run.is_done("refine") and run.is_done("train")):
            return []
        copy = run.folder("refine") / CORRECTIONS
        trained = run.record("train")["inputs"]["refine"] == run.fingerprint("refine")
        return _rows(copy) if trained and copy.exists() else []

    def _rewrite(self, changed: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        try:
            with self._locked():
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in changed(self.rows()))
                write_whole(self.path, "".join(lines))
        except OSError as error:
            remedy = "Make room there, or change its permissions."
            raise DatasetError(f"cannot be written: {error.strerror}", where=str(self.path), remedy=remedy) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait until no other process writes. The system releases the lock when a process ends, however it ends."""
        with self.path.with_name(f".{self.path.name}.lock").open("a", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    text = read_text(path, error=DatasetError).removesuffix("\n")  # a row may hold other characters that end a line
    for number, line in enumerate(text.split("\n") if text else [], start=1):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            what = f"is not JSON: {error}"
            raise DatasetError(what, where=f"{path}:{number}", remedy="Correct or remove the line.") from error
        row = rows[-1]
        origin = row.get("origin") if isinstance(row, dict) and row.keys() >= {"query", "catalogue"} else None
        if not isinstance(origin, dict) or not isinstance(origin.get("id"), str):
            what = "is no correction: it needs `query`, `catalogue` and `origin` with an `id`"
            raise DatasetError(what, where=f"{path}:{number}", remedy="Correct or remove the line.")
    return rows
