"""What of a row is compared: the input under a shared instruction, the question on a shared passage, else all of it."""

from platypus.refinement.candidates import Candidate
from platypus.refinement.distinct_text import distinct_text


def row(instruction: str, given: str = "", answer: int = 0) -> Candidate:
    question = f"{instruction} {given}".strip()
    at = len(instruction) if given else 0
    return Candidate("a", 1, 1, b"{}", question, 0, answer, "", (), -1, 1.0, (), at)


def test_under_a_shared_instruction_the_inputs_are_compared() -> None:
    rows = [row("Sort the card.", "good"), row("sort the card", "bad"), row("Name a colour.")]
    found = distinct_text(rows)
    assert found.own.texts == found.wide.texts == ["good", "bad", "Name a colour."]
    assert found.shared[0] == found.shared[1] != found.shared[2]
    assert found.counts == {"instructions": 2, "inputs": 0, "runs": 0}


def test_on_a_shared_passage_the_questions_are_compared_and_stay_on_one_side() -> None:
    rows = [row("Is it old?", "The bridge of 1420."), row("Is it long?", "The bridge of 1420."), row("Why?", "A tree.")]
    found = distinct_text(rows)
    assert found.own.texts == ["Is it old?", "Is it long?", "Why? A tree."]
    assert found.wide.texts == [one.question for one in rows]
    assert found.shared[0] == found.shared[1] != found.shared[2]
    assert found.counts["inputs"] == 2


def test_where_both_are_shared_no_two_rows_are_copies() -> None:
    rows = [row(question, text) for question in ("Is it old?", "Is it long?") for text in ("A bridge.", "A road.")]
    found = distinct_text(rows)
    assert len({*found.shared.tolist()}) == 4
    assert found.wide.texts == ["A bridge.", "A road."] * 2


def test_two_long_common_texts_before_the_same_words_are_different() -> None:
    first = "Say in one word, which is yes or no, whether the customer who left this card was pleased with us: "
    second = "Say in one word, which is yes or no, whether the text that you see below speaks about food: "
    cards = ["good soup", "bad bike", "fine bell", "sour milk", "wet seat", "warm bread"]
    found = distinct_text([row(text + card, answer=i) for text in (first, second) for i, card in enumerate(cards)])
    assert found.own.texts == cards * 2
    assert found.shared[0] == found.shared[5] != found.shared[6]
    assert found.counts["runs"] == 12


def test_rows_without_shared_text_are_compared_whole_and_part_by_index() -> None:
    rows = [row("List my tasks"), row("Name", "a colour"), row("Count", "the cards")]
    found = distinct_text(rows)
    assert found.own is found.wide
    assert found.wide.texts == ["List my tasks", "Name a colour", "Count the cards"]
    assert {*found.shared.tolist()} == {0}
    part = found[[2, 0]]
    assert part.own is part.wide
    assert part.wide.texts == ["Count the cards", "List my tasks"]
    assert part.own.sets.sizes.tolist() == found.own.sets.sizes[[2, 0]].tolist()


def test_a_mark_as_input_is_no_passage() -> None:
    found = distinct_text([row("Go", "."), row("Stop", "!"), row("List my tasks")])
    assert found.counts["inputs"] == 0
