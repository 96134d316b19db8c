"""generate: makes examples for a catalogue from the catalogue alone, offline.

Plans are drawn along the catalogue's edges, first those with parts that are still too rare, and put into words. Some
requests that the tools cannot answer are added. Writes `examples.jsonl`, and to `report.json` and `report.md` the parts
of the catalogue that the examples cover, and why others cannot be covered. If the recipe names a teacher, it adds
requests; those not used go to `rejected.jsonl`, and its replies to `teacher/` in the run's folder, which is kept when
this stage is done again.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Row, parse_rows, write_lines, write_rows
from platypus.data.fingerprints import source_fingerprint
from platypus.data.sources import read_raw_rows
from platypus.errors import RunError
from platypus.generation.examples import coverage_report, generate_examples
from platypus.generation.plans.conventions import Conventions, check_declared
from platypus.generation.plans.coverage import KINDS, as_markdown
from platypus.generation.teacher.teacher import jobs, read_style, style_fingerprint, teach
from platypus.progress import Progress, track
from platypus.run.folder import Outcome, Run
from platypus.run.settings import GenerateSettings

LEARNED_FROM = 2000  # rows of each source in which habits are looked for


def generate(run: Run, *, force: bool = False) -> Outcome:
    """Generate the recipe's number of examples.

    Raises RunError without a catalogue, CatalogueError if the catalogue cannot give so many.
    """
    catalogue = run.catalogue
    if catalogue is None:
        raise RunError(
            "the recipe names no catalogue, so nothing can be generated",
            where=str(run.path),
            remedy='Set `catalogue = "FILE"` in the recipe.',
        )
    settings, teacher, declared = run.recipe.generate, run.recipe.teacher, run.recipe.conventions
    if not settings.examples:
        raise RunError("the recipe asks for no examples", where=str(run.path), remedy="Set examples under [generate].")
    check_declared(declared, catalogue)
    learned_from = run.recipe.refine.data if declared.learn else []

    def work(folder: Path) -> Mapping[str, Any]:
        style = read_style(Path(teacher.style)) if teacher.style else ()
        conventions = Conventions.learn(_first_rows(run, learned_from), catalogue, declared)
        wanted = generate_examples(catalogue, settings, seed=run.recipe.seed, conventions=conventions)
        made = list(track(wanted, "generate", total=settings.examples))
        taught = _add_teacher_examples(run, catalogue, made, style, folder) if run.recipe.teacher.model else {}
        write_rows(folder / "examples.jsonl", made)
        return {**_write_report(folder, catalogue, settings, made, conventions), **taught}

    inputs = {"catalogue": catalogue.fingerprint}
    for source in learned_from:
        inputs[source] = run.source_fingerprint("generate", source, source_fingerprint, force=force)
    if teacher.style:
        inputs["style"] = run.source_fingerprint(
            "generate", teacher.style, _style_fingerprint, name="style", force=force
        )
    return run.perform(
        "generate",
        inputs=inputs,
        settings=settings.model_dump()
        | ({"teacher": teacher.model_dump()} if teacher.model else {})
        | ({"columns": columns} if learned_from and (columns := run.recipe.refine.columns) else {})
        | declared.changed,
        work=work,
        force=force,
    )


def _first_rows(run: Run, sources: Sequence[str]) -> Iterator[Row]:
    """The first rows of each source."""
    for source in sources:
        raw, columns = islice(read_raw_rows(source, lenient=True), LEARNED_FROM), run.recipe.refine.columns
        yield from parse_rows(raw, source, run.catalogue, alpaca=None, lenient=True, columns=columns).rows


def _style_fingerprint(file: str) -> str:
    return style_fingerprint(read_style(Path(file)))


def _add_teacher_examples(
    run: Run, catalogue: Catalogue, made: list[Example], style: tuple[str, ...], folder: Path
) -> dict[str, Any]:
    """Add the teacher's examples to those made so far; returns the teacher's part of the stage's results."""
    settings, console = run.recipe.teacher, Console(stderr=True)
    with Progress("teacher", jobs(made, settings), console=console) as progress:
        taught = teach(
            catalogue,
            made,
            settings,
            style=style,
            max_steps=run.recipe.generate.max_steps,
            seed=run.recipe.seed,
            folder=run.path / "teacher",
            done=progress.advance,
        )
    if taught.stopped:
        console.print(f"The teacher was stopped: {taught.stopped}. With a larger budget the same command goes on.")
    made.extend(taught.examples)
    write_lines(folder / "rejected.jsonl", (row.to_json() for row in taught.rejected))
    return {"teacher": taught.results}


def _write_report(
    folder: Path, catalogue: Catalogue, settings: GenerateSettings, examples: list[Example], conventions: Conventions
) -> Mapping[str, Any]:
    """Write the report; returns the results for the console and `stage.json`."""
    report = coverage_report(catalogue, settings, examples, conventions)
    page = as_markdown(report, least=settings.coverage, catalogue=catalogue)
    if habits := conventions.habits():
        page += "\n## Habits of your rows\n\n" + "".join(f"- {habit}\n" for habit in habits)
        report["habits"] = [habit._asdict() for habit in habits]
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(page, encoding="utf-8")
    return {
        "examples": len(examples),
        "lengths": {str(k): v for k, v in sorted(Counter(len(example.plan) for example in examples).items())},
        "covered": {
            "at least": f"{settings.coverage} times",
            **{kind: f"{report[kind]['covered']} of {report[kind]['total']}" for kind in KINDS},
        },
        "refusals": dict(sorted(Counter(e.origin["refusal"] for e in examples if "refusal" in e.origin).items())),
        "uncovered": [entry["what"] for kind in KINDS for entry in report[kind]["uncovered"] if not entry["times"]],
        **({"habits": len(habits)} if habits else {}),
    }
