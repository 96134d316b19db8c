"""The house keeps its order: light modules stay light, stages stay apart, files and functions stay small.

That a module imports only what the README lists above it is held in test_docs.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from platypus.catalogue.tools import read_catalogue
from platypus.run.recipe import read_recipe
from tests.support.command import ROOT

PACKAGE = ROOT / "platypus"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))

HEAVY = {"torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "sentencepiece", "tensorboard"}
HEAVY |= {"openai", "tenacity"}
MAY_USE_TORCH = {
    "model/quantisation.py",
    "model/loading.py",
    "inference/sentence_encoder.py",
    "training/shared_prefix/attention.py",
    "training/shared_prefix/loss.py",
    "training/shared_prefix/prefix.py",
    "training/checkpoint.py",
    "training/distributed.py",
    "training/forecast.py",
    "training/optimizer.py",
    "training/peak_memory.py",
    "training/tracking.py",
    "training/loop.py",
    "decoding/kv_cache.py",
    "decoding/state.py",
    "decoding/decoder.py",
    "pretraining/initial_weights.py",
    "commands/base.py",
    "commands/train.py",
    "commands/merge.py",
    "commands/export.py",
}


def name(path: Path) -> str:
    """`commands/train.py` in the package, `tests/plan/test_plan.py` outside it: what a failing test is called by."""
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def imported(path: Path, *, anywhere: bool) -> Iterator[str]:
    """The modules that a file imports: anywhere in it, or only when it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_torch_is_used_in_the_marked_files_alone(source: Path) -> None:
    if name(source) not in MAY_USE_TORCH:
        assert "torch" not in {module.partition(".")[0] for module in imported(source, anywhere=True)}


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_stages_never_import_one_another(source: Path) -> None:
    if name(source) != "cli.py":
        assert not [module for module in imported(source, anywhere=True) if module.startswith("platypus.commands")]


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_imports_of_the_package_are_absolute_and_name_the_module(source: Path) -> None:
    """One form only, so that the import rule cannot be evaded by another one."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.partition(".")[0] == "platypus"]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            if node.module in ("platypus", "platypus.commands"):
                assert [alias.name for alias in node.names] == ["__version__"]


def test_light_modules_import_nothing_heavy() -> None:
    """In a fresh interpreter: what a module imports through others counts too."""
    light = [
        "platypus." + name(source).removesuffix(".py").replace("/", ".")
        for source in SOURCES
        if name(source) not in MAY_USE_TORCH and not source.stem.startswith("__")
    ]
    assert "platypus.inference.planner" in light and "platypus.commands.evaluate" in light
    program = (
        f"import importlib, sys\nfor light in {light}:\n    importlib.import_module(light)\n"
        f"    loaded = {HEAVY} & sys.modules.keys()\n    assert not loaded, (light, loaded)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("source", [*SOURCES, *TESTS], ids=name)
def test_files_are_small(source: Path) -> None:
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_functions_are_short_and_public_names_documented(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None and node.end_lineno - node.lineno < 50, node.name
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


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
        "teacher",
    } <= {recipe.stem for recipe in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=name)
def test_every_recipe_loads_with_its_catalogue(path: Path, request: pytest.FixtureRequest) -> None:
    catalogue = read_recipe(path).catalogue
    if catalogue is not None:
        if catalogue.startswith("../shared"):
            request.getfixturevalue("shared_data")
        assert len(read_catalogue(ROOT / catalogue)) > 0
