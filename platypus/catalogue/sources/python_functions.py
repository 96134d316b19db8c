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

import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema

from platypus.catalogue.foreign_types import WORDS, plain_types
from platypus.catalogue.prose import one_line
from platypus.catalogue.sources.source import PYTHON, PYTHON_FILE, Source, SourceFormat, chosen, missing
from platypus.errors import CatalogueError

NO_SCHEMA = (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError, NameError, TypeError)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def recognises(source: Source) -> bool:
    """Whether it is a Python file, or `python:` and a module."""
    return source.name.startswith(PYTHON) or (
        source.document is None and PYTHON_FILE.fullmatch(source.name) is not None
    )


def definitions(source: Source) -> list[Any]:
    """A tool for each function. Raises CatalogueError if the module fails, or a function has no schema."""
    if match := PYTHON_FILE.fullmatch(source.name):
        module, function = _file(Path(match["file"]), source), match["function"]
    else:
        name, _, function = source.name.removeprefix(PYTHON).partition(":")
        module = _imported(lambda: importlib.import_module(name), source)
    functions = _functions(module)
    if function:
        functions = chosen(functions, Source(source.name, None, (function,)), "function")
    return [_tool(name, each, source.where) for name, each in chosen(functions, source, "function").items()]


def _file(path: Path, source: Source) -> ModuleType:
    """The module in a file, which may import what lies beside it."""
    if not path.is_file():
        raise CatalogueError("cannot be read: No such file or directory", where=source.where)

    def load() -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        before = sys.modules.get(path.stem)
        sys.modules[path.stem] = module  # where dataclasses and pydantic look up the names in hints
        sys.path.insert(0, str(path.absolute().parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(path.absolute().parent))
            if before is not None:
                sys.modules[path.stem] = before
        return module

    return _imported(load, source)


def _imported(load: Callable[[], ModuleType], source: Source) -> ModuleType:
    try:
        return load()
    except (Exception, SystemExit) as error:  # whatever the user's code does
        reason = one_line(f"{type(error).__name__}: {error}")
        raise CatalogueError(f"cannot be imported: {reason}", where=source.where, remedy="Correct it there.") from error


def _functions(module: ModuleType) -> dict[str, Any]:
    """Name → function, in the module's order."""
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
    try:
        from docstring_parser import parse
    except ImportError as error:
        raise missing("docstring-parser", where) from error
    where = f"{where}, function {name!r}"
    parsed = parse(inspect.getdoc(function) or "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default that JSON lacks is left out
        inputs = _inputs(function, where)
        output = _output(function)
    inputs["properties"] = dict(inputs.get("properties", {}))
    for documented in parsed.params:
        if (argument := inputs["properties"].get(documented.arg_name.lstrip("*"))) is not None:
            inputs["properties"][documented.arg_name] = _documented(argument, documented)
    if output and parsed.returns and parsed.returns.description and "description" not in output:
        output = {**output, "description": one_line(parsed.returns.description)}
    text = "\n\n".join(filter(None, (parsed.short_description, parsed.long_description)))
    tool = {"name": name, "description": text, "inputSchema": inputs}
    return tool if output is None else {**tool, "outputSchema": output}


def _documented(schema: Mapping[str, Any], documented: Any) -> dict[str, Any]:
    """An argument's schema with what the docstring says of it: its description, and its type if no hint gives one."""
    own = dict(schema)
    if documented.description:
        own.setdefault("description", one_line(documented.description))
    if documented.type_name and not own.keys() - {"description", "default"}:
        named = plain_types({"type": documented.type_name.removesuffix(", optional").strip()})
        known = named.get("type") in WORDS.values() or {"anyOf", "enum"} & named.keys()
        own |= named if known else {}
    return own


def _inputs(function: Any, where: str) -> dict[str, Any]:
    signature = inspect.signature(function)
    try:
        hints = get_type_hints(function, include_extras=True)
        adapter: TypeAdapter[Any] = TypeAdapter(_named_only(signature, hints))
        return adapter.json_schema(schema_generator=_Plain)
    except NO_SCHEMA as error:
        raise CatalogueError(
            f"its hints give no schema: {one_line(str(error).splitlines()[0])}",
            where=where,
            remedy="Use types that JSON has, dataclasses or pydantic models, or begin its name with an underscore.",
        ) from error


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


def _output(function: Any) -> dict[str, Any] | None:
    """The schema of what the function returns; None if its hint says nothing that a schema can."""
    hints = get_type_hints(function, include_extras=True)
    if "return" not in hints:
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hints["return"])
        return adapter.json_schema(schema_generator=_Plain, mode="serialization")
    except NO_SCHEMA:
        return None


FORMAT = SourceFormat("Python functions", recognises, definitions)
