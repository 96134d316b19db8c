"""Planner: requests in, plans out. It joins a loaded model and the prompt that the model was trained with.

How an answer is decoded is hidden behind `Planner.plan`: now greedily, with the check against the catalogue afterwards.
What the model says wrong, or does not finish, becomes `Malformed`. Tensors are `platypus.model`'s matter, which is
imported only when a model is opened or asked, because torch takes seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platypus.errors import ModelError
from platypus.example import Row
from platypus.plan import Malformed, Plan, Problem
from platypus.prompt import Prompt
from platypus.recipe import PromptTable
from platypus.run import Run

if TYPE_CHECKING:
    from platypus.model import Completion, Loaded


@dataclass(frozen=True)
class Answer:
    """What a model made of a request: the plan, and the text that it was read from."""

    request: str
    plan: Plan | Malformed
    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class Planner:
    """A model and its prompt."""

    loaded: "Loaded"
    prompt: Prompt

    def plan(self, requests: Sequence[str], *, batch_size: int = 16, max_new_tokens: int = 512) -> Iterator[Answer]:
        """The answer to each request, in order. Raises PromptError for a request that leaves no room for one."""
        from platypus.model import complete

        prompts = [self.prompt.ids(request) for request in requests]
        said = complete(self.loaded, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size)
        for request, completion in zip(requests, said, strict=True):
            plan = self._read(completion)
            yield Answer(request, plan, completion.text, completion.tokens, completion.finished)

    def respond(
        self, rows: Sequence[Row], *, batch_size: int = 16, max_new_tokens: int = 512
    ) -> Iterator["Completion"]:
        """The answer to each row in words, in order: what Alpaca rows ask for."""
        from platypus.model import complete

        prompts = [self.prompt.row_ids(row) for row in rows]
        return complete(self.loaded, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size)

    def _read(self, completion: "Completion") -> Plan | Malformed:
        """The plan; an answer without its end is none, even if what there is of it looks like one."""
        if completion.finished:
            return self.prompt.read(completion.text)
        fault = Problem("unfinished", f"the answer was cut off after {completion.tokens} tokens")
        return Malformed(completion.text, (fault,))


def open_planner(run: Run) -> Planner:
    """The run's merged model, else its adapter, else its base; `planner.loaded.source` says which.

    Notation and cutoff are those of the training. Raises ModelError when that was for another catalogue.
    """
    from platypus.model import load_adapted, load_merged

    if not run.is_done("train"):
        return open_base(run)
    table = prompt_settings(run)
    if is_merged(run):
        loaded = load_merged(run.folder("merge") / "model")
    else:
        loaded = load_adapted(run.folder("train") / "adapter", base=run.recipe.base)
    return Planner(loaded, Prompt(loaded.tokenizer, run.catalogue, table.notation, table.cutoff))


def open_base(run: Run) -> Planner:
    """The run's base without what was learned, with the same prompt."""
    from platypus.model import load_base

    table = prompt_settings(run)
    loaded = load_base(run.recipe.base)
    return Planner(loaded, Prompt(loaded.tokenizer, run.catalogue, table.notation, table.cutoff))


def is_merged(run: Run) -> bool:
    """Whether the run has a merged model of its present adapter."""
    return run.is_done("merge") and run.record("merge")["inputs"]["train"] == run.fingerprint("train")


def prompt_settings(run: Run) -> PromptTable:
    """How prompts look to the run's models: as in the training, if there was one.

    Raises ModelError when that was for another catalogue.
    """
    from platypus.model import read_card

    if not run.is_done("train"):
        return run.recipe.prompt
    adapter = run.folder("train") / "adapter"
    card = read_card(adapter)
    present = run.catalogue.fingerprint if run.catalogue else None
    if card.catalogue != present:
        raise ModelError(
            f"the adapter was trained for catalogue {card.catalogue}, the run now has {present}",
            where=str(adapter),
            remedy=f"Train it again: platypus train {run.path}",
        )
    return PromptTable(notation=card.notation, cutoff=card.cutoff)
