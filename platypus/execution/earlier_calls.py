"""Calls that were made for the earlier plans of an execution: what was done stays done.

A step of a new plan that is one of these calls takes its result. One of which nobody knows whether it was done is not
made again, unless it may be repeated.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.masking import Masking
from platypus.execution.results import ToolResult

UNKNOWN = ("lost", "timeout", "cancelled", "garbage", "size", "")  # kinds of errors after which it may have been done


@dataclass
class EarlierCall:
    """A call: its tool and arguments, its result if it has one, and whether it may have been done without one.

    `masked`: its arguments or result stand in a trace with masked parts. `taken`: a step of the present plan has it.
    """

    tool: str
    arguments: str
    result: ToolResult | None = None
    unknown: bool = False
    masked: bool = False
    taken: bool = False


@dataclass
class EarlierCalls:
    """All calls of earlier plans. Each plan takes each result once."""

    masking: Masking
    calls: list[EarlierCall] = field(default_factory=list)

    def add(
        self, events: Iterable[Mapping[str, Any]], arguments: Mapping[int, Mapping[str, Any]] | None = None
    ) -> None:
        """Add the calls in the events of one plan; `arguments` are those of steps before masking, as far as known.

        The plan after it may take every result again.
        """
        for earlier in self.calls:
            earlier.taken = False
        by_step: dict[int, EarlierCall] = {}
        doubtful: dict[int, bool] = {}  # whether a call of the step before its last may have been done
        for event in events:
            step, kind = event.get("step", -1), event["event"]
            if kind == "call":
                known = (arguments or {}).get(step)
                text = _text(event["arguments"] if known is None else known)
                doubtful[step] = step in by_step and by_step[step].unknown
                by_step[step] = EarlierCall(
                    event["tool"], text, None, True, event.get("masked", False) and known is None
                )
            elif step in by_step and kind == "result":
                call = by_step[step]
                call.result, call.unknown = ToolResult.from_json(event["result"]), False
                call.masked = call.masked or event.get("masked", False)
            elif step in by_step and kind == "error":
                by_step[step].unknown = event["kind"] in UNKNOWN or doubtful[step]
        self.calls += by_step.values()

    def take(self, tool: str, arguments: Mapping[str, Any], *, may_repeat: bool) -> ToolResult | None:
        """The result of this call if it was made. Raises CallFailed if it may have been made and must not be again."""
        exact, masked = _text(arguments), _text(self.masking.mask(arguments))
        for call in self.calls:
            if call.taken or call.tool != tool or call.arguments not in (exact, masked):
                continue
            if call.result is not None and not call.masked:
                call.taken = True
                return call.result
            if (call.unknown or call.masked) and not may_repeat:
                what = "the same call was made before, and whether it was done, or with what result, is not known"
                raise CallFailed("unsent", f"{what}: it is not repeated by itself")
        return None


def _text(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True)
