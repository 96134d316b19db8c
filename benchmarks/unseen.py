"""Measures bases, before any fine-tuning, on random catalogues that are in no training.

    python benchmarks/unseen.py platypus/embedded runs/base --seeds 2 --catalogues 96

Asks four requests per catalogue in the prompt that a base was trained with; prints one JSON object per base and seed:
exact plans with greedy free decoding, and the negative log-likelihood of a right plan in nats, which also compares
bases of other notations. With `--beams 4`, plans are decoded under the grammar with four beams. The seed of a base's
own recipe with 24 catalogues gives the requests that its training evaluated on.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.base import RECIPE
from platypus.evaluation.metrics import score
from platypus.generation.tasks import Task
from platypus.inference.opening import base_prompt
from platypus.inference.planner import Planner
from platypus.model.loading import Loaded, load_base
from platypus.pretraining.loop import unseen_accuracy, unseen_task
from platypus.pretraining.tokenizer import prompt_of
from platypus.prompt.prompt import Prompt
from platypus.run.recipe import Recipe, read_recipe
from platypus.run.settings import DecodeSettings
from platypus.training.distributed import init_processes
from platypus.training.shared_prefix.loss import summed_loss


def tasks(base: Loaded, recipe: Recipe, catalogues: int) -> Iterator[tuple[Task, Prompt]]:
    """Unseen tasks, each with its prompt."""
    for number in range(catalogues):
        task = unseen_task(recipe.seed, number)
        yield task, prompt_of(recipe, base.tokenizer, task)


def nats(base: Loaded, recipe: Recipe, catalogues: int) -> float:
    """The mean negative log-likelihood of a right plan, in nats."""
    total, plans = 0.0, 0
    for task, prompt in tasks(base, recipe, catalogues):
        rows = prompt.encode_all(task.examples)
        total += summed_loss(base, rows, micro_batch_size=len(rows))
        plans += len(rows)
    return total / plans


def exact_share(base: Loaded, recipe: Recipe, catalogues: int, beams: int) -> float:
    """The share of exact plans under the grammar."""
    exact: list[bool] = []
    for task, prompt in tasks(base, recipe, catalogues):
        planner = Planner(base, prompt, DecodeSettings(beams=beams))
        answers = planner.plan([example.query for example in task.examples], max_new_tokens=160)
        for example, answer in zip(task.examples, answers, strict=True):
            exact.append(score(answer.plan, example.plan, task.catalogue).exact)
    return sum(exact) / len(exact)


def main() -> None:
    """Measure each base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", nargs="+", metavar="BASE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2])
    parser.add_argument("--catalogues", type=int, default=24)
    parser.add_argument("--beams", type=int, help="plans under the grammar, with so many beams")
    options = parser.parse_args()
    recipe = read_recipe(RECIPE)
    with init_processes() as processes:
        for base in options.bases:
            loaded = load_base(base, dtype="float32")
            prompt = base_prompt(recipe.model_copy(update={"base": base}))
            for seed in options.seeds:
                seeded_recipe = recipe.model_copy(update={"seed": seed, "prompt": prompt})
                if options.beams:
                    exact = exact_share(loaded, seeded_recipe, options.catalogues, options.beams)
                else:
                    exact = unseen_accuracy(loaded, seeded_recipe, processes, catalogues=options.catalogues)
                if processes.is_main:
                    result = {
                        "exact": round(exact, 4),
                        "nats": round(nats(loaded, seeded_recipe, options.catalogues), 3),
                    }
                    print(json.dumps({"base": base, "seed": seed, **result}), flush=True)


if __name__ == "__main__":
    main()
