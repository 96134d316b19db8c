"""Similarity of texts: sets of character trigrams, their cosine, and the groups that similar texts form.

`near_duplicates` and `alike` are exact. `connected` is exact up to EXACT texts; above, MinHash signatures propose the
candidates (Broder 1997; banded as in Leskovec, Rajaraman, Ullman, "Mining of massive datasets", chapter 3), and each is
verified, so that time grows with the number of texts and not with its square. Does not know what the texts are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from platypus.refinement.grouping import Ints, merged

Floats = NDArray[np.float64]

EXACT = 5_000  # most texts for which every pair is considered
MISSED = 1e-4  # share of pairs exactly at the threshold that may share no band
BUCKET = 64  # most texts of one bucket that are compared with each other
EACH = 8  # most of these from one group
BITS = 1024  # of a sketch
PAIRS = 50_000  # pairs processed at once
CELLS = 2_000_000  # set members processed at once
EPSILON = 1e-9


class Pairs(NamedTuple):
    """Pairs of texts, by number, and their cosine (1: they have the same trigrams)."""

    first: Ints
    second: Ints
    likeness: Floats


@dataclass(frozen=True)
class Sets:
    """The trigrams of some texts: a row of ones for each text, a column for each trigram, rare trigrams first."""

    rows: Any  # scipy.sparse.csr_array of int32, columns sorted in each row
    grams: NDArray[np.uint64]  # three code points of 21 bits each

    def __getitem__(self, some: Any) -> "Sets":
        return Sets(self.rows[some], self.grams)

    @cached_property
    def sizes(self) -> Ints:
        """The number of trigrams of each text."""
        sizes: Ints = np.diff(self.rows.indptr).astype(np.int64)
        return sizes

    @cached_property
    def sketches(self) -> NDArray[np.uint64]:
        """Each text's trigrams as BITS bits; several trigrams may share a bit."""
        words = np.zeros((self.rows.shape[0], BITS // 64), np.uint64)
        bits = (scrambled(self.grams) % np.uint64(BITS)).astype(np.uint16)
        for start in range(0, len(words), PAIRS):
            ends = self.rows.indptr[start : start + PAIRS + 1]
            bit = bits[self.rows.indices[ends[0] : ends[-1]]]
            row = np.repeat(np.arange(start, start + len(ends) - 1), np.diff(ends))
            np.bitwise_or.at(words, (row, bit >> 6), np.uint64(1) << (bit & 63).astype(np.uint64))
        return words

    @cached_property
    def unseen(self) -> Ints:
        """For each text, the number of trigrams minus the number of bits: those that the sketch does not show."""
        unseen: Ints = self.sizes - np.bitwise_count(self.sketches).sum(axis=1, dtype=np.int64)
        return unseen


def trigrams(texts: Sequence[str], *, block: int = 20_000) -> Sets:
    """Return the sets of trigrams within words, with a space at both ends of a word: " a ", " li", "lis", "st "."""
    blocks = [_block(texts[start : start + block]) for start in range(0, len(texts), block)]
    grams = _distinct(np.concatenate([part.grams for part in blocks])) if blocks else np.empty(0, np.uint64)
    counts = np.zeros(len(grams), np.int64)
    for part in blocks:
        counts[np.searchsorted(grams, part.grams)] += np.bincount(part.column, minlength=len(part.grams))
    by_rarity = np.argsort(counts, kind="stable")
    place = np.empty(len(grams), np.int32)
    place[by_rarity] = np.arange(len(grams), dtype=np.int32)
    columns = [place[np.searchsorted(grams, part.grams)][part.column] for part in blocks]
    ends = np.concatenate([[0], *(part.sizes for part in blocks)]).cumsum()
    indices = np.concatenate(columns) if blocks else np.empty(0, np.int32)
    rows = csr_array((np.ones(len(indices), np.int32), indices, ends), shape=(len(texts), len(grams)))
    rows.sort_indices()
    return Sets(rows, grams[by_rarity])


class _Block(NamedTuple):
    grams: NDArray[np.uint64]
    column: NDArray[np.int32]  # of each set member, row after row
    sizes: Ints


def _block(texts: Sequence[str]) -> _Block:
    spaced = [f" {' '.join(text.lower().split())} " for text in texts]
    points = np.frombuffer("".join(spaced).encode("utf-32-le"), np.uint32).astype(np.uint64)
    row = np.repeat(np.arange(len(texts)), np.fromiter(map(len, spaced), np.int64, len(spaced)))[:-2]
    gram = (points[:-2] << np.uint64(42)) | (points[1:-1] << np.uint64(21)) | points[2:]
    within = points[1:-1] != ord(" ")  # so that no trigram spans two words or texts
    grams = _distinct(gram[within])
    members = _distinct(row[within] * len(grams) + np.searchsorted(grams, gram[within]))
    return _Block(
        grams, (members % len(grams)).astype(np.int32), np.bincount(members // len(grams), minlength=len(texts))
    )


def _distinct(values: Any) -> Any:
    """The distinct values in order; sorting is several times faster here than the hashes of `numpy.unique`."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


# ---------------------------------------------------------------- every pair


def near_duplicates(texts: Sequence[str], *, threshold: float, block: int = 2000) -> Pairs:
    """Return every pair of texts (none blank) whose trigram sets have a cosine of at least `threshold`."""
    sets = trigrams(texts)
    return _concatenated(_later(pairs) for pairs in alike(sets, sets, threshold=threshold, block=block))


def _later(pairs: Pairs) -> Pairs:
    """The pairs whose first text comes before the second."""
    return _select(pairs, pairs.first < pairs.second)


def _select(pairs: Pairs, some: Any) -> Pairs:
    return Pairs(pairs.first[some], pairs.second[some], pairs.likeness[some])


def _concatenated(parts: Iterator[Pairs]) -> Pairs:
    """All pairs, ordered by the first, then the second text."""
    empty = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    columns = [np.concatenate(column) for column in zip(empty, *parts, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return Pairs(*(column[order] for column in columns))


def alike(left: Sets, right: Sets, *, threshold: float, block: int = 2000) -> Iterator[Pairs]:
    """Yield every pair of a left and a right text, of one `trigrams` call, with cosine ≥ `threshold`; in blocks.

    Exact, by prefix filtering (Bayardo et al., "Scaling up all pairs similarity search", WWW 2007): sets with
    |x ∩ y| ≥ t·√(|x|·|y|) have in common at least one of the |x| - ⌈t²·|x|⌉ + 1 rarest members of x and of as many
    of y, and, beyond those prefixes, at most as many members as the larger of both rests.
    """
    begins, others = _prefixes(left, threshold), _prefixes(right, threshold)
    rest, other_rest = left.sizes - np.diff(begins.indptr), right.sizes - np.diff(others.indptr)
    others = others.T.tocsr()
    for start in range(0, left.rows.shape[0], block):
        common = (begins[start : start + block] @ others).tocoo()
        first, second = common.row.astype(np.int64) + start, common.col.astype(np.int64)
        needed = threshold * np.sqrt(left.sizes[first] * right.sizes[second]) - EPSILON
        possible = common.data + np.maximum(rest[first], other_rest[second]) >= needed
        possible &= np.minimum(left.sizes[first], right.sizes[second]) >= needed
        yield _verified(left, right, first[possible], second[possible], threshold)


def _prefixes(sets: Sets, threshold: float) -> Any:
    """The rarest members of each set: two sets above the threshold have at least one of these in common."""
    lengths = sets.sizes - np.ceil(threshold**2 * sets.sizes - EPSILON).astype(np.int64) + 1
    ends = np.concatenate([[0], lengths.cumsum()])
    members = np.repeat(sets.rows.indptr[:-1] - ends[:-1], lengths) + np.arange(ends[-1])
    indices = sets.rows.indices[members]
    return csr_array((np.ones(len(indices), np.int32), indices, ends), shape=sets.rows.shape)


def _verified(left: Sets, right: Sets, first: Ints, second: Ints, threshold: float) -> Pairs:
    """The candidate pairs with a cosine of at least `threshold`.

    The common bits of two sketches, plus the trigrams that either does not show, are an upper bound for the common
    trigrams; this rules out most candidates.
    """
    parts = []
    for start in range(0, len(first), PAIRS):
        a, b = first[start : start + PAIRS], second[start : start + PAIRS]
        roots = np.sqrt(left.sizes[a] * right.sizes[b])
        shared_bits = np.bitwise_count(left.sketches[a] & right.sketches[b]).sum(axis=1, dtype=np.int32)
        possible = shared_bits + np.minimum(left.unseen[a], right.unseen[b]) >= threshold * roots - EPSILON
        a, b = a[possible], b[possible]
        cosine = np.asarray(left.rows[a].multiply(right.rows[b]).sum(axis=1)).ravel() / roots[possible]
        parts.append(_select(Pairs(a, b, cosine), cosine >= threshold - EPSILON))
    return _concatenated(iter(parts))


# ---------------------------------------------------------------- groups of similar texts


def connected(sets: Sets, groups: Ints, *, threshold: float) -> Ints:
    """Return the groups, one number from 0 for each text, with groups joined if texts of both are similar."""
    if sets.rows.shape[0] <= EXACT:
        for pairs in alike(sets, sets, threshold=threshold, block=500):
            groups = merged(groups, pairs.first, pairs.second)
        return groups
    signatures = _signatures(sets, threshold)
    for band in range(0, signatures.values.shape[1], signatures.width):
        key = _mixed(signatures.values[:, band : band + signatures.width])
        candidates = _candidates(key, groups)
        pairs = _concatenated(_verified(sets, sets, first, second, threshold) for first, second in candidates)
        groups = merged(groups, pairs.first, pairs.second)
    return groups


class _Signatures(NamedTuple):
    values: NDArray[np.uint32]  # a row for each text
    width: int  # columns of a band


def _signatures(sets: Sets, threshold: float) -> _Signatures:
    """MinHash values, in enough bands that only MISSED of the pairs at the threshold share no band."""
    least = min(threshold**2, 1 - EPSILON)
    bands = {width: int(np.ceil(np.log(MISSED) / np.log1p(-(least**width)))) for width in range(1, 9)}
    width = max(width for width, count in bands.items() if width == 1 or width * count <= 96)
    count = width * bands[width]
    seeds = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    hashes = (scrambled(sets.grams[:, None] ^ scrambled(seeds)) >> np.uint64(32)).astype(np.uint32)
    values = np.empty((sets.rows.shape[0], count), np.uint32)
    step = max(1, CELLS // (count * max(1, int(sets.sizes.mean()))))
    for start in range(0, len(values), step):
        ends = sets.rows.indptr[start : start + step + 1]
        members = hashes[sets.rows.indices[ends[0] : ends[-1]]]
        values[start : start + step] = np.minimum.reduceat(members, ends[:-1] - ends[0], axis=0)
    return _Signatures(values, width)


def scrambled(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _mixed(band: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One hash for each row of a band."""
    key = np.zeros(len(band), np.uint64)
    for column in band.T:
        key = scrambled(key ^ column)
    return key


def _candidates(key: NDArray[np.uint64], groups: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of texts with the same key from different groups; from a large bucket, a sample of all its groups."""
    order = np.argsort(key, kind="stable")
    begins = np.flatnonzero(np.diff(key[order], prepend=~key[order[:1]]))
    bucket = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(order)))
    group = groups[order]
    is_mixed = np.minimum.reduceat(group, begins) != np.maximum.reduceat(group, begins)
    order, bucket, group = order[is_mixed[bucket]], bucket[is_mixed[bucket]], group[is_mixed[bucket]]
    sort = np.lexsort((order, group, bucket))
    position = _position_in_run(bucket[sort], group[sort])
    sampled = sort[position < EACH]
    sampled = sampled[np.lexsort((group[sampled], position[position < EACH], bucket[sampled]))]
    sampled = sampled[_position_in_run(bucket[sampled]) < BUCKET]
    order, bucket, group = order[sampled], bucket[sampled], group[sampled]
    for shift in range(1, BUCKET):
        together = bucket[:-shift] == bucket[shift:]
        if not together.any():
            break
        together &= group[:-shift] != group[shift:]
        yield order[:-shift][together], order[shift:][together]


def _position_in_run(*keys: Ints) -> Ints:
    """For each position, its place in the run of equal keys to which it belongs, from 0."""
    new = np.zeros(len(keys[0]), bool)
    for key in keys:
        new |= np.diff(key, prepend=-1) != 0
    begins = np.flatnonzero(new)
    return np.arange(len(new)) - np.repeat(begins, np.diff(begins, append=len(new)))


# ---------------------------------------------------------------- redundant texts


def repeated(sets: Sets, groups: Ints, *, threshold: float) -> Pairs:
    """Return pairs of a text that stays and a later one of its group that is similar to it and can be removed.

    Earlier texts are better. Exact within each group of at most EXACT.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    is_large = sizes[groups[order]] > BUCKET
    small = order[~is_large]
    parts = [_of_small(sets, small, groups[small], threshold)]
    in_large, number = order[is_large], groups[order[is_large]]
    for members in np.split(in_large, np.flatnonzero(np.diff(number)) + 1) if len(in_large) else ():
        pairs = _of_large(sets[members], threshold)
        parts.append(Pairs(members[pairs.first], members[pairs.second], pairs.likeness))
    return _redundant(_concatenated(iter(parts)))


def _of_large(sets: Sets, threshold: float) -> Pairs:
    """Pairs of one large group, searched within its connected parts."""
    everything = np.arange(sets.rows.shape[0])
    parts = connected(sets, everything, threshold=threshold) if len(everything) > EXACT else np.zeros_like(everything)
    if parts.any():
        return repeated(sets, parts, threshold=threshold)
    return _concatenated(_later(pairs) for pairs in alike(sets, sets, threshold=threshold, block=500))


def _of_small(sets: Sets, order: Ints, groups: Ints, threshold: float) -> Pairs:
    """All pairs of small groups; `order` has the texts of one group in a row."""
    parts = []
    for shift in range(1, BUCKET):
        together = groups[:-shift] == groups[shift:]
        if not together.any():
            break
        first, second = order[:-shift][together], order[shift:][together]
        parts.append(_verified(sets, sets, first, second, threshold))
    return _concatenated(iter(parts))


def _redundant(pairs: Pairs) -> Pairs:
    """Of ordered pairs, one for each second text whose first text stays."""
    removed: set[int] = set()
    chosen = []
    for i, (first, second) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
        if first not in removed and second not in removed:
            removed.add(second)
            chosen.append(i)
    return _select(pairs, np.array(chosen, np.int64))
