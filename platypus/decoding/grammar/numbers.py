r"""The numbers within limits, as a regular expression for llguidance over the digits that plans have.

Numbers are written as `json.dumps` writes them: `0.05`, `1e-05`, `1.5e+16`; at most 15 digits before and 20 behind the
point. llguidance's own numbers with limits have no exponents. A limit is compared digit by digit, so none is rounded.
An exclusive limit is replaced by the next binary number within it, since all numbers between are read as one of the
two. `multipleOf` is not known here.
"""

from collections.abc import Iterator
from decimal import Decimal
from math import inf, nextafter

from platypus.catalogue.schema import Schema

PLACES = 20  # most digits behind the point
LARGEST = 1e300  # larger numbers are not written
WHOLE = 15  # most digits before it
_FRACTION = r"(0|[0-9]{0,19}[1-9])"
_EXPONENT = r"e(-(0[5-9]|[1-9][0-9]|[12][0-9]{2})|\+(1[6-9]|[2-9][0-9]|[12][0-9]{2}))"
NUMBER = rf"0|-?(0\.{_FRACTION}|[1-9][0-9]{{0,14}}(\.{_FRACTION})?)|-?[1-9](\.[0-9]{{0,14}}[1-9])?{_EXPONENT}"
_REST = r"(\.[0-9]+)?"
_MANTISSA = rf"[1-9]{_REST}"


def number_terminal(schema: Schema) -> str:
    """The terminal of the numbers within the schema's limits; it may be empty. Any number if there are none."""
    limits = []
    lowest, highest = (
        _inclusive(schema, "minimum", "exclusiveMinimum"),
        _inclusive(schema, "maximum", "exclusiveMaximum"),
    )
    if lowest is not None:
        limits.append(_at_least(lowest))
    if highest is not None:
        limits.append(_at_most(highest))
    return " & ".join(f"/{expression}/" for expression in (NUMBER, *limits))


def _inclusive(schema: Schema, key: str, exclusive: str) -> Decimal | None:
    """The tighter one of two limits, as one that is allowed itself; None if there is neither."""
    inner, sign = (inf, 1) if key == "minimum" else (-inf, -1)
    limits = [Decimal(str(schema[key]))] if key in schema else []
    if exclusive in schema:
        finite = min(max(schema[exclusive], -LARGEST), LARGEST)
        limits.append(Decimal(repr(nextafter(float(finite), inner))))
    return max(limits, key=lambda limit: sign * limit, default=None)


def _at_least(limit: Decimal) -> str:
    if limit > 0:
        return _magnitudes(limit, above=True)
    return f"[0-9].*|-({_magnitudes(limit.copy_abs(), above=False)})"


def _at_most(limit: Decimal) -> str:
    if limit < 0:
        return f"-({_magnitudes(limit.copy_abs(), above=True)})"
    return f"-.*|{_magnitudes(limit.copy_abs(), above=False)}"  # a limit may be -0.0


def _magnitudes(limit: Decimal, *, above: bool) -> str:
    """The unsigned numbers of at least (`above`) or at most the limit, which is not negative."""
    choices = [*_plain(limit, above=above), *(_with_exponent(limit, above=above) if limit else ())]
    return "|".join(choices)


def _plain(limit: Decimal, *, above: bool) -> Iterator[str]:
    """Those without an exponent."""
    whole, _, fraction = f"{limit:f}".partition(".")
    if len(whole) > WHOLE:
        yield from () if above else (rf"[0-9]+{_REST}",)
        return
    beyond = fraction[PLACES:].strip("0")
    fraction = fraction[:PLACES].rstrip("0")
    if above and beyond:  # no number has as many places: the next larger one counts
        raised = Decimal(f"{whole}.{fraction or 0}") + Decimal(1).scaleb(-PLACES)
        yield from _plain(raised, above=True)
        return
    yield from (f"{digits}{_REST}" for digits in _whole(whole, above=above))
    yield f"{whole}{_fractions(fraction, above=above)}"


def _whole(limit: str, *, above: bool) -> Iterator[str]:
    """Whole numbers above or below the limit, of any or of fewer digits."""
    if above:
        yield f"[1-9][0-9]{{{len(limit)},}}"
    elif len(limit) > 1:
        yield f"[0-9]{{1,{len(limit) - 1}}}"
    for i, digit in enumerate(limit):
        digits = _digits(digit, above=above)
        if digits:
            yield f"{limit[:i]}{digits}[0-9]{{{len(limit) - i - 1}}}"


def _fractions(limit: str, *, above: bool) -> str:
    """What may follow the same whole number: a point and digits, or nothing."""
    choices = [f"{limit[:i]}{digits}[0-9]*" for i, digit in enumerate(limit) if (digits := _digits(digit, above=above))]
    if above:
        return rf"\.({'|'.join([*choices, f'{limit}[0-9]*'])})" if limit else _REST
    shorter = [limit[:i] for i in range(1, len(limit))]
    return rf"(\.({'|'.join([*choices, *shorter, f'{limit}0*'])}))?" if limit else r"(\.0+)?"


def _with_exponent(limit: Decimal, *, above: bool) -> Iterator[str]:
    """Those with an exponent, of one digit before the point; the limit is not 0."""
    power = limit.adjusted()
    mantissa = limit.scaleb(-power)
    yield from (f"{_MANTISSA}e{exponent}" for exponent in _exponents(power, above=above))
    whole, _, fraction = f"{mantissa:f}".partition(".")
    larger = _digits(whole, above=above)
    same = f"{whole}{_fractions(fraction.rstrip('0'), above=above)}"
    sign = r"\+" if power >= 0 else "-"
    yield f"({f'{larger}{_REST}|' if larger else ''}{same})e{sign}0?{abs(power)}"


def _exponents(power: int, *, above: bool) -> Iterator[str]:
    """The exponents above or below a power."""
    outwards = above == (power >= 0)  # away from 0
    yield from (f"{_sign(power)}0?{digits}" for digits in _whole(str(abs(power)), above=outwards))
    if not outwards:
        yield f"{_sign(-1 if power >= 0 else 1)}[0-9]+"


def _sign(power: int) -> str:
    return r"\+" if power >= 0 else "-"


def _digits(digit: str, *, above: bool) -> str:
    """A class of the digits above or below this one; empty if there are none."""
    low, high = (int(digit) + 1, 9) if above else (0, int(digit) - 1)
    return f"[{low}-{high}]" if low <= high else ""
