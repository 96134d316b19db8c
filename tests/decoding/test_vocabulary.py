"""Tokens as bytes, and which tokens continue the tokenizer's own tokenisation of a text."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from platypus.decoding.vocabulary import LONGEST, Vocabulary
from platypus.errors import ModelError
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
def test_a_canonical_tokenisation_is_accepted_and_few_tokens_decide(kind: str, text: str) -> None:
    words = vocabulary(kind)
    ids, recent = words.encode(text), ()
    assert words.decode(ids).decode() == words.lead + text
    for token in ids:
        assert words.continues(recent, token), (recent, token)
        recent = words.recent((*recent, token))
        assert len(recent) <= LONGEST + 4


@both
@pytest.mark.parametrize("text", TEXTS)
def test_a_token_continues_a_tokenisation_only_if_the_tokenizer_gives_it(kind: str, text: str) -> None:
    """Compare with the slow way: encode the whole beginning again with each token of whole characters after it."""
    words, rng = vocabulary(kind), Random(0)
    ids = words.encode(text)
    for place in sorted(rng.sample(range(1, len(ids)), min(12, len(ids) - 1))):
        recent: tuple[int, ...] = ()
        for token in ids[:place]:
            recent = words.recent((*recent, token))
        for token in rng.sample(range(3, words.tokens.vocab_size), 60):
            data = words.decode((*ids[:place], token))
            try:
                text_so_far = data.decode().removeprefix(words.lead)
            except UnicodeDecodeError:
                continue
            assert words.continues(recent, token) is (words.encode(text_so_far) == (*ids[:place], token)), (text, place)


def test_a_byte_token_of_a_character_with_its_own_token_continues_nothing() -> None:
    """`é` has its own token, so its bytes are never used one by one; `ß` has none."""
    words = vocabulary("sentencepiece")
    single = {words.token(token): token for token in range(words.tokens.vocab_size) if len(words.token(token)) == 1}
    begin = words.encode("gr")
    assert words.continues(begin, single[b"\xc3"])
    after = (*begin, single[b"\xc3"])
    assert words.continues(after, words.encode("grß")[-1])
    assert [words.token(token) for token in words.encode("grß")[-2:]] == [b"\xc3", b"\x9f"]


def test_of_tokens_with_the_same_bytes_only_the_canonical_one_is_usable() -> None:
    words = vocabulary("sentencepiece")
    same_bytes = [token for token in range(words.tokens.vocab_size) if words.token(token) == b"a"]
    assert len(same_bytes) == 2
    assert [token for token in same_bytes if words.usable[token]] == [words.encode("xa")[-1]]
    assert words.usable[words.end]


@both
def test_tokens_that_end_most_come_first(kind: str) -> None:
    words = vocabulary(kind)
    tokens = np.arange(words.tokens.vocab_size)
    outside = [words.token(token) for token in words.soonest(tokens, in_text=False)]
    assert sorted(words.soonest(tokens, in_text=True, turn=7)) == tokens.tolist()
    assert outside.index(b"]") < outside.index(b",") < outside.index(b'"') < outside.index(b"a")
    inside = [words.token(token) for token in words.soonest(tokens, in_text=True)]
    assert inside.index(b'"') < inside.index(b"a") < inside.index(b"]")


@both
def test_a_word_starts_with_a_space_and_something_else(kind: str) -> None:
    words = vocabulary(kind)
    ids = words.encode('a "b"  c')
    word_starts = [
        words.decode(ids[place:]).decode() for place in range(1, len(ids)) if words.last_word(ids[: place + 1]) == place
    ]
    assert word_starts[0].startswith(' "') and word_starts[-1] == " c"


@both
def test_of_tokens_with_the_same_first_byte_one_is_taken(kind: str) -> None:
    words = vocabulary(kind)
    tokens = np.array([token for token in range(words.tokens.vocab_size) if words.token(token)[:1] in (b"t", b'"')])
    assert len(tokens) > 5
    assert sorted(words.token(token) for token in words.by_first_byte(tokens)) == [b'"', b"t"]


def test_added_tokens_without_a_logit_are_left_out() -> None:
    """A word that was added to the tokenizer alone: the model can write it in other tokens only."""
    tokenizer = byte_bpe_tokenizer()
    tokenizer.add_tokens(["heron"])
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    words, plain = Vocabulary(tokenizer, size=512), Vocabulary(byte_bpe_tokenizer(), size=512)
    assert tokenizer.encode("heron", add_special_tokens=False) == [512]
    assert words.encode("a heron") == plain.encode("a heron")
    assert words.tokens.vocab_size == len(words.usable) == 512
    with pytest.raises(ModelError, match="has 514 tokens, the model 511"):
        Vocabulary(tokenizer, size=511)
