"""Common text: long runs that rows with different answers share are removed in any language; near-copies stay."""

import numpy as np
import pytest

from platypus.refinement.common_text import WINDOW, without_common_text

PREAMBLE = "You read the post of a workshop. Say in one word whether the customer who wrote this card is pleased: "
CARDS = ["the chain runs well", "brakes squeak", "fair price", "too dear", "bell rings", "rude staff", "quick", "slow"]
ANSWERS = np.arange(8) % 2


def test_a_long_text_before_all_others_is_removed() -> None:
    distinct = without_common_text([PREAMBLE + card for card in CARDS], ANSWERS)
    assert distinct.texts == CARDS
    assert set(distinct.common) == {PREAMBLE.lower().strip()}


def test_text_before_and_behind_is_removed_and_words_stay_whole() -> None:
    """All own texts begin and end with the same letters, so that windows reach into them."""
    own = ["b", "be", *(f"b{letter}e" for letter in "abcdef")]
    texts = [f"{PREAMBLE}{word} {PREAMBLE.upper()}" for word in own]
    assert without_common_text(texts, ANSWERS).texts == own


def test_a_language_without_spaces() -> None:
    preamble = "请阅读下面这张顾客留给自行车修理店的卡片并用一个词说明顾客对修理工作是否满意不要解释你的选择" * 2
    own = ["链条很顺", "刹车吱吱响", "价格公道", "太贵了", "铃声响亮", "态度很差", "很快", "太慢"]
    distinct = without_common_text([preamble + text for text in own], ANSWERS)
    assert distinct.texts == own


def test_several_common_texts_in_one_set() -> None:
    other = "Translate the following sentence into the language of the sailors, word for word, without any comment: "
    texts = [(PREAMBLE if i % 2 else other) + CARDS[i // 2] for i in range(16)]
    distinct = without_common_text(texts, np.arange(16))
    assert distinct.texts == [CARDS[i // 2] for i in range(16)]
    assert len(set(distinct.common)) == 2


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([PREAMBLE[: WINDOW - 3] + " " + card for card in CARDS], id="short"),
        pytest.param([PREAMBLE + card for card in CARDS[:4]], id="few"),
        pytest.param([(PREAMBLE if i < 3 else str(i) * WINDOW) + CARDS[i] for i in range(8)], id="seldom"),
        pytest.param([], id="none"),
        pytest.param(["", "a", "b", "", "c", "d"], id="empty"),
    ],
)
def test_other_texts_stay_as_they_are(texts: list[str]) -> None:
    distinct = without_common_text(texts, np.arange(len(texts)))
    assert distinct.texts == texts
    assert not any(distinct.common)


def test_near_copies_are_not_common_because_they_have_one_answer() -> None:
    texts = [PREAMBLE + card for card in CARDS]
    assert without_common_text(texts, np.zeros(8, np.int64)).texts == texts


def test_a_text_that_is_nothing_but_common_stays_whole() -> None:
    texts = [PREAMBLE, *(PREAMBLE + card for card in CARDS)]
    distinct = without_common_text(texts, np.arange(9))
    assert distinct.texts == [PREAMBLE, *CARDS]
    assert {*distinct.common} == {PREAMBLE.lower().strip()}


def test_runs_are_found_in_a_sample_and_removed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platypus.refinement.common_text.ROWS", 50)
    monkeypatch.setattr("platypus.refinement.common_text.BLOCK", 7)
    own = [f"{i} cards" for i in range(400)]
    distinct = without_common_text([PREAMBLE + text for text in own], np.arange(400) % 3)
    assert distinct.texts == own
