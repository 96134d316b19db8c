"""The tables of a recipe: defaults are within their limits, and contradictory values are refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from platypus.run.recipe import Recipe
from platypus.run.settings import PromptSettings, Settings, TrainSettings
from tests.run.test_recipe import error_of

TABLES = [type(field.default) for field in Recipe.model_fields.values() if isinstance(field.default, Settings)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_default_is_within_its_own_limits(table: type[Settings]) -> None:
    """Pydantic does not check defaults by itself."""
    for name, value in table().model_dump().items():
        if name != "model":  # a teacher without a model is refused as soon as one key is set
            extra: dict[str, Any] = {"model": "m"} if "model" in table.model_fields else {}
            assert table.model_validate({**extra, name: value}).model_dump()[name] == value


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        (
            "[train]\nwarmup_steps = 100\nwarmup_ratio = 0.1",
            "train.warmup_steps and train.warmup_ratio are both set",
            "Keep one of them.",
        ),
        (
            "[train]\nquantise = 'int8'\nparallel = 'fsdp'",
            'train.quantise = "int8" cannot be sharded by train.parallel = "fsdp"',
            'Use "nf4".',
        ),
        (
            "[refine]\nvalid_fraction = 0.5\ntest_fraction = 0.5",
            "refine.valid_fraction and refine.test_fraction leave nothing to train on",
            "Their sum must be below 1.",
        ),
        (
            "[prompt]\nturns = 'last'",
            "prompt.turns is for conversations in the chat template",
            'Set prompt.template to "chat".',
        ),
        ("train = 3", "train is a table", "Write [train] and its keys below that line."),
        ("[decode]\ntoday = '2026-02-30'", "decode.today = '2026-02-30' is no day", 'Give it as "2026-11-30"'),
        ("[pretrain]\nheads = 5", "pretrain.hidden_size = 128 does not divide", "Choose a multiple of twice"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    error = error_of(tmp_path, text)
    assert error.what.startswith(what) and error.remedy.startswith(remedy)


def test_recipes_without_a_chat_template_keep_the_fingerprints_of_their_stages() -> None:
    plain = {"notation": "json", "cutoff": 4096, "markers": False}
    assert PromptSettings().model_dump() == plain
    chat = PromptSettings(template="chat", turns="last").model_dump()
    assert chat == {**plain, "template": "chat", "turns": "last"}
    assert PromptSettings(**chat).model_dump() == chat


MINE = "catalogue = 'tools.json'\n[teacher]\nmodel = 'm'\n"


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("[teacher]\nproposals = 3", "teacher.model is missing", "Name the model"),
        (MINE + "paraphrases = 0", "teacher.paraphrases and teacher.proposals are both 0", "Set one"),
        (MINE + "body = {stream = true}", "teacher.body must not contain 'stream'", "Remove it"),
        (MINE + "budget_dollars = 5.0", "teacher.budget_dollars is set without prices", "Set price_per_million_in"),
        (MINE + "temperature = 3.0", "teacher.temperature = 3.0 should be less than or equal to 2", "Leave it out"),
        ("[teacher]\nmodel = 'm'", "[teacher] adds to the generated examples, but none", "Set `catalogue`"),
        (MINE + "[generate]\nexamples = 0", "[teacher] adds to the generated examples, but none", "Set `catalogue`"),
    ],
)
def test_an_inconsistent_teacher_is_refused(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    error = error_of(tmp_path, text)
    assert error.what.startswith(what) and error.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "url", ["localhost:11434", "https://me:s3cret@host/v1", "https://host/v1?key=s3cret", "https://host/v1#s3cret"]
)
def test_an_address_with_a_key_in_it_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    error = error_of(tmp_path, f"{MINE}base_url = '{url}'")
    assert error.what == "teacher.base_url is not the plain address of an endpoint"
    assert "PLATYPUS_TEACHER_KEY" in error.remedy and "s3cret" not in str(error)


def test_markers_need_calls() -> None:
    with pytest.raises(ValueError, match="markers"):
        Recipe.model_validate({"prompt": {"notation": "json", "markers": True}})


@given(micro=st.integers(-4, 64) | st.sampled_from(["auto", "all", "5"]))
def test_a_micro_batch_is_any_number_or_auto(micro: int | str) -> None:
    """It need not divide the batch, since it affects only memory and speed."""
    possible = micro == "auto" or (isinstance(micro, int) and micro >= 1)
    try:
        settings = TrainSettings.model_validate({"batch_size": 16, "micro_batch_size": micro})
    except ValidationError:
        assert not possible
    else:
        assert possible and settings.micro_batch_size == micro
