#!/usr/bin/env bash
# dateparser 1.5.0: a week "from today" is a week ago, and a bare day and month that is today is next year's.
#
# Source:   dateparser.parse with RELATIVE_BASE and PREFER_DATES_FROM = "future".
# Guess:    "a week from today" is "a week from now". "two days from tomorrow" is three days on, or nothing is found.
#           With dates preferred from the future, "30 November" on 30 November is that day, and so is "Monday" on a
#           Monday, or both are the next ones.
# Seen:     "from now" counts forward, "from today" backward, and "two days from tomorrow" is tomorrow; "a week from
#           tomorrow" is right. "30 November" is next year's day, "this Monday" is today, and "Monday" is next week's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dateparser==1.5.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from datetime import datetime

import dateparser

settings = {"RELATIVE_BASE": datetime(2026, 11, 30), "PREFER_DATES_FROM": "future"}  # a Monday
seen = {
    text: str(dateparser.parse(text, languages=["en"], settings=settings).date())
    for text in (
        "a week from now", "a week from today", "two days from now", "two days from tomorrow", "a week from tomorrow",
        "30 November", "1 December", "this Monday", "Monday",
    )
}
for text, day in seen.items():
    print(f"{text:22} {day}")
assert seen == {
    "a week from now": "2026-12-07", "a week from today": "2026-11-23",
    "two days from now": "2026-12-02", "two days from tomorrow": "2026-12-01", "a week from tomorrow": "2026-12-08",
    "30 November": "2027-11-30", "1 December": "2026-12-01", "this Monday": "2026-11-30", "Monday": "2026-12-07",
}, seen
PYTHON
