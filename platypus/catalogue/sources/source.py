"""Source: the name of what a catalogue is read from, what its file holds, and which parts of it are wanted.

tools.json   tools.jsonl   petstore.yaml     a file, which is recognised by what it holds
tools.py   tools.py:search   python:my.tools   Python functions
mcp:npx -y some-server ./docs   https://host/mcp   a live MCP server
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from platypus.catalogue.prose import one_line
from platypus.errors import CatalogueError
from platypus.files import read_text
from platypus.strict_json import strict_json

MCP = "mcp:"
PYTHON = "python:"
PYTHON_FILE = re.compile(r"(?:python:)?(?P<file>.+\.py)(?::(?P<function>\w+))?", re.DOTALL)
URL = re.compile(r"https?://\S+", re.IGNORECASE)
YAML = (".yaml", ".yml")
LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Source:
    """A source of tools. `document` is what its file holds, if that is data; an empty `only` means everything."""

    name: str
    document: Any = None
    only: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Its name in messages: without what may be secret in a URL."""
        return shown(self.name)


class SourceFormat(NamedTuple):
    """The two functions of a kind of source. `definitions` raises CatalogueError that names the source."""

    recognises: Callable[[Source], bool]
    definitions: Callable[[Source], list[Any]]


def is_live(name: str) -> bool:
    """Whether it names a server, whose tools may be others the next time."""
    return name.startswith(MCP) or URL.fullmatch(name) is not None


def file_of(name: str) -> str | None:
    """The file that the source's name contains, or None: `tools.py` of `tools.py:search`."""
    if match := PYTHON_FILE.fullmatch(name):
        return None if is_live(name) else match["file"]
    return None if is_live(name) or name.startswith(PYTHON) else name


def shown(name: str) -> str:
    """The name without what may be secret in a URL: a password, and the values behind `?`."""
    if not URL.fullmatch(name):
        return name
    parts = url_parts(name)
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def url_parts(url: str) -> SplitResult:
    """The parts of a URL. Raises CatalogueError, which does not repeat it, if it is none."""
    try:
        return urlsplit(url)
    except ValueError as error:
        where = f"{url.partition('//')[0]}//…"
        raise CatalogueError(f"is not a URL: {error}", where=where, remedy="Correct the URL.") from error


def open_source(name: str, *, only: Iterable[str] = ()) -> Source:
    """The source, with what its file holds if that is JSON, JSON Lines or YAML. Raises CatalogueError."""
    file = file_of(name)
    is_data = file is not None and not PYTHON_FILE.fullmatch(name)
    return Source(name, _document(Path(name)) if is_data else None, tuple(only))


def chosen(parts: Mapping[str, Any], source: Source, what: str) -> dict[str, Any]:
    """The parts that `only` names, all if it names none. Raises CatalogueError for one that is not there."""
    for name in source.only:
        if name not in parts:
            near = get_close_matches(name, parts, n=1)
            known = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(list(parts)[:20])}."
            raise CatalogueError(f"has no {what} {name!r}", where=source.where, remedy=known)
    return {name: part for name, part in parts.items() if not source.only or name in source.only}


def missing(package: str, where: str) -> CatalogueError:
    """The error for a package that is not installed."""
    remedy = "Install it: pip install 'platypus-llm[sources]'"
    return CatalogueError(f"needs the package {package}", where=where, remedy=remedy)


def _document(path: Path) -> Any:
    remedy = "Name a file of tools, a server, or Python functions (docs/catalogues.md)."
    text = read_text(path, error=CatalogueError, remedy=remedy)
    if path.suffix.lower() in YAML:
        return _yaml(text, str(path))
    try:
        return strict_json(text)
    except (ValueError, RecursionError) as error:
        lines = text.split("\n")  # a text may hold line ends of Unicode
        if path.suffix.lower() in LINES or (len(lines) > 1 and _is_json(lines[0])):
            return [_line(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
        raise CatalogueError(f"is not JSON: {error}", where=str(path), remedy="Correct the JSON there.") from error


def _is_json(text: str) -> bool:
    try:
        return isinstance(strict_json(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _line(text: str, where: str) -> Any:
    try:
        return strict_json(text)
    except (ValueError, RecursionError) as error:
        raise CatalogueError(f"is not JSON: {error}", where=where, remedy="Write one tool on each line.") from error


def _yaml(text: str, where: str) -> Any:
    """What a YAML document holds, by the core rules of YAML 1.2: `True` is true, `on` is a text, and so is a date."""
    try:
        import yaml
    except ImportError as error:
        raise missing("PyYAML", where) from error

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """SafeLoader with the scalars of YAML 1.2; those of YAML 1.1 are more."""

        yaml_implicit_resolvers: Mapping[str, Any] = {}

    for tag, pattern, first in (
        ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", ["t", "T", "f", "F"]),
        ("int", r"-?(?:0|[1-9]\d*)", list("-0123456789")),
        ("float", r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?", list("-0123456789")),
        ("merge", r"<<", ["<"]),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), first)
    Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: strict_json(loader.construct_scalar(node)))
    try:
        return _with_text_keys(yaml.load(text, Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = one_line(str(error))
        raise CatalogueError(f"is not YAML: {reason}", where=where, remedy="Correct the YAML there.") from error


def _with_text_keys(data: Any) -> Any:
    """The data with texts as keys, as JSON has them: the status `200:` is a number in YAML."""
    if isinstance(data, dict):
        return {key if isinstance(key, str) else json.dumps(key): _with_text_keys(value) for key, value in data.items()}
    return [_with_text_keys(value) for value in data] if isinstance(data, list) else data
