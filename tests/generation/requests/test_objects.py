"""Objects in words or as JSON."""

import pytest

from platypus.catalogue.tools import Argument
from platypus.generation.requests.discourse import Unsayable
from platypus.generation.requests.objects import has_name, is_large, pasted
from platypus.plan.plan import Reference


def test_objects_in_objects_and_with_many_values_are_large() -> None:
    assert not is_large({"a": 1, "b": [1, 2]})
    assert is_large({"a": {"b": 1}})
    assert is_large({"a": [{"b": 1}]})
    assert is_large(dict.fromkeys("abcde", 1))


def test_large_objects_are_pasted_as_json_unless_their_text_would_change() -> None:
    assert pasted({"size": {"width": 3}, "on": True}) == '{"size": {"width": 3}, "on": true}'
    with pytest.raises(Unsayable):
        pasted({"text": 'say "yes"'})
    with pytest.raises(Unsayable):
        pasted({"part": Reference(0)})


def test_a_name_stands_for_an_object_only_where_the_schema_has_it() -> None:
    named = {"type": "object", "properties": {"name": {"type": "string"}}}
    assert has_name(Argument("part", named, required=True))
    assert has_name(Argument("parts", {"type": "array", "items": named}, required=True))
    assert not has_name(Argument("filter", {"type": "object"}, required=True))
