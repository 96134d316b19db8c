"""Tables of a base that was not fine-tuned, on data that nobody here wrote, as Markdown for RESULTS.md.

    python benchmarks/tables.py runs/zero [--base runs/base] [--limit 150] [--run runs/seed] [--only seed …]

Sets: the test rows of ../shared/data/seed; the rows of ../shared/data/nested, on which the embedded base was trained;
and of each file of ../shared/data/spoken the rows that no training sees (`benchmarks/spoken.py`). Each is evaluated as
`platypus evaluate --data` does it: four beams, a prior over tools, rows that do not fit their own tools left out. The
same command goes on where it was interrupted, and begins anew for another base. `--run` adds a planner that was
fine-tuned for the seed's catalogue. Writes OUT/tables.md and prints it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.spoken import SPOKEN, is_held_out
from platypus.catalogue.reading import read_catalogue
from platypus.commands.evaluate_data import DataOptions, evaluate_data
from platypus.errors import RunError
from platypus.evaluation.intervals import Interval
from platypus.evaluation.report import MEASURES, MORE
from platypus.reports import markdown_table
from platypus.run.folder import Run

DATA = SPOKEN.parent
NESTED = ("nestools_400", "seal_tools_dev", "bfcl_irrelevance_200")
PUBLISHED = [  # what others report on their own sets, with their own tools shown
    ["set, measure", "planner", "figure"],
    ["TinyAgent, exact plan", "TinyLlama 1.1B before and after 40,000 examples", "12.7 → 80.1"],
    ["TinyAgent, exact plan", "7B after; GPT-4-Turbo", "85.0; 79.1"],
    ["TaskBench, edge F1; value F1", "GPT-4", "69 to 80; 71"],
    ["TaskBench, edge F1; value F1", "Llama-2-13b-chat", "1.6 to 17; 11 to 23"],
    ["NESTFUL, full sequence", "GPT-4o", "28"],
]
COMPARABLE = """None of the figures above was measured on one of the sets below, and none of these planners was run
here. TinyAgent's models were fine-tuned for one catalogue of 16 tools with 40,000 examples; the others are general
models of 13 billion parameters and more that were told of the tools in a prompt. The figures say how hard such tasks
are, not who is better.

Of the columns below, `seed` and the spoken ones are zero-shot: no training of the base has seen the seed's catalogue,
or the services and intents of these spoken rows. On the rows of `nestools_400`, `seal_tools_dev` and
`bfcl_irrelevance_200` the base was *trained*: these columns show what it keeps of them, not what it makes of others.
They are scored by the benchmarks' own definitions, but on a part of their data and with the few tools that each row
shows, so they cannot stand in the benchmarks' own tables either."""


def rows_of(name: str, out: Path) -> Path:
    """The file with the rows of a set; for spoken ones, those that are held out, which are written to `out`."""
    if name == "seed":
        return DATA / "seed" / "test.jsonl"
    if name in NESTED:
        return DATA / "nested" / f"{name}.jsonl"
    path = out / "rows" / f"{name}.jsonl"
    if not path.exists():
        lines = (SPOKEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines if is_held_out(json.loads(line), name)), encoding="utf-8")
    return path


def evaluated(run: Run | None, name: str, out: Path, limit: int, base: str) -> Mapping[str, Any]:
    """The report of one set; anew if the folder holds that of another base or limit."""
    catalogue = read_catalogue(str(DATA / "seed" / "catalogue.json")) if name == "seed" else None
    folder = out / (f"{name}-{run.path.name}" if run else name)
    least = None if name == "seed" else limit
    options = DataOptions(
        str(rows_of(name, out)), catalogue, least, shuffle=name != "seed", skip_bad=True, base=base, out=folder
    )
    try:
        evaluate_data(run, options)
    except RunError as error:
        if "another evaluation" not in error.what:
            raise
        evaluate_data(run, options, force=True)
    report: Mapping[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


def tables(reports: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The tables, with a column for each set."""
    parts = {name: next(iter(report["variants"].values())) for name, report in reports.items()}
    yield "## Zero-shot, on data of others"
    yield markdown_table(PUBLISHED)
    yield COMPARABLE
    facts = {
        "rows": {name: str(report["rows"]) for name, report in reports.items()},
        "clusters": {name: str(part["clusters"]) for name, part in parts.items()},
        "seconds": {name: f"{report['seconds']:.0f}" for name, report in reports.items()},
    }
    measures = {title: _cells(parts, "measures", name) for name, title in {**MEASURES, **MORE}.items()}
    yield markdown_table(_grid("measure", reports, {**facts, **measures}))
    yield "### By the definitions of published benchmarks"
    names = dict.fromkeys(name for part in parts.values() for name in part["published"])
    yield markdown_table(
        _grid("definition", reports, {f"`{name}`": _cells(parts, "published", name) for name in names})
    )


def _cells(parts: Mapping[str, Mapping[str, Any]], key: str, name: str) -> dict[str, str]:
    return {part: str(Interval(**found[key][name])) for part, found in parts.items() if name in found[key]}


def _grid(head: str, columns: Mapping[str, Any], rows: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    cells = [[title, *(row.get(column, "") for column in columns)] for title, row in rows.items() if row]
    return [[head, *columns], *cells]


def main() -> None:
    """Evaluate the sets, and write the tables."""
    names = ["seed", *NESTED, *sorted(path.stem for path in SPOKEN.glob("*.jsonl"))]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", default="embedded")
    parser.add_argument("--limit", type=int, default=150, help="rows of each set but the seed's")
    parser.add_argument("--run", type=Path, help="a run that was fine-tuned for the seed's catalogue")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    reports = {name: evaluated(None, name, options.out, options.limit, options.base) for name in options.only}
    if options.run:
        tuned = evaluated(Run.open(options.run), "seed", options.out, options.limit, options.base)
        reports["seed, fine-tuned"] = tuned
    text = "\n\n".join(tables(reports)) + "\n"
    (options.out / "tables.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
