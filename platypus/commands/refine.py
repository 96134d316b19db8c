"""refine: examples checked, deduplicated, and split into train, valid and test.

Writes `train.jsonl`, `valid.jsonl` and `test.jsonl`, every row that was left out in `rejected.jsonl` (file, line,
reason, evidence), every doubt about a row that was not in `doubts.jsonl`, the counts in `report.json`, and all of it
to be read in `report.md`, `report.html` and the card `README.md`. Rows whose requests have one template, or are
near-duplicates, stand on one side of the split. The user's own test files become the test as they are; what resembles
them is not learned. Whether a plan does what its request asks for is not known here.
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

NOT_BAD = {  # no fault of the row's, or what the recipe asks for
    *("duplicate", "near-duplicate", "semantic-duplicate", "contamination", "balance"),
    *get_args(DoubtKind),
}
SHOWN = 5  # bad rows in the error's text


def refine(run: Run, *, force: bool = False, strict: bool = False, mapped: Mapped = on_cores) -> Outcome:
    """Check and split the run's examples, generated and given; `strict` mends nothing, whatever the recipe says.

    `mapped` says where rows are read; what comes out does not depend on it. Raises DatasetError for bad rows unless
    skipped.
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
    """The hash of a file; a data set on the hub goes by its name."""
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
        avoided = gather(settings.avoid, replace(reading, catalogue=None), mapped=mapped)  # for whatever tools
    with Console(stderr=True).status("looking for duplicates and contradictions"):
        sifted = _sifted(data, [*test.candidates, *avoided.candidates], settings)
    rejected = [*test.rejected, *avoided.rejected, *sifted.rejected]
    if settings.bad_rows == "refuse":
        _refuse(run.path, [row for row in rejected if row.kind not in NOT_BAD], rejected)
    rng = Random(run.recipe.seed)
    rows = _split(sifted.groups, sifted.kept, settings, rng)
    if settings.apart and settings.test_fraction and not settings.test and not rows["test"]:
        what = f"no row can be held out so that no {' or '.join(settings.apart)} stands on both sides"
        raise DatasetError(what, where=str(run.path), remedy="Take something out of `apart`, or give more examples.")
    surplus = _surplus(rows["train"], sifted.kept, settings, rng)
    rejected += surplus.values()
    rows["train"] = [i for i in rows["train"] if i not in surplus]
    splits = {name: [sifted.kept[i] for i in some] for name, some in rows.items()}
    splits["test"] += test.candidates
    if not splits["train"]:
        what = f"no row is left to train on ({_counts(rejected)})"
        raise DatasetError(what, where=str(run.path), remedy="Give more examples.")
    rejected.sort(key=lambda row: (row.file, row.line))
    repaired = [*data.repaired, *test.repaired]
    report = _report(splits, sifted.groups) | {
        "rejected": _kinds(rejected),
        "doubts": dict(Counter(found.kind for one in _all(splits) for found in one.findings).most_common()),
        "contamination": _by_test(rejected, [*settings.test, *settings.avoid]),
        "repairs": [*map(str, repaired)],
        "repairs_by_name": _repairs(repair for row in repaired for repair in row.repairs),
    }
    _write(folder, splits, rejected)
    write_reports(folder, report, splits=splits, rejected=rejected, recipe=run.recipe)
    (run.path / "refine-rejected.jsonl").unlink(missing_ok=True)
    shown = ("train", "valid", "test", "rejected", "doubts")
    return {name: report[name] for name in shown} | {"repaired": len(repaired)}


@dataclass(frozen=True)
class _Sifted:
    """What may be learned from, the group of each row that must stay together, and what was left out."""

    kept: list[Candidate]
    groups: Ints
    rejected: list[Rejected]


def _sifted(data: Candidates, tests: Sequence[Candidate], settings: RefineSettings) -> _Sifted:
    kept, rejected = _without_doubts(data.candidates, settings)
    rejected += data.rejected
    unique = without_repetitions(kept)
    sets = trigrams([one.question for one in (*unique.kept, *tests)])
    clean = without_contamination(
        unique.kept,
        tests,
        sets,
        near_duplicate=settings.near_duplicate,
        model=settings.embedding,
        embedding=settings.contamination,
    )
    kept, sets = clean.kept, sets[clean.places]
    rejected += [*unique.rejected, *clean.rejected]
    if settings.semantic_duplicate < 1:
        said = without_paraphrases(kept, model=settings.embedding, threshold=settings.semantic_duplicate)
        kept, sets = said.kept, sets[said.places]
        rejected += said.rejected
    left = without_near_copies(kept, sets, threshold=settings.near_duplicate)
    templates = numbered(one.template for one in left.kept)
    groups = connected(sets[left.places], templates, threshold=settings.near_duplicate)
    if any(one.original != one.line for one in left.kept):
        groups = tied(groups, numbered((one.file, one.original) for one in left.kept))
    return _Sifted(left.kept, groups, [*rejected, *left.rejected])


def _without_doubts(
    candidates: Iterable[Candidate], settings: RefineSettings
) -> tuple[list[Candidate], list[Rejected]]:
    """The rows without such doubts as the recipe rejects, and the others."""
    kept: list[Candidate] = []
    rejected: list[Rejected] = []
    for candidate in candidates:
        found = [finding for finding in candidate.findings if finding.kind in settings.reject]
        if found:
            rejected.append(rejection(candidate, found[0].kind, found[0].what, *(one.what for one in found)))
        else:
            kept.append(candidate)
    return kept, rejected


def _split(groups: Ints, kept: Sequence[Candidate], settings: RefineSettings, rng: Random) -> dict[str, list[int]]:
    fractions = {"test": 0.0 if settings.test else settings.test_fraction, "valid": settings.valid_fraction}
    if "skeleton" in settings.apart:
        groups = tied(groups, numbered(one.skeleton for one in kept))
    if "tool" in settings.apart:
        return split_by_tool(families(groups), [one.tools for one in kept], fractions=fractions, rng=rng)
    return split(families(groups), fractions=fractions, rng=rng)


def _surplus(
    rows: Sequence[int], kept: Sequence[Candidate], settings: RefineSettings, rng: Random
) -> dict[int, Rejected]:
    """The training rows of which there are too many of one kind."""
    shares = {
        "plan shape": (settings.most_per_skeleton, [(one.skeleton,) * one.is_example for one in kept]),
        "tool": (settings.most_per_tool, [one.tools for one in kept]),
        "plan length": (settings.most_per_length, [(str(one.steps),) * one.is_example for one in kept]),
    }
    surplus: dict[int, Rejected] = {}
    for name, (share, keys) in shares.items():
        left = [i for i in rows if i not in surplus]
        for i in overrepresented(left, keys, share=share, rng=rng) if share < 1 else ():
            reason = f"too many rows of one {name}: at most {share:.0%} of {len(left)} stay"
            surplus[i] = rejection(kept[i], "balance", reason, *keys[i])
    return surplus


def _refuse(path: Path, bad: Sequence[Rejected], rejected: Sequence[Rejected]) -> None:
    """Raise DatasetError when there are bad rows, having listed all rejected ones beside the stage's folder."""
    if not bad:
        return
    beside = path / "refine-rejected.jsonl"
    write_lines(beside, (row.to_json() for row in sorted(rejected, key=lambda row: (row.file, row.line))))
    bad = sorted(bad, key=lambda row: (row.file, row.line))
    listed = "\n  ".join([*map(str, bad[:SHOWN]), *(["…"] if len(bad) > SHOWN else [])])
    raise DatasetError(
        f"{len(bad)} bad rows ({_counts(bad)}):\n  {listed}",
        where=str(beside),
        remedy='Mend them, or leave them out: bad_rows = "skip" under [refine]. That file lists them all.',
    )


def _kinds(rejected: Iterable[Rejected]) -> dict[str, int]:
    return dict(Counter(row.kind for row in rejected).most_common())


def _counts(rejected: Iterable[Rejected]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in _kinds(rejected).items())


# ---------------------------------------------------------------- what is left behind


def _all(splits: Mapping[str, Sequence[Candidate]]) -> Iterator[Candidate]:
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
            "kind": found.kind,
            "what": found.what,
            "row": one.to_json(),
        }
        for name, rows in splits.items()
        for one in rows
        for found in one.findings
    )
    write_lines(folder / "doubts.jsonl", doubts)


def _by_test(rejected: Iterable[Rejected], tests: Iterable[str]) -> dict[str, int]:
    """How many rows each test set took out of the training data."""
    evidence = [row.evidence[0] for row in rejected if row.kind == "contamination"]
    return {test: sum(text.startswith(f"{test}:") for text in evidence) for test in dict.fromkeys(tests)}


def _repairs(names: Iterable[str]) -> dict[str, int]:
    """How often each repair was made: `trailing comma (2)` twice."""
    made: Counter[str] = Counter()
    for text in names:
        name, _, count = text.rpartition(" (")
        made[name] += int(count.rstrip(")"))
    return dict(made.most_common())


def _report(splits: Mapping[str, Sequence[Candidate]], groups: Any) -> dict[str, Any]:
    """How much is in each split: rows, templates, plan shapes, lengths, tools; and how the rows hang together."""
    sizes = np.bincount(groups)
    steps = {name: Counter(one.steps for one in rows if one.is_example) for name, rows in splits.items()}
    tools = {name: Counter(tool for one in rows for tool in one.tools) for name, rows in splits.items()}
    return {
        **{name: len(rows) for name, rows in splits.items()},
        "templates": {name: len({one.template for one in rows}) for name, rows in splits.items()},
        "skeletons": {name: len({one.skeleton for one in rows}) for name, rows in splits.items()},
        "steps": {name: dict(sorted(found.items())) for name, found in steps.items()},
        "tools": {name: dict(found.most_common()) for name, found in tools.items()},
        "families": {"count": int((sizes > 0).sum()), "largest": int(sizes.max(initial=0))},
    }
