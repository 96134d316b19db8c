"""Tasks for pretraining and for rehearsal: a catalogue, and requests for it with their plans.

Most catalogues are random. Optionally, some come from real rows that bring their own `tools`: each time, some of these
tools are left out, the others are shuffled, and some texts of the request give way to what other rows say for arguments
with alike names, in request and plan. The generator adds requests for the tools if there is room for several. A file's
share of these tasks is that of the square root of its rows. A task is determined by its key and the real rows.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from random import Random

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.catalogue.words import words
from platypus.data.dataset import Example, Rejected, parse_rows
from platypus.data.sources import decode_row, read_raw_rows
from platypus.errors import CatalogueError, DatasetError
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler, Undrawable
from platypus.generation.requests.phrasing import PhrasedRequest, Phraser
from platypus.generation.requests.refusals import Refusals
from platypus.plan.plan import Malformed, Plan, Step

DRAWS_PER_REQUEST = 40  # real tools may have few plans that can be phrased
LARGE = 0.05  # share of random catalogues that may be up to LARGER times the usual size
LARGER = 5
EXCHANGED = 0.5  # share of a real request's texts that give way to another row's
ANY_TEXT = {"type", "title", "description", "examples", "default"}  # keywords of arguments that take any text
LONGEST = 200  # letters of a text that changes places: requests stay as long as they are known to be
REAL_TOOLS = 6  # most tools of a catalogue with generated requests, unless its plan needs more: descriptions are long


@dataclass(frozen=True)
class Task:
    """One catalogue and some requests for it."""

    catalogue: Catalogue
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class RealTasks:
    """Tasks from real rows that bring their own tools, one request each, and the rows that cannot be used."""

    tasks: tuple[Task, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def ready(self) -> "RealTasks":
        """The same with all that draws need, so that processes that get a copy do not work it out again."""
        _ = self._files, self._texts
        return self

    @cached_property
    def _files(self) -> tuple[list[list[Task]], list[float]]:
        """The tasks of each file, and the files' weights."""
        files: dict[str, list[Task]] = {}
        for task in self.tasks:
            files.setdefault(str(task.examples[0].origin.get("source")), []).append(task)
        return list(files.values()), [len(tasks) ** 0.5 for tasks in files.values()]

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        """What the rows say, each once, for arguments whose names have the same noun."""
        texts: dict[str, dict[str, None]] = {}
        for task in self.tasks:
            for name, text in _free_texts(task):
                texts.setdefault(_noun(name), {})[text] = None
        return {name: list(said) for name, said in texts.items()}

    def exchanged(self, rng: Random, task: Task) -> Example:
        """The request of a task with other texts in some places."""
        (row,) = task.examples
        others = {
            text: rng.choice(self._texts[_noun(name)]) for name, text in _free_texts(task) if rng.random() < EXCHANGED
        }
        if not others:
            return row
        query = re.sub("|".join(map(re.escape, others)), lambda said: others[said[0]], row.query)
        steps = [
            Step(step.tool, {name: others.get(str(value), value) for name, value in step.arguments.items()})
            for step in row.plan
        ]
        return replace(row, query=query, plan=Plan(tuple(steps)))

    def draw(self, rng: Random) -> Task:
        """One of the tasks; there must be some."""
        files, weights = self._files
        return rng.choice(rng.choices(files, weights)[0])


def read_real_tasks(sources: Iterable[str]) -> RealTasks:
    """Read rows of `query`, `plan` and `tools` from files. Raises DatasetError for a file without a usable row."""
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
            except CatalogueError as error:
                rejected.append(Rejected(source, entry.line, str(error), entry.raw))
                continue
            dataset = parse_rows([entry], source, catalogue, alpaca=False)
            rejected += dataset.rejected
            origin = {"source": source, "line": entry.line}
            rows = (replace(row, origin=origin) for row in dataset.rows if isinstance(row, Example))
            tasks += (Task(catalogue, (row,)) for row in rows)
        if len(tasks) == before:
            remedy = 'A row is {"query": …, "plan": [...], "tools": [...]}, one per line.'
            raise DatasetError("holds no usable row", where=source, remedy=remedy)
    return RealTasks(tuple(tasks), tuple(rejected))


def random_task(key: str, *, tools: int, requests: int, steps: int = 5, refusals: float = 0.06) -> Task:
    """Return a task over a random catalogue, the same one for the same key and options."""
    rng = Random(key)
    catalogue = random_catalogue(rng, tools=rng.randint(2, tools * (LARGER if rng.random() < LARGE else 1)))
    return Task(catalogue, tuple(_draw_examples(rng, catalogue, key, requests, steps, refusals)))


def real_task(key: str, real: RealTasks, *, requests: int, steps: int = 5, refusals: float = 0.06) -> Task:
    """Return the task of `key` over some tools of a real row: the row's request, and generated ones where possible.

    A single request is shown up to all tools of its row.
    """
    rng = Random(key)
    source = real.draw(rng)
    row = real.exchanged(rng, source)
    needed = [tool for tool in source.catalogue if tool.name in {step.tool for step in row.plan}]
    others = [tool for tool in source.catalogue if tool not in needed]
    most = REAL_TOOLS if requests > 1 else max(2, len(source.catalogue))
    subset = needed + rng.sample(others, min(len(others), max(0, rng.randint(2, most) - len(needed))))
    catalogue = Catalogue(tuple(rng.sample(subset, len(subset))))
    first = Example(row.query, row.plan, catalogue.fingerprint, row.origin)
    if requests == 1:
        return Task(catalogue, (first,))
    return Task(catalogue, (first, *_draw_examples(rng, catalogue, key, requests - 1, steps, refusals)))


def _free_texts(task: Task) -> Iterator[tuple[str, str]]:
    """Name of the argument and text of every value that may be another text: the request says it in one place."""
    (row,) = task.examples
    schemas = {(tool.name, argument.name): argument.schema for tool in task.catalogue for argument in tool.arguments}
    said = [(schemas[step.tool, name], name, value) for step in row.plan for name, value in step.arguments.items()]
    for schema, name, text in said:
        if isinstance(text, str) and schema.get("type") == "string" and schema.keys() <= ANY_TEXT:
            alone = all(value == text or (text not in str(value) and str(value) not in text) for _, _, value in said)
            places = re.findall(rf"(?<!\w){re.escape(text)}(?!\w)", row.query)
            if alone and len(places) == row.query.count(text) == 1 and len(text) <= min(LONGEST, len(row.query) // 2):
                yield name, text


def _noun(name: str) -> str:
    """The word of an argument's name that says what its values are: `city` of `city_of_event` and of `cityName`."""
    before, *_ = " ".join(words(name)).partition(" of ")
    return before.removesuffix(" name").split()[-1] if before else name


def sample_task(key: str, real: RealTasks, share: float, *, tools: int, requests: int, steps: int = 5) -> Task:
    """Return the task of `key`: from a real row with probability `share`, if there are any, else a random task."""
    if real.tasks and Random(f"{key}/real").random() < share:
        return real_task(key, real, requests=requests, steps=steps)
    return random_task(key, tools=tools, requests=requests, steps=steps)


def _draw_examples(
    rng: Random, catalogue: Catalogue, key: str, requests: int, steps: int, refusals: float
) -> list[Example]:
    sampler, phraser = Sampler(catalogue, steps), Phraser(catalogue)
    if not sampler.goals:
        return []
    unanswerable = Refusals(sampler, phraser)

    def draw() -> PhrasedRequest | None:
        if rng.random() < refusals:
            request, _ = unanswerable.request(rng)
            return PhrasedRequest(request, Plan(), request) if request else None
        try:
            several = [sampler.mixed(rng) for _ in range(rng.choice((1, 1, 2, 4)))]
        except Undrawable:
            return None
        return phraser.phrase(rng, max(several, key=len))  # the longest of several, as long plans are rare

    phrased = (one for one in (draw() for _ in range(DRAWS_PER_REQUEST * requests)) if one is not None)
    return [Example(one.request, one.plan, catalogue.fingerprint, {"source": key}) for one in islice(phrased, requests)]
