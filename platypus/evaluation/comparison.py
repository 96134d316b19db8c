"""Compares planners on the same rows: paired differences with intervals, McNemar's test, power, and rows that flipped.

Reads what evaluations left in `scores.jsonl`. Rows are the same if request and gold plan are.
"""

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platypus.data.dataset import Example, Instruction, Row
from platypus.errors import DatasetError
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.intervals import Difference, difference, mcnemar
from platypus.evaluation.metrics import Score, TextScore, score_of_json
from platypus.files import expanded
from platypus.plan.plan import Malformed, plan_from_json

SCORES = "scores.jsonl"
PLACES = (SCORES, f"evaluate/{SCORES}")  # in an evaluation's folder, in a run


@dataclass(frozen=True)
class Answers:
    """One planner's lines of the `file`, a `scores.jsonl`, by the row that they answer."""

    name: str
    lines: Mapping[Hashable, Mapping[str, Any]]
    file: Path


@dataclass(frozen=True)
class Flip:
    """A row that one planner has exactly right and the other has not."""

    won: bool
    line: Mapping[str, Any]
    other: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The row with both answers."""
        row = {key: self.line[key] for key in ("query", "instruction", "input", "messages", "gold") if key in self.line}
        answers = {"first": _answer(self.line), "second": _answer(self.other)}
        return {**row, "turned": "right" if self.won else "wrong", **answers}


@dataclass(frozen=True)
class Comparison:
    """The second planner against the first one, over the rows that both have answered.

    `left_out` is how many rows only one of them has answered. `p_rows` is McNemar's p-value for exact plans. `flips`
    begins with rows that turned wrong, the worst answers first.
    """

    first: str
    second: str
    rows: int
    left_out: int
    differences: Mapping[str, Difference]
    p_rows: float
    flips: Sequence[Flip]

    @property
    def lost(self) -> int:
        """How many rows turned wrong."""
        return sum(not flip.won for flip in self.flips)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        found = {name: asdict(one) for name, one in self.differences.items()}
        counts = {"rows": self.rows, "left_out": self.left_out, "turned_wrong": self.lost}
        counts["turned_right"] = len(self.flips) - self.lost
        names = {"first": self.first, "second": self.second}
        flips = [flip.to_json() for flip in self.flips]
        return {**names, **counts, "differences": found, "mcnemar_p": self.p_rows, "flips": flips}


def read_answers(source: str) -> Answers:
    """The answers of an evaluation: a run, an evaluation's folder, or a `scores.jsonl`; `SOURCE@before` for a variant.

    Without a variant, those of the last one in the file. Raises DatasetError if there is no such file, variant, or
    score in it.
    """
    place, at, variant = source.rpartition("@")
    if not at or expanded(source, error=DatasetError).exists():  # a folder may have an @ in its name
        place, variant = source, ""
    folder = expanded(place, error=DatasetError)
    path = next((path for path in (folder / name for name in PLACES) if path.is_file()), folder)
    if not path.exists():
        raise DatasetError("there is no such file or folder", where=place, remedy="Name a run, or an evaluation.")
    if not path.is_file():
        raise DatasetError("holds no evaluation", where=place, remedy=f"Run first: platypus evaluate {place}")
    try:
        lines = _whole_lines(path.read_bytes())
        variants = list(dict.fromkeys(line["variant"] for line in lines))
        for line in lines:
            score_of_json(line["score"])
            _answer(line), row_of(line)  # a line without them is refused here
    except (ValueError, KeyError, TypeError) as error:
        remedy = "Evaluate again with --force: another version wrote it, or it is another file."
        raise DatasetError("is not a file of scores that this version reads", where=str(path), remedy=remedy) from error
    chosen = variant or (variants[-1] if variants else "")
    if chosen not in variants:
        known = f"It has {', '.join(variants)}." if variants else "It has no rows."
        raise DatasetError(f"has no answers of {chosen!r}", where=str(path), remedy=known)
    return Answers(source, dict(_keyed(line for line in lines if line["variant"] == chosen)), path)


def _whole_lines(content: bytes) -> list[Any]:
    """The JSON of each line, without a last one that was cut when the program was killed. Raises ValueError."""
    *lines, last = content.split(b"\n")  # a text may hold line ends of Unicode
    read = [json.loads(line) for line in lines]
    with suppress(ValueError):
        read.append(json.loads(last))
    return read


def _keyed(lines: Iterator[Mapping[str, Any]]) -> Iterator[tuple[Hashable, Mapping[str, Any]]]:
    """Each line with what it answers; rows that occur several times are numbered."""
    seen: Counter[str] = Counter()
    for line in lines:
        asked = [line.get(key) for key in ("query", "instruction", "input", "messages", "gold")]
        key = json.dumps(asked, sort_keys=True)
        seen[key] += 1
        yield (key, seen[key]), line


def compare(first: Answers, second: Answers, *, resamples: int, seed: int) -> Comparison:
    """The second planner against the first one. Raises DatasetError if they have no row in common."""
    common = sorted(first.lines.keys() & second.lines.keys(), key=str)
    if not common:
        raise DatasetError(
            f"has no row in common with {first.name}",
            where=second.name,
            remedy="Evaluate both on the same data: platypus evaluate RUN --data FILE",
        )
    pairs = [(first.lines[key], second.lines[key]) for key in common]
    scores = [(score_of_json(one["score"]), score_of_json(other["score"])) for one, other in pairs]
    differences = _differences(scores, clusters_of([row_of(one) for one, _ in pairs]), resamples, seed)
    exact = [(bool(one.exact), bool(other.exact)) for one, other in scores]
    flips = [Flip(right[1], *pair) for pair, right in zip(pairs, exact, strict=True) if right[0] != right[1]]
    return Comparison(
        first.name,
        second.name,
        rows=len(common),
        left_out=len(first.lines.keys() ^ second.lines.keys()),
        differences=differences,
        p_rows=mcnemar([right[0] for right in exact], [right[1] for right in exact]),
        flips=sorted(flips, key=_badness),
    )


def _differences(
    scores: Sequence[tuple[Score | TextScore, Score | TextScore]], clusters: Sequence[str], resamples: int, seed: int
) -> dict[str, Difference]:
    """The difference in each metric; rows with plans and rows with texts have metrics of their own."""
    found: dict[str, Difference] = {}
    for kind in (Score, TextScore):
        chosen = [i for i, (one, other) in enumerate(scores) if isinstance(one, kind) and isinstance(other, kind)]
        names = scores[chosen[0]][0].ratios if chosen else ()
        for name in names:
            both = ([scores[i][side].ratios[name] for i in chosen] for side in (0, 1))
            one = difference(*both, clusters=[clusters[i] for i in chosen], resamples=resamples, seed=seed)
            found |= {name: one} if one else {}
    return found


def row_of(line: Mapping[str, Any]) -> Row:
    """The row that a line answers, as far as its cluster depends on it."""
    if "query" not in line:
        text = line.get("instruction") or " ".join(message["content"] for message in line["messages"])
        return Instruction(text, line.get("input", ""), str(line["gold"]), {})
    plan = plan_from_json(line["gold"])
    if isinstance(plan, Malformed):
        raise DatasetError("has a gold plan that is none", where=str(line["query"]), remedy="Evaluate again.")
    return Example(line["query"], plan, "", {})


def _badness(flip: Flip) -> tuple[bool, float, str]:
    """Rows that turned wrong first; of these, answers with the fewest right calls."""
    judged = score_of_json((flip.line if flip.won else flip.other)["score"])
    measured = judged.calls.share if isinstance(judged, Score) else judged.words.f1
    return flip.won, measured.hits / measured.of if measured.of else 0.0, json.dumps(flip.line.get("query"))


def _answer(line: Mapping[str, Any]) -> Any:
    return line["answer"] if line["plan"] is None else line["plan"]
