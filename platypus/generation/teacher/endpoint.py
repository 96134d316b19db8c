"""An OpenAI-compatible endpoint that is asked each question once: kept replies, retries, a pace, a budget.

Every reply is on the disk, in a file of its own, before anybody reads it, so a run that was killed goes on without
paying twice. The key comes from the environment variable `PLATYPUS_TEACHER_KEY` and is cut out of whatever the endpoint
says, so that it reaches no file and no message. What is asked, and what a reply means, is not known here.
"""

import asyncio
import hashlib
import json
import math
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
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
from platypus.run.settings import TeacherSettings

if TYPE_CHECKING:
    import openai
    import tenacity

KEY = "PLATYPUS_TEACHER_KEY"
ATTEMPTS = 6  # for one question
FIRST_WAIT = 0.5  # seconds before the second attempt; each further wait is about twice as long
LONGEST_WAIT = 30.0
PATIENCE = 300.0  # seconds that a server may ask to be left alone for
LOST = 5  # questions in a row without an answer, before the endpoint counts as broken
BYTES_PER_TOKEN = 3  # a guess on the high side, for what is not counted by the endpoint


@dataclass(frozen=True)
class Question:
    """What is asked: messages as the chat API takes them, and how freely it may be answered (None: as it likes)."""

    messages: tuple[Mapping[str, str], ...]
    temperature: float | None


class Reply(BaseModel):
    """What was answered: its text, whether it is whole, and its tokens; `estimated` where the endpoint counts none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    text: str
    whole: bool
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt
    estimated: bool = False


class Unanswered(Exception):
    """A question without a usable reply in all attempts. The others may have one."""


class BudgetSpent(Exception):
    """The budget has no room for another question."""


class _Passing(Exception):
    """A failure that may not occur again."""


@dataclass
class Pace:
    """When the next question may be sent: at most so many a minute, and none while the server asks for patience."""

    per_minute: float | None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    free: float = -math.inf

    async def turn(self) -> None:
        """Wait until it is this question's turn."""
        now = self.clock()
        start = max(now, self.free)
        self.free = start + (60 / self.per_minute if self.per_minute else 0)
        if start > now:
            await self.sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Let nobody begin for so long."""
        self.free = max(self.free, self.clock() + seconds)


@dataclass
class Account:
    """What the replies that were used have cost, whenever they were paid for, and what is still under way."""

    settings: TeacherSettings
    replies: int = 0
    kept: int = 0
    estimated: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: str = ""
    _reserved: list[tuple[int, int]] = field(default_factory=list)

    def dollars(self, prompt: int, completion: int) -> float:
        """The price of so many tokens."""
        prices = self.settings.price_per_million_in, self.settings.price_per_million_out
        return (prompt * prices[0] + completion * prices[1]) / 1e6

    @contextmanager
    def reserved(self, prompt: int, completion: int) -> Iterator[None]:
        """Room for a question of so many tokens and the longest reply. Raises BudgetSpent; after that, always."""
        used = [(self.prompt_tokens, self.completion_tokens), *self._reserved, (prompt, completion)]
        tokens, dollars = sum(map(sum, used)), sum(self.dollars(*pair) for pair in used)
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
        """Book tokens that were used, be it for a reply that is of no use."""
        self.prompt_tokens += prompt
        self.completion_tokens += completion

    def book(self, reply: Reply, *, kept: bool) -> None:
        """Count a reply that is used, once; `kept` says that it was paid for by an earlier process."""
        self.replies += 1
        self.kept += kept
        self.estimated += reply.estimated

    def to_json(self) -> dict[str, Any]:
        """The account for the stage's results."""
        tokens = self.prompt_tokens, self.completion_tokens
        return {
            "replies": self.replies,
            "of_these_kept_from_before": self.kept,
            "tokens_in": tokens[0],
            "tokens_out": tokens[1],
            "dollars": round(self.dollars(*tokens), 6),
            "replies_with_estimated_tokens": self.estimated,
            "retries": self.retries,
        }


class Endpoint:
    """The endpoint of a recipe's `[teacher]`, open while it is entered; replies are kept in `folder`.

    Raises TeacherError when the extra is missing or the key cannot be one.
    """

    def __init__(self, settings: TeacherSettings, folder: Path, *, pace: Pace | None = None) -> None:
        self.settings = settings
        self.folder = folder
        self.account = Account(settings)
        self.pace = pace or Pace(settings.requests_per_minute)
        self._key = _key_from_environment()
        self._limit = "max_tokens"  # newer models of OpenAI know max_completion_tokens alone
        self._locks: dict[str, asyncio.Lock] = {}
        self._booked: set[str] = set()
        self._answered = False
        self._lost = 0
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
        """The reply to a question: the kept one, or a new one, which is kept.

        Raises Unanswered, BudgetSpent, and TeacherError when it is of no use to go on asking.
        """
        name = self._name(question)
        async with self._locks.setdefault(name, asyncio.Lock()):  # the same question may be under way
            path = self.folder / name[:2] / f"{name}.json"
            reply, kept = _kept_reply(path), True
            if reply is None:
                reply, kept = await self._new_reply(question), False
                await asyncio.to_thread(_keep, path, question, reply)  # the disk may take longer than the endpoint
            elif name not in self._booked:
                self.account.add(reply.prompt_tokens, reply.completion_tokens)
            if name not in self._booked:
                self._booked.add(name)
                self.account.book(reply, kept=kept)
            return reply

    def _name(self, question: Question) -> str:
        """64 hex digits of the model, the messages and every parameter that a reply depends on."""
        parameters = [question.temperature, self.settings.max_tokens, self.settings.body]
        text = json.dumps([self.settings.model, list(map(dict, question.messages)), parameters], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    async def _new_reply(self, question: Question) -> Reply:
        import tenacity

        said = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(FIRST_WAIT, max=LONGEST_WAIT) + tenacity.wait_random(0, FIRST_WAIT),
            retry=tenacity.retry_if_exception_type(_Passing),
            sleep=self.pace.sleep,
            before_sleep=self._count_retry,
            reraise=True,
        )
        with self.account.reserved(_estimate(question.messages), self.settings.max_tokens):
            try:
                reply: Reply = await said(self._attempt, question)
            except (_Passing, Unanswered) as error:
                self._lost += 1
                if self._lost >= LOST or (isinstance(error, _Passing) and not self._answered):
                    raise self._broken(str(error)) from None
                raise Unanswered(str(error)) from None
        self._lost, self._answered = 0, True
        return reply

    def _count_retry(self, _: "tenacity.RetryCallState") -> None:
        self.account.retries += 1

    def _broken(self, reason: str) -> TeacherError:
        many = "the first question" if self._lost == 1 else f"{self._lost} questions in a row"
        return TeacherError(
            f"the teacher has not answered {many}: {reason}",
            where=self.settings.base_url,
            remedy="Is it running, and is this its address? The same command goes on where this one stopped.",
        )

    async def _attempt(self, question: Question) -> Reply:
        """Ask once. What is raised is cut off from the error behind it, which may hold the key."""
        import openai

        await self.pace.turn()
        body: dict[str, Any] = {**self.settings.body, self._limit: self.settings.max_tokens}
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
            raise _Passing(f"no answer within {self.settings.timeout:g} s") from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise _Passing(self._clean(f"the connection failed: {str(cause) or type(cause).__name__}")) from None
        return self._read(raw.http_response.content, question)

    def _refused(self, error: "openai.APIStatusError") -> Exception:
        """What an HTTP status of 400 or more means."""
        status, code = error.status_code, error.code
        told = error.body.get("message") if isinstance(error.body, dict) else error.body
        told = self._clean(str(told or error.message))
        if status in (401, 403):
            state = f"was refused (HTTP {status})" if self._key else f"is missing (HTTP {status})"
            return self._stop(f"the teacher's key {state}", f"Set the environment variable {KEY} to a key for it.")
        if status == 404:
            return self._stop(f"there is no such model or address: {told}", "Check `model` and `base_url`.")
        if status == 402 or code == "insufficient_quota":
            return self._stop(f"the teacher's account is exhausted: {told}", "Top it up, then run the same command.")
        if status == 400 and error.param == "max_tokens" and self._limit == "max_tokens":
            self._limit = "max_completion_tokens"
            return _Passing(told)
        if status in (408, 409, 429) or status >= 500:
            wait = _retry_after(error.response.headers.get("retry-after"))
            if wait > PATIENCE:
                return self._stop(f"the teacher asks to be left alone for {wait:.0f} s", "Run the same command later.")
            self.pace.hold(wait)
            return _Passing(f"HTTP {status}: {told}")
        return Unanswered(f"HTTP {status}: {told}")

    def _stop(self, what: str, remedy: str) -> TeacherError:
        return TeacherError(what, where=self.settings.base_url, remedy=remedy)

    def _read(self, content: bytes, question: Question) -> Reply:
        """The reply in the body of a response. Raises _Passing when there is none in it."""
        try:
            data = json.loads(content)
        except (ValueError, RecursionError):
            raise _Passing("the answer is not JSON") from None
        counted = _usage(data)
        try:
            choice = data["choices"][0]
            message = choice["message"]
            text = str.encode(message.get("content") or message.get("refusal") or "", errors="replace").decode()
            whole = choice.get("finish_reason") != "length"
        except (LookupError, TypeError, AttributeError):
            self.account.add(*(counted or (0, 0)))
            raise _Passing("the answer holds no message") from None
        prompt, completion = counted or (_estimate(question.messages), _tokens(text))
        self.account.add(prompt, completion)
        return Reply(
            text=self._clean(text, limit=None),
            whole=whole,
            prompt_tokens=prompt,
            completion_tokens=completion,
            estimated=counted is None,
        )

    def _clean(self, text: str, *, limit: int | None = 300) -> str:
        """What the endpoint said without the key; with a limit, on one line and no longer."""
        said = text.replace(self._key, "[key]") if self._key else text
        return said if limit is None else " ".join(said.split())[:limit]


def _key_from_environment() -> str:
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise TeacherError(
            f"the environment variable {KEY} holds characters that no key has", remedy="Set it to the key alone."
        )
    return key


def _kept_reply(path: Path) -> Reply | None:
    """The reply in a file; None where there is none, or something else."""
    try:
        return Reply.model_validate(json.loads(path.read_text(encoding="utf-8"))["reply"])
    except (OSError, ValueError, LookupError, TypeError, ValidationError):
        return None


def _keep(path: Path, question: Question, reply: Reply) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"question": question.messages[-1], "reply": reply.model_dump()}))


def _usage(data: Any) -> tuple[int, int] | None:
    """The tokens of question and reply as the endpoint counts them; None when it does not say."""
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
    """About how many tokens a question has, before the endpoint has counted them."""
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
