"""Functions as tools: which ones, and what hints and docstrings give."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.sources.python_functions import definitions, functions, recognises
from platypus.catalogue.sources.source import Source
from platypus.errors import CatalogueError


def tools(tmp_path: Path, text: str, *, name: str = "boat_tools.py", only: tuple[str, ...] = ()) -> dict[str, Any]:
    (tmp_path / name.partition(":")[0]).write_text(text, encoding="utf-8")
    return {tool["name"]: tool for tool in definitions(Source(str(tmp_path / name), None, only))}


def inputs(tmp_path: Path, arguments: str, docstring: str = "", before: str = "") -> dict[str, Any]:
    text = f'from typing import *\nfrom pydantic import *\n{before}\ndef f({arguments}):\n    """{docstring}"""\n'
    schema = tools(tmp_path, text)["f"]["inputSchema"]
    assert schema.pop("type") == "object" and schema.pop("additionalProperties") is False
    return dict(schema)


def test_which_functions_are_tools(tmp_path: Path) -> None:
    (tmp_path / "harbour.py").write_text("def moor(): ...\n")
    text = """
import functools
from harbour import moor
from json import dumps

def shout(function):
    @functools.wraps(function)
    def louder(*arguments): return function(*arguments)
    return louder

@shout
def sail(boat: str): ...
@functools.lru_cache
def bail(boat: str): ...
async def anchor(boat: str): ...
def _hidden(): ...
class Boat: ...
speed = 3
"""
    assert list(tools(tmp_path, text)) == ["shout", "sail", "bail", "anchor"]
    assert list(tools(tmp_path, text, name="boat_tools.py:bail")) == ["bail"]
    assert list(tools(tmp_path, text, only=("anchor", "sail"))) == ["sail", "anchor"]
    assert list(tools(tmp_path, text + "__all__ = ['moor', 'bail']\n")) == ["moor", "bail"]
    assert tools(tmp_path, text)["sail"]["inputSchema"]["required"] == ["boat"]
    with pytest.raises(CatalogueError, match=r"has no function 'bial'\n  Did you mean 'bail'"):
        tools(tmp_path, text, name="boat_tools.py:bial")
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        ("a: str", {"properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ("a: int = 3", {"properties": {"a": {"type": "integer", "default": 3}}}),
        (
            "a: Optional[int] = None",
            {"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}}},
        ),
        ("a: Literal['x', 'y']", {"properties": {"a": {"type": "string", "enum": ["x", "y"]}}, "required": ["a"]}),
        (
            "a: Annotated[int, Field(ge=1, description='How many')]",
            {"properties": {"a": {"type": "integer", "minimum": 1, "description": "How many"}}, "required": ["a"]},
        ),
        ("a: list[set[int]]", {"properties": {"a": {"type": "array", "items": {
            "type": "array", "items": {"type": "integer"}, "uniqueItems": True}}}, "required": ["a"]}),
        ("a, /, b, *c, copy, **d", {"properties": {"a": {}, "b": {}, "copy": {}}, "required": ["a", "b", "copy"]}),
        ("a: int = object()", {"properties": {"a": {"type": "integer"}}}),
        ("", {"properties": {}}),
    ],
)  # fmt: skip
def test_hints_are_schemas(arguments: str, schema: Any, tmp_path: Path) -> None:
    assert inputs(tmp_path, arguments) == schema


def test_enums_dataclasses_and_models_are_definitions(tmp_path: Path) -> None:
    before = """
import dataclasses, enum
class Size(enum.Enum):
    small = "s"
    big = "b"
@dataclasses.dataclass
class Boat:
    name: str
    next: "Boat | None" = None
class Trip(BaseModel):
    size: Size = Field(description="How big")
"""
    found = inputs(tmp_path, "boat: Boat, trip: 'Trip'", before=before)
    assert found["$defs"]["Size"]["enum"] == ["s", "b"]
    assert found["$defs"]["Boat"]["required"] == ["name"]
    assert {"$ref": "#/$defs/Boat"} in found["$defs"]["Boat"]["properties"]["next"]["anyOf"]
    assert found["$defs"]["Trip"]["properties"]["size"]["description"] == "How big"


GOOGLE = """Sail a boat.

    Far out.

    Args:
        boat: Which boat,
            by name.
        crew (list of str, optional): Who sails.

    Returns:
        int: The miles.
    """
NUMPY = """Sail a boat.

    Far out.

    Parameters
    ----------
    boat
        Which boat,
        by name.
    crew : list of str, optional
        Who sails.

    Returns
    -------
    int
        The miles.
    """
REST = """Sail a boat.

    Far out.

    :param boat: Which boat,
        by name.
    :param crew: Who sails.
    :type crew: list of str, optional
    :returns: The miles.
    :rtype: int
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, REST])
def test_docstrings_describe_and_give_types_where_hints_do_not(docstring: str, tmp_path: Path) -> None:
    tool = tools(tmp_path, f'def sail(boat: str, crew=None):\n    """{docstring}"""\n')["sail"]
    assert tool["description"] == "Sail a boat.\n\nFar out."
    assert tool["inputSchema"]["properties"] == {
        "boat": {"type": "string", "description": "Which boat, by name."},
        "crew": {"type": "array", "items": {"type": "string"}, "description": "Who sails."},
    }
    assert tool["inputSchema"]["required"] == ["boat"]
    assert tool["outputSchema"] == {"type": "integer", "description": "The miles."}


def test_choices_and_unknown_types_in_a_docstring(tmp_path: Path) -> None:
    docstring = "Sail.\n\n    Parameters\n    ----------\n    a : {'x', 'y'}\n    b : Boat\n    c : {x, y}\n    "
    assert inputs(tmp_path, "a, b, c", docstring)["properties"] == {"a": {"enum": ["x", "y"]}, "b": {}, "c": {}}


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        ("", None),
        (" -> None", {"type": "null"}),
        (" -> Any", {}),
        (" -> list[int]", {"type": "array", "items": {"type": "integer"}}),
        (" -> AsyncIterator[int]", None),
    ],
)
def test_what_is_returned(returned: str, output: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"from __future__ import annotations\nfrom typing import *\ndef f(){returned}: ...\n"
    assert tools(tmp_path, text)["f"].get("outputSchema") == output
    assert ("may be anything, since its hint gives no schema" in capsys.readouterr().err) is ("Async" in returned)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1 / 0\n", "cannot be imported: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", "cannot be imported: SystemExit: 3"),
        ("def f(:\n", "cannot be imported: SyntaxError"),
    ],
)
def test_a_module_that_fails_says_how(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=what) as caught:
        tools(tmp_path, text)
    assert caught.value.where.startswith(str(tmp_path / "boat_tools.py")) and caught.value.remedy


@pytest.mark.parametrize("hint", ["Odd", "'Nowhere'", "list[Odd]"])
def test_a_function_without_a_schema_is_left_out_unless_it_is_asked_for(
    hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"class Odd: ...\ndef sail(): ...\ndef odd(a: {hint}): ...\n"
    assert list(tools(tmp_path, text)) == ["sail"]
    assert "function 'odd': left out: its hints give no schema: " in capsys.readouterr().err
    for options in ({"only": ("odd",)}, {"name": "boat_tools.py:odd"}):
        with pytest.raises(CatalogueError, match="function 'odd': its hints give no schema"):
            tools(tmp_path, text, **options)  # type: ignore[arg-type]


def test_a_file_takes_no_name_of_a_package_or_of_a_file_elsewhere(tmp_path: Path) -> None:
    """Its dataclasses and pickled values are its own, also once another file of its name is read."""
    text = """
import dataclasses, pickle
@dataclasses.dataclass
class Boat:
    next: "Cargo | None" = None
class Cargo({base}): ...
def sail(boat: Boat) -> str:
    return pickle.loads(pickle.dumps(boat)).__class__.__module__
"""
    read = []
    for base in ("str", "int"):
        path = tmp_path / base / "colorsys.py"  # so is a module of Python called
        path.parent.mkdir()
        path.write_text(text.format(base=base))
        read.append(functions(Source(str(path)))["sail"])
    assert importlib.import_module("colorsys").rgb_to_hsv
    for sail, base in zip(read, (str, int), strict=True):
        module = sys.modules[sail(sail.__globals__["Boat"]())]
        assert inspect.getsource(module.Boat) and issubclass(module.Cargo, base)
        assert get_type_hints(module.Boat)["next"] == module.Cargo | None and module.sail is sail


def test_modules_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those in the working folder."""
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "boats.py").write_text("def sail(boat: str) -> None: ...\ndef moor() -> None: ...\n")
    monkeypatch.chdir(tmp_path)
    assert [tool.name for tool in read_catalogue("python:fleet.boats")] == ["sail", "moor"]
    assert [tool.name for tool in read_catalogue("python:fleet.boats:moor")] == ["moor"]
    with pytest.raises(CatalogueError, match=r"python:fleet\.ships: cannot be imported: ModuleNotFoundError"):
        read_catalogue("python:fleet.ships")
    with pytest.raises(CatalogueError, match=r"none\.py: cannot be read"):
        read_catalogue("none.py")
    assert not recognises(Source("mcp:python server.py")) and recognises(Source("python:server.py"))
