"""Functions of a Python file or module as tools. Reading them imports it, which runs its code.

    tools.py   tools.py:search   python:my_package.tools   python:my_package.tools:search

    def search(customer: str, limit: Annotated[int, Field(ge=1)] = 10) -> list[Ticket]:
        \"\"\"Search for tickets.

        Args:
            customer: Whose tickets.
        \"\"\"

The tools are the functions that the module defines, in its order, without those whose names begin with an underscore;
or those of `__all__`. Hints give the schemas, through pydantic: Literal, Annotated, enums, dataclasses, models. An
argument without a hint takes the type that the docstring names, if it is a known one, else anything. `*args` and
`**kwargs` are no arguments. The docstring (Google, NumPy, reST, Epydoc) describes tool, arguments and output.
"""

import ast
import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from platypus.catalogue.foreign_types import WORDS, plain_types
from platypus.catalogue.prose import one_line
from platypus.catalogue.sources.source import PYTHON, PYTHON_FILE, Source, SourceFormat, chosen, is_live, missing
from platypus.errors import CatalogueError
from platypus.files import say

NO_SCHEMA = (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError, NameError, TypeError)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def recognises(source: Source) -> bool:
    """Whether it is a Python file, or `python:` and a module."""
    return source.name.startswith(PYTHON) or (not is_live(source.name) and bool(PYTHON_FILE.fullmatch(source.name)))


def definitions(source: Source) -> list[Any]:
    """A tool for each function that has a schema. Raises CatalogueError if the module fails."""
    try:
        import docstring_parser  # noqa: F401
    except ImportError as error:
        raise missing("docstring-parser", source.where) from error
    return list(_tools(functions(source), source))


def functions(source: Source) -> dict[str, Any]:
    """Name → function of those that are wanted. Raises CatalogueError if the module fails, or one is not there."""
    if match := PYTHON_FILE.fullmatch(source.name):
        path, function = Path(match["file"]), match["function"]
        if not path.is_file():
            raise CatalogueError("cannot be read: No such file or directory", where=source.where)
        module = _imported(lambda: _loaded(path), path.absolute().parent, source)
    else:
        name, _, function = source.name.removeprefix(PYTHON).partition(":")
        module = _imported(lambda: importlib.import_module(name), Path.cwd(), source)
    return chosen(_functions(module), Source(source.name, None, (function,)) if function else source, "function")


def _tools(wanted: Mapping[str, Any], source: Source) -> Iterator[dict[str, Any]]:
    """The tools of functions. One without a schema is left out, and that is said, unless it is asked for by name."""
    for name, function in wanted.items():
        try:
            yield _tool(name, function, source.where)
        except CatalogueError as error:
            if source.only or source.name.endswith(f":{name}"):
                raise
            say(f"{error.where}: left out: {error.what}")


def _loaded(path: Path) -> ModuleType:
    """The module in a file, under a name that no import and no file in another folder has."""
    name, file = f"platypus_tools_{path.stem}", str(path.absolute())
    while name in sys.modules and sys.modules[name].__file__ != file:
        name += "_"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look up the names in hints, and pickle its classes
    spec.loader.exec_module(module)
    return module


def _imported(load: Callable[[], ModuleType], beside: Path, source: Source) -> ModuleType:
    """The module, which may import what lies in the folder `beside`."""
    sys.path.insert(0, str(beside))
    try:
        return load()
    except (Exception, SystemExit) as error:  # whatever the user's code does
        reason = one_line(f"{type(error).__name__}: {error}")
        raise CatalogueError(f"cannot be imported: {reason}", where=source.where, remedy="Correct it there.") from error
    finally:
        sys.path.remove(str(beside))


def _functions(module: ModuleType) -> dict[str, Any]:
    """Name → function, in the module's order; with `functools.wraps` around it or without."""
    listed = getattr(module, "__all__", None)
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(inspect.unwrap(value))
        and (name in listed if listed is not None else not name.startswith("_") and value.__module__ == module.__name__)
    }


class _Plain(GenerateJsonSchema):
    """JSON Schema without the titles that pydantic makes of names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _tool(name: str, function: Any, where: str) -> dict[str, Any]:
    from docstring_parser import parse

    where = f"{where}, function {name!r}"
    parsed = parse(inspect.getdoc(function) or "")
    try:
        hints = get_type_hints(function, include_extras=True)
        inputs = _schema(_named_only(inspect.signature(function), hints))
    except NO_SCHEMA as error:
        raise CatalogueError(
            f"its hints give no schema: {_reason(error)}",
            where=where,
            remedy="Use types that JSON has, dataclasses or pydantic models.",
        ) from error
    properties = inputs.setdefault("properties", {})
    for documented in parsed.params:
        if documented.arg_name in properties:
            properties[documented.arg_name] = _documented(properties[documented.arg_name], documented)
    text = "\n\n".join(filter(None, (parsed.short_description, parsed.long_description)))
    tool = {"name": name, "description": text, "inputSchema": inputs}
    output = None
    if "return" in hints:
        try:
            output = _schema(hints["return"], mode="serialization")
        except NO_SCHEMA as error:
            say(f"{where}: what it returns may be anything, since its hint gives no schema: {_reason(error)}")
    if parsed.returns is not None:
        output = _documented(output or {}, parsed.returns) or None
    return tool if output is None else {**tool, "outputSchema": output}


def _reason(error: Exception) -> str:
    """The first sentence of what pydantic says."""
    return one_line(str(error)).partition(". ")[0]


def _schema(hint: Any, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default that JSON lacks is left out
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        return adapter.json_schema(schema_generator=_Plain, mode=mode)


def _documented(schema: Mapping[str, Any], documented: Any) -> dict[str, Any]:
    """A schema with what the docstring says: its description, and its type if no hint gives one."""
    own = dict(schema)
    if documented.description:
        own.setdefault("description", one_line(documented.description))
    named = _named_type(documented.type_name or "")
    if named and not own.keys() - {"description", "default"}:
        own |= named
        if own.get("default", "") is None:  # `None` stands for "not given" there
            del own["default"]
    return own


def _named_type(words: str) -> dict[str, Any]:
    """The schema of a type in a docstring, `list of int, optional` or `{"a", "b"}`; empty if it is not a known one."""
    kind = words.removesuffix(", optional").strip()
    if kind.startswith("{") and kind.endswith("}"):
        try:
            return {"enum": list(ast.literal_eval(f"[{kind[1:-1]}]"))}
        except (ValueError, SyntaxError):
            return {}
    named: dict[str, Any] = plain_types({"type": kind})
    return named if named.get("type") in WORDS.values() or {"anyOf", "enum"} & named.keys() else {}


def _named_only(signature: inspect.Signature, hints: Mapping[str, Any]) -> Any:
    """A function with the same arguments, all given by name, for pydantic to look at."""
    named = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints.get(parameter.name, Any))
        for parameter in signature.parameters.values()
        if parameter.kind not in VARIADIC
    ]

    def function() -> None: ...

    function.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in named}
    return function


FORMAT = SourceFormat(recognises, definitions)
