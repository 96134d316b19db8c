"""Numbers that people would say: whole and small, unless the schema, the name or the prose speaks of others.

Bounds of 2^31 - 1 and beyond only tell how a server keeps the number; they are no bounds here.
"""

import math
import re
from fractions import Fraction
from random import Random

from platypus.catalogue.schema import Schema
from platypus.generation.plans.kinds import Kind, Setting, kind_of
from platypus.generation.plans.prose_values import examples_in

NO_BOUND = 2**31 - 1
USUAL = (1, 100)  # where nothing is known
_DECIMAL = re.compile(r"\b(?:decimals?|floats?|floating.point|fractions?|fractional)\b")
_FIGURE = re.compile(r"-?\d+(?:\.\d+)?")


def made_up_number(rng: Random, name: str, schema: Schema, setting: Setting, *, whole: bool) -> int | float:
    """A number for the argument `name`, within the schema's bounds where there are any numbers within them."""
    prose = str(schema.get("description", ""))
    kind = kind_of("number", name, prose, setting)
    low, high, digits = _usual(kind, schema, prose)
    lowest, highest = _bound(schema, "minimum", "exclusiveMinimum"), _bound(schema, "maximum", "exclusiveMaximum")
    if lowest is not None and highest is not None and 0 < highest - lowest <= 1:
        low, high, digits = lowest, highest, max(digits, 2)
    step = Fraction(str(schema["multipleOf"])) if "multipleOf" in schema else Fraction(1, 1 if whole else 10**digits)
    if kind and kind.step > 1 and (kind.step % step == 0) and _contains_step(kind.step, lowest, highest):
        step = Fraction(kind.step)
    low, high = _within(low, high, lowest, highest)
    first, last = math.ceil(Fraction(str(low)) / step), math.floor(Fraction(str(high)) / step)
    first += "exclusiveMinimum" in schema and first * step == lowest
    last -= "exclusiveMaximum" in schema and last * step == highest
    value = rng.randint(first, max(first, last)) * step
    return int(value) if value.denominator == 1 else float(value)


def _usual(kind: Kind | None, schema: Schema, prose: str) -> tuple[float, float, int]:
    """The range in which people would look for such a number, and its decimals: by examples, kind or default."""
    own = [
        value for value in schema.get("examples", ()) if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    texts = [str(value) for value in own] or [text for text in examples_in(prose) if _FIGURE.fullmatch(text)]
    default = schema.get("default")
    if (
        not texts
        and kind is None
        and isinstance(default, int | float)
        and not isinstance(default, bool)
        and default > 0
    ):
        texts = [str(default)]
    if texts:
        numbers = [float(text) for text in texts]
        digits = max(len(text.partition(".")[2]) if not text.endswith(".0") else 0 for text in texts)
        if max(map(abs, numbers)) >= 1e6:
            return min(numbers) * 0.9, max(numbers) * 1.1, digits
        low, high = sorted((min(numbers) / 2, max(numbers) * 2))
        return low, high, digits
    decimal = (isinstance(default, float) and default != round(default)) or bool(_DECIMAL.search(prose.lower()))
    if kind:
        return *kind.range, kind.digits or (1 if decimal else 0)
    return *USUAL, 1 if decimal else 0


def _bound(schema: Schema, *keys: str) -> float | None:
    """A bound of the schema, exclusive or not; None if there is none that says anything."""
    bounds = [schema[key] for key in keys if isinstance(schema.get(key), int | float)]
    return bounds[0] if bounds and abs(bounds[0]) < NO_BOUND else None


def _contains_step(step: int, lowest: float | None, highest: float | None) -> bool:
    """Whether there are a few multiples of the step within the bounds."""
    return lowest is None or highest is None or highest - lowest >= 3 * step


def _within(low: float, high: float, lowest: float | None, highest: float | None) -> tuple[float, float]:
    """The part of the usual range that the bounds allow; if there is none, a small range at the bound."""
    if lowest is not None and lowest > high:
        low, high = lowest, max(lowest * 2, lowest + 10)
    if highest is not None and highest < low:
        low, high = min(highest / 2, highest - 10), highest
    return max(low, lowest if lowest is not None else low), min(high, highest if highest is not None else high)
