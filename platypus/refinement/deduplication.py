"""Rows that repeat or contradict others, or leak a test row: each is removed with a reason and evidence.

Of rows that repeat each other, the one with the fewest doubts stays, then the one whose request names the largest share
of its plan's values, then the first; length does not count. Near-duplicates with different answers ("my p1 issues",
"my p2 issues") stay: a planner learns most from them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from platypus.data.dataset import Rejected
from platypus.data.signatures import normalised
from platypus.refinement.candidates import Candidate
from platypus.refinement.distinct_text import DistinctText
from platypus.refinement.embedding import embed, nearest
from platypus.refinement.grouping import numbered
from platypus.refinement.similarity import BUCKET, EPSILON, alike, repeated


class Kept(NamedTuple):
    """The candidates that stay, in order, their indices in the input, and the rejections of the others."""

    kept: list[Candidate]
    places: list[int]
    rejected: list[Rejected]


def rejection(candidate: Candidate, kind: str, reason: str, *evidence: str) -> Rejected:
    """Return the rejection of a candidate."""
    return Rejected(candidate.file, candidate.line, reason, candidate.row, kind, evidence)


def quality(candidate: Candidate) -> tuple[int, float]:
    """Return a sort key: the better the candidate, the smaller."""
    return len(candidate.findings), -candidate.grounded


def without_repetitions(candidates: Sequence[Candidate]) -> Kept:
    """Keep the best of rows with the same request, up to case and a full stop; none of them when their plans differ.

    Rows that bring other tools are other rows. A plan without doubts wins against plans with doubts. Plans may differ
    if the case of the requests does. Different answers to an Alpaca instruction are no contradiction: general questions
    have more than one answer.
    """
    by_request: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, candidate in enumerate(candidates):
        by_request[candidate.catalogue, normalised(candidate.question)].append(i)
    indices: list[int] = []
    rejected: list[Rejected] = []
    for same in by_request.values():
        if len(same) == 1:
            indices += same
            continue
        best: dict[int, int] = {}
        for i in sorted(_without_conflicts(candidates, same, rejected), key=lambda i: (quality(candidates[i]), i)):
            first = best.setdefault(candidates[i].answer, i)
            if first != i:
                reason = f"the same as {candidates[first].place}"
                rejected.append(rejection(candidates[i], "duplicate", reason, str(candidates[first])))
        indices += best.values()
    indices.sort()
    return Kept([candidates[i] for i in indices], indices, rejected)


def _without_conflicts(candidates: Sequence[Candidate], places: Sequence[int], rejected: list[Rejected]) -> list[int]:
    """The indices, of rows with the same request, without those of rows that contradict each other."""
    by_request: dict[str, list[int]] = defaultdict(list)
    for i in places:
        by_request[candidates[i].question].append(i)
    indices: list[int] = []
    for group in by_request.values():
        some = [candidates[i] for i in group]
        undoubted = [one for one in some if not one.findings]
        answers = {one.answer for one in undoubted}
        if not some[0].is_example or len({one.answer for one in some}) == 1:
            indices += group
        elif len(answers) == 1:
            indices += [i for i in group if candidates[i].answer in answers]
            rejected += _conflicts([one for one in some if one.answer not in answers], against=undoubted)
        else:
            rejected += _conflicts(some, against=some)
    return indices


def _conflicts(members: Sequence[Candidate], *, against: Sequence[Candidate]) -> Iterator[Rejected]:
    for one in members:
        others = [other for other in against if other.answer != one.answer][:BUCKET]
        reason = f"the same request has different plans, see {', '.join(other.place for other in others)}"
        yield rejection(one, "conflict", reason, *(f"{other.place}: {other.answer_text}" for other in others))


def without_near_copies(candidates: Sequence[Candidate], texts: DistinctText, *, threshold: float) -> Kept:
    """Keep the rows that are not nearly the same as a better one with the same answer."""
    order = np.array(sorted(range(len(candidates)), key=lambda i: quality(candidates[i])), np.int64)
    answers = numbered((candidates[i].answer, int(texts.shared[i])) for i in order.tolist())
    pairs = repeated(texts.own.sets[order], answers, threshold=threshold)
    rejected = {}
    for first, second, likeness in zip(order[pairs.first], order[pairs.second], pairs.likeness, strict=True):
        earlier, later = candidates[first], candidates[second]
        reason = f"nearly the same as {earlier.place} ({likeness:.2f} alike)"
        rejected[int(second)] = rejection(later, "near-duplicate", reason, str(earlier))
    return _keep_others(candidates, rejected)


def without_paraphrases(candidates: Sequence[Candidate], texts: DistinctText, *, model: str, threshold: float) -> Kept:
    """Keep the rows whose embedding has a similarity below `threshold` to every better row with the same answer."""
    answers: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, candidate in enumerate(candidates):
        answers[candidate.answer, int(texts.shared[i])].append(i)
    vectors = embed(texts.own.texts, model)
    rejected: dict[int, Rejected] = {}
    for places in answers.values():
        staying: list[int] = []
        for i in sorted(places, key=lambda i: quality(candidates[i])) if len(places) > 1 else ():
            like = nearest(vectors[[i]], vectors[staying]) if staying else None
            if like and like.likeness[0] >= threshold:
                first = candidates[staying[like.place[0]]]
                reason = f"says the same as {first.place} ({like.likeness[0]:.2f} alike)"
                rejected[i] = rejection(candidates[i], "semantic-duplicate", reason, str(first))
            else:
                staying.append(i)
    return _keep_others(candidates, rejected)


def _keep_others(candidates: Sequence[Candidate], rejected: Mapping[int, Rejected]) -> Kept:
    indices = [i for i in range(len(candidates)) if i not in rejected]
    return Kept([candidates[i] for i in indices], indices, [rejected[i] for i in sorted(rejected)])


# ---------------------------------------------------------------- test rows


def without_contamination(
    candidates: Sequence[Candidate],
    tests: Sequence[Candidate],
    texts: DistinctText,
    *,
    near_duplicate: float,
    model: str,
    embedding: float,
) -> Kept:
    """Keep the rows that share no template with a test row and are not nearly the same by letters or embedding.

    `texts` are those of the candidates, then of the tests. If the answers are text, a template alone proves nothing:
    "What is 2 plus 2?" has the template of every other sum. The answer must be that of the test row as well.
    """
    if not tests:
        return _keep_others(candidates, {})
    rejected: dict[int, Rejected] = {}

    def reject(i: int, test: Candidate, how: str, likeness: str = "") -> None:
        reason = f"{how} the test row {test.place}{likeness}"
        rejected.setdefault(i, rejection(candidates[i], "contamination", reason, str(test)))

    templates = {_template(test): test for test in reversed(tests)}
    for i, candidate in enumerate(candidates):
        if _template(candidate) in templates:
            reject(i, templates[_template(candidate)], "has the template of")
    sets = texts.wide.sets
    own_sets, test_sets = sets[: len(candidates)], sets[len(candidates) :]
    for pairs in alike(own_sets, test_sets, threshold=near_duplicate):
        for i, test, likeness in zip(*(column.tolist() for column in pairs), strict=True):
            reject(i, tests[test], "nearly the same as", f" ({likeness:.2f} alike)")
    vectors = embed(texts.wide.texts, model)
    closest = nearest(vectors[: len(candidates)], vectors[len(candidates) :])
    for i in np.flatnonzero(closest.likeness >= embedding - EPSILON).tolist():
        likeness = f" ({closest.likeness[i]:.2f} alike, {model})"
        reject(i, tests[closest.place[i]], "speaks of nearly the same as", likeness)
    return _keep_others(candidates, rejected)


def _template(candidate: Candidate) -> tuple[int, int | None]:
    """The template of a row, with its answer if that is text."""
    return candidate.template, None if candidate.is_example else candidate.answer
