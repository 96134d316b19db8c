"""The commands in the README exist and have these options."""

import re
import shlex
from typing import Any

import pytest
from typer.main import get_command

from platypus.cli import app
from tests.support.command import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def commands(text: str) -> list[list[str]]:
    """The words of each command in `sh` blocks, and of the lines after `$ ` in `console` blocks."""
    lines = []
    for language, block in FENCE.findall(text):
        whole = block.replace("\\\n", " ").splitlines()
        if language == "console":
            lines += [line[2:] for line in whole if line.startswith("$ ")]
        elif language == "sh":
            lines += whole
    parts = [part for line in lines for part in _unpiped(line)]
    return [part for part in parts if part]


def _unpiped(line: str) -> list[list[str]]:
    """`a x | b "y z" && c  # why` → a x, b y z, c. A redirection into a file is left out."""
    parts: list[list[str]] = [[]]
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for word in lexer:
        if set(word) <= set("|&;"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part[: part.index(">")] if ">" in part else part for part in parts]


def parse(words: list[str]) -> None:
    """Parse as the command line does, without running anything. Raises the user's error."""
    group: Any = get_command(app)
    context = group.make_context("platypus", list(words), resilient_parsing=words[0].startswith("-"))
    if "--help" in words or words[0].startswith("-"):
        return
    name, command, rest = group.resolve_command(context, [word for word in words if word != "--debug"])
    command.make_context(name, rest, parent=context)


def test_the_commands_of_a_text_are_found() -> None:
    text = (
        '```sh\n# first\nplatypus plan runs/a "Sum | up" | jq .  # why\n'
        "\nmake demo && platypus all runs/a \\\n  --force\n```\n"
        "```console\n$ platypus show runs/a --json > out.json\nruns/a: base x\n```\n```python\nplatypus()\n```\n"
    )
    assert commands(text) == [
        ["platypus", "plan", "runs/a", "Sum | up"],
        ["jq", "."],
        ["make", "demo"],
        ["platypus", "all", "runs/a", "--force"],
        ["platypus", "show", "runs/a", "--json"],
    ]


@pytest.mark.parametrize("words", [["fly"], ["train", "run", "--fast"], ["plan"], ["show"], ["check", "a", "b"]])
def test_a_wrong_command_is_noticed(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such command|No such option|Missing parameter|unexpected extra"):
        parse(words)


def test_the_commands_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    readme_commands = commands(readme())
    assert any(words[0] == "platypus" for words in readme_commands)
    for words in readme_commands:
        match words:
            case ["platypus" | ".venv/bin/platypus", *rest]:
                parse(rest)
            case ["make", *make_words]:
                assert {word for word in make_words if "=" not in word} <= targets
            case ["python" | "python3" | ".venv/bin/python", script, *_] if not script.startswith("-"):
                assert (ROOT / script).is_file()
            case [name, *_]:
                assert name in {
                    "git",
                    "cd",
                    "pip",
                    ".venv/bin/pip",
                    "python",
                    "python3",
                    ".venv/bin/python",
                    "jq",
                    "echo",
                }
