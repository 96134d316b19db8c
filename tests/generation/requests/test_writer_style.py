"""What is written around a request changes neither its meaning nor its values."""

import re
from random import Random

from platypus.generation.requests.writer_style import WriterStyle, draw_style, finish, mistyped, surround

PLAIN = WriterStyle(quote='"', polite="", before="", after="", lower=False, stop=".", inside=False)


def finished(text: str, **changes: object) -> str:
    style = WriterStyle(**{**PLAIN.__dict__, **changes})  # type: ignore[arg-type]
    return surround(finish(Random(1), text, style, bare=False), style)


def test_capital_and_full_stop() -> None:
    assert finished("list the tickets") == "List the tickets."
    assert finished("list the tickets", lower=True, stop="") == "list the tickets"


def test_a_polite_question_ends_as_one() -> None:
    assert finished("list the tickets", polite="can you ") == "Can you list the tickets?"
    assert finished("show me the tickets", polite="I want to ") in (
        "I want to see the tickets.",
        "I want to get the tickets.",
    )


def test_stops_inside_quotes() -> None:
    assert finished('list those of "A-1", then "B-2"', inside=True) == 'List those of "A-1," then "B-2."'


def test_json_stays_as_it_is() -> None:
    text = 'Add {"name": "Nova", "tags": ["a", "b"]} to "A-1", then "B-2"'
    assert finished(text, inside=True) == f"{text}."


def test_context() -> None:
    around = finished("list the tickets", before="Hey team,", after="Thanks!")
    assert around == "Hey team, list the tickets. Thanks!"


def test_styles_differ_and_context_is_rare() -> None:
    voices = [draw_style(Random(seed), context=0.1) for seed in range(300)]
    assert {v.quote for v in voices} == {"", "'", '"'}
    assert 5 < sum(bool(v.before or v.after) for v in voices) < 60
    assert not any(v.before or v.after for v in (draw_style(Random(seed), context=0) for seed in range(100)))


def test_a_typing_error_is_in_one_word_and_never_in_a_value() -> None:
    text = "prioritize the tickets of customer Albatross then close sprint SPR-123"
    for seed in range(100):
        slipped = mistyped(Random(seed), text, ["Albatross", "SPR-123"])
        assert "Albatross" in slipped and "SPR-123" in slipped
        changed = [pair for pair in zip(text.split(), slipped.split(), strict=True) if pair[0] != pair[1]]
        assert len(changed) <= 1
    assert mistyped(Random(0), "do A-1", ["A-1"]) == "do A-1"
    assert re.fullmatch(r"[\w -]+", text)
