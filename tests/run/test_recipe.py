"""Recipes: unknown keys and impossible values are clear errors; the shipped recipes are complete."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from platypus.errors import ModelError, RecipeError
from platypus.prompt.base_files import BASE_CARD
from platypus.run.recipe import Recipe, changed_recipe, changes, read_recipe, suited
from platypus.run.settings import PromptSettings, Settings, TrainSettings

RECIPES = Path(__file__).parents[2] / "recipes"


def read(folder: Path, text: str) -> Recipe:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(path)


def error_of(folder: Path, text: str) -> RecipeError:
    with pytest.raises(RecipeError) as raised:
        read(folder, text)
    assert raised.value.where == str(folder / "mine.toml")
    return raised.value


def test_an_empty_recipe_is_the_defaults_and_the_original_hyper_parameters(tmp_path: Path) -> None:
    recipe = read(tmp_path, "")
    assert recipe == Recipe()
    train = recipe.train
    assert (train.learning_rate, train.batch_size, train.micro_batch_size, train.epochs) == (4e-4, 16, "auto", 1)
    assert (train.rank, train.alpha, train.dropout, train.target_modules) == (16, 16, 0.05, "mlp")
    assert (train.weight_decay, train.schedule, recipe.prompt.cutoff) == (0, "cosine", 4096)
    assert not train.train_on_inputs and not train.group_by_length
    assert train.warmup_steps is None and train.warmup_ratio is None


def test_values_reach_their_tables(tmp_path: Path) -> None:
    recipe = read(
        tmp_path,
        'catalogue = "tools.json"\nseed = 7\n[prompt]\nnotation = "calls"\n[refine]\ndata = ["a.jsonl"]\n'
        '[train]\nalpha = 32\nwarmup_steps = 5\ntarget_modules = ["q_proj"]\n[evaluate]\nlimit = 3\n',
    )
    assert (recipe.catalogue, recipe.seed, recipe.prompt.notation) == ("tools.json", 7, "calls")
    assert (recipe.refine.data, recipe.train.target_modules, recipe.evaluate.limit) == (["a.jsonl"], ["q_proj"], 3)
    assert (recipe.train.alpha, recipe.train.warmup_steps) == (32, 5)


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("[train]\nlearning_rat = 1e-4", "unknown key train.learning_rat", "Did you mean train.learning_rate?"),
        ("catalog = 'x'", "unknown key catalog", "Did you mean catalogue?"),
        ("[evaluat]\nlimit = 1", "unknown key evaluat", "Did you mean evaluate?"),
        ("epochs = 3", "unknown key epochs", "epochs belongs under [train]."),
        ("[train]\nseed = 3", "unknown key train.seed", "seed belongs at the top, above the first [table]."),
        (
            "[evaluate]\nx = 3",
            "unknown key evaluate.x",
            "Known here: before, batch_size, max_new_tokens, resamples, limit, mock, confidence.",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    error = error_of(tmp_path, text)
    assert (error.what, error.remedy) == (what, remedy)


def test_one_text_for_a_list(tmp_path: Path) -> None:
    error = error_of(tmp_path, "[refine]\ndata = 'rows.jsonl'")
    assert error.remedy == 'Write it as a list: ["rows.jsonl"].'


@pytest.mark.parametrize(
    ("table", "line", "what"),
    [
        ("train", "rank = 0", "train.rank = 0 should be greater than or equal to 1"),
        ("train", "rank = 1.5", "train.rank = 1.5 should be a valid integer"),
        ("train", "rank = true", "train.rank = True should be a valid integer"),
        ("train", "learning_rate = 0", "train.learning_rate = 0 should be greater than 0"),
        ("train", "learning_rate = inf", "train.learning_rate = inf should be a finite number"),
        ("train", "dropout = 1.0", "train.dropout = 1.0 should be less than 1"),
        ("train", "schedule = 'cosin'", "train.schedule = 'cosin' should be 'cosine', 'linear' or 'constant'"),
        ("train", "target_modules = []", "train.target_modules = [] should be 'mlp', 'attention' or 'all-linear'"),
        ("prompt", "cutoff = '4096'", "prompt.cutoff = '4096' should be a valid integer"),
        ("refine", "data = ['a', 3]", "refine.data = ['a', 3] should be a valid string"),
        ("merge", "max_shard_size = '5 GB'", "merge.max_shard_size = '5 GB' should match pattern"),
    ],
)
def test_an_impossible_value_is_named_with_what_is_possible(tmp_path: Path, table: str, line: str, what: str) -> None:
    error = error_of(tmp_path, f"[{table}]\n{line}")
    assert error.what.startswith(what)
    default = getattr(Recipe(), table).model_dump()[line.partition(" ")[0]]
    assert error.remedy == f"Leave it out for the default, {default!r}."


def test_all_mistakes_of_a_recipe_are_reported_at_once(tmp_path: Path) -> None:
    error = error_of(tmp_path, "[train]\nrank = 0\nepoch = 3\n[prompt]\nnotation = 'xml'")
    assert error.what == "3 problems"
    assert "train.rank = 0" in error.remedy
    assert "train.epochs?" in error.remedy
    assert "'json' or 'calls'" in error.remedy


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    assert "line 2" in error_of(tmp_path, "seed = 1\nbase = oops\n").what
    with pytest.raises(RecipeError, match="No such file"):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match="Is a directory"):
        read_recipe(tmp_path)
    (tmp_path / "latin.toml").write_bytes('base = "café"'.encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8"):
        read_recipe(tmp_path / "latin.toml")


def test_a_recipe_cannot_be_changed() -> None:
    recipe = Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.train.rank = 8  # type: ignore[misc]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["rank", "data", "x"]), inner, max_size=2)
    ),
)


@given(table=st.sampled_from([None, *Recipe.model_fields]), value=VALUES, key=st.text("abcdefgrnk_", min_size=1))
def test_any_recipe_loads_or_is_a_recipe_error(
    tmp_path_factory: pytest.TempPathFactory, table: str | None, value: Any, key: str
) -> None:
    lines = f"{key} = {toml(value)}" if table is None else f"{table} = {toml({key: value, 'rank': value})}"
    try:
        read(tmp_path_factory.getbasetemp(), lines)
    except RecipeError as error:
        assert error.what and error.remedy


def toml(value: Any) -> str:
    """A value in TOML, None as an empty string."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
        case None:
            return '""'
        case _:
            return str(value)


COMMENTED_OUT = {
    "patience",
    "warmup_steps",
    "of",
    "method",
    "weights",
    "search",
    "search_rows",
    "density",
    "core_space",
    "layers",
    "seconds",
    "today",
    "encoder",
    "limit",
    "base_url",
}


def test_the_original_recipe_shows_every_key() -> None:
    text = (RECIPES / "llama-2-13b.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    for name, field in Recipe.model_fields.items():
        assert name in document or name in ("pretrain", "teacher"), name
        if name not in ("pretrain", "teacher") and isinstance(field.default, Settings):
            left_out = set(type(field.default).model_fields) - document[name].keys()
            assert left_out <= COMMENTED_OUT, name
    assert all(f"\n# {key} = " in text for key in COMMENTED_OUT)


@pytest.mark.parametrize("said", ["2026-11-30", "'2026-11-30'", "'20261130'", "'2026-W49-1'"])
def test_today_is_a_date_or_its_text(tmp_path: Path, said: str) -> None:
    assert read(tmp_path, f"[decode]\ntoday = {said}\n").decode.today == "2026-11-30"


def test_keys_that_came_later_change_no_fingerprint_until_they_are_set() -> None:
    assert "prefix_gigabytes" not in TrainSettings().model_dump()
    assert TrainSettings(prefix_gigabytes=2.0).model_dump()["prefix_gigabytes"] == 2.0
    assert "rendering" not in PromptSettings().model_dump()


def test_the_recipe_with_a_teacher_shows_every_key_of_its_table() -> None:
    text = (RECIPES / "teacher.toml").read_text(encoding="utf-8")
    assert set(type(Recipe().teacher).model_fields) - tomllib.loads(text)["teacher"].keys() == {"style"}
    assert "# style = " in text


def test_the_original_recipe_warms_up_within_its_run() -> None:
    """The trap: 100 steps of warm-up in a run of 63, whose learning rate never reached its value."""
    recipe = read_recipe(RECIPES / "llama-2-13b.toml")
    steps = -(-recipe.generate.examples * recipe.train.epochs // recipe.train.batch_size)
    assert steps == 63 < 100
    assert recipe.train.warmup_steps is None
    assert recipe.train.warmup_ratio is not None and 0 < steps * recipe.train.warmup_ratio < steps / 2
    assert recipe.train == TrainSettings(warmup_ratio=recipe.train.warmup_ratio, dtype="bfloat16")


def test_only_needs_a_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('only = ["pets"]\n')
    with pytest.raises(RecipeError, match="only chooses parts of a catalogue, but there is none"):
        read_recipe(path)
    path.write_text('catalogue = "petstore.yaml"\nonly = ["pets"]\n')
    assert read_recipe(path).only == ["pets"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ["prompt.notation", "prompt.markers", "train.rank", "train.alpha", "train.warmup_ratio"]),
        ('prompt = {notation = "json"}', ["train.rank", "train.alpha", "train.warmup_ratio"]),
        ("train = {rank = 4}", ["prompt.notation", "prompt.markers", "train.warmup_ratio"]),
        ("train = {warmup_steps = 3}", ["prompt.notation", "prompt.markers", "train.rank", "train.alpha"]),
        ('base = "owner/name"', []),
    ],
)
def test_a_base_suggests_what_the_recipe_leaves_out(tmp_path: Path, text: str, left: list[str]) -> None:
    recipe = read(tmp_path, text)
    taken = [change.partition(" = ")[0] for change in changes(recipe, suited(recipe))]
    choices = {"prompt.notation", "prompt.markers", "train.rank", "train.alpha", "train.warmup_ratio"}
    assert [key for key in taken if key in choices] == sorted(left, key=taken.index)


def test_a_base_of_one_s_own_suggests_what_its_card_says(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / BASE_CARD).write_text('{"suits": {"train": {"epochs": 3, "rank": 2}}}', encoding="utf-8")
    recipe = read(tmp_path, f'base = "{tmp_path / "base"}"\ntrain = {{rank = 7}}')
    assert changes(recipe, suited(recipe)) == ["train.epochs = 3"]


def test_a_default_that_the_recipe_says_is_no_gap_for_the_base(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    suits = {
        "prompt": {"rendering": "brief", "notation": "calls"},
        "train": {"prefix_gigabytes": 4.0},
        "evaluate": {"confidence": False},
    }
    (tmp_path / "base" / BASE_CARD).write_text(json.dumps({"suits": suits}), encoding="utf-8")
    said = '[prompt]\nrendering = "full"\n[train]\nprefix_gigabytes = 1.0\n[evaluate]\nconfidence = true\n'
    recipe = read(tmp_path, f'base = "{tmp_path / "base"}"\n{said}')
    assert changes(recipe, suited(recipe)) == ['prompt.notation = "calls"']
    changed = changed_recipe(recipe, {"train.rank": 3}, where="")
    assert changes(recipe, suited(changed)) == ['prompt.notation = "calls"', "train.rank = 3"]


def test_a_card_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    recipe = read(tmp_path, f'base = "{tmp_path / "base"}"')
    for text, error, what in (
        ("{", ModelError, "is no JSON"),
        ('{"suits": {"train": {"epoch": 3}}}', RecipeError, "train.epoch: Extra inputs are not permitted"),
        ('{"suits": {"training": {"epochs": 3}}}', RecipeError, "training is no table of a recipe"),
        ('{"suits": {"train": 3}}', RecipeError, "train is no table of a recipe"),
        (
            '{"suits": {"train": {"warmup_steps": 3, "warmup_ratio": 0.1}}}',
            RecipeError,
            "train.warmup_steps and train.warmup_ratio are both set",
        ),
        ('{"suits": ["train"]}', ModelError, "is no card of a base"),
        ("[]", ModelError, "is no card of a base"),
    ):
        (tmp_path / "base" / BASE_CARD).write_text(text, encoding="utf-8")
        with pytest.raises(error, match=what):
            suited(recipe)
