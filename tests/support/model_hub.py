"""A hub on this machine that models are pushed to: as huggingface.co answers `huggingface_hub`, as far as a push asks.

Large files come by Git LFS or, unless HF_HUB_DISABLE_XET is set, as Xet's blocks. It counts what comes, and fails or
hangs where a test wants it.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

TOKEN = "hf_made_up_for_tests"
LARGE = (".safetensors",)  # what goes to Git LFS or Xet


@dataclass
class Repository:
    """The files of a repository's head, its commits' ids, and the commits that tags name."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, tuple[str, int]] = field(default_factory=dict)  # SHA-256 and size of those in large storage
    commits: list[str] = field(default_factory=lambda: [_id("start")])
    tags: dict[str, str] = field(default_factory=dict)
    licence: str | None = None


@dataclass
class ModelHub:
    """What is on the hub, what came, and what it does at requests: `fails` has a status, `hangs` waits forever."""

    url: str = ""
    user: dict[str, Any] = field(
        default_factory=lambda: {
            "name": "user",
            "type": "user",
            "orgs": [{"name": "club"}],
            "auth": {"accessToken": {"role": "write"}},
        }
    )
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # of Git LFS, by SHA-256
    blocks: set[str] = field(default_factory=set)  # of Xet
    requests: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    fails: Callable[[str], tuple[int, str] | None] = lambda request: None
    hangs: Callable[[str], bool] = lambda request: False
    hanging: Event = field(default_factory=Event)
    sent: int = 0  # bytes of large files that came

    def asked(self, part: str) -> list[str]:
        """The requests with this in them."""
        return [request for request in self.requests if part in request]


@contextmanager
def model_hub() -> Iterator[ModelHub]:
    """A hub without repositories, on a free port."""
    hub = ModelHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def asked_hub(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[ModelHub]:
    """A hub that `huggingface_hub` asks in this process, with a token, by Git LFS, and without waiting to try again."""
    with model_hub() as hub:
        patch.setenv("HF_TOKEN", TOKEN)
        patch.setenv("HF_HOME", str(folder / "home"))
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(_http.time, "sleep", lambda seconds: None)
        yield hub


def _id(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def _handler(hub: ModelHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        do_POST = do_PUT = do_HEAD = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            request = f"{self.command} {path}"
            hub.requests.append(request)
            hub.tokens.add(self.headers.get("Authorization"))
            if hub.hangs(request):
                hub.hanging.set()
                Event().wait(600)
            body = self._body()
            failure = hub.fails(request)
            if failure:
                return self._send(*failure)
            for pattern, act in ROUTES:
                if match := re.fullmatch(pattern, request):
                    return self._send(*act(hub, match, body))
            self._send(404, "")

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _send(self, status: int, data: Any) -> None:
            said = data if isinstance(data, str) and status >= 400 else ""
            content = b"{}" if status >= 400 else json.dumps(data).encode()
            self.send_response(status)
            code = {404: "RepoNotFound"}.get(status) if not said else None
            for name, value in (("X-Error-Code", code), ("X-Error-Message", said or None)):
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


Answer = tuple[int, Any]


def _create(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    asked = json.loads(body)
    name = f"{asked['organization']}/{asked['name']}"
    if name in hub.repositories:
        return 409, "You already created this model repo"
    hub.repositories[name] = Repository(asked.get("visibility") == "private", {".gitattributes": b""})
    return 200, {"url": f"{hub.url}/{name}", "id": name}


def _described(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    name = match["name"]
    if name not in hub.repositories:
        return 404, ""
    found = hub.repositories[name]
    siblings = [{"rfilename": path} for path in (*found.files, *found.large)]
    head = {"id": name, "sha": found.commits[-1], "private": found.private, "tags": [], "siblings": siblings}
    return 200, head | {"cardData": {"license": found.licence}}


def _tree(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    found = hub.repositories[match["name"]]
    small = {path: {"size": len(content), "oid": _git_id(content)} for path, content in found.files.items()}
    large = {
        path: {"size": size, "oid": _id(path), "lfs": {"oid": oid, "size": size, "pointerSize": 130}}
        for path, (oid, size) in found.large.items()
    }
    return 200, [{"type": "file", "path": path, **entry} for path, entry in (small | large).items()]


def _git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _refs(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    found = hub.repositories[match["name"]]
    tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": commit} for tag, commit in found.tags.items()]
    return 200, {"branches": [], "converts": [], "tags": tags}


def _preupload(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    found = hub.repositories[match["name"]]
    files = []
    for file in json.loads(body)["files"]:
        large = file["path"].endswith(LARGE)
        content = found.files.get(file["path"])
        oid = found.large[file["path"]][0] if file["path"] in found.large else content and _git_id(content)
        mode = "lfs" if large else "regular"
        files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return 200, {"files": files}


def _batch(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    objects = []
    for asked in json.loads(body)["objects"]:
        known = asked["oid"] in hub.objects
        actions = {} if known else {"actions": {"upload": {"href": f"{hub.url}/objects/{asked['oid']}"}}}
        objects.append(asked | actions)
    return 200, {"transfer": "basic", "objects": objects}


def _put(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    hub.objects[hashlib.sha256(body).hexdigest()] = body
    hub.sent += len(body)
    return 200, {}


def _xet_token(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    return 200, {"accessToken": "made-up", "exp": int(time.time()) + 3600, "casUrl": hub.url}


def _block(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    new = match["hash"] not in hub.blocks
    hub.blocks.add(match["hash"])
    hub.sent += len(body)
    return 200, {"was_inserted": new}


def _commit(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    found = hub.repositories[match["name"]]
    lines = [json.loads(line) for line in body.splitlines()]
    parent = lines[0]["value"].get("parentCommit")
    if parent not in (None, found.commits[-1]):
        return 412, "A commit has happened since. Please refresh and try again."
    for line in lines[1:]:
        value = line["value"]
        if line["key"] == "file":
            found.files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            found.large[value["path"]] = (value["oid"], value["size"])
        else:
            (found.large if value["path"] in found.large else found.files).pop(value["path"])
    found.commits.append(_id(f"{match['name']}{len(found.commits)}"))
    url = f"{hub.url}/{match['name']}/commit/{found.commits[-1]}"
    return 200, {"commitUrl": url, "commitOid": found.commits[-1]}


def _tag(hub: ModelHub, match: re.Match[str], body: bytes) -> Answer:
    found, tag = hub.repositories[match["name"]], json.loads(body)["tag"]
    if tag in found.tags:
        return 409, f"Tag {tag} already exists"
    found.tags[tag] = match["revision"]
    return 200, {}


MODEL = r"/api/models/(?P<name>[^/]+/[^/]+)"
ROUTES: tuple[tuple[str, Callable[[ModelHub, re.Match[str], bytes], Answer]], ...] = (
    (r"GET /api/whoami-v2", lambda hub, match, body: (200, hub.user)),
    (r"POST /api/validate-yaml", lambda hub, match, body: (200, {})),
    (r"POST /api/repos/create", _create),
    (rf"GET {MODEL}(/revision/.+)?", _described),
    (rf"GET {MODEL}/tree/.+", _tree),
    (rf"GET {MODEL}/refs", _refs),
    (rf"POST {MODEL}/preupload/.+", _preupload),
    (r"POST /[^/]+/[^/]+\.git/info/lfs/objects/batch", _batch),
    (r"PUT /objects/(?P<oid>.+)", _put),
    (rf"GET {MODEL}/xet-write-token/.+", _xet_token),
    (r"POST /v1/xorbs/default/(?P<hash>\w+)", _block),
    (r"POST /v1/shards", lambda hub, match, body: (200, {"result": 1})),
    (rf"POST {MODEL}/commit/.+", _commit),
    (rf"POST {MODEL}/tag/(?P<revision>.+)", _tag),
)
