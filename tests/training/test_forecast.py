"""The forecast: bytes counted by hand, splits that fit or an error with a remedy, and the peak of a real training."""

import re
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import pytest
import torch

from platypus.commands import train as train_command
from platypus.commands.generate import generate
from platypus.commands.refine import refine
from platypus.errors import TrainingError
from platypus.model.loading import Loaded, load_base
from platypus.prompt.prompt import EncodedExample
from platypus.run.folder import Run
from platypus.training import forecast
from platypus.training.adapter import adapt
from platypus.training.distributed import ProcessGroup, init_processes
from platypus.training.forecast import Forecast, Memory, StepSplit, make_forecast, peak_bytes
from tests.support.command import ROOT
from tests.support.processes import together
from tests.support.tiny_bases import gemma3
from tests.support.tiny_models import EXACT, tiny_llama

CPU = torch.device("cpu")
PREFIXES: tuple[Literal["auto", "dense", "repeated"], ...] = ("auto", "dense", "repeated")
STEP = [
    EncodedExample((*range(3, 203), *range(9 + row, 19 + row)), 205, f"row {row}") for row in range(8)
]  # 200 + 10 tokens


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


@cache
def bare(base: Path, prefix: Literal["auto", "dense", "repeated", "frozen"] = "auto") -> Loaded:
    settings = EXACT.model_copy(update={"prefix": prefix})
    return adapt(load_base(str(base), dtype="float32", device="meta"), settings, seed=0, device=CPU)


def seen(
    base: Path, *, step: list[EncodedExample] = STEP, world_size: int = 1, steps: int = 1, **changes: Any
) -> Forecast:
    """The forecast for two epochs of `steps` steps."""
    settings = EXACT.model_copy(update=changes)
    model = bare(base, changes.get("prefix", "auto"))
    free = init_processes().free_memory(settings)
    return make_forecast(
        model, [step] * steps, settings=settings, epochs=2, world_size=world_size, device=CPU, free=free
    )


# ---------------------------------------------------------------- bytes


def test_more_at_once_needs_more_and_checkpointing_less(base: Path) -> None:
    for kind in PREFIXES:
        model = bare(base, kind)
        model.model.eval()
        one, four = (peak_bytes(model, STEP, StepSplit(size, checkpointing=False)) for size in (1, 4))
        assert 0 < one < four
        assert peak_bytes(model, STEP, StepSplit(4, checkpointing=True)) < four
        assert peak_bytes(model, STEP, StepSplit(1, checkpointing=False)) == one, "checkpointing left something behind"
        assert all(parameter.grad is None for parameter in model.model.parameters()) and not model.model.training


@pytest.mark.parametrize("size", [1, 2, 3])
def test_two_groups_need_as_much_memory_as_a_whole_step(base: Path, size: int) -> None:
    """Rows of 1 to 41 tokens behind the prefix. What the previous group leaves in memory makes a small difference."""
    step = [
        EncodedExample((*range(3, 203), 9 + row, *range(9, 9 + row * 7 % 41)), 201, f"row {row}") for row in range(11)
    ]
    cut = StepSplit(size, checkpointing=False)
    memory = seen(base, step=step, micro_batch_size=size).memory
    assert memory.activations + memory.prefix == pytest.approx(peak_bytes(bare(base), step, cut), rel=0.05)


def test_the_peak_does_not_include_the_weights(base: Path) -> None:
    """Two tokens need far less memory than the weights."""
    model = bare(base)
    weights = sum(p.numel() * p.element_size() for p in model.model.parameters())
    short = [EncodedExample((3, 4, 1), 2, "short")]
    assert peak_bytes(model, short, StepSplit(1, checkpointing=False)) < weights / 4


# ---------------------------------------------------------------- tokens and the cut


def test_tokens_and_steps_by_hand(base: Path) -> None:
    """Eight rows of 210 tokens, 200 of them shared: 1,680 per step, of which 200 + 8·10 are computed; 2·3 steps."""
    found = seen(base, steps=3)
    assert (found.steps, found.tokens, found.computed_tokens) == (6, 6 * 1680, 6 * 280)
    assert found.attention == "flash attention" and found.seconds is None
    repeated = seen(base, prefix="repeated", steps=3)
    assert repeated.computed_tokens == repeated.tokens == 6 * 1680


def test_frozen_prefixes_by_hand(base: Path) -> None:
    """Two kinds of rows behind 200 tokens each: kept together they are computed once, else in each of six steps."""
    one = [replace(row, frozen=200) for row in STEP]
    both = [*one[:4], *(replace(row, ids=(7, *row.ids[1:])) for row in one[4:])]
    bytes_each = 200 * 2 * (32 + 32) * 4
    found = seen(base, step=both, steps=3, prefix="frozen")
    assert (found.computed_tokens, found.frozen_tokens, found.memory.prefix) == (6 * 80, 400, 2 * bytes_each)
    found = seen(base, step=both, steps=3, prefix="frozen", prefix_gigabytes=1e-9)
    assert (found.frozen_tokens, found.memory.prefix) == (6 * 400, bytes_each)
    assert seen(base, step=both, world_size=2, prefix="frozen").frozen_tokens == 2 * 400
    assert 0 < seen(base, step=one, prefix="frozen").memory.added < seen(base).memory.added


def test_each_device_computes_the_prefix_and_its_rows(base: Path) -> None:
    """Two devices: 2·(200 + 4·10). Three: 3·200 + 80; with fsdp the last one gets one more row, for equal shares."""
    assert seen(base, world_size=2).computed_tokens == 2 * 2 * 240
    assert seen(base, world_size=3).computed_tokens == 2 * 680
    assert seen(base, parallel="fsdp", world_size=3).computed_tokens == 2 * 690
    assert seen(base, world_size=8).memory.activations < seen(base).memory.activations


def test_parts_of_memory_by_hand(base: Path) -> None:
    """Two layers; keys and values are 32 wide. 200 prefix tokens of 4 bytes, and as many gradients."""
    model = bare(base)
    memory = seen(base).memory
    learned = sum(p.numel() for p in model.model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.model.parameters() if not p.requires_grad)
    assert (memory.base, memory.adapter, memory.optimizer) == (4 * frozen, 4 * learned, 12 * learned)
    assert memory.prefix == 200 * 2 * (32 + 32) * 4 * 2
    assert memory.total == sum(vars(memory).values()) == memory.added + memory.program
    inside = sum(p.numel() * 4 for n, p in model.model.named_parameters() if not p.requires_grad and ".layers." in n)
    sharded = seen(base, parallel="fsdp", world_size=4).memory
    assert sharded.base == 4 * frozen - inside + inside // 4 + inside, "a quarter, and two of two layers gathered"
    nf4 = seen(base, quantise="nf4").memory
    assert 4 * frozen - inside < nf4.base < 4 * frozen - inside / 2


def test_layers_of_a_vision_part_are_not_the_text_parts(tmp_path: Path) -> None:
    """Two layers of text and one of images: a quarter of all of them, and two gathered of two."""
    loaded = load_base(str(gemma3(tmp_path / "base")), dtype="float32", device="meta")
    model = adapt(loaded, EXACT, seed=0, device=CPU)
    settings = EXACT.model_copy(update={"parallel": "fsdp"})
    found = make_forecast(model, [STEP], settings=settings, epochs=1, world_size=4, device=CPU, free=2**40).memory.base
    sizes = {name: 4 * p.numel() for name, p in model.model.named_parameters() if not p.requires_grad}
    inside = sum(size for name, size in sizes.items() if ".layers." in name)
    assert found == sum(sizes.values()) - inside + inside // 4 + inside


def with_memory(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(ProcessGroup, "free_memory", lambda self, settings: size / forecast.ROOM + 1)


def test_with_less_memory_groups_shrink_then_it_checkpoints_then_it_refuses(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = {}
    for size, again in ((8, False), (1, False), (1, True)):
        found = seen(base, micro_batch_size=size, checkpointing="always" if again else "never")
        assert (found.cut, found.reason) == (StepSplit(size, again), "as the recipe says")
        needs[found.cut] = found.memory.added
    whole = seen(base)
    assert (whole.cut, whole.reason) == (StepSplit(8, checkpointing=False), "a whole step")
    with_memory(monkeypatch, needs[StepSplit(8, False)] - 1)
    smaller = seen(base)
    assert smaller.cut == StepSplit(4, checkpointing=False) and smaller.memory.added <= smaller.available
    assert re.fullmatch(r"the fastest that fits; 8 at once would need \d+\.\d MB", smaller.reason)
    with_memory(monkeypatch, needs[StepSplit(1, False)] - 1)
    assert seen(base).cut.checkpointing
    with_memory(monkeypatch, needs[StepSplit(1, True)] - 1)
    with pytest.raises(TrainingError, match="the largest step needs at least") as raised:
        seen(base)
    assert 'quantise = "nf4"' in raised.value.remedy and "checkpointing" not in raised.value.remedy
    with_memory(monkeypatch, 1000)
    with pytest.raises(TrainingError) as raised:
        seen(base, checkpointing="never", quantise="nf4")
    assert 'checkpointing = "auto"' in raised.value.remedy and "nf4" not in raised.value.remedy


def test_a_quantised_base_must_fit_whole_before_it_is_sharded(tmp_path: Path) -> None:
    """On CUDA, where kernels count as part of the program; a short step needs less than the weights."""
    settings = EXACT.model_copy(
        update={"parallel": "fsdp", "quantise": "nf4", "rank": 1, "target_modules": ["q_proj"], "prefix": "repeated"}
    )
    base = tiny_llama(tmp_path / "base", hidden_size=256, layers=8)
    model = adapt(load_base(str(base), dtype="float32", device="meta"), settings, seed=0)
    job = partial(make_forecast, model, [[EncodedExample((3, 4, 1), 2, "short")]], settings=settings, epochs=1)
    job = partial(job, world_size=64, device=torch.device("cuda"))
    needed = job(free=2**40).memory.added
    with pytest.raises(TrainingError, match=r"each device needs .* for the whole quantised base") as raised:
        job(free=int(needed / forecast.ROOM) + 2)
    assert "nf4" not in raised.value.remedy and "fsdp" not in raised.value.remedy


@pytest.mark.parametrize("kind", ["repeated", "auto"])
def test_the_step_with_the_heaviest_pass_counts_too(base: Path, kind: Literal["auto", "repeated"]) -> None:
    """Eight rows of 300 tokens are the largest step; one of 900 and seven of 20 have the largest micro-batch."""
    settings = EXACT.model_copy(update={"prefix": kind, "micro_batch_size": 1})
    many = [EncodedExample((row, *range(3, 302)), 290, f"row {row}") for row in range(9, 17)]
    long = [EncodedExample((3 + row, *(9,) * (899 if row == 0 else 19)), 10, f"row {row}") for row in range(8)]
    both, alone = (
        make_forecast(bare(base, kind), steps, settings=settings, epochs=1, world_size=1, device=CPU, free=2**40)
        for steps in ([many, long], [long])
    )
    assert both.memory.activations == alone.memory.activations
    one = peak_bytes(bare(base, kind), long[:1], both.cut)
    assert both.memory.activations == pytest.approx(one, rel=0.05)


def test_more_at_once_than_keep_a_device_busy_are_not_tried(base: Path) -> None:
    """Rows of 10 tokens behind 200: 51 at once would be 512 tokens. Rows computed whole, 210: two are 420."""
    many = [STEP[number % 8] for number in range(64)]
    found = seen(base, step=many)
    assert (found.cut.micro_batch_size, found.reason) == (51, "more would take memory and save no time")
    assert seen(base, step=many, prefix="repeated").cut == StepSplit(2, checkpointing=False)


# ---------------------------------------------------------------- against a real training


def trained(run: Path) -> tuple[Memory, int]:
    """The forecast for a training in two steps, and the peak memory of this process in kilobytes."""
    foreseen: list[Memory] = []

    def watched(*arguments: Any, **options: Any) -> Forecast:
        found = make_forecast(*arguments, **options)
        foreseen.append(found.memory)
        return found

    with patch.object(train_command, "make_forecast", watched):
        assert train_command.train(Run.open(run)).results["steps"] == 2
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return foreseen[0], next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden", "layers", "settings"),
    [(416, 8, 'target_modules = "all-linear"\ndropout = 0.0'), (320, 16, "")],
)
def test_memory_is_within_15_percent_of_what_a_training_takes(
    tmp_path: Path, hidden: int, layers: int, settings: str
) -> None:
    base = tiny_llama(tmp_path / "base", hidden_size=hidden, layers=layers, context=8192)
    (tmp_path / "recipe.toml").write_text(
        f'base = "{base}"\ncatalogue = "{ROOT}/examples/worktracker/catalogue.json"\n'
        '[prompt]\nnotation = "calls"\n[generate]\nexamples = 16\n[refine]\nvalid_fraction = 0.0\ntest_fraction = 0.0\n'
        f"[train]\nbatch_size = 8\n{settings}\n"
    )
    run = Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")
    generate(run)
    refine(run)
    ((memory, peak),) = together(trained, run.path, ranks=1)
    assert memory.total > 2 * memory.program, "too small to tell"
    assert memory.total == pytest.approx(1024 * peak, rel=0.15), memory
