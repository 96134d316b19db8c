"""The turns of a dialogue as one canonical row: a request with its calls is a planner row, text is a conversation row.

A planner answers one request with one plan, before any tool has run. So a dialogue with calls is converted only if it
has a single request whose calls come without results between them. What else such a dialogue holds (a system text,
words beside the calls, the results and the answer after them) is no part of a plan: it is left out, named and counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from platypus.data.columns import lost_companion
from platypus.data.formats.conversion import Converted, counted
from platypus.data.formats.tool_calls import RENAMED, Call, Tools, calls_from, steps, usable_name
from platypus.errors import DatasetError

Role = Literal["system", "user", "assistant", "tool"]

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "chatgpt", "bot", "bing", "bard"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "tool_response", "function_response"), "tool"),
}
CALLS = ("function_call", "tool_call", "tool_calls")  # roles of turns that hold calls
CALL_TAG = "<functioncall>"  # Glaive's mark of a call in an answer's text


@dataclass(frozen=True)
class Turn:
    """One turn: who speaks, the text, and the calls in it."""

    role: Role
    text: str
    calls: tuple[Call, ...] = ()


def turns_of(entries: Any) -> list[Turn]:
    """The turns in a list of `{"from": …, "value": …}` or `{"role": …, "content": …}`.

    Raises DatasetError for a role that is not known, and for content that is not text, or not only.
    """
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, Mapping) for entry in entries):
        raise DatasetError("its turns are no list of objects")
    return [turn_of(entry) for entry in entries]


def turn_of(entry: Mapping[str, Any]) -> Turn:
    """One turn, with the call that it holds if its role says so. Raises DatasetError as `turns_of` does."""
    if lost := lost_companion(entry):
        raise DatasetError(f"in a turn, {lost}")
    role, text = entry.get("from", entry.get("role")), entry.get("value", entry.get("content"))
    if isinstance(role, str) and role in CALLS:
        return Turn("assistant", "", calls_from(text, "a turn of calls"))
    return Turn(role_of(role), text_of(text))


def role_of(name: Any) -> Role:
    """The role of this name. Raises DatasetError if it is not known."""
    if not isinstance(name, str) or name.lower() not in ROLES:
        known = ", ".join((*ROLES, *CALLS))
        raise DatasetError(f"a turn's role is {name!r}; known are {known}")
    return ROLES[name.lower()]


def text_of(content: Any) -> str:
    """The text of a turn: a text, null, or parts of text. Raises DatasetError for anything else, such as an image."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        kinds = [part.get("type", "object") if isinstance(part, Mapping) else type(part).__name__ for part in parts]
        raise DatasetError(f"a turn holds a part that is not text ({', '.join(map(str, kinds))})")
    return "\n".join(map(str, texts))


def row_from_turns(turns: Sequence[Turn], tools: Tools, left_out: Iterable[str] = ()) -> Converted:
    """The planner row or the conversation row of a dialogue. Raises DatasetError if it is neither, with the reason."""
    if any(turn.role == "assistant" and CALL_TAG in turn.text for turn in turns):
        raise DatasetError(
            f"an answer holds a call as text (`{CALL_TAG}`), which is read under `chat` or `sample` only"
        )
    notes = Counter(f"left out: {name}" for name in left_out)
    if any(turn.calls for turn in turns):
        return _planner_row(turns, tools, notes)
    if any(turn.role == "tool" for turn in turns):
        raise DatasetError("has a tool's result, but no call that can be read")
    if tools.definitions:
        raise DatasetError("offers tools, but the answer is text without a call, which is no plan")
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    return Converted({"messages": messages}, counted(notes))


def _planner_row(turns: Sequence[Turn], tools: Tools, notes: Counter[str]) -> Converted:
    requests = sum(turn.role == "user" for turn in turns)
    if requests != 1:
        raise DatasetError(f"has {requests} requests in one dialogue; a plan answers one request by itself")
    start = next(i for i, turn in enumerate(turns) if turn.role == "user")
    after = turns[start + 1 :]
    end = next((i for i, turn in enumerate(after) if turn.role == "tool"), len(after))
    if any(turn.calls for turn in after[end:]):
        raise DatasetError("calls a tool again after a result; a plan is made before any tool has run")
    if any(turn.calls for turn in turns[:start]):
        raise DatasetError("calls a tool before the request")
    calls = [call for turn in after[:end] for call in turn.calls]
    if not calls:
        raise DatasetError("has a tool's result before any call")
    notes["left out: system text"] += any(turn.role == "system" and turn.text.strip() for turn in turns)
    notes["left out: text before the request"] += any(t.text.strip() for t in turns[:start] if t.role != "system")
    notes["left out: text beside the calls"] += any(t.text.strip() for t in after[:end] if t.role != "system")
    notes["left out: results and the answer after them"] += end < len(after)
    return planner_row(turns[start].text.strip(), calls, tools, notes)


def planner_row(query: Any, calls: Sequence[Call], tools: Tools, notes: Mapping[str, int] | None = None) -> Converted:
    """The planner row of a request and its calls, with the tools that the source row brings."""
    counts = Counter(notes or {})
    counts[RENAMED] += tools.renamed or sum(usable_name(call.name) != call.name for call in calls)
    row = {"query": query, "plan": steps(calls), **({"tools": tools.definitions} if tools.definitions else {})}
    return Converted(row, counted(counts))
