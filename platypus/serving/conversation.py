"""A conversation of either OpenAI endpoint as one question: the request, and the calls that were run for it.

A planner answers one request. That is what the last user said, after the instructions of all system and developer
messages. Calls and results after it tell what is done. What was said before it is not shown to the planner, and a note
says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from platypus.serving.calls import Earlier
from platypus.serving.errors import invalid
from platypus.strict_json import strict_json


@dataclass(frozen=True)
class Said:
    """A message in text."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Made:
    """A call that an earlier answer asked for. `where` is its place in the request, for messages."""

    id: str
    tool: str
    arguments: str
    batch: int
    where: str


@dataclass(frozen=True)
class Result:
    """The result of a call."""

    id: str
    text: str
    where: str


Turn = Said | Made | Result


@dataclass(frozen=True)
class Gathered:
    """What a conversation asks for."""

    request: str
    earlier: tuple[Earlier, ...] = ()
    notes: tuple[str, ...] = ()


def gather(turns: Sequence[Turn], *, param: str) -> Gathered:
    """The question of a conversation. Raises ApiError if it has none, or calls and results do not belong together.

    `param` is the parameter that holds it.
    """
    users = [place for place, turn in enumerate(turns) if isinstance(turn, Said) and turn.role == "user"]
    if not users:
        raise invalid(param, "holds no message of a user, so there is nothing to plan")
    last = turns[users[-1]]
    assert isinstance(last, Said)
    if not last.text.strip():
        raise invalid(param, "the last message of the user is empty")
    instructions = [turn.text for turn in turns if isinstance(turn, Said) and turn.role == "system"]
    request = "\n".join([text for text in instructions if text.strip()] + [last.text])
    before = sum(not (isinstance(turn, Said) and turn.role == "system") for turn in turns[: users[-1]])
    after = turns[users[-1] + 1 :]
    said = sum(isinstance(turn, Said) and turn.role == "assistant" and bool(turn.text) for turn in after)
    notes = [f"{before} earlier messages were not shown: a planner answers one request"] if before else []
    notes += [f"{said} texts of the assistant after the request were not shown"] if said else []
    return Gathered(request, tuple(_earlier(after)), tuple(notes))


def _earlier(turns: Sequence[Turn]) -> list[Earlier]:
    results: dict[str, Result] = {}
    for turn in turns:
        if isinstance(turn, Result):
            if turn.id in results:
                raise invalid(turn.where, f"there are two results of the call {turn.id!r}")
            results[turn.id] = turn
    made = [turn for turn in turns if isinstance(turn, Made)]
    unknown = results.keys() - {call.id for call in made}
    if unknown:
        result = results[min(unknown)]
        raise invalid(result.where, f"is the result of {result.id!r}, but there is no such call since the last request")
    earlier = []
    for call in made:
        if call.id not in results:
            raise invalid(call.where, f"the call {call.id!r} has no result")
        earlier.append(Earlier(call.tool, _arguments(call), results[call.id].text, call.batch))
    return earlier


def _arguments(call: Made) -> dict[str, Any]:
    try:
        arguments = strict_json(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise invalid(call.where, f"its arguments are not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise invalid(call.where, "its arguments are no JSON object")
    return arguments
