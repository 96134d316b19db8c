"""A teacher: a larger language model that adds requests to those that are generated.

    paraphrase   a generated request in other words; the plan stays
    propose      a request from the catalogue alone, planned by a second question
    round trip   one more question maps each request back; it is kept only when the plan is the same

Whatever it says is checked by the code that checks everybody's plans, and what is not kept is listed with the reason.
How questions reach it and what they cost is the matter of `platypus.generation.teacher.endpoint`, their wording that of
`platypus.generation.teacher.prompts`.
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

PER_LIST = 10  # requests that are asked for at once
SHOWN = 6  # of the user's own requests, in each question
ABOUT = 3  # tools that a list of proposals is about

Found = Example | Rejected
Job = Callable[[list[Found]], Awaitable[None]]


@dataclass(frozen=True)
class Taught:
    """What came of a teacher: examples, what was not kept, the results for the stage, and why it stopped, if early."""

    examples: tuple[Example, ...]
    rejected: tuple[Rejected, ...]
    results: Mapping[str, Any]
    stopped: str


def teach(
    catalogue: Catalogue,
    made: Sequence[Example],
    settings: TeacherSettings,
    *,
    style: Sequence[str],
    max_steps: int,
    seed: int,
    folder: Path,
    done: Callable[[], None] = lambda: None,
) -> Taught:
    """Ask the teacher of a recipe; replies are kept in `folder`, and `done` is called after each of `jobs(…)`.

    When the budget is spent, what has been found is returned. Raises TeacherError when it is of no use to go on; the
    replies so far are kept.
    """
    endpoint = Endpoint(settings, folder)
    seen = {_plain(request) for request in (*style, *(example.query for example in made))}
    uses = _Uses(catalogue, settings, endpoint, style, max_steps, frozenset(seen), Random(f"teacher/{seed}"))
    work = asyncio.run(uses.do(list(uses.jobs(made)), done))
    examples: list[Example] = []
    rejected: list[Rejected] = []
    for found in work.found:
        if isinstance(found, Rejected):
            rejected.append(found)
        elif _plain(found.query) in seen:
            rejected.append(_Place(found.origin["source"], found.origin["of"]).duplicate(found.query))
        else:
            seen.add(_plain(found.query))
            examples.append(replace(found, origin={**found.origin, "line": len(examples) + 1}))
    results = {
        "kept": dict(Counter(str(example.origin["source"]).partition(":")[2] for example in examples)),
        "rejected": dict(Counter(row.kind for row in rejected)),
        "account": endpoint.account.to_json(),
        "stopped": work.stopped or "no",
    }
    return Taught(tuple(examples), tuple(rejected), results, work.stopped)


def jobs(made: Sequence[Example], settings: TeacherSettings) -> int:
    """How many jobs a teacher has: each generated request to paraphrase, and each list of proposals."""
    return (len(made) if settings.paraphrases else 0) + -(-settings.proposals // PER_LIST)


def read_style(path: Path) -> tuple[str, ...]:
    """The requests in a text file, one a line. Raises DatasetError when there are none."""
    lines = read_text(path, error=DatasetError, remedy="`style` under [teacher] names it.").splitlines()
    requests = tuple(" ".join(line.split()) for line in lines if line.strip())
    if not requests:
        raise DatasetError("holds no request", where=str(path), remedy="Write a few real requests, one a line.")
    return requests


def style_fingerprint(requests: Sequence[str]) -> str:
    """16 hex digits of the user's own requests."""
    return hashlib.sha256("\n".join(requests).encode()).hexdigest()[:16]


def _plain(request: str) -> str:
    """A request for comparison: case, white space and the stop at the end are no difference."""
    return " ".join(request.lower().split()).rstrip(".?! ")


class _Work(NamedTuple):
    """What the jobs have found, in their order, and why some are not finished."""

    found: list[Found]
    stopped: str


@dataclass(frozen=True)
class _Uses:
    """What a teacher is used for. Each job adds to a list what it has found so far."""

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

    async def do(self, jobs: Sequence[Job], done: Callable[[], None]) -> _Work:
        """Do all jobs, some at once: each is finished before a new one is begun, so that money buys whole examples."""
        found: list[list[Found]] = [[] for _ in jobs]
        waiting = iter(self.rng.sample(range(len(jobs)), len(jobs)))
        left = 0

        async def worker() -> None:
            nonlocal left
            for i in waiting:
                try:
                    await jobs[i](found[i])
                except BudgetSpent:
                    left += 1
                done()

        try:
            async with self.endpoint, asyncio.TaskGroup() as workers:
                for _ in range(self.settings.concurrency):
                    workers.create_task(worker())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        spent = self.endpoint.account.spent
        return _Work(
            [one for some in found for one in some],
            f"{spent}; {left} of {len(jobs)} jobs are not finished" if left else "",
        )

    def jobs(self, made: Sequence[Example]) -> Iterator[Job]:
        """The jobs, with everything that is drawn for them drawn now, in order."""
        if self.settings.paraphrases:
            for line, example in enumerate(made, 1):
                yield self._paraphrase_job(example, line)
        for number in range(1, 1 + -(-self.settings.proposals // PER_LIST)):
            yield self._proposal_job(number, min(PER_LIST, self.settings.proposals - (number - 1) * PER_LIST))

    def _paraphrase_job(self, example: Example, line: int) -> Job:
        count = self.settings.paraphrases
        question = paraphrase_question(
            example.query, example.plan, count=count, style=self._some_style(), temperature=self.temperature
        )
        place = _Place(PARAPHRASED, line)
        return lambda found: self._requests(question, count, place, example.plan, found)

    def _proposal_job(self, number: int, count: int) -> Job:
        names = [tool.name for tool in self.catalogue]
        about = self.rng.sample(names, min(ABOUT, len(names)))
        question = proposal_question(
            self.catalogue,
            number=number,
            count=count,
            about=about,
            style=self._some_style(),
            temperature=self.temperature,
        )
        return lambda found: self._requests(question, count, _Place("teacher:proposal", number), None, found)

    def _some_style(self) -> list[str]:
        return self.rng.sample(self.style, min(SHOWN, len(self.style)))

    async def _requests(
        self, question: Question, count: int, place: "_Place", plan: Plan | None, found: list[Found]
    ) -> None:
        """Ask for requests, and check each; more than were asked for are not looked at."""
        try:
            reply = await self.endpoint.ask(question)
        except Unanswered as error:
            found.append(place.rejected(str(error), "unanswered", None))
            return
        requests = read_requests(reply)
        if isinstance(requests, Malformed):
            found.append(place.rejected(requests.reason, "reply", reply.text))
            return
        for request in requests[:count]:
            try:
                found.append(await self._checked(request, plan, place))
            except Unanswered as error:
                found.append(place.rejected(str(error), "unanswered", request))
        if requests[count:]:
            what = f"{len(requests)} requests where {count} were asked for"
            found.append(place.rejected(what, "surplus", requests[count:]))

    async def _checked(self, request: str, plan: Plan | None, place: "_Place") -> Found:
        """The request as an example, or why it is none; without a plan, the teacher is asked for it."""
        odd = odd_request(request)
        if odd:
            return place.rejected(odd, "request", request)
        if _plain(request) in self.seen:
            return place.duplicate(request)
        proposed = plan is None
        if plan is None:
            planned = await self._plan(request, again=False)
            if isinstance(planned, Malformed):
                return place.rejected(planned.reason, planned.problems[0].kind, request, planned.text)
            if len(planned) > self.max_steps:
                return place.rejected(f"the plan has more than {self.max_steps} steps", "steps", request, str(planned))
            plan = planned.ordered(self.catalogue)
        if not literals_said(plan, request):
            return place.rejected("a value of the plan is not in the request", "literals", request, str(plan))
        if self.settings.round_trip:
            back = await self._plan(request, again=proposed)
            if isinstance(back, Malformed):
                return place.rejected(f"mapped back: {back.reason}", "round-trip", request, str(plan), back.text)
            if not same(plan, back, self.catalogue):
                return place.rejected("mapped back to another plan", "round-trip", request, str(plan), str(back))
        origin = {"source": place.use, "model": self.settings.model, "of": place.line}
        return Example(request, plan, self.catalogue.fingerprint, origin)

    async def _plan(self, request: str, *, again: bool) -> Plan | Malformed:
        temperature = None if self.temperature is None else 0.0
        question = plan_question(request, self.catalogue, again=again, temperature=temperature)
        return read_reply_plan(await self.endpoint.ask(question), self.catalogue)


class _Place(NamedTuple):
    """Which use, and of which line of the generated examples or which list of proposals."""

    use: str
    line: int

    def rejected(self, reason: str, kind: str, row: Any, *evidence: str) -> Rejected:
        return Rejected(self.use, self.line, reason, row, kind, evidence)

    def duplicate(self, request: str) -> Rejected:
        return self.rejected("the request is there already", "duplicate", request)
