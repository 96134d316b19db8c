"""The examples of a step: its tools depend on seed and step alone, also in a resumed training; rehearsal."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.commands.train import forecast, train
from platypus.data.dataset import Example, Instruction, Row
from platypus.errors import PromptError
from platypus.plan.plan import Plan, Step
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from platypus.run.settings import TrainSettings
from platypus.training.dataset import TrainingDataset, sample_tools
from platypus.training.shared_prefix.loss import answer_length
from platypus.training.shared_prefix.prefix import common_prefix
from tests.support.tiny_models import CATALOGUE, byte_bpe_tokenizer, examples, tiny_llama, tiny_run
from tests.support.trainings import metrics, same
from tests.training.test_loop import Killed, stop_at

TOOLS = catalogue_from_json([{"name": f"tool_{number}", "description": f"Does {number}."} for number in range(10)])
ROWS = [Example(f"Do {n}", Plan((Step(f"tool_{n % 10}"),)), TOOLS.fingerprint, {}) for n in range(40)]
DRAWN = TrainSettings(shuffle_tools=True, drop_tools=0.5, batch_size=4)
JOB = """
[prompt]
notation = "calls"
[train]
epochs = 2
batch_size = 4
rank = 2
dropout = 0.3
learning_rate = 1e-2
checkpoint_minutes = 0
shuffle_tools = true
drop_tools = 0.4
"""


def dataset(settings: TrainSettings = DRAWN, *, rows: list[Row] | None = None, seed: int = 0) -> TrainingDataset:
    return TrainingDataset(rows or list(ROWS), Prompt(byte_bpe_tokenizer(), TOOLS, "calls"), settings, seed)


def names(catalogue: Catalogue | None) -> list[str]:
    return [tool.name for tool in catalogue or ()]


def test_without_options_a_step_has_the_unchanged_examples() -> None:
    plain = dataset(TrainSettings())
    assert plain.step_examples([3, 1], 7) == [plain.examples[3], plain.examples[1]]
    assert not plain.vary and plain.results() == {}


def test_a_step_shows_the_tools_that_it_needs_and_about_half_of_the_others() -> None:
    drawn, shown = dataset(), Counter[str]()
    for step in range(1, 201):
        catalogue = drawn.catalogue([0, 1, 10], step)
        assert {"tool_0", "tool_1"} <= set(names(catalogue))
        shown.update(names(catalogue))
        read = drawn.step_examples([0, 1, 10], step)
        assert catalogue is not None
        assert [row.ids for row in read] == [
            replace(drawn.prompt, catalogue=catalogue).encode(ROWS[number]).ids for number in (0, 1, 10)
        ]
        assert common_prefix(read) > 0.8 * min(row.prompt_length for row in read)
    assert shown["tool_0"] == shown["tool_1"] == 200
    assert all(70 < shown[f"tool_{number}"] < 130 for number in range(2, 10))


def test_tools_are_shuffled_in_each_step_or_stay_in_order() -> None:
    rows = list(range(10))
    orders = {tuple(names(dataset(TrainSettings(shuffle_tools=True)).catalogue(rows, step))) for step in range(1, 30)}
    assert len(orders) == 29 and all(set(order) == set(names(TOOLS)) for order in orders)
    dropped = names(dataset(TrainSettings(drop_tools=0.5)).catalogue([5], 1))
    assert dropped == [name for name in names(TOOLS) if name in dropped] and len(dropped) < 10


def test_a_step_depends_on_seed_and_step_alone() -> None:
    one, again, other = dataset(), dataset(), dataset(seed=1)
    one.step_examples([9, 8], 4)
    assert one.step_examples([0, 1], 5) == again.step_examples([0, 1], 5) != other.step_examples([0, 1], 5)
    assert one.step_examples([0, 1], 5) != one.step_examples([0, 1], 6)


def test_refusals_and_instructions_need_no_tool_and_some_tool_is_always_shown() -> None:
    refusal = Example("Fly", Plan(), TOOLS.fingerprint, {})
    mixed = dataset(TrainSettings(drop_tools=0.99), rows=[refusal, Instruction("Say hi.", "", "hi", {})])
    assert all(len(mixed.catalogue([0, 1], step) or ()) >= 1 for step in range(1, 50))
    assert mixed.step_examples([1], 1) == [mixed.examples[1]]
    alone = TrainingDataset(mixed.rows[1:], Prompt(byte_bpe_tokenizer(), None), DRAWN, 0)
    assert not alone.vary and alone.step_examples([0], 1) == alone.examples


def test_the_whole_prompt_may_be_learned_and_the_cutoff_is_that_of_the_whole_catalogue() -> None:
    learned = dataset(DRAWN.model_copy(update={"train_on_inputs": True}))
    assert [answer_length(row) for row in learned.step_examples([2, 3], 1)] == [
        len(row.ids) - 1 for row in dataset().step_examples([2, 3], 1)
    ]
    longest = max(len(row.ids) for row in dataset().examples)
    tight = replace(dataset(), prompt=replace(dataset().prompt, cutoff=longest))
    assert all(len(row.ids) <= longest + 10 for step in range(1, 20) for row in tight.step_examples([0], step))
    with pytest.raises(PromptError, match="longer than the cutoff"):
        _ = replace(dataset(), prompt=replace(dataset().prompt, cutoff=longest - 1)).examples


def test_sampling_keeps_the_needed_tools() -> None:
    settings = TrainSettings(drop_tools=0.9)
    assert {"tool_3"} <= set(names(sample_tools(TOOLS, {"tool_3"}, settings=settings, rng=Random(0))))
    assert sample_tools(TOOLS, set(), settings=TrainSettings(), rng=Random(0)) == TOOLS


# ---------------------------------------------------------------- in a training


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def job(folder: Path, base: Path, recipe: str = JOB) -> Run:
    return tiny_run(folder, base=base, rows=examples(10), valid=examples(3), recipe=recipe)


def test_a_resumed_training_draws_the_same_catalogues(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(job(tmp_path / "whole", base))
    run = job(tmp_path / "killed", base)
    with monkeypatch.context() as patched:
        stop_at(patched, step=4)
        with pytest.raises(Killed):
            train(run)
    resumed = train(run)
    assert same(whole.folder, resumed.folder)
    assert whole.results["tools_shown"] == resumed.results["tools_shown"]
    plain = train(job(tmp_path / "plain", base, JOB.replace("= true", "= false").replace("0.4", "0.0")))
    assert metrics(plain.folder) != metrics(whole.folder)
    assert "tools_shown" not in plain.results


def test_the_forecast_counts_the_tokens_that_are_read(base: Path, tmp_path: Path) -> None:
    run = job(tmp_path, base, JOB.replace("epochs = 2", "epochs = 1"))
    foreseen = forecast(run)
    assert foreseen.tokens == train(run).results["tokens"]


# ---------------------------------------------------------------- rehearsal


REHEARSING = TrainSettings(rehearsal=0.5, batch_size=4)
WIDE = catalogue_from_json([{"name": f"tool_{n}", "description": f"Does {n}, at length." * 9} for n in range(10)])


def rehearsing() -> TrainingDataset:
    return replace(dataset(REHEARSING), prompt=Prompt(byte_bpe_tokenizer(), WIDE, "calls"))


def test_half_of_the_steps_rehearse_another_random_catalogue_each() -> None:
    drawn = rehearsing()
    steps = drawn.first_epoch()
    others = [number for number, rows in enumerate(steps, 1) if min(rows) >= len(ROWS)]
    assert len(steps) == 20 and len(others) == 10 and drawn.results() == {"rehearsed": 40}
    read = [drawn.step_examples(steps[number - 1], number) for number in others]
    assert read == [rehearsing().step_examples(steps[number - 1], number) for number in others]
    beginnings = {tuple(rows[0].ids[: rows[0].prompt_length]) for rows in read}
    assert len(beginnings) == 10 and all(len(rows) == 4 for rows in read)
    assert all(common_prefix(rows) > 0.5 * min(row.prompt_length for row in rows) for rows in read)
    own = [rows for rows in steps if min(rows) < len(ROWS)]
    assert sorted(row for rows in own for row in rows) == list(range(len(ROWS)))
    assert drawn.step_examples(own[0], 1) == [drawn.examples[row] for row in own[0]]


def test_with_few_tools_too_no_step_mixes_rehearsal_with_own_rows() -> None:
    few = replace(dataset(REHEARSING, rows=examples(10)), prompt=Prompt(byte_bpe_tokenizer(), CATALOGUE, "calls"))
    steps = few.first_epoch()
    assert sum(min(rows) >= 10 for rows in steps) == 3
    assert all(max(rows) < 10 or min(rows) >= 10 for rows in steps)


def test_there_is_no_rehearsal_in_validation_or_without_a_catalogue() -> None:
    assert len(dataset(REHEARSING).examples) == len(ROWS)
    alone = TrainingDataset([Instruction("Say hi.", "", "hi", {})], Prompt(byte_bpe_tokenizer(), None), REHEARSING, 0)
    assert alone.pool == alone.examples


def test_a_mixed_step_draws_tools_for_its_own_rows_only() -> None:
    drawn = dataset(DRAWN.model_copy(update={"rehearsal": 0.5}))
    own, other = drawn.step_examples([3, len(ROWS)], 9)
    assert [own] == drawn.step_examples([3], 9) and other == drawn.pool[len(ROWS)]


def test_a_cutoff_too_short_for_any_catalogue_is_refused() -> None:
    short = Prompt(byte_bpe_tokenizer(), Catalogue(TOOLS.tools[:1]), "calls", cutoff=350)
    drawn = replace(dataset(REHEARSING, rows=ROWS[:1]), prompt=short)
    assert drawn.examples
    with pytest.raises(PromptError, match="no random catalogue"):
        _ = drawn.pool


# ---------------------------------------------------------------- rows with their own tools

BOATS = catalogue_from_json([{"name": f"boat_{number}"} for number in range(8)])
BOAT_ROWS: list[Row] = [
    Example(f"Take {n}", Plan((Step(f"boat_{n}"),)), BOATS.fingerprint, {}, BOATS) for n in range(8)
]


def test_without_options_rows_with_their_own_tools_are_read_with_them() -> None:
    plain = TrainingDataset(BOAT_ROWS, Prompt(byte_bpe_tokenizer(), None, "calls"), TrainSettings(), 0)
    own = Prompt(byte_bpe_tokenizer(), BOATS, "calls")
    assert [row.ids for row in plain.step_examples([3, 1], 7)] == [own.encode(BOAT_ROWS[n]).ids for n in (3, 1)]
    assert not plain.vary


@pytest.mark.parametrize("run", [None, TOOLS])
def test_a_step_varies_the_tools_that_its_rows_bring(run: Catalogue | None) -> None:
    rows = [*ROWS[:4], *BOAT_ROWS]
    varied = TrainingDataset(rows, Prompt(byte_bpe_tokenizer(), run, "calls"), DRAWN, 0)
    tokenizer = byte_bpe_tokenizer()
    texts = [tokenizer.decode(row.ids) for row in varied.step_examples([4, 5, 0, 6], 3)]
    shown = [{name for name in names(BOATS) if f"{name}()" in text.split("### Input")[0]} for text in texts]
    assert shown[0] == shown[1] == shown[3] >= {"boat_0", "boat_1", "boat_2"} and len(shown[0]) < 8
    assert shown[2] == set()
    again = [tokenizer.decode(row.ids) for row in varied.step_examples([4, 5, 0, 6], 3)]
    assert again == texts
    assert varied.step_examples([4, 5, 6], 4) != varied.step_examples([4, 5, 6], 3)
    few = DRAWN.model_copy(update={"drop_tools": 0.9})
    own = TrainingDataset(BOAT_ROWS, Prompt(byte_bpe_tokenizer(), run, "calls"), few, 0).results()
    assert 4 <= own["tools_shown"] < 7


def test_varied_tools_are_in_brief_where_the_unchanged_ones_are() -> None:
    """Ten tools with long descriptions, too many for the cutoff in full: another order is no reason to show them so."""
    rows = [Example("Do it", Plan((Step("tool_3"),)), WIDE.fingerprint, {}, WIDE)]
    tokenizer = byte_bpe_tokenizer()
    full = len(Prompt(tokenizer, WIDE, "calls").encode(rows[0]).ids)
    prompt = Prompt(tokenizer, None, "calls", cutoff=full)
    varied = TrainingDataset(rows, prompt, TrainSettings(shuffle_tools=True), 0)
    assert len(varied.examples[0].ids) < 0.8 * full
    assert all(len(varied.step_examples([0], step)[0].ids) < 0.8 * full for step in range(1, 10))


def test_a_training_on_rows_with_their_own_tools_can_rehearse() -> None:
    settings = TrainSettings(rehearsal=0.5, batch_size=4)
    rehearsing = TrainingDataset(BOAT_ROWS, Prompt(byte_bpe_tokenizer(), None, "calls"), settings, 0)
    assert rehearsing.results() == {"rehearsed": 8}
    assert len(rehearsing.step_examples([8, 9], 1)) == 2
