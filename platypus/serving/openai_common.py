"""What both OpenAI endpoints share: tools in a request, which of them may be called, texts, identifiers."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.errors import CatalogueError
from platypus.serving.asking import Choice
from platypus.serving.calls import References
from platypus.serving.errors import ApiError, invalid, refused, unsupported
from platypus.serving.limits import Limits

FORMATS = "text and json_schema (an answer in JSON needs a schema)"
NO_EFFECT = {"user", "safety_identifier", "prompt_cache_key", "metadata"}  # parameters that change nothing here
OWN = ("references",)  # keys of the object `platypus` in a request
ROLES: Mapping[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


@dataclass(frozen=True)
class Chosen:
    """What `tool_choice` says: the tools that may be called (None: all), whether one must be, whether none is."""

    allowed: tuple[str, ...] | None = None
    required: bool = False
    described: bool = False


def new_id(kind: str) -> str:
    """A new identifier, such as `call_…`."""
    return f"{kind}_{secrets.token_hex(12)}"


def read_tools(sent: Any, limits: Limits) -> Catalogue | None:
    """The tools that a request sends, in the shape of either endpoint; None if it sends none. Raises ApiError."""
    if sent is None or sent == []:
        return None
    if not isinstance(sent, list):
        raise invalid("tools", "is no list")
    if len(sent) > limits.tools:
        what = f"tools: {len(sent)} tools were sent, and this server takes {limits.tools} at most"
        raise ApiError(422, what, param="tools", code="too_many_tools")
    for place, tool in enumerate(sent):
        if not isinstance(tool, Mapping):
            raise invalid(f"tools[{place}]", "is no object")
        if tool.get("type") != "function":
            raise unsupported(f"tools[{place}].type", f"{tool.get('type')!r} is not supported, only 'function'")
    try:
        return catalogue_from_json(sent, where="tools")
    except CatalogueError as error:
        raise refused(error, param="tools") from error


def read_tool_choice(given: Any, tools: Catalogue | None) -> Chosen:
    """What `tool_choice` says, in the shape of either endpoint. Raises ApiError."""
    if given in (None, "auto"):
        return Chosen()
    if given in ("required", "none"):
        return Chosen(required=given == "required", described=given == "none")
    if not isinstance(given, Mapping):
        raise invalid("tool_choice", f"{given!r} is none of auto, none, required, a function, allowed_tools")
    if given.get("type") == "function":
        name = _name(given)
        if tools is not None and tools.tool(name) is None:
            raise invalid("tool_choice", f"there is no tool {name!r} in this request")
        return Chosen((name,), required=True)
    if given.get("type") == "allowed_tools":
        inner = given["allowed_tools"] if isinstance(given.get("allowed_tools"), Mapping) else given
        listed = inner.get("tools")
        if inner.get("mode") not in ("auto", "required") or not isinstance(listed, list) or not listed:
            raise invalid("tool_choice", "allowed_tools has a mode (auto or required) and a list of tools")
        names = tuple(_name(tool) for tool in listed)
        unknown = [name for name in names if tools is not None and tools.tool(name) is None]
        if unknown:
            raise invalid("tool_choice", f"there is no tool {unknown[0]!r} in this request")
        return Chosen(names, required=inner["mode"] == "required")
    raise unsupported("tool_choice.type", f"{given.get('type')!r} is not supported")


def _name(tool: Any) -> str:
    inner = tool.get("function", tool) if isinstance(tool, Mapping) else {}
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(name, str):
        raise invalid("tool_choice", "a function is chosen by its name")
    return name


def written_as_tool(schema: Any, name: Any, *, param: str) -> Catalogue:
    """The schema of a JSON answer as the only tool, whose arguments are the answer. Raises ApiError."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise unsupported(param, "needs the schema of an object")
    tool = {"name": str(name or "answer"), "description": str(schema.get("description", "")), "inputSchema": schema}
    try:
        return catalogue_from_json([tool], where=param)
    except CatalogueError as error:
        raise refused(error, param=param) from error


def read_seed(seed: int | None) -> int:
    """The seed, as a number that a generator takes."""
    return 0 if seed is None else seed % (1 << 63)


def read_references(own: Any) -> References | None:
    """`references` of the object `platypus` in a request: "keep", "none", or None. Raises ApiError."""
    own = {} if own is None else own
    if not isinstance(own, Mapping):
        raise invalid("platypus", "is no object")
    for name in own:
        if name not in OWN:
            raise ApiError(400, f"platypus.{name}: there is no such key", param=f"platypus.{name}", code="unknown_key")
    references: References | None = own.get("references")
    if references not in (None, "keep", "none"):
        raise invalid("platypus.references", f"{references!r} is neither 'keep' nor 'none'")
    return references


def read_text(content: Any, kinds: Sequence[str], *, where: str) -> str:
    """The text of a message's content: a string, or a list of parts of these kinds. Raises ApiError."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid(where, "is neither a text nor a list of parts")
    texts = []
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in kinds:
            raise unsupported(f"{where}[{place}].type", f"{kind!r} is not supported, only {' and '.join(kinds)}")
        text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise invalid(f"{where}[{place}].text", "is no text")
        texts.append(text)
    return "\n".join(texts)


def log_entries(choice: Choice) -> list[dict[str, Any]]:
    """The tokens of an answer with their log-probabilities, as both endpoints list them."""
    return [
        {"token": text, "logprob": log, "bytes": list(text.encode()), "top_logprobs": []} for text, log in choice.logs
    ]
