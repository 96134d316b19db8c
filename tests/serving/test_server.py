"""A server's planners: asked by name, with the text of a request in the log only if that is wanted."""

import asyncio

import pytest

from platypus.serving.errors import ApiError
from platypus.serving.openai_chat import ChatRequest, chat_question
from platypus.serving.planners import Planners
from platypus.serving.server import Options, Server


@pytest.mark.parametrize("log_requests", [False, True])
def test_requests_are_logged_only_if_wanted(
    planners: Planners, capsys: pytest.CaptureFixture[str], log_requests: bool
) -> None:
    server = Server(planners, Options(log_requests=log_requests))
    body = ChatRequest(model="bare", messages=[{"role": "user", "content": "secret"}])
    served, asked = asyncio.run(server.ask(body, chat_question))
    assert served.name == "bare" and asked.request == "secret"
    assert ("secret" in capsys.readouterr().err) == log_requests
    with pytest.raises(ApiError):
        asyncio.run(server.ask(body.model_copy(update={"model": "none"}), chat_question))


@pytest.mark.parametrize(("status", "warm"), [(429, True), (503, True), (400, False)])
def test_warming_is_tried_again_where_it_was_not_its_turn(
    planners: Planners, monkeypatch: pytest.MonkeyPatch, status: int, warm: bool
) -> None:
    monkeypatch.setattr("platypus.serving.server.RETRY", 0)
    server, failures = Server(planners, Options()), [ApiError(status, "not now")]

    async def warming() -> None:
        if failures:
            raise failures.pop()

    async def begun() -> None:
        async with server.running():
            await asyncio.sleep(0.2)

    monkeypatch.setattr(server.asking, "warm", warming)
    asyncio.run(begun())
    assert server.warm is warm


def test_its_setting_of_references_holds_where_a_request_has_none(planners: Planners) -> None:
    server = Server(planners, Options(references="none"))
    body = ChatRequest(messages=[{"role": "user", "content": "x"}])
    for own, wanted in ((None, "none"), ({}, "none"), ({"references": "keep"}, "keep")):
        _, asked = asyncio.run(server.ask(body.model_copy(update={"platypus": own}), chat_question))
        assert asked.references == wanted
