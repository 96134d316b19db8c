"""Peak memory and time of a merge: ours, tensor by tensor, beside PEFT's, which holds the model.

    python benchmarks/merge.py               # a random Llama of 4.4 GB in bfloat16, in files of 250 MB: some minutes
    python benchmarks/merge.py --arithmetic  # what larger models need, from their shapes alone: seconds

Each merge is a process of its own; its peak is the kernel's count of its resident memory (VmHWM), with pages of mapped
files. Both merge the same adapter of all linear layers into the same base, in bfloat16, and the results are compared.
Needs Linux, 8 GB of memory, and 14 GB of disk.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from safetensors import safe_open
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from platypus.model.bases import weight_files

SHAPE = {
    "vocab_size": 32000,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 40,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "tie_word_embeddings": False,
}
SHARD = "250MB"
LARGE = {  # Llama 2 and 3: width, layers, width of the feed-forward block, heads of keys and values, tokens
    "13B": (5120, 40, 13824, 40, 32000),
    "70B": (8192, 80, 28672, 8, 128256),
}
START = "import resource, sys, time\nfrom pathlib import Path\nbase, adapter, out = map(Path, sys.argv[1:])\n"
OURS = """
from platypus.merging.lora import merge_weights
begun = time.perf_counter()
out.mkdir()
merge_weights(base, adapter, out, dtype="bfloat16", max_shard_size="{shard}")
"""
THEIRS = """
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
begun = time.perf_counter()
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
merged.save_pretrained(out, max_shard_size="{shard}")
"""
END = """
seconds = time.perf_counter() - begun
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
import json
print(json.dumps([peak * 1024, seconds]))
"""
IDLE = "import torch, peft, transformers\nbegun = time.perf_counter()\n"


class Cost(NamedTuple):
    """The peak memory of a process in bytes, and the seconds of its merge, without imports."""

    peak: int
    seconds: float


def make_base(folder: Path) -> None:
    """A random model in bfloat16, layer by layer of one draw: its values do not matter."""
    torch.manual_seed(0)
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**SHAPE, dtype="bfloat16")).bfloat16()
    model.to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.data.normal_(std=0.02)
    model.save_pretrained(folder, max_shard_size=SHARD)


def make_adapter(base: Path, folder: Path, rank: int) -> None:
    """A random adapter of all linear layers."""
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(LlamaConfig.from_pretrained(base))
    config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=rank, target_modules="all-linear")
    model: Any = get_peft_model(bare, config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            *path, leaf = name.split(".")
            module = model.get_submodule(".".join(path))
            setattr(module, leaf, torch.nn.Parameter(torch.randn(parameter.shape) * 0.01))
    model.save_pretrained(str(folder))


def run(program: str, base: Path, adapter: Path, out: Path) -> Cost:
    """The cost of a merge in a process of its own."""
    code = START + program.format(shard=SHARD) + END
    done = subprocess.run([sys.executable, "-c", code, base, adapter, out], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def largest_difference(one: Path, other: Path) -> tuple[float, float]:
    """Between the tensors of two models: the largest, in steps of bfloat16, and the share that differs at all."""
    places = {}
    for file in weight_files(other):
        with safe_open(file, "pt") as tensors:
            places |= dict.fromkeys(tensors.keys(), file)
    worst, differing, total = 0, 0, 0
    for file in weight_files(one):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118
                with safe_open(places[name], "pt") as theirs:
                    first, second = tensors.get_tensor(name), theirs.get_tensor(name)
                away = (ordered(first) - ordered(second)).abs()
                worst, differing, total = (
                    max(worst, int(away.max())),
                    differing + int((away > 0).sum()),
                    total + away.numel(),
                )
    return worst, differing / total


def ordered(values: torch.Tensor) -> torch.Tensor:
    """The place of each bfloat16 value among all of them."""
    bits = values.view(torch.int16).int()
    return torch.where(bits < 0, -(bits & 0x7FFF), bits)


def measure(folder: Path, rank: int) -> Table:
    base, adapter = folder / "base", folder / "adapter"
    make_base(base)
    make_adapter(base, adapter, rank)
    shards = weight_files(base)
    sizes = [file.stat().st_size for file in shards]
    added = sum(file.stat().st_size for file in adapter.glob("*.safetensors"))
    target = 1.3 * max(sizes) + added
    idle = run(IDLE, base, adapter, folder / "none")
    table = Table("merge", "peak", "beyond the imports", "seconds", box=None)
    table.title = (
        f"{decimal(sum(sizes))} in {len(sizes)} files of at most {decimal(max(sizes))}; adapter {decimal(added)};"
        f" imports {decimal(idle.peak)}; 1.3 x file + adapter = {decimal(int(target))}"
    )
    costs = {
        name: run(program, base, adapter, folder / name) for name, program in {"ours": OURS, "peft": THEIRS}.items()
    }
    for name, cost in costs.items():
        table.add_row(name, decimal(cost.peak), decimal(cost.peak - idle.peak), f"{cost.seconds:.1f}")
    ours, theirs = costs.values()
    table.add_row("peft / ours", f"{theirs.peak / ours.peak:.1f}", "", f"{theirs.seconds / ours.seconds:.2f}")
    worst, share = largest_difference(folder / "ours", folder / "peft")
    table.caption = f"the weights differ by at most {worst} steps of bfloat16, in {share:.2%} of the values"
    return table


def arithmetic(rank: int) -> Table:
    """The largest sums that are alive at once: imports, the adapter, and one tensor on its way."""
    table = Table("model", "weights", "adapter", "largest tensor", "on its way", "peak of the merge", box=None)
    for name, (width, layers, inner, heads, tokens) in LARGE.items():
        narrow = width // {"13B": 40, "70B": 64}[name] * heads
        linear = [(width, width)] * 2 + [(narrow, width)] * 2 + [(inner, width)] * 3
        adapter = 4 * rank * layers * sum(out + into for out, into in linear)
        weights = 2 * (layers * sum(out * into for out, into in linear) + 2 * tokens * width)
        changed = max(out * into for out, into in linear)
        way = max(changed * (2 + 4 + 2), 2 * tokens * width)
        peak = 500 * 10**6 + adapter + way
        table.add_row(
            name,
            decimal(weights),
            decimal(adapter),
            decimal(2 * max(changed, tokens * width)),
            decimal(way),
            decimal(peak),
        )
    table.caption = (
        "imports 0.5 GB; on its way: base in bfloat16, sum in float32, result in bfloat16. Mapped pages of a"
        " base's tensor are counted, though the kernel may drop them."
    )
    return table


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arithmetic", action="store_true")
    parser.add_argument("--rank", type=int, default=16)
    options = parser.parse_args()
    console = Console(width=140)
    if options.arithmetic:
        console.print(arithmetic(options.rank))
        return
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        console.print(measure(Path(folder), options.rank))
    console.print(f"in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
