"""The endpoint over real HTTP: one payment per question, retries, the budget, and no key in any text."""

import asyncio
import json
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.errors import TeacherError
from platypus.generation.teacher import endpoint as module
from platypus.generation.teacher.endpoint import (
    ATTEMPTS,
    KEY,
    MAX_UNANSWERED,
    BudgetSpent,
    Endpoint,
    Question,
    Reply,
    Unanswered,
)
from platypus.generation.teacher.pace import Pace
from platypus.run.settings import TeacherSettings
from tests.support.fake_teacher import Fault, Server, completion, cut, drop, hang, raw, serving, status

SECRET = "sk-test-0123456789-never-say-this"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.002)
    with serving(lambda system, user: f"echo {user}") as server:
        yield server


def table(server: Server, **settings: Any) -> TeacherSettings:
    return TeacherSettings(**{"model": "m", "base_url": server.url, "timeout": 10.0, **settings})


def question(text: str = "hello", temperature: float | None = None) -> Question:
    return Question(({"role": "system", "content": "Be brief."}, {"role": "user", "content": text}), temperature)


def ask(
    settings: TeacherSettings, folder: Path, *questions: Question, pace: Pace | None = None
) -> tuple[list[Any], Any]:
    """The replies of one process, or exceptions in their place, and its account."""

    async def all_of_them() -> tuple[list[Any], Any]:
        async with Endpoint(settings, folder, pace=pace) as endpoint:
            replies = await asyncio.gather(*map(endpoint.ask, questions), return_exceptions=True)
            return list(replies), endpoint.account.to_json()

    return asyncio.run(all_of_them())


def test_a_question_is_paid_for_once(server: Server, tmp_path: Path) -> None:
    """The same question three times at once, and again from another process, is one request."""
    replies, account = ask(table(server), tmp_path, question(), question(), question())
    assert {reply.text for reply in replies} == {"echo hello"} and len(server.asked) == 1
    assert (account["replies"], account["of_these_kept_from_before"]) == (1, 0)
    again, later = ask(table(server), tmp_path, question())
    assert again == replies[:1] and len(server.asked) == 1
    assert (later["replies"], later["of_these_kept_from_before"]) == (1, 1)
    assert later["tokens_in"] == account["tokens_in"] == 3 and later["tokens_out"] == 20


def test_every_parameter_of_a_reply_is_part_of_the_question(server: Server, tmp_path: Path) -> None:
    ask(table(server), tmp_path, question(), question(temperature=0.5), question("hi"))
    for changed in ({"model": "other"}, {"max_tokens": 7}, {"body": {"top_p": 0.5}}):
        ask(table(server, **changed), tmp_path, question())
    ask(table(server, concurrency=1, timeout=5.0, budget_tokens=9999), tmp_path, question())
    bodies = [json.loads(body) for body in server.asked]
    assert len(bodies) == 6
    assert [body["temperature"] for body in bodies if "temperature" in body] == [0.5]
    assert {body["max_tokens"] for body in bodies} == {2048, 7} and bodies[-1]["top_p"] == 0.5


@pytest.mark.parametrize(
    "fault",
    [
        status(429),
        status(429, Retry_After="0"),
        status(500),
        status(503, Retry_After="soon"),
        cut,
        drop,
        raw(b"<html>busy</html>"),
        raw(b'{"choices": [{"message": {"con'),
        raw(b"\xff\xfe"),
        raw([]),
        raw({"choices": []}),
        raw({"choices": [{"message": None}]}),
        raw(completion(["not", "text"])),
        raw({"error": "overloaded"}),
    ],
)
def test_a_passing_failure_is_retried(server: Server, tmp_path: Path, fault: Fault) -> None:
    server.faults = [fault]
    replies, account = ask(table(server), tmp_path, question())
    assert replies[0].text == "echo hello"
    assert len(server.asked) == 2 and account["retries"] == 1


def test_a_server_that_hangs_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.faults = [hang]
    replies, _ = ask(table(server, timeout=0.3), tmp_path, question())
    assert replies[0].text == "echo hello" and len(server.asked) == 2


class Clock:
    """A clock that advances only in `sleep`."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def pace(self, per_minute: float | None) -> Pace:
        return Pace(per_minute, clock=lambda: self.now, sleep=self.sleep)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_respected(server: Server, tmp_path: Path, form: str) -> None:
    clock = Clock()
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.faults = [status(429, Retry_After="60" if form == "seconds" else later)]
    replies, _ = ask(table(server), tmp_path, question(), pace=clock.pace(None))
    assert isinstance(replies[0], Reply)
    assert 130 < clock.now < 161


@given(starts=st.lists(st.floats(0, 5), min_size=2, max_size=20), per_minute=st.floats(1, 600))
def test_questions_keep_their_distance(starts: list[float], per_minute: float) -> None:
    clock = Clock()
    pace = clock.pace(per_minute)

    async def turns() -> list[float]:
        begun = []
        for wait in starts:
            clock.now += wait
            await pace.turn()
            begun.append(clock.now)
        return begun

    begun = asyncio.run(turns())
    gaps = [after - before for before, after in pairwise(begun)]
    assert min(gaps) >= 60 / per_minute - 1e-6
    pace.hold(30)
    asyncio.run(pace.turn())
    assert clock.now >= begun[-1] + 30 - 1e-6


@pytest.mark.parametrize(
    ("fault", "what", "remedy"),
    [
        (status(401, f"wrong key {SECRET}"), "the teacher's key was refused (HTTP 401)", KEY),
        (status(403), "the teacher's key was refused (HTTP 403)", KEY),
        (status(404, "no model m"), "no such model or address: no model m", "Check `model` and `base_url`"),
        (status(402, "pay"), "account is exhausted: pay", "Top it up"),
        (status(429, Retry_After="86400"), "asks for a pause of 86400 s", "later"),
        (
            lambda handler: handler.send(429, {"error": {"message": "poor", "code": "insufficient_quota"}}),
            "account is exhausted: poor",
            "Top it up",
        ),
    ],
)
def test_a_permanent_failure_is_one_clear_error(
    server: Server, tmp_path: Path, fault: Fault, what: str, remedy: str
) -> None:
    server.faults = [fault]
    replies, _ = ask(table(server), tmp_path, question())
    (error,) = replies
    assert isinstance(error, TeacherError)
    assert what in error.what and remedy in error.remedy and error.where == server.url
    assert SECRET not in "".join(traceback.format_exception(error))
    assert len(server.asked) == 1


def test_without_a_key_the_error_says_so(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)  # never sent to an address from a recipe
    server.faults = [None, status(401)]
    replies, _ = ask(table(server), tmp_path, question("a"))
    assert isinstance(replies[0], Reply)
    replies, _ = ask(table(server), tmp_path, question("b"))
    assert "key is missing (HTTP 401)" in replies[0].what
    assert not any(SECRET in value for headers in server.headers for value in headers.values())


@pytest.mark.parametrize("key", ["sk-é", "sk-1\nsk-2", "two words"])
def test_a_malformed_key_is_not_shown(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(TeacherError, match=KEY) as raised:
        ask(table(server), tmp_path)
    assert key not in str(raised.value)


def test_a_key_that_the_server_repeats_reaches_no_file(server: Server, tmp_path: Path) -> None:
    server.reply = lambda system, user: f"Your key is {SECRET}."
    replies, _ = ask(table(server), tmp_path, question())
    assert replies[0].text == "Your key is [key]."
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(SECRET in text for text in files)


def test_a_server_that_never_answers_is_given_up(server: Server, tmp_path: Path) -> None:
    server.always = status(500, "down")
    replies, _ = ask(table(server), tmp_path, question())
    assert "has not answered the first question: HTTP 500: down" in replies[0].what
    assert len(server.asked) == ATTEMPTS


def test_a_server_that_is_not_there(server: Server, tmp_path: Path) -> None:
    replies, _ = ask(table(server, base_url="http://127.0.0.1:9/v1"), tmp_path, question())
    assert "the connection failed" in replies[0].what and "Is it running" in replies[0].remedy


def test_a_refused_question_does_not_affect_the_others(server: Server, tmp_path: Path) -> None:
    server.faults = [None, status(400, "content policy")]
    settings = table(server)
    assert ask(settings, tmp_path, question("a"))[0][0].text == "echo a"
    (refused,), _ = ask(settings, tmp_path, question("b"))
    assert isinstance(refused, Unanswered) and str(refused) == "HTTP 400: content policy"
    assert ask(settings, tmp_path, question("c"))[0][0].text == "echo c"
    server.always = status(422, "never")
    replies, _ = ask(settings, tmp_path, *(question(f"d{i}") for i in range(MAX_UNANSWERED)))
    (broken,) = (reply for reply in replies if isinstance(reply, TeacherError))  # the one that was answered last
    assert sum(isinstance(reply, Unanswered) for reply in replies) == MAX_UNANSWERED - 1
    assert f"{MAX_UNANSWERED} questions in a row" in broken.what


def test_models_that_accept_only_max_completion_tokens(server: Server, tmp_path: Path) -> None:
    def picky(handler: Any) -> None:
        body = server.asked[-1]
        if "max_completion_tokens" in json.loads(body):
            handler.answer(body)
        else:
            handler.send(400, {"error": {"message": "unsupported", "param": "max_tokens"}})

    server.always = picky
    replies, _ = ask(table(server, max_tokens=55), tmp_path, question())
    assert replies[0].text == "echo hello"
    assert json.loads(server.asked[-1])["max_completion_tokens"] == 55


# ---------------------------------------------------------------- the account


def test_the_budget_holds_with_many_questions_under_way(server: Server, tmp_path: Path) -> None:
    """A question reserves its longest reply; the unused part is released, and after one refusal nothing is sent."""
    server.delay = 0.02
    settings = table(server, max_tokens=100, budget_tokens=1000)
    replies, account = ask(settings, tmp_path, *(question(f"q{i}") for i in range(40)))
    answered = [reply for reply in replies if isinstance(reply, Reply)]
    assert 0 < len(answered) == len(server.asked) < 40
    assert account["tokens_in"] + account["tokens_out"] == 23 * len(answered) <= 1000
    assert all(isinstance(reply, BudgetSpent) for reply in replies if not isinstance(reply, Reply))
    assert "budget_tokens = 1000 has no room" in str(replies[-1])


def test_stored_replies_count_for_the_budget_and_cost_nothing(server: Server, tmp_path: Path) -> None:
    asked = [question(f"q{i}") for i in range(5)]
    ask(table(server, max_tokens=50), tmp_path, *asked)
    settings = table(server, max_tokens=50, budget_tokens=100)
    replies, account = ask(settings, tmp_path, *asked, question("new"))
    assert [type(reply) for reply in replies] == [Reply] * 5 + [BudgetSpent]
    assert account["tokens_in"] + account["tokens_out"] == 115 and len(server.asked) == 5


def test_the_budget_in_money(server: Server, tmp_path: Path) -> None:
    prices = {"price_per_million_in": 1000.0, "price_per_million_out": 10_000.0}
    settings = table(server, max_tokens=30, budget_dollars=1.0, **prices)
    replies, account = ask(settings, tmp_path, *(question(f"q{i}") for i in range(9)))
    assert [type(reply) for reply in replies].count(Reply) == 3  # each reserves 0.306
    assert account["dollars"] == pytest.approx(3 * (3 * 0.001 + 20 * 0.01))
    assert "budget_dollars = 1 has no room" in str(replies[-1])


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "9"}, 7])
def test_tokens_that_the_endpoint_does_not_count_are_estimated(server: Server, tmp_path: Path, usage: Any) -> None:
    server.faults = [raw(completion("x" * 30, usage=usage))]
    replies, account = ask(table(server), tmp_path, question("y" * 51))
    assert replies[0].estimated and account["replies_with_estimated_tokens"] == 1
    assert (account["tokens_in"], account["tokens_out"]) == (3 + 17, 10)


def test_an_answer_without_a_message_counts_for_the_budget(server: Server, tmp_path: Path) -> None:
    server.faults = [raw({"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 7}})]
    _, account = ask(table(server), tmp_path, question())
    assert (account["tokens_in"], account["tokens_out"]) == (53, 27)


def test_a_refusal_and_a_truncated_reply_are_text(server: Server, tmp_path: Path) -> None:
    said = completion(None)
    said["choices"][0]["message"]["refusal"] = "I will not."
    server.faults = [raw(said), raw(completion("half \ud800", finish="length"))]
    refused, half = (ask(table(server), tmp_path, question(text))[0][0] for text in "ab")
    assert (refused.text, refused.whole) == ("I will not.", True)
    assert (half.text, half.whole) == ("half ?", False)


def test_a_damaged_reply_file_is_replaced(server: Server, tmp_path: Path) -> None:
    ask(table(server), tmp_path, question())
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text()
    for torn in ("", whole[:30], '{"reply": {"text": 3}}', "[]"):
        path.write_text(torn)
        assert ask(table(server), tmp_path, question())[0][0].text == "echo hello"
        assert path.read_text() == whole
    assert len(server.asked) == 5
