"""A search over the weights of merged sources: each choice is merged, answers validation rows, and is scored.

How a model is merged is given. What was tried stands in a file, so that an interrupted search goes on.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Row
from platypus.errors import ModelError
from platypus.evaluation.answering import answer_rows
from platypus.files import say, write_whole
from platypus.inference.planner import Planner
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.refined import refined_rows
from platypus.run.settings import PromptSettings

if TYPE_CHECKING:
    from platypus.model.loading import Loaded

VALID = "valid.jsonl"  # of a run's refine stage

Weights = tuple[float, ...]


class ValidationSet(NamedTuple):
    """Rows to answer, and the tools to answer them with."""

    rows: Sequence[Row]
    catalogue: Catalogue | None


class Tried(NamedTuple):
    """A weight for each source, and the share of exact answers of their merge, by the set of validation rows."""

    weights: Weights
    exact: Mapping[str, float]

    @property
    def mean(self) -> float:
        """The mean over the sets, so that a source with many rows counts no more than one with few."""
        return fmean(self.exact.values())

    def to_json(self) -> dict[str, Any]:
        """All of it, for the record of a stage."""
        return {"weights": list(self.weights), "exact": dict(self.exact), "mean": self.mean}


def choices(values: Sequence[float], sources: int, *, by_ratio: bool) -> list[Weights]:
    """Every choice of a value for each source, those with alike values first. `by_ratio`: of choices that differ only
    by a factor, the first one.

    >>> choices([1.0, 0.5], 2, by_ratio=True)
    [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0)]
    """
    every = sorted(product(values, repeat=sources), key=lambda weights: len(set(weights)))
    kept = {tuple(round(weight / sum(weights), 6) for weight in weights): weights for weights in reversed(every)}
    return [weights for weights in every if not by_ratio or weights in kept.values()]


def judging_runs(sources: Sequence[tuple[str, Run | None]], own: Run) -> dict[str, Run]:
    """The runs with validation rows among the sources, by name, and the run that is merged into.

    Raises ModelError if there are none.
    """
    runs = {name: run for name, run in (*sources, ("this run", own)) if run and run.is_done("refine")}
    found = {name: run for name, run in runs.items() if (run.folder("refine") / VALID).stat().st_size}
    if not found:
        raise ModelError(
            "search under [merge] asks for validation rows, and neither a source nor this run has any",
            where=str(own.path),
            remedy=f"Run first: platypus refine {own.path}; or set `weights` under [merge].",
        )
    return found


def validation_sets(runs: Mapping[str, Run], *, most: int) -> dict[str, ValidationSet]:
    """The first validation rows of each run, with its tools."""
    return {name: ValidationSet(refined_rows(run, "valid")[:most], run.catalogue) for name, run in runs.items()}


def exact_shares(
    loaded: "Loaded", sets: Mapping[str, ValidationSet], prompts: PromptSettings, recipe: Recipe
) -> dict[str, float]:
    """The share of the rows of each set that a model answers exactly, with the set's tools in its prompt."""
    shares = {}
    for name, (rows, catalogue) in sets.items():
        prompt = Prompt.of(loaded.tokenizer, catalogue, prompts).fitted(loaded.context)
        answered = answer_rows(Planner(loaded, prompt, recipe.decode), rows, recipe.evaluate)
        shares[name] = fmean(bool(row.score.exact) for row in answered)
    return shares


def search(tried: Sequence[Weights], score: Callable[[Weights], Mapping[str, float]], file: Path) -> list[Tried]:
    """Score each choice that the file does not hold yet, and write it there. Returns the best first, of equals the
    earlier.
    """
    found = (
        [Tried(tuple(one["weights"]), one["exact"]) for one in json.loads(file.read_text())] if file.is_file() else []
    )
    known = {one.weights: one for one in found}
    for weights in tried:
        if weights not in known:
            known[weights] = Tried(weights, score(weights))
            write_whole(file, json.dumps([one.to_json() for one in known.values()], indent=1))
        shares = ", ".join(f"{name} {share:.1%}" for name, share in known[weights].exact.items())
        say(f"merge: weights {', '.join(f'{weight:g}' for weight in weights)}: exact {shares}")
    return sorted((known[weights] for weights in tried), key=lambda one: -one.mean)
