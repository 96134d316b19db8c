"""A plan as it is decoded, token by token: which tokens may come next, and which one must.

A token may come next when the grammar allows it, when it goes on with the canonical tokenisation (the ids so far are
those that the tokenizer gives for their text, so a model sees what it saw in training), when it makes no two equal
elements where they must differ and no marker that the request lacks, and when something can follow of which the same is
true. What can follow is looked for with a bound on the work; what was found is kept, so that a plan that was let begin
can be ended. Where no token is canonical that is waived, and counted, up to the next word. Knows no model.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from llguidance import LLMatcher, LLParserLimits
from numpy.typing import NDArray

from platypus.catalogue.tools import Catalogue
from platypus.decoding.grammar.plans import Grammar, plan_grammar
from platypus.decoding.uniqueness import UniquenessTracker
from platypus.decoding.vocabulary import Ids, Vocabulary
from platypus.errors import CatalogueError
from platypus.plan.notation import Notation

FEW = 40  # of so many legal tokens each is looked at; more are taken to be text that can go on as it likes
TRIED = 512  # tokens looked at before the canonical tokenisation is waived
DEPTH = 6  # how many tokens ahead a canonical continuation is looked for where nothing has to differ
NODES = 300  # tokens looked at to see whether one token can be followed up
MOST_NODES = 3000  # the same for all tokens of a step, but for the first few of each
FEW_NODES = 8
NEGLIGIBLE = 1e-6
KEPT = 16  # compiled grammars kept in memory
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

    @staticmethod
    def compile(
        vocabulary: Vocabulary, catalogue: Catalogue, notation: Notation, *, max_steps: int, markers: bool = False
    ) -> "Constraint":
        """The constraint; the last few are kept, so that the same one is compiled once.

        Raises CatalogueError when the grammar is refused or larger than the limits of time and size.
        """
        return _compiled(vocabulary, catalogue, notation, max_steps, markers)

    def start(self, named: Sequence[str] = ()) -> "ConstraintState":
        """A plan that is not begun, for a request whose markers stand for these texts."""
        return ConstraintState(self.vocabulary, self.matcher.deep_copy(), self.distinct.of(named))


class ConstraintState:
    """One plan under way: the ids so far, and what may follow. `ended` when the end token is among them.

    `noncanonical_tokens` counts the places where no token was canonical.
    """

    def __init__(self, vocabulary: Vocabulary, matcher: LLMatcher, distinct: UniquenessTracker) -> None:
        self.vocabulary = vocabulary
        self.ids: list[int] = []
        self.noncanonical_tokens = 0
        self._matcher, self._distinct = matcher, distinct
        self._recent: tuple[int, ...] | None = ()  # the last ids, as far as they matter; None: all counts as canonical
        self._candidates: Ids | None = None
        self._known: tuple[int, ...] = ()  # tokens that can follow, from an earlier look ahead
        self._paths: dict[int, tuple[int, ...] | None] = {}  # for each token that was looked at, what can follow it
        self._nodes = MOST_NODES

    def copy(self) -> "ConstraintState":
        """The same plan, to be continued otherwise."""
        new = ConstraintState(self.vocabulary, self._matcher.deep_copy(), self._distinct.copy())
        new.ids, new.noncanonical_tokens = self.ids.copy(), self.noncanonical_tokens
        new._recent, new._candidates, new._known = self._recent, self._candidates, self._known
        new._paths, new._nodes = self._paths.copy(), self._nodes
        return new

    @property
    def ended(self) -> bool:
        """Whether the plan is complete."""
        return bool(self.ids) and self.ids[-1] == self.vocabulary.end

    @property
    def text(self) -> str:
        """The plan so far; a character whose last bytes are still to come is left out."""
        ids = self.ids[:-1] if self.ended else self.ids
        return self.vocabulary.decode(ids).decode(errors="ignore").removeprefix(self.vocabulary.lead)

    def candidates(self) -> Ids:
        """The tokens that the grammar allows next."""
        if self._candidates is None:
            self._candidates = _allowed(self.vocabulary, self._matcher)
        return self._candidates

    def append(self, token: int) -> None:
        """Go on with a token that is legal."""
        if token != self.vocabulary.end:
            self._matcher.consume_token(token)
            self._distinct.read(self.vocabulary.token(token))
        self.ids.append(token)
        follows = self._known[1:] if self._known[:1] == (token,) else ()
        self._known = self._paths.get(token) or follows
        self._recent = _after(self.vocabulary, self._recent, token)
        self._candidates, self._paths, self._nodes = None, {}, MOST_NODES

    def legal(self, tokens: Ids) -> list[int]:
        """Those of the grammar's candidates that may come next."""
        return [token for token in map(int, tokens) if self._path(token) is not None]

    def _waived(self, tokens: Iterable[int]) -> list[int]:
        """Those that may come next where none is canonical. Until the next word, all are taken to be."""
        self.noncanonical_tokens += self._recent is not None
        self._recent, self._paths, self._nodes = None, {}, MOST_NODES
        tokens = [int(token) for token in tokens]
        distinct = [token for token in tokens if self._path(token) is not None]
        legal = distinct or [token for token in tokens if self._distinct.copy().read(self.vocabulary.token(token))]
        assert legal, f"dead end after {self.text!r}"  # what the grammar and the look ahead are there to prevent
        return legal

    def forced(self) -> list[int]:
        """Append all that must come next, and return it."""
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
        """The legal token of the highest score; `scores` has one for each token of the vocabulary."""
        return self._first(_descending(scores, self.candidates()))

    def ranked(self, scores: NDArray[np.floating]) -> Iterator[int]:
        """The legal tokens by falling score, found one by one."""
        first = self.best(scores)
        yield first
        others = (token for token in _descending(scores, self.candidates()) if token != first)
        yield from (token for token in others if self._path(token) is not None)

    def distribution(self, logits: NDArray[np.floating]) -> tuple[list[int], NDArray[np.float64]]:
        """The legal tokens, likeliest first, and the logarithms of their probabilities, which sum to one.

        Of text that can go on as it likes, tokens are left out that together have less than a millionth.
        """
        candidates = self.candidates()
        scores = logits[candidates].astype(np.float64)
        weights = np.exp(scores - scores.max())
        legal: list[int] = []
        kept, rest = 0.0, float(weights.sum())
        few = set(self.legal(candidates) or self._waived(candidates)) if len(candidates) <= FEW else None
        for place in np.argsort(-weights, kind="stable"):
            token, weight = int(candidates[place]), float(weights[place])
            rest -= weight
            if token in few if few is not None else self._path(token) is not None:
                legal.append(token)
                kept += weight
            if few is None and rest < NEGLIGIBLE * kept:
                break
        return legal, logits[legal].astype(np.float64) - scores.max() - np.log(kept)

    def shortest(self) -> int:
        """A legal token on the way to the soonest end, whatever a model would say."""
        candidates = self.candidates()
        if self.vocabulary.end in candidates:
            return self.vocabulary.end
        turn = 7919 * len(self.ids)  # so that no loop of an expression is taken for ever
        return self._first(self.vocabulary.soonest(candidates, in_text=self._distinct.in_text, turn=turn))

    def _first(self, tokens: Iterable[int]) -> int:
        """The first token that may come next; where none of hundreds may, one that is known to do, or a waived one."""
        tried = []
        for token in islice(tokens, TRIED):
            if self._path(token) is not None:
                return token
            tried.append(token)
        return self._known[0] if self._known else self._waived(tried)[0]

    # ------------------------------------------------------------ what can follow

    def _path(self, token: int) -> tuple[int, ...] | None:
        """Tokens that can follow this one, as far as one has to look ahead; None when none were found."""
        if token not in self._paths:
            allowance = max(FEW_NODES, min(NODES, self._nodes))
            search = _Search(self.vocabulary, allowance)
            path = search.path(self._matcher, self._distinct, self._recent, token, DEPTH)
            self._nodes -= max(0, allowance - search.nodes - FEW_NODES)
            self._paths[token] = self._known[1:] if path is None and self._known[:1] == (token,) else path
        return self._paths[token]

    def _skip(self) -> None:
        """Append what is forced up to the last space in it; beyond, tokens depend on what follows."""
        forced = self._matcher.compute_ff_bytes()
        if self._recent is None or not _SPACE.search(forced):
            return
        ids = self.vocabulary.continuation(self._recent, forced) or ()
        for token in ids[: self.vocabulary.last_word(ids)]:
            self.append(token)


class _Search:
    """A look ahead, depth first, the soonest end first; `nodes` is how many more tokens it may look at."""

    def __init__(self, vocabulary: Vocabulary, nodes: int) -> None:
        self.vocabulary, self.nodes = vocabulary, nodes

    def path(
        self, matcher: LLMatcher, distinct: UniquenessTracker, recent: tuple[int, ...] | None, token: int, depth: int
    ) -> tuple[int, ...] | None:
        """Tokens after this one up to where nothing has to differ any more and text goes on as it likes, or `depth`.

        Text that can go on in more ways than there are elements from which it must differ does differ. What the
        grammar forces next is looked at up to a space: no token spans one.
        """
        if token == self.vocabulary.end:
            return ()
        then = distinct.copy()
        if not then.read(self.vocabulary.token(token)):
            return None
        if not self.nodes or (recent is not None and not self.vocabulary.continues(recent, token)):
            return None
        self.nodes -= 1
        after = matcher.deep_copy()  # a rollback would leave a mask that is not true
        after.consume_token(token)
        if after.is_error():
            raise _too_complex(after.get_error())
        if then.is_settled and (recent is None or depth == 0):
            return ()
        forced = after.compute_ff_bytes() if then.is_settled and recent is not None else b""
        if recent is not None and _SPACE.search(forced):
            return None if self.vocabulary.continuation((*recent, token), forced) is None else ()
        following = _allowed(self.vocabulary, after)
        if then.is_settled or (then.in_text and self._differs(after, following, then.seen)):
            if recent is None or depth == 0 or len(following) > FEW:
                return ()
            depth -= 1
        now = _after(self.vocabulary, recent, token)
        for more in islice(self.vocabulary.soonest(following, in_text=then.in_text, turn=then.seen), TRIED):
            path = self.path(after, then, now, more, depth)
            if path is not None:
                return (more, *path)
        return None

    def _differs(self, matcher: LLMatcher, following: Ids, others: int) -> bool:
        """Whether open text can go on in more ways than there are others, so that one of them differs from all.

        Beginnings are told apart by their bytes, breadth first: each one has an end, and no two the same.
        """
        open_ways = [(matcher, token) for token in self.vocabulary.by_first_byte(following)]
        ends = 0
        while open_ways and len(open_ways) + ends <= others and self.nodes:
            before, token = open_ways.pop(0)
            if self.vocabulary.token(token)[:1] == b'"':
                ends += 1
                continue
            self.nodes -= 1
            after = before.deep_copy()
            after.consume_token(token)
            open_ways += ((after, more) for more in self.vocabulary.by_first_byte(_allowed(self.vocabulary, after)))
        return len(open_ways) + ends > others


@lru_cache(maxsize=KEPT)
def _compiled(
    vocabulary: Vocabulary, catalogue: Catalogue, notation: Notation, max_steps: int, markers: bool
) -> Constraint:
    grammar = plan_grammar(catalogue, notation, max_steps=max_steps, lead=vocabulary.lead, markers=markers)
    matcher = LLMatcher(vocabulary.tokens, grammar.lark, log_level=0, limits=LIMITS)
    matcher.compute_bitmask()  # some limits are met only when it is used
    if matcher.is_error():
        raise _too_complex(matcher.get_error())
    return Constraint(vocabulary, catalogue, notation, grammar, matcher, UniquenessTracker(catalogue, notation))


def _too_complex(error: str) -> CatalogueError:
    """What to say when a limit of the grammar engine is met, in its words; it never goes on without the grammar."""
    fault = error.partition("\n")[0].removeprefix("panic: ")
    return CatalogueError(
        f"the grammar of its plans is too large: {fault}",
        remedy="Show each request fewer tools (`max_tools` under [decode]), simplify their schemas,"
        " or decode without a grammar (`--decoding free`).",
    )


def _after(vocabulary: Vocabulary, recent: tuple[int, ...] | None, token: int) -> tuple[int, ...] | None:
    """The last ids after one more: from the next word on, what was waived no longer matters."""
    if recent is None:
        return (token,) if vocabulary.begins_word(token) else None
    return vocabulary.recent((*recent, token))


def _allowed(vocabulary: Vocabulary, matcher: LLMatcher) -> Ids:
    """The tokens that the grammar allows. Raises CatalogueError at a limit, where llguidance allows the end token."""
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    if matcher.is_error():
        raise _too_complex(matcher.get_error())
    return np.flatnonzero(bits[: len(vocabulary.usable)] & vocabulary.usable)


def _descending(scores: NDArray[np.floating], tokens: Ids) -> Iterator[int]:
    """The tokens by falling score, found one by one because few are asked for."""
    left = scores[tokens]
    for _ in tokens:
        place = int(left.argmax())
        yield int(tokens[place])
        left[place] = -np.inf
