"""Several processes in one training: their ranks, where the base is, and how gradients are added up.

The adapter is small, so every device holds all of it. Each process computes a share of a step's examples, and the
gradients are added up once per step. The frozen base is whole in each process, or sharded (FSDP2: a layer is gathered
when it computes, and released afterwards), or one process spreads its layers over the devices of a host.
"""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from platypus.errors import ModelError, RecipeError
from platypus.model.loading import DType, Loaded, load_base
from platypus.parallel import cores
from platypus.run.recipe import Recipe
from platypus.run.settings import TrainSettings
from platypus.training.shared_prefix.prefix import inner_model

Message = TypeVar("Message")
# Seconds in which a second signal counts as an echo: torchrun forwards what the terminal has sent to all processes.
ECHO = 2.0
MOMENT = 0.3  # seconds for which other jobs are watched
CROWDED = 0.5  # cores that are lacking


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one training, as started by torchrun or `accelerate launch`, or this process alone."""

    accelerator: Accelerator

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        """Leave the group if all went well: its threads can abort an interpreter that is shutting down."""
        if failure is None and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    @property
    def world_size(self) -> int:
        """The number of processes."""
        return int(self.accelerator.num_processes)

    @property
    def rank(self) -> int:
        """The number of this process, from 0. Rank 0, the main process, reads, saves and prints."""
        return int(self.accelerator.process_index)

    @property
    def is_main(self) -> bool:
        """Whether this is the main process."""
        return bool(self.accelerator.is_main_process)

    def describe(self) -> str:
        """How many processes there are, on which device, and whether fewer than a launcher was asked for."""
        device, count = self.accelerator.device, self.world_size
        if count > 1:
            return f"{count} processes, this one on {device}"
        said = f"1 process on {device}"
        if device.type == "cpu" and "ACCELERATE_MIXED_PRECISION" in os.environ:  # set by `accelerate launch`
            said += (
                "; without GPUs, `accelerate launch` starts one whatever --num_processes says:"
                " for several, use torchrun --nproc-per-node=N -m platypus train RUN"
            )
        return said

    def crowding(self) -> str | None:
        """What to say where other jobs take so much of the CPU that one thread would be faster than several.

        Threads wait for the slowest of them, and keep their cores while they wait. This process idles for a moment.
        """
        threads = torch.get_num_threads()
        if self.accelerator.device.type != "cpu" or self.world_size > 1 or threads < 2:
            return None
        taken = psutil.cpu_percent(MOMENT) / 100 * (psutil.cpu_count() or threads)
        if taken + threads < cores() + CROWDED:
            return None
        return (
            f"other jobs take {taken:.1f} of {cores()} cores; one thread may be three times as fast: OMP_NUM_THREADS=1"
        )

    def free_memory(self, settings: TrainSettings) -> int:
        """Bytes that a process may take: of its device, of all if it spreads layers, or its share of the RAM.

        It is the least of all processes, since those that shard a base must split a step alike.
        """
        if self.accelerator.device.type == "cuda":
            spread = settings.parallel == "layers"
            devices = range(torch.cuda.device_count()) if spread else [torch.cuda.current_device()]
            free = int(sum(torch.cuda.mem_get_info(number)[0] for number in devices))
        else:
            free = int(psutil.virtual_memory().available) // self.world_size
        return free if self.world_size == 1 else min(gather_object([free]))

    def broadcast(self, message: Message) -> Message:
        """The main process's message, in all processes. Each waits until it has arrived."""
        messages = [message]
        broadcast_object_list(messages)
        return messages[0]

    def all_reduce(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one collective call."""
        if self.world_size == 1:
            return
        precise = torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
        flat = torch.cat([tensor.flatten().to(precise) for tensor in tensors])
        total: Any = self.accelerator.reduce(flat, reduction="sum")
        for tensor, part in zip(tensors, total.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


def init_processes() -> ProcessGroup:
    """The group that this process belongs to, initialised."""
    # Without GPUs, several processes communicate through gloo.
    return ProcessGroup(Accelerator(cpu=not torch.cuda.is_available()))


@dataclass
class Stop:
    """Whether to stop after the current step: `asked` of this process by a signal, then `agreed` by all processes."""

    asked: bool = False
    agreed: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """In the block, SIGINT or SIGTERM asks to stop once the step is finished; a second one ends the process at once."""
    stop, first = Stop(), 0.0
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        nonlocal first
        first = first or time.monotonic()
        if time.monotonic() - first > ECHO:
            signal.signal(number, before[number])
            signal.raise_signal(number)
        stop.asked = True

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_processes(recipe: Recipe, processes: ProcessGroup) -> None:
    """Raises RecipeError if the recipe's kind of parallelism does not fit this number of processes."""
    settings = recipe.train
    if settings.batch_size % processes.world_size:
        nearest = max(settings.batch_size // processes.world_size, 1) * processes.world_size
        raise RecipeError(
            f"batch_size = {settings.batch_size} does not divide over {processes.world_size} devices",
            where="[train] batch_size",
            remedy=f"Set it to {nearest} or another multiple of {processes.world_size}, or use fewer devices.",
        )
    if settings.parallel == "layers" and processes.world_size > 1:
        raise RecipeError(
            f'parallel = "layers" is one process for all devices of its host, but {processes.world_size} were started',
            where="[train] parallel",
            remedy='Start it without torchrun, or set parallel = "fsdp".',
        )
    if settings.parallel == "fsdp" and processes.world_size == 1:
        raise RecipeError(
            'parallel = "fsdp" shards the base over several processes, but there is one',
            where="[train] parallel",
            remedy="Start it with torchrun --nproc-per-node=N -m platypus train RUN.",
        )


def load_for_training(recipe: Recipe, processes: ProcessGroup) -> Loaded:
    """Load the recipe's base on its device. One that `shard` will distribute is read by the main process only."""
    settings = recipe.train
    device = "balanced" if settings.parallel == "layers" else str(processes.accelerator.device)
    if _distributes(settings):
        device = "cpu" if processes.is_main else "meta"
    return load_base(recipe.base, dtype=base_dtype(settings, processes), device=device, quantise=settings.quantise)


def base_dtype(settings: TrainSettings, processes: ProcessGroup) -> DType:
    """The dtype of the base: "auto" depends on the device that computes, not on where the weights are read."""
    if settings.dtype != "auto":
        return settings.dtype
    return "bfloat16" if processes.accelerator.device.type == "cuda" else "float32"


def _distributes(settings: TrainSettings) -> bool:
    """Whether the main process sends the weights layer by layer, so that no other process ever holds all of them."""
    return settings.parallel == "fsdp" and settings.quantise == "none"


def shard(adapted: Loaded, settings: TrainSettings, processes: ProcessGroup) -> None:
    """Shard each layer of the base over the processes (FSDP2), if the recipe says so.

    The adapter, embeddings and head stay whole on every device. The adapter must already be there: PEFT cannot put one
    on quantised weights that are sharded.
    """
    if settings.parallel != "fsdp":
        return
    model, inner = adapted.model, inner_model(adapted.model)
    lists = [name for name, part in inner.named_children() if isinstance(part, torch.nn.ModuleList)]
    if not lists:
        raise ModelError(
            'parallel = "fsdp": the layers of this architecture cannot be found',
            where=adapted.source,
            remedy='Set parallel = "data" or "layers" under [train].',
        )
    layers: Any = inner.get_submodule(lists[0])  # "layers", or "h" in GPT-2
    mesh = init_device_mesh(processes.accelerator.device.type, (processes.world_size,))
    for layer in layers:
        if _distributes(settings):
            _distribute(layer, processes, {})
        fully_shard(layer, mesh=mesh, ignored_params={part for part in layer.parameters() if part.requires_grad})
    if _distributes(settings):
        _distribute(model, processes, {parameter: parameter for parameter in layers.parameters()})
    inside = f"{lists[0]}."
    whole = {part for name, part in inner.named_parameters() if part.requires_grad or not name.startswith(inside)}
    fully_shard(inner, mesh=mesh, ignored_params=whole)


@torch.no_grad()
def _distribute(module: torch.nn.Module, processes: ProcessGroup, done: dict[torch.Tensor, torch.Tensor]) -> None:
    """Replace the module's tensors by the main process's, on this process's device.

    `done` maps the tensors that are already replaced to their replacements.
    """
    device = processes.accelerator.device
    for part in module.modules():
        for store in (part._parameters, part._buffers):
            for name, tensor in store.items():
                if tensor is None:
                    continue
                if tensor not in done:
                    local = torch.empty_like(tensor, device=device) if tensor.is_meta else tensor.to(device)
                    torch.distributed.broadcast(local, 0)
                    if isinstance(tensor, torch.nn.Parameter):
                        local = torch.nn.Parameter(local, requires_grad=tensor.requires_grad)
                    done[tensor] = local
                store[name] = done[tensor]  # type: ignore[assignment]  # a parameter replaces a parameter
