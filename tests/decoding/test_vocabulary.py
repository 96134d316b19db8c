"""Tokens as bytes; which token continues the tokenisation that the tokenizer itself would give."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from platypus.decoding.vocabulary import LONGEST, Vocabulary
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer

TEXTS = (
    '[{"tool_name": "works_list", "arguments": [{"argument_name": "limit", "argument_value": 5}]}]',
    'works_list(issue.priority=["p0", " ", "  x"], größe="→ é 😀")\nwho_am_i()',
    "näherungsweise" * 20,
    "名前の無い文字列は長い" * 12,
    'a{"b": ""}  c   d\\n"]}]',
)


@cache
def sentencepiece() -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return sentencepiece_tokenizer(Path(folder))


@cache
def vocabulary(kind: str) -> Vocabulary:
    makers: dict[str, Callable[[], Any]] = {"byte-level": byte_bpe_tokenizer, "sentencepiece": sentencepiece}
    tokenizer = makers[kind]()
    return Vocabulary(tokenizer, size=len(tokenizer))


both = pytest.mark.parametrize("kind", ["byte-level", "sentencepiece"])


@both
@pytest.mark.parametrize("text", TEXTS)
def test_a_tokenisation_continues_itself_and_few_tokens_decide_it(kind: str, text: str) -> None:
    words = vocabulary(kind)
    ids, recent = words.encode(text), ()
    assert words.decode(ids).decode() == words.lead + text
    for token in ids:
        assert words.continues(recent, token), (recent, token)
        recent = words.recent((*recent, token))
        assert len(recent) <= LONGEST + 4


@both
@pytest.mark.parametrize("text", TEXTS)
def test_what_the_tokenizer_would_not_say_does_not_continue_it(kind: str, text: str) -> None:
    """Against the plain way: the whole beginning is encoded again, with each token of whole characters after it."""
    words, rng = vocabulary(kind), Random(0)
    ids = words.encode(text)
    for place in sorted(rng.sample(range(1, len(ids)), min(12, len(ids) - 1))):
        recent: tuple[int, ...] = ()
        for token in ids[:place]:
            recent = words.recent((*recent, token))
        for token in rng.sample(range(3, words.tokens.vocab_size), 60):
            said = words.decode((*ids[:place], token))
            try:
                whole = said.decode().removeprefix(words.lead)
            except UnicodeDecodeError:
                continue
            assert words.continues(recent, token) is (words.encode(whole) == (*ids[:place], token)), (text, place)


def test_a_byte_that_no_text_needs_continues_nothing() -> None:
    """`é` has a piece of its own, so its bytes are never said one by one; `ß` has none."""
    words = vocabulary("sentencepiece")
    single = {words.token(token): token for token in range(words.tokens.vocab_size) if len(words.token(token)) == 1}
    begin = words.encode("gr")
    assert words.continues(begin, single[b"\xc3"])
    after = (*begin, single[b"\xc3"])
    assert words.continues(after, words.encode("grß")[-1])
    assert [words.token(token) for token in words.encode("grß")[-2:]] == [b"\xc3", b"\x9f"]


def test_of_tokens_with_the_same_bytes_the_one_that_is_given_is_usable() -> None:
    words = vocabulary("sentencepiece")
    alike = [token for token in range(words.tokens.vocab_size) if words.token(token) == b"a"]
    assert len(alike) == 2
    assert [token for token in alike if words.usable[token]] == [words.encode("xa")[-1]]
    assert words.usable[words.end]


@both
def test_what_ends_most_comes_first(kind: str) -> None:
    words = vocabulary(kind)
    tokens = np.arange(words.tokens.vocab_size)
    outside = [words.token(token) for token in words.soonest(tokens, in_text=False)]
    assert sorted(words.soonest(tokens, in_text=True, turn=7)) == tokens.tolist()
    assert outside.index(b"]") < outside.index(b",") < outside.index(b'"') < outside.index(b"a")
    inside = [words.token(token) for token in words.soonest(tokens, in_text=True)]
    assert inside.index(b'"') < inside.index(b"a") < inside.index(b"]")


@both
def test_words_begin_with_a_space_and_something_else(kind: str) -> None:
    words = vocabulary(kind)
    ids = words.encode('a "b"  c')
    begins = [
        words.decode(ids[place:]).decode() for place in range(1, len(ids)) if words.last_word(ids[: place + 1]) == place
    ]
    assert begins[0].startswith(' "') and begins[-1] == " c"


@both
def test_tokens_that_begin_alike_are_one_way_to_go_on(kind: str) -> None:
    words = vocabulary(kind)
    tokens = np.array([token for token in range(words.tokens.vocab_size) if words.token(token)[:1] in (b"t", b'"')])
    assert len(tokens) > 5
    assert sorted(words.token(token) for token in words.by_first_byte(tokens)) == [b'"', b"t"]
