"""Trace: what happened to a plan, one JSON object a line, appended and handed to the system event by event.

    {"event": "start", "at": …, "version": 1, "request": …, "plan": […], "verdicts": […]}
    {"event": "answer", "yes": true}                        the user's word, where a verdict asks for it
    {"event": "call", "number": 0, "step": 0, "attempt": 1, "tool": …, "arguments": {…}}     before the call leaves
    {"event": "result", "number": 0, "step": 0, "seconds": …, "result": {…}}                 it is done
    {"event": "error", "number": 0, "step": 0, "seconds": …, "kind": …, "what": …}           it is not, or nobody knows
    {"event": "reused" | "plan" | "resume" | "end", …}

Steps and plans (`number`) count from 0. A plan goes on from its trace: a step with a result is not repeated, and one
with a call but no result was under way. Secrets are masked; what is masked is marked, since a later step cannot use it.
So nothing is lost when the process is killed. A call that may not be repeated leaves only when its line is on the disk:
then it is asked about even after a loss of power. One process at a time writes a trace. A line that was cut off counts
for nothing.
"""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self

from platypus.errors import ExecutionError
from platypus.execution.events import damage
from platypus.execution.masking import MASK, Masking
from platypus.execution.results import ToolResult
from platypus.files import expanded, sync

VERSION = 1
DATA = ("request", "plan", "question", "doubts", "arguments", "what", "note")  # besides `result`


class Trace:
    """The trace of one execution. Without a file, its events are only kept in `events`."""

    def __init__(self, masking: Masking, file: BinaryIO | None = None, path: Path | None = None) -> None:
        self.masking, self.path, self._file = masking, path, file
        self.events: list[dict[str, Any]] = []

    @classmethod
    def create(cls, path: Path, masking: Masking) -> Self:
        """A new trace in a folder that is there. Raises ExecutionError if the file exists or cannot be written."""
        check_new_trace(path)
        try:
            file = path.open("xb")
            sync(path.parent)
        except OSError as error:
            remedy = "Name another file: --trace FILE"
            raise ExecutionError(f"cannot be written: {error.strerror}", where=str(path), remedy=remedy) from error
        _lock(file, path)
        return cls(masking, file, path)

    @classmethod
    def reopen(cls, path: Path, masking: Masking) -> tuple[Self, "History"]:
        """A trace to go on with, and what it holds. Raises ExecutionError if it is none, or another process has it."""
        try:
            file = path.open("r+b")
        except OSError as error:
            raise ExecutionError(f"cannot be opened: {error.strerror}", where=str(path)) from error
        _lock(file, path)  # before it is read: whoever had it has written all
        try:
            history, content = read_trace(path), path.read_bytes()
        except ExecutionError:
            file.close()
            raise
        file.seek(0, os.SEEK_END)
        if not content.endswith(b"\n"):
            file.write(b"\n")
        return cls(masking, file, path), history

    def write(self, event: str, *, to_disk: bool = False, **data: Any) -> None:
        """Append an event; `to_disk`: wait until it is there. What it holds of secrets is masked, and marked.

        Raises ExecutionError if it cannot be written, such as on a full disk.
        """
        masked = self._masked(data)
        marked = {"masked": True} if masked != data else {}
        line = {"event": event, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **masked, **marked}
        self.events.append(line)
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
            self._file.flush()
            if to_disk:
                os.fdatasync(self._file.fileno())
        except OSError as error:
            what, remedy = f"nothing more can be written to it: {error.strerror}", f"Then go on: --resume {self.path}"
            raise ExecutionError(what, where=str(self.path), remedy=f"Make room. {remedy}") from error

    def _masked(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """An event with its data masked as a whole: a request can hold a secret of its plan. Our own words stay."""
        told = [key for key in data if key in DATA]
        result = data.get("result", {})
        *values, parts = self.masking.mask([*(data[key] for key in told), [*result.values()]])
        masked = {**data, **dict(zip(told, values, strict=True))}
        return {**masked, "result": dict(zip(result, parts, strict=True))} if "result" in data else masked

    def close(self) -> None:
        """Let others have the file."""
        if self._file is not None:
            with suppress(OSError):  # which was raised by the write
                self._file.close()


def check_new_trace(path: Path) -> None:
    """Raise ExecutionError if there is no place for a new trace, before anything is planned or started for it."""
    if expanded(str(path), error=ExecutionError, remedy="Name another file: --trace FILE").exists():
        remedy = f"Name another file, or go on with it: --resume {path}"
        raise ExecutionError("exists already", where=str(path), remedy=remedy)
    if not path.parent.is_dir():
        remedy = "Make it, or name a file elsewhere: --trace FILE"
        raise ExecutionError("there is no such folder for the trace", where=str(path.parent), remedy=remedy)


def _lock(file: BinaryIO, path: Path) -> None:
    """Lock the file for this process. The system releases the lock when the process ends, however it ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise ExecutionError(
            "another process is executing this plan", where=str(path), remedy="Wait for it."
        ) from error


@dataclass
class History:
    """What a trace tells: its events, and for the last of its plans the results and the steps without one.

    `results` are those by step; `masked` are the steps whose result has masked parts. `begun` are the steps that were
    called and have no result, with the last that was heard of them. `earlier` counts the calls of earlier plans,
    `shown` are the tools whose results the planner was shown.
    """

    events: list[dict[str, Any]]
    plans: list[Any] = field(default_factory=list)
    masked_plan: bool = False
    results: dict[int, ToolResult] = field(default_factory=dict)
    masked: set[int] = field(default_factory=set)
    begun: dict[int, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    earlier: Counter[str] = field(default_factory=Counter)
    shown: set[str] = field(default_factory=set)
    ended: str = ""
    _heard: dict[int, str] = field(default_factory=dict)  # of the calls of a step before its last

    @property
    def start(self) -> Mapping[str, Any]:
        """The first event."""
        return self.events[0]

    def _take(self, event: dict[str, Any]) -> None:
        step = event.get("step", -1)
        if event["event"] not in ("start", "plan") and step >= len(self.plans[-1]):
            raise ValueError("there is no such step")
        match event["event"]:
            case "start" | "plan":
                self.plans.append(event["plan"])
                self.masked_plan = event.get("masked", False) and MASK in json.dumps(event["plan"])
                self.shown |= set(event.get("shown", ()))
                self.results, self.masked, self.begun, self.earlier = {}, set(), {}, Counter(self.calls)
                self._heard = {}
            case "call":
                self._heard[step] = self.begun.get(step, "")
                self.begun[step] = "it was under way when the execution was broken off"
                self.calls[event["tool"]] += event["attempt"] == 1
            case "error" if event["kind"] == "unsent" and not self._heard.get(step):
                self.begun.pop(step, None)
            case "error" if event["kind"] == "unsent":  # but an earlier call of the step was sent
                self.begun[step] = self._heard[step]
            case "error" if step in self.begun:
                self.begun[step] = event["what"]
            case "result" | "reused":
                self.begun.pop(step, None)
                self.results[step] = ToolResult.from_json(event["result"])
                if event.get("masked"):
                    self.masked.add(step)
        if event.get("number", len(self.plans) - 1) != len(self.plans) - 1:
            raise ValueError("there is no such plan")
        self.ended = event["ended"] if event["event"] == "end" else ""


def read_trace(path: Path) -> History:
    """What a trace holds. Raises ExecutionError if it is none."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ExecutionError(f"cannot be read: {error.strerror}", where=str(path)) from error
    read = [_event(line) for line in lines if line.strip()]
    events = [event for event in read if event is not None]
    if not events or events[0].get("event") != "start" or events[0].get("version") != VERSION:
        raise ExecutionError("is not a trace of an execution", where=str(path), remedy="Name the file that it printed.")
    for number, (event, following) in enumerate(pairwise(read), start=1):
        if event is None and following is not None and following["event"] != "resume":  # it was not cut off by a kill
            raise _damaged(path, f"its line {number} cannot be read")
    history = History(events)
    for number, event in enumerate(events, start=1):
        try:
            if what := damage(event):
                raise ValueError(what)
            history._take(event)
        except ValueError as error:
            raise _damaged(path, f"its event {number} ({event['event']}) is not as it was written: {error}") from error
    return history


def _damaged(path: Path, what: str) -> ExecutionError:
    return ExecutionError(what, where=str(path), remedy="Start again from the request or plan.")


def _event(line: bytes) -> dict[str, Any] | None:
    """The event in a line; None for a line that was cut off."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
