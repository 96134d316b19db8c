"""The command `base`: it replaces nothing but a base that Platypus made."""

from pathlib import Path

import pytest

from platypus.commands.base import base
from platypus.errors import ModelError
from platypus.run.recipe import Recipe


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(ModelError, match="not replaced"):
        base(Recipe(), tmp_path / "photos")
