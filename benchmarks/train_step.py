"""Measures time, memory and FLOPs of an optimizer step: Platypus and peers on the same weights, examples and threads.

    python benchmarks/train_step.py prefixes                             # against all peers, by model and prefix
    python benchmarks/train_step.py prefixes --model 768x12 --timed 2    # peers on 2 of the 16 examples, scaled
    python benchmarks/train_step.py batches                              # against the strongest peer, by batch size
    python benchmarks/train_step.py prefixes --device cuda               # Llama-2-13b's sizes. Never run so far

Needs Linux and the extra `bench`. For each model and prefix, one process takes the steps of all contenders in turn,
`--repeats` times; then each contender takes one step in a process of its own, whose growth in memory is measured. Each
contender's gradients are compared with those of a plain loop over single examples (`error`); if they differ, the
contender does another task, and the exit status is 1.

Scaling. With `--timed N`, contenders that compute examples independently compute only N of a batch, evenly from the
longest to the shortest; seconds are multiplied by the ratio of tokens. For a loop over single examples that is exact,
except that attention is not linear in the lengths (some percent), and that the optimizer's milliseconds are multiplied,
too. Platypus always computes the whole batch.

Load. `CPU s` is the CPU time of a step per thread, scaled in the same way; if it is much less than `s/step`, other jobs
used the cores, and speed-ups are unreliable. The first contender of the first round has cold caches: repeat.

Bound. B examples with P common and S own tokens each: without sharing B(P + S) tokens, with it P + B·S, and B·S behind
a frozen prefix, which is computed once for a whole training. Their ratio bounds the speed-up if every token costs the
same; against a peer that computes logits of prompts it can be higher.

Frozen. With `prefix = "frozen"` the adapter does not act on the prefix. That is another task: gradients are compared
with those of PEFT's own activated LoRA (`peft-activated`). `frozen` has the prefix from earlier steps, `frozen-new`
computes it in each step, as with tools in a new order. The memory of both includes the prefix.

FLOPs of a step: the least that its way of computing needs, without recomputation and padding, per token:
    frozen layers   2·n forward, 2·n for the gradient of the input, with n = 4h² + 3hi weights in each layer
    adapters        6·r·(in + out) on gate, up and down: forward, both factors' gradients, the input's
    attention       4h a pair of tokens that see each other, forward; twice that backward
    head            4·h·vocabulary for each answer token only
    frozen          a pair with a token of the prefix costs 4h less: its key and value have no gradients
Backward ends at the first layer's MLP: nothing below is trained, so its attention, gate and up need no gradient of the
input. With a shared prefix, the last layer needs only keys and values of the prefix, and its MLP only for tokens that
predict. `of peak` divides by the seconds and by the best rate of products of 2,048 by h and h by 4h in that process.
"""

import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer
from datasets.utils.logging import disable_progress_bar
from peers import ACTIVATED, FROZEN, PEERS, RANK, REFERENCE, Contender, Models, Shape, build, contender, examples
from rich import box
from rich.console import Console
from rich.table import Table

from platypus.prompt.prompt import EncodedExample
from platypus.training.shared_prefix.loss import answer_length

OURS = ("platypus", "platypus-16", *FROZEN)
ALL, STRONGEST = ",".join((*OURS, *PEERS)), ",".join((*OURS, REFERENCE, ACTIVATED))
BASELINES = ("trainer", REFERENCE)  # for speed-ups: the original's recipe, else the strongest peer
TOLERANCE = {"cpu": 1e-4, "cuda": 5e-2}  # float32, and bfloat16 with another order of sums
QUIET = {
    "HF_HUB_OFFLINE": "1",  # else TRL reports its use
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": "ignore::FutureWarning",  # TRL sets options that transformers renames
}
THREADS = len(os.sched_getaffinity(0))

HELP = "Time optimizer steps of Platypus and its peers. How it counts and scales: see the top of this file."
app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
out = Console(width=170)

Names = Annotated[
    str,
    typer.Option(
        help=f"Comma-separated: platypus (its own choice), platypus-N (N a group), {', '.join((*FROZEN, *PEERS))}."
    ),
]
Repeats = Annotated[int, typer.Option(min=1, help="Steps of each contender; median and least are shown.")]
Timed = Annotated[int, typer.Option(min=1, help="Examples of a batch that stand for all, where they can.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads of every contender.")]
Seed = Annotated[int, typer.Option(help="Of weights and examples.")]
Output = Annotated[Path | None, typer.Option("--json", help="Write all measurements there, too.")]


@dataclass(frozen=True)
class Job:
    """What one process measures: steps of the contenders in turn, on `timed` examples of a batch where possible."""

    model: str
    prefix: int
    batch: int
    contenders: tuple[str, ...]
    repeats: int
    timed: int
    device: str
    threads: int
    seed: int
    fresh: bool = False  # new examples in each repeat


@dataclass
class Measured:
    """A contender's steps: seconds, and CPU seconds per thread, scaled to the batch; bytes; error of the gradients."""

    timed: int
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    growth: int = 0
    error: float | None = None
    failure: str = ""


def measure(job: Job) -> tuple[float, dict[str, Measured]]:
    """The matmul rate in FLOP/s, and each contender's steps; meant for a fresh process."""
    disable_progress_bar()
    torch.set_num_threads(job.threads)
    shape = Shape.parse(job.model)
    models = build(shape, device=job.device, seed=job.seed)
    rate = matmul_rate(shape, models.plain.device)
    batches = [
        examples(job.batch, prefix=job.prefix, vocabulary=shape.vocabulary, seed=job.seed + number * job.fresh)
        for number in range(job.repeats)
    ]
    contenders = {name: contender(name) for name in job.contenders}
    results = {name: Measured(len(_part(batches[0], job.timed, it))) for name, it in contenders.items()}
    for it in contenders.values():
        it.step(models, examples(2, prefix=32, vocabulary=shape.vocabulary, seed=job.seed))
    gradients_by_name: dict[str, dict[str, torch.Tensor]] = {}
    for batch in batches:
        for name, it in contenders.items():
            part = _part(batch, job.timed, it)
            result = results[name]
            if result.failure:
                continue
            try:
                watch = it.step(models, part)
            except torch.OutOfMemoryError as error:
                result.failure = str(error).split(".")[0]
                torch.cuda.empty_cache()
                continue
            scale = _tokens(batch) / _tokens(part)
            result.seconds.append(scale * watch.seconds)
            result.cpu.append(scale * watch.cpu_seconds / job.threads)
            result.growth = max(result.growth, watch.growth)
            gradients_by_name.setdefault(name, watch.gradients)
    if gradients_by_name:
        _compare(models, batches[0], gradients_by_name, results, job.timed)
    return max(rate, matmul_rate(shape, models.plain.device)), results


def _compare(
    models: Models,
    batch: Sequence[EncodedExample],
    gradients_by_name: dict[str, dict[str, torch.Tensor]],
    results: dict[str, Measured],
    timed: int,
) -> None:
    """Fill in the errors. A contender timed on other examples than its reference takes one more step on those."""
    part = _part(batch, timed, contender(REFERENCE))
    for name, gradients in gradients_by_name.items():
        reference = contender(name).reference
        if reference not in gradients_by_name:
            continue
        if _part(batch, timed, contender(name)) != part:
            gradients = contender(name).step(models, part).gradients
        results[name].error = relative_error(gradients, gradients_by_name[reference])


def relative_error(gradients: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The norm of the difference over the norm of the expected gradients, over all parameters together."""
    if gradients.keys() != expected.keys():
        return float("inf")
    difference = torch.cat([(gradients[name] - expected[name]).flatten().double() for name in expected]).norm()
    return float(difference / torch.cat([gradient.flatten().double() for gradient in expected.values()]).norm())


def _part(batch: Sequence[EncodedExample], timed: int, it: Contender) -> list[EncodedExample]:
    """The examples to time: all, or whole micro-batches of them from the longest to the shortest, evenly."""
    if it.shares:
        return list(batch)
    count = min(len(batch), -(-timed // it.micro_batch) * it.micro_batch)
    ordered = sorted(batch, key=lambda example: len(example.ids), reverse=True)
    return [ordered[number * (len(ordered) - 1) // max(1, count - 1)] for number in range(count)]


def _tokens(batch: Sequence[EncodedExample]) -> int:
    return sum(len(example.ids) for example in batch)


def matmul_rate(shape: Shape, device: torch.device) -> float:
    """FLOP/s of the best of thirty products of 2,048 by h and h by 4h, in the dtype of the model's weights."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    left = torch.randn(2048, shape.hidden, device=device, dtype=dtype)
    right = torch.randn(shape.hidden, 4 * shape.hidden, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(30):
        started = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * 2048 * shape.hidden * 4 * shape.hidden / best


# ---------------------------------------------------------------- results


@dataclass(frozen=True)
class Line:
    """A contender's result in one job."""

    contender: str
    job: Job
    measured: Measured
    tokens: int  # of a step's examples
    flops: int
    rate: float  # FLOP/s of matrix products
    bound: float

    @property
    def title(self) -> str:
        """The contender's name for the table."""
        return contender(self.contender).title

    @property
    def seconds(self) -> float:
        """The median of a step."""
        return statistics.median(self.measured.seconds) if self.measured.seconds else float("nan")

    @property
    def share_of_peak(self) -> float:
        """The FLOPs of a step over those that the matmul rate allows in its time."""
        return self.flops / self.seconds / self.rate


def flops(shape: Shape, rows: Sequence[EncodedExample], prefix: int, *, frozen: bool = False) -> int:
    """The least FLOPs of a step, by this module's formula; the first `prefix` tokens of all rows are computed once.

    If they are `frozen`, they were computed before, and of the pairs with them only queries have gradients.
    """
    own = [len(row.ids) - prefix for row in rows]
    tokens = sum(own) + (0 if frozen else prefix)
    answers = sum(answer_length(row) for row in rows)
    alone = 0 if frozen else prefix * (prefix + 1) // 2
    pairs = alone + sum(length * prefix + length * (length + 1) // 2 for length in own)
    spared = 4 * shape.hidden * sum(own) * prefix if frozen else 0
    h, i = shape.hidden, shape.intermediate
    attention, mlp, adapters = 4 * h * h, 3 * h * i, 6 * RANK * 3 * (h + i)
    layer = tokens * (4 * (attention + mlp) + adapters) + 12 * h * pairs - spared
    first = tokens * (2 * (attention + mlp) + 2 * h * i + adapters - 4 * RANK * h) + 4 * h * pairs
    last = layer
    if prefix:
        last = tokens * 2 * attention + sum(own) * 2 * attention  # keys and values; queries and output
        last += answers * (4 * mlp + adapters) + 12 * h * (pairs - alone) - spared
    return first + (shape.layers - 2) * layer + last + 4 * h * shape.vocabulary * answers


def run(job: Job) -> list[Line]:
    """Measure in fresh processes: the seconds in one, and on a CPU the memory of each contender in another."""
    rate, results = _fresh(job)
    if job.device == "cpu":
        for name, measured in results.items():
            alone = replace(job, contenders=(name,), repeats=1, timed=min(2, job.timed))
            measured.growth = _fresh(alone)[1][name].growth
    shape = Shape.parse(job.model)
    rows = examples(job.batch, prefix=job.prefix, vocabulary=shape.vocabulary, seed=job.seed)
    tokens = sum(len(row.ids) for row in rows)
    lines = []
    for name, measured in results.items():
        it = contender(name)
        computed = tokens - (job.batch if it.frozen else job.batch - 1) * job.prefix
        separate = sum(flops(shape, [row], 0) for row in rows)
        least = flops(shape, rows, job.prefix, frozen=it.frozen) if it.shares else separate
        lines.append(Line(name, job, measured, tokens, least, rate, tokens / computed))
    return lines


def _fresh(job: Job) -> tuple[float, dict[str, Measured]]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(measure, job).result()


@app.command()
def prefixes(
    model: Annotated[str, typer.Option(help="Comma-separated: WIDTHxLAYERS or llama-2-13b.")] = "",
    prefix: Annotated[str, typer.Option(help="Comma-separated lengths in tokens.")] = "",
    contenders: Names = ALL,
    repeats: Repeats = 3,
    timed: Timed = 16,
    threads: Threads = THREADS,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """All contenders at each model and prefix: 16 examples a step."""
    models = model or ("llama-2-13b" if device == "cuda" else "384x6,768x12")
    lengths = prefix or ("1536" if device == "cuda" else "512,1024,2048,4096")
    names = _names(contenders)
    _prepare(threads)
    lines: list[Line] = []
    for shape in models.split(","):
        for length in lengths.split(","):
            job = Job(shape, int(length), 16, names, repeats, timed, device, threads, seed)
            lines += _print_lines(run(job))
    _finish(lines, output)


@app.command()
def batches(
    model: Annotated[str, typer.Option(help="WIDTHxLAYERS or llama-2-13b.")] = "384x6",
    prefix: Annotated[int, typer.Option(help="Tokens.")] = 2048,
    batch: Annotated[str, typer.Option(help="Comma-separated numbers of examples a step.")] = "4,16,64",
    contenders: Names = STRONGEST,
    repeats: Repeats = 4,
    timed: Timed = 16,
    threads: Threads = THREADS,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Cost against batch size, and against the number of examples: each repeat is a step with new ones."""
    names = _names(contenders)
    _prepare(threads)
    lines: list[Line] = []
    for size in batch.split(","):
        job = Job(model, prefix, int(size), names, repeats, timed, device, threads, seed, fresh=True)
        lines += _print_lines(run(job))
    table = Table(
        title=f"Seconds for so many examples, {model}, prefix {prefix}", box=box.MARKDOWN, title_justify="left"
    )
    for title in ("contender", "batch", *(f"{count} steps" for count in range(1, repeats + 1)), "a 1,000 examples"):
        table.add_column(title, justify="left" if title == "contender" else "right")
    for line in lines:
        sums = [sum(line.measured.seconds[:count]) for count in range(1, repeats + 1)]
        row = [f"{total:.1f} s / {count * line.job.batch}" for count, total in enumerate(sums, 1)]
        total = sums[-1] * 1000 / (repeats * line.job.batch)
        table.add_row(line.title, str(line.job.batch), *row, f"{total:.0f} s")
    out.print(table)
    _finish(lines, output)


def _prepare(threads: int) -> None:
    """Set the environment that the measuring processes see before they import anything."""
    os.environ.update(QUIET, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        try:
            contender(name)
        except (KeyError, ValueError) as error:
            raise typer.BadParameter(f"there is no contender {name}") from error
    return names


def _print_lines(lines: list[Line]) -> list[Line]:
    """Print the table of one job."""
    job, rate = lines[0].job, lines[0].rate
    baseline = min(lines, key=lambda line: BASELINES.index(line.contender) if line.contender in BASELINES else 2)
    table = Table(
        title=f"{job.model}, prefix {job.prefix}, {job.batch} examples a step, {job.device}, {job.threads} threads;"
        f" matmul peak {rate / 1e9:.0f} GFLOP/s",
        caption=f"Speed-up is over {baseline.title}. Scaled to the batch where fewer were timed.",
        box=box.MARKDOWN,
        title_justify="left",
        caption_justify="left",
    )
    figures = "s/step,least,CPU s,timed,speed-up,bound,of bound,of peak,memory MB,tokens/s,s/1k rows,error"
    table.add_column("contender")
    for title in figures.split(","):
        table.add_column(title, justify="right")
    for line in lines:
        measured = line.measured
        if measured.failure:
            table.add_row(line.title, measured.failure)
            continue
        speed = baseline.seconds / line.seconds
        table.add_row(
            line.title,
            f"{line.seconds:.2f}",
            f"{min(measured.seconds):.2f}",
            f"{statistics.median(measured.cpu):.2f}",
            f"{measured.timed}/{job.batch}",
            f"{speed:.2f}",
            f"{line.bound:.2f}" if contender(line.contender).shares else "",
            f"{speed / line.bound:.0%}" if contender(line.contender).shares else "",
            f"{line.share_of_peak:.0%}",
            f"{measured.growth / 1e6:.0f}",
            f"{line.tokens / line.seconds:.0f}",
            f"{line.seconds * 1000 / job.batch:.0f}",
            "" if measured.error is None else f"{measured.error:.0e}",
        )
    out.print(table, "")
    return lines


def _finish(lines: Sequence[Line], output: Path | None) -> None:
    """Write the measurements, and fail if a contender's gradients differ."""
    if output:
        versions = {name: version(name) for name in ("torch", "transformers", "peft", "trl", "accelerate")}
        measured = [{**asdict(line), "median": line.seconds, "of_peak": line.share_of_peak} for line in lines]
        output.write_text(json.dumps({"versions": versions, "command": sys.argv, "results": measured}, indent=1) + "\n")
    for line in lines:
        error = line.measured.error
        if error is not None and not error <= TOLERANCE[line.job.device]:
            out.print(f"{line.title}: its gradients at prefix {line.job.prefix} are {error:.0e} from the reference's")
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
