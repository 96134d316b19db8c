"""Numbers that people say in words: `two tickets`, `twenty-five minutes`, `three hundred and fifty miles`.

Whole numbers of English below a million. "one" alone is left, as it is seldom a number ("the last one", "one of them"),
and so are words that make no number together ("nine one one", "three point five"), and a part of a longer word
("two-way").
"""

import re

_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBERS = {
    "zero": 0,
    **{word: number for number, word in enumerate((*_UNITS, *_TEENS), 1)},
    **{word: 10 * number for number, word in enumerate(_TENS, 2)},
}
_UNIT, _TEN, _ANY = ("|".join(words) for words in (_UNITS, _TENS, NUMBERS))
_ORDINAL = "first|second|third|(?:four|fif|six|seven|eigh|nin)th"
BELOW_100 = rf"(?:(?:{_TEN})[ -](?:{_UNIT})|{_ANY})"
_BELOW_1000 = rf"(?:(?:{BELOW_100}|an?)[ -]hundred(?:(?: and)? {BELOW_100})?|{BELOW_100})"
_AROUND = rf"(?:{_ANY}|hundred|thousand|million|billion|point)"
NUMBER = re.compile(
    rf"(?<![\w'\u2019.,$#-])(?:(?:{_BELOW_1000}|an?)[ -]thousand(?:(?: and)? {_BELOW_1000})?|{_BELOW_1000})"
    rf"(?![\w'\u2019]|-\w|[ -](?:{_AROUND}|{_ORDINAL})\b)",
    re.IGNORECASE,
)
_PART = re.compile(rf"\b{_AROUND}[ -]$", re.IGNORECASE)


def digits(number: re.Match[str]) -> str:
    """A match of NUMBER in digits; as it is if it is "one", or a part of what is no number."""
    text = number[0].lower()
    if text == "one" or _PART.search(number.string[max(0, number.start() - 20) : number.start()]):
        return number[0]
    whole = part = 0
    for word in re.split("[ -]", text):
        if word == "hundred":
            part = 100 * max(part, 1)
        elif word == "thousand":
            whole, part = 1000 * max(part, 1), 0
        else:
            part += NUMBERS.get(word, 0)
    return str(whole + part)
