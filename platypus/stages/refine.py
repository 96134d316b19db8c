"""refine: examples checked, deduplicated, and split into train, valid and test.

Writes `train.jsonl`, `valid.jsonl` and `test.jsonl`, every row that was left out in `rejected.jsonl` (file, line,
reason, evidence), and the counts in `report.json`. Rows whose requests have one template, or are near-duplicates, stand
on one side of the split. The user's own test files become the test as they are; what resembles them is not learned.
Whether a plan does what its request asks for is not known here.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from sklearn.feature_extraction.text import CountVectorizer

from platypus.catalogue import Catalogue
from platypus.errors import DatasetError
from platypus.example import Example, Rejected, Repaired, Row, read_dataset, write_lines, write_rows
from platypus.plan import Value, same
from platypus.run import Outcome, Run

NOT_BAD = ("duplicate", "near-duplicate", "contamination")  # left out, but no fault of the row's
SHOWN = 5  # bad rows in the error's text
LARGEST = 10  # families of up to a tenth of a held-out split come first
MASK = "@"


def refine(run: Run, *, force: bool = False) -> Outcome:
    """Check and split the run's examples, generated and given. Raises DatasetError for bad rows unless skipped."""
    generated = run.recipe.generate.examples > 0 and run.catalogue is not None
    inputs = {source: _fingerprint(source) for source in (*run.recipe.refine.data, *run.recipe.refine.test)}
    inputs["catalogue"] = run.catalogue.fingerprint if run.catalogue else ""
    if generated:
        inputs["generate"] = run.fingerprint("generate")
    elif not run.recipe.refine.data:
        raise DatasetError(
            "the recipe names no training examples",
            where=str(run.path),
            remedy="Set examples under [generate] (with a catalogue), or data under [refine].",
        )
    return run.perform(
        "refine",
        inputs=inputs,
        settings=run.recipe.refine.model_dump(),
        work=lambda folder: _refine(run, folder, generated=generated),
        force=force,
    )


def _fingerprint(source: str) -> str:
    """The hash of a file; a data set on the hub goes by its name."""
    path = Path(source)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else source


@dataclass(frozen=True)
class Candidate:
    """A row that may be used, and where it was read."""

    row: Row
    file: str
    line: int

    @cached_property
    def question(self) -> str:
        """What is asked, in one line."""
        return _question(self.row)

    @cached_property
    def template(self) -> str:
        """What is asked, with its values masked."""
        return template(self.row)

    @property
    def answer(self) -> str:
        """What is answered, as text."""
        return str(self.row.plan) if isinstance(self.row, Example) else self.row.output

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.question}"


def _question(row: Row) -> str:
    return " ".join((row.query if isinstance(row, Example) else f"{row.instruction} {row.input}").split())


def _refine(run: Run, folder: Path, *, generated: bool) -> Mapping[str, Any]:
    settings = run.recipe.refine
    sources = [str(run.folder("generate") / "examples.jsonl")] if generated else []
    data = _read([*sources, *settings.data], run.catalogue)
    test = _read(settings.test, run.catalogue)
    with Console(stderr=True).status("looking for duplicates and contradictions"):
        unique = _without_repetitions(data.candidates, run.catalogue)
        left = _without_near_copies(unique.kept, test.candidates, settings.near_duplicate, run.catalogue)
    rejected = [*data.rejected, *test.rejected, *unique.rejected, *left.rejected]
    rejected.sort(key=lambda row: (row.file, row.line))
    if settings.bad_rows == "refuse":
        _refuse(run.path, [row for row in rejected if row.kind not in NOT_BAD], rejected)
    families = _families(left.kept, left.pairs)
    fractions = {"test": 0.0 if settings.test else settings.test_fraction, "valid": settings.valid_fraction}
    split = _split(families, fractions=fractions, rng=Random(run.recipe.seed))
    splits = {name: [left.kept[i] for i in rows] for name, rows in split.items()}
    splits["test"] += test.candidates
    if not splits["train"]:
        what = f"no row is left to train on ({_counts(rejected)})"
        raise DatasetError(what, where=str(run.path), remedy="Give more examples.")
    for name, rows in splits.items():
        write_rows(folder / f"{name}.jsonl", (candidate.row for candidate in rows))
    write_lines(folder / "rejected.jsonl", (row.to_json() for row in rejected))
    repairs = [*map(str, data.repaired), *map(str, test.repaired)]
    report = _report(splits, families) | {"rejected": _kinds(rejected), "repairs": repairs}
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")
    (run.path / "refine-rejected.jsonl").unlink(missing_ok=True)
    return {name: report[name] for name in ("train", "valid", "test", "rejected")} | {"repaired": len(repairs)}


# ---------------------------------------------------------------- reading


class _Data(NamedTuple):
    candidates: list[Candidate]
    rejected: list[Rejected]
    repaired: list[Repaired]


def _read(sources: Iterable[str], catalogue: Catalogue | None) -> _Data:
    """The rows of all sources, plans with their arguments in catalogue order."""
    data = _Data([], [], [])
    for source in sources:
        dataset = read_dataset(source, catalogue, lenient=True)
        data.rejected.extend(dataset.rejected)
        data.repaired.extend(dataset.repaired)
        for row, line in zip(dataset.rows, dataset.lines, strict=True):
            if isinstance(row, Example) and catalogue is not None:
                row = replace(row, plan=row.plan.ordered(catalogue))
            data.candidates.append(Candidate(row, source, line))
    return data


def _refuse(path: Path, bad: Sequence[Rejected], rejected: Sequence[Rejected]) -> None:
    """Raise DatasetError when there are bad rows, having listed all rejected ones beside the stage's folder."""
    if not bad:
        return
    beside = path / "refine-rejected.jsonl"
    write_lines(beside, (row.to_json() for row in rejected))
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


# ---------------------------------------------------------------- repetitions


class _Unique(NamedTuple):
    kept: list[Candidate]
    rejected: list[Rejected]


def _without_repetitions(candidates: Sequence[Candidate], catalogue: Catalogue | None) -> _Unique:
    """Of rows that ask the same, the first; but none of them when their plans differ.

    Differing answers to an Alpaca row are no contradiction: general questions have more than one answer.
    """
    asked: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        asked[candidate.question].append(candidate)
    unique = _Unique([], [])
    for first, *others in asked.values():
        if isinstance(first.row, Example) and not all(_same_answer(first, other, catalogue) for other in others):
            unique.rejected.extend(_conflicts([first, *others]))
            continue
        kept = [first]
        for other in others:
            earlier = next((one for one in kept if _same_answer(one, other, catalogue)), None)
            if earlier is None:
                kept.append(other)
            else:
                unique.rejected.append(_rejection(other, "duplicate", f"the same as {earlier.place}"))
        unique.kept.extend(kept)
    return unique


def _same_answer(a: Candidate, b: Candidate, catalogue: Catalogue | None) -> bool:
    if isinstance(a.row, Example) and isinstance(b.row, Example) and catalogue is not None:
        return same(a.row.plan, b.row.plan, catalogue)
    return type(a.row) is type(b.row) and a.answer == b.answer


def _conflicts(members: Sequence[Candidate]) -> Iterator[Rejected]:
    for one in members:
        others = [other for other in members if other is not one]
        reason = f"the same request has different plans, see {', '.join(other.place for other in others)}"
        yield _rejection(one, "conflict", reason, *(f"{other.place}: {other.answer}" for other in others))


def _rejection(candidate: Candidate, kind: str, reason: str, *evidence: str) -> Rejected:
    return Rejected(candidate.file, candidate.line, reason, candidate.row.to_json(), kind, evidence)


# ---------------------------------------------------------------- near-duplicates and templates


class Pair(NamedTuple):
    """Two texts, by number, that are alike to this degree (1: they hold the same trigrams)."""

    first: int
    second: int
    likeness: float


def near_duplicates(texts: Sequence[str], *, threshold: float, block: int = 2000) -> list[Pair]:
    """Every pair of texts (none blank) whose sets of character trigrams have a cosine of at least `threshold`.

    Exact, by prefix filtering (Bayardo et al., "Scaling up all pairs similarity search", WWW 2007): sets with
    |x ∩ y| ≥ t·√(|x|·|y|) have one of the |x| - ⌈t²·|x|⌉ + 1 rarest members of x, and of as many of y, in common.
    """
    if len(texts) < 2:
        return []
    counter = CountVectorizer(analyzer="char_wb", ngram_range=(3, 3), binary=True, dtype=np.int32)
    sets = counter.fit_transform(texts).tocsr()
    sets = sets[:, np.argsort(sets.getnnz(axis=0), kind="stable")]  # a row's members by rarity
    sets.sort_indices()
    sizes = np.diff(sets.indptr)
    needed = threshold**2 * sizes - 1e-9
    kept = sizes - np.ceil(needed).astype(np.int64) + 1
    prefixes = sets.copy()
    prefixes.data *= np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], sizes) < np.repeat(kept, sizes)
    prefixes.eliminate_zeros()
    pairs: list[Pair] = []
    for start in range(0, len(texts), block):
        rows, second = (prefixes[start : start + block] @ prefixes.T).nonzero()
        first = rows + start
        possible = (first < second) & (sizes[first] >= needed[second]) & (sizes[second] >= needed[first])
        pairs.extend(_alike(sets, first[possible], second[possible], threshold))
    return sorted(pairs)


def _alike(sets: Any, first: Any, second: Any, threshold: float) -> Iterator[Pair]:
    """The candidates that are pairs indeed."""
    sizes = np.diff(sets.indptr)
    for start in range(0, len(first), 100_000):
        a, b = first[start : start + 100_000], second[start : start + 100_000]
        cosine = np.asarray(sets[a].multiply(sets[b]).sum(axis=1)).ravel() / np.sqrt(sizes[a] * sizes[b])
        alike = cosine >= threshold - 1e-9
        yield from map(Pair, a[alike].tolist(), b[alike].tolist(), cosine[alike].tolist())


class _Left(NamedTuple):
    kept: list[Candidate]
    pairs: list[Pair]  # near-duplicates among the kept
    rejected: list[Rejected]


def _without_near_copies(
    candidates: Sequence[Candidate], test: Sequence[Candidate], threshold: float, catalogue: Catalogue | None
) -> _Left:
    """What is left of the candidates without those that resemble a test row, or an earlier row with the same answer.

    Near-duplicates with different answers ("my p1 issues", "my p2 issues") stay: a planner learns most from them.
    """
    everything = [*test, *candidates]
    pairs = near_duplicates([one.question for one in everything], threshold=threshold)
    reasons = _contamination(everything, len(test), pairs)
    for pair in pairs:
        if pair.first < len(test) or {pair.first, pair.second} & reasons.keys():
            continue
        earlier, later = everything[pair.first], everything[pair.second]
        if _same_answer(earlier, later, catalogue):
            said = f"nearly the same as {earlier.place} ({pair.likeness:.2f} alike)"
            reasons[pair.second] = _rejection(later, "near-duplicate", said, str(earlier))
    kept = [i for i in range(len(test), len(everything)) if i not in reasons]
    place = {i: position for position, i in enumerate(kept)}
    return _Left(
        [everything[i] for i in kept],
        [Pair(place[a], place[b], likeness) for a, b, likeness in pairs if a in place and b in place],
        list(reasons.values()),
    )


def _contamination(everything: Sequence[Candidate], tests: int, pairs: Sequence[Pair]) -> dict[int, Rejected]:
    """The rows after the first `tests` that have the template of one of those, or are its near-duplicate."""
    templates: dict[str, Candidate] = {}
    for candidate in everything[:tests]:
        templates.setdefault(candidate.template, candidate)
    found: dict[int, Rejected] = {}
    for i, candidate in enumerate(everything[tests:], tests):
        like = templates.get(candidate.template)
        if like:
            reason = f"has the template of the test row {like.place}"
            found[i] = _rejection(candidate, "contamination", reason, str(like))
    for pair in pairs:
        if pair.first < tests <= pair.second and pair.second not in found:
            like = everything[pair.first]
            reason = f"nearly the same as the test row {like.place} ({pair.likeness:.2f} alike)"
            found[pair.second] = _rejection(everything[pair.second], "contamination", reason, str(like))
    return found


def template(row: Row) -> str:
    """The request with its values masked: the plan's literals, quotations, ids, numbers, and lists of these.

    "Summarize ISS-14 and "TKT 3", please." → "summarize @ please".
    """
    text = _question(row).casefold()
    if isinstance(row, Example):
        literals = {said.casefold() for step in row.plan for value in step.arguments.values() for said in _texts(value)}
        longest_first = sorted(literals, key=lambda literal: (-len(literal), literal))
        named = "|".join(re.escape(literal) for literal in longest_first if literal)
        text = re.sub(rf"(?<!\w)(?:{named})s?(?!\w)", MASK, text) if named else text
    text = re.sub(r"""\"[^"]*"|“[^”]*”|(?<!\w)'[^']*'(?!\w)""", MASK, text)
    text = re.sub(r"\b[a-z]+-\w+|\b\w*\d\w*", MASK, text)
    text = " ".join(re.findall(r"\w+|@", text))
    return re.sub(r"@(?: (?:(?:and|or) )?@)+", MASK, text)


def _texts(value: Value) -> Iterator[str]:
    """The literals in a value, as the request would name them."""
    if isinstance(value, list):
        for element in value:
            yield from _texts(element)
    elif isinstance(value, dict):
        for element in value.values():
            yield from _texts(element)
    elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield " ".join(str(value).split())


# ---------------------------------------------------------------- split and report


def _families(rows: Sequence[Candidate], pairs: Sequence[Pair]) -> list[list[int]]:
    """The rows, by number, in groups that must stand on one side: of one template, or tied by near-duplicates."""
    first: dict[str, int] = {}
    same_template = [(first.setdefault(candidate.template, i), i) for i, candidate in enumerate(rows)]
    families = {i: [i] for i in range(len(rows))}
    for a, b in [*same_template, *((pair.first, pair.second) for pair in pairs)]:
        if families[a] is not families[b]:
            small, large = sorted((families[a], families[b]), key=len)
            large.extend(small)
            families.update(dict.fromkeys(small, large))
    return [sorted(family) for i, family in families.items() if family[0] == i]


def _split(families: Sequence[Sequence[int]], *, fractions: Mapping[str, float], rng: Random) -> dict[str, list[int]]:
    """Whole families, drawn at random, up to each fraction of the rows; the rest is for training.

    Small families come first, so that no few templates fill a held-out split. Rows keep their order.
    """
    total = sum(map(len, families))
    left = rng.sample(families, len(families))
    split: dict[str, list[int]] = {}
    for name, fraction in fractions.items():
        drawn = _draw(left, round(fraction * total))
        left = [family for family in left if family[0] not in drawn]
        split[name] = sorted(drawn)
    split["train"] = sorted(i for family in left for i in family)
    return split


def _draw(families: Sequence[Sequence[int]], wanted: int) -> set[int]:
    drawn: set[int] = set()
    for family in sorted(families, key=lambda family: max(len(family), wanted // LARGEST)):
        if len(drawn) + len(family) <= wanted:
            drawn.update(family)
    return drawn


def _report(splits: Mapping[str, Sequence[Candidate]], families: Sequence[Sequence[int]]) -> dict[str, Any]:
    """How much is in each split: rows, templates, plans by their number of steps; and how the rows hang together."""
    plans = {name: [one.row.plan for one in rows if isinstance(one.row, Example)] for name, rows in splits.items()}
    return {
        **{name: len(rows) for name, rows in splits.items()},
        "templates": {name: len({one.template for one in rows}) for name, rows in splits.items()},
        "steps": {name: dict(sorted(Counter(map(len, plans[name])).items())) for name in splits},
        "families": {"count": len(families), "largest": max(map(len, families))},
    }
