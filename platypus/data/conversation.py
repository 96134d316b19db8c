"""Conversation: the turns of a user and an assistant, as `{"messages": [{"role": …, "content": …}, …]}`.

Only text: a turn with tool calls, images or thoughts of its own is refused, so that nothing of it is lost silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

from platypus.plan.plan import Malformed, parse_json

Role = Literal["system", "user", "assistant"]

ROLES: tuple[Role, ...] = get_args(Role)
NEXT: Mapping[Role | None, tuple[Role, ...]] = {
    None: ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user",),
}
# Keys of a message in public formats that change what it says, or whether it is learned.
NOT_READ = ("tool_calls", "function_call", "weight", "reasoning_content", "reasoning", "thinking", "images", "audio")


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str

    def to_json(self) -> dict[str, str]:
        """The message as chat templates take it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True)
class Conversation:
    """Turns of a user and an assistant in alternation, the last one the assistant's; a system turn may come first.

    Only the assistant's turns are learned.
    """

    messages: tuple[Message, ...]
    origin: Mapping[str, Any]

    @property
    def question(self) -> tuple[Message, ...]:
        """The turns before the last one."""
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        """The text of the last turn."""
        return self.messages[-1].content

    def to_json(self) -> dict[str, Any]:
        """The row as it is written to files."""
        return {"messages": [message.to_json() for message in self.messages], "origin": dict(self.origin)}


def read_messages(raw: Any) -> tuple[Message, ...]:
    """The turns in decoded JSON, or in JSON text. Raises ValueError with the reason if they are no conversation."""
    data = parse_json(raw) if isinstance(raw, str) else raw
    if isinstance(data, Malformed):
        raise ValueError(f"`messages`: {data.reason}")
    if not isinstance(data, list):
        raise ValueError(f"`messages` is {type(data).__name__}, not a list")
    messages = tuple(_message(message, number) for number, message in enumerate(data, 1))
    roles = [None, *(message.role for message in messages)]
    for number, (before, role) in enumerate(pairwise(roles), 1):
        if role not in NEXT[before]:
            place = "the first message" if before is None else f"message {number}, after the {before}'s,"
            raise ValueError(f"{place} must be the {' or the '.join(NEXT[before])}'s, not the {role}'s")
    if roles[-1] != "assistant":
        raise ValueError("`messages` does not end with the assistant's turn, so there is no answer to learn")
    return messages


def _message(raw: Any, number: int) -> Message:
    where = f"message {number}"
    if not isinstance(raw, Mapping) or not raw.keys() >= {"role", "content"}:
        raise ValueError(f"{where} is not an object with `role` and `content`")
    role, content = raw["role"], raw["content"]
    if role not in ROLES:
        raise ValueError(f"{where} has the role {role!r}, which is none of {', '.join(ROLES)}")
    unread = [key for key in NOT_READ if raw.get(key) not in (None, [], "")]
    if unread:
        raise ValueError(f"{where} (of the {role}) has `{unread[0]}`, which is not read")
    if not isinstance(content, str):
        raise ValueError(f"`content` of {where} (of the {role}) is {type(content).__name__}, not text")
    if role != "system" and not content.strip():
        raise ValueError(f"`content` of {where} (of the {role}) is empty")
    if not content.isascii() and any("\ud800" <= letter <= "\udfff" for letter in content):
        raise ValueError(f"`content` of {where} (of the {role}) holds half of a surrogate pair, which is not text")
    return Message(role, content)
