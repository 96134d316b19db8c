"""JSON that Python reads and the standard does not have."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.strict_json import strict_json


@given(st.recursive(st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_what_is_json_is_read_as_python_does(data: object) -> None:
    text = json.dumps(data)
    assert strict_json(text) == strict_json(text.encode()) == data


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "1e999", '{"a": -1E400}', "9" * 5000, "{"])
def test_what_is_no_json_raises(text: str) -> None:
    with pytest.raises(ValueError):
        strict_json(text)


def test_objects_are_made_of_pairs() -> None:
    assert strict_json('{"a": 1, "a": 2}', pairs=list) == [("a", 1), ("a", 2)]
