"""A fake teacher behind real HTTP on this machine: it returns the plans it has seen, and fails on demand."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[["Handler"], None]
Answer = Callable[[str, str], str]  # system and user message → reply

REQUEST = re.compile(r"<request>(.*)</request>", re.DOTALL)
PLAN = re.compile(r"^Plan: (.*)$", re.MULTILINE)
WRITE = re.compile(r"Write (\d+)")


class Handler(BaseHTTPRequestHandler):
    """One request to `/v1/chat/completions`."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        """Read the whole body, then fail as requested, or answer."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.server.lock:
            self.server.asked.append(body)
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
            fault = self.server.faults.pop(0) if self.server.faults else self.server.always
        try:
            self.answer(body) if fault is None else fault(self)
        except OSError:  # the client has gone away
            self.close_connection = True
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def answer(self, body: str) -> None:
        """Answer in the form of the chat API, with about as many tokens as there are words."""
        time.sleep(self.server.delay)
        with self.server.lock:
            held = self.server.answers_left <= 0
            self.server.answers_left -= 1
        if held:
            self.server.gate.wait(30)
            self.close_connection = True
            return
        messages = json.loads(body)["messages"]
        text = self.server.reply(messages[0]["content"], messages[-1]["content"])
        usage = {"prompt_tokens": sum(len(m["content"].split()) for m in messages), "completion_tokens": 20}
        with self.server.lock:
            self.server.answered[body] += 1
        self.send(200, completion(text, usage=usage))

    def send(self, status: int, data: Any, **headers: str) -> None:
        """A whole response; `data` is JSON unless it is bytes."""
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def completion(text: Any, *, usage: Any = None, finish: str = "stop") -> dict[str, Any]:
    """A chat completion with one message."""
    message = {"role": "assistant", "content": text}
    return {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}


class Server(ThreadingHTTPServer):
    """The server, with the requests it got, the answers it gave, and the faults to come."""

    daemon_threads = True

    def __init__(self, reply: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply = reply
        self.lock = threading.Lock()
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answered: Counter[str] = Counter()
        self.faults: list[Fault | None] = []
        self.always: Fault | None = None
        self.delay = 0.0
        self.answers_left = 10**9
        self.gate = threading.Event()
        self.under_way = self.most_under_way = 0

    @property
    def url(self) -> str:
        """Its address, as a recipe gives it."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that were killed."""


@contextmanager
def serving(reply: Answer) -> Iterator[Server]:
    """The server while the block runs."""
    server = Server(reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Scholar:
    """A good teacher: it paraphrases by a fixed pattern, proposes the given requests, and knows their plans."""

    def __init__(self, proposals: dict[str, str] | None = None) -> None:
        self.plans = dict(proposals or {})  # request → plan
        self.proposals = list(self.plans)

    def __call__(self, system: str, user: str) -> str:
        """The reply to a system and a user message."""
        match = REQUEST.search(user)
        if match is None:
            return json.dumps(self.proposals)
        if "PREV[1]" in system:  # the rules of a plan
            return f"```json\n{self.plans.get(match[1], '[]')}\n```"
        plan, count = PLAN.search(user), WRITE.search(user)
        assert plan and count
        paraphrases = [self.paraphrase(match[1], k) for k in range(int(count[1]))]
        self.plans |= dict.fromkeys(paraphrases, plan[1])
        return json.dumps(paraphrases)

    def paraphrase(self, request: str, k: int) -> str:
        """A paraphrase of the request, the k-th of three patterns."""
        return f"{('Somebody asked me this', 'As soon as you can', 'For the weekly report')[k % 3]}: {request}"


# ---------------------------------------------------------------- faults


def status(code: int, message: str = "no", **headers: str) -> Fault:
    """An HTTP error in OpenAI's form."""
    return lambda handler: handler.send(code, {"error": {"message": message, "code": None}}, **headers)


def raw(data: Any) -> Fault:
    """A response with status 200 and this content."""
    return lambda handler: handler.send(200, data)


def cut(handler: Handler) -> None:
    """Half an answer, then the connection ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"message": {"content": "[')
    handler.close_connection = True


def hang(handler: Handler) -> None:
    """No answer until the test ends."""
    handler.server.gate.wait(30)
    handler.close_connection = True


def drop(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
