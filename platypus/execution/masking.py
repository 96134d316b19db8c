"""Secrets in what a trace keeps: values under names like `api_key`, and wherever they appear later → ***.

    {"user": "ada", "token": "t0p-s3cret"}   →   {"user": "ada", "token": "***"}
    password = "several words"               →   password = "***"
    Authorization: Digest a="b", c="d"       →   Authorization: ***

A secret under another name is not known as one. Values in tools' arguments and results stay as they are: only what is
written down is masked.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from platypus.plan.plan import REFERENCE, Malformed, parse_json

SECRETS = (  # names, as a regular expression that is searched for in them, whatever their case
    r"token(?!s)|secret|passw(or)?d|passphrase|credential|authorization|cookie|(api|access|private|signing)[-_ ]?key"
)
MASK = "***"
SHORTEST = 5  # letters of a value that is looked for elsewhere: a shorter one stands in too many other words
HEADER = re.compile(  # the whole line is the value
    r"(?P<name>\b(?:proxy-authorization|authorization|set-cookie|cookie)\s{0,4}:\s{0,4})[^\"'\s][^\r\n]*", re.IGNORECASE
)
USER_IN_URL = re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+@")


class Masking:
    """Masks secrets by the names that they have, and remembers them, to mask them elsewhere as well."""

    def __init__(self, names: str = SECRETS, values: Iterable[str] = ()) -> None:
        self.names = re.compile(names, re.IGNORECASE)
        named = rf"(?:{names})[\w-]{{0,40}}[\"']?\s{{0,4}}[=:]\s{{0,4}}"
        self.in_quotes = re.compile(
            rf"(?P<name>{named}(?P<quote>[\"']))(?:\\.|(?!(?P=quote))[^\\\r\n])+", re.IGNORECASE
        )
        self.in_text = re.compile(rf"(?P<name>{named}[\"']?)(?:(?:bearer|basic)\s)?[^\s\"',;&]+", re.IGNORECASE)
        self.values: set[str] = set()
        self.remember(values)

    def remember(self, values: Iterable[str]) -> None:
        """Mask these values as well, wherever they stand."""
        self.values.update(value for value in values if len(value) >= SHORTEST)

    def mask(self, data: Any) -> Any:
        """JSON data without its secrets, which are masked before the place that names them as well."""
        known = len(self.values)
        masked = self._masked(data)
        return masked if len(self.values) == known else self._masked(data)

    def _masked(self, data: Any) -> Any:
        if isinstance(data, Mapping) and data.keys() == {"argument_name", "argument_value"}:  # of a plan
            name, value = data["argument_name"], data["argument_value"]
            return {"argument_name": name, "argument_value": self._named(name, value)}
        if isinstance(data, Mapping) and data.keys() == {"tool_name", "arguments"}:
            return {**data, "arguments": self._masked(data["arguments"])}
        if isinstance(data, Mapping):
            return {self._text(key): self._named(key, value) for key, value in data.items()}
        if isinstance(data, list):
            return [self._masked(value) for value in data]
        if isinstance(data, str):
            return self._text(data)
        return MASK if isinstance(data, int | float) and str(data) in self.values else data

    def _named(self, name: str, value: Any) -> Any:
        return self._hidden(value) if self.names.search(name) else self._masked(value)

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._hidden(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._hidden(part) for part in value]
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, str) and REFERENCE.fullmatch(value):
            return value
        self.remember([str(value)])
        return MASK

    def _text(self, text: str) -> str:
        if text[:1] in ("{", "[") and not isinstance(data := parse_json(text), Malformed):
            masked = self._masked(data)
            return text if masked == data else json.dumps(masked, ensure_ascii=False)
        for value in sorted(self.values, key=len, reverse=True):
            text = text.replace(value, MASK)
        if ":" in text or "=" in text:
            text = HEADER.sub(self._without_value, self.in_quotes.sub(rf"\g<name>{MASK}", text))
            text = USER_IN_URL.sub(f"{MASK}@", self.in_text.sub(rf"\g<name>{MASK}", text))
        return text

    def _without_value(self, header: re.Match[str]) -> str:
        return f"{header['name']}{MASK}" if self.names.search(header["name"]) else header[0]
