"""What a training will need, before it starts: tokens, memory by part, how a step is cut so that it fits, and seconds.

Memory is not estimated by formulas of an architecture: the very code of a step runs on tensors without data (torch's
"meta" device), and every byte that is allocated and let go is counted. So any model, adapter and way of cutting a step
can be looked at, of a model far larger than the machine. What an allocator keeps beyond that is a measured share.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import psutil
import torch
from rich.filesize import decimal

from platypus.errors import TrainingError
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.batches import share
from platypus.training.peak_memory import PeakCounter
from platypus.training.shared_prefix.loss import accumulate, answer_length, shares
from platypus.training.shared_prefix.prefix import common_prefix, prefix_support

# What allocators keep beyond the bytes that live, as a share of them. Measured with glibc 2.36: 0.1 to 0.7 for cuts
# that the forecast chooses, more for others. On CUDA assumed.
SLACK = {"cpu": 0.4, "cuda": 0.1}
KERNELS = {"cpu": 100 * 2**20, "cuda": 0}  # what kernels keep for themselves, and their code; CUDA's is in its context
CONTEXT = 600 * 2**20  # of CUDA in each process
ROOM = 0.92  # of the memory that is free; the rest is for what else the machine does
BUSY = 512  # tokens at once that keep a device busy; a quarter of the prefix's are as few where that is more
NF4_BYTES = 0.516  # of a weight: 4 bits and its share of the scales, themselves in 8 bits (arXiv 2305.14314)


class StepSplit(NamedTuple):
    """How a step is cut to fit: how many suffixes at once, and whether activations are computed again."""

    micro_batch_size: int
    checkpointing: bool

    def __str__(self) -> str:
        return f"{self.micro_batch_size} at once" + (", gradient checkpointing" if self.checkpointing else "")


@dataclass(frozen=True)
class Memory:
    """Bytes on one device at the peak of the largest step, by part; with parallel = "layers" on all of them."""

    program: int  # the process before the training: interpreter, libraries, CUDA's context
    base: int
    adapter: int
    optimizer: int  # the adapter's gradients and AdamW's two moments
    prefix: int  # keys and values that all suffixes see, and their gradients
    activations: int  # all else that lives at once: the prefix's graph, a group's activations, logits
    allocator: int  # what the allocator and kernels keep beyond that

    @property
    def total(self) -> int:
        """All of it."""
        return sum(vars(self).values())

    @property
    def added(self) -> int:
        """What the training adds to the process that is there."""
        return self.total - self.program


@dataclass(frozen=True)
class Forecast:
    """What a training will need, and the cut that it should use, with the reason."""

    steps: int
    tokens: int  # of all rows
    computed_tokens: int  # of which a shared prefix counts once a step and device
    attention: str
    cut: StepSplit
    reason: str
    memory: Memory
    available: int  # bytes on the device that the training may add
    seconds: float | None = None  # of the optimizer steps, from a probe; validation and saving come on top

    def to_json(self) -> dict[str, Any]:
        """A JSON object; bytes and seconds."""
        return {**vars(self), "cut": self.cut._asdict(), "memory": {**vars(self.memory), "total": self.memory.total}}


def make_forecast(
    bare: Loaded,
    steps: Sequence[Sequence[EncodedExample]],
    *,
    settings: TrainSettings,
    epochs: int,
    world_size: int,
    device: torch.device,
    whole: Sequence[Sequence[EncodedExample]] = (),
) -> Forecast:
    """The forecast of these steps (an epoch's) for a model and adapter on the meta device, and the cut it takes.

    Where each step shows tools of its own, other epochs are taken to be like this one; `whole` are its steps with all
    tools: the most that any epoch can draw. Raises TrainingError when nothing fits, saying what would.
    """
    even = settings.parallel == "fsdp"
    shared, most = (
        [share(step, rank=rank, world_size=world_size, even=even) for step in part for rank in range(world_size)]
        for part in (steps, whole)
    )
    largest = max(most or shared, key=lambda part: _computed_tokens(bare, part))
    available = int(ROOM * free_memory(device, settings, world_size=world_size))
    tried: dict[StepSplit, Memory] = {}
    for cut in cuts(largest, settings, whole=not shares(bare)):
        tried[cut] = memory_at_peak(bare, largest, cut, settings=settings, world_size=world_size, device=device)
        if tried[cut].added <= available:
            break
    else:
        raise _too_large(bare, list(tried.values()), available, settings=settings, device=device)
    return Forecast(
        steps=epochs * len(steps),
        tokens=epochs * sum(len(row.ids) for step in steps for row in step),
        computed_tokens=epochs * sum(_computed_tokens(bare, part) for part in shared),
        attention=prefix_support(bare.model, device=device, wanted=settings.prefix).reason,
        cut=cut,
        reason=_reason(tried, len(largest), settings),
        memory=tried[cut],
        available=available,
    )


def measure_seconds(
    adapted: Loaded, steps: Sequence[Sequence[EncodedExample]], foreseen: Forecast, *, world_size: int, samples: int = 3
) -> float:
    """Seconds of all optimizer steps, from a few that are computed for it, forward and backward."""
    chosen = [steps[number * len(steps) // samples] for number in range(samples)]
    adapted.model.train()
    tokens, seconds = 0, 0.0
    for number, step in enumerate([chosen[0], *chosen]):
        mine = share(step, rank=0, world_size=world_size, even=True)  # all devices do the same, so none waits
        begun = time.perf_counter()
        accumulate(adapted, mine, answer_tokens=1, micro_batch_size=foreseen.cut.micro_batch_size)
        if adapted.device.type == "cuda":
            torch.cuda.synchronize()
        if number:  # the first one warms up
            tokens += _computed_tokens(adapted, mine)
            seconds += time.perf_counter() - begun
        adapted.model.zero_grad(set_to_none=False)
    return seconds / tokens * foreseen.computed_tokens / world_size


def free_memory(device: torch.device, settings: TrainSettings, *, world_size: int) -> int:
    """Bytes that one process may take: of its device, of all devices it spreads layers over, its part of the RAM."""
    if device.type == "cuda":
        spread = settings.parallel == "layers"
        devices = range(torch.cuda.device_count()) if spread else [torch.cuda.current_device()]
        return int(sum(torch.cuda.mem_get_info(number)[0] for number in devices))
    return int(psutil.virtual_memory().available) // world_size


def set_checkpointing(adapted: Loaded, wanted: bool) -> None:
    """Turn gradient checkpointing on or off; the re-entrant kind would lose the prefix's gradients.

    Only that kind needs gradients of the embeddings, which transformers turns on with either, and never off again.
    """
    base: Any = adapted.model.get_base_model()  # type: ignore[operator]
    if wanted:
        base.activation_checkpointing_enable({"use_reentrant": False})
        base.disable_input_require_grads()
    else:
        base.activation_checkpointing_disable()


# ---------------------------------------------------------------- memory


def peak_bytes(bare: Loaded, step: Sequence[EncodedExample], cut: StepSplit) -> int:
    """The most bytes that live at once in a step's forward and backward passes, beyond weights and their gradients."""
    with _as_in_training(bare, cut) as known, PeakCounter(known) as counted:
        count = max(1, sum(map(answer_length, step)))
        accumulate(bare, step, answer_tokens=count, micro_batch_size=cut.micro_batch_size)
    return int(counted.peak)


@contextmanager
def _as_in_training(bare: Loaded, cut: StepSplit) -> Iterator[list[torch.Tensor]]:
    """The model as a step finds it, and the tensors that it has then; left without gradients and checkpointing."""
    model, training = bare.model, bare.model.training
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    set_checkpointing(bare, cut.checkpointing)
    model.train()
    for parameter in learned:
        parameter.grad = torch.zeros_like(parameter)
    try:
        yield [*model.parameters(), *model.buffers(), *(p.grad for p in learned if p.grad is not None)]
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
) -> Memory:
    """The memory of one device that computes `step` in this way; `world_size` devices share the base with "fsdp"."""
    lives = peak_bytes(bare, _heaviest(step, cut.micro_batch_size), cut)
    trained = sum(parameter.numel() for parameter in bare.model.parameters() if parameter.requires_grad)
    length = common_prefix(step) if shares(bare) and len(step) > 1 else 0
    pairs = [tensor for name, tensor in _frozen(bare) if {"k_proj", "v_proj"} & {*name.split(".")}]
    prefix = 2 * length * sum(pair.shape[0] * pair.element_size() for pair in pairs if pair.dim() == 2)
    return Memory(
        program=CONTEXT if device.type == "cuda" else psutil.Process().memory_info().rss,
        base=_base_bytes(bare, settings, world_size=world_size),
        adapter=4 * trained,
        optimizer=12 * trained,
        prefix=prefix,
        activations=lives - prefix,
        allocator=int(KERNELS[device.type] + SLACK[device.type] * lives),
    )


def _heaviest(step: Sequence[EncodedExample], size: int) -> Sequence[EncodedExample]:
    """Two groups that need as much as all: the longest one, after one with the rows that bound the common prefix."""
    if len(step) <= 2 * size:
        return step
    groups = [step[start : start + size] for start in range(0, len(step), size)]
    ordered = sorted(step, key=lambda row: row.ids)
    first = [ordered[0], ordered[-1], *ordered[1:-1]][: max(2, size)]
    return [*first, *max(groups, key=lambda group: sum(len(row.ids) for row in group))]


def _frozen(bare: Loaded) -> list[tuple[str, torch.Tensor]]:
    return [(name, tensor) for name, tensor in bare.model.named_parameters() if not tensor.requires_grad]


def _base_bytes(bare: Loaded, settings: TrainSettings, *, world_size: int) -> int:
    """Bytes of the frozen weights on one device. Only matrices within layers are quantised, only layers sharded."""
    inside = whole = largest = 0.0
    for name, tensor in _frozen(bare):
        full = tensor.numel() * tensor.element_size()
        if ".layers." not in name:
            whole += full
        elif settings.quantise == "none" or tensor.dim() < 2:
            inside += full
        else:
            inside += tensor.numel() * (NF4_BYTES if settings.quantise == "nf4" else 1)
            largest = max(largest, full)  # a matrix is made whole again while it computes
    if settings.parallel == "fsdp":  # a part, and whole the layer that computes and the one that comes next
        inside = inside / world_size + 2 * inside / int(bare.model.config.num_hidden_layers)
    return int(inside + whole + largest)


# ---------------------------------------------------------------- the cut


def _computed_tokens(adapted: Loaded, step: Sequence[EncodedExample]) -> int:
    """The tokens that one device computes of its part of a step: their common prefix once, if the model can do so."""
    shared = common_prefix(step) if shares(adapted) and len(step) > 1 else 0
    return sum(len(row.ids) for row in step) - max(0, len(step) - 1) * shared


def cuts(step: Sequence[EncodedExample], settings: TrainSettings, *, whole: bool) -> list[StepSplit]:
    """The cuts to try, the fastest first. More tokens at once than a device needs cost memory and save no time."""
    sizes = [settings.micro_batch_size] if settings.micro_batch_size != "auto" else []
    if not sizes:
        shared = common_prefix(step) if len(step) > 1 and not whole else 0
        suffix = max(len(row.ids) for row in step) - shared
        size = max(1, min(len(step), max(BUSY, shared // 4) // suffix))
        sizes = [size >> halved for halved in range(size.bit_length())]
    again = {"auto": (False, True), "always": (True,), "never": (False,)}[settings.checkpointing]
    return [StepSplit(size, checkpointing) for checkpointing in again for size in sizes]


def _reason(tried: dict[StepSplit, Memory], rows: int, settings: TrainSettings) -> str:
    """Why it is the last of the cuts that were tried."""
    *larger, cut = tried
    if larger:
        return f"the fastest that fits; {larger[-1]} would need {decimal(tried[larger[-1]].added)}"
    if settings.micro_batch_size != "auto":
        return "as the recipe says"
    return "a whole step" if cut.micro_batch_size >= rows else "more would take memory and save no time"


def _too_large(
    bare: Loaded, tried: Sequence[Memory], available: int, *, settings: TrainSettings, device: torch.device
) -> TrainingError:
    """The refusal, with what would fit."""
    least = min(tried, key=lambda memory: memory.added)
    rest = least.added - least.base
    ways = []
    if settings.checkpointing == "never" or settings.micro_batch_size != "auto":
        ways.append('checkpointing = "auto" and micro_batch_size = "auto", if that is enough')
    nf4 = settings.model_copy(update={"quantise": "nf4"})
    if settings.quantise != "nf4" and rest + _base_bytes(bare, nf4, world_size=1) <= available:
        ways.append('quantise = "nf4"')
    sharded = settings.model_copy(update={"parallel": "fsdp"})
    enough = [n for n in (2, 4, 8, 16, 32, 64) if rest + _base_bytes(bare, sharded, world_size=n) <= available]
    if device.type == "cuda" and settings.parallel != "fsdp" and enough:
        ways.append(f'parallel = "fsdp" on {enough[0]} such devices')
    ways.append("a smaller base, fewer or shorter tools, a smaller rank")
    return TrainingError(
        f"the largest step needs at least {decimal(least.added)} ({decimal(least.base)} of them for the base),"
        f" but {decimal(available)} are free",
        where="train",
        remedy=f"What would help under [train]: {'; '.join(ways)}.",
    )
