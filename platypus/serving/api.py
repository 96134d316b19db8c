"""The app: which path leads to which endpoint, and how errors, streams and the page are sent.

The body of each POST has passed `BodyReader`. Everything an endpoint refuses is an `ApiError`; anything else that is
raised is a fault of the server, is logged, and answers 500.
"""

import asyncio
import json
import re
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platypus import __version__
from platypus.errors import PlatypusError
from platypus.serving.asking import Choice
from platypus.serving.bodies import BodyReader
from platypus.serving.errors import ApiError, misshapen, refused
from platypus.serving.execution import ExecuteRequest, execute_request
from platypus.serving.keys import KeyCheck
from platypus.serving.mcp_server import http_sessions
from platypus.serving.metrics import log
from platypus.serving.native import (
    CheckRequest,
    CorrectionRequest,
    PlanRequest,
    ScoreRequest,
    add_correction,
    check_plan,
    list_corrections,
    list_models,
    make_plans,
    score_plan,
    show_catalogue,
    show_model,
)
from platypus.serving.openai_chat import ChatRequest, chat_answer, chat_chunks, chat_question
from platypus.serving.openai_responses import ResponsesRequest, response_answer, response_events, response_question
from platypus.serving.planners import Served
from platypus.serving.server import Server

Answered = TypeVar("Answered")
PORT = re.compile(r":\d+$")
PAGE = Path(str(files("platypus") / "serving" / "page"))
NO_PAGE = "<!doctype html><title>Platypus</title><p>The page is not built. <a href=/openapi.json>The API</a>"


def make_app(server: Server) -> FastAPI:
    """The app of a server."""

    sessions = http_sessions(server)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with server.running(), sessions.run():
            yield

    app = FastAPI(
        title="Platypus", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )  # those load from elsewhere
    _add_openai(app, server)
    _add_native(app, server)
    _add_health(app, server)
    _add_errors(app)
    app.router.routes.append(Route("/mcp", endpoint=sessions.asgi_app))
    if (PAGE / "index.html").is_file():
        app.mount("/", _PageFiles(directory=PAGE, html=True))
    else:
        app.get("/", include_in_schema=False)(lambda: HTMLResponse(NO_PAGE))
    app.add_middleware(BodyReader, limits=server.limits)
    app.add_middleware(KeyCheck, keys=server.options.keys)
    app.add_middleware(_Front, server=server)
    return app


def _add_openai(app: FastAPI, server: Server) -> None:
    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return list_models(server.planners)

    @app.get("/v1/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        return show_model(server.planners.named(model), server.planners)

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Any:
        served, asked = await server.ask(body, chat_question)
        if body.stream:
            chunks = _counted(server, served, chat_chunks(body, served, server.asking, asked))
            return await _stream(request, chunks, last="data: [DONE]\n\n")
        choices = await _unless_gone(request, server.asking.choices(served, asked))
        server.metrics.answered(served.name, choices)
        return chat_answer(body, served, choices)

    @app.post("/v1/responses")
    async def responses(body: ResponsesRequest, request: Request) -> Any:
        served, asked = await server.ask(body, response_question)
        if body.stream:
            events = _counted(server, served, response_events(body, served, server.asking, asked))
            return await _stream(request, events, named=True)
        choices = await _unless_gone(request, server.asking.choices(served, asked))
        server.metrics.answered(served.name, choices)
        return response_answer(body, served, choices[0])


def _add_native(app: FastAPI, server: Server) -> None:
    planners, limits = server.planners, server.limits

    @app.get("/v1/catalogue")
    async def catalogue(model: str | None = None) -> Any:
        return await anyio.to_thread.run_sync(show_catalogue, planners.named(model))

    @app.post("/v1/plan")
    async def plan(body: PlanRequest, request: Request) -> Any:
        served = planners.named(body.model)
        if server.options.log_requests:
            log("question", model=served.name, request=body.request)
        answer = await _unless_gone(request, make_plans(body, served, server.asking))
        server.metrics.plans.labels(served.name).inc(len(answer["plans"]))
        return answer

    @app.post("/v1/check")
    async def check(body: CheckRequest) -> Any:
        served = planners.named(body.model)
        return await anyio.to_thread.run_sync(check_plan, body, served, planners, limits)

    @app.post("/v1/score")
    async def score(body: ScoreRequest) -> Any:
        return await score_plan(body, planners.named(body.model), server.asking)

    @app.post("/v1/corrections", status_code=201)
    async def correct(body: CorrectionRequest) -> Any:
        served = planners.named(body.model)
        return await anyio.to_thread.run_sync(add_correction, body, served, planners, limits)

    @app.post("/v1/execute")
    async def execute(body: ExecuteRequest) -> Any:
        if not server.options.execute:
            raise ApiError(403, "this server runs no plans (see --execute)", code="not_enabled")
        return await execute_request(body, planners.named(body.model), server.asking)

    @app.get("/v1/corrections")
    async def corrected(model: str | None = None) -> Any:
        return await anyio.to_thread.run_sync(list_corrections, planners.named(model))


def _add_health(app: FastAPI, server: Server) -> None:
    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.head("/ready", include_in_schema=False)
    @app.get("/ready")
    async def ready() -> Any:
        if server.engine.closing or not server.warm:
            what = "the server is shutting down" if server.engine.closing else "the server is warming up"
            raise ApiError(503, what, code="not_ready", wait=1)
        return {"status": "ready", "models": [*server.planners.served]}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(server.metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8")


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> JSONResponse:
        return JSONResponse(error.to_json(), error.status, headers=error.headers)

    @app.exception_handler(PlatypusError)
    async def own_error(request: Request, error: PlatypusError) -> JSONResponse:
        return await api_error(request, refused(error))

    @app.exception_handler(RequestValidationError)
    async def not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
        return await api_error(request, misshapen([(e["type"], e["loc"][1:], e["msg"]) for e in error.errors()]))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        # the page's files stand behind all paths, and refuse every method but GET and HEAD
        known = any(route.matches(request.scope)[0] is Match.PARTIAL for route in app.router.routes)
        status, why = error.status_code, error.detail
        if status in (404, 405):
            status, why = (405, "Method Not Allowed") if known else (404, "Not Found")
        answer = ApiError(status, f"{request.method} {request.url.path}: {why}", code="no_such_endpoint").to_json()
        return JSONResponse(answer, status, headers=error.headers)


async def _counted(
    server: Server, served: Served, chunks: AsyncGenerator[dict[str, Any] | Choice]
) -> AsyncGenerator[dict[str, Any]]:
    """The chunks of a stream, without the answers among them, which are counted."""
    try:
        async for chunk in chunks:
            if isinstance(chunk, Choice):
                server.metrics.answered(served.name, [chunk])
            else:
                yield chunk
    finally:
        await chunks.aclose()


async def _unless_gone(request: Request, answer: Awaitable[Answered]) -> Answered:
    """The answer, unless the client hangs up before it: then nothing more is computed for it."""
    computing, leaving = asyncio.ensure_future(answer), asyncio.create_task(_left(request))
    try:
        await asyncio.wait((computing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not computing.done():
            raise ApiError(499, "the client is gone", code="client_gone")
        return computing.result()
    finally:
        computing.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(
    request: Request, chunks: AsyncGenerator[dict[str, Any]], *, named: bool = False, last: str = ""
) -> StreamingResponse:
    """Server-sent events, `named` by the type in each. What fails before the first one is an answer with a status."""
    first = await _unless_gone(request, anext(chunks))

    async def lines() -> AsyncIterator[str]:
        try:
            yield _event(first, named)
            async for chunk in chunks:
                yield _event(chunk, named)
            yield last
        except (ApiError, PlatypusError) as error:  # the status is sent already
            known = error if isinstance(error, ApiError) else refused(error)
            yield _event({"type": "error", **known.to_json()}, named)
        finally:
            await chunks.aclose()

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _event(data: dict[str, Any], named: bool) -> str:
    text = f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
    return f"event: {data['type']}\n{text}" if named else text


class _PageFiles(StaticFiles):
    """The page: browsers ask each time whether it has changed, but for files with a hash behind their names."""

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Response:
        """The file, with how long it may be kept."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        hashed = scope["query_string"] and not str(full_path).endswith(".html")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


class _Front:
    """ASGI middleware before all others: refuses other hosts, answers 500, counts and logs each request."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self.app, self.server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, and log what it answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, statuses = time.monotonic(), []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            app = self.app if self._is_known(scope) else JSONResponse(_other_host().to_json(), 421)
            await app(scope, receive, noting)
        except Exception:
            log("fault", path=scope["path"], traceback=traceback.format_exc())
            if not statuses:
                error = ApiError(500, "a fault of the server, which has logged it", code="internal_error")
                await JSONResponse(error.to_json(), 500)(scope, receive, noting)
        self._note(scope, statuses, time.monotonic() - started)

    def _note(self, scope: Scope, statuses: list[int], seconds: float) -> None:
        status = statuses[0] if statuses else 499  # the client was gone
        route = scope.get("route")
        path = getattr(route, "path", "") or "other"
        self.server.metrics.requests.labels(path, str(status)).inc()
        self.server.metrics.seconds.labels(path).observe(seconds)
        if not self.server.options.quiet:
            owner = scope.get("state", {}).get("owner")
            log("request", method=scope["method"], path=path, status=status, seconds=round(seconds, 4), key=owner)

    def _is_known(self, scope: Scope) -> bool:
        hosts = self.server.options.hosts
        named = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        return hosts is None or PORT.sub("", named) in hosts


def _other_host() -> ApiError:
    return ApiError(421, "this server does not answer to that name (see --allow-host)", code="unknown_host")
