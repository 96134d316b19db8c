"""The tools that a row brings: `{"query": …, "plan": [...], "tools": [...]}`, in any format of a catalogue."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue


def tools_of(row: Mapping[str, Any], catalogue: Catalogue | None) -> Catalogue | None:
    """The tools that a row brings, unless they are those of the catalogue, or mere names beside a catalogue.

    Raises CatalogueError if they cannot be read.
    """
    tools = row.get("tools")
    if not tools or (catalogue and isinstance(tools, list) and all(isinstance(tool, str) for tool in tools)):
        return None
    own = _catalogue(json.dumps(tools, default=str))
    return None if catalogue and own.fingerprint == catalogue.fingerprint else own


@lru_cache(maxsize=1024)
def _catalogue(tools: str) -> Catalogue:
    """The catalogue in a JSON text. Cached: many rows of a set bring the same tools."""
    return catalogue_from_json(json.loads(tools), where="`tools`")
