"""The state of a plan that is being decoded: which tokens are legal next, and which are forced.

A token is legal if the grammar allows it; if it continues the canonical tokenisation (the ids that the tokenizer gives
for the text, so that the model reads the tokens of its training); if it makes no two elements equal that must differ,
and no marker that the request does not have; and if a legal token can follow it. That is found by a look-ahead of
bounded work. Its path is remembered, so that every plan that is begun can be ended. Where no token is canonical, that
rule is waived until the next word, and the waiver is counted. This module knows no model.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
from llguidance import LLMatcher, LLParserLimits
from numpy.typing import NDArray

from platypus.catalogue.tools import Catalogue
from platypus.decoding.grammar.plans import Grammar, plan_grammar
from platypus.decoding.path_memory import Beginning, Found, PathMemory
from platypus.decoding.uniqueness import UniquenessTracker
from platypus.decoding.vocabulary import Ids, Vocabulary
from platypus.errors import CatalogueError
from platypus.plan.notation import Notation

FEW = 40  # up to this many allowed tokens are checked one by one; more mean free text, which can always go on
TRIED = 512  # tokens checked before the canonical tokenisation is waived
DEPTH = 6  # tokens of look-ahead for a canonical continuation, where nothing has to differ
NODES = 300  # tokens that the look-ahead from one token may visit
MOST_NODES = 3000  # the same for all tokens of a step together; FEW_NODES of each token are not counted
FEW_NODES = 8
NEGLIGIBLE = 1e-6  # share of the probability below which the rest of a distribution is left out
MAX_COMPILED = 16  # compiled grammars kept in memory
LIMITS = LLParserLimits(max_grammar_size=2_000_000, verbose_errors=False)

_SPACE = re.compile(rb" [^ ]")


@dataclass(frozen=True)
class Constraint:
    """The valid plans of a catalogue over a vocabulary, compiled."""

    vocabulary: Vocabulary
    catalogue: Catalogue
    notation: Notation
    grammar: Grammar
    matcher: LLMatcher
    distinct: UniquenessTracker
    memory: PathMemory = field(default_factory=PathMemory, compare=False)

    @staticmethod
    def compile(
        vocabulary: Vocabulary,
        catalogue: Catalogue,
        notation: Notation,
        *,
        max_steps: int,
        markers: bool = False,
        empty: bool = True,
    ) -> "Constraint":
        """The constraint, compiled or from memory: the last few constraints are kept. `empty` allows the empty plan.

        Raises CatalogueError if the grammar is refused or exceeds the limits of time and size.
        """
        return _compiled(vocabulary, catalogue, notation, max_steps, markers, empty)

    def start(self, named: Sequence[str] = ()) -> "ConstraintState":
        """The state of an empty plan, for a request whose markers stand for the texts `named`."""
        kind = tuple(named) if self.distinct.compares else len(named)  # else only their number matters
        memory = self.memory, self.memory.root(kind)
        return ConstraintState(self.vocabulary, self.matcher.deep_copy(), self.distinct.of(named), memory)


class ConstraintState:
    """One plan during decoding: the ids so far, and what may follow. It has `ended` once they hold the end token.

    `noncanonical_tokens` counts the places where no token was canonical.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        matcher: LLMatcher,
        distinct: UniquenessTracker,
        memory: tuple[PathMemory, Beginning],
    ) -> None:
        self.vocabulary = vocabulary
        self.ids: list[int] = []
        self.noncanonical_tokens = 0
        self._written = bytearray()  # the bytes of the ids
        self._matcher, self._distinct = matcher, distinct
        self._memory: PathMemory = memory[0]
        self._beginning: Beginning = memory[1]
        self._recent: (
            tuple[int, ...] | None
        ) = ()  # the last ids, as many as decide what is canonical; None: the rule is waived
        self._candidates: Ids | None = None
        self._known: tuple[int, ...] = ()  # tokens that can follow, from an earlier look-ahead
        self._paths: dict[
            int, tuple[int, ...] | None
        ] = {}  # for each token that was checked, tokens that can follow it
        self._nodes = MOST_NODES

    def copy(self) -> "ConstraintState":
        """An independent copy."""
        memory = self._memory, self._beginning
        new = ConstraintState(self.vocabulary, self._matcher.deep_copy(), self._distinct.copy(), memory)
        new.ids, new.noncanonical_tokens = self.ids.copy(), self.noncanonical_tokens
        new._written = self._written.copy()
        new._recent, new._candidates, new._known = self._recent, self._candidates, self._known
        new._paths, new._nodes = self._paths.copy(), self._nodes
        return new

    @property
    def ended(self) -> bool:
        """Whether the plan is complete."""
        return bool(self.ids) and self.ids[-1] == self.vocabulary.end

    @property
    def text(self) -> str:
        """The text so far, without a last character whose bytes are incomplete."""
        return self._written.decode(errors="ignore").removeprefix(self.vocabulary.lead)

    def candidates(self) -> Ids:
        """The tokens that the grammar allows next."""
        if self._candidates is None:
            self._candidates = self._beginning.candidates
        if self._candidates is None:
            self._candidates = _allowed(self.vocabulary, self._matcher)
            if len(self._candidates) <= FEW:
                self._beginning.candidates = self._candidates
        return self._candidates

    def append(self, token: int) -> None:
        """Append a legal token."""
        if token != self.vocabulary.end:
            self._matcher.consume_token(token)
            self._written += self.vocabulary.token(token)
            self._distinct.read(self.vocabulary.token(token))
        self.ids.append(token)
        follows = self._known[1:] if self._known[:1] == (token,) else ()
        self._known = self._paths.get(token) or follows
        self._beginning = self._memory.after(self._beginning, token)
        if self._beginning.recent is None:
            self._beginning.recent = _after(self.vocabulary, self._recent, token)
        self._recent = self._beginning.recent
        self._candidates, self._paths, self._nodes = None, {}, MOST_NODES

    def legal(self, tokens: Ids) -> list[int]:
        """The legal ones of these candidates."""
        return [token for token in map(int, tokens) if self._path(token) is not None]

    def _waived(self, tokens: Iterable[int]) -> list[int]:
        """The legal ones of these tokens where none is canonical; the rule is waived until the next word."""
        self.noncanonical_tokens += self._recent is not None
        self._recent, self._paths, self._nodes = None, {}, MOST_NODES
        self._memory, self._beginning = PathMemory(), Beginning()  # what others found is under the rule
        tokens = [int(token) for token in tokens]
        distinct = [token for token in tokens if self._path(token) is not None]
        legal = distinct or [token for token in tokens if self._distinct.copy().read(self.vocabulary.token(token))]
        assert legal, f"dead end after {self.text!r}"  # grammar and look-ahead should prevent this
        return legal

    def forced(self) -> list[int]:
        """Append the tokens that are forced, and return them."""
        start = len(self.ids)
        while not self.ended:
            self._skip()
            candidates = self.candidates()
            if len(candidates) > FEW:
                break
            legal = (token for token in map(int, candidates) if self._path(token) is not None)
            first_two = list(islice(legal, 2)) or self._waived(candidates)
            if len(first_two) != 1:
                break
            self.append(first_two[0])
        return self.ids[start:]

    def best(self, scores: NDArray[np.floating]) -> int:
        """The legal token with the highest score; `scores` has one score per token of the vocabulary."""
        return self._first(_descending(scores, self.candidates()))

    def ranked(self, scores: NDArray[np.floating]) -> Iterator[int]:
        """The legal tokens by descending score, lazily."""
        best = self.best(scores)
        yield best
        others = (token for token in _descending(scores, self.candidates()) if token != best)
        yield from (token for token in others if self._path(token) is not None)

    def distribution(self, logits: NDArray[np.floating]) -> tuple[list[int], NDArray[np.float64]]:
        """The legal tokens, likeliest first, and their log-probabilities, normalised over the legal tokens.

        In free text, the unlikeliest tokens are left out, which together have less than a millionth.
        """
        candidates = self.candidates()
        scores = logits[candidates].astype(np.float64)
        weights = np.exp(scores - scores.max())
        legal: list[int] = []
        legal_weight, rest = 0.0, float(weights.sum())
        few = set(self.legal(candidates) or self._waived(candidates)) if len(candidates) <= FEW else None
        for place in np.argsort(-weights, kind="stable"):
            token, weight = int(candidates[place]), float(weights[place])
            rest -= weight
            if token in few if few is not None else self._path(token) is not None:
                legal.append(token)
                legal_weight += weight
            if few is None and rest < NEGLIGIBLE * legal_weight:
                break
        return legal, logits[legal].astype(np.float64) - scores.max() - np.log(legal_weight)

    def shortest(self) -> int:
        """A legal token that leads to a soon end of the plan, chosen without a model."""
        candidates = self.candidates()
        if self.vocabulary.end in candidates:
            return self.vocabulary.end
        turn = 7919 * len(self.ids)  # varies the choice, so that a loop of a regular expression comes to an end
        return self._first(self.vocabulary.soonest(candidates, in_text=self._distinct.in_text, turn=turn))

    def _first(self, tokens: Iterable[int]) -> int:
        """The first legal token. If none of the first TRIED is, one that is known to work, or one under the waiver."""
        rejected = []
        for token in islice(tokens, TRIED):
            if self._path(token) is not None:
                return token
            rejected.append(token)
        return self._known[0] if self._known else self._waived(rejected)[0]

    # ------------------------------------------------------------ what can follow

    def _path(self, token: int) -> tuple[int, ...] | None:
        """Tokens that can follow this one, as far as the look-ahead needs to go; None if it is a dead end."""
        if token not in self._paths:
            found = self._look_ahead(token, max(FEW_NODES, min(NODES, self._nodes)))
            self._nodes -= max(0, found.visited - FEW_NODES)
            known = found.path is None and self._known[:1] == (token,)
            self._paths[token] = self._known[1:] if known else found.path
        return self._paths[token]

    def _look_ahead(self, token: int, allowance: int) -> Found:
        """What a look-ahead from this token finds that may visit so many nodes."""
        search = _Search(self.vocabulary, self._memory, allowance)
        return search.path(_Place(self._matcher, self._distinct, self._recent, self._beginning), token, DEPTH)

    def _skip(self) -> None:
        """Append the forced text up to its last space; after that, the tokens depend on what follows."""
        forced = self._matcher.compute_ff_bytes()
        if self._recent is None or not _SPACE.search(forced):
            return
        ids = self.vocabulary.continuation(self._recent, forced) or ()
        for token in ids[: self.vocabulary.last_word(ids)]:
            self.append(token)


class _Place(NamedTuple):
    """Where a look-ahead is: what its tokens so far lead to, and what is known there."""

    matcher: LLMatcher
    distinct: UniquenessTracker
    recent: tuple[int, ...] | None
    beginning: Beginning


class _Search:
    """A depth-first look-ahead that tries the soonest end first; `nodes` is how many more tokens it may visit.

    `cut` says whether what was found last depends on its depth. What is found on the way is kept, since plans come by
    there next. Nodes that are known count as visited, so it finds the same with and without what is kept.
    """

    def __init__(self, vocabulary: Vocabulary, memory: PathMemory, nodes: int) -> None:
        self.vocabulary, self.memory, self.nodes, self.cut = vocabulary, memory, nodes, False

    def path(self, place: _Place, token: int, depth: int) -> Found:
        """What `_explored` finds, explored or known."""
        found = place.beginning.known(token, depth, self.nodes)
        if found is None:
            allowance, self.cut = self.nodes, False
            path = self._explored(place, token, depth)
            found = Found(path, allowance, allowance - self.nodes, depth, self.cut)
            place.beginning.keep(token, found)
        else:
            self.nodes, self.cut = self.nodes - found.visited, found.cut
        return found

    def _explored(self, place: _Place, token: int, depth: int) -> tuple[int, ...] | None:
        """Tokens after this one, up to a point from which the plan can surely go on; None if there is none.

        Such a point is free text where nothing has to differ, or `depth` tokens ahead. Text that has to differ is
        accepted once it can continue in more ways than there are elements to differ from. Forced text is checked only
        up to a space, since no token spans one.
        """
        if token == self.vocabulary.end:
            return ()
        matcher, distinct, recent, beginning = place
        then = distinct.copy()
        if not then.read(self.vocabulary.token(token)):
            return None
        if not self.nodes or (recent is not None and not self.vocabulary.continues(recent, token)):
            return None
        self.nodes -= 1
        after = matcher.deep_copy()  # rolling back instead would leave a wrong mask
        after.consume_token(token)
        if after.is_error():
            raise _too_complex(after.get_error())
        if then.is_settled and (recent is None or depth == 0):
            self.cut = recent is not None
            return ()
        forced = after.compute_ff_bytes() if then.is_settled and recent is not None else b""
        if recent is not None and _SPACE.search(forced):
            return None if self.vocabulary.continuation((*recent, token), forced) is None else ()
        longer = self.memory.after(beginning, token)
        following = longer.candidates
        if following is None:
            following = _allowed(self.vocabulary, after)
            if len(following) <= FEW:
                longer.candidates = following
        if then.is_settled or (then.in_text and self._differs(after, following, then.seen)):
            if recent is None or depth == 0 or len(following) > FEW:
                self.cut = recent is not None and len(following) <= FEW
                return ()
            depth -= 1
        now = _Place(after, then, _after(self.vocabulary, recent, token), longer)
        for more in islice(self.vocabulary.soonest(following, in_text=then.in_text, turn=then.seen), TRIED):
            path = self.path(now, more, depth).path
            if path is not None:
                return (more, *path)
        return None

    def _differs(self, matcher: LLMatcher, following: Ids, others: int) -> bool:
        """Whether open text can continue in more ways than there are `others`, so that one of them differs from all.

        Counts beginnings with different bytes, breadth first: each can be completed, and no two to the same text.
        """
        beginnings = [(matcher, token) for token in self.vocabulary.by_first_byte(following)]
        ends = 0
        while beginnings and len(beginnings) + ends <= others and self.nodes:
            before, token = beginnings.pop(0)
            if self.vocabulary.token(token)[:1] == b'"':
                ends += 1
                continue
            self.nodes -= 1
            after = before.deep_copy()
            after.consume_token(token)
            beginnings += ((after, more) for more in self.vocabulary.by_first_byte(_allowed(self.vocabulary, after)))
        return len(beginnings) + ends > others


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(
    vocabulary: Vocabulary, catalogue: Catalogue, notation: Notation, max_steps: int, markers: bool, empty: bool
) -> Constraint:
    grammar = plan_grammar(catalogue, notation, max_steps=max_steps, lead=vocabulary.lead, markers=markers, empty=empty)
    matcher = LLMatcher(vocabulary.tokens, grammar.lark, log_level=0, limits=LIMITS)
    matcher.compute_bitmask()  # some limits show only in use
    if matcher.is_error():
        raise _too_complex(matcher.get_error())
    return Constraint(vocabulary, catalogue, notation, grammar, matcher, UniquenessTracker(catalogue, notation))


def _too_complex(error: str) -> CatalogueError:
    """The error for a limit of the grammar engine, in its words. Decoding never goes on without the grammar."""
    fault = error.partition("\n")[0].removeprefix("panic: ")
    return CatalogueError(
        f"the grammar of its plans is too large: {fault}",
        remedy="Show each request fewer tools (`max_tools` under [decode]), simplify their schemas,"
        " or decode without a grammar (`--decoding free`).",
    )


def _after(vocabulary: Vocabulary, recent: tuple[int, ...] | None, token: int) -> tuple[int, ...] | None:
    """The recent ids after one more token. A waiver (None) ends at the next word."""
    if recent is None:
        return (token,) if vocabulary.begins_word(token) else None
    return vocabulary.recent((*recent, token))


def _allowed(vocabulary: Vocabulary, matcher: LLMatcher) -> Ids:
    """The tokens that the grammar allows. Raises CatalogueError at a limit, where llguidance would allow the end."""
    mask = np.frombuffer(matcher.compute_bitmask(), np.uint8)
    if matcher.is_error():
        raise _too_complex(matcher.get_error())
    octets = mask[: len(vocabulary.usable_bits)] & vocabulary.usable_bits
    some = np.flatnonzero(octets)  # mostly few
    rows, bits = np.unpackbits(octets[some, None], axis=1, bitorder="little").nonzero()
    return 8 * some[rows] + bits


def _descending(scores: NDArray[np.floating], tokens: Ids) -> Iterator[int]:
    """The tokens by descending score, lazily, because usually only few are needed."""
    remaining = scores[tokens]
    for _ in tokens:
        place = int(remaining.argmax())
        yield int(tokens[place])
        remaining[place] = -np.inf
