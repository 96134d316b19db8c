"""Several devices at one training: who does what, where the base lies, how gradients become one.

The adapter is small, so it is whole on every device, and its gradients are added up once a step: what each process
computes is a share of the step's examples. The frozen base is whole in each process, or sharded (FSDP2: a layer is
gathered when it computes, and let go again), or one process spreads its layers over the devices of a host.
"""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from platypus.errors import RecipeError
from platypus.model.loading import Loaded, load_base
from platypus.run.recipe import Recipe
from platypus.run.settings import TrainSettings
from platypus.training.shared_prefix.prefix import inner_model

Message = TypeVar("Message")
# Seconds in which a second signal is but torchrun's echo of the first: it hands on what the terminal has sent already.
ECHO = 2.0


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one training, as torchrun or `accelerate launch` started them, or this one alone."""

    accelerator: Accelerator

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        """Part when all went well: the threads of a live group can abort an interpreter that ends."""
        if failure is None and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        return int(self.accelerator.num_processes)

    @property
    def rank(self) -> int:
        """Which one this is, from 0; the first one leads: it reads, saves and speaks."""
        return int(self.accelerator.process_index)

    @property
    def is_main(self) -> bool:
        """Whether this is the first one."""
        return bool(self.accelerator.is_main_process)

    def broadcast(self, message: Message) -> Message:
        """What the leader says, in all processes; none goes on before it is said."""
        told = [message]
        broadcast_object_list(told)
        return told[0]

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
    """The processes that this process belongs to."""
    return ProcessGroup(
        Accelerator(cpu=not torch.cuda.is_available())
    )  # several processes without GPUs talk through gloo


@dataclass
class Stop:
    """Whether to stop after the present step: asked of this process by a signal, and then agreed by all of them."""

    asked: bool = False
    agreed: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Ctrl-C or a request to end asks to stop, so that the step is finished first; a second one ends at once."""
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
    """Raises RecipeError when the recipe's way of being parallel does not go with so many processes."""
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
    """The recipe's base where it computes. One that `shard` will hand out is read by the leader alone."""
    settings = recipe.train
    device = "balanced" if settings.parallel == "layers" else str(processes.accelerator.device)
    if _handed_out(settings):
        device = "cpu" if processes.is_main else "meta"
    return load_base(recipe.base, dtype=settings.dtype, device=device, quantise=settings.quantise)


def _handed_out(settings: TrainSettings) -> bool:
    """Whether the weights come from the leader, layer by layer, so that no process but it ever holds them all."""
    return settings.parallel == "fsdp" and settings.quantise == "none"


def shard(adapted: Loaded, settings: TrainSettings, processes: ProcessGroup) -> None:
    """Where the recipe says so, shard each layer of the base over the processes (FSDP2).

    The adapter, embeddings and head stay whole on every device. PEFT must have been there before: it cannot put an
    adapter on quantised weights that are sharded.
    """
    if settings.parallel != "fsdp":
        return
    model, inner = adapted.model, inner_model(adapted.model)
    layers: Any = inner.layers
    mesh = init_device_mesh(processes.accelerator.device.type, (processes.world_size,))
    for layer in layers:
        if _handed_out(settings):
            _hand_out(layer, processes, {})
        fully_shard(layer, mesh=mesh, ignored_params={part for part in layer.parameters() if part.requires_grad})
    if _handed_out(settings):
        _hand_out(model, processes, {parameter: parameter for parameter in layers.parameters()})
    whole = {part for name, part in inner.named_parameters() if part.requires_grad or not name.startswith("layers.")}
    fully_shard(inner, mesh=mesh, ignored_params=whole)


@torch.no_grad()
def _hand_out(module: torch.nn.Module, processes: ProcessGroup, done: dict[torch.Tensor, torch.Tensor]) -> None:
    """Replace what the module holds by the leader's tensors, on this process's device. `done` is left alone."""
    device = processes.accelerator.device
    for part in module.modules():
        for store in (part._parameters, part._buffers):
            for name, tensor in store.items():
                if tensor is None:
                    continue
                if tensor not in done:
                    here = torch.empty_like(tensor, device=device) if tensor.is_meta else tensor.to(device)
                    torch.distributed.broadcast(here, 0)
                    held = isinstance(tensor, torch.nn.Parameter)
                    done[tensor] = torch.nn.Parameter(here, requires_grad=tensor.requires_grad) if held else here
                store[name] = done[tensor]  # type: ignore[assignment]  # a parameter for a parameter
