"""Calculates what Llama-2-13b and Llama-2-70b need on 48 and 80 GB cards, by the forecast, without weights or a GPU.

    python benchmarks/scaling.py          # prints the tables of docs/scaling.md, in about five minutes

A step has 16 examples after a catalogue of 1,536 tokens, each with 150 tokens of its own, of which 110 are learned;
LoRA of rank 16 on the MLP, base in bfloat16. Nothing here is measured: bytes are counted as in
`platypus.training.forecast`, and CUDA's share of slack is assumed.
"""

import argparse
from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from platypus.errors import TrainingError
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training import forecast
from platypus.training.adapter import adapt

PREFIX, SUFFIX, ANSWER, ROWS = 1536, 150, 110, 16
STEP = [
    EncodedExample(tuple(range(PREFIX)) + (row,) * SUFFIX, PREFIX + SUFFIX - ANSWER, f"{row}")
    for row in range(3, 3 + ROWS)
]
CARDS = {"48 GB": 47.4 * 2**30, "80 GB": 79.2 * 2**30}  # the memory that a card reports
CUDA = torch.device("cuda")


@dataclass(frozen=True)
class Job:
    """A model on a number of cards of one kind."""

    model: str
    card: str
    world_size: int = 1
    quantise: str = "none"
    prefix: str = "auto"

    @property
    def settings(self) -> TrainSettings:
        """The recipe's [train]."""
        parallel = "fsdp" if self.world_size > 1 else "data"
        table = {"quantise": self.quantise, "prefix": self.prefix, "parallel": parallel, "dtype": "bfloat16"}
        return TrainSettings.model_validate(table)


SHAPES = {
    "13b": LlamaConfig(
        hidden_size=5120,
        intermediate_size=13824,
        num_hidden_layers=40,
        num_attention_heads=40,
        max_position_embeddings=4096,
    ),
    "70b": LlamaConfig(
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        max_position_embeddings=4096,
    ),
}
JOBS = [
    Job("13b", "48 GB"),
    Job("13b", "48 GB", quantise="nf4"),
    Job("13b", "80 GB"),
    Job("13b", "80 GB", prefix="flash"),
    Job("13b", "80 GB", quantise="nf4"),
    Job("70b", "80 GB", world_size=8),
]


def bare(job: Job) -> Loaded:
    """The model without weights, with its adapter, as if on CUDA."""
    with torch.device("meta"):
        model = LlamaForCausalLM(SHAPES[job.model]).to(torch.bfloat16)
    loaded = Loaded(model, PreTrainedTokenizerFast, source=job.model, fingerprint="")  # type: ignore[arg-type]
    with torch.device("meta"):
        return adapt(loaded, job.settings, seed=0, device=CUDA)


def row(job: Job) -> list[str]:
    """A line of the table: how the step is split and the memory by part, or why it does not fit."""
    name = f"{job.world_size} of {job.card}" if job.world_size > 1 else job.card
    start = [job.model, name, job.quantise, "flash" if job.prefix == "flash" else "dense"]
    free, settings = int(CARDS[job.card] - forecast.CONTEXT), job.settings
    try:
        result = forecast.make_forecast(
            bare(job), [STEP], settings=settings, epochs=1, world_size=job.world_size, device=CUDA, free=free
        )
    except TrainingError as error:
        return [*start, error.what]
    parts = [f"{size / 2**30:.2f}" for size in vars(result.memory).values()]
    checkpointing = "yes" if result.cut.checkpointing else "no"
    return [*start, str(result.cut.micro_batch_size), checkpointing, *parts, f"{result.memory.total / 2**30:.1f}"]


def main() -> None:
    """Print the tables and figures of docs/scaling.md."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    head = ["model", "cards", "quantise", "attention", "at once", "checkpointing", "program", "base", "adapter"]
    head += ["optimizer", "prefix", "activations", "allocator", "total"]
    for line in (head, ["---"] * len(head), *map(row, JOBS)):
        print("| " + " | ".join(line) + " |", flush=True)
    whole = ROWS * (PREFIX + SUFFIX)
    for world_size in (1, 8):
        shared = world_size * PREFIX + ROWS * SUFFIX
        fewer = f"{whole:,} of the rows, {shared:,} computed, {whole / shared:.1f} times fewer"
        print(f"tokens a step on {world_size}: {fewer}")
    inside = 80 * (2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672)
    gathers = 2 * (1 + 1)  # forward and backward, of the prefix and of one group of this rank's two rows
    sent = gathers * 2 * inside * 7 / 8
    flops = 4 * inside * (PREFIX + 2 * SUFFIX)
    print(f"70b on 8: a card receives {sent / 1e9:.0f} GB a step, in {gathers} gathers of {2 * inside / 1e9:.0f} GB")
    print(f"70b on 8: a card computes {flops / 1e12:.0f} TFLOP a step, without what checkpointing computes again")
    for name, rate in {"NVLink, 300 GB/s": 300e9, "PCIe, 25 GB/s": 25e9, "network, 12.5 GB/s": 12.5e9}.items():
        print(f"  {name}: {sent / rate:.1f} s to receive; at 400 TFLOP/s {flops / 400e12:.1f} s to compute")
    inside = 40 * (4 * 5120**2 + 3 * 5120 * 13824)
    flops = 4 * inside * (PREFIX + ROWS * SUFFIX)
    seconds = flops / 400e12
    print(f"13b on 1: {flops / 1e12:.0f} TFLOP a step; at 400 TFLOP/s {seconds:.2f} s, {whole / seconds:,.0f} tokens/s")


if __name__ == "__main__":
    main()
