"""What begins stands before what ends."""

from typing import Any

import pytest

from platypus.generation.plans.ordering import in_order


@pytest.mark.parametrize(
    "values",
    [
        {"timeMin": "2025-05-02T10:00:00", "timeMax": "2025-05-01T10:00:00"},
        {"since": "2024-02-01", "until": "2024-01-01"},
        {"created_after": "2024-02-01", "created_before": "2024-01-01"},
        {"start_date": "2024-02-01", "end_date": "2024-01-01"},
        {"checkinDate": "05/09/2025", "checkoutDate": "04/09/2025"},
        {"opens_from": "5:15 PM", "opens_to": "9:00 AM"},
        {"min_price": 90, "max_price": 20},
        {"start_line": 40, "end_line": 3},
    ],
)
def test_names_tell_the_order(values: dict[str, Any]) -> None:
    first, last = values
    assert in_order(values, {}) == {first: values[last], last: values[first]}
    swapped = {first: values[last], last: values[first]}
    assert in_order(swapped, {}) == swapped


def test_prose_tells_the_order_of_times() -> None:
    schemas = {"a": {"description": "Beginning of the window"}, "b": {"description": "End of the window"}}
    assert in_order({"a": "2025-03-01", "b": "2025-02-01"}, schemas) == {"a": "2025-02-01", "b": "2025-03-01"}


@pytest.mark.parametrize(
    "first, last, near",
    [
        ("2020-01-21T21:15:00Z", "2023-03-09T01:30:00Z", "2020-01-23T01:30:00Z"),
        ("2020-12-28T10:00:00", "2021-02-01T09:00:00", "2021-01-04T09:00:00"),
        ("2020-01-21", "2023-03-09", "2020-02-17"),
        ("2020-01-21", "2020-02-09", "2020-02-09"),
        ("2020-01-21", "2020-13-09", "2020-13-09"),
    ],
)
def test_an_end_is_near_its_beginning(first: str, last: str, near: str) -> None:
    assert in_order({"start": first, "end": last}, {}) == {"start": first, "end": near}
    assert in_order({"born": first, "died": last}, {}) == {"born": first, "died": last}


def test_others_stay() -> None:
    values = {"min_price": 90, "max_results": 20, "width": 9, "height": 3, "born": "2020-01-01", "died": "2019-01-01"}
    assert in_order(values, {}) == values
