"""Several processes, data-parallel or sharded, learn what one process learns."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor

from platypus.errors import RecipeError
from platypus.model.adapters import AdapterCard, check_adapter, load_adapted, save_adapter
from platypus.model.loading import Loaded, load_base
from platypus.prompt.prompt import EncodedExample
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.settings import TrainSettings
from platypus.training.adapter import adapt, load_adapted_for_training
from platypus.training.distributed import Stop, check_processes, init_processes
from platypus.training.forecast import StepSplit, set_checkpointing
from platypus.training.loop import _valid_loss, compute_step
from platypus.training.shared_prefix.loss import accumulate
from platypus.training.shared_prefix.prefix import inner_model
from tests.support.command import ROOT
from tests.support.processes import SECONDS, command_together, together
from tests.support.tiny_bases import gpt2, mixtral
from tests.support.tiny_models import EXACT, examples, gradients, some_examples, tiny_llama, tiny_run
from tests.support.trainings import related

PARALLEL = ("data", "fsdp")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def recipe(base: Path, **settings: Any) -> Recipe:
    return Recipe(base=str(base), train=EXACT.model_copy(update={"batch_size": 12, **settings}))


def opened(recipe: Recipe) -> Loaded:
    """The base on its device, with an adapter whose weights have all moved from their initial values."""
    loaded = load_adapted_for_training(recipe, init_processes())
    draw = torch.Generator().manual_seed(2)
    for name, parameter in loaded.model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=draw) / 10
    return loaded


# ---------------------------------------------------------------- steps


@dataclass(frozen=True)
class Computed:
    """What a process computed in some steps."""

    losses: list[tuple[float, float]]  # with the norms
    gradients: list[dict[str, torch.Tensor]]
    validation: float
    held: int  # bytes of the base's layers in this process
    sharded: bool  # whether all layers are


def compute(recipe: Recipe, steps: Sequence[list[EncodedExample]], checkpointing: bool, saved: Path | None) -> Computed:
    """Compute each step's gradients from the same weights, and save the adapter to `saved`."""
    processes, loaded = init_processes(), opened(recipe)
    set_checkpointing(loaded, checkpointing)
    losses, found = [], []
    for rows in steps:
        step = compute_step(loaded, rows, settings=recipe.train, processes=processes, micro_batch_size=2)
        losses.append((step.loss, step.norm))
        found.append(gradients(loaded))
    validation = _valid_loss(loaded, some_examples(5), StepSplit(2, checkpointing), recipe.train, processes)
    if saved and processes.is_main:
        save_adapter(loaded, saved, card=AdapterCard(recipe.base, loaded.fingerprint, None, "calls", 99))
    inner = inner_model(loaded.model)
    layers = next(part for part in inner.children() if isinstance(part, torch.nn.ModuleList))
    frozen = [parameter for parameter in layers.parameters() if not parameter.requires_grad]
    sharded = [parameter for parameter in frozen if isinstance(parameter, DTensor)]
    held = sum((p.to_local() if isinstance(p, DTensor) else p).nbytes for p in frozen)
    return Computed(losses, found, validation, held, len(sharded) == len(frozen))


# A shared prefix with an uneven number of rows, unrelated rows, and a step in which most processes have no row.
STEPS = [related(5), some_examples(7), related(4), related(1)]


@pytest.fixture(scope="module")
def alone(base: Path) -> Computed:
    return compute(recipe(base), STEPS, False, None)


@pytest.mark.parametrize(
    ("parallel", "ranks", "checkpointing"),
    [("data", 2, True), ("data", 3, False), ("fsdp", 2, False), ("fsdp", 3, True)],
    ids=["data-2-recomputed", "data-3-kept", "fsdp-2-kept", "fsdp-3-recomputed"],
)
def test_several_processes_have_the_gradients_of_one(
    base: Path, tmp_path: Path, alone: Computed, parallel: str, ranks: int, checkpointing: bool
) -> None:
    """Each kind with each number of processes and with each kind of checkpointing, and each number with each kind."""
    job = recipe(base, parallel=parallel)
    for computed in together(compute, job, STEPS, checkpointing, tmp_path / "adapter", ranks=ranks):
        for found, expected in zip(computed.losses, alone.losses, strict=True):
            assert found == pytest.approx(expected, rel=1e-5)
        for one, other in zip(computed.gradients, alone.gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
        assert computed.validation == pytest.approx(alone.validation, rel=1e-5)
        assert computed.sharded == (parallel == "fsdp")
        share = computed.held / alone.held
        assert share == pytest.approx(1 / ranks, rel=0.1) if parallel == "fsdp" else share == 1
    check_adapter(tmp_path / "adapter")
    again = load_adapted(tmp_path / "adapter", device="cpu", dtype="float32").model
    kept = {name: p for name, p in opened(recipe(base)).model.named_parameters() if "lora_" in name}
    assert {name for name, _ in again.named_parameters() if "lora_" in name} == kept.keys()
    for name, parameter in again.named_parameters():
        if "lora_" in name:
            assert torch.equal(parameter, kept[name]), name


def behind_two_frozen() -> list[EncodedExample]:
    """Five rows behind one frozen prefix, and two behind another."""
    rows = [replace(row, frozen=40) for row in related(7)]
    return [*rows[:5], *(replace(row, ids=(99, *row.ids[1:])) for row in rows[5:])]


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("parallel", PARALLEL)
def test_several_processes_share_rows_behind_frozen_prefixes(base: Path, parallel: str, checkpointing: bool) -> None:
    """One process computes no row behind the second prefix, unless it is sharded: then all make the same passes."""
    steps = [behind_two_frozen(), behind_two_frozen()[4:6]]
    one = compute(recipe(base, prefix="frozen"), steps, False, None)
    for computed in together(
        compute, recipe(base, prefix="frozen", parallel=parallel), steps, checkpointing, None, ranks=2
    ):
        for found, expected in zip(computed.losses, one.losses, strict=True):
            assert found == pytest.approx(expected, rel=1e-5)
        for first, second in zip(computed.gradients, one.gradients, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)
        assert computed.sharded == (parallel == "fsdp")


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "recomputed"])
def test_a_quantised_base_can_be_sharded(base: Path, checkpointing: bool) -> None:
    one = compute(recipe(base, quantise="nf4"), STEPS, False, None)
    for computed in together(
        compute, recipe(base, quantise="nf4", parallel="fsdp"), STEPS, checkpointing, None, ranks=2
    ):
        for found, expected in zip(computed.losses, one.losses, strict=True):
            assert found == pytest.approx(expected, rel=1e-5)
        for first, second in zip(computed.gradients, one.gradients, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)
        assert computed.sharded and computed.held < 0.6 * one.held


@pytest.mark.parametrize("make", [gpt2, mixtral], ids=["gpt2", "mixtral"])
def test_other_architectures_can_be_sharded(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """GPT-2's layers have another name; the adapters of stacked experts are no modules."""
    base, steps = make(tmp_path / "base"), [related(4), some_examples(6)]
    one = compute(recipe(base), steps, False, None)
    for computed in together(compute, recipe(base, parallel="fsdp"), steps, True, None, ranks=2):
        for found, expected in zip(computed.losses, one.losses, strict=True):
            assert found == pytest.approx(expected, rel=1e-5)
        for first, second in zip(computed.gradients, one.gradients, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)
        assert computed.sharded and computed.held < 0.6 * one.held


def half_related() -> list[EncodedExample]:
    """Four rows for two processes: the first process's rows share a prefix, the second's share not even a token."""
    strangers = [replace(row, ids=(400 + number, *row.ids[1:])) for number, row in enumerate(some_examples(8)[-2:])]
    one, other = related(2)
    return [one, strangers[0], other, strangers[1]]


@pytest.mark.parametrize("parallel", PARALLEL)
def test_gradients_are_the_same_when_only_some_processes_share_a_prefix(base: Path, parallel: str) -> None:
    """Sharded processes must all make the same passes, or they wait for one another forever."""
    expected = compute(recipe(base), [half_related()], False, None)
    for computed in together(compute, recipe(base, parallel=parallel), [half_related()], False, None, ranks=2):
        torch.testing.assert_close(computed.gradients, expected.gradients, rtol=1e-4, atol=1e-6)


def ask(base: Path) -> tuple[bool, bool]:
    """The second process gets a signal in the middle of a step."""
    processes, stop, loaded = init_processes(), Stop(), opened(recipe(base))

    def signalled(*arguments: Any) -> None:
        stop.asked = processes.rank == 1

    loaded.model.get_base_model().lm_head.register_forward_hook(signalled)  # type: ignore[operator]
    compute_step(loaded, related(4), settings=EXACT, processes=processes, micro_batch_size=2, stop=stop)
    return stop.asked, stop.agreed


def test_all_processes_agree_to_stop_when_one_is_asked(base: Path) -> None:
    assert together(ask, base, ranks=2) == [(False, True), (True, True)]


def noise(base: Path) -> float:
    """The loss of a process in a step in which all rows are equal, so that it depends on the noise alone."""
    settings = EXACT.model_copy(update={"dropout": 0.5})
    loaded = opened(Recipe(base=str(base), train=settings))
    (row,) = related(1)
    processes = init_processes()
    accumulated: list[float] = []
    import platypus.training.loop as module

    def watched(*arguments: Any, **options: Any) -> torch.Tensor:
        loss = accumulate(*arguments, **options)
        accumulated.append(float(loss))
        return loss

    module.accumulate = watched  # no need to undo: this process ends with the test
    compute_step(loaded, [row] * 2, settings=settings, processes=processes, micro_batch_size=2, noise="3/1")
    return accumulated[0]


def test_each_process_has_its_own_noise(base: Path) -> None:
    first, second = together(noise, base, ranks=2)
    assert first != second
    assert together(noise, base, ranks=2) == [first, second]


# ---------------------------------------------------------------- the command


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "platypus"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def job(folder: Path, base: Path, *, parallel: str, batch_size: int = 4) -> Run:
    tables = f"""
[prompt]
notation = "calls"
[train]
epochs = 3
batch_size = {batch_size}
rank = 4
dropout = 0.0
target_modules = "all-linear"
learning_rate = 1e-3
keep = "best"
parallel = "{parallel}"
"""
    return tiny_run(folder, base=base, rows=examples(13), valid=examples(3), recipe=tables)


@pytest.fixture(scope="module")
def single(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    from platypus.commands.train import train

    run = job(tmp_path_factory.mktemp("single"), base, parallel="data")
    train(run)
    return run


@pytest.mark.parametrize("parallel", PARALLEL)
def test_the_command_on_two_devices_gives_the_adapter_of_one(
    base: Path, tmp_path: Path, single: Run, parallel: str
) -> None:
    """The last step of an epoch has one row for two processes. The outcome is printed once.

    tests/project/test_scripts.py starts them with torchrun.
    """
    run = job(tmp_path, base, parallel=parallel)
    main, other = command_together(tmp_path, "train", run.path, "--json", ranks=2)
    assert (main.code, other.code, other.out) == (0, 0, ""), main.err + other.err
    (line,) = main.out.splitlines()
    outcome = json.loads(line)
    assert (outcome["stage"], outcome["skipped"], outcome["results"]["devices"]) == ("train", False, 2)
    assert "Traceback" not in main.err + other.err
    folder, expected = run.folder("train"), single.folder("train")
    assert {path.name for path in folder.iterdir()} == {path.name for path in expected.iterdir()}
    assert not list(run.path.glob(".train.*"))
    found, known = (load_file(path / "adapter" / "adapter_model.safetensors") for path in (folder, expected))
    torch.testing.assert_close(found, known, rtol=1e-3, atol=1e-5)
    moved = max(float(weight.abs().max()) for name, weight in found.items() if "lora_B" in name)
    assert moved > 1e-3  # a hundred times the tolerance
    before, after = single.record("train")["results"], run.record("train")["results"]
    for name in ("train_losses", "valid_losses"):
        assert after[name] == pytest.approx(before[name], rel=1e-4)
    assert [after[name] for name in ("steps", "tokens", "examples")] == [
        before[name] for name in ("steps", "tokens", "examples")
    ]
    load_adapted(folder / "adapter", device="cpu")


@pytest.mark.slow
def test_ctrl_c_stops_two_processes_after_a_step_and_they_resume(base: Path, tmp_path: Path, single: Run) -> None:
    """The terminal sends it to all processes at once, and then torchrun forwards it to its own."""
    run = job(tmp_path, base, parallel="data")
    words = [*TORCHRUN, "train", str(run.path)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, env=ENVIRONMENT, start_new_session=True, **pipes) as process:
        while not list(run.path.glob(".train.*/metrics.jsonl")):
            assert process.poll() is None
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    (checkpoint,) = run.path.glob(".train.*/checkpoints/step-*")
    step = int(checkpoint.name.removeprefix("step-"))
    assert 0 < step < 12
    assert said.count(f"stopped after step {step}; the same command goes on from there") == 1
    main, other = command_together(tmp_path, "train", run.path, ranks=2)
    assert (main.code, other.code) == (0, 0), main.err + other.err
    assert (main.err + other.err).count(f"continuing after step {step}\n") == 1
    found, known = (load_file(each.folder("train") / "adapter" / "adapter_model.safetensors") for each in (run, single))
    torch.testing.assert_close(found, known, rtol=1e-3, atol=1e-5)


def test_a_batch_size_that_does_not_divide_is_one_clear_error_and_changes_nothing(base: Path, tmp_path: Path) -> None:
    run = job(tmp_path, base, parallel="data", batch_size=5)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    main, other = command_together(tmp_path, "train", run.path, ranks=2)
    assert (main.code, main.out, other.out) == (1, "", "")
    assert (main.err + other.err).count("platypus: ") == 1, main.err + other.err
    assert "batch_size = 5 does not divide over 2 devices" in main.err
    assert "Set it to 4 or another multiple of 2" in main.err
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert {path: text for path, text in after.items() if path.name != ".lock"} == {
        path: text for path, text in before.items() if path.name != ".lock"
    }


# ---------------------------------------------------------------- settings that do not fit


class Several:
    """A process group of this size, as far as `check_processes` looks at it."""

    def __init__(self, ranks: int) -> None:
        self.world_size = ranks


@pytest.mark.parametrize(
    ("settings", "ranks", "named"),
    [
        ({"batch_size": 5}, 2, "batch_size = 5 does not divide over 2 devices"),
        ({"batch_size": 2}, 3, "does not divide over 3 devices"),
        ({"parallel": "layers"}, 2, "one process for all devices of its host"),
        ({"parallel": "fsdp"}, 1, "shards the base over several processes"),
    ],
)
def test_settings_that_do_not_fit_the_number_of_processes_are_refused(
    settings: dict[str, Any], ranks: int, named: str
) -> None:
    processes: Any = Several(ranks)
    with pytest.raises(RecipeError, match=named) as raised:
        check_processes(Recipe(train=TrainSettings.model_validate(settings)), processes)
    assert raised.value.where.startswith("[train] ") and raised.value.remedy
    check_processes(Recipe(), processes if ranks in (1, 2) else Several(4))  # type: ignore[arg-type]


# ---------------------------------------------------------------- layers spread over devices


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "recomputed"])
def test_layers_on_different_devices_compute_the_same(base: Path, alone: Computed, checkpointing: bool) -> None:
    """With accelerate's hooks between layers, which move inputs to a layer's device, as `device_map` installs them."""
    job = recipe(base, parallel="layers")
    for one, other in zip(compute(job, STEPS, checkpointing, None).gradients, alone.gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    places = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.norm": "cpu", "lm_head": "cpu"}
    places |= {f"model.layers.{number}": "cpu" for number in range(2)}
    bare: Any = load_base(str(base), dtype="float32", device="cpu")
    dispatch_model(bare.model, places, main_device="cpu", force_hooks=True)
    assert hasattr(bare.model.model.layers[1], "_hf_hook")
    spread = adapt(bare, job.train, seed=0)
    draw = torch.Generator().manual_seed(2)
    for name, parameter in spread.model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=draw) / 10
    set_checkpointing(spread, checkpointing)
    for rows, expected in zip(STEPS, alone.gradients, strict=True):
        compute_step(spread, rows, settings=job.train, processes=init_processes(), micro_batch_size=2)
        torch.testing.assert_close(gradients(spread), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("taken", "threads", "said"), [(0.0, 2, False), (100.0, 2, True), (100.0, 1, False)])
def test_a_crowded_cpu_is_said(monkeypatch: pytest.MonkeyPatch, taken: float, threads: int, said: bool) -> None:
    monkeypatch.setattr("psutil.cpu_percent", lambda seconds: taken)
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    monkeypatch.setattr("platypus.training.distributed.cores", lambda: 2)
    with init_processes() as processes:
        hint = processes.crowding()
    assert bool(hint) == said and ("OMP_NUM_THREADS=1" in (hint or "")) == said
