"""Examples and allowed values are read from prose, and what it warns of is not."""

import re
from random import Random

import pytest

from platypus.generation.plans.prose_values import (
    allowed_for,
    allowed_in,
    documented,
    examples_in,
    reworded,
    sentences,
    varied,
)


@pytest.mark.parametrize(
    "prose, examples",
    [
        ("The species (e.g., oak, maple)", ["oak", "maple"]),
        ("What to look for, such as The Hobbit, a customer or the title of a book", ["The Hobbit"]),
        ("Free text, e.g. 'library near the harbour'", ["library near the harbour"]),
        ('A quoted phrase (e.g. \'"deep sea" AND "whales"\')', ['"deep sea" AND "whales"']),
        ('Headers, for example {"X-Team": "blue"}', ['{"X-Team": "blue"}']),
        ("Categories (e.g. ['cs.AI', 'math.CO'])", ["cs.AI", "math.CO"]),
        ("Where it is, e.g. Salt Lake City, UT", ["Salt Lake City, UT"]),
        ("The kind to fetch (pods, nodes, services, etc.)", ["pods", "nodes", "services"]),
        ("Do not send secrets such as passwords or keys.", []),
        ("The text. Never include names, for example Jane.", []),
        ("Use the official spelling, e.g. 'Vue.js' instead of 'vuejs'", ["Vue.js"]),
        ("The value, such as the name of a city", []),
    ],
)
def test_examples(prose: str, examples: list[str]) -> None:
    assert list(examples_in(prose)) == examples


@pytest.mark.parametrize(
    "prose, allowed",
    [
        ("Must be one of: newest, oldest, top", ["newest", "oldest", "top"]),
        ("Valid values: low, medium or high.", ["low", "medium", "high"]),
        ("Possible values are 'rows' | 'columns'", ["rows", "columns"]),
        ('Either "merge" or "squash"', ["merge", "squash"]),
        ("Direction (asc|desc)", ["asc", "desc"]),
        ("What to do - 'open' or 'shut'", ["open", "shut"]),
        ("Which state to show: open, closed, or all", ["open", "closed", "all"]),
        ("Supported values: 'off' - Nothing is filtered. 'strict' - All of it is.", ["off", "strict"]),
        ("Whether it is a 'file' or a 'folder'", ["file", "folder"]),
        ("Whether local branches ('local') or all ('all') are shown", ["local", "all"]),
        ("The title of the page", []),
        ("Use it with care: the server, or the network, may be slow", []),
    ],
)
def test_allowed_values(prose: str, allowed: list[str]) -> None:
    assert list(allowed_in(prose)) == allowed


def test_values_of_one_key_of_an_object() -> None:
    prose = 'The filter, with `kind` and `text`. Possible `kind` values are `"note"` or `"task"`.'
    assert allowed_for("kind", prose) == ("note", "task")
    assert allowed_for("text", prose) == ()


def test_sentences_stop_at_a_warning_and_leave_out_what_is_about_two_arguments() -> None:
    prose = "A name, e.g. Ann. Give either name or id, not both. Short, not the full title."
    assert sentences(prose) == ("A name, e.g. Ann", "Short,")


@pytest.mark.parametrize(
    "example, shape",
    [
        ("#B0000000", r"#B\d{7}"),
        ("TEAM-9Q21", r"TEAM-\d[A-Z]\d\d"),
        ("user:52341", r"user:[1-9]\d{4}"),
        ("9f86d0818", r"[0-9a-f]{9}"),
        ("v12.4.0", r"v[1-9]\d\.\d\.\d"),
        ("12m", r"\d\dm"),
        ("fldXXXXXXXX", r"fld(?!X{8})[A-Za-z\d]{8}"),
        ("https://example.org/boards/4412", r"https://example\.org/boards/[1-9]\d{3}"),
    ],
)
def test_one_example_is_a_pattern(example: str, shape: str) -> None:
    made = {varied(Random(seed), example) for seed in range(30)}
    assert len(made) > 8 and all(re.fullmatch(shape, text) for text in made), made


def test_words_of_a_list_are_swapped_and_other_text_stays() -> None:
    assert len({varied(Random(seed), "gym near the park") for seed in range(30)}) > 5
    assert varied(Random(0), "<h1>Title</h1>") == "<h1>Title</h1>"
    assert re.fullmatch(r"[A-Z][a-z]+::[A-Z][a-z]+", reworded(Random(0), "Chapter::Part"))
    assert reworded(Random(0), "src/main.py").endswith(".py")
    assert reworded(Random(0), "two words") == "two words"


def test_what_a_tool_s_prose_says_of_its_arguments() -> None:
    prose = """Fetches a page.

    Args:
        url: The page.
        backend: One of 'httpx' or 'curl'.

    Actions:
        - "list": all of them
        - "get": one
    """
    own = {"url": "Its address", "backend": "", "action": ""}
    assert documented(prose, own) == {"backend": "One of 'httpx' or 'curl'.", "action": "One of: list, get"}
    shown = documented("Fetch it: fetch(url='https://a.io/b/1')", {"url": "The URL."})
    assert examples_in(shown["url"]) == ("https://a.io/b/1",)


def test_options_as_a_list() -> None:
    assert allowed_in('"create", "delete" or "apply".') == ("create", "delete", "apply")
    assert allowed_in('The action. One of:\n- "grant": Share with one.\n- "revoke": Remove it.') == ("grant", "revoke")


def test_the_id_of_a_paper_has_a_month() -> None:
    ids = [varied(Random(i), "2401.12345") for i in range(50)]
    assert all(1 <= int(one[2:4]) <= 12 and len(one) == 10 for one in ids) and len(set(ids)) > 40
