"""generate: examples for a catalogue from the catalogue alone, offline.

Plans are drawn from the type graph and put into words; some requests are added that these tools cannot answer.
Writes `examples.jsonl`, and how often each tool, argument and reference edge occurs in them to `coverage.json`. A
teacher, where the recipe names one, adds requests; what is not kept of them goes to `rejected.jsonl`, its replies to
`teacher/` in the run's folder, which outlives this stage's.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import Progress, track

from platypus.catalogue import Catalogue
from platypus.errors import CatalogueError, RunError
from platypus.example import Example, write_lines, write_rows
from platypus.literals import vocabulary, words
from platypus.phrasing import Phraser, literals_said
from platypus.plan import Plan
from platypus.recipe import GenerateTable
from platypus.run import Outcome, Run
from platypus.sampler import Sampler
from platypus.synthetic import random_catalogue
from platypus.teacher import jobs, read_style, style_fingerprint, teach

TRIES = 50  # draws for each example that is wanted, before a catalogue counts as exhausted


def generate(run: Run, *, force: bool = False) -> Outcome:
    """Generate the recipe's number of examples. Raises RunError without a catalogue, CatalogueError for a poor one."""
    catalogue = run.catalogue
    if catalogue is None:
        raise RunError(
            "the recipe names no catalogue, so nothing can be generated",
            where=str(run.path),
            remedy='Set `catalogue = "FILE"` in the recipe.',
        )
    settings = run.recipe.generate

    def work(folder: Path) -> Mapping[str, Any]:
        wanted = examples(catalogue, settings, seed=run.recipe.seed)
        made = list(track(wanted, "Generating", total=settings.examples, console=Console(stderr=True)))
        taught = _taught(run, catalogue, made, style, folder) if run.recipe.teacher.model else {}
        write_rows(folder / "examples.jsonl", made)
        covered = coverage(catalogue, made)
        (folder / "coverage.json").write_text(json.dumps(covered, indent=2) + "\n", encoding="utf-8")
        uncovered = [name for name, count in covered["tools"].items() if not count]
        return {"examples": len(made), "lengths": covered["lengths"], "tools_without_examples": uncovered} | taught

    teacher = run.recipe.teacher
    style = read_style(Path(teacher.style)) if teacher.style else ()
    return run.perform(
        "generate",
        inputs={"catalogue": catalogue.fingerprint} | ({"style": style_fingerprint(style)} if style else {}),
        settings=settings.model_dump() | ({"teacher": teacher.model_dump()} if teacher.model else {}),
        work=work,
        force=force,
    )


def _taught(
    run: Run, catalogue: Catalogue, made: list[Example], style: tuple[str, ...], folder: Path
) -> dict[str, Any]:
    """Add what the teacher has to add to the examples made so far; the stage's results of it."""
    settings, console = run.recipe.teacher, Console(stderr=True)
    with Progress(console=console) as bar:
        task = bar.add_task("Asking the teacher", total=jobs(made, settings))
        taught = teach(
            catalogue,
            made,
            settings,
            style=style,
            max_steps=run.recipe.generate.max_steps,
            seed=run.recipe.seed,
            folder=run.path / "teacher",
            done=lambda: bar.advance(task),
        )
    if taught.stopped:
        console.print(f"The teacher was stopped: {taught.stopped}. With a larger budget the same command goes on.")
    made.extend(taught.examples)
    write_lines(folder / "rejected.jsonl", (row.to_json() for row in taught.rejected))
    return {"teacher": taught.results}


def examples(catalogue: Catalogue, settings: GenerateTable, *, seed: int) -> Iterator[Example]:
    """`settings.examples` distinct examples, always the same for a seed."""
    rng = Random(f"generate/{seed}")
    sampler, phraser = Sampler(catalogue, settings.max_steps), Phraser(catalogue)
    if not sampler.goals:
        raise CatalogueError(
            "no tool can be called: each needs an argument that nothing can fill",
            remedy="Give required arguments a type, an enum or `examples`, or add a tool that returns what they need.",
        )
    known = _nouns(catalogue)
    asked: set[str] = set()
    tries = 0
    while len(asked) < settings.examples:
        tries += 1
        if tries > TRIES * settings.examples:
            raise CatalogueError(
                f"only {len(asked)} distinct requests could be made from {len(catalogue)} tools",
                remedy=f"Set examples = {len(asked)} under [generate], or give more tools, arguments or examples.",
            )
        refused = rng.random() < settings.refusals
        request, plan = _unanswerable(rng, known) if refused else _answerable(rng, sampler, phraser)
        if request and request.lower() not in asked and literals_said(plan, request):
            asked.add(request.lower())
            yield Example(request, plan, catalogue.fingerprint, {"source": "generate", "line": len(asked)})


def _answerable(rng: Random, sampler: Sampler, phraser: Phraser) -> tuple[str | None, Plan]:
    plan = sampler.plan(rng, goals=2 if len(sampler.goals) > 1 and rng.random() < 0.06 else 1)
    return phraser.request(rng, plan), plan


def _unanswerable(rng: Random, known: set[str]) -> tuple[str | None, Plan]:
    """Small talk, or a request that the tools of quite another catalogue would answer."""
    refused = vocabulary()["refusals"]
    if rng.random() < 0.5:
        return rng.choice(refused["requests"]).format(noun=rng.choice(refused["nouns"])), Plan()
    other = random_catalogue(rng, tools=4)
    foreign = other.subset(tool.name for tool in other if not _nouns(Catalogue((tool,))) & known)
    sampler = Sampler(foreign, max_steps=1)
    return (Phraser(foreign).request(rng, sampler.plan(rng)) if sampler.goals else None), Plan()


def _nouns(catalogue: Catalogue) -> set[str]:
    said = " ".join(f"{tool.name} {tool.description}" for tool in catalogue)
    return {word.removesuffix("s") for word in words(said) if len(word) > 3} - {"with", "that", "from", "list", "given"}


def coverage(catalogue: Catalogue, made: list[Example]) -> dict[str, Any]:
    """How often each tool, argument, reference edge and plan length occurs, zeros included."""
    used: Counter[str] = Counter()
    edges: Counter[str] = Counter()
    for example in made:
        for step in example.plan:
            used[step.tool] += 1
            used.update(f"{step.tool}.{name}" for name in step.arguments)
            edges.update(f"{example.plan.steps[r.step].tool} → {step.tool}" for r in step.references())
    producers = Sampler(catalogue).producers
    possible = {f"{p.tool.name} → {tool}" for (tool, _), found in producers.items() for p in found}
    return {
        "tools": {tool.name: used[tool.name] for tool in catalogue},
        "arguments": {
            f"{tool.name}.{argument.name}": used[f"{tool.name}.{argument.name}"]
            for tool in catalogue
            for argument in tool.arguments
        },
        "references": {edge: edges[edge] for edge in sorted(possible | edges.keys())},
        "lengths": {str(k): v for k, v in sorted(Counter(len(example.plan) for example in made).items())},
        "unreachable": sorted(Sampler(catalogue).unreachable),
    }
