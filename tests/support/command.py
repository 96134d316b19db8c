"""Runs the command for tests, in this process or in one of its own, and writes recipes for small jobs."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
import typer

from platypus import cli

ROOT = Path(__file__).parents[2]
CRM = ROOT / "examples" / "crm" / "catalogue.json"


@dataclass(frozen=True)
class Ran:
    """The result of a command: its exit code and what it printed."""

    code: int
    out: str
    err: str


@cache
def _app() -> typer.core.TyperCommand:
    """The commands with their options, which typer would read from the functions for each command line."""
    return typer.main.get_command(cli.app)


def here(capsys: pytest.CaptureFixture[str], *words: object) -> Ran:
    """Run the command in this process."""
    capsys.readouterr()
    with patch.object(cli, "app", _app()), pytest.raises(SystemExit) as ended:
        cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return Ran(int(ended.value.code or 0), captured.out, captured.err)


def apart(*words: object) -> Ran:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "platypus", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def write_recipe(folder: Path, *, base: Path | str = "none", catalogue: Path | None = CRM, tables: str = "") -> Path:
    """A recipe for a job of seconds; `tables` is TOML that follows `base` and `catalogue`."""
    named = f'catalogue = "{catalogue}"\n' if catalogue else ""
    path = folder / "recipe.toml"
    path.write_text(f'base = "{base}"\n{named}{tables}', encoding="utf-8")
    return path
