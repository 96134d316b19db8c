"""Other names for keys, and what a row has besides."""

import pytest

from platypus.data.columns import check_columns, check_found, parse_columns, renamed, unknown_keys, unused
from platypus.errors import DatasetError


@pytest.mark.parametrize(
    ("row", "columns", "expected"),
    [
        ({"Question": "a", "plan": []}, {"query": "Question"}, {"query": "a", "plan": []}),
        ({"Query": "a", " PLAN ": []}, {}, {"query": "a", "plan": []}),
        ({"query": "a", "Query": "b"}, {}, {"query": "a", "Query": "b"}),
        ({"query": "a", "other": 1}, {"plan": "steps"}, {"query": "a", "other": 1}),
        ({"output": "a", "answer": "b"}, {"output": "answer"}, {"output (replaced)": "a", "output": "b"}),
        ({"query": "a", "output": "b"}, {"instruction": "query"}, {"instruction": "a", "output": "b"}),
        ({"input": "q", "output": "a"}, {"instruction": "input"}, {"instruction": "q", "output": "a"}),
    ],
)
def test_renamed(row: dict[str, object], columns: dict[str, str], expected: dict[str, object]) -> None:
    assert renamed(row, columns) == expected


def test_what_is_not_used_depends_on_the_kind_of_row() -> None:
    assert unused({"query": "a", "plan": [], "input": "x", "score": 0, "note": ""}) == ["input", "score"]
    assert unused({"instruction": "a", "output": "b", "input": "x", "text": "a b"}) == ["text"]
    assert unused({"question": "a"}) == []


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["query"], "is not KEY=COLUMN: 'query'"),
        (["=a"], "is not KEY=COLUMN"),
        (["qury=a"], "gives a name for 'qury', which is no key of a row"),
        (["query=a", "plan=a"], "gives the same column two meanings"),
    ],
)
def test_columns_that_cannot_be_meant(texts: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        parse_columns(texts)
    assert caught.value.remedy


def test_columns_the_wrong_way_round() -> None:
    with pytest.raises(DatasetError) as caught:
        parse_columns(["Question=instruction"])
    assert caught.value.remedy == 'The known key comes first: instruction = "Question".'


def test_a_column_name_may_have_any_letters() -> None:
    assert parse_columns(["query=the user's = request", "plan=a,b"]) == {"query": "the user's = request", "plan": "a,b"}
    check_columns({"instruction": "x", "output": "y"})


def test_a_column_that_no_row_has_is_an_error() -> None:
    check_found({"query": "a"}, ["a", "b"], where="rows")
    with pytest.raises(DatasetError, match="no row has the column `c`, which `columns` gives for `plan`"):
        check_found({"query": "a", "plan": "c"}, ["a"], where="rows")


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        ({"question": 1, "answer": 2}, 'columns = {instruction = "question", output = "answer"}'),
        ({"query": 1, "steps": 2}, 'columns = {plan = "steps", query = "query"}'),
        ({"text": 1}, "columns = {query = "),
    ],
)
def test_a_remedy_for_unknown_rows(row: dict[str, int], remedy: str) -> None:
    what, said = unknown_keys([row])
    assert what.endswith(f"are: {', '.join(row)}")
    assert remedy in said
