"""The folder of an evaluation that can be interrupted: what is measured, and the rows that are answered already.

    evaluation.json   what is measured: fingerprints of rows and model, settings
    scores.jsonl      the answered rows, in their order, as they come
    report.json       written last: without it the evaluation is not finished

The same evaluation goes on after the rows that are there; another one is refused. Does not know who answers.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platypus.errors import RunError
from platypus.evaluation.comparison import SCORES
from platypus.files import write_whole

MEASURED = "evaluation.json"
REPORT = "report.json"


def is_unfinished(folder: Path) -> bool:
    """Whether the folder holds an evaluation that was interrupted, or is under way."""
    return (folder / MEASURED).exists() and not (folder / REPORT).exists()


@dataclass(frozen=True)
class EvaluationFolder:
    """The folder, opened for one evaluation."""

    path: Path

    @classmethod
    def open(cls, path: Path, measured: Mapping[str, Any], *, force: bool) -> "EvaluationFolder":
        """The folder of this evaluation, new or with what is there; `force` begins anew.

        Raises RunError if it holds another evaluation, or other files.
        """
        known = path / MEASURED
        if force and known.exists():
            shutil.rmtree(path)
        if known.exists():
            before = json.loads(known.read_text(encoding="utf-8"))
            if differing := [key for key in {**before, **measured} if before.get(key) != measured.get(key)]:
                what = f"holds another evaluation: {', '.join(differing)} differ"
                remedy = "Give another folder with --out, or --force to begin anew."
                raise RunError(what, where=str(path), remedy=remedy)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError("is not an evaluation's folder", where=str(path), remedy="Give a new folder with --out.")
        path.mkdir(parents=True, exist_ok=True)
        write_whole(known, json.dumps(measured, indent=2))
        return cls(path)

    def report(self) -> Mapping[str, Any] | None:
        """The report of the finished evaluation; None if it is not finished."""
        path = self.path / REPORT
        if not path.exists():
            return None
        report: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return report

    def lines(self) -> list[dict[str, Any]]:
        """The answered rows so far. A line that was cut when the program was killed is removed from the file."""
        path = self.path / SCORES
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append answered rows, and flush them to disk."""
        text = "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines)
        with (self.path / SCORES).open("ab") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
