"""Answers of an endpoint: how replies are read, and over real HTTP; tests/serving asks `platypus serve`."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from platypus.data.dataset import Example
from platypus.errors import TeacherError
from platypus.evaluation.remote import Ask, answer_remotely, read_reply
from platypus.generation.teacher.endpoint import Endpoint, Reply
from platypus.plan.plan import Malformed, Plan, Reference, Step
from platypus.run.settings import TeacherSettings
from tests.evaluation.test_metrics import CATALOGUE, plan
from tests.support.fake_teacher import completion, raw, serving, status


def reply(text: str = "", *calls: tuple[str, str], whole: bool = True) -> Reply:
    pairs = [list(call) for call in calls]
    return Reply(text=text, whole=whole, prompt_tokens=1, completion_tokens=2, calls=pairs)


def test_tool_calls_are_steps_and_may_refer_to_earlier_ones() -> None:
    said = read_reply(reply("", ("me", ""), ("list", '{"owner": "$$PREV[0].id"}')), CATALOGUE, "calls")
    assert said.plan == said.said == Plan((Step("me"), Step("list", {"owner": Reference(0, ("id",))})))
    assert json.loads(said.text)[0] == {"name": "me", "arguments": ""} and said.tokens == 2


def test_a_text_without_calls_means_that_nothing_is_to_be_called() -> None:
    assert read_reply(reply("I cannot."), CATALOGUE, "calls").plan == Plan()


def test_calls_that_are_not_valid_are_wrong_and_still_known_to_published_definitions() -> None:
    said = read_reply(reply("", ("fly", "{}")), CATALOGUE, "calls")
    assert isinstance(said.plan, Malformed) and said.said == Plan((Step("fly"),))
    for arguments in ("{", "[1]"):
        said = read_reply(reply("", ("me", arguments)), CATALOGUE, "calls")
        assert isinstance(said.plan, Malformed) and said.said is None


def test_a_reply_that_was_cut_is_malformed() -> None:
    for ask in ("calls", "plan"):
        said = read_reply(reply("[]", ("me", "{}"), whole=False), CATALOGUE, ask)  # type: ignore[arg-type]
        assert isinstance(said.plan, Malformed) and said.said is None and said.cut


def test_a_plan_in_prose_or_a_fence_is_read_strictly() -> None:
    written = str(plan("me()"))
    for text in (written, f"Here it is:\n```json\n{written}\n```", f"<think>[]</think>{written}"):
        assert read_reply(reply(text), CATALOGUE, "plan").plan == plan("me()")
    for text in ("I cannot.", '[{"tool": "me"}]', "[{'tool_name': 'me', 'arguments': []}]"):
        assert isinstance(read_reply(reply(text), CATALOGUE, "plan").plan, Malformed)


ROWS = [Example("Who am I?", plan("me()"), "", {}), Example("Make tea", Plan(), "", {})]


def asked(url: str, folder: Path, ask: Ask, rows: Sequence[Example] = ROWS) -> list[bool]:
    settings = TeacherSettings(model="m", base_url=url)

    async def ask_all() -> list[bool]:
        async with Endpoint(settings, folder, who="endpoint", patient=True) as endpoint:
            return [bool(row.score.exact) for row in await answer_remotely(endpoint, rows, CATALOGUE, ask=ask)]

    return asyncio.run(ask_all())


def test_rows_are_asked_in_their_order_and_paid_for_once(tmp_path: Path) -> None:
    with serving(lambda system, user: str(plan("me()")) if "Who" in user else "[]") as server:
        assert asked(server.url, tmp_path, "plan") == asked(server.url, tmp_path, "plan") == [True, True]
        assert len(server.asked) == 2
        call = {"function": {"name": "me", "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        server.always = raw({**completion(None), "choices": [{"message": message, "finish_reason": "tool_calls"}]})
        assert asked(server.url, tmp_path, "calls") == [True, False]
        sent = json.loads(server.asked[-1])
        assert [tool["function"]["name"] for tool in sent["tools"]] == [tool.name for tool in CATALOGUE]
        assert [message["role"] for message in sent["messages"]] == ["user"]


def test_however_many_questions_an_endpoint_refuses_the_others_are_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Example(f"Make tea for {n}", Plan(), "", {}) for n in range(8)]
    with serving(lambda system, user: "[]") as server:
        server.faults = [status(400)] * 7
        assert sorted(asked(server.url, tmp_path, "plan", rows)) == [False] * 7 + [True]
    assert "7 of 8 questions got no answer and count as wrong: HTTP 400" in capsys.readouterr().err


def test_a_question_without_an_answer_is_wrong_and_an_endpoint_without_a_key_is_an_error(tmp_path: Path) -> None:
    with serving(lambda system, user: str(plan("me()")) if "Who" in user else "[]") as server:
        server.faults = [status(400)]
        assert sorted(asked(server.url, tmp_path / "one", "plan")) == [False, True]
        server.always = status(401)
        with pytest.raises(TeacherError, match="the endpoint's key is missing"):
            asked(server.url, tmp_path / "two", "plan")
