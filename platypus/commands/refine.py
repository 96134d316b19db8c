"""refine: checks and deduplicates examples, and splits them into train, valid and test.

Writes `train.jsonl`, `valid.jsonl` and `test.jsonl`; the rejected rows in `rejected.jsonl` (file, line, reason,
evidence); doubts about the other rows in `doubts.jsonl`; the counts in `report.json`; and the whole report in
`report.md`, `report.html` and the dataset card `README.md`. Rows whose requests share a template or are near-duplicates
go into the same split. The user's own test files become the test set unchanged; rows that resemble them are removed
from the training data. This stage does not know whether a plan does what its request asks for.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np
from rich.console import Console

from platypus.data.dataset import Rejected, write_lines
from platypus.errors import DatasetError
from platypus.refinement.candidates import Candidate, Candidates, Mapped, ReadingOptions, gather, on_cores
from platypus.refinement.deduplication import (
    rejection,
    without_contamination,
    without_near_copies,
    without_paraphrases,
    without_repetitions,
)
from platypus.refinement.grouping import Ints, families, numbered, tied
from platypus.refinement.quality import RequestBounds
from platypus.refinement.report import write_reports
from platypus.refinement.similarity import connected, trigrams
from platypus.refinement.splits import overrepresented, split, split_by_tool
from platypus.run.folder import Outcome, Run
from platypus.run.settings import DoubtKind, RefineSettings

NOT_BAD = {  # the row itself is not at fault, or the recipe asks for the rejection
    *("duplicate", "near-duplicate", "semantic-duplicate", "contamination", "balance"),
    *get_args(DoubtKind),
}
SHOWN_BAD_ROWS = 5  # bad rows listed in the error message


def refine(run: Run, *, force: bool = False, strict: bool = False, mapped: Mapped = on_cores) -> Outcome:
    """Check and split the run's examples, generated ones and those of its data files.

    `strict` repairs nothing, whatever the recipe says. `mapped` says where rows are read; it does not change the
    result. Raises DatasetError for bad rows unless the recipe skips them.
    """
    settings = run.recipe.refine
    if strict:
        settings = settings.model_copy(update={"repairs": "refuse"})
    generated = run.recipe.generate.examples > 0 and run.catalogue is not None
    inputs = {source: _fingerprint(source) for source in (*settings.data, *settings.test, *settings.avoid)}
    inputs["catalogue"] = run.catalogue.fingerprint if run.catalogue else ""
    if generated:
        inputs["generate"] = run.fingerprint("generate")
    elif not settings.data:
        raise DatasetError(
            "the recipe names no training examples",
            where=str(run.path),
            remedy="Set examples under [generate] (with a catalogue), or data under [refine].",
        )
    return run.perform(
        "refine",
        inputs=inputs,
        settings=settings.model_dump(),
        work=lambda folder: _refine(run, settings, folder, generated=generated, mapped=mapped),
        force=force,
    )


def _fingerprint(source: str) -> str:
    """The hash of a file; for a dataset on the hub, its name."""
    path = Path(source)
    if not path.is_file():
        return source
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _refine(run: Run, settings: RefineSettings, folder: Path, *, generated: bool, mapped: Mapped) -> Mapping[str, Any]:
    bounds = RequestBounds(settings.min_words, settings.max_words, tuple(settings.languages))
    reading = ReadingOptions(run.catalogue, settings.repairs == "mend", bounds)
    sources = [str(run.folder("generate") / "examples.jsonl")] if generated else []
    with Console(stderr=True).status("reading and checking"):
        data = gather([*sources, *settings.data], reading, mapped=mapped)
        test = gather(settings.test, reading, mapped=mapped)
        avoid = gather(settings.avoid, replace(reading, catalogue=None), mapped=mapped)  # whatever their tools are
    with Console(stderr=True).status("looking for duplicates and contradictions"):
        cleaned = _clean(data, [*test.candidates, *avoid.candidates], settings)
    rejected = [*test.rejected, *avoid.rejected, *cleaned.rejected]
    if settings.bad_rows == "refuse":
        _refuse(run.path, [row for row in rejected if row.kind not in NOT_BAD], rejected)
    rng = Random(run.recipe.seed)
    rows = _split(cleaned.groups, cleaned.candidates, settings, rng)
    if settings.apart and settings.test_fraction and not settings.test and not rows["test"]:
        message = f"no rows can be held out: in every split some {' or '.join(settings.apart)} would be on both sides"
        raise DatasetError(
            message, where=str(run.path), remedy="Remove an entry of `apart` under [refine], or give more examples."
        )
    surplus = _surplus(rows["train"], cleaned.candidates, settings, rng)
    rejected += surplus.values()
    rows["train"] = [i for i in rows["train"] if i not in surplus]
    splits = {name: [cleaned.candidates[i] for i in indices] for name, indices in rows.items()}
    splits["test"] += test.candidates
    if not splits["train"]:
        message = f"no row is left to train on ({_counts_text(rejected)})"
        raise DatasetError(message, where=str(run.path), remedy="Give more examples.")
    rejected.sort(key=lambda row: (row.file, row.line))
    repaired = [*data.repaired, *test.repaired]
    report = _report(splits, cleaned.groups) | {
        "rejected": _kind_counts(rejected),
        "doubts": dict(Counter(doubt.kind for one in _all_rows(splits) for doubt in one.findings).most_common()),
        "contamination": _contamination_by_test(rejected, [*settings.test, *settings.avoid]),
        "repairs": [*map(str, repaired)],
        "repairs_by_name": _repair_counts(repair for row in repaired for repair in row.repairs),
    }
    _write(folder, splits, rejected)
    write_reports(folder, report, splits=splits, rejected=rejected, recipe=run.recipe)
    (run.path / "refine-rejected.jsonl").unlink(missing_ok=True)
    counts = ("train", "valid", "test", "rejected", "doubts")
    return {name: report[name] for name in counts} | {"repaired": len(repaired)}


@dataclass(frozen=True)
class _Cleaned:
    """The rows that may be used, the group of each (a group must stay together), and the rejected rows."""

    candidates: list[Candidate]
    groups: Ints
    rejected: list[Rejected]


def _clean(data: Candidates, tests: Sequence[Candidate], settings: RefineSettings) -> _Cleaned:
    candidates, rejected = _without_doubts(data.candidates, settings)
    rejected += data.rejected
    unrepeated = without_repetitions(candidates)
    sets = trigrams([one.question for one in (*unrepeated.kept, *tests)])
    uncontaminated = without_contamination(
        unrepeated.kept,
        tests,
        sets,
        near_duplicate=settings.near_duplicate,
        model=settings.embedding,
        embedding=settings.contamination,
    )
    candidates, sets = uncontaminated.kept, sets[uncontaminated.places]
    rejected += [*unrepeated.rejected, *uncontaminated.rejected]
    if settings.semantic_duplicate < 1:
        without_paraphrase = without_paraphrases(
            candidates, model=settings.embedding, threshold=settings.semantic_duplicate
        )
        candidates, sets = without_paraphrase.kept, sets[without_paraphrase.places]
        rejected += without_paraphrase.rejected
    distinct = without_near_copies(candidates, sets, threshold=settings.near_duplicate)
    templates = numbered(one.template for one in distinct.kept)
    groups = connected(sets[distinct.places], templates, threshold=settings.near_duplicate)
    if any(one.original != one.line for one in distinct.kept):
        groups = tied(groups, numbered((one.file, one.original) for one in distinct.kept))
    return _Cleaned(distinct.kept, groups, [*rejected, *distinct.rejected])


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


def _split(
    groups: Ints, candidates: Sequence[Candidate], settings: RefineSettings, rng: Random
) -> dict[str, list[int]]:
    fractions = {"test": 0.0 if settings.test else settings.test_fraction, "valid": settings.valid_fraction}
    if "skeleton" in settings.apart:
        groups = tied(groups, numbered(one.skeleton for one in candidates))
    if "tool" in settings.apart:
        return split_by_tool(families(groups), [one.tools for one in candidates], fractions=fractions, rng=rng)
    return split(families(groups), fractions=fractions, rng=rng)


def _surplus(
    rows: Sequence[int], candidates: Sequence[Candidate], settings: RefineSettings, rng: Random
) -> dict[int, Rejected]:
    """The training rows to drop because there are too many of one kind, by index."""
    shares = {
        "plan shape": (settings.most_per_skeleton, [(one.skeleton,) * one.is_example for one in candidates]),
        "tool": (settings.most_per_tool, [one.tools for one in candidates]),
        "plan length": (settings.most_per_length, [(str(one.steps),) * one.is_example for one in candidates]),
    }
    surplus: dict[int, Rejected] = {}
    for name, (share, keys) in shares.items():
        remaining = [i for i in rows if i not in surplus]
        for i in overrepresented(remaining, keys, share=share, rng=rng) if share < 1 else ():
            reason = f"too many rows of one {name}: at most {share:.0%} of {len(remaining)} stay"
            surplus[i] = rejection(candidates[i], "balance", reason, *keys[i])
    return surplus


def _refuse(path: Path, bad_rows: Sequence[Rejected], rejected: Sequence[Rejected]) -> None:
    """If there are bad rows, write all rejected rows to a file in the run, and raise DatasetError."""
    if not bad_rows:
        return
    list_file = path / "refine-rejected.jsonl"
    write_lines(list_file, (row.to_json() for row in sorted(rejected, key=lambda row: (row.file, row.line))))
    bad_rows = sorted(bad_rows, key=lambda row: (row.file, row.line))
    first_rows = "\n  ".join([*map(str, bad_rows[:SHOWN_BAD_ROWS]), *(["…"] if len(bad_rows) > SHOWN_BAD_ROWS else [])])
    raise DatasetError(
        f"{len(bad_rows)} bad rows ({_counts_text(bad_rows)}):\n  {first_rows}",
        where=str(list_file),
        remedy='Correct them, or leave them out: bad_rows = "skip" under [refine]. This file lists them all.',
    )


def _kind_counts(rejected: Iterable[Rejected]) -> dict[str, int]:
    return dict(Counter(row.kind for row in rejected).most_common())


def _counts_text(rejected: Iterable[Rejected]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in _kind_counts(rejected).items())


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


def _contamination_by_test(rejected: Iterable[Rejected], tests: Iterable[str]) -> dict[str, int]:
    """The number of training rows rejected because of each test set."""
    evidence = [row.evidence[0] for row in rejected if row.kind == "contamination"]
    return {test: sum(text.startswith(f"{test}:") for text in evidence) for test in dict.fromkeys(tests)}


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
