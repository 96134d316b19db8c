"""Similarity of texts: equal to the slow way; with MinHash, nearly all pairs and no wrong ones."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from platypus.refinement import similarity
from platypus.refinement.similarity import alike, connected, near_duplicates, repeated, trigrams


def slow_cosine(a: str, b: str) -> float:
    analyse = CountVectorizer(analyzer="char_wb", ngram_range=(3, 3)).build_analyzer()
    x, y = set(analyse(a)), set(analyse(b))
    return len(x & y) / math.sqrt(len(x) * len(y))


WORD = st.sampled_from(
    ["list", "lists", "tasks", "task", "ISS-14", "ISS-15", "please", "a", "Sort", "sorted", "ünïcode", "任务", "😀"]
)
TEXTS = st.lists(st.lists(WORD, min_size=1, max_size=6).map(" ".join), max_size=12)
THRESHOLD = st.sampled_from([0.3, 0.5, 0.75, 0.9, 1.0])


@given(TEXTS, THRESHOLD, st.sampled_from([1, 5, 2000]))
def test_near_duplicates_are_exactly_the_pairs_that_are_alike(texts: list[str], threshold: float, block: int) -> None:
    expected = {
        (i, j): slow_cosine(texts[i], texts[j])
        for j in range(len(texts))
        for i in range(j)
        if slow_cosine(texts[i], texts[j]) >= threshold - 1e-9
    }
    found = near_duplicates(texts, threshold=threshold, block=block)
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert dict(zip(pairs, map(pytest.approx, found.likeness.tolist()), strict=True)) == expected
    assert pairs == sorted(pairs)
    assert len(pairs) == len(expected)


@given(TEXTS, TEXTS, THRESHOLD)
def test_every_pair_of_two_sides(left: list[str], right: list[str], threshold: float) -> None:
    sets = trigrams([*left, *right])
    parts = list(alike(sets[: len(left)], sets[len(left) :], threshold=threshold, block=3))
    found = {(a, b) for part in parts for a, b in zip(part.first.tolist(), part.second.tolist(), strict=True)}
    assert found == {
        (i, j) for i, a in enumerate(left) for j, b in enumerate(right) if slow_cosine(a, b) >= threshold - 1e-9
    }


@given(TEXTS, st.integers(1, 5))
def test_sets_are_those_of_the_vectorizer_in_blocks_of_any_size(texts: list[str], block: int) -> None:
    analyse = CountVectorizer(analyzer="char_wb", ngram_range=(3, 3)).build_analyzer()
    sets = trigrams(texts, block=block)
    assert sets.sizes.tolist() == [len(set(analyse(text))) for text in texts]
    counts = np.asarray(sets.rows.sum(axis=0)).ravel()
    assert counts.tolist() == sorted(counts.tolist())


def some_texts(count: int, *, seed: int = 0) -> list[str]:
    """Requests with near-duplicates among them: each of 40 in `count / 40` variations."""
    rng = Random(seed)
    nouns = [f"{a}{b}" for a in ("task", "board", "sprint", "ticket") for b in ("s of mine", "list", " archive", "")]
    bases = [
        f"Show me {rng.choice(nouns)} that {rng.randrange(10**9)} people and {rng.choice(nouns)} know"
        for _ in range(40)
    ]
    return [f"{rng.choice(bases)}{rng.choice(('', '?', ' now', ' today', ' soon'))}" for _ in range(count)]


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9, 1.0])
def test_minhash_gives_the_same_groups_as_the_exact_search(threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = trigrams(some_texts(400))
    alone = np.arange(400)
    exact = connected(sets, alone, threshold=threshold)
    monkeypatch.setattr(similarity, "EXACT", 0)
    banded = connected(sets, alone, threshold=threshold)
    assert len(set(exact.tolist())) < 400
    assert exact.tolist() == banded.tolist()


def test_only_verified_pairs_join_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "EXACT", 0)
    texts = ["list my open tasks", "list my open task", "remove the old sprint", "what is new here", "say hello"]
    groups = connected(trigrams(texts), np.array([0, 1, 2, 3, 2]), threshold=0.8)
    assert groups[0] == groups[1]
    assert groups[2] == groups[4]
    assert len(set(groups.tolist())) == 3


@pytest.mark.parametrize("bucket", [2, 64])
@pytest.mark.parametrize("exact", [0, 5000])
def test_of_repeated_texts_the_first_of_each_group_stays(
    bucket: int, exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "BUCKET", bucket)
    monkeypatch.setattr(similarity, "EXACT", exact)
    texts = some_texts(120, seed=1)
    groups = np.arange(120) % 3
    found = repeated(trigrams(texts), groups, threshold=0.9)
    kept: list[int] = []
    expected = []
    for i, text in enumerate(texts):
        like = [k for k in kept if groups[k] == groups[i] and slow_cosine(texts[k], text) >= 0.9 - 1e-9]
        if like:
            expected.append((like[0], i))
        else:
            kept.append(i)
    assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True), key=lambda pair: pair[1]) == expected
    assert expected


def test_empty_input() -> None:
    sets = trigrams([])
    assert sets.rows.shape[0] == 0
    assert len(near_duplicates([], threshold=0.9).first) == 0
    assert connected(sets, np.empty(0, np.int64), threshold=0.9).tolist() == []
    assert len(repeated(sets, np.empty(0, np.int64), threshold=0.9).first) == 0
