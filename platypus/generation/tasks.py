"""What a base learns from, lesson by lesson: a catalogue, and requests for it with their plans.

Most catalogues are random. Some, on wish, are those of real rows, each of which brings its own `tools`: others of them
are left out and put in another order each time, and the generator asks for these tools as well. A lesson follows from
its key alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Rejected, understood
from platypus.data.sources import decoded, entries
from platypus.errors import CatalogueError, DatasetError
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler, Undrawable
from platypus.generation.requests.phrasing import Phraser, Said
from platypus.generation.requests.refusals import Refusals
from platypus.plan.plan import Malformed, Plan

TRIES = 40  # draws for each request of a lesson; real tools may have few plans that can be said
LARGE = 0.05  # of the random catalogues are larger than others, LARGER times at most
LARGER = 5
REAL_TOOLS = 6  # of a real row's tools are shown, or as many as its plan needs: their descriptions are long


@dataclass(frozen=True)
class Lesson:
    """One catalogue and some requests for it."""

    catalogue: Catalogue
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Real:
    """Real rows that bring their own tools: each a lesson of one request, and the rows that cannot be used."""

    lessons: tuple[Lesson, ...] = ()
    rejected: tuple[Rejected, ...] = ()


def read_real(sources: Iterable[str]) -> Real:
    """The rows of files that hold `query`, `plan` and `tools`. Raises DatasetError where a file has no such row."""
    lessons: list[Lesson] = []
    rejected: list[Rejected] = []
    for source in sources:
        before = len(lessons)
        for entry in map(decoded, entries(source)):
            if not (isinstance(entry.data, Mapping) and "tools" in entry.data):
                reason = entry.data.reason if isinstance(entry.data, Malformed) else "has no `tools`"
                rejected.append(Rejected(source, entry.line, reason, entry.raw))
                continue
            try:
                catalogue = catalogue_from_json(entry.data["tools"])
            except CatalogueError as fault:
                rejected.append(Rejected(source, entry.line, str(fault), entry.raw))
                continue
            dataset = understood([entry], source, catalogue, alpaca=False)
            rejected += dataset.rejected
            here = {"source": source, "line": entry.line}
            rows = (replace(row, origin=here) for row in dataset.rows if isinstance(row, Example))
            lessons += (Lesson(catalogue, (row,)) for row in rows)
        if len(lessons) == before:
            remedy = 'A row is {"query": …, "plan": [...], "tools": [...]}, one a line.'
            raise DatasetError("holds no row that can be learned from", where=source, remedy=remedy)
    return Real(tuple(lessons), tuple(rejected))


def lesson(key: str, *, tools: int, requests: int, steps: int = 5, refusals: float = 0.06) -> Lesson:
    """The lesson over a random catalogue that `key` names: always the same one."""
    rng = Random(key)
    catalogue = random_catalogue(rng, tools=rng.randint(2, tools * (LARGER if rng.random() < LARGE else 1)))
    return Lesson(catalogue, tuple(_drawn(rng, catalogue, key, requests, steps, refusals)))


def real_lesson(key: str, real: Sequence[Lesson], *, requests: int, steps: int = 5, refusals: float = 0.06) -> Lesson:
    """The lesson over some of a real row's tools that `key` names: its request, and generated ones if they can be."""
    rng = Random(key)
    chosen = rng.choice(real)
    (row,) = chosen.examples
    needed = [tool for tool in chosen.catalogue if tool.name in {step.tool for step in row.plan}]
    others = [tool for tool in chosen.catalogue if tool not in needed]
    shown = needed + rng.sample(others, min(len(others), max(0, rng.randint(2, REAL_TOOLS) - len(needed))))
    catalogue = Catalogue(tuple(rng.sample(shown, len(shown))))
    first = Example(row.query, row.plan, catalogue.fingerprint, row.origin)
    return Lesson(catalogue, (first, *_drawn(rng, catalogue, key, requests - 1, steps, refusals)))


def mixed_lesson(
    key: str, real: Sequence[Lesson], share: float, *, tools: int, requests: int, steps: int = 5
) -> Lesson:
    """The lesson that `key` names: over a random catalogue, or, a share of them, of the real rows if there are any."""
    if real and Random(f"{key}/real").random() < share:
        return real_lesson(key, real, requests=requests, steps=steps)
    return lesson(key, tools=tools, requests=requests, steps=steps)


def _drawn(rng: Random, catalogue: Catalogue, key: str, requests: int, steps: int, refusals: float) -> list[Example]:
    sampler, phraser = Sampler(catalogue, steps), Phraser(catalogue)
    if not sampler.goals:
        return []
    unanswerable = Refusals(sampler, phraser)

    def drawn() -> Said | None:
        if rng.random() < refusals:
            request, _ = unanswerable.request(rng)
            return Said(request, Plan(), request) if request else None
        try:
            several = [sampler.mixed(rng) for _ in range(rng.choice((1, 1, 2, 4)))]
        except Undrawable:
            return None
        return phraser.said(rng, max(several, key=len))  # most catalogues have few long plans to draw

    found = (said for said in (drawn() for _ in range(TRIES * requests)) if said is not None)
    return [
        Example(said.request, said.plan, catalogue.fingerprint, {"source": key}) for said in islice(found, requests)
    ]
