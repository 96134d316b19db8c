"""A hub on this machine: data sets as folders, served as huggingface.co serves them, as far as reading one needs.

It has one revision, and tells which files were asked for.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILE = re.compile(r"/datasets/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
API = re.compile(r"/api/datasets/(?P<name>[^/]+/[^/]+)/?(?P<what>revision|tree|paths-info)?/?(?P<revision>[^/]+)?/?.*")


@dataclass(frozen=True)
class FakeHub:
    """The address of the hub, and the files that were downloaded from it."""

    url: str
    served: list[str] = field(default_factory=list)


@contextmanager
def fake_hub(root: Path) -> Iterator[FakeHub]:
    """Serve the folders `root/owner/name` as data sets."""
    served: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._answer(with_body=True, asked=self.rfile.read(length))

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def _answer(self, *, with_body: bool, asked: bytes = b"") -> None:
            path = unquote(urlsplit(self.path).path)
            file, api = FILE.fullmatch(path), API.fullmatch(path)
            if file:
                self._file(root / file["name"], file["path"], with_body)
            elif api and (root / api["name"]).is_dir():
                self._json(_described(root / api["name"], api["name"], api["what"], asked))
            else:
                self._missing("RepoNotFound")

        def _file(self, folder: Path, name: str, with_body: bool) -> None:
            path = folder / name
            if not path.is_file():
                return self._missing("EntryNotFound" if folder.is_dir() else "RepoNotFound")
            content = path.read_bytes()
            if with_body:
                served.append(name)
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def _json(self, data: Any) -> None:
            content = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _missing(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield FakeHub(f"http://127.0.0.1:{server.server_address[1]}", served)
    finally:
        server.shutdown()
        server.server_close()


def _described(folder: Path, name: str, what: str | None, asked: bytes) -> Any:
    """What the hub tells about a data set: all of it, or some of its files and folders."""
    entries = [_entry(path, folder) for path in sorted(folder.rglob("*"))]
    if what == "tree":
        return entries
    if what == "paths-info":
        paths = json.loads(asked)["paths"]
        return [entry for entry in entries if entry["path"] in paths]
    files = [{"rfilename": entry["path"]} for entry in entries if entry["type"] == "file"]
    return {"id": name, "sha": COMMIT, "private": False, "tags": [], "siblings": files}


def _entry(path: Path, folder: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    if path.is_dir():
        return {"type": "directory", "path": name, "oid": "0" * 40}
    content = path.read_bytes()
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
