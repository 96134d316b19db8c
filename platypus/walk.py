"""A plan as it is decoded, token by token: which tokens may come next, and which one must.

A token may come next when the grammar allows it, when it makes no two equal elements where they must differ, and when
it goes on with the canonical tokenisation: the ids so far are those that the tokenizer gives for their text, so a model
sees what it saw in training. (For byte-pair encodings a prefix of a canonical tokenisation is canonical, see Vieira et
al. 2025, "Language Models over Canonical Byte-Pair Encodings"; so this is decided token by token, on the last words
alone.) Where no token does the last, it is waived for that token. Knows no model.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, pairwise
from typing import Any, Protocol, Self

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from numpy.typing import NDArray

from platypus.catalogue import Catalogue
from platypus.distinct import Distinct
from platypus.errors import CatalogueError
from platypus.grammar import Grammar, plan_grammar
from platypus.notation import Notation

FEW = 40  # of so many legal tokens each is looked at; more are taken to be text that can go on as it likes
WINDOW = 4  # the least number of tokens that are encoded again to see whether another one continues them
TRIED = 512  # tokens looked at before the canonical tokenisation is waived
DEPTH = 6  # how many tokens ahead a canonical continuation is looked for
NEGLIGIBLE = 1e-6
LIMITS = LLParserLimits(max_grammar_size=2_000_000, verbose_errors=False)

_SPACE = re.compile(rb" [^ ]")

Ids = NDArray[np.int64]


class FastTokenizer(Protocol):
    """The parts of a Hugging Face tokenizer that decoding needs."""

    backend_tokenizer: Any

    @property
    def eos_token_id(self) -> int | None:
        """The id of the token that ends an answer."""


class Vocabulary:
    """A tokenizer's tokens as bytes, for a model whose logits have `size` entries."""

    def __init__(self, tokenizer: FastTokenizer, *, size: int) -> None:
        backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True  # "</s>" in a text is text
        assert tokenizer.eos_token_id is not None  # a model without one is not opened
        self.end: int = tokenizer.eos_token_id
        self.tokens = LLTokenizer(backend.to_str(), n_vocab=size, eos_token=self.end)
        self._backend = backend
        self.encode = lru_cache(maxsize=1 << 16)(self._encode)  # the same words come again and again
        self._bytes: dict[int, bytes] = {}
        self.lead = self.decode(self.encode("[]")).removesuffix(b"[]").decode()

    def _encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text, without special tokens."""
        return tuple(self._backend.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> bytes:
        """The bytes of these ids."""
        return b"".join(map(self.token, ids))

    def token(self, token: int) -> bytes:
        """The bytes of one id."""
        if token not in self._bytes:
            self._bytes[token] = self.tokens.decode_bytes([token])
        return self._bytes[token]


@dataclass(frozen=True)
class Constraint:
    """The valid plans of a catalogue over a vocabulary, compiled."""

    vocabulary: Vocabulary
    catalogue: Catalogue
    notation: Notation
    grammar: Grammar
    matcher: LLMatcher

    @classmethod
    def compile(cls, vocabulary: Vocabulary, catalogue: Catalogue, notation: Notation, *, max_steps: int) -> Self:
        """The constraint. Raises CatalogueError when the grammar is refused or larger than llguidance's limits."""
        grammar = plan_grammar(catalogue, notation, max_steps=max_steps, lead=vocabulary.lead)
        matcher = LLMatcher(vocabulary.tokens, grammar.lark, log_level=0, limits=LIMITS)
        if matcher.is_error():
            raise CatalogueError(
                f"its grammar cannot be compiled: {matcher.get_error().partition(chr(10))[0]}",
                remedy="Use fewer tools, or decode without a grammar (`--decoding free`).",
            )
        return cls(vocabulary, catalogue, notation, grammar, matcher)

    def start(self) -> "Walk":
        """A plan that is not begun."""
        return Walk(self.vocabulary, self.matcher.deep_copy(), Distinct(self.catalogue, self.notation))


class Walk:
    """One plan under way: the ids so far, and what may follow. `ended` when the end token is among them."""

    def __init__(self, vocabulary: Vocabulary, matcher: LLMatcher, distinct: Distinct) -> None:
        self.vocabulary = vocabulary
        self.ids: list[int] = []
        self._matcher, self._distinct = matcher, distinct
        self._window: int | None = (
            0  # where the tokens begin that are encoded again; None: any token counts as canonical
        )
        self._candidates: Ids | None = None

    def copy(self) -> "Walk":
        """The same plan, to be continued otherwise."""
        new = Walk(self.vocabulary, self._matcher.deep_copy(), self._distinct.copy())
        new.ids, new._window, new._candidates = self.ids.copy(), self._window, self._candidates
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
            self._candidates = _allowed(self._matcher)
        return self._candidates

    def append(self, token: int) -> None:
        """Go on with a token that is legal."""
        if token != self.vocabulary.end:
            self._matcher.consume_token(token)
            self._distinct.read(self.vocabulary.token(token))
        self.ids.append(token)
        self._candidates = None
        before = len(self.ids) - WINDOW
        if before > 0 and self._begins_word(*self.ids[before : before + 2]):
            self._window = before

    def legal(self, tokens: Ids) -> list[int]:
        """Those of the grammar's candidates that may come next."""
        return [t for t in map(int, tokens) if self._keeps_distinct(t) and self._is_canonical(t)]

    def _waived(self, tokens: Ids) -> list[int]:
        """Those that may come next where none is canonical. Until the next word, all are taken to be."""
        self._window = None
        return [token for token in map(int, tokens) if self._keeps_distinct(token)]

    def forced(self) -> list[int]:
        """Append all that must come next, and return it."""
        start = len(self.ids)
        while not self.ended:
            self._skip()
            candidates = self.candidates()
            if len(candidates) > FEW:
                break
            legal = self.legal(candidates) or self._waived(candidates)
            if len(legal) != 1:
                self._candidates = np.array(legal, dtype=np.int64)
                break
            self.append(legal[0])
        return self.ids[start:]

    def best(self, scores: NDArray[np.floating]) -> int:
        """The legal token of the highest score; `scores` has one for each token of the vocabulary."""
        return self._first(_descending(scores, self.candidates()))

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
            if token in few if few is not None else self._keeps_distinct(token) and self._is_canonical(token):
                legal.append(token)
                kept += weight
            if few is None and rest < NEGLIGIBLE * kept:
                break
        return legal, logits[legal].astype(np.float64) - scores.max() - np.log(kept)

    def shortest(self) -> int:
        """A legal token on the way to the soonest end, whatever a model would say."""
        candidates = [int(token) for token in self.candidates()]
        if self.vocabulary.end in candidates:
            return self.vocabulary.end
        closers = b'"' if self._distinct.in_text else b'])}"'
        begin = {token: self.vocabulary.token(token)[0] for token in candidates}
        closing = sorted((t for t in candidates if begin[t] in closers), key=lambda t: closers.index(begin[t]))
        if any(map(self._keeps_distinct, closing)):
            return self._first(closing)
        turn = 7919 * len(self.ids) % len(candidates)  # so that no loop of an expression is taken for ever
        return self._first([*candidates[turn:], *candidates[:turn]])

    def _first(self, tokens: Iterable[int]) -> int:
        """The first token that may come next; of the first hundreds, if none is canonical, the first distinct one."""
        distinct = filter(self._keeps_distinct, islice(tokens, TRIED))
        first = next(distinct)
        canonical = next(filter(self._is_canonical, chain([first], distinct)), None)
        if canonical is None:
            self._window = None
        return first if canonical is None else canonical

    def _keeps_distinct(self, token: int) -> bool:
        return self._can_go_on(self._matcher, self._distinct, token)

    def _can_go_on(self, matcher: LLMatcher, distinct: Distinct, token: int) -> bool:
        """Whether the token repeats nothing, and something can follow that repeats nothing either."""
        if token == self.vocabulary.end:
            return True
        then = distinct.copy()
        if not then.read(self.vocabulary.token(token)):
            return False
        if not then.is_watching:
            return True
        after, following = self._after(matcher, token)
        return len(following) > FEW or any(self._can_go_on(after, then, more) for more in self._soonest(following))

    def _is_canonical(self, token: int) -> bool:
        return self._window is None or self._goes_on(self._matcher, self.ids[self._window :], token, DEPTH)

    def _goes_on(self, matcher: LLMatcher, ids: list[int], token: int, depth: int) -> bool:
        """Whether some canonical tokenisation begins with these ids and the token, as far as can be seen from here.

        What the grammar forces next is part of it, up to a space: no token spans one.
        """
        if token == self.vocabulary.end:
            return True
        ids = [*ids, token]
        encoded = self._encoded(ids, b"")
        if encoded is None:
            return True
        after = matcher.deep_copy()
        after.consume_token(token)
        forced = after.compute_ff_bytes()
        if _SPACE.search(forced):
            return (self._encoded(ids, forced) or ids)[: len(ids)] == ids
        if encoded != ids or not depth:
            return encoded == ids
        following = _allowed(after)
        return len(following) > FEW or any(self._goes_on(after, ids, int(more), depth - 1) for more in following[::-1])

    def _soonest(self, tokens: Ids) -> list[int]:
        """The tokens in the order in which they end arrays, objects and text."""
        begin = {token: self.vocabulary.token(token)[:1] for token in map(int, tokens)}
        return sorted(begin, key=lambda token: b'])}",'.find(begin[token]) % 6)

    def _after(self, matcher: LLMatcher, token: int) -> tuple[LLMatcher, Ids]:
        """The matcher after the token, and what it allows then. (A rollback would leave a mask that is not true.)"""
        after = matcher.deep_copy()
        after.consume_token(token)
        return after, _allowed(after)

    def _encoded(self, ids: list[int], more: bytes) -> list[int] | None:
        """The tokenisation of what the ids stand for and some text after it; None in the midst of a character."""
        data = self.vocabulary.decode(ids) + more
        if data == self.vocabulary.lead.encode():  # the token that a tokenizer puts before every text, alone
            return ids
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        return list(self.vocabulary.encode(text.removeprefix(self.vocabulary.lead)))

    def _skip(self) -> None:
        """Append what is forced up to the last space in it; beyond, tokens depend on what follows."""
        forced = self._matcher.compute_ff_bytes()
        if not _SPACE.search(forced):
            return
        ids = [] if self._window is None else self.ids[self._window :]
        encoded = None if self._window is None else self._encoded(ids, forced)
        if encoded is None:
            return
        last = max((i for i, pair in enumerate(pairwise(encoded)) if self._begins_word(*pair)), default=0)
        if encoded[: len(ids)] == ids:
            for token in encoded[len(ids) : last]:
                self.append(token)

    def _begins_word(self, token: int, following: int) -> bool:
        text = self.vocabulary.decode((token, following))
        return text[:1] == b" " and text[1:2] not in (b"", b" ")


def _allowed(matcher: LLMatcher) -> Ids:
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    return np.flatnonzero(bits)


def _descending(scores: NDArray[np.floating], tokens: Ids) -> Iterator[int]:
    """The tokens by falling score, found one by one because few are asked for."""
    left = scores[tokens]
    for _ in tokens:
        place = int(left.argmax())
        yield int(tokens[place])
        left[place] = -np.inf
