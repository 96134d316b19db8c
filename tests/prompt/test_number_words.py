"""Number words that are numbers become digits, and others stay."""

import pytest

from platypus.prompt.number_words import NUMBER, digits


@pytest.mark.parametrize(
    "text, read",
    [
        ("two tickets, Ten more", "2 tickets, 10 more"),
        ("twenty-five or thirty one minutes", "25 or 31 minutes"),
        ("three hundred miles, a thousand yen, one hundred", "300 miles, 1000 yen, 100"),
        ("three hundred and fifty, a hundred and five, two hundred twenty", "350, 105, 220"),
        ("one thousand two hundred or five hundred and twenty-five thousand", "1200 or 525000"),
        (
            "nine one one, three point five, twenty first, two million",
            "nine one one, three point five, twenty first, two million",
        ),
        ("zero to nineteen", "0 to 19"),
        ("the last one, one of them, someone, an hour, a week", "the last one, one of them, someone, an hour, a week"),
        ("a two-way street for all-four, often twofold", "a two-way street for all-four, often twofold"),
    ],
)
def test_numbers_in_words_are_read_as_digits(text: str, read: str) -> None:
    assert NUMBER.sub(digits, text) == read
