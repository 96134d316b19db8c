"""JSON without what Python's reader allows besides: NaN, Infinity, and numbers that would become infinite."""

import json
import math
from collections.abc import Callable
from typing import Any


def strict_json(text: str | bytes, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The data in a text; `pairs` makes the objects. Raises ValueError, and RecursionError if it nests too deeply.

    `{"a": 1e3}` → `{"a": 1000.0}`; `NaN` and `1e999` are errors.
    """
    return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number
