"""Numbers that people say in words: `two tickets`, `twenty-five minutes`, `three hundred miles`.

Whole numbers of English up to 99, and so many hundreds or thousands. "one" alone is left, as it is seldom a number
("the last one", "one of them"), and so is a number that is a part of a longer word ("two-way").
"""

import re

_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = {"": 1, "hundred": 100, "thousand": 1000}
NUMBERS = {
    "zero": 0,
    **{word: number for number, word in enumerate((*_UNITS, *_TEENS), 1)},
    **{word: 10 * number for number, word in enumerate(_TENS, 2)},
}
_UNIT, _TEN, _ANY = ("|".join(words) for words in (_UNITS, _TENS, NUMBERS))
NUMBER = re.compile(
    rf"(?<![\w'\u2019-])(?:(?P<ten>{_TEN})[ -](?P<unit>{_UNIT})|(?P<word>{_ANY}|an?(?= (?:hundred|thousand)\b)))"
    r"(?:[ -](?P<scale>hundred|thousand))?(?![\w'\u2019]|-\w)",
    re.IGNORECASE,
)


def digits(number: re.Match[str]) -> str:
    """A match of NUMBER in digits; "one" as it is."""
    words = {name: (word or "").lower() for name, word in number.groupdict().items()}
    if words["word"] == "one" and not words["scale"]:
        return number[0]
    count = 1 if words["word"] in ("a", "an") else sum(NUMBERS.get(words[name], 0) for name in ("ten", "unit", "word"))
    return str(count * _SCALES[words["scale"]])
