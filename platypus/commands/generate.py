"""generate: examples for a catalogue from the catalogue alone, offline.

Plans are drawn along the catalogue's edges, first those that are still seen too seldom, and put into words; some
requests are added that these tools cannot answer. Writes `examples.jsonl`, and what the examples cover of the
catalogue, with what cannot be covered and why, to `report.json` and `report.md`. A teacher, where the recipe names one,
adds requests; what is not kept of them goes to `rejected.jsonl`, its replies to `teacher/` in the run's folder, which
outlives this stage's.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, write_lines, write_rows
from platypus.errors import RunError
from platypus.generation.examples import coverage_report, generate_examples
from platypus.generation.plans.coverage import KINDS, as_markdown
from platypus.generation.teacher.teacher import jobs, read_style, style_fingerprint, teach
from platypus.progress import Progress, track
from platypus.run.folder import Outcome, Run
from platypus.run.settings import GenerateSettings


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
        wanted = generate_examples(catalogue, settings, seed=run.recipe.seed)
        made = list(track(wanted, "generate", total=settings.examples))
        taught = _taught(run, catalogue, made, style, folder) if run.recipe.teacher.model else {}
        write_rows(folder / "examples.jsonl", made)
        return {**_reported(folder, catalogue, settings, made), **taught}

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


def _reported(folder: Path, catalogue: Catalogue, settings: GenerateSettings, made: list[Example]) -> Mapping[str, Any]:
    """Write the report; returns what the console and `stage.json` say of it."""
    report = coverage_report(catalogue, settings, made)
    page = as_markdown(report, least=settings.coverage, catalogue=catalogue)
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(page, encoding="utf-8")
    return {
        "examples": len(made),
        "lengths": {str(k): v for k, v in sorted(Counter(len(example.plan) for example in made).items())},
        "covered": {kind: f"{report[kind]['covered']} of {report[kind]['total']}" for kind in KINDS},
        "refusals": dict(sorted(Counter(e.origin["refusal"] for e in made if "refusal" in e.origin).items())),
        "uncovered": [entry["what"] for kind in KINDS for entry in report[kind]["uncovered"]],
    }
