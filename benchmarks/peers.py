"""The parts of the training benchmark: a random Llama, a step's examples, and each way of taking the optimizer step.

All contenders train the same parameters, those of one base and one adapter; a learning rate of zero leaves them
unchanged. A step is forward and backward over all examples, the norm of the gradients, and AdamW. Padding, truncation
and half precision are avoided where possible, so the peers are shown at their best: TRL's defaults that would change
the task (truncation at 1,024 tokens, bfloat16) are switched off. This module knows no tables and options.
"""

import copy
import gc
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.variants import ALoraLinearVariant
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.adapter import adapt
from platypus.training.forecast import cuts
from platypus.training.shared_prefix.frozen import FrozenPrefixes
from platypus.training.shared_prefix.frozen import size as prefix_bytes
from platypus.training.shared_prefix.loss import accumulate, answer_length

RANK = 16
REQUEST, ANSWER = (32, 48), (88, 132)  # tokens: 40 and 110, give or take 20%
NO_CLIPPING = 1e9  # so high that the norm is computed but nothing is clipped
REFERENCE = "peft-answers"  # the others' gradients must equal its
ACTIVATED = "peft-activated"  # the gradients with a frozen prefix must equal its


@dataclass(frozen=True)
class Shape:
    """The sizes of a Llama with as many key heads as query heads."""

    hidden: int
    layers: int
    intermediate: int
    heads: int
    vocabulary: int

    @classmethod
    def parse(cls, text: str) -> "Shape":
        """`384x6` is 6 layers of width 384 with a vocabulary of 8,192; `llama-2-13b` has the sizes of that model."""
        if text == "llama-2-13b":
            return cls(hidden=5120, layers=40, intermediate=13824, heads=40, vocabulary=32000)
        hidden, layers = (int(number) for number in text.split("x"))
        return cls(hidden, layers, intermediate=64 * round(hidden * 8 / 3 / 64), heads=hidden // 64, vocabulary=8192)


@dataclass(frozen=True)
class Models:
    """The adapted model as Platypus prepares it, and with stock attention for the peers; they share parameters."""

    platypus: Loaded
    plain: Loaded


def build(shape: Shape, *, device: str, seed: int) -> Models:
    """Random weights (float32 on a CPU, bfloat16 on CUDA) and a float32 adapter of the MLPs with nonzero `lora_B`."""
    words = {"<pad>": 0, "</s>": 1}
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="<pad>")), pad_token="<pad>", eos_token="</s>"
    )
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=16384,
        pad_token_id=0,
        eos_token_id=1,
    )
    torch.manual_seed(seed)
    with torch.device(device):
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        base = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    settings = TrainSettings(rank=RANK, alpha=RANK, dropout=0.0, target_modules="mlp")
    adapted = adapt(Loaded(model=base, tokenizer=tokenizer, source="random", fingerprint=""), settings, seed=seed)
    for name, parameter in adapted.model.named_parameters():
        if "lora_B" in name:  # zero initially, which would leave lora_A without gradients to compare
            torch.nn.init.normal_(parameter, std=0.02)
    plain = _twin(adapted.model)
    plain.set_attn_implementation("sdpa")
    return Models(platypus=adapted, plain=replace(adapted, model=plain))


def examples(count: int, *, prefix: int, vocabulary: int, seed: int) -> list[EncodedExample]:
    """Random examples that share their first `prefix` tokens, each with its own request and answer."""
    draw = random.Random(seed)

    def tokens(length: int) -> tuple[int, ...]:
        return tuple(draw.randrange(2, vocabulary) for _ in range(length))

    shared = tokens(prefix)
    rows = []
    for number in range(count):
        request, answer = draw.randint(*REQUEST), draw.randint(*ANSWER)
        ids, name = (*shared, *tokens(request + answer)), f"row {number}"
        rows.append(EncodedExample(ids, prefix + request, name, frozen=prefix))
    return rows


# ---------------------------------------------------------------- one step


class Watch:
    """Seconds and memory of one optimizer step, and the gradients it would have applied."""

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        self.trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self.cuda = device.type == "cuda"
        self.started = self.seconds = 0.0
        self.cpu_started = self.cpu_seconds = 0.0  # of all threads
        self.held = self.growth = 0  # bytes before the step; peak minus these
        self.gradients: dict[str, torch.Tensor] = {}

    def start(self) -> None:
        """The step begins."""
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self.held = torch.cuda.memory_allocated()
        else:
            with suppress(PermissionError):  # then the peak is that of the whole process so far, an upper bound
                Path("/proc/self/clear_refs").write_text("5")
            self.held = _resident("VmRSS")
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def keep(self) -> None:
        """The gradients are complete; nothing is applied yet."""
        self.gradients = {name: p.grad.clone() for name, p in self.trainable.items() if p.grad is not None}

    def stop(self) -> None:
        """The step is done."""
        if self.cuda:
            torch.cuda.synchronize()
        self.seconds, self.cpu_seconds = time.perf_counter() - self.started, time.process_time() - self.cpu_started
        self.growth = (torch.cuda.max_memory_allocated() if self.cuda else _resident("VmHWM")) - self.held


def _resident(field: str) -> int:
    """Bytes that this process has in memory (VmRSS), or had at the peak (VmHWM). Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


@dataclass(frozen=True)
class Contender:
    """A way of taking a step. `micro_batch` is 0 if a part of the batch cannot represent the whole.

    `frozen`: the adapter does not act on the prefix, which is another task: its reference is PEFT's activated LoRA.
    """

    title: str
    micro_batch: int
    take: Callable[[Models, Sequence[EncodedExample], Watch], None]
    frozen: bool = False

    @property
    def reference(self) -> str:
        """Whose gradients it must have."""
        return ACTIVATED if self.frozen else REFERENCE

    @property
    def shares(self) -> bool:
        """Whether it computes a common prefix once."""
        return self.micro_batch == 0

    def step(self, models: Models, batch: Sequence[EncodedExample]) -> Watch:
        """Take one step with these examples."""
        gc.collect()  # frees what the previous contender left
        watch = Watch(models.plain.model, models.plain.device)
        self.take(models, batch, watch)
        return watch


def contender(name: str) -> Contender:
    """The contender of that name; `platypus-4` is Platypus with suffixes in groups of 4. Raises KeyError."""
    if name.startswith("platypus"):
        return _platypus(int(name.removeprefix("platypus-")) if "-" in name else None)
    return FROZEN[name] if name in FROZEN else PEERS[name]


def _loop(compute: Callable[[Models, Sequence[EncodedExample], int], None]) -> Callable[..., None]:
    """A plain training loop around `compute`, which gets the number of answer tokens."""

    def take(models: Models, batch: Sequence[EncodedExample], watch: Watch) -> None:
        parameters = list(watch.trainable.values())
        optimizer = torch.optim.AdamW(parameters, lr=0.0)
        models.platypus.model.train()
        models.plain.model.train()
        watch.start()
        compute(models, batch, sum(answer_length(example) for example in batch))
        torch.nn.utils.clip_grad_norm_(parameters, NO_CLIPPING)
        watch.keep()
        optimizer.step()
        optimizer.zero_grad()
        watch.stop()

    return take


def _platypus(group: int | None) -> Contender:
    """Platypus with groups of a given size, or of the size that the trainer chooses with enough memory."""

    def compute(models: Models, batch: Sequence[EncodedExample], answer_tokens: int) -> None:
        batch = [replace(example, frozen=0) for example in batch]
        size = group or cuts(batch, TrainSettings(), whole=False)[0].micro_batch_size
        accumulate(models.platypus, batch, answer_tokens=answer_tokens, micro_batch_size=size)

    return Contender(f"Platypus, {group} a group" if group else "Platypus", 0, _loop(compute))


def _frozen(*, kept: bool) -> Contender:
    """Platypus with a frozen prefix: kept from the steps before, or computed in this one (tools in a new order)."""

    def take(models: Models, batch: Sequence[EncodedExample], watch: Watch) -> None:
        prefixes, ids = FrozenPrefixes(), batch[0].ids[: batch[0].frozen]
        size = cuts(batch, TrainSettings(), whole=False)[0].micro_batch_size
        if kept:
            prefixes.of(models.platypus, ids)

        def compute(models: Models, batch: Sequence[EncodedExample], answer_tokens: int) -> None:
            accumulate(models.platypus, batch, answer_tokens=answer_tokens, micro_batch_size=size, kept=prefixes)

        _loop(compute)(models, batch, watch)
        watch.growth += kept * prefix_bytes(prefixes.of(models.platypus, ids))

    return Contender("Platypus, frozen" if kept else "Platypus, frozen, new in each step", 0, take, frozen=True)


def _activated(models: Models, batch: Sequence[EncodedExample], answer_tokens: int) -> None:
    """The plain loop with PEFT's activated LoRA, told where each example's own tokens begin."""
    model: Any = models.plain.model
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.lora_variant["default"] = ALoraLinearVariant()  # type: ignore[no-untyped-call]
    try:
        _answers_only(models, batch, answer_tokens, activated=True)
    finally:
        for module in model.modules():
            if isinstance(module, LoraLayer):
                del module.lora_variant["default"]


def _answers_only(
    models: Models, batch: Sequence[EncodedExample], answer_tokens: int, *, activated: bool = False
) -> None:
    model: Any = models.plain.model
    device = models.plain.device
    for example in batch:
        ids = torch.tensor(example.ids, device=device)
        predicting = torch.arange(example.prompt_length - 1, len(example.ids) - 1, device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            own = {"alora_offsets": [len(ids) - example.frozen]} if activated else {}
            logits = model(input_ids=ids[None], logits_to_keep=predicting, use_cache=False, **own).logits[0]
        loss = cross_entropy(logits.float(), ids[example.prompt_length :], reduction="sum") / answer_tokens
        loss.backward()  # type: ignore[no-untyped-call]


# ---------------------------------------------------------------- the trainers


class Timing(TrainerCallback):
    """Starts and stops a watch with the trainer's step."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_step_begin(self, *arguments: Any, **named: Any) -> None:
        """Before the first micro-batch."""
        self.watch.start()

    def on_pre_optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """After the last micro-batch."""
        self.watch.keep()

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        """After the optimizer."""
        self.watch.stop()


def _trainer(models: Models, batch: Sequence[EncodedExample], watch: Watch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(**_arguments(folder, batch, micro_batch=1, device=models.plain.device))
        model = _twin(models.plain.model)
        _train(Trainer(model=model, args=arguments, train_dataset=_rows(batch), callbacks=[Timing(watch)]))


def _trl(micro_batch: int, **settings: Any) -> Callable[[Models, Sequence[EncodedExample], Watch], None]:
    """TRL's SFTTrainer; it needs rows with labels, and replaces the model's head by one that saves logits."""

    def take(models: Models, batch: Sequence[EncodedExample], watch: Watch) -> None:
        # Platypus can be measured without TRL, whose lazy module shows mypy no names.
        from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

        with tempfile.TemporaryDirectory() as folder:
            shared = _arguments(folder, batch, micro_batch=micro_batch, device=models.plain.device)
            trainer = SFTTrainer(
                model=_twin(models.plain.model),
                args=SFTConfig(**shared, max_length=None, **settings),
                train_dataset=_rows(batch),
                processing_class=models.plain.tokenizer,
                callbacks=[Timing(watch)],
            )
            _train(trainer)

    return take


def _arguments(
    folder: str, batch: Sequence[EncodedExample], *, micro_batch: int, device: torch.device
) -> dict[str, Any]:
    return {
        "output_dir": folder,
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": -(-len(batch) // micro_batch),
        "max_steps": 1,
        "learning_rate": 0.0,
        "lr_scheduler_type": "constant",
        "max_grad_norm": NO_CLIPPING,
        "use_cpu": device.type == "cpu",
        "bf16": device.type == "cuda",
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def _rows(batch: Sequence[EncodedExample]) -> Dataset:
    return Dataset.from_list([{"input_ids": example.ids, "labels": example.labels} for example in batch])


def _train(trainer: Trainer) -> None:
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def _twin(model: Any) -> Any:
    """A copy with the same parameters but its own modules and config, because trainers change these."""
    return copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})


FROZEN = {"frozen": _frozen(kept=True), "frozen-new": _frozen(kept=False)}
PEERS = {
    "trainer": Contender("transformers Trainer + PEFT, micro-batch 1", 1, _trainer),
    REFERENCE: Contender("PEFT loop, micro-batch 1, logits at answers", 1, _loop(_answers_only)),
    ACTIVATED: Contender("PEFT loop, activated LoRA", 1, _loop(_activated), frozen=True),
    "trl": Contender("TRL, defaults (batch 8, checkpointing)", 8, _trl(8)),
    "trl-1": Contender("TRL, micro-batch 1, no checkpointing", 1, _trl(1, gradient_checkpointing=False)),
    "trl-2": Contender("TRL, micro-batch 2, no checkpointing", 2, _trl(2, gradient_checkpointing=False)),
    "trl-padding-free": Contender(
        "TRL, 2 rows padding-free, no checkpointing", 2, _trl(2, gradient_checkpointing=False, padding_free=True)
    ),
}
