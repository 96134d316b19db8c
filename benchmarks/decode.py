"""Compares decoding with transformers' `generate` and a loop over XGrammar's jump-forward tokens in seconds and passes.

    pip install '.[bench]'   (peers; those that are not installed are left out)
    python benchmarks/decode.py plans --model runs/demo/merge/model --notation json
    python benchmarks/decode.py plans --shape 384x6
    python benchmarks/decode.py first --shape 384x6
    python benchmarks/decode.py grammar
    python benchmarks/decode.py equal --requests 500

`plans` decodes the same requests greedily in every way in turn, in one process; `--shape` takes random weights and
dictates the plans. `first` times the first decision and step when the catalogue's keys and values are computed, read
from disk, or in memory, and without tools in the prompt. `grammar` times compilation and masks. `equal` compares with
plain decoding: no cache, one token after another, with the mask applied. Prints one JSON object per line.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.contenders import (
    JUMP_FORWARD,
    DecodedText,
    Dictated,
    Task,
    Way,
    peers,
    platypus,
    random_model,
    requests,
    tasks,
)
from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.decoding.constraint import Constraint, ConstraintState
from platypus.decoding.decoder import Decoder
from platypus.decoding.results import DecodingLimits
from platypus.decoding.vocabulary import Vocabulary
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.model.loading import Loaded, load_base
from platypus.plan.plan import Plan
from platypus.prompt.prompt import Prompt


def main() -> None:
    """Run the chosen measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plans", "first", "grammar", "equal"])
    parser.add_argument("--model", default="embedded", help="a folder, a hub name, or `embedded`")
    parser.add_argument("--shape", help="random weights instead: WIDTHxLAYERS")
    parser.add_argument("--dictated", action="store_true", help="dictate the plans to a model with weights too")
    parser.add_argument("--catalogue", type=Path, default=Path("examples/worktracker/catalogue.json"))
    parser.add_argument("--notation", choices=["json", "calls"], default="json")
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=400, help="the longest plan")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--repeats", type=int, default=2, help="how often each way gets all requests (or 4 alone)")
    parser.add_argument(
        "--peers", nargs="*", default=["xgrammar", "outlines", JUMP_FORWARD], help="ways beside `generate`"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, nargs="+", default=[512, 1024, 2048, 4096], help="lengths, of `first`")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    loaded = random_model(options.shape) if options.shape else load_base(options.model)
    print(f"{loaded.source}, {options.threads} threads, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    match options.what:
        case "plans":
            plans(loaded, read_catalogue(options.catalogue), options)
        case "first":
            first(loaded, options.prompts)
        case "grammar":
            grammar(loaded)
        case "equal":
            equal(loaded, options.requests, options.tokens)


def report(**values: Any) -> None:
    """One line of results."""
    print(json.dumps(values), flush=True)


# ---------------------------------------------------------------- plans


def plans(loaded: Loaded, catalogue: Catalogue, options: argparse.Namespace) -> None:
    """Run every way on the same batches in turn, so that other load on the machine affects all equally."""
    prompt = Prompt(loaded.tokenizer, catalogue, options.notation)
    vocabulary = Vocabulary(loaded.tokenizer, size=loaded.vocabulary)
    count = options.requests * options.repeats
    *timed_tasks, warm_up_task = tasks(prompt, requests(catalogue, count + 1), vocabulary)
    way_options: dict[str, Any] = {
        "tokens": options.tokens,
        "dictated": options.dictated or options.shape is not None,
    }
    others = peers(loaded, prompt, vocabulary, options.peers, **way_options)
    for batch in options.batches:
        # a new decoder of ours each time, since plans that it has decoded become its drafts
        ways = {"platypus": platypus(loaded, prompt, vocabulary, **way_options)} | others
        if batch > 1:
            ways.pop(JUMP_FORWARD, None)  # it takes one request at a time
        for way in ways.values():
            way([warm_up_task], 1)  # so that one-time compilation and caching are not timed
        compare(loaded, prompt, ways, timed_tasks, batch, options.repeats)


def compare(
    loaded: Loaded, prompt: Prompt, ways: dict[str, Way], timed_tasks: Sequence[Task], batch: int, repeats: int
) -> None:
    """Compare one batch size: single requests in turn if it is 1, else all requests split into rounds."""
    if batch == 1:
        rounds = [[task] for task in timed_tasks[: 4 * repeats]]
    else:
        each = len(timed_tasks) // repeats
        rounds = [list(timed_tasks[start : start + each]) for start in range(0, each * repeats, each)]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    texts: dict[str, list[DecodedText]] = {name: [] for name in ways}
    passes = dict.fromkeys(ways, 0)
    load = os.getloadavg()[0]
    for tasks_ in rounds:
        for name, way in ways.items():
            counter = Counter(loaded)
            started, cpu_started = time.perf_counter(), time.process_time()
            texts[name] += way(tasks_, batch)
            seconds[name].append((time.perf_counter() - started) / len(tasks_))
            cpu[name].append((time.process_time() - cpu_started) / len(tasks_))
            passes[name] += counter.stop()
    ours, ours_cpu = statistics.median(seconds["platypus"]), statistics.median(cpu["platypus"])
    for name in ways:
        plans, median, cpu_median = len(texts[name]), statistics.median(seconds[name]), statistics.median(cpu[name])
        report(
            what="plans", model=loaded.source, way=name, notation=prompt.notation, batch=batch, plans=plans,
            prompt=len(timed_tasks[0].prompt), seconds_per_plan=round(median, 4), times=round(median / ours, 2),
            cpu_seconds_per_plan=round(cpu_median, 4), times_cpu=round(cpu_median / ours_cpu, 2),
            tokens=round(sum(one.tokens for one in texts[name]) / plans, 1),
            foreign_tokens=round(sum(one.foreign for one in texts[name]) / plans, 1),
            passes=round(passes[name] / plans, 1),
            valid=sum(isinstance(prompt.read(one.text), Plan) for one in texts[name]),
            as_platypus=sum(a.text == b.text for a, b in zip(texts[name], texts["platypus"], strict=True)),
            load=round(load, 1),
        )  # fmt: skip


class Counter:
    """Counts the forward passes of a model until it is stopped."""

    def __init__(self, loaded: Loaded) -> None:
        self.passes = 0
        self.hook = loaded.model.register_forward_hook(self.count)

    def count(self, *_: Any) -> None:
        self.passes += 1

    def stop(self) -> int:
        self.hook.remove()
        return self.passes


# ---------------------------------------------------------------- the first decision and step


def first(loaded: Loaded, lengths: Sequence[int]) -> None:
    """Seconds to the first decision and to the first complete step (dictated): medians of ten requests.

    The grammar is compiled before. The decoder in memory has already answered sixteen other requests. `none`: the same
    plans, with no tools in the prompt.
    """
    tools = list(random_catalogue(Random(1), tools=300))
    vocabulary = Vocabulary(loaded.tokenizer, size=loaded.vocabulary)
    for wanted in lengths:
        count = next(n for n in range(1, 300) if len(_prompt(loaded, tools[:n]).ids("")) >= wanted)
        prompt = _prompt(loaded, tools[:count])
        assert prompt.catalogue is not None
        rows = [row for row in requests(prompt.catalogue, 200) if len(row.plan) == 2]
        all_ = tasks(prompt, rows[:26], vocabulary)
        timed_tasks, earlier_tasks = all_[:10], all_[10:]
        if max(len(task.prompt) + len(task.plan) for task in timed_tasks) > loaded.context:
            continue
        constraint = Constraint.compile(vocabulary, prompt.catalogue, "json", max_steps=2)
        probes = [prompt.ids("1"), prompt.ids("Plan")]
        bare = _prompt(loaded, [])
        bare_tasks = [Task(bare.ids(row.query), task.plan) for row, task in zip(rows, timed_tasks, strict=False)]
        timed: dict[str, list[Reached]] = {"computed": [], "disk": [], "memory": [], "none": []}
        with tempfile.TemporaryDirectory() as folder:
            warm_decoder = Dictated(loaded, constraint, probes, folder=Path(folder))
            for task in earlier_tasks:
                warm_decoder.plans = [task.plan]
                list(warm_decoder.decode([task.prompt], limits=DecodingLimits(300)))
            for task, bare_task in zip(timed_tasks, bare_tasks, strict=True):
                for name, timings in timed.items():
                    asked, shown = (bare_task, bare) if name == "none" else (task, prompt)
                    probes = [shown.ids("1"), shown.ids("Plan")]
                    started = time.perf_counter()
                    where = Path(folder) if name == "disk" else None
                    decoder = warm_decoder if name == "memory" else Dictated(loaded, constraint, probes, folder=where)
                    timings.append(reach(decoder, prompt, asked, started))
        for what in ("decision", "step"):
            medians = {
                name: statistics.median(getattr(one, what) for one in timings) for name, timings in timed.items()
            }
            report(what=f"first {what}", model=loaded.source, prompt=len(timed_tasks[0].prompt), tools=count,
                   **{name: round(median, 4) for name, median in medians.items()},
                   times=round(medians["computed"] / medians["memory"], 1),
                   disk_beside_none=round(medians["disk"] / medians["none"], 2))  # fmt: skip


class Reached(NamedTuple):
    """Seconds to the first decision and to the first complete step."""

    decision: float
    step: float


def reach(decoder: Dictated, prompt: Prompt, task: Task, started: float) -> Reached:
    """Decode until the first step is complete."""
    decoder.plans = [task.plan]
    decision = 0.0
    for progress in decoder.stream([task.prompt], limits=DecodingLimits(300)):
        decision = decision or time.perf_counter() - started
        if len(prompt.read_begun(progress.text)):
            break
    return Reached(decision, time.perf_counter() - started)


def _prompt(loaded: Loaded, tools: Sequence[Any]) -> Prompt:
    return Prompt(loaded.tokenizer, Catalogue(tuple(tools)), "json", 1 << 20)


# ---------------------------------------------------------------- grammars


def grammar(loaded: Loaded) -> None:
    """On random plans: seconds to compile a grammar, for one mask, and for a decision without its forward pass."""
    vocabulary = Vocabulary(loaded.tokenizer, size=loaded.vocabulary)
    for tools in (10, 100, 1000):
        catalogue = Catalogue(tuple(random_catalogue(Random(0), tools=5 * tools))[:tools])
        started = time.perf_counter()
        constraint = Constraint.compile(
            vocabulary, catalogue, "json", max_steps=8
        )  # as many steps as 64 bits hold with 1,000 tools
        compiled, masks, decisions = time.perf_counter() - started, [], []
        rng = np.random.default_rng(0)
        for _ in range(20):
            state = constraint.start()
            while not state.ended and len(state.ids) < 100:
                started = time.perf_counter()
                state.forced()
                if state.ended:
                    break
                token = state.best(rng.random(loaded.vocabulary, np.float32))
                decisions.append(time.perf_counter() - started)
                state.append(token)
                started = time.perf_counter()
                state.candidates()
                masks.append(time.perf_counter() - started)
        mask_seconds = np.array(masks)
        report(what="grammar", tools=len(catalogue), masks=len(mask_seconds), compile=round(compiled, 4),
               mask_mean=round(float(mask_seconds.mean()), 6), mask_99=round(float(np.quantile(mask_seconds, 0.99)), 6),
               decision_mean=round(statistics.mean(decisions), 6))  # fmt: skip


# ---------------------------------------------------------------- equality


def equal(loaded: Loaded, count: int, limit: int) -> None:
    """Compare with plain decoding on small random catalogues, in both notations and batches of eight."""
    vocabulary = Vocabulary(loaded.tokenizer, size=loaded.vocabulary)
    same = cut = 0
    differing: list[dict[str, str]] = []
    for number, start in enumerate(range(0, count, 8)):
        catalogue = random_catalogue(Random(number), tools=3)
        prompt = Prompt(loaded.tokenizer, catalogue, "calls" if number % 2 else "json")
        constraint = Constraint.compile(vocabulary, catalogue, prompt.notation, max_steps=4)
        tasks_ = tasks(prompt, requests(catalogue, min(8, count - start)), vocabulary)
        decoder = Decoder(loaded, constraint, [prompt.ids("1"), prompt.ids("Plan")])
        prompts = [task.prompt for task in tasks_]
        for ids, decoded in zip(
            prompts, decoder.decode(prompts, limits=DecodingLimits(limit), batch_size=8), strict=True
        ):
            whole = decoded.ended_by == "model"  # then forced tokens may exceed the limit
            plain_result = plainly(loaded, constraint, ids, decoded.tokens if whole else limit)
            cut += not whole
            length = None if whole else len(plain_result.text) - 8  # the limit is within forced text
            if decoded.text[:length] == plain_result.text[:length]:
                same += 1
            else:
                differing.append({"quick": decoded.text, "plain": plain_result.text})
        done = min(count, start + 8)
        report(what="equal", model=loaded.source, requests=done, same=same, cut=cut, differing=differing)


@torch.inference_mode()
def plainly(loaded: Loaded, constraint: Constraint, prompt: Sequence[int], limit: int) -> ConstraintState:
    """Decode one token at a time without a cache: the legal token with the highest logit."""
    state = constraint.start()
    while not state.ended and len(state.ids) < limit:
        candidates = state.candidates()
        legal = state.legal(candidates) if len(candidates) <= 40 else []
        if len(legal) == 1:
            state.append(legal[0])
            continue
        output = loaded.model(input_ids=torch.tensor([[*prompt, *state.ids]]), use_cache=False, logits_to_keep=1)
        state.append(state.best(output.logits[0, -1].float().numpy()))
    return state


if __name__ == "__main__":
    main()
