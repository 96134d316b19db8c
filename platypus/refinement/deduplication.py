"""Which rows say again what another one says, contradict it, or give away a test: each with the reason and evidence.

Of rows that repeat each other the one with the fewest doubts stays, then the one whose request names most of its plan's
values, then the first; never the longest. Near-duplicates with different answers ("my p1 issues", "my p2 issues") stay:
a planner learns most from them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from platypus.data.dataset import Rejected
from platypus.data.signatures import normalised
from platypus.refinement.candidates import Candidate
from platypus.refinement.embedding import embed, nearest
from platypus.refinement.grouping import numbered
from platypus.refinement.similarity import BUCKET, EPSILON, Sets, alike, repeated


class Kept(NamedTuple):
    """The candidates that stay, in their order, their places among the given ones, and the others' rejections."""

    kept: list[Candidate]
    places: list[int]
    rejected: list[Rejected]


def rejection(candidate: Candidate, kind: str, reason: str, *evidence: str) -> Rejected:
    """Why a candidate is left out."""
    return Rejected(candidate.file, candidate.line, reason, candidate.row, kind, evidence)


def quality(candidate: Candidate) -> tuple[int, float]:
    """The less, the better."""
    return len(candidate.findings), -candidate.grounded


def without_repetitions(candidates: Sequence[Candidate]) -> Kept:
    """Of rows that ask the same, up to case and a full stop, the best; but none of them when their plans differ.

    A plan without doubts stays against plans with some. Plans may differ where the case of the request does. Differing
    answers to an Alpaca row are no contradiction: general questions have more than one answer.
    """
    asked: dict[str, list[int]] = defaultdict(list)
    for i, candidate in enumerate(candidates):
        asked[normalised(candidate.question)].append(i)
    kept: list[int] = []
    rejected: list[Rejected] = []
    for places in asked.values():
        if len(places) == 1:
            kept += places
            continue
        best: dict[int, int] = {}
        for i in sorted(_without_conflicts(candidates, places, rejected), key=lambda i: (quality(candidates[i]), i)):
            first = best.setdefault(candidates[i].answer, i)
            if first != i:
                said = f"the same as {candidates[first].place}"
                rejected.append(rejection(candidates[i], "duplicate", said, str(candidates[first])))
        kept += best.values()
    kept.sort()
    return Kept([candidates[i] for i in kept], kept, rejected)


def _without_conflicts(candidates: Sequence[Candidate], places: Sequence[int], rejected: list[Rejected]) -> list[int]:
    """The places, of rows that ask the same, without those of rows that contradict each other."""
    asked: dict[str, list[int]] = defaultdict(list)
    for i in places:
        asked[candidates[i].question].append(i)
    left: list[int] = []
    for same in asked.values():
        some = [candidates[i] for i in same]
        sure = [one for one in some if not one.findings]
        if not some[0].is_example or len({one.answer for one in some}) == 1:
            left += same
        elif len({one.answer for one in sure}) == 1:
            left += [i for i in same if not candidates[i].findings]
            rejected += _conflicts([one for one in some if one.findings], against=sure)
        else:
            rejected += _conflicts(some, against=some)
    return left


def _conflicts(members: Sequence[Candidate], *, against: Sequence[Candidate]) -> Iterator[Rejected]:
    for one in members:
        others = [other for other in against if other.answer != one.answer][:BUCKET]
        reason = f"the same request has different plans, see {', '.join(other.place for other in others)}"
        yield rejection(one, "conflict", reason, *(f"{other.place}: {other.said}" for other in others))


def without_near_copies(candidates: Sequence[Candidate], sets: Sets, *, threshold: float) -> Kept:
    """What is left without rows that are nearly the same as a better one with the same answer."""
    order = np.array(sorted(range(len(candidates)), key=lambda i: quality(candidates[i])), np.int64)
    answers = numbered(candidates[i].answer for i in order.tolist())
    pairs = repeated(sets[order], answers, threshold=threshold)
    found = {}
    for first, second, likeness in zip(order[pairs.first], order[pairs.second], pairs.likeness, strict=True):
        earlier, later = candidates[first], candidates[second]
        said = f"nearly the same as {earlier.place} ({likeness:.2f} alike)"
        found[int(second)] = rejection(later, "near-duplicate", said, str(earlier))
    return _left(candidates, found)


def without_paraphrases(candidates: Sequence[Candidate], *, model: str, threshold: float) -> Kept:
    """What is left without rows whose embedding is that much alike to a better one's with the same answer."""
    answers: dict[int, list[int]] = defaultdict(list)
    for i, candidate in enumerate(candidates):
        answers[candidate.answer].append(i)
    vectors = embed([candidate.question for candidate in candidates], model)
    found: dict[int, Rejected] = {}
    for places in answers.values():
        kept: list[int] = []
        for i in sorted(places, key=lambda i: quality(candidates[i])) if len(places) > 1 else ():
            like = nearest(vectors[[i]], vectors[kept]) if kept else None
            if like and like.likeness[0] >= threshold:
                first = candidates[kept[like.place[0]]]
                said = f"says the same as {first.place} ({like.likeness[0]:.2f} alike)"
                found[i] = rejection(candidates[i], "semantic-duplicate", said, str(first))
            else:
                kept.append(i)
    return _left(candidates, found)


def _left(candidates: Sequence[Candidate], found: Mapping[int, Rejected]) -> Kept:
    places = [i for i in range(len(candidates)) if i not in found]
    return Kept([candidates[i] for i in places], places, [found[i] for i in sorted(found)])


# ---------------------------------------------------------------- tests


def without_contamination(
    candidates: Sequence[Candidate],
    tests: Sequence[Candidate],
    sets: Sets,
    *,
    near_duplicate: float,
    model: str,
    embedding: float,
) -> Kept:
    """What is left without every row that has a test row's template, nearly its letters, or nearly its embedding.

    `sets` are those of the candidates, then of the tests.
    """
    if not tests:
        return _left(candidates, {})
    found: dict[int, Rejected] = {}

    def gives_away(i: int, test: Candidate, how: str, likeness: str = "") -> None:
        reason = f"{how} the test row {test.place}{likeness}"
        found.setdefault(i, rejection(candidates[i], "contamination", reason, str(test)))

    templates = {test.template: test for test in reversed(tests)}
    for i, candidate in enumerate(candidates):
        if candidate.template in templates:
            gives_away(i, templates[candidate.template], "has the template of")
    here, there = sets[: len(candidates)], sets[len(candidates) :]
    for pairs in alike(here, there, threshold=near_duplicate):
        for i, test, likeness in zip(*(column.tolist() for column in pairs), strict=True):
            gives_away(i, tests[test], "nearly the same as", f" ({likeness:.2f} alike)")
    vectors = embed([one.question for one in (*candidates, *tests)], model)
    closest = nearest(vectors[: len(candidates)], vectors[len(candidates) :])
    for i in np.flatnonzero(closest.likeness >= embedding - EPSILON).tolist():
        likeness = f" ({closest.likeness[i]:.2f} alike, {model})"
        gives_away(i, tests[closest.place[i]], "speaks of nearly the same as", likeness)
    return _left(candidates, found)
