"""A tokenizer's tokens as bytes, and its canonical tokenisation: the ids that it gives for a text.

In byte-pair encodings, every part of a canonical tokenisation is canonical (Vieira et al. 2025, "Language Models over
Canonical Byte-Pair Encodings"). So the last few tokens decide whether a token continues one: those from the last start
of a word on, since no token of an answer spans a space, or, in long text without spaces, those from some token on. This
module knows no grammar.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, Protocol

import numpy as np
from llguidance import LLTokenizer
from numpy.typing import NDArray

from platypus.errors import ModelError

WINDOW = 4  # the least number of recent tokens that decide whether a token is canonical
LONGEST = 24  # the most, if there is a place to cut

_ANCHOR = "\n"  # encoded before text that starts within a word, so that the tokenizer adds no space to it
_OTHERS = 5  # the first rank of tokens that end nothing
_LAST = 7

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
        backend = _within(tokenizer.backend_tokenizer, size)
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True  # "</s>" in a text is plain text
        assert tokenizer.eos_token_id is not None  # a model without one is not opened
        self.end: int = tokenizer.eos_token_id
        self.tokens = LLTokenizer(backend.to_str(), n_vocab=size, eos_token=self.end)
        self._backend = backend
        self.encode = lru_cache(maxsize=1 << 16)(self._encode)  # the same words recur all the time
        self._bytes = [self.tokens.decode_bytes([token]) for token in range(self.tokens.vocab_size)]
        self.lead = self.decode(self.encode("[]")).removesuffix(b"[]").decode()
        self._anchor = self.encode(_ANCHOR)
        self._ranks = tuple(np.array([rank(text) for text in self._bytes]) for rank in (_outside, _inside))
        self._first = np.array([text[0] if text else 0 for text in self._bytes])
        self._by_length = np.argsort([len(text) for text in self._bytes], kind="stable")
        self._place = np.argsort(self._by_length)
        self.continues = lru_cache(maxsize=1 << 16)(self._continues)
        self.usable = self._usable()
        self.usable_bits = np.packbits(self.usable, bitorder="little")

    def _encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text, without special tokens."""
        return tuple(self._backend.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> bytes:
        """The bytes of these ids, joined."""
        return b"".join(map(self.token, ids))

    def token(self, token: int) -> bytes:
        """The bytes of one id."""
        return self._bytes[token]

    def begins_word(self, token: int, following: int | None = None) -> bool:
        """Whether this token starts a word: a space and something else. The space may be a token of its own."""
        text = self._bytes[token] + (b"" if following is None else self._bytes[following])
        return text[:1] == b" " and text[1:2] not in (b"", b" ")

    def last_word(self, ids: Sequence[int]) -> int:
        """The index at which the last word starts; 0 if no word starts after the first token."""
        following = (*ids[1:], None)
        places = (at for at in range(len(ids) - 1, 0, -1) if self.begins_word(ids[at], following[at]))
        return next(places, 0)

    def soonest(self, tokens: Ids, *, in_text: bool, turn: int = 0) -> Iterator[int]:
        """The tokens, ordered by how soon they end a plan; `turn` rotates the order of equals that end nothing."""
        ranks = self._ranks[in_text][tokens]
        for rank in np.flatnonzero(np.bincount(ranks)).tolist():
            same_rank = tokens[ranks == rank].tolist()
            first = turn % len(same_rank) if rank >= _OTHERS else 0
            yield from same_rank[first:]
            yield from same_rank[:first]

    def by_first_byte(self, tokens: Ids) -> list[int]:
        """One of the shortest tokens for each first byte."""
        places = np.full(256, len(self._bytes))
        np.minimum.at(places, self._first[tokens], self._place[tokens])
        shortest: list[int] = self._by_length[places[places < len(self._bytes)]].tolist()
        return shortest

    # ------------------------------------------------------------ the canonical tokenisation

    def _usable(self) -> NDArray[np.bool_]:
        """For each token, whether the tokenizer can give it: of tokens with the same bytes, it gives only one."""
        by_bytes: dict[bytes, list[int]] = {}
        for token, text in enumerate(self._bytes):
            by_bytes.setdefault(text, []).append(token)
        usable = np.ones(len(self._bytes), dtype=np.bool_)
        for tokens in by_bytes.values():
            canonical = [token for token in tokens if len(tokens) == 1 or self._continues((), token)]
            usable[tokens] = False
            usable[canonical or tokens[:1]] = True
        usable[self.end] = True
        return usable

    def recent(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """As many of the last ids as decide which tokens continue them canonically."""
        start = self.last_word(ids[: 1 - WINDOW])
        if start:
            return ids[start:]
        if len(ids) <= LONGEST:
            return ids
        for start in range(len(ids) - LONGEST // 2, 0, -1):
            if _starts_character(self._bytes[ids[start]]) and self._agrees(ids[start:], self.decode(ids[start:])):
                return ids[start:]
        return ids

    def _continues(self, ids: tuple[int, ...], token: int) -> bool:
        """Whether the ids (which are canonical) and the token begin the tokenisation of some text."""
        more = (*ids, token)
        data = self.decode(more)
        if data == self.lead.encode() or not _starts_character(data):
            return True  # the lead alone, or a part of a character after a waiver
        return any(self._agrees(more, data + rest) for rest in _completions(data))

    def continuation(self, ids: tuple[int, ...], more: bytes) -> tuple[int, ...] | None:
        """The ids after these in the tokenisation of their text plus `more`; None if that does not begin with these."""
        encoded = self._encoded(self.decode(ids) + more)
        return encoded[len(ids) :] if encoded[: len(ids)] == ids else None

    def _agrees(self, ids: tuple[int, ...], data: bytes) -> bool:
        return self._encoded(data)[: len(ids)] == ids

    def _encoded(self, data: bytes) -> tuple[int, ...]:
        """The ids of a text, which may start within a word; an incomplete character at its end is left out."""
        text = data.decode(errors="ignore")
        if text.startswith(self.lead):
            return self.encode(text.removeprefix(self.lead))
        encoded, length = self.encode(_ANCHOR + text), len(self._anchor)
        return encoded[length:] if encoded[:length] == self._anchor else ()


def _starts_character(data: bytes) -> bool:
    """Whether the bytes start at the start of a character."""
    return not data or data[0] & 0xC0 != 0x80


def _completions(data: bytes) -> Iterator[bytes]:
    """Bytes that complete the last character: none if it is complete, else a sample of the possible ones."""
    start = next((at for at in range(len(data) - 1, max(len(data) - 4, -1), -1) if data[at] & 0xC0 != 0x80), 0)
    lead, present = data[start], len(data) - start
    length = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
    if present >= length:
        yield b""
        return
    low, high = {0xE0: (0xA0, 0xC0), 0xED: (0x80, 0xA0), 0xF0: (0x90, 0xC0), 0xF4: (0x80, 0x90)}.get(lead, (0x80, 0xC0))
    first = range(low, high) if present == 1 else range(0x80, 0xC0)
    more = [range(0x80, 0xC0)] * (length - present - 1)
    thin = [range(kind.start, kind.stop, 4 ** len(more)) for kind in (first, *more)]
    yield from map(bytes, product(*thin))


def _inside(text: bytes) -> int:
    """The rank of a token inside a string."""
    if text[:1] == b'"':
        return _closing(text) if len(text) > 1 else 2
    return 6 if text.isalnum() else _LAST


def _outside(text: bytes) -> int:
    """The rank of a token between strings."""
    if text[:1] in (b"]", b"}", b")"):
        return _closing(text)
    if text[:1] == b",":
        return 4
    if text[:1] in (b"[", b"{"):
        return 5 if text[1:2] in (b"", b"]", b"}") else _LAST
    return 5 if text[:1] == b'"' else 6


def _closing(text: bytes) -> int:
    """The rank of a token that ends something: best if it ends an array or a call and starts nothing new."""
    goes_on = b"," in text or b"\n" in text
    return goes_on if b"]" in text or b")" in text else 2 + goes_on


def _within(backend: Any, size: int) -> Any:
    """A copy of a tokenizer without added tokens that the model has no logits for: it can neither read nor write them.

    Raises ModelError if it has other tokens beyond these.
    """
    state = json.loads(backend.to_str())
    beyond = [token["content"] for token in state["added_tokens"] if token["id"] >= size]
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < size]
    if len(beyond) < backend.get_vocab_size() - size:
        raise ModelError(
            f"the tokenizer has {backend.get_vocab_size()} tokens, the model {size}: they do not belong together",
            where="decoding",
            remedy='Use the tokenizer that belongs to these weights, or set decoding = "free" under [decode].',
        )
    return type(backend).from_str(json.dumps(state) if beyond else backend.to_str())
