"""An OpenAI-compatible endpoint to which each question is sent once: stored replies, retries, a rate limit, a budget.

Every reply is written to a file of its own before it is used, so a run that was killed continues without paying twice.
The key comes from the environment variable `PLATYPUS_TEACHER_KEY` and is removed from every text of the endpoint, so
that it gets into no file and no message. Does not know what questions and replies mean.
"""

import asyncio
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from platypus.errors import TeacherError
from platypus.files import write_whole
from platypus.generation.teacher.pace import Pace
from platypus.run.settings import TeacherSettings

if TYPE_CHECKING:
    import openai
    import tenacity

KEY = "PLATYPUS_TEACHER_KEY"
ATTEMPTS = 6  # for one question
FIRST_WAIT = 0.5  # seconds before the second attempt; each further wait is about twice as long
LONGEST_WAIT = 30.0
LONGEST_RETRY_AFTER = 300.0  # seconds; a server that asks for a longer pause is given up
MAX_UNANSWERED = 5  # questions in a row without an answer, before the endpoint counts as broken
BYTES_PER_TOKEN = 3  # low, so that tokens which the endpoint does not count are rather over-estimated


@dataclass(frozen=True)
class Question:
    """A question: messages as the chat API takes them, temperature (None: the endpoint's own), further fields."""

    messages: tuple[Mapping[str, str], ...]
    temperature: float | None
    body: Mapping[str, Any] = field(default_factory=dict)


class Reply(BaseModel):
    """A reply: text, tool calls (name, JSON), whether it is complete, its tokens (`estimated`: not counted there)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    text: str
    whole: bool
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt
    estimated: bool = False
    calls: list[list[str]] = []


class Unanswered(Exception):
    """One question got no usable reply in any attempt. Other questions may get one."""


class BudgetSpent(Exception):
    """The budget does not allow another question."""


class _TransientError(Exception):
    """A failure that may not occur in another attempt."""


@dataclass
class Account:
    """The cost of all replies that were used, whenever they were paid for, and of the questions under way."""

    settings: TeacherSettings
    replies: int = 0
    stored: int = 0
    estimated: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: str = ""
    _reserved: list[tuple[int, int]] = field(default_factory=list)

    def dollars(self, prompt: int, completion: int) -> float:
        """Return the price of the tokens."""
        prices = self.settings.price_per_million_in, self.settings.price_per_million_out
        return (prompt * prices[0] + completion * prices[1]) / 1e6

    @contextmanager
    def reserved(self, prompt: int, completion: int) -> Iterator[None]:
        """Reserve the tokens of a question and of the longest reply.

        Raises BudgetSpent if they exceed the budget, and for every question after that.
        """
        requests = [(self.prompt_tokens, self.completion_tokens), *self._reserved, (prompt, completion)]
        tokens, dollars = sum(map(sum, requests)), sum(self.dollars(*pair) for pair in requests)
        limits = self.settings.budget_tokens, self.settings.budget_dollars
        if limits[0] is not None and tokens > limits[0]:
            self.spent = self.spent or f"budget_tokens = {limits[0]} has no room for another question"
        if limits[1] is not None and dollars > limits[1]:
            self.spent = self.spent or f"budget_dollars = {limits[1]:g} has no room for another question"
        if self.spent:
            raise BudgetSpent(self.spent)
        self._reserved.append((prompt, completion))
        try:
            yield
        finally:
            self._reserved.remove((prompt, completion))

    def add(self, prompt: int, completion: int) -> None:
        """Add tokens that were used, even for an unusable reply."""
        self.prompt_tokens += prompt
        self.completion_tokens += completion

    def book(self, reply: Reply, *, stored: bool) -> None:
        """Count a reply that is used, once; `stored`: an earlier process paid for it."""
        self.replies += 1
        self.stored += stored
        self.estimated += reply.estimated

    def to_json(self) -> dict[str, Any]:
        """Return the account for the stage's results."""
        tokens = self.prompt_tokens, self.completion_tokens
        return {
            "replies": self.replies,
            "of_these_kept_from_before": self.stored,
            "tokens_in": tokens[0],
            "tokens_out": tokens[1],
            "dollars": round(self.dollars(*tokens), 6),
            "replies_with_estimated_tokens": self.estimated,
            "retries": self.retries,
        }


class Endpoint:
    """The endpoint of a recipe's `[teacher]`, an asynchronous context manager; replies are stored in `folder`.

    Messages call it `who`. It counts as broken after `MAX_UNANSWERED` questions without an answer; if `patient`, those
    that it refuses do not count. Raises TeacherError when the extra is not installed or the key is malformed.
    """

    def __init__(
        self,
        settings: TeacherSettings,
        folder: Path,
        *,
        pace: Pace | None = None,
        who: str = "teacher",
        patient: bool = False,
    ) -> None:
        self.settings = settings
        self.folder, self.who, self.patient = folder, who, patient
        self.account = Account(settings)
        self.pace = pace or Pace(settings.requests_per_minute)
        self._key = _key_from_environment()
        self._limit = "max_tokens"  # newer models of OpenAI accept only max_completion_tokens
        self._locks: dict[str, asyncio.Lock] = {}
        self._booked: set[str] = set()
        self._answered = False
        self._unanswered_in_a_row = 0
        self._client = self._connect()

    def _connect(self) -> "openai.AsyncOpenAI":
        try:
            import openai
            import tenacity  # noqa: F401  # one message for both
        except ImportError as error:
            raise TeacherError(
                f"a teacher needs the package `{error.name}`", remedy="pip install 'platypus-llm[teacher]'"
            ) from error
        return openai.AsyncOpenAI(api_key=self._key or "none", base_url=self.settings.base_url, max_retries=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def ask(self, question: Question) -> Reply:
        """Return the stored reply to a question, or ask for a new one and store it.

        Raises Unanswered or BudgetSpent, and TeacherError when further questions are useless.
        """
        name = self._name(question)
        async with self._locks.setdefault(name, asyncio.Lock()):  # the same question may be under way already
            path = self.folder / name[:2] / f"{name}.json"
            reply, stored = _stored_reply(path), True
            if reply is None:
                reply, stored = await self._new_reply(question), False
                await asyncio.to_thread(_store_reply, path, question, reply)  # the disk may be slower than the endpoint
            elif name not in self._booked:
                self.account.add(reply.prompt_tokens, reply.completion_tokens)
            if name not in self._booked:
                self._booked.add(name)
                self.account.book(reply, stored=stored)
            return reply

    def _name(self, question: Question) -> str:
        """64 hex digits, a hash of the model, the messages and every parameter that a reply depends on."""
        parameters = [question.temperature, self.settings.max_tokens, {**self.settings.body, **question.body}]
        text = json.dumps([self.settings.model, list(map(dict, question.messages)), parameters], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    async def _new_reply(self, question: Question) -> Reply:
        import tenacity

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(FIRST_WAIT, max=LONGEST_WAIT) + tenacity.wait_random(0, FIRST_WAIT),
            retry=tenacity.retry_if_exception_type(_TransientError),
            sleep=self.pace.sleep,
            before_sleep=self._count_retry,
            reraise=True,
        )
        with self.account.reserved(_estimate(question.messages), self.settings.max_tokens):
            try:
                reply: Reply = await retrying(self._attempt, question)
            except (_TransientError, Unanswered) as error:
                if self.patient and isinstance(error, Unanswered):
                    raise
                self._unanswered_in_a_row += 1
                if self._unanswered_in_a_row >= MAX_UNANSWERED or (
                    isinstance(error, _TransientError) and not self._answered
                ):
                    raise self._broken(str(error)) from None
                raise Unanswered(str(error)) from None
        self._unanswered_in_a_row, self._answered = 0, True
        return reply

    def _count_retry(self, _: "tenacity.RetryCallState") -> None:
        self.account.retries += 1

    def _broken(self, reason: str) -> TeacherError:
        many = (
            "the first question"
            if self._unanswered_in_a_row == 1
            else f"{self._unanswered_in_a_row} questions in a row"
        )
        return TeacherError(
            f"the {self.who} has not answered {many}: {reason}",
            where=self.settings.base_url,
            remedy="Is it running, and is this its address? The same command continues where this one stopped.",
        )

    async def _attempt(self, question: Question) -> Reply:
        """Ask once. Exceptions are raised without their cause, which may contain the key."""
        import openai

        await self.pace.turn()
        body: dict[str, Any] = {**self.settings.body, **question.body, self._limit: self.settings.max_tokens}
        if question.temperature is not None:
            body["temperature"] = question.temperature
        try:
            async with asyncio.timeout(self.settings.timeout):
                raw = await self._client.chat.completions.with_raw_response.create(
                    model=self.settings.model or "",
                    messages=[dict(message) for message in question.messages],  # type: ignore[misc]
                    extra_body=body,
                    timeout=self.settings.timeout,
                )
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except (openai.APITimeoutError, TimeoutError):
            raise _TransientError(f"no answer within {self.settings.timeout:g} s") from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise _TransientError(self._clean(f"the connection failed: {str(cause) or type(cause).__name__}")) from None
        return self._read(raw.http_response.content, question)

    def _refused(self, error: "openai.APIStatusError") -> Exception:
        """The exception for an HTTP status of 400 or more."""
        status, code = error.status_code, error.code
        message = error.body.get("message") if isinstance(error.body, dict) else error.body
        message = self._clean(str(message or error.message))
        if status in (401, 403):
            state = f"was refused (HTTP {status})" if self._key else f"is missing (HTTP {status})"
            return self._stop(f"the {self.who}'s key {state}", f"Set the environment variable {KEY} to a key for it.")
        if status == 404:
            return self._stop(f"there is no such model or address: {message}", "Check `model` and `base_url`.")
        if status == 402 or code == "insufficient_quota":
            what = f"the {self.who}'s account is exhausted: {message}"
            return self._stop(what, "Top it up, then run the same command.")
        if status == 400 and error.param == "max_tokens" and self._limit == "max_tokens":
            self._limit = "max_completion_tokens"
            return _TransientError(message)
        if status in (408, 409, 429) or status >= 500:
            wait = _retry_after(error.response.headers.get("retry-after"))
            if wait > LONGEST_RETRY_AFTER:
                return self._stop(f"the {self.who} asks for a pause of {wait:.0f} s", "Run the same command later.")
            self.pace.hold(wait)
            return _TransientError(f"HTTP {status}: {message}")
        return Unanswered(f"HTTP {status}: {message}")

    def _stop(self, what: str, remedy: str) -> TeacherError:
        return TeacherError(what, where=self.settings.base_url, remedy=remedy)

    def _read(self, content: bytes, question: Question) -> Reply:
        """The reply in the body of a response. Raises _TransientError when it has none."""
        try:
            data = json.loads(content)
        except (ValueError, RecursionError):
            raise _TransientError("the answer is not JSON") from None
        counted = _usage(data)
        try:
            choice = data["choices"][0]
            message = choice["message"]
            text = str.encode(message.get("content") or message.get("refusal") or "", errors="replace").decode()
            whole = choice.get("finish_reason") != "length"
            calls = [_call(call["function"]) for call in message.get("tool_calls") or []]
        except (LookupError, TypeError, AttributeError):
            self.account.add(*(counted or (0, 0)))
            raise _TransientError("the answer holds no message") from None
        prompt, completion = counted or (_estimate(question.messages), _tokens(text))
        self.account.add(prompt, completion)
        return Reply(
            text=self._clean(text, limit=None),
            whole=whole,
            prompt_tokens=prompt,
            completion_tokens=completion,
            estimated=counted is None,
            calls=calls,
        )

    def _clean(self, text: str, *, limit: int | None = 300) -> str:
        """The text of the endpoint without the key; with a limit, on one line and cut to this length."""
        cleaned = text.replace(self._key, "[key]") if self._key else text
        return cleaned if limit is None else " ".join(cleaned.split())[:limit]


def _key_from_environment() -> str:
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise TeacherError(
            f"the environment variable {KEY} has characters that a key cannot have", remedy="Set it to the key alone."
        )
    return key


def _stored_reply(path: Path) -> Reply | None:
    """The reply in a file; None if there is no file or no reply in it."""
    try:
        return Reply.model_validate(json.loads(path.read_text(encoding="utf-8"))["reply"])
    except (OSError, ValueError, LookupError, TypeError, ValidationError):
        return None


def _store_reply(path: Path, question: Question, reply: Reply) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"question": question.messages[-1], "reply": reply.model_dump()}))


def _call(function: Any) -> list[str]:
    arguments = function.get("arguments") or ""
    return [str(function["name"]), arguments if isinstance(arguments, str) else json.dumps(arguments)]


def _usage(data: Any) -> tuple[int, int] | None:
    """The tokens of question and reply as the endpoint counts them; None if it does not."""
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(prompt, int) and isinstance(completion, int) and prompt >= 0 and completion >= 0:
        return prompt, completion
    return None


def _tokens(text: str) -> int:
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def _estimate(messages: tuple[Mapping[str, str], ...]) -> int:
    """An estimate of a question's tokens, before the endpoint counts them."""
    return sum(_tokens(message["content"]) for message in messages)


def _retry_after(header: str | None) -> float:
    """The seconds of a `Retry-After` header (RFC 9110, 10.2.3): a number or a date; 0 for none."""
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        try:
            return max(0.0, (parsedate_to_datetime(header or "") - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            return 0.0
