"""What the shared options mean: the run that is opened, the tools that are read."""

from pathlib import Path

import pytest
import typer

from platypus.options import open_run, read_tools_of
from platypus.run.folder import Run
from tests.support.command import CRM, write_recipe


def test_a_run_is_opened_with_what_the_command_line_says(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))
    settings = open_run(tmp_path / "run", decoding="free", seconds=1.5).recipe.decode
    assert (settings.decoding, settings.seconds) == ("free", 1.5)


def test_parts_of_a_catalogue_need_a_catalogue() -> None:
    assert read_tools_of(None, None) is None
    assert [tool.name for tool in read_tools_of(str(CRM), ["search"]) or ()] == ["search"]
    with pytest.raises(typer.BadParameter, match="--only"):
        read_tools_of(None, ["search"])
