"""Tools of everyday software are usable tools, in a catalogue's style."""

from random import Random

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Tool
from platypus.generation.catalogues.catalogue_style import CatalogueStyle
from platypus.generation.catalogues.everyday_tools import everyday_tools
from platypus.generation.tasks import random_task


def drawn(seed: int, themes: int = 9, *, case: str = "snake") -> list[Tool]:
    return everyday_tools(CatalogueStyle(Random(seed), case, "types", 1.0, "the", False, False), themes)


def test_each_drawing_has_names_and_arguments_of_its_own() -> None:
    first, second = drawn(1), drawn(2)
    assert len(first) == len(second) > 50
    assert {tool.name for tool in first} != {tool.name for tool in second}
    assert all(tool.description and tool.name.islower() for tool in first)
    assert any(len(argument.name) > 3 and not argument.required for tool in first for argument in tool.arguments)
    assert any(tool.name != tool.name.lower() for tool in drawn(1, case="camel"))


def test_the_tools_survive_reading() -> None:
    tools = {tool.name: tool for seed in range(5) for tool in drawn(seed)}.values()
    again = catalogue_from_json([tool.to_json() for tool in tools])
    assert tuple(again) == tuple(tools)


def test_random_tasks_have_requests_for_them() -> None:
    plans = [str(example.plan) for key in range(60) for example in random_task(str(key), tools=8, requests=4).examples]
    assert any('"repo"' in plan for plan in plans) and any('"path"' in plan for plan in plans)
