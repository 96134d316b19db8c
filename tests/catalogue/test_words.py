"""Forms of words and words of identifiers, by example."""

import pytest

from platypus.catalogue.words import gerund, is_plural, lemma, listed, participle, plural, singular, with_article, words


def test_lemmas() -> None:
    verbs = {"Adds": "add", "Searches": "search", "Applies": "apply", "passes": "pass", "Returns": "return"}
    assert {verb: lemma(verb) for verb in verbs} == verbs


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        ("summarize", "summarizing"),
        ("list", "listing"),
        ("put", "putting"),
        ("get", "getting"),
        ("tie", "tying"),
        ("see", "seeing"),
        ("look up the part", "looking up the part"),
    ],
)
def test_gerunds(verb: str, form: str) -> None:
    assert gerund(verb) == form


def test_singulars_and_plurals() -> None:
    nouns = {"work items": "work item", "policies": "policy", "boxes": "box", "people": "person", "status": "status"}
    assert {noun: singular(noun) for noun in nouns} == nouns
    assert is_plural("work items similar to the ticket") and not is_plural("status of the tickets")


def test_articles_lists_and_participles() -> None:
    assert with_article("invoice") == "an invoice"
    assert with_article("user") == "a user"
    assert with_article("tickets") == "tickets"
    assert listed(["a", "b", "c"], last=" or ") == "a, b or c"
    assert participle("sort") == "sorted" and participle("close") == ""


def test_words_of_any_style() -> None:
    assert words("stage.name") == ["stage", "name"]
    assert words("needsResponse") == ["needs", "response"]
    assert words("getHTTPStatus_v2") == ["get", "http", "status", "v", "2"]


def test_plurals() -> None:
    nouns = ("ticket", "policy", "branch", "day", "y")
    assert [plural(noun) for noun in nouns] == ["tickets", "policies", "branches", "days", "ys"]
