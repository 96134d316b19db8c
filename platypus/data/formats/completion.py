"""`{"prompt": …, "completion": …}`: an instruction and its answer, or with lists of messages a conversation."""

from collections.abc import Mapping
from typing import Any

from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.openai import convert as convert_messages
from platypus.errors import DatasetError

KEYS = frozenset({"prompt", "completion", "tools"})


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether the row has a prompt and its completion, both of one kind."""
    kinds = {type(row.get("prompt")), type(row.get("completion"))}
    return kinds in ({str}, {list}) and not row.keys() & {"instruction", "query", "messages"}


def convert(row: Mapping[str, Any]) -> Converted:
    """The canonical row. Raises DatasetError for a row that cannot be converted."""
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str):
        return Converted({"instruction": prompt, "input": "", "output": completion})
    if not all(isinstance(message, Mapping) for message in (*prompt, *completion)):
        raise DatasetError("its `prompt` and `completion` are lists, but not of messages")
    if any(message.get("role") == "assistant" for message in prompt):
        raise DatasetError("has an assistant's turn in its prompt, which is not to be learned; all such turns are here")
    return convert_messages({"messages": [*prompt, *completion], "tools": row.get("tools")})


FORMAT = Format("prompt and completion", KEYS, recognises, convert)
