"""What each step of a training reads: its rows as tokens, under the catalogue as it is or one of the step's own.

A catalogue of its own has the tools in another order, and lacks some that no plan of the step needs. So a model learns
to read tools rather than to know them by heart, and the examples of a step still begin with the same text. Some steps,
on wish, rehearse what the embedded base learned: requests for a random catalogue. What a step reads follows from the
seed and its number alone: a training that goes on reads what it would have read. A request that the tools cannot answer
stays one when there are fewer of them.
"""

import math
from collections.abc import Callable, Sequence
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

REHEARSED = 16  # tools in a random catalogue, or as many as the run's own has
TRIES = 20  # random catalogues until one is short enough

Reader = Callable[
    [Sequence[int], int], list[EncodedExample]
]  # the numbers of a step's rows, and the step's → its examples


@dataclass(frozen=True)
class TrainingDataset:
    """The rows of a training, and how they are read."""

    rows: Sequence[Row]
    prompt: Prompt
    settings: TrainSettings
    seed: int

    @cached_property
    def examples(self) -> list[EncodedExample]:
        """All rows under the catalogue as it is. Raises PromptError for rows that are longer than the cutoff."""
        return encode(self.prompt, self.rows, self.settings)

    @cached_property
    def pool(self) -> list[EncodedExample]:
        """What steps are made of: the examples and, behind them, what stands for the requests of rehearsals."""
        steps, share = math.ceil(len(self.rows) / self.settings.batch_size), self.settings.rehearsal
        number = round(steps * share / (1 - share)) if self.prompt.catalogue else 0
        return self.examples + number * self._rehearsed("pool") if number else self.examples

    @property
    def vary(self) -> bool:
        """Whether steps have catalogues of their own."""
        return self.prompt.catalogue is not None and (self.settings.shuffle_tools or self.settings.drop_tools > 0)

    def step_examples(self, rows: Sequence[int], step: int) -> list[EncodedExample]:
        """What a step, counted from 1, reads of these rows of the pool; if it rehearses, another catalogue each time.

        The cutoff is held by `examples`: another order moves token borders, by some tokens at most.
        """
        own = self._own(rows)
        if not own:
            return self._rehearsed(str(step))[: len(rows)]
        catalogue = self.catalogue(own, step)
        if catalogue is self.prompt.catalogue:
            return [self.pool[row] for row in rows]
        prompt = replace(self.prompt, catalogue=catalogue, cutoff=2 * self.prompt.cutoff)
        others = [self.pool[row] for row in rows if row >= len(self.rows)]
        return encode(prompt, [self.rows[row] for row in own], self.settings) + others

    def _own(self, rows: Sequence[int]) -> list[int]:
        """Those of the pool's rows that are the training's own."""
        return [row for row in rows if row < len(self.rows)]

    def _rehearsed(self, key: str) -> list[EncodedExample]:
        """The requests for a random catalogue that the key names, a step's worth."""
        size, most = self.settings.batch_size, min(REHEARSED, max(2, len(self.prompt.catalogue or ())))
        for again in range(TRIES):
            drawn = random_task(f"rehearsal/{self.seed}/{key}/{again}", tools=most, requests=size)
            try:
                rows = encode(replace(self.prompt, catalogue=drawn.catalogue), drawn.examples, self.settings)
            except PromptError:
                continue
            if rows:
                return (rows * size)[:size]
        remedy = "Raise prompt.cutoff, or set train.rehearsal = 0."
        raise PromptError("no random catalogue is short enough to rehearse", where="train.rehearsal", remedy=remedy)

    def catalogue(self, rows: Sequence[int], step: int) -> Catalogue | None:
        """The catalogue that a step shows with these rows."""
        if self.prompt.catalogue is None or not self.vary:
            return self.prompt.catalogue
        examples = [row for row in map(self.rows.__getitem__, rows) if isinstance(row, Example)]
        needed = {call.tool for example in examples for call in example.plan}
        return draw(self.prompt.catalogue, needed, settings=self.settings, rng=Random(f"{self.seed}/{step}/tools"))

    def results(self) -> dict[str, float]:
        """How many requests for other catalogues an epoch has, and how many tools the first one's steps show, if so."""
        others = len(self.pool) - len(self.rows)
        told: dict[str, float] = {"rehearsed": others} if others else {}
        if self.vary:
            own = map(self._own, self.first_epoch())
            shown = [len(self.catalogue(rows, step) or ()) for step, rows in enumerate(own, 1) if rows]
            told["tools_shown"] = round(sum(shown) / len(shown), 2)
        return told

    def first_epoch(self) -> list[list[int]]:
        """The rows of each step of the first epoch, by their number in the pool; step n reads the n-th of them."""
        return batches(self.pool, settings=self.settings, seed=self.seed, epoch=1)


def draw(catalogue: Catalogue, needed: AbstractSet[str], *, settings: TrainSettings, rng: Random) -> Catalogue:
    """The tools that are needed and some of the others, in another order if the settings say so; never none."""
    shown = [tool for tool in catalogue if tool.name in needed or rng.random() >= settings.drop_tools]
    shown = shown or [rng.choice(catalogue.tools)]
    if settings.shuffle_tools:
        rng.shuffle(shown)
    return Catalogue(tuple(shown))


def encode(prompt: Prompt, rows: Sequence[Row], settings: TrainSettings) -> list[EncodedExample]:
    """The rows as tokens. With train_on_inputs a row's prompt is but its first token, which nothing can predict."""
    examples = prompt.encode_all(rows)
    return [replace(example, prompt_length=1) for example in examples] if settings.train_on_inputs else examples
