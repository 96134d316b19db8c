"""What a training will need, before it starts: tokens, memory by part, how to split a step so that it fits, and time.

Memory is not estimated by formulas for an architecture. The code of a step runs on tensors without data (torch's "meta"
device), and every byte that is allocated and released is counted. So it works for any model, adapter and split, also
for models far larger than the machine. What an allocator keeps beyond that is a measured share.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import psutil
import torch
from rich.filesize import decimal
from transformers.pytorch_utils import Conv1D

from platypus.errors import TrainingError
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.batches import share
from platypus.training.peak_memory import PeakCounter, no_autocast
from platypus.training.shared_prefix.frozen import FrozenPrefixes, LatestPrefixes, behind_one_prefix
from platypus.training.shared_prefix.loss import accumulate, answer_length, shares
from platypus.training.shared_prefix.prefix import common_prefix, prefix_support

# What allocators keep beyond the live bytes, as a share of them. Measured with glibc 2.36: 0.1 to 0.7 for the splits
# that the forecast chooses, more for others. For CUDA it is an assumption.
SLACK = {"cpu": 0.4, "cuda": 0.1}
KERNELS = {"cpu": 100 * 2**20, "cuda": 0}  # bytes that kernels keep, and their code; for CUDA that is part of CONTEXT
CONTEXT = 600 * 2**20  # bytes of CUDA's context in each process
ROOM = 0.92  # share of the free memory to use; the rest is for other programs
BUSY = 512  # tokens at once that keep a device busy; or a quarter of the prefix's tokens, if that is more
NF4_BYTES = 0.516  # per weight: 4 bits and its share of the scales, which have 8 bits (arXiv 2305.14314)


class StepSplit(NamedTuple):
    """How a step is split to fit: the number of examples at once, and whether to use gradient checkpointing."""

    micro_batch_size: int
    checkpointing: bool

    def __str__(self) -> str:
        return f"{self.micro_batch_size} at once" + (", gradient checkpointing" if self.checkpointing else "")


@dataclass(frozen=True)
class Memory:
    """Bytes on one device at the peak of the largest step, by part; with parallel = "layers" on all devices."""

    program: int  # the process before training: interpreter, libraries, CUDA's context
    base: int
    adapter: int
    optimizer: int  # the adapter's gradients and AdamW's two moments
    prefix: int  # keys and values of the shared prefix, and their gradients; or of all frozen ones that are kept
    activations: int  # everything else at the peak: the prefix's graph, a group's activations, logits
    allocator: int  # what the allocator and kernels keep in addition

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return sum(vars(self).values())

    @property
    def added(self) -> int:
        """What the training adds to the memory of the process."""
        return self.total - self.program


@dataclass(frozen=True)
class Forecast:
    """What a training will need, and the split that it should use, with the reason."""

    steps: int
    tokens: int  # of all rows
    computed_tokens: int  # the same, but a shared prefix counts once per step and device, and a frozen one not at all
    attention: str
    cut: StepSplit
    reason: str
    memory: Memory
    available: int  # bytes that the training may add on the device
    frozen_tokens: int = 0  # of frozen prefixes, on all devices: those are only computed forward
    seconds: float | None = None  # for all optimizer steps, from a few measured ones; without validation and saving

    def to_json(self) -> dict[str, Any]:
        """A JSON object; sizes in bytes, time in seconds."""
        return {**vars(self), "cut": self.cut._asdict(), "memory": {**vars(self.memory), "total": self.memory.total}}


def make_forecast(
    bare: Loaded,
    steps: Sequence[Sequence[EncodedExample]],
    *,
    settings: TrainSettings,
    epochs: int,
    world_size: int,
    device: torch.device,
    free: int,
    whole: Sequence[Sequence[EncodedExample]] = (),
) -> Forecast:
    """The forecast for these steps of one epoch; `bare` is model and adapter on the meta device.

    The training may take `free` bytes (`ProcessGroup.free_memory`). If each step has its own variation of the
    catalogue, other epochs are assumed to be like this one; `whole` then holds the same steps with all tools, the most
    that any epoch can have. Raises TrainingError, with a remedy, if nothing fits.
    """
    even = settings.parallel == "fsdp"
    shares_of_steps, shares_of_whole = (
        [share(step, rank=rank, world_size=world_size, even=even) for step in part for rank in range(world_size)]
        for part in (steps, whole)
    )
    parts = shares_of_whole or shares_of_steps
    largest = max(parts, key=lambda part: _computed_tokens(bare, part) + _frozen_in(part))
    frozen = _frozen_need(bare, shares_of_steps, settings, world_size=world_size, epochs=1 if whole else epochs)
    available, loading = int(ROOM * free), _loading_bytes(bare, settings)
    tried: dict[StepSplit, Memory] = {}
    for cut in cuts(largest, settings, whole=not shares(bare)):
        heavy = max(parts, key=lambda part: _at_once(bare, part, cut.micro_batch_size))
        needs = (
            memory_at_peak(bare, part, cut, settings=settings, world_size=world_size, device=device, kept=frozen.bytes)
            for part in ([largest] if heavy is largest else [largest, heavy])
        )
        tried[cut] = max(needs, key=lambda memory: memory.added)
        if max(tried[cut].added, loading) <= available:
            break
    else:
        least = min(tried.values(), key=lambda memory: memory.added)
        raise _too_large(bare, least, available, settings=settings, world_size=world_size, device=device)
    return Forecast(
        steps=epochs * len(steps),
        tokens=epochs * sum(len(row.ids) for step in steps for row in step),
        computed_tokens=epochs * sum(_computed_tokens(bare, part) for part in shares_of_steps),
        attention=prefix_support(bare.model, device=device, wanted=settings.prefix).reason,
        cut=cut,
        reason=_reason(tried, len(largest), settings),
        memory=tried[cut],
        available=available,
        frozen_tokens=frozen.tokens * (epochs if whole else 1),
    )


def measure_seconds(
    adapted: Loaded, steps: Sequence[Sequence[EncodedExample]], forecast: Forecast, *, world_size: int, samples: int = 3
) -> float:
    """The seconds of all optimizer steps, from the measured forward and backward passes of `samples` steps."""
    chosen = [steps[number * len(steps) // samples] for number in range(samples)]
    adapted.model.train()
    tokens = frozen_tokens = 0
    seconds = frozen_seconds = 0.0
    for number, step in enumerate([chosen[0], *chosen]):
        mine = share(step, rank=0, world_size=world_size, even=True)  # the same on all devices, so none waits
        kept, start = FrozenPrefixes(float("inf")), _now(adapted)
        prefixes = [kept.of(adapted, ids).length for ids in behind_one_prefix(mine) if ids]
        behind = _now(adapted)
        accumulate(adapted, mine, answer_tokens=1, micro_batch_size=forecast.cut.micro_batch_size, kept=kept)
        if number:  # the first one is a warm-up
            tokens += _computed_tokens(adapted, mine)
            seconds += _now(adapted) - behind
            frozen_tokens += sum(prefixes)
            frozen_seconds += behind - start
        adapted.model.zero_grad(set_to_none=False)
    total = (
        seconds / tokens * forecast.computed_tokens + frozen_seconds / max(1, frozen_tokens) * forecast.frozen_tokens
    )
    return total / world_size


def _now(adapted: Loaded) -> float:
    """Seconds, once the device has done all that it was asked for."""
    if adapted.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def set_checkpointing(adapted: Loaded, wanted: bool) -> None:
    """Turn non-reentrant gradient checkpointing on or off; the re-entrant kind would lose the prefix's gradients.

    Only the re-entrant kind needs gradients of the embeddings. transformers turns these on with either kind and never
    off.
    """
    base: Any = adapted.model.get_base_model()  # type: ignore[operator]
    if wanted:
        base.activation_checkpointing_enable({"use_reentrant": False})
        base.disable_input_require_grads()
    else:
        base.activation_checkpointing_disable()


# ---------------------------------------------------------------- memory


def peak_bytes(bare: Loaded, step: Sequence[EncodedExample], cut: StepSplit) -> int:
    """The most bytes alive at once in a step's forward and backward passes, beyond weights and their gradients."""
    with _as_in_training(bare, cut) as known, no_autocast(), PeakCounter(known) as counter:
        count = max(1, sum(map(answer_length, step)))
        accumulate(bare, step, answer_tokens=count, micro_batch_size=cut.micro_batch_size)
    return int(counter.peak)


@contextmanager
def _as_in_training(bare: Loaded, cut: StepSplit) -> Iterator[list[torch.Tensor]]:
    """The model as it is during a step, and the tensors it then has. Afterwards without gradients and checkpointing."""
    model, training = bare.model, bare.model.training
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    set_checkpointing(bare, cut.checkpointing)
    model.train()
    for parameter in trainable:
        parameter.grad = torch.zeros_like(parameter)
    try:
        yield [*model.parameters(), *model.buffers(), *(p.grad for p in trainable if p.grad is not None)]
    finally:
        model.zero_grad()
        model.train(training)
        set_checkpointing(bare, False)


def memory_at_peak(
    bare: Loaded,
    step: Sequence[EncodedExample],
    cut: StepSplit,
    *,
    settings: TrainSettings,
    world_size: int,
    device: torch.device,
    kept: int = 0,
) -> Memory:
    """The memory of a device that computes `step` with this split, beside `kept` bytes of frozen prefixes.

    With "fsdp", `world_size` devices share the base.
    """
    peak = peak_bytes(bare, _heaviest(bare, step, cut.micro_batch_size), cut)
    trained = sum(parameter.numel() for parameter in bare.model.parameters() if parameter.requires_grad)
    prefix = _shared(bare, step) * _bytes_per_token(bare) * (1 if _frozen_in(step) else 2)
    return Memory(
        program=CONTEXT if device.type == "cuda" else psutil.Process().memory_info().rss,
        base=_base_bytes(bare, settings, world_size=world_size),
        adapter=4 * trained,
        optimizer=12 * trained,
        prefix=max(prefix, kept),
        activations=peak - prefix,
        allocator=int(KERNELS[device.type] + SLACK[device.type] * peak),
    )


def _heaviest(bare: Loaded, step: Sequence[EncodedExample], size: int) -> Sequence[EncodedExample]:
    """Two groups that need as much memory as all: the longest, after one with the rows that limit the prefix."""
    if len(step) <= 2 * size:
        return step
    if not shares(bare):  # they are computed by their lengths
        return sorted(step, key=lambda row: len(row.ids))[-2 * size :]
    groups = [step[start : start + size] for start in range(0, len(step), size)]
    ordered = sorted(step, key=lambda row: row.ids)
    first = [ordered[0], ordered[-1], *ordered[1:-1]][: max(2, size)]
    return [*first, *max(groups, key=lambda group: sum(len(row.ids) for row in group))]


def _frozen(bare: Loaded) -> list[tuple[str, torch.Tensor]]:
    return [(name, tensor) for name, tensor in bare.model.named_parameters() if not tensor.requires_grad]


def _base_bytes(bare: Loaded, settings: TrainSettings, *, world_size: int) -> int:
    """Bytes of the frozen weights on one device. Only linear modules of layers are quantised, only layers sharded."""
    linear = {id(module.weight) for module in bare.model.modules() if isinstance(module, torch.nn.Linear | Conv1D)}
    inside = whole = largest = 0.0
    for name, tensor in _frozen(bare):
        full = tensor.numel() * tensor.element_size()
        if not any(part.isdecimal() for part in name.split(".")):  # layers have numbers
            whole += full
        elif settings.quantise == "none" or id(tensor) not in linear:
            inside += full
        else:
            inside += tensor.numel() * (NF4_BYTES if settings.quantise == "nf4" else 1)
            largest = max(largest, full)  # a matrix is dequantised while it computes
    if settings.parallel == "fsdp":  # its shard, and two gathered layers: the current one and the next
        inside = inside / world_size + 2 * inside / int(bare.model.config.get_text_config().num_hidden_layers)
    return int(inside + whole + largest)


def _loading_bytes(bare: Loaded, settings: TrainSettings) -> int:
    """Bytes of a base that each device holds whole before it is sharded, which a quantised one is; else 0."""
    if settings.parallel != "fsdp" or settings.quantise == "none":
        return 0
    return _base_bytes(bare, settings.model_copy(update={"parallel": "data"}), world_size=1)


class _FrozenNeed(NamedTuple):
    """The tokens of frozen prefixes that are computed, on all devices, and the most bytes that one device keeps."""

    tokens: int
    bytes: int


def _frozen_need(
    bare: Loaded, steps: Sequence[Sequence[EncodedExample]], settings: TrainSettings, *, world_size: int, epochs: int
) -> _FrozenNeed:
    """What frozen prefixes take if each of these epochs has the shares of `steps`, one of each rank after another."""
    per_token, computed, most = _bytes_per_token(bare), 0, 0
    for rank in range(world_size):
        latest = LatestPrefixes(settings.prefix_gigabytes * 2**30)
        for step in list(steps[rank::world_size]) * epochs:
            for ids in behind_one_prefix(step):
                computed += 0 if ids in latest else len(ids)
                latest.need(ids, len(ids) * per_token)
        most = max(most, latest.most)
    return _FrozenNeed(computed, most)


def _bytes_per_token(bare: Loaded) -> int:
    """The bytes of a token's keys and values."""
    pairs = [tensor for name, tensor in _frozen(bare) if {"k_proj", "v_proj"} & {*name.split(".")}]
    return sum(pair.shape[0] * pair.element_size() for pair in pairs if pair.dim() == 2)


def _shared(adapted: Loaded, step: Sequence[EncodedExample]) -> int:
    """The length of the longest prefix of a step that is computed once."""
    return _frozen_in(step) or (common_prefix(step) if shares(adapted) and len(step) > 1 else 0)


def _frozen_in(step: Sequence[EncodedExample]) -> int:
    """The length of the longest frozen prefix; 0 if there is none, or a share without rows."""
    return max((row.frozen for row in step), default=0)


# ---------------------------------------------------------------- the split


def _computed_tokens(adapted: Loaded, step: Sequence[EncodedExample]) -> int:
    """The tokens that one device computes for its share of a step: the common prefix once, if the model supports it."""
    if _frozen_in(step):
        return sum(len(row.ids) - row.frozen for row in step)
    return sum(len(row.ids) for row in step) - max(0, len(step) - 1) * _shared(adapted, step)


def _at_once(adapted: Loaded, step: Sequence[EncodedExample], size: int) -> int:
    """The most tokens in one pass over the rows of a step, without those of the prefix."""
    if not shares(adapted):
        return min(size, len(step)) * max((len(row.ids) for row in step), default=0)
    shared = _shared(adapted, step)
    own = [len(row.ids) - (row.frozen or shared) for row in step]
    return max((sum(own[start : start + size]) for start in range(0, len(own), size)), default=0)


def cuts(step: Sequence[EncodedExample], settings: TrainSettings, *, whole: bool) -> list[StepSplit]:
    """The splits to try, fastest first. More tokens at once than keep a device busy cost memory and save no time."""
    sizes = [settings.micro_batch_size] if settings.micro_batch_size != "auto" else []
    if not sizes:
        shared = _frozen_in(step) or (common_prefix(step) if len(step) > 1 and not whole else 0)
        suffix = max(len(row.ids) - (row.frozen or shared) for row in step)
        size = max(1, min(len(step), max(BUSY, shared // 4) // suffix))
        sizes = [size >> halvings for halvings in range(size.bit_length())]
    choices = {"auto": (False, True), "always": (True,), "never": (False,)}[settings.checkpointing]
    return [StepSplit(size, checkpointing) for checkpointing in choices for size in sizes]


def _reason(tried: dict[StepSplit, Memory], rows: int, settings: TrainSettings) -> str:
    """Why the last split in `tried` was chosen."""
    *larger, cut = tried
    if larger:
        return f"the fastest that fits; {larger[-1]} would need {decimal(tried[larger[-1]].added)}"
    if settings.micro_batch_size != "auto":
        return "as the recipe says"
    return "a whole step" if cut.micro_batch_size >= rows else "more would take memory and save no time"


def _too_large(
    bare: Loaded, least: Memory, available: int, *, settings: TrainSettings, world_size: int, device: torch.device
) -> TrainingError:
    """The error that not even the `least` of what splits need is available, with what would help."""

    def fits(changes: dict[str, str], count: int) -> bool:
        other = settings.model_copy(update=changes)
        base = _base_bytes(bare, other, world_size=count)
        return max(least.added - least.base + base, _loading_bytes(bare, other)) <= available

    remedies = []
    if settings.checkpointing == "never" or settings.micro_batch_size != "auto":
        remedies.append('checkpointing = "auto" and micro_batch_size = "auto", if that is enough')
    if settings.quantise != "nf4" and fits({"quantise": "nf4"}, world_size):
        remedies.append('quantise = "nf4"')
    if least.added <= available and fits({"quantise": "none"}, world_size):
        remedies.append('quantise = "none"')
    counts = [count for count in (2, 4, 8, 16, 32, 64) if fits({"parallel": "fsdp"}, count)]
    if device.type == "cuda" and settings.parallel != "fsdp" and counts:
        remedies.append(f'parallel = "fsdp" on {counts[0]} such devices')
    remedies.append("a smaller base, fewer or shorter tools, a smaller rank")
    needed = f"the largest step needs at least {decimal(least.added)} ({decimal(least.base)} of them for the base)"
    if least.added <= available:
        loading = _loading_bytes(bare, settings)
        needed = f"each device needs {decimal(loading)} for the whole quantised base before it is sharded"
    return TrainingError(
        f"{needed}, but {decimal(available)} are free",
        where="train",
        remedy=f"What would help under [train]: {'; '.join(remedies)}.",
    )
