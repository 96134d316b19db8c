"""All foreign formats, in the order in which they are tried: the first that recognises a row converts it."""

from collections.abc import Mapping
from typing import Any

from platypus.data.formats.alpaca import FORMAT as ALPACA
from platypus.data.formats.completion import FORMAT as COMPLETION
from platypus.data.formats.conversion import Converted, Format
from platypus.data.formats.glaive import FORMAT as GLAIVE
from platypus.data.formats.hermes import FORMAT as HERMES
from platypus.data.formats.openai import FORMAT as OPENAI
from platypus.data.formats.plan_calls import FORMAT as PLAN_CALLS
from platypus.data.formats.sharegpt import FORMAT as SHAREGPT
from platypus.data.formats.toolace import FORMAT as TOOLACE
from platypus.data.formats.xlam import FORMAT as XLAM
from platypus.errors import DatasetError

FORMATS = (XLAM, PLAN_CALLS, ALPACA, HERMES, TOOLACE, OPENAI, SHAREGPT, GLAIVE, COMPLETION)


def format_of(row: Any) -> Format | None:
    """The foreign format of a row, or None."""
    if not isinstance(row, Mapping):
        return None
    return next((one for one in FORMATS if one.recognises(row)), None)


def converted(row: Mapping[str, Any], known: Format) -> Converted:
    """The canonical row. Raises DatasetError, naming the format, for a row that cannot be converted."""
    try:
        return known.convert(row)
    except DatasetError as error:
        raise DatasetError(f"{known.name}: {error.what}", remedy=error.remedy) from error
