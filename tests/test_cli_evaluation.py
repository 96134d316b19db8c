"""The commands that score and compare have their options; what they do is tested in tests/commands."""

import pytest
from typer.testing import CliRunner

from platypus.cli import app


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("evaluate", ["--data", "--limit", "--shuffle", "--endpoint", "--model", "--ask", "--skip-bad", "--out"]),
        ("score", ["--gold", "--predictions", "--catalogue", "--out"]),
        ("compare", ["--flips", "--seed", "--json"]),
    ],
)
def test_options(command: str, options: list[str]) -> None:
    said = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert said.exit_code == 0 and [option for option in options if option not in said.output] == []
