"""An MCP server without the SDK that does what no server should; each call that it gets is a line in a file.

    python tests/support/faulty_server.py CALLS [LISTING] [SECONDS]

What its tool `do` does is said by the argument `how`. LISTING is a JSON file with the tools that it lists, read anew at
each start; SECONDS go by before it listens.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

TEXT = {"type": "string"}
DO = {
    "name": "do",
    "description": "does it",
    "inputSchema": {"type": "object", "properties": {"how": TEXT, "it": {}, "number": {"type": "integer"}}},
    "annotations": {"readOnlyHint": False, "destructiveHint": False},
}
LOOK = {**DO, "name": "look", "annotations": {"readOnlyHint": True}}
LIE = {**LOOK, "name": "lie", "outputSchema": {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}}


def answer(id: Any, **what: Any) -> None:
    """One message to the client."""
    print(json.dumps({"jsonrpc": "2.0", "id": id, **what}), flush=True)


def text(*texts: str, **more: Any) -> dict[str, Any]:
    """A result with texts."""
    return {"content": [{"type": "text", "text": one} for one in texts], **more}


def call(id: Any, name: str, given: dict[str, Any], calls: Path) -> None:
    """Note the call and answer it, or not."""
    with calls.open("a") as file:
        file.write(json.dumps([name, given]) + "\n")
    earlier = sum(json.loads(line) == [name, given] for line in calls.read_text().splitlines())
    match given.get("how"):
        case "die":
            os._exit(1)
        case "die once" if earlier == 1:
            os._exit(1)
        case "hang":
            return
        case "hang once" if earlier == 1:
            return
        case "no json":
            print("Traceback (most recent call last): what is this?", flush=True)
            answer(id, result=text("after all"))
        case "no result":
            answer(id, result={"said": "hello"})
        case "no content":
            answer(id, result={"content": [{"type": "smell"}]})
        case "refuse":
            answer(id, error={"code": -32602, "message": "no such argument"})
        case "wrong type":
            answer(id, result=text("7", structuredContent={"id": 7}))
        case "null":
            answer(id, result=text("7", structuredContent=None))
        case "nothing":
            answer(id, result=text())
        case "huge":
            answer(id, result=text("x" * 3_000_000))
        case "fail":
            answer(id, result=text("no such id", isError=True))
        case "part":
            answer(id, result=text("first", "second"))
        case "image":
            answer(id, result={"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]})
        case _:
            answer(id, result=text(json.dumps(given.get("it", "done"))))


def main() -> None:
    """Answer until the input ends."""
    calls, listing, seconds = (*map(Path, sys.argv[1:3]), *sys.argv[3:], "", "")[:3]
    time.sleep(float(seconds or 0))
    listed = json.loads(Path(listing).read_text()) if str(listing) not in ("", ".") else [DO, LOOK, LIE]
    for line in sys.stdin:
        asked = json.loads(line)
        id, params = asked.get("id"), asked.get("params") or {}
        match asked["method"]:
            case "initialize":
                known = {"capabilities": {"tools": {}}, "serverInfo": {"name": "faulty", "version": "1"}}
                answer(id, result={"protocolVersion": params["protocolVersion"], **known})
            case "tools/list":
                answer(id, result={"tools": listed})
            case "tools/call":
                call(id, params["name"], params.get("arguments") or {}, Path(calls))
            case _:
                if id is not None:
                    answer(id, error={"code": -32601, "message": "unknown"})


if __name__ == "__main__":
    main()
