"""docs/fine-tuning.md: its commands are commands, its recipes load, and its keys are keys of a recipe."""

import json
import re
from pathlib import Path

from platypus.data.conversation import read_messages
from platypus.run.recipe import Recipe, read_recipe
from tests.project.test_docs import FENCE, commands, parse
from tests.support.command import ROOT

PAGE = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
KEY = re.compile(r"`(\w+)\.(\w+)(?: = (\"[\w-]+\"))?`")


def test_the_commands_are_commands() -> None:
    found = commands(PAGE)
    assert len(found) > 7
    for name, *words in found:
        assert name == "platypus"
        parse(words)


def test_the_recipes_load(tmp_path: Path) -> None:
    recipes = [block for language, block in FENCE.findall(PAGE) if language == "toml"]
    assert recipes
    for recipe in recipes:
        (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
        assert read_recipe(tmp_path / "recipe.toml").prompt.template == "chat"


def test_the_rows_are_rows() -> None:
    (block,) = (block for language, block in FENCE.findall(PAGE) if language == "json")
    instruction, conversation = (json.loads(row) for row in re.split(r"\n(?=\{)", block.strip()))
    assert instruction.keys() == {"instruction", "input", "output"}
    assert read_messages(conversation["messages"])[-1].content == "A platypus."


def test_the_keys_of_the_table_are_keys_of_a_recipe() -> None:
    found = KEY.findall(PAGE.partition("## Keys of")[2].partition("\n## ")[0])
    assert len(found) > 30
    for table, key, value in found:
        settings = type(Recipe.model_fields[table].default)
        assert key in settings.model_fields, (table, key)
        if value:
            further = {"template": "chat"} if key == "turns" else {}
            assert getattr(settings.model_validate({key: json.loads(value), **further}), key) == json.loads(value)
