"""API keys: made at random, kept only as SHA-256, compared in constant time.

A file of keys has one line for each: a name and the hash. The keys are random and long, so that a plain hash is enough:
there is nothing to guess.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from platypus.errors import RunError
from platypus.files import read_text, write_whole
from platypus.serving.errors import ApiError

GUARDED = ("/v1/", "/mcp", "/metrics")
LINE = re.compile(r"(?P<name>[\w.-]+) (?P<hash>[0-9a-f]{64})")


class Keys:
    """The hashes of the keys that may ask, by name."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)

    @classmethod
    def read(cls, path: Path) -> "Keys":
        """The keys of a file. Raises RunError if there is none, or that names the line."""
        hashes = _hashes(path)
        if not hashes:
            raise RunError("holds no key", where=str(path), remedy=_remedy(path))
        return cls(hashes)

    def owner(self, key: str) -> str | None:
        """The name of a key; None if it is none of these. All are compared, whichever fits."""
        given = _hash(key)
        owners = [name for name, known in self._hashes.items() if hmac.compare_digest(known, given)]
        return owners[0] if owners else None


class KeyCheck:
    """ASGI middleware: lets only those in who have a key, but for the page and what tells whether the server lives."""

    def __init__(self, app: ASGIApp, keys: Keys | None) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or call the app."""
        if scope["type"] == "http" and self.keys is not None and scope["path"].startswith(GUARDED):
            headers = dict(scope["headers"])
            scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
            owner = self.keys.owner(key.strip()) if scheme.lower() == "bearer" else None
            if owner is None:
                what = "this key is not known" if key.strip() else "a key is needed: Authorization: Bearer KEY"
                error = ApiError(401, what, code="invalid_api_key")
                await JSONResponse(error.to_json(), 401, headers=error.headers)(scope, receive, send)
                return
            scope.setdefault("state", {})["owner"] = owner
        await self.app(scope, receive, send)


def add_key(path: Path, name: str) -> str:
    """Add a new key to the file, readable for its owner alone, and return it: it cannot be read again."""
    if not re.fullmatch(r"[\w.-]+", name):
        raise RunError(f"{name!r} is no name for a key", where=str(path), remedy="Use letters, digits and _ . -")
    hashes = _hashes(path) if path.exists() else {}
    if name in hashes:
        raise RunError(f"there is a key {name!r} already", where=str(path), remedy="Remove its line, or use another.")
    key = f"pk-{secrets.token_urlsafe(32)}"
    file = path.resolve()  # a link stays one
    try:
        file.with_name(f"{file.name}.new").touch(0o600)  # which `write_whole` fills: others can never read it
        write_whole(file, "".join(f"{one} {known}\n" for one, known in {**hashes, name: _hash(key)}.items()))
    except OSError as error:
        raise RunError(f"cannot be written: {error.strerror}", where=str(path), remedy="Name another file.") from error
    return key


def _hashes(path: Path) -> dict[str, str]:
    """Name → hash of the keys in a file. Raises RunError that names the line."""
    hashes: dict[str, str] = {}
    for number, line in enumerate(read_text(path, error=RunError, remedy=_remedy(path)).splitlines(), start=1):
        match = LINE.fullmatch(line)
        if match is None:
            raise RunError("is not a name and the hash of a key", where=f"{path}:{number}", remedy="Remove the line.")
        hashes[match["name"]] = match["hash"]
    return hashes


def _remedy(path: Path) -> str:
    return f"Add one: platypus serve --keys {path} --add-key NAME"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
