"""refine: checks and deduplicates examples, and splits them into train, valid and test.

Writes `train.jsonl`, `valid.jsonl` and `test.jsonl`; the rejected rows in `rejected.jsonl` (file, line, reason,
evidence); doubts about the other rows in `doubts.jsonl`; the counts in `report.json`; and the whole report in
`report.md`, `report.html` and the dataset card `README.md`. Rows whose requests share a template or are near-duplicates
go into the same split. The user's own test files become the test set unchanged; rows that resemble them are removed
from the training data. This stage does not know whether a plan does what its request asks for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from platypus.data.columns import Columns, check_found
from platypus.data.dataset import Rejected, write_lines
from platypus.data.fingerprints import source_fingerprint
from platypus.errors import DatasetError
from platypus.progress import Progress
from platypus.refinement.candidates import (
    Batch,
    Candidate,
    Candidates,
    Mapped,
    ReadingOptions,
    gather,
    on_cores,
    take_corrections,
    without_unusable,
)
from platypus.refinement.deduplication import (
    rejection,
    without_contamination,
    without_near_copies,
    without_paraphrases,
    without_repetitions,
)
from platypus.refinement.distinct_text import distinct_text
from platypus.refinement.drawing import draw, originals
from platypus.refinement.grouping import Ints, numbered, tied
from platypus.refinement.lengths import TOO_LONG, Limits, short_rows
from platypus.refinement.losses import check_loss, counts_by_kind, counts_text, loss_warnings
from platypus.refinement.quality import RequestBounds
from platypus.refinement.report import write_reports
from platypus.refinement.similarity import connected
from platypus.run.corrections import CORRECTIONS
from platypus.run.folder import Outcome, Run
from platypus.run.recipe import Recipe
from platypus.run.settings import DoubtKind, RefineSettings

NOT_BAD = {  # the row itself is not at fault, or the recipe asks for the rejection
    *("corrected", "duplicate", "near-duplicate", "semantic-duplicate", "contamination", "balance", TOO_LONG),
    *get_args(DoubtKind),
}
SHOWN_BAD_ROWS = 5  # bad rows listed in the error message
MANY = 100_000  # rows whose comparison takes so long that it is announced
REJECTED = "refine-rejected.jsonl"  # in the run's folder: the rejected rows when the stage was refused
PERMISSIONS = {"min_kept", "long_rows"}  # settings that allow or refuse a result, and do not change it


def refine(run: Run, *, force: bool = False, strict: bool = False, mapped: Mapped = on_cores) -> Outcome:
    """Check and split the run's examples, generated ones and those of its data files.

    `strict` repairs nothing, whatever the recipe says. `mapped` says where rows are read; it does not change the
    result. Raises DatasetError for bad rows unless the recipe skips them.
    """
    settings = run.recipe.refine
    if strict:
        settings = settings.model_copy(update={"repairs": "refuse"})
    generated = run.recipe.generate.examples > 0 and run.catalogue is not None
    sources = (*settings.data, *settings.test, *settings.avoid)
    inputs = {source: run.source_fingerprint("refine", source, source_fingerprint, force=force) for source in sources}
    inputs["catalogue"] = run.catalogue.fingerprint if run.catalogue else ""
    corrections = run.path / CORRECTIONS
    if corrections.exists():
        inputs["corrections"] = str(source_fingerprint(str(corrections)))
    if generated:
        inputs["generate"] = run.fingerprint("generate")
    elif not settings.data and not corrections.exists():
        raise DatasetError(
            "the recipe names no training examples",
            where=str(run.path),
            remedy="Set examples under [generate] (with a catalogue), or data under [refine].",
        )
    return run.perform(
        "refine",
        inputs=inputs,
        settings=_settings(run.recipe, settings),
        work=lambda folder: _refine(run, settings, folder, generated=generated, mapped=mapped),
        force=force,
    )


def _settings(recipe: Recipe, settings: RefineSettings) -> dict[str, Any]:
    """The settings that determine the result."""
    table = settings.model_dump(exclude=PERMISSIONS if settings.columns else PERMISSIONS | {"columns"})
    if recipe.prompt.template != "alpaca":
        table |= {"template": recipe.prompt.template}
    if settings.long_rows == "drop":
        table |= {"long_rows": "drop", "base": recipe.base, "prompt": recipe.prompt.model_dump()}
    return table


def _refine(run: Run, settings: RefineSettings, folder: Path, *, generated: bool, mapped: Mapped) -> Mapping[str, Any]:
    reading = _reading(run, settings)
    usable = partial(without_unusable, catalogue=run.catalogue, template=run.recipe.prompt.template)
    sources = [str(run.folder("generate") / "examples.jsonl")] if generated else []
    with Progress("refine: rows read", None) as progress:
        counted = _counted(mapped, progress)
        data = usable(gather([*sources, *settings.data], reading, mapped=counted))
        corrected = take_corrections(data, run.path / CORRECTIONS, reading, keep=folder / CORRECTIONS)
        test = usable(gather(settings.test, reading, mapped=counted))
        avoid = gather(settings.avoid, replace(reading, catalogue=None), mapped=counted)  # whatever their tools are
    others = _unused(settings.columns, (data, test, avoid), run.path)
    read, limits = len(data.candidates) + len(data.rejected), Limits(run.recipe.prompt, run.catalogue, run.recipe.base)
    if settings.long_rows == "drop":
        data, test = _without_long_rows(data, limits), _without_long_rows(test, limits, prompts=True)
    if read >= MANY:
        progress.say(f"refine: looking for duplicates and contradictions among {read:,} rows")
    with progress.console.status("looking for duplicates and contradictions"):
        cleaned = _clean(data, [*test.candidates, *avoid.candidates], settings)
    rejected = [*test.rejected, *avoid.rejected, *cleaned.rejected]
    if settings.bad_rows == "refuse":
        _refuse(run.path, [row for row in rejected if row.kind not in NOT_BAD], rejected)
    _check_loss(run.path, cleaned, rejected, settings)
    drawn = draw(
        cleaned.groups, cleaned.candidates, settings, seed=run.recipe.seed, where=str(run.path), learned=corrected
    )
    rejected += drawn.surplus
    splits = {name: [cleaned.candidates[i] for i in indices] for name, indices in drawn.rows.items()}
    warnings = [*loss_warnings(read, [*cleaned.rejected, *drawn.surplus]), *drawn.warnings]
    if settings.long_rows == "refuse":
        warnings += _refuse_long_rows(run.path, splits, test.candidates, limits)
    splits["test"] += test.candidates
    if not splits["train"]:
        raise _nothing_left(run.path, rejected)
    rejected.sort(key=lambda row: (row.file, row.line))
    repaired = [*data.repaired, *test.repaired]
    report = _report(splits, cleaned.groups) | {
        "rejected": counts_by_kind(rejected),
        "doubts": dict(Counter(doubt.kind for one in _all_rows(splits) for doubt in one.findings).most_common()),
        "contamination": _contamination_by_test(rejected, test.files | avoid.files),
        "repairs": [*map(str, repaired)],
        "repairs_by_name": _repair_counts(repair for row in repaired for repair in row.repairs),
        **({"shared_text": cleaned.shared_text} if any(cleaned.shared_text.values()) else {}),
        **({"split_by_rows": drawn.by_rows} if drawn.by_rows else {}),
        **({"unused": others} if others else {}),
        **({"warnings": warnings} if warnings else {}),
    }
    _write(folder, splits, rejected)
    write_reports(folder, report, splits=splits, rejected=rejected, recipe=run.recipe)
    (run.path / REJECTED).unlink(missing_ok=True)
    return _results(report, len(repaired))


def _reading(run: Run, settings: RefineSettings) -> ReadingOptions:
    bounds = RequestBounds(settings.min_words, settings.max_words, tuple(settings.languages))
    return ReadingOptions(run.catalogue, settings.repairs == "mend", bounds, settings.columns)


def _results(report: Mapping[str, Any], repaired: int) -> dict[str, Any]:
    """What the stage's record says of the report."""
    counts = ("train", "valid", "test", "rejected", "doubts")
    results = {name: report[name] for name in counts} | {"repaired": repaired}
    return results | {name: report[name] for name in ("unused", "warnings") if name in report}


def _nothing_left(path: Path, rejected: Sequence[Rejected]) -> DatasetError:
    if not rejected:
        remedy = "Give more rows, or lower valid_fraction and test_fraction under [refine]."
        return DatasetError("no row is left to train on: valid and test took all", where=str(path), remedy=remedy)
    _list(path, rejected)
    return DatasetError(
        f"no row is left to train on ({counts_text(rejected)}):\n  {_first_rows(rejected)}",
        where=str(path / REJECTED),
        remedy="Correct them, or name more rows as `data` under [refine]. This file lists them all.",
    )


def _unused(columns: Columns, read: Iterable[Candidates], path: Path) -> dict[str, dict[str, int]]:
    """By source, the keys that are not used, with the rows that hold them. Raises DatasetError for a missing column."""
    sources = [*read]
    check_found(columns, {name for some in sources for name in some.found}, where=str(path))
    return {source: dict(counts.most_common()) for some in sources for source, counts in some.unused.items()}


def _counted(mapped: Mapped, progress: Progress) -> Mapped:
    """The same reading, with its progress."""

    def read(batches: Iterator[Batch], options: ReadingOptions) -> Iterator[Candidates]:
        for part in mapped(batches, options):
            progress.advance(len(part.candidates) + len(part.rejected))
            yield part

    return read


@dataclass(frozen=True)
class _Cleaned:
    """The rows that may be used, the group of each (a group must stay together), and the rejected rows.

    `compared` rows were left to be compared with each other; `shared_text` counts those of which a part was not.
    """

    candidates: list[Candidate]
    groups: Ints
    rejected: list[Rejected]
    compared: int
    shared_text: dict[str, int]


def _clean(data: Candidates, tests: Sequence[Candidate], settings: RefineSettings) -> _Cleaned:
    candidates, rejected = _without_doubts(data.candidates, settings)
    rejected += data.rejected
    unrepeated = without_repetitions(candidates)
    all_texts = distinct_text([*unrepeated.kept, *tests])
    uncontaminated = without_contamination(
        unrepeated.kept,
        tests,
        all_texts,
        near_duplicate=settings.near_duplicate,
        model=settings.embedding,
        embedding=settings.contamination,
    )
    candidates, texts = uncontaminated.kept, all_texts[uncontaminated.places]
    rejected += [*unrepeated.rejected, *uncontaminated.rejected]
    if settings.semantic_duplicate < 1:
        without_paraphrase = without_paraphrases(
            candidates, texts, model=settings.embedding, threshold=settings.semantic_duplicate
        )
        candidates, texts = without_paraphrase.kept, texts[without_paraphrase.places]
        rejected += without_paraphrase.rejected
    distinct = without_near_copies(candidates, texts, threshold=settings.near_duplicate)
    templates = numbered(one.template for one in distinct.kept)
    groups = connected(texts[distinct.places].wide.sets, templates, threshold=settings.near_duplicate)
    if any(one.original != one.line for one in distinct.kept):
        groups = tied(groups, originals(distinct.kept))
    rejected += distinct.rejected
    return _Cleaned(distinct.kept, groups, rejected, len(unrepeated.kept), all_texts.counts)


def _without_doubts(
    candidates: Iterable[Candidate], settings: RefineSettings
) -> tuple[list[Candidate], list[Rejected]]:
    """The rows without the doubts that the recipe rejects, and the rejected rows."""
    without_doubt: list[Candidate] = []
    rejected: list[Rejected] = []
    for candidate in candidates:
        reasons = [finding for finding in candidate.findings if finding.kind in settings.reject]
        if reasons:
            rejected.append(rejection(candidate, reasons[0].kind, reasons[0].what, *(one.what for one in reasons)))
        else:
            without_doubt.append(candidate)
    return without_doubt, rejected


def _refuse(path: Path, bad_rows: Sequence[Rejected], rejected: Sequence[Rejected]) -> None:
    """If there are bad rows, write all rejected rows to a file in the run, and raise DatasetError."""
    if not bad_rows:
        return
    _list(path, rejected)
    raise DatasetError(
        f"{len(bad_rows)} bad rows ({counts_text(bad_rows)}):\n  {_first_rows(bad_rows)}",
        where=str(path / REJECTED),
        remedy='Correct them, or leave them out: bad_rows = "skip" under [refine]. This file lists them all.',
    )


def _first_rows(rows: Sequence[Rejected]) -> str:
    """The first rows in the order of their places, a line each."""
    ordered = sorted(rows, key=lambda row: (row.file, row.line))
    return "\n  ".join([*map(str, ordered[:SHOWN_BAD_ROWS]), *(["…"] if len(rows) > SHOWN_BAD_ROWS else [])])


def _list(path: Path, rejected: Iterable[Rejected]) -> None:
    """Write rejected rows to the file in the run that explains why the stage was refused."""
    write_lines(path / REJECTED, (row.to_json() for row in sorted(rejected, key=lambda row: (row.file, row.line))))


def _check_loss(path: Path, cleaned: _Cleaned, rejected: Sequence[Rejected], settings: RefineSettings) -> None:
    """If hardly any row is kept, write all rejected rows to a file in the run, and raise DatasetError."""
    near, where = settings.near_duplicate, str(path / REJECTED)
    try:
        check_loss(cleaned.compared, cleaned.rejected, least=settings.min_kept, near=near, where=where)
    except DatasetError:
        _list(path, rejected)
        raise


# ---------------------------------------------------------------- rows longer than the cutoff


def _without_long_rows(rows: Candidates, limits: Limits, *, prompts: bool = False) -> Candidates:
    short = short_rows(rows.candidates, limits, prompts=prompts, fetch=True)
    return replace(rows, candidates=short.kept, rejected=[*rows.rejected, *short.rejected])


def _refuse_long_rows(
    path: Path, splits: Mapping[str, Sequence[Candidate]], tests: Sequence[Candidate], limits: Limits
) -> list[str]:
    """Raise DatasetError if rows are too long for the training. Return a warning if that is not known."""
    drawn = short_rows([*_all_rows(splits)], limits, fetch=False)
    given = short_rows(tests, limits, prompts=True, fetch=False)
    long, unknown = [*drawn.rejected, *given.rejected], drawn.unknown + given.unknown
    if unknown:
        return [
            f"{unknown:,} rows may be longer than the cutoff of {limits.prompt.cutoff:,} tokens: the tokenizer of"
            f" {limits.base} is not on this machine, so `train` will check them."
        ]
    if not long:
        return []
    _list(path, long)
    total, longest = sum(map(len, splits.values())) + len(tests), max(int(row.evidence[0]) for row in long)
    other = f"raise `cutoff` under [prompt] to more than {longest}, if the base has such a context"
    if drawn.of_base or given.of_base:
        other = f"take a base with a context of more than {longest} tokens, and such a `cutoff` under [prompt]"
    raise DatasetError(
        f"{len(long):,} of {total:,} rows are too long:\n  {_first_rows(long)}",
        where=str(path / REJECTED),
        remedy=f'Leave them out: long_rows = "drop" under [refine]. Or {other}. This file lists them all.',
    )


# ---------------------------------------------------------------- files and report


def _all_rows(splits: Mapping[str, Sequence[Candidate]]) -> Iterator[Candidate]:
    for rows in splits.values():
        yield from rows


def _write(folder: Path, splits: Mapping[str, Sequence[Candidate]], rejected: Iterable[Rejected]) -> None:
    for name, rows in splits.items():
        with (folder / f"{name}.jsonl").open("wb") as file:
            file.writelines(line for one in rows for line in (one.row, b"\n"))
    write_lines(folder / "rejected.jsonl", (row.to_json() for row in rejected))
    doubts = (
        {
            "file": one.file,
            "line": one.line,
            "split": name,
            "kind": doubt.kind,
            "what": doubt.what,
            "row": one.to_json(),
        }
        for name, rows in splits.items()
        for one in rows
        for doubt in one.findings
    )
    write_lines(folder / "doubts.jsonl", doubts)


def _contamination_by_test(rejected: Iterable[Rejected], tests: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The number of training rows rejected because of each test set, which may have several files."""
    evidence = [row.evidence[0] for row in rejected if row.kind == "contamination"]
    places = {test: tuple(f"{file}:" for file in files) for test, files in tests.items()}
    return {test: sum(text.startswith(files) for text in evidence) for test, files in places.items()}


def _repair_counts(names: Iterable[str]) -> dict[str, int]:
    """The number of times that each repair was made; `trailing comma (2)` counts twice."""
    counts: Counter[str] = Counter()
    for repair in names:
        name, _, count = repair.rpartition(" (")
        counts[name] += int(count.rstrip(")"))
    return dict(counts.most_common())


def _report(splits: Mapping[str, Sequence[Candidate]], groups: Any) -> dict[str, Any]:
    """Counts for each split (rows, templates, plan shapes, lengths, tools), and the sizes of the groups."""
    sizes = np.bincount(groups)
    steps = {name: Counter(one.steps for one in rows if one.is_example) for name, rows in splits.items()}
    tools = {name: Counter(tool for one in rows for tool in one.tools) for name, rows in splits.items()}
    return {
        **{name: len(rows) for name, rows in splits.items()},
        "templates": {name: len({one.template for one in rows}) for name, rows in splits.items()},
        "skeletons": {name: len({one.skeleton for one in rows}) for name, rows in splits.items()},
        "steps": {name: dict(sorted(counts.items())) for name, counts in steps.items()},
        "tools": {name: dict(counts.most_common()) for name, counts in tools.items()},
        "families": {"count": int((sizes > 0).sum()), "largest": int(sizes.max(initial=0))},
    }
