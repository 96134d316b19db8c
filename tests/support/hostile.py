"""Hostile requests to a server, drawn with a seed: what is no JSON, no plan, no schema, or too much of anything."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit

TOOL: dict[str, Any] = {
    "name": "send",
    "description": "Sends a message",
    "parameters": {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]},
}
PLAN = [{"tool_name": "who_am_i", "arguments": []}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/plan": {"request": "List my work items", "k": 1, "tools": [TOOL]},
    "/v1/score": {"request": "Who am I?", "plan": PLAN},
    "/v1/check": {"plan": PLAN, "tools": [TOOL]},
    "/v1/corrections": {"request": "Who am I?", "plan": PLAN, "answered": PLAN},
    "/v1/chat/completions": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Who am I?"}]},
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "send"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "{}"},
        ],
        "tools": [{"type": "function", "function": TOOL}],
        "tool_choice": "auto",
        "stream": False,
        "n": 1,
        "temperature": 0.5,
        "max_tokens": 20,
        "platypus": {"references": "none"},
    },
    "/v1/responses": {
        "input": [
            {"role": "user", "content": "Who am I?"},
            {"type": "function_call", "call_id": "a", "name": "send", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "{}"},
        ],
        "tools": [{"type": "function", **TOOL}],
        "text": {"format": {"type": "text"}},
    },
    "/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "plan", "arguments": {}}},
}
TEXTS = ["", "\0", "a\0b", "\u2028\x85\x0c", "\u202e\ufeff", "😀" * 50, "<1> <2>", "$$PREV[0]", '"\\', "%s{0}${x}"]
TEXTS += ["../../etc/hosts", "</s><s>[INST]", "are " * 2000, "A" * 40_000, "\r\ndata: [DONE]\r\n\r\n"]
VALUES: list[Any] = [*TEXTS, None, True, False, 0, -1, 1.5, 1e308, 10**30, [], {}, [[]], [None], {"": {}}, {"type": []}]
PATTERNS = [
    "(a+)+$",
    "(a|aa)+b",
    "((a{1,90}){1,90}){1,90}",
    "(" * 300,
    "(?<!a)b",
    r"(a)\1",
    "[z-a]",
    "^(.*,){40}P",
    "*",
]
PATTERNS += [
    "\\p{L}+",
    "[^\\x00-\\x7f]{1,999}",
    "(?:" * 60 + "a" + ")*" * 60,
    "|".join(["ab"] * 5000),
    "a{5}{6}{7}{8}{9}",
]
SCHEMAS: list[Any] = [{"type": "string", "pattern": pattern} for pattern in PATTERNS]
SCHEMAS += [{"enum": [f"v{n}" for n in range(5000)]}, {"enum": list(range(5000))}, {"enum": []}, {"const": "\0"}]
SCHEMAS += [{"$ref": "#"}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, {"$ref": "file:///x"}]
SCHEMAS += [
    {"type": "array", "minItems": 10**9},
    {"type": "array", "uniqueItems": True, "minItems": 99, "items": {"enum": [1]}},
]
SCHEMAS += [
    {"type": "number", "multipleOf": 1e-300},
    {"type": "integer", "minimum": 1e308},
    {"maxLength": -1},
    True,
    False,
    7,
]
SCHEMAS += [{"allOf": [{"anyOf": [{"const": 2 * n}, {"const": 2 * n + 1}]} for n in range(20)]}, {"not": {"not": {}}}]
SCHEMAS += [
    {"type": "object", "properties": {f"p{n}": {} for n in range(2000)}},
    {"type": "string", "minLength": 10**7},
]
SCHEMAS += [{"oneOf": [{"type": "string", "pattern": f"a{n}"} for n in range(300)]}, {"type": ["string", "banana"]}]


@dataclass(frozen=True)
class Hostile:
    """One request: its kind, and what goes over the wire, with a pause before each part but the first.

    `leaves` closes the connection without waiting for the answer.
    """

    kind: str
    parts: tuple[bytes, ...]
    pause: float = 0.0
    leaves: bool = False


def send(address: str, hostile: Hostile, *, patience: float) -> tuple[str, float]:
    """The status of the answer and the seconds until it was whole: "closed" without one, "left", or "hangs"."""
    where, started = urlsplit(address), time.monotonic()
    with socket.create_connection((where.hostname or "", where.port or 80), timeout=patience) as connection:
        status = _exchange(connection, hostile)
    return status, time.monotonic() - started


def _exchange(connection: socket.socket, hostile: Hostile) -> str:
    answer = b""
    with suppress(ConnectionError):  # it may refuse a body before it has read all of it
        for number, part in enumerate(hostile.parts):
            time.sleep(hostile.pause if number else 0.0)
            connection.sendall(part)
    if hostile.leaves:
        return "left"
    try:
        while more := connection.recv(1 << 16):
            answer += more
    except TimeoutError:
        return "hangs"
    except ConnectionError:
        pass  # what was received before is an answer
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "closed"


def hostile_requests(seed: int, count: int, *, slow: int = 0) -> Iterator[Hostile]:
    """So many requests, all kinds in turn; `slow` further ones whose bodies come too slowly."""
    rng = Random(seed)
    kinds = list(KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield KINDS[kind](rng, kind)
    for _ in range(slow):
        yield Hostile("slow body", (*_head("/v1/plan", 60), *[b" "] * 60), pause=0.5)


def _head(path: str, length: int, *, kind: str = "application/json") -> tuple[bytes, ...]:
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {length}")
    return ("\r\n".join((*lines, "Connection: close", "\r\n")).encode(),)


def _post(kind: str, path: str, body: Any, **known: Any) -> Hostile:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Hostile(kind, (*_head(path, len(data)), data), **known)


def _path(rng: Random) -> str:
    return rng.choice([*BODIES])


def _cut(rng: Random, kind: str) -> Hostile:
    path = _path(rng)
    data = bytearray(json.dumps(BODIES[path]).encode())
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                del data[at : at + rng.randint(1, 30)]
            case 1:
                data[at] = rng.randrange(256)
            case 2:
                data[at:at] = rng.choice(
                    [b"\0", b"\xff", b"\xed\xa0\x80", b"NaN", b'"', b"]", b"\\ud800", b"1e999999", b"9" * 5000]
                )
            case _:
                data += data[at:]
        data = data or bytearray(b"{")
    return _post(kind, path, bytes(data))


def _changed(rng: Random, value: Any) -> Any:
    """The value with one place replaced by something else."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice([*value])
        if rng.random() < 0.1:
            return {**value, rng.choice(TEXTS): rng.choice(VALUES)}
        return {**value, key: _changed(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], _changed(rng, value[at]), *value[at + 1 :], *value[: rng.choice([0, 0, 1])]]
    return rng.choice(VALUES)


def _other_values(rng: Random, kind: str) -> Hostile:
    path = _path(rng)
    body = BODIES[path]
    for _ in range(rng.randint(1, 3)):
        body = _changed(rng, body)
    return _post(kind, path, body)


def _deep(rng: Random, kind: str) -> Hostile:
    path, depth = _path(rng), rng.choice([30, 62, 63, 64, 65, 500, 20_000])
    opening, closing = rng.choice(
        [(b"[", b"]"), (b'{"a":', b"}"), (b'{"properties":{"a":', b"}}"), (b'{"items":', b"}")]
    )
    key = rng.choice([*BODIES[path]]).encode()
    inner = opening * depth + b"1" + closing * (depth if rng.random() < 0.8 else 0)
    whole = json.dumps(BODIES[path]).encode()
    return _post(kind, path, whole[:-1] + b', "' + key + b'": ' + inner + b"}")


def _with_tools(rng: Random, kind: str, tools: list[dict[str, Any]]) -> Hostile:
    path = rng.choice(["/v1/plan", "/v1/check", "/v1/score", "/v1/chat/completions"])
    if path == "/v1/chat/completions":
        shaped = [{"type": "function", "function": tool} for tool in tools]
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "Send it"}], "max_tokens": 16}
        return _post(kind, path, {**body, "tools": shaped, "stream": rng.random() < 0.3})
    plan = [{"tool_name": "send", "arguments": [{"argument_name": "to", "argument_value": "a" * 40}]}]
    body = (
        {"request": "Send it"}
        if path == "/v1/plan"
        else {"plan": plan} | ({"request": "Send it"} if path == "/v1/score" else {})
    )
    return _post(kind, path, {**body, "tools": tools})


def _schema(rng: Random, kind: str) -> Hostile:
    schema = rng.choice(SCHEMAS)
    for _ in range(rng.choice([0, 0, 1, 2])):
        schema = rng.choice([{"type": "array", "items": schema}, {"anyOf": [schema, {"type": "null"}]}])
    parameters = {"type": "object", "properties": {"to": schema}, "required": rng.choice([["to"], [], ["nothing"]])}
    return _with_tools(rng, kind, [{**TOOL, "parameters": rng.choice([parameters, parameters, schema])}])


def _many_tools(rng: Random, kind: str) -> Hostile:
    count = rng.choice([2, 513, 5000])
    return _with_tools(rng, kind, [{**TOOL, "name": f"send{n % rng.choice([2, 10**6])}"} for n in range(count)])


def _large(rng: Random, kind: str) -> Hostile:
    path = _path(rng)
    if rng.random() < 0.5:
        return _post(kind, path, b'{"request": "' + b"x" * 10_000_000 + b'"}')
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Transfer-Encoding: chunked")
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    return Hostile(kind, ("\r\n".join((*lines, "Connection: close", "\r\n")).encode(), *[chunk] * 10, b"0\r\n\r\n"))


def _left(rng: Random, kind: str) -> Hostile:
    """A client that is gone: within the body, or before the answer."""
    path = rng.choice(["/v1/plan", "/v1/chat/completions", "/v1/responses"])
    body = json.dumps({**BODIES[path], **({} if path == "/v1/plan" else {"stream": True})}).encode()
    sent = body if rng.random() < 0.6 else body[: rng.randrange(len(body))]
    return Hostile(kind, (*_head(path, len(body)), sent), leaves=True)


def _odd_head(rng: Random, kind: str) -> Hostile:
    path = rng.choice(
        ["/", "/v1/plan", "/v1/models/\u00e9%00", "/v1/models/" + "a/" * 2000, "/%2e%2e/%2e%2e/x", "//x", "*"]
    )
    method = rng.choice(["GET", "POST", "PUT", "OPTIONS", "TRACE", "get", "\0", "X" * 5000])
    headers = ["Content-Length: -1", "Content-Length: 9" + "9" * 30, "Transfer-Encoding: banana", "X: " + "y" * 100_000]
    headers += ["Content-Type: application/json; charset=utf-16", "Host: evil.example", "\0: x", "Expect: 100-continue"]
    header = rng.choice(headers)
    lines = (f"{method} {path} HTTP/1.1", *(["Host: localhost"] if "Host" not in header else []), header)
    return Hostile(kind, ("\r\n".join((*lines, "Connection: close", "\r\n")).encode(),))


KINDS: dict[str, Callable[[Random, str], Hostile]] = {
    "broken JSON": _cut,
    "other values": _other_values,
    "deep nesting": _deep,
    "schema": _schema,
    "many tools": _many_tools,
    "large body": _large,
    "left": _left,
    "odd head": _odd_head,
}
