"""The order of packages and modules, light imports, small files, and tests that mirror the package.

The order is the one in the docstring of each `__init__.py`: `    name.py` or `    name/`, then what it is for. What it
marks with [torch] may import torch; a marked package marks all that is in it.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.run.recipe import read_recipe
from tests.support.command import ROOT

PACKAGE = ROOT / "platypus"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
ENTRY = re.compile(r"^    (?P<name>\w+)(?P<kind>\.py|/) .*?(?P<torch>\[torch\])?$", re.MULTILINE)

HEAVY = {"torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "sentencepiece", "tensorboard"}
HEAVY |= {"openai", "tenacity", "mcp", "yaml", "docstring_parser", "matplotlib"}
MIRRORED = 40  # lines from which a module has a test file of its own


def module(path: Path) -> str:
    """`platypus.plan.plan`, `tests.plan.test_plan`; a package by its own name: `platypus.plan`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def listed(package: Path = PACKAGE, *, torch: bool = False) -> Iterator[tuple[str, bool]]:
    """Every module in import order, and whether it may import torch."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")), clean=False)
    for entry in ENTRY.finditer(text or ""):
        path, marked = package / entry["name"], torch or entry["torch"] is not None
        if entry["kind"] == "/":
            yield from listed(path, torch=marked)
        else:
            yield module(path), marked


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def out_of_order(order: list[str], imported: dict[str, set[str]]) -> list[str]:
    """Every import of a module that is not listed above its importer."""
    place = {name: i for i, name in enumerate(order)}
    return [
        f"{name} imports {other}"
        for name in order
        for other in sorted(imported[name])
        if place.get(other, len(order)) >= place[name]
    ]


@cache
def own_imports() -> dict[str, set[str]]:
    """What each module imports of the package, but for the version."""
    return {module(path): {name for name in imports(path) if name.startswith("platypus.")} for path in SOURCES}


def test_every_module_is_listed_in_the_docstring_of_its_package() -> None:
    modules = {module(path) for path in SOURCES if not path.stem.startswith("__")}
    assert sorted(name for name, _ in listed()) == sorted(modules)


def test_a_module_imports_only_what_is_listed_above_it() -> None:
    assert out_of_order([name for name, _ in listed()], own_imports()) == []


def test_the_readme_names_the_packages_in_import_order() -> None:
    packages = dict.fromkeys(name.split(".")[1] for name, _ in listed() if name.count(".") > 1)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"^catalogue(?:\s*→ \w+)+$", text, re.MULTILINE)
    assert re.split(r"\s*→ ", named) == [*packages]


def test_an_import_that_is_turned_round_is_noticed() -> None:
    imported = {**own_imports(), "platypus.catalogue.tools": {"platypus.plan.plan"}}
    order = [name for name, _ in listed()]
    assert out_of_order(order, imported) == ["platypus.catalogue.tools imports platypus.plan.plan"]


def test_commands_never_import_one_another() -> None:
    for name, imported in own_imports().items():
        arguments = {"platypus.cli", *(f"platypus.cli_{name}" for name in ("evaluation", "execute", "export", "push"))}
        if name not in arguments:
            assert not [other for other in imported if other.startswith("platypus.commands.")], name


def test_imports_of_the_package_are_absolute_and_name_the_module() -> None:
    """One form only, so that the order cannot be evaded by another; no name with an underscore leaves its module."""
    packages = {module(path.parent) for path in SOURCES}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert "platypus" not in {alias.name.partition(".")[0] for alias in node.names}, module(path)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, module(path)
                names = [alias.name for alias in node.names]
                assert node.module not in packages or names == ["__version__"], module(path)
                if (node.module or "").startswith("platypus."):
                    assert not [name for name in names if name.startswith("_")], module(path)


def test_torch_is_imported_in_the_marked_modules_alone() -> None:
    marked = {name for name, torch in listed() if torch}
    for path in SOURCES:
        if module(path) not in marked:
            assert "torch" not in {name.partition(".")[0] for name in imports(path)}, module(path)


def test_light_modules_import_nothing_heavy() -> None:
    """In a fresh interpreter: what a module imports through others counts too."""
    light = ["platypus", *(name for name, torch in listed() if not torch)]
    assert {"platypus.inference.planner", "platypus.commands.evaluate", "platypus.decoding.grammar.plans"} <= {*light}
    program = (
        f"import importlib, sys\nfor light in {light}:\n    importlib.import_module(light)\n"
        f"    loaded = {HEAVY} & sys.modules.keys()\n    assert not loaded, (light, loaded)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_init_of_a_subpackage_holds_a_docstring_alone() -> None:
    for path in (path for path in SOURCES if path.name == "__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), module(path)
        assert len(tree.body) == 1 or path.parent == PACKAGE, module(path)


def length(path: Path) -> int:
    """The number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def test_files_are_small() -> None:
    assert {module(path): size for path in [*SOURCES, *TESTS] if (size := length(path)) > 400} == {}


def long_or_undocumented(tree: ast.Module) -> Iterator[str]:
    """The functions of 50 lines and more, and the public names without a docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= 50:
                yield node.name
    for node in tree.body:
        is_public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if is_public and not ast.get_docstring(node):
            yield node.name


def test_functions_are_short_and_modules_and_public_names_documented() -> None:
    trees = {module(path): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert [name for name, tree in trees.items() if not ast.get_docstring(tree)] == []
    assert {name: found for name, tree in trees.items() if (found := [*long_or_undocumented(tree)])} == {}


def test_a_module_has_a_test_file_at_the_same_place() -> None:
    places = {
        ROOT / "tests" / path.relative_to(PACKAGE).parent / f"test_{path.name}"
        for path in SOURCES
        if length(path) > MIRRORED and not path.stem.startswith("__")
    }
    assert sorted(places - {*TESTS}) == []


def test_there_are_recipes() -> None:
    assert {
        "demo",
        "demo-quick",
        "llama-2-13b",
        "seed-data",
        "seed-generated",
        "embedded-base",
        "embedded-base-further",
        "alpaca",
        "chat",
        "teacher",
    } <= {recipe.stem for recipe in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_with_its_catalogue(path: Path, request: pytest.FixtureRequest) -> None:
    catalogue = read_recipe(path).catalogue
    if catalogue is not None:
        if catalogue.startswith("../shared"):
            request.getfixturevalue("shared_data")
        assert len(read_catalogue(ROOT / catalogue)) > 0
