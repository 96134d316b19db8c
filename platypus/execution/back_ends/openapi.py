"""Operations of an OpenAPI document as a back end, over HTTP.

Arguments go where the document has them: path, query, header, body. A JSON answer is structured content; another is
text. A status of 400 or more is an error result; 429 and 503 say that to try again may help, and after 502 and 504
nobody knows whether the call was done. A redirect is an error, since it leads to what the document does not name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from platypus.catalogue.sources.openapi import Call, Part, calls
from platypus.catalogue.sources.openapi import definitions as tool_definitions
from platypus.catalogue.sources.source import Source, missing
from platypus.errors import ExecutionError
from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.results import FailureKind, ToolResult
from platypus.plan.plan import Malformed, parse_json

BUSY: dict[int, FailureKind] = {429: "refused", 503: "refused", 502: "lost", 504: "lost"}
SHOWN = 500  # letters of an error's body


class OpenApiBackEnd:
    """The operations of one document. `headers` go with every call; `most`: bytes of an answer that are read."""

    prefix = ""

    def __init__(self, source: Source, *, base_url: str | None, headers: Mapping[str, str], most: int) -> None:
        self.name, self.headers, self.most = source.where, headers, most
        self.calls = calls(source)
        self._listed = {tool["name"]: tool for tool in tool_definitions(source)}
        self.base_url = (base_url or _server_url(source.document)).rstrip("/")
        self._client: Any = None

    def may_have(self, tool: str) -> bool:
        """Whether there is such an operation."""
        return tool in self.calls

    async def open(self) -> None:
        """Make a client. Raises ExecutionError if the document does not say where the API is, or headers are none."""
        try:
            import httpx2
        except ImportError as error:
            raise missing("httpx2", self.name) from error
        if not re.match(r"https?://", self.base_url):
            what = f"does not say where the API is ({self.base_url or 'no servers'})"
            raise ExecutionError(what, where=self.name, remedy="Set base_url under [execute].")
        try:
            httpx2.URL(self.base_url)
        except httpx2.InvalidURL as error:
            what = f"the API's address {self.base_url!r} is none: {error}"
            raise ExecutionError(what, where=self.name, remedy="Set base_url under [execute].") from error
        if wrong := next((name for name, value in self.headers.items() if not _is_header(value)), None):
            what = f"the header {wrong!r} under [execute] holds more than one line of ASCII"
            raise ExecutionError(what, where=self.name, remedy="Correct it, or the variable in it.")
        self._client = httpx2.AsyncClient(headers=dict(self.headers), timeout=None)

    def definitions(self) -> Mapping[str, Any]:
        """Those of the document as it is now, which may be another one than the catalogue was read from."""
        return self._listed

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """The answer of an operation. Raises CallFailed."""
        import httpx2

        call = self.calls[tool]
        try:
            async with self._client.stream(call.method.upper(), **self._request(call, arguments)) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > self.most:
                        raise CallFailed("size", f"the answer has more than {self.most:,} bytes (`max_result_kb`)")
        except httpx2.ConnectError as error:
            raise CallFailed("unsent", f"{self.base_url} cannot be reached: {error}", may_help=True) from error
        except (httpx2.InvalidURL, httpx2.LocalProtocolError) as error:
            raise CallFailed("unsent", f"no request can be made of that: {error}") from error
        except httpx2.DecodingError as error:
            raise CallFailed("garbage", f"the answer cannot be read: {error}") from error
        except httpx2.HTTPError as error:
            what = f"the connection was lost: {type(error).__name__} {error}".strip()
            raise CallFailed("lost", what, may_help=True) from error
        return _read(response, bytes(content))

    def _request(self, call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        path, query, headers, body = call.path, list[tuple[str, str]](), dict[str, str](), dict[str, Any]()
        for argument, value in arguments.items():
            for part in call.parts.get(argument, ()):
                if part.place == "path":
                    path = path.replace(f"{{{part.name}}}", _in_path(part, value))
                elif part.place == "query":
                    query += _in_query(part, value)
                elif part.place == "header":
                    headers[part.name] = _in_header(part, value)
                else:
                    body[part.name] = value
        request: dict[str, Any] = {"url": self.base_url + path, "params": query or None, "headers": headers}
        if not call.media_type or (not body and not call.whole):
            return request
        content = body.get("body") if call.whole else body
        if "json" in call.media_type:
            headers["Content-Type"] = call.media_type
            return {**request, "content": json.dumps(content, ensure_ascii=False).encode()}
        if "form" in call.media_type and isinstance(content, Mapping):
            return {**request, "data": {name: _plain(value) for name, value in content.items()}}
        headers["Content-Type"] = call.media_type
        return {**request, "content": _plain(content).encode()}

    async def close(self) -> None:
        """End the client's connections."""
        if self._client is not None:
            await self._client.aclose()


def _server_url(document: Mapping[str, Any]) -> str:
    """The URL of the document's first server, with the defaults of its variables; empty if there is none."""
    servers = document.get("servers")
    server = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], Mapping) else {}
    variables = server.get("variables")
    held = variables.items() if isinstance(variables, Mapping) else ()
    defaults = {name: str(variable.get("default", "")) for name, variable in held if isinstance(variable, Mapping)}
    return re.sub(r"\{([^}]+)\}", lambda match: defaults.get(match[1], match[0]), str(server.get("url") or ""))


def _in_path(part: Part, value: Any) -> str:
    """A value as one segment of a path. Raises CallFailed for one that would lead to another path."""
    text = ",".join(map(_plain, value)) if isinstance(value, list) else _plain(value)
    if text in ("", ".", ".."):
        raise CallFailed("unsent", f"{part.name!r} cannot be {text!r}: it is a segment of the path")
    return quote(text, safe="")


def _in_header(part: Part, value: Any) -> str:
    """A value as a header. Raises CallFailed for one that no header can hold."""
    if not _is_header(text := _plain(value)):
        raise CallFailed("unsent", f"{part.name!r} cannot be {text!r}: a header is one line of ASCII")
    return text


def _is_header(text: str) -> bool:
    return text.isascii() and not set(text) & set("\r\n\0")


def _in_query(part: Part, value: Any) -> Iterator[tuple[str, str]]:
    """The pairs of a parameter, by its style: `form` (exploded unless told otherwise), `deepObject`, or separated."""
    explode = part.explode if part.explode is not None else part.style in ("", "form")
    if part.is_json:
        yield part.name, json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list):
        separator = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(part.style, ",")
        texts = [_plain(element) for element in value]
        yield from ((part.name, text) for text in (texts if explode else [separator.join(texts)]))
    elif isinstance(value, Mapping):
        for key, element in value.items():
            yield (f"{part.name}[{key}]" if part.style == "deepObject" else key), _plain(element)
    else:
        yield part.name, _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(response: Any, content: bytes) -> ToolResult:
    text = content.decode(response.encoding or "utf-8", errors="replace")
    if kind := BUSY.get(response.status_code):
        raise CallFailed(kind, f"HTTP {response.status_code}: {text[:SHOWN]}".strip(": "), may_help=True)
    if response.status_code >= 300:
        return ToolResult(text=f"HTTP {response.status_code}: {text[:SHOWN]}".strip(": "), is_error=True)
    if not content:
        return ToolResult(None)
    data = parse_json(text) if "json" in response.headers.get("Content-Type", "") else Malformed(text, ())
    return ToolResult(text=text) if isinstance(data, Malformed) else ToolResult(data)
