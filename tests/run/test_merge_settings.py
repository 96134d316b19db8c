"""The keys of [merge]: what contradicts what, and that finished merges keep their fingerprints."""

from pathlib import Path

import pytest

from platypus.errors import RecipeError
from platypus.run.merge_settings import MergeSettings
from platypus.run.recipe import Recipe, read_recipe


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("method = 'ties'", "merge.method is for what merge.of names"),
        ("of = ['a', 'b']\nweights = [1.0]", "merge.weights: 1 for 2 in merge.of"),
        ("of = ['a', 'b']\n[[merge.layers]]\nfirst = 0\nlast = 3\nweights = [1.0]", "merge.weights: 1 for 2"),
        ("of = ['a', 'b']\nlayers = [{first = 0, last = 3, weights = []}]", "merge.weights: 0 for 2 in merge.of"),
        (
            "of = ['a']\nlayers = [{from = 0, last = 3, weights = [1.0]}]",
            "merge.layers.0.first is missing, merge.layers.0.from is not known",
        ),
        ("of = ['a']\nlayers = [{first = 0, last = 3, weights = [1.0], to = 3}]", "merge.layers.0.to is not known"),
        ("of = ['a']\nlayers = [3]", "merge.layers.0 is no table"),
        ("of = ['a', 'b', 'c']\nmethod = 'slerp'", "merge.method = 'slerp' is for two, and merge.of names 3"),
        ("of = ['a', 'b']\nmethod = 'linear'\nweights = [1.0, -1.0]", "divides by the sum of the weights"),
        ("of = ['a', 'b']\ncore_space = true", "merge.core_space makes no difference to 'task-arithmetic'"),
        ("of = ['a', 'b']\nweights = [1.0, 1.0]\nsearch = [0.5]", "merge.search finds the weights, and merge.weights"),
        ("search = [0.5]", "merge.search is for what merge.of names"),
        ("of = ['a', 'b']\nsearch = [0.0]", "merge.search"),
        ("of = ['a', 'b']\nsearch_rows = 9", "merge.search_rows is for merge.search"),
        ("of = ['a', 'b', 'a']", "merge.of names a more than once"),
        ("of = ['a', 'b']\ndensity = 0.3", "merge.density makes no difference to 'task-arithmetic'"),
        ("of = ['a']\nlayers = [{first = 3, last = 1, weights = [1.0]}]", "merge.layers from 3 to 1 is no range"),
        (
            "of = ['a']\nlayers = [{first = 0, last = 2, weights = [1.0]}, {first = 2, last = 3, weights = [0.5]}]",
            "merge.layers has ranges with layers in common",
        ),
        ("of = ['a', 'b']\nmethod = 'breadcrumbs'", "merge.method = 'breadcrumbs' should be"),
        ("of = ['a', 'b']\nmethod = 'ties'\ndensity = 0.0", "merge.density = 0.0 should be"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, table: str, problem: str) -> None:
    (tmp_path / "recipe.toml").write_text(f"[merge]\n{table}\n")
    with pytest.raises(RecipeError, match=problem.replace("[", r"\[")) as raised:
        read_recipe(tmp_path / "recipe.toml")
    assert "Undefined" not in raised.value.remedy


def test_a_recipe_without_the_later_keys_keeps_its_fingerprint() -> None:
    assert MergeSettings().model_dump() == {"dtype": "bfloat16", "max_shard_size": "5GB", "verify": 8}


def test_the_command_line_names_other_sources() -> None:
    recipe = Recipe(merge=MergeSettings(of=["a", "b"], method="slerp"))
    assert recipe.merged_of(["c", "d"]).merge == MergeSettings(of=["c", "d"], method="slerp")
    assert recipe.merged_of([]) is recipe
    with pytest.raises(RecipeError, match="slerp' is for two") as raised:
        recipe.merged_of(["c"])
    assert raised.value.where == "--of"
