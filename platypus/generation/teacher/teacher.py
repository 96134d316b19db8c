"""A teacher: a larger language model that adds requests to the generated ones.

    paraphrase   a generated request in other words; the plan stays the same
    propose      a request from the catalogue alone, planned by a second question
    round trip   one more question asks for the plan of each request, which is kept only if the plan is the same

Its plans are checked by the same code as all plans; what is not kept is listed with the reason. How questions are sent
and what they cost is in `endpoint.py`, their wording in `prompts.py`.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import PARAPHRASED, Example, Rejected
from platypus.errors import DatasetError
from platypus.files import read_text
from platypus.generation.requests.phrasing import literals_said
from platypus.generation.teacher.endpoint import BudgetSpent, Endpoint, Question, Unanswered
from platypus.generation.teacher.prompts import (
    odd_request,
    paraphrase_question,
    plan_question,
    proposal_question,
    read_reply_plan,
    read_requests,
)
from platypus.plan.equality import same
from platypus.plan.plan import Malformed, Plan
from platypus.run.settings import TeacherSettings

PER_LIST = 10  # requests in one list of proposals
STYLE_SAMPLES = 6  # of the user's own requests, in each question
ABOUT = 3  # tools that a list of proposals is about

Row = Example | Rejected
Job = Callable[[list[Row]], Awaitable[None]]  # adds its rows to the list


@dataclass(frozen=True)
class TeacherResult:
    """Examples of a teacher, what was rejected, the results for the stage, and why it stopped early, if it did."""

    examples: tuple[Example, ...]
    rejected: tuple[Rejected, ...]
    results: Mapping[str, Any]
    stopped: str


def teach(
    catalogue: Catalogue,
    generated: Sequence[Example],
    settings: TeacherSettings,
    *,
    style: Sequence[str],
    max_steps: int,
    seed: int,
    folder: Path,
    done: Callable[[], None] = lambda: None,
) -> TeacherResult:
    """Ask the teacher of a recipe; replies are stored in `folder`, and `done` is called after each of `jobs(…)`.

    When the budget is spent, returns the rows so far. Raises TeacherError when further questions are useless; the
    replies so far stay stored.
    """
    endpoint = Endpoint(settings, folder)
    seen = {_plain(request) for request in (*style, *(example.query for example in generated))}
    tasks = _TeacherJobs(catalogue, settings, endpoint, style, max_steps, frozenset(seen), Random(f"teacher/{seed}"))
    work = asyncio.run(tasks.run(list(tasks.jobs(generated)), done))
    examples: list[Example] = []
    rejected: list[Rejected] = []
    for result in work.rows:
        if isinstance(result, Rejected):
            rejected.append(result)
        elif _plain(result.query) in seen:
            rejected.append(_Source(result.origin["source"], result.origin["of"]).duplicate(result.query))
        else:
            seen.add(_plain(result.query))
            examples.append(replace(result, origin={**result.origin, "line": len(examples) + 1}))
    results = {
        "kept": dict(Counter(str(example.origin["source"]).partition(":")[2] for example in examples)),
        "rejected": dict(Counter(row.kind for row in rejected)),
        "account": endpoint.account.to_json(),
        "stopped": work.stopped or "no",
    }
    return TeacherResult(tuple(examples), tuple(rejected), results, work.stopped)


def jobs(generated: Sequence[Example], settings: TeacherSettings) -> int:
    """Return the number of jobs: one for each generated request to paraphrase, and one for each list of proposals."""
    return (len(generated) if settings.paraphrases else 0) + -(-settings.proposals // PER_LIST)


def read_style(path: Path) -> tuple[str, ...]:
    """Return the requests in a text file, one per line. Raises DatasetError when there are none."""
    lines = read_text(path, error=DatasetError, remedy="`style` under [teacher] names it.").splitlines()
    requests = tuple(" ".join(line.split()) for line in lines if line.strip())
    if not requests:
        raise DatasetError("has no request", where=str(path), remedy="Write a few real requests, one per line.")
    return requests


def style_fingerprint(requests: Sequence[str]) -> str:
    """Return a hash of the user's own requests, 16 hex digits."""
    return hashlib.sha256("\n".join(requests).encode()).hexdigest()[:16]


def _plain(request: str) -> str:
    """A request for comparison: without differences in case, white space and the punctuation at the end."""
    return " ".join(request.lower().split()).rstrip(".?! ")


class _Work(NamedTuple):
    """The rows of all jobs, in order, and why some jobs are not finished."""

    rows: list[Row]
    stopped: str


@dataclass(frozen=True)
class _TeacherJobs:
    """The jobs of a teacher, each of which adds its rows to a list."""

    catalogue: Catalogue
    settings: TeacherSettings
    endpoint: Endpoint
    style: Sequence[str]
    max_steps: int
    seen: frozenset[str]
    rng: Random

    @property
    def temperature(self) -> float | None:
        return None if self.settings.temperature == "unset" else self.settings.temperature

    async def run(self, jobs: Sequence[Job], done: Callable[[], None]) -> _Work:
        """Run all jobs, some at a time. Each is finished before a new one starts: the budget buys whole examples."""
        rows: list[list[Row]] = [[] for _ in jobs]
        waiting = iter(self.rng.sample(range(len(jobs)), len(jobs)))
        unfinished = 0

        async def worker() -> None:
            nonlocal unfinished
            for i in waiting:
                try:
                    await jobs[i](rows[i])
                except BudgetSpent:
                    unfinished += 1
                done()

        try:
            async with self.endpoint, asyncio.TaskGroup() as workers:
                for _ in range(self.settings.concurrency):
                    workers.create_task(worker())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        spent = self.endpoint.account.spent
        return _Work(
            [row for some in rows for row in some],
            f"{spent}; {unfinished} of {len(jobs)} jobs are not finished" if unfinished else "",
        )

    def jobs(self, generated: Sequence[Example]) -> Iterator[Job]:
        """Yield the jobs; all random draws for them are made here, in order."""
        if self.settings.paraphrases:
            for line, example in enumerate(generated, 1):
                yield self._paraphrase_job(example, line)
        for number in range(1, 1 + -(-self.settings.proposals // PER_LIST)):
            yield self._proposal_job(number, min(PER_LIST, self.settings.proposals - (number - 1) * PER_LIST))

    def _paraphrase_job(self, example: Example, line: int) -> Job:
        count = self.settings.paraphrases
        question = paraphrase_question(
            example.query, example.plan, count=count, style=self._sample_style(), temperature=self.temperature
        )
        source = _Source(PARAPHRASED, line)
        return lambda rows: self._requests(question, count, source, example.plan, rows)

    def _proposal_job(self, number: int, count: int) -> Job:
        names = [tool.name for tool in self.catalogue]
        about = self.rng.sample(names, min(ABOUT, len(names)))
        question = proposal_question(
            self.catalogue,
            number=number,
            count=count,
            about=about,
            style=self._sample_style(),
            temperature=self.temperature,
        )
        return lambda rows: self._requests(question, count, _Source("teacher:proposal", number), None, rows)

    def _sample_style(self) -> list[str]:
        return self.rng.sample(self.style, min(STYLE_SAMPLES, len(self.style)))

    async def _requests(
        self, question: Question, count: int, source: "_Source", plan: Plan | None, rows: list[Row]
    ) -> None:
        """Ask for requests and check each; more than `count` are rejected unchecked."""
        try:
            reply = await self.endpoint.ask(question)
        except Unanswered as error:
            rows.append(source.rejected(str(error), "unanswered", None))
            return
        requests = read_requests(reply)
        if isinstance(requests, Malformed):
            rows.append(source.rejected(requests.reason, "reply", reply.text))
            return
        for request in requests[:count]:
            try:
                rows.append(await self._check(request, plan, source))
            except Unanswered as error:
                rows.append(source.rejected(str(error), "unanswered", request))
        if requests[count:]:
            what = f"{len(requests)} requests where {count} were asked for"
            rows.append(source.rejected(what, "surplus", requests[count:]))

    async def _check(self, request: str, plan: Plan | None, source: "_Source") -> Row:
        """The request as an example, or why it is rejected; without a plan, the teacher is asked for one."""
        odd = odd_request(request)
        if odd:
            return source.rejected(odd, "request", request)
        if _plain(request) in self.seen:
            return source.duplicate(request)
        is_proposal = plan is None
        if plan is None:
            answer = await self._plan(request, again=False)
            if isinstance(answer, Malformed):
                return source.rejected(answer.reason, answer.problems[0].kind, request, answer.text)
            if len(answer) > self.max_steps:
                return source.rejected(f"the plan has more than {self.max_steps} steps", "steps", request, str(answer))
            plan = answer.ordered(self.catalogue)
        if not literals_said(plan, request):
            return source.rejected("a value of the plan is not in the request", "literals", request, str(plan))
        if self.settings.round_trip:
            second_plan = await self._plan(request, again=is_proposal)
            if isinstance(second_plan, Malformed):
                reason = f"mapped back: {second_plan.reason}"
                return source.rejected(reason, "round-trip", request, str(plan), second_plan.text)
            if not same(plan, second_plan, self.catalogue):
                reason = "mapped back to another plan"
                return source.rejected(reason, "round-trip", request, str(plan), str(second_plan))
        origin = {"source": source.use, "model": self.settings.model, "of": source.line}
        return Example(request, plan, self.catalogue.fingerprint, origin)

    async def _plan(self, request: str, *, again: bool) -> Plan | Malformed:
        temperature = None if self.temperature is None else 0.0
        question = plan_question(request, self.catalogue, again=again, temperature=temperature)
        return read_reply_plan(await self.endpoint.ask(question), self.catalogue)


class _Source(NamedTuple):
    """Where a request comes from: the use, and the line of the generated example or the number of the list."""

    use: str
    line: int

    def rejected(self, reason: str, kind: str, row: Any, *evidence: str) -> Rejected:
        return Rejected(self.use, self.line, reason, row, kind, evidence)

    def duplicate(self, request: str) -> Rejected:
        return self.rejected("the request is there already", "duplicate", request)
