"""The word lists, and how words of names are written."""

import pytest

from platypus.generation.lexicon import name_lists, name_words, spelled, word_lists


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("ui lang", "UI language"),
        ("record ids", "record IDs"),
        ("s 3 protocol", "S3 protocol"),
        ("max results", "maximum results"),
        ("due date", "due date"),
    ],
)
def test_words_of_names_are_written_as_people_write_them(name: str, written: str) -> None:
    assert spelled(name) == written


def test_a_word_that_is_a_noun_too_is_among_the_verbs() -> None:
    assert name_words("nouns_too") - {"cut"} <= name_words("verbs")
    assert name_words("making") - {"new"} <= name_words("verbs") and name_words("seeking") <= name_words("verbs")


def test_each_phrase_has_one_place_for_the_value() -> None:
    for rule in name_lists()["said"]:
        assert rule["of"] and all(form.count("{}") == 1 for form in rule["as"])
    for flag in name_lists()["flags"]:
        assert flag["true"] and flag["false"]
    assert "values" in word_lists()
