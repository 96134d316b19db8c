"""What a base learns from, task by task: a catalogue, and requests for it with their plans.

Most catalogues are random. Some, on wish, are those of real rows, each of which brings its own `tools`: others of them
are left out and put in another order each time, and the generator asks for these tools as well. A task follows from
its key alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Rejected, parse_rows
from platypus.data.sources import decode_row, read_raw_rows
from platypus.errors import CatalogueError, DatasetError
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler, Undrawable
from platypus.generation.requests.phrasing import PhrasedRequest, Phraser
from platypus.generation.requests.refusals import Refusals
from platypus.plan.plan import Malformed, Plan

TRIES = 40  # draws for each request of a task; real tools may have few plans that can be said
LARGE = 0.05  # of the random catalogues are larger than others, LARGER times at most
LARGER = 5
REAL_TOOLS = 6  # of a real row's tools are shown, or as many as its plan needs: their descriptions are long


@dataclass(frozen=True)
class Task:
    """One catalogue and some requests for it."""

    catalogue: Catalogue
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class RealTasks:
    """Real rows that bring their own tools: each a task of one request, and the rows that cannot be used."""

    tasks: tuple[Task, ...] = ()
    rejected: tuple[Rejected, ...] = ()


def read_real_tasks(sources: Iterable[str]) -> RealTasks:
    """The rows of files that hold `query`, `plan` and `tools`. Raises DatasetError where a file has no such row."""
    tasks: list[Task] = []
    rejected: list[Rejected] = []
    for source in sources:
        before = len(tasks)
        for entry in map(decode_row, read_raw_rows(source)):
            if not (isinstance(entry.data, Mapping) and "tools" in entry.data):
                reason = entry.data.reason if isinstance(entry.data, Malformed) else "has no `tools`"
                rejected.append(Rejected(source, entry.line, reason, entry.raw))
                continue
            try:
                catalogue = catalogue_from_json(entry.data["tools"])
            except CatalogueError as fault:
                rejected.append(Rejected(source, entry.line, str(fault), entry.raw))
                continue
            dataset = parse_rows([entry], source, catalogue, alpaca=False)
            rejected += dataset.rejected
            here = {"source": source, "line": entry.line}
            rows = (replace(row, origin=here) for row in dataset.rows if isinstance(row, Example))
            tasks += (Task(catalogue, (row,)) for row in rows)
        if len(tasks) == before:
            remedy = 'A row is {"query": …, "plan": [...], "tools": [...]}, one a line.'
            raise DatasetError("holds no row that can be learned from", where=source, remedy=remedy)
    return RealTasks(tuple(tasks), tuple(rejected))


def random_task(key: str, *, tools: int, requests: int, steps: int = 5, refusals: float = 0.06) -> Task:
    """The task over a random catalogue that `key` names: always the same one."""
    rng = Random(key)
    catalogue = random_catalogue(rng, tools=rng.randint(2, tools * (LARGER if rng.random() < LARGE else 1)))
    return Task(catalogue, tuple(_drawn(rng, catalogue, key, requests, steps, refusals)))


def real_task(key: str, real: Sequence[Task], *, requests: int, steps: int = 5, refusals: float = 0.06) -> Task:
    """The task over some of a real row's tools that `key` names: its request, and generated ones if they can be."""
    rng = Random(key)
    chosen = rng.choice(real)
    (row,) = chosen.examples
    needed = [tool for tool in chosen.catalogue if tool.name in {step.tool for step in row.plan}]
    others = [tool for tool in chosen.catalogue if tool not in needed]
    shown = needed + rng.sample(others, min(len(others), max(0, rng.randint(2, REAL_TOOLS) - len(needed))))
    catalogue = Catalogue(tuple(rng.sample(shown, len(shown))))
    first = Example(row.query, row.plan, catalogue.fingerprint, row.origin)
    return Task(catalogue, (first, *_drawn(rng, catalogue, key, requests - 1, steps, refusals)))


def sample_task(key: str, real: Sequence[Task], share: float, *, tools: int, requests: int, steps: int = 5) -> Task:
    """The task that `key` names: over a random catalogue, or, a share of them, of the real rows if there are any."""
    if real and Random(f"{key}/real").random() < share:
        return real_task(key, real, requests=requests, steps=steps)
    return random_task(key, tools=tools, requests=requests, steps=steps)


def _drawn(rng: Random, catalogue: Catalogue, key: str, requests: int, steps: int, refusals: float) -> list[Example]:
    sampler, phraser = Sampler(catalogue, steps), Phraser(catalogue)
    if not sampler.goals:
        return []
    unanswerable = Refusals(sampler, phraser)

    def drawn() -> PhrasedRequest | None:
        if rng.random() < refusals:
            request, _ = unanswerable.request(rng)
            return PhrasedRequest(request, Plan(), request) if request else None
        try:
            several = [sampler.mixed(rng) for _ in range(rng.choice((1, 1, 2, 4)))]
        except Undrawable:
            return None
        return phraser.said(rng, max(several, key=len))  # most catalogues have few long plans to draw

    found = (said for said in (drawn() for _ in range(TRIES * requests)) if said is not None)
    return [
        Example(said.request, said.plan, catalogue.fingerprint, {"source": key}) for said in islice(found, requests)
    ]
