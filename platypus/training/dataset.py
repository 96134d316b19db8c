"""The encoded examples of each training step, under the run's catalogue or a variation of it.

A variation has the tools in another order, and lacks some that no plan of the step needs. So a model learns to read
tools instead of memorising them, and the examples of a step still begin with the same text. If the recipe asks for
rehearsal, some steps use requests for a random catalogue instead, as in the training of the embedded base. What a step
reads depends on the seed and its number alone, so a resumed training reads the same. A request that the tools cannot
answer remains one when there are fewer tools.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Row
from platypus.errors import PromptError
from platypus.generation.tasks import random_task
from platypus.prompt.prompt import EncodedExample, Prompt
from platypus.run.settings import TrainSettings
from platypus.training.batches import batches

REHEARSAL_TOOLS = 16  # most tools in a random catalogue; fewer if the run's own has fewer, but at least 2
TRIES = 20  # attempts to draw a random catalogue that is short enough

# From the row numbers of a step, and the step's own number, to its examples.
Reader = Callable[[Sequence[int], int], list[EncodedExample]]


@dataclass(frozen=True)
class TrainingDataset:
    """The rows of a training, and the examples that each step makes of them."""

    rows: Sequence[Row]
    prompt: Prompt
    settings: TrainSettings
    seed: int

    @cached_property
    def examples(self) -> list[EncodedExample]:
        """All rows under the unchanged catalogue. Raises PromptError for rows longer than the cutoff."""
        return encode(self.prompt, self.rows, self.settings)

    @cached_property
    def pool(self) -> list[EncodedExample]:
        """What steps are drawn from: the examples, followed by placeholders for rehearsed requests.

        Their catalogue keeps `batches` from mixing the two: where tools are few, all prompts begin alike.
        """
        steps, share = math.ceil(len(self.rows) / self.settings.batch_size), self.settings.rehearsal
        number = round(steps * share / (1 - share)) if self._plans else 0
        if number == 0:
            return self.examples
        return self.examples + number * [replace(row, catalogue="rehearsal") for row in self._rehearsed("pool")]

    @property
    def vary(self) -> bool:
        """Whether each step has its own variation of the catalogue."""
        return self._plans and (self.settings.shuffle_tools or self.settings.drop_tools > 0)

    @cached_property
    def _plans(self) -> bool:
        """Whether there are tools to plan with: the run's, or some that rows bring."""
        return self.prompt.catalogue is not None or any(map(brought_by, self.rows))

    def step_examples(self, rows: Sequence[int], step: int) -> list[EncodedExample]:
        """The examples of step `step`, counted from 1, for these rows of the pool. Each rehearsal has a new catalogue.

        The cutoff was checked in `examples`. Another order of the tools changes the number of tokens only slightly.
        """
        own = self._own(rows)
        if not own:
            return self._rehearsed(str(step))[: len(rows)]
        if not self.vary:
            return [self.pool[row] for row in rows]
        shown = {tools: self._sampled(tools, own, step) for tools in {brought_by(self.rows[row]) for row in own}}
        prompt = replace(self.prompt, catalogue=shown.get(None))
        examples = [_with_tools(self.rows[row], shown) for row in own]
        others = [self.pool[row] for row in rows if row >= len(self.rows)]
        return encode(prompt, examples, self.settings, most=2 * prompt.cutoff) + others

    def _own(self, rows: Sequence[int]) -> list[int]:
        """Those rows of the pool that are not rehearsal."""
        return [row for row in rows if row < len(self.rows)]

    def _rehearsed(self, key: str) -> list[EncodedExample]:
        """A step's worth of requests for the random catalogue of this key. Raises PromptError if all are too long."""
        usual = len(self.prompt.catalogue or max(map(brought_by, self.rows), key=lambda tools: len(tools or ())) or ())
        size, most = self.settings.batch_size, min(REHEARSAL_TOOLS, max(2, usual))
        for attempt in range(TRIES):
            task = random_task(f"rehearsal/{self.seed}/{key}/{attempt}", tools=most, requests=size)
            try:
                rows = encode(replace(self.prompt, catalogue=task.catalogue), task.examples, self.settings)
            except PromptError:
                continue
            if rows:
                return (rows * size)[:size]
        remedy = "Raise prompt.cutoff, or set train.rehearsal = 0."
        raise PromptError("no random catalogue is short enough to rehearse", where="train.rehearsal", remedy=remedy)

    def catalogue(self, rows: Sequence[int], step: int) -> Catalogue | None:
        """The catalogue of a step with these rows; of it, rows that bring their own tools need nothing."""
        return self._sampled(None, rows, step)

    def _sampled(self, brought: Catalogue | None, rows: Sequence[int], step: int) -> Catalogue | None:
        """What a step shows of the tools that some of its rows bring, or of the run's catalogue to those without."""
        catalogue = brought or self.prompt.catalogue
        if catalogue is None or not self.vary:
            return catalogue
        examples = [row for row in map(self.rows.__getitem__, rows) if isinstance(row, Example)]
        needed = {call.tool for example in examples if example.tools == brought for call in example.plan}
        key = f"{self.seed}/{step}/tools" + (f"/{brought.fingerprint}" if brought else "")
        return sample_tools(catalogue, needed, settings=self.settings, rng=Random(key))

    def results(self) -> dict[str, float]:
        """How many rehearsed requests an epoch has, and how many tools a step of the first epoch shows on average."""
        others = len(self.pool) - len(self.rows)
        results: dict[str, float] = {"rehearsed": others} if others else {}
        if self.vary:
            own = map(self._own, self.first_epoch())
            counts = [self._shown(rows, step) for step, rows in enumerate(own, 1) if rows]
            results["tools_shown"] = round(sum(counts) / len(counts), 2)
        return results

    def _shown(self, rows: Sequence[int], step: int) -> float:
        """How many tools a step shows to one of these rows, on average."""
        brought = [brought_by(self.rows[row]) for row in rows]
        counts = {tools: len(self._sampled(tools, rows, step) or ()) for tools in set(brought)}
        return sum(counts[tools] for tools in brought) / len(rows)

    def first_epoch(self) -> list[list[int]]:
        """The rows of each step of the first epoch, by their number in the pool; the first is step 1."""
        return batches(self.pool, settings=self.settings, seed=self.seed, epoch=1)


def brought_by(row: Row) -> Catalogue | None:
    """The tools that a row brings, if it brings some."""
    return row.tools if isinstance(row, Example) else None


def _with_tools(row: Row, shown: Mapping[Catalogue | None, Catalogue | None]) -> Row:
    """The row with what is shown of the tools that it brings."""
    return replace(row, tools=shown[row.tools]) if isinstance(row, Example) and row.tools else row


def sample_tools(catalogue: Catalogue, needed: AbstractSet[str], *, settings: TrainSettings, rng: Random) -> Catalogue:
    """The needed tools and some of the others, shuffled if the settings say so; at least one tool."""
    tools = [tool for tool in catalogue if tool.name in needed or rng.random() >= settings.drop_tools]
    tools = tools or [rng.choice(catalogue.tools)]
    if settings.shuffle_tools:
        rng.shuffle(tools)
    return Catalogue(tuple(tools))


def encode(
    prompt: Prompt, rows: Sequence[Row], settings: TrainSettings, *, most: int | None = None
) -> list[EncodedExample]:
    """The rows as tokens, `most` in each if not as many as the cutoff. With train_on_inputs, every token is learned
    except the first, which nothing can predict, and those that an activated adapter does not act on.
    """
    examples = prompt.encode_all(rows, most=most)
    if not settings.train_on_inputs:
        return examples
    return [replace(row, prompt_length=row.frozen + 1, gaps=()) for row in examples]
