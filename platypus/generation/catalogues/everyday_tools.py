"""Tools of everyday software (`everyday.toml`) in a catalogue's style: files, repositories, calendars, mail, pages.

They bring what made-up entities lack: paths, owners of repositories, addresses, times, queries.
"""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from platypus.catalogue.tools import Tool
from platypus.generation.catalogues.catalogue_style import Arguments, CatalogueStyle, Definition

OUTPUTS: dict[str, Definition] = {
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "number": {"type": "object", "properties": {"number": {"type": "integer"}}},
    "id": {"type": "object", "properties": {"id": {"type": "string"}}},
}


def everyday_tools(style: CatalogueStyle, themes: int) -> list[Tool]:
    """Return all tools of so many themes, in any order, each with names and words of its own choice."""
    chosen = style.rng.sample(sorted(_themes()), themes)
    entries = [entry for theme in chosen for entry in _themes()[theme]]
    return [_tool(style, entry) for entry in style.rng.sample(entries, len(entries))]


@lru_cache(maxsize=1)
def _themes() -> dict[str, list[dict[str, Any]]]:
    text = (files("platypus.generation.catalogues") / "everyday.toml").read_text(encoding="utf-8")
    themes: dict[str, list[dict[str, Any]]] = tomllib.loads(text)["themes"]
    return themes


def _tool(style: CatalogueStyle, entry: dict[str, Any]) -> Tool:
    arguments: Arguments = {}
    for argument in entry["arguments"]:
        names, required = argument["name"].removesuffix("?").split("|"), not argument["name"].endswith("?")
        if required or style.rng.random() < 0.7:
            arguments[style.name(style.rng.choice(names))] = (_schema(style, argument), required)
    output = OUTPUTS.get(entry.get("output", ""))
    return style.tool(style.name(style.rng.choice(entry["names"])), style.rng.choice(entry["texts"]), arguments, output)


def _schema(style: CatalogueStyle, argument: dict[str, Any]) -> Definition:
    match argument.get("kind", "string"):
        case list() as values:
            schema: Definition = {"type": "string", "enum": values}
        case "texts":
            schema = {"type": "array", "items": {"type": "string"}}
        case "date":
            schema = {"type": "string", "format": "date"}
        case kind:
            schema = {"type": kind}
    if "example" in argument:
        schema["examples"] = [argument["example"]]
    return style.about(schema, argument["text"]) if "text" in argument else schema
