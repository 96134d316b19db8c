"""Numbers within limits: the regular expression against exact comparison."""

import json
import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platypus.catalogue.schema import literal_problem
from platypus.decoding.grammar.numbers import NUMBER, number_terminal
from tests.support.random_catalogues import accepts

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 0.5, 100, 1e-5, 1e16, 2**53 - 1, -(2**31), 1e300, -1e-300, 5e-324, 0.1, 99.99]),
    st.integers(-(10**6), 10**6),
    st.decimals(-1000, 1000, places=3, allow_nan=False).map(float),
    st.floats(-1e30, 1e30, allow_nan=False),
)
LIMITS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), NUMBERS)
)


def within(limits: dict[str, Any], text: str) -> bool:
    """Exact comparison of what a reader makes of the text."""
    value, exact = Fraction(json.loads(text)), {key: Fraction(limit) for key, limit in limits.items()}
    return (
        exact.get("minimum", value) <= value <= exact.get("maximum", value)
        and ("exclusiveMinimum" not in exact or exact["exclusiveMinimum"] < value)
        and ("exclusiveMaximum" not in exact or value < exact["exclusiveMaximum"])
    )


@settings(max_examples=400)
@given(LIMITS, st.lists(NUMBERS, min_size=1, max_size=8))
def test_the_expression_compares_exactly(limits: dict[str, Any], numbers: list[float]) -> None:
    expressions = [re.compile(part) for part in number_terminal(limits)[1:-1].split("/ & /")]
    assert expressions[0].pattern == NUMBER
    for text in map(json.dumps, [*numbers, *limits.values()]):
        if re.fullmatch(NUMBER, text):
            assert all(part.fullmatch(text) for part in expressions) == within(limits, text), text


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"exclusiveMinimum": 0}, ["0.00001", "1e-05", "1e-299", "5", "1.5e+16"], ["0", "-1", "-1e-05", "0.0", "-0.0"]),
        ({"maximum": -0.0}, ["0", "-1", "-1e-05"], ["1", "1e-05"]),
        ({"minimum": 0, "maximum": 1}, ["0", "1", "0.99999999999999999999", "1e-07"], ["1.0000001", "2", "1e+16"]),
        ({"exclusiveMaximum": 1}, ["0.9999999999999999", "-1e+20"], ["0.99999999999999999999", "1", "1.0"]),
        ({"minimum": -90, "maximum": 90}, ["-90", "-89.123456789", "90.0", "-1e-10"], ["-90.1", "90.00001", "-1e+16"]),
        ({"maximum": 9007199254740991, "minimum": -9007199254740991}, ["1e-05", "0.5", "123456789012345"], ["1e+16"]),
        ({"minimum": 1e-7}, ["1e-07", "0.0000001", "1.5e-07"], ["9.9e-08", "0.00000009", "1e-08"]),
        ({"minimum": 1.5e20}, ["1.5e+20", "2e+20", "1e+21"], ["1.4e+20", "9e+19", "123456789012345", "1e-20"]),
        ({"maximum": -0.05}, ["-0.05", "-0.1", "-3", "-1e+16"], ["-0.04", "0", "1", "-1e-05"]),
    ],
)
def test_by_hand(limits: dict[str, Any], good: list[str], bad: list[str]) -> None:
    grammar = f"start: T\nT: {number_terminal(limits)}"
    assert [text for text in good if not accepts(grammar, text)] == []
    assert [text for text in bad if accepts(grammar, text)] == []
    assert not any(literal_problem({"type": "number", **limits}, json.loads(text)) for text in good)
