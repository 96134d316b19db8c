"""A server for work on the page: its endpoints over the example catalogues, with answers from a table, not a model.

Plans are really checked, and corrections kept in memory. For a browser: `python -m tests.serving.page.stand_in 8000`.
"""

import asyncio
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from platypus.catalogue.reading import read_catalogue
from platypus.serving.native import check
from tests.support.command import ROOT

PAGE = ROOT / "platypus" / "serving" / "page"
CATALOGUES = {
    "worktracker": read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json"),
    "crm": read_catalogue(ROOT / "examples" / "crm" / "catalogue.json"),
}
COMMAND = "platypus refine runs/demo && platypus train runs/demo"

Step = dict[str, Any]


def step(tool: str, **arguments: Any) -> Step:
    """One step as JSON; `__` in a name stands for a dot."""
    given = [{"argument_name": n.replace("__", "."), "argument_value": v} for n, v in arguments.items()]
    return {"tool_name": tool, "arguments": given}


SPRINT = [
    step("get_similar_work_items", work_id="TKT-123"),
    step("get_sprint_id"),
    step("add_work_items_to_sprint", work_ids="$$PREV[0]", sprint_id="$$PREV[1]"),
]
OWNED = [step("works_list", owned_by=["DEVU-7"]), step("prioritize_objects", objects="$$PREV[0]")]
MINE = [
    step("who_am_i"),
    step("works_list", issue__priority=["p0", "p1"], owned_by=["$$PREV[0]"], type=["issue"]),
    step("prioritize_objects", objects="$$PREV[1]"),
    step("get_sprint_id"),
    step("add_work_items_to_sprint", work_ids="$$PREV[2]", sprint_id="$$PREV[3]"),
]
MATTERS = [step("search", customer="CustomerABC"), step("action_item", objects="$$PREV[0]")]
ANSWERS: dict[str, list[tuple[list[Step], float, float | None]]] = {
    "Find all work items that resemble TKT-123 and put them into the current sprint": [
        (SPRINT, 0.91, 0.97),
        (SPRINT[:1], 0.05, 0.08),
        ([], 0.003, 0.01),
    ],
    "Find work items owned by DEVU-7, then prioritize them": [(OWNED, 0.97, 0.99), (OWNED[:1], 0.02, 0.04)],
    "Put my urgent issues into the current sprint, the most pressing first": [
        (MINE, 0.62, 0.71),
        (
            [MINE[0], MINE[1], MINE[3], step("add_work_items_to_sprint", work_ids="$$PREV[1]", sprint_id="$$PREV[2]")],
            0.2,
            0.3,
        ),
        (MINE[:3], 0.1, 0.12),
    ],
    "Book me a flight to Lisbon": [([], 0.99, 0.98)],
    "Search for the customer CustomerABC and create action items from the results": [(MATTERS, 0.96, None)],
}


@dataclass
class StandIn:
    """The running stand-in: its address, what it has kept, and how it is to fail."""

    key: str | None = None
    fault: tuple[int, str] | None = None
    delay: float = 0.0
    corrections: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its address, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Serve in a thread; the port is chosen once."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(self.app(), log_level="warning", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        """End it; `start` begins again at the same port, with what was kept."""
        assert self._server is not None and self._thread is not None
        self._server.should_exit = True
        self._thread.join()

    def reset(self) -> None:
        """Forget what was asked and kept, and how it was to fail; start again if it was stopped."""
        self.key, self.fault, self.delay, self.corrections, self.asked = None, None, 0.0, [], []
        if self._thread is None or not self._thread.is_alive():
            self.start()

    def app(self) -> Starlette:
        """The endpoints that the page uses, and the page."""
        routes = [
            Route("/v1/models", self._guarded(self.models)),
            Route("/v1/catalogue", self._guarded(self.catalogue)),
            Route("/v1/plan", self._guarded(self.plan), methods=["POST"]),
            Route("/v1/check", self._guarded(self.check), methods=["POST"]),
            Route("/v1/corrections", self._guarded(self.saved)),
            Route("/v1/corrections", self._guarded(self.save), methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ]
        return Starlette(routes=routes)

    def _guarded(self, endpoint: Any) -> Any:
        async def guarded(request: Request) -> Response:
            if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
                return error(401, "A key is needed: Authorization: Bearer KEY.")
            if self.fault is not None and request.method == "POST":
                return error(*self.fault)
            response: Response = await endpoint(request)
            return response

        return guarded

    async def models(self, request: Request) -> Response:
        """GET /v1/models."""
        about = [
            {"id": name, "object": "model", "platypus": {"tools": len(tools), "notation": "calls", "default": i == 0}}
            for i, (name, tools) in enumerate(CATALOGUES.items())
        ]
        return JSONResponse({"object": "list", "data": about})

    async def catalogue(self, request: Request) -> Response:
        """GET /v1/catalogue."""
        model = request.query_params["model"]
        tools = [
            {
                "name": tool.name,
                "title": tool.title,
                "description": tool.description,
                "arguments": [
                    {"name": a.name, "description": a.description, "required": a.required, "schema": dict(a.schema)}
                    for a in tool.arguments
                ],
                "output_schema": dict(tool.output) or None,
            }
            for tool in CATALOGUES[model]
        ]
        return JSONResponse({"model": model, "tools": tools, "examples": examples(model)})

    async def plan(self, request: Request) -> Response:
        """POST /v1/plan."""
        asked = await request.json()
        self.asked.append(asked["request"])
        await asyncio.sleep(self.delay)
        plans = [
            {"plan": plan, "probability": probability, "confidence": confidence, "graph": {"nodes": [], "edges": []}}
            for plan, probability, confidence in ANSWERS.get(asked["request"], [([], 0.9, 0.5)])
        ]
        body = {"id": f"plan-{len(self.asked)}", "model": asked["model"], "request": asked["request"]}
        return JSONResponse({**body, "plans": plans[: asked["k"]], "seconds": 0.042})

    async def check(self, request: Request) -> Response:
        """POST /v1/check."""
        body = await request.json()
        _, found = check(body["plan"], CATALOGUES[body["model"]])
        return JSONResponse({"valid": not found, "problems": found})

    async def save(self, request: Request) -> Response:
        """POST /v1/corrections."""
        body = await request.json()
        _, found = check(body["plan"], CATALOGUES[body["model"]])
        if found:
            return JSONResponse({"error": {"message": "not a valid plan", "problems": found}}, status_code=422)
        self.corrections.append(body)
        waiting = len(self.of(body["model"]))
        return JSONResponse({"id": f"correction-{waiting}", "waiting": waiting, "command": COMMAND}, status_code=201)

    async def saved(self, request: Request) -> Response:
        """GET /v1/corrections."""
        kept = self.of(request.query_params["model"])
        return JSONResponse({"waiting": len(kept), "command": COMMAND, "examples": kept})

    def of(self, model: str) -> list[dict[str, Any]]:
        """The corrections of one model."""
        return [one for one in self.corrections if one["model"] == model]


def examples(model: str) -> list[str]:
    """The requests of the table that are about this catalogue."""
    about_crm = "Search for the customer CustomerABC and create action items from the results"
    return [about_crm] if model == "crm" else [request for request in ANSWERS if request != about_crm]


def error(status: int, message: str) -> Response:
    """An error in OpenAI's form; a busy server says when to come back."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": None}}
    return JSONResponse(body, status_code=status, headers={"Retry-After": "2"} if status == 429 else {})


if __name__ == "__main__":
    uvicorn.run(StandIn().app(), port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
