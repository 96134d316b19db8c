"""Bodies: the middleware that reads them within the limits.

A body is read whole, within a size and a time, and must be JSON (application/json, so that no web page of another
origin can send one unasked) without deep nesting and without text that is not Unicode. What a body means is not known
here.
"""

from typing import Any

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platypus.serving.errors import ApiError, invalid
from platypus.serving.limits import Limits
from platypus.strict_json import strict_json

READ = 8  # a body up to so many times the limit is read to its end: most clients read no answer before that


class BodyReader:
    """ASGI middleware: reads the body of a POST within the limits and hands on only what is sound JSON."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 408, 413 or 415, or call the app with the body as one message."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
            await anyio.to_thread.run_sync(check_json, body, self.limits.depth)
        except ApiError as error:
            response = JSONResponse(error.to_json(), error.status, headers={**error.headers, "connection": "close"})
            await response(scope, receive, send)
            return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        await self.app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ApiError(415, f"the body must be application/json, not {kind or 'untyped'}", code="unsupported_type")
        length = headers.get(b"content-length", "")
        most = READ * self.limits.body
        if length.isdecimal() and int(length[:19]) > most:
            raise self._too_large()
        size, body = 0, bytearray()
        try:
            with anyio.fail_after(self.limits.body_seconds):
                while True:
                    message = await receive()
                    part = message.get("body", b"")
                    size += len(part)
                    body += part if size <= self.limits.body else b""
                    ended = message["type"] == "http.disconnect" or not message.get("more_body")
                    if size > most or (ended and size > self.limits.body):
                        raise self._too_large()
                    if ended:
                        return bytes(body)
        except TimeoutError as error:
            what = f"the body did not arrive within {self.limits.body_seconds:g} s"
            raise ApiError(408, what, code="body_timeout") from error

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the body is larger than {self.limits.body} bytes", code="body_too_large")


def check_json(body: bytes, depth: int) -> Any:
    """The JSON in a body. Raises ApiError if it is none, nests deeper than `depth`, or holds half a surrogate pair."""
    try:
        data = strict_json(body.decode())
    except UnicodeDecodeError as error:
        raise invalid(None, "the body is not UTF-8", code="invalid_json") from error
    except ValueError as error:
        raise invalid(None, f"the body is not JSON: {error}", code="invalid_json") from error
    except RecursionError as error:
        raise _too_deep(depth) from error
    level, left = [data], depth
    while level:
        if not left:
            raise _too_deep(depth)
        inner = [part for value in level for part in _parts(value)]
        if any(not _is_text(part) for part in (*level, *inner) if isinstance(part, str)):
            raise invalid(
                None, "a text of the body has half of a surrogate pair, which is not Unicode", code="bad_text"
            )
        level, left = [part for part in inner if isinstance(part, dict | list)], left - 1
    return data


def _too_deep(depth: int) -> ApiError:
    return ApiError(422, f"the body nests deeper than {depth} levels", code="too_deep")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
