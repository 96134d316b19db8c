"""Seconds and forward passes per plan, beside transformers' `generate`: free, with Outlines, with XGrammar.

    pip install outlines xgrammar   (peers; those that are not installed are left out)
    python benchmarks/decode.py --model embedded --catalogue examples/worktracker/catalogue.json --requests 16

All on the same model, prompts and machine, interleaved, greedy, with at most `--tokens` new tokens. The peers are
held to the JSON Schema of plans, which is the most that they can be held to. Prints one JSON object a line.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import LogitsProcessorList

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue import Catalogue, read_catalogue
from platypus.decoder import Decoder, Limits
from platypus.grammar import plan_schema
from platypus.model import Loaded, load_base
from platypus.plan import Plan
from platypus.prompt import Prompt
from platypus.synthetic import random_catalogue
from platypus.vocabulary import Vocabulary
from platypus.walk import Constraint

Way = Callable[[Sequence[Sequence[int]]], list[tuple[str, int]]]  # prompts → texts and tokens


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--catalogue", type=Path, default=Path("examples/worktracker/catalogue.json"))
    parser.add_argument("--requests", type=Path, help="a file with one request a line")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    loaded, catalogue = load_base(options.model), read_catalogue(options.catalogue)
    lines = options.requests.read_text().splitlines() if options.requests else REQUESTS
    requests = [line for line in lines if line][: options.count]
    for batch in options.batches:
        throughput(loaded, catalogue, requests, options.tokens, batch)
    first_token(loaded, catalogue)
    compiling(loaded)


def throughput(loaded: Loaded, catalogue: Catalogue, requests: Sequence[str], tokens: int, batch: int) -> None:
    """Every way on the same batches in turn, so that what else the machine does falls on all alike."""
    for notation in ("json", "calls"):
        prompt = Prompt(loaded.tokenizer, catalogue, notation)
        prompts = [prompt.ids(request) for request in requests]
        ways = {"platypus": ours(loaded, prompt, tokens), "generate": generate(loaded, tokens, lambda: [])}
        if notation == "json":
            ways |= peers(loaded, catalogue, tokens)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        said: dict[str, list[tuple[str, int]]] = {name: [] for name in ways}
        passes = dict.fromkeys(ways, 0)
        for way in ways.values():
            way(prompts[:1])  # what is compiled or cached once is not timed
        for start in range(0, len(prompts), batch):
            for name, way in ways.items():
                counter = Counter(loaded)
                begun = time.perf_counter()
                said[name] += way(prompts[start : start + batch])
                seconds[name].append(time.perf_counter() - begun)
                passes[name] += counter.stop()
        for name in ways:
            plans = len(said[name])
            report(
                what="plan", way=name, notation=notation, batch=batch, plans=plans,
                seconds_per_plan=round(sum(seconds[name]) / plans, 4),
                median_batch_seconds=round(statistics.median(seconds[name]), 4),
                tokens_per_plan=round(sum(count for _, count in said[name]) / plans, 1),
                passes_per_plan=round(passes[name] / plans, 1),
                valid=sum(isinstance(prompt.read(text), Plan) for text, _ in said[name]),
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


def ours(loaded: Loaded, prompt: Prompt, tokens: int) -> Way:
    """Platypus, with the catalogue's keys and values in memory."""
    decoder = new_decoder(loaded, prompt)

    def way(prompts: Sequence[Sequence[int]]) -> list[tuple[str, int]]:
        decoded = decoder.decode(prompts, limits=Limits(tokens), batch_size=len(prompts))
        return [(plan.text, plan.tokens) for plan in decoded]

    return way


def new_decoder(loaded: Loaded, prompt: Prompt, folder: Path | None = None) -> Decoder:
    """A decoder of the prompt's catalogue, in ten steps at most."""
    assert prompt.catalogue is not None
    vocabulary = Vocabulary(loaded.tokenizer, size=loaded.vocabulary)
    constraint = Constraint.compile(vocabulary, prompt.catalogue, prompt.notation, max_steps=10)
    return Decoder(loaded, constraint, [prompt.ids("1"), prompt.ids("Plan")], folder=folder)


def generate(loaded: Loaded, tokens: int, processors: Callable[[], list[Any]]) -> Way:
    """transformers' `generate`, with fresh logits processors for each batch."""

    def way(prompts: Sequence[Sequence[int]]) -> list[tuple[str, int]]:
        longest = max(map(len, prompts))
        pad = loaded.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        with torch.inference_mode():
            output = loaded.model.generate(
                input_ids=ids.to(loaded.device), attention_mask=mask.to(loaded.device), max_new_tokens=tokens,
                logits_processor=LogitsProcessorList(processors()),
            )  # fmt: skip
        rows = [[t for t in row if t not in (pad, *loaded.end_tokens)] for row in output[:, longest:].tolist()]
        texts = loaded.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [(text, len(row) + 1) for text, row in zip(texts, rows, strict=True)]

    return way


def peers(loaded: Loaded, catalogue: Catalogue, tokens: int) -> dict[str, Way]:
    """The constrained peers that are installed."""
    schema = json.dumps(plain(plan_schema(catalogue, max_steps=10)))
    found: dict[str, Way] = {}
    if find_spec("xgrammar"):
        import xgrammar
        from xgrammar.contrib.hf import LogitsProcessor

        info = xgrammar.TokenizerInfo.from_huggingface(loaded.tokenizer, vocab_size=loaded.vocabulary)
        compiled = xgrammar.GrammarCompiler(info).compile_json_schema(
            schema, any_whitespace=False, separators=(", ", ": ")
        )
        found["generate + xgrammar"] = generate(loaded, tokens, lambda: [LogitsProcessor(compiled)])
    if find_spec("outlines"):
        import outlines

        generator = outlines.Generator(
            outlines.from_transformers(loaded.model, loaded.tokenizer), outlines.types.JsonSchema(schema)
        )
        found["generate + outlines"] = generate(loaded, tokens, lambda: [fresh(generator.logits_processor)])
    return found


def plain(schema: Any) -> Any:
    """The schema without what Outlines refuses: formats of one's own, and sets."""
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key not in ("format", "uniqueItems")}
    return [plain(value) for value in schema] if isinstance(schema, list) else schema


def fresh(processor: Any) -> Any:
    """Outlines' processor, ready for the next batch."""
    processor.reset()
    return processor


def first_token(loaded: Loaded, catalogue: Catalogue) -> None:
    """Seconds to the first decision: the prefix computed for it, read from disk, and in memory."""
    for tools in (9, 40, 90):
        chosen = catalogue if tools == 9 else random_catalogue(Random(1), tools=tools)
        prompt = Prompt(loaded.tokenizer, chosen, "json", 1 << 20)
        ids = prompt.ids("Summarize my open issues")
        if len(ids) > loaded.context - 64:
            continue
        with tempfile.TemporaryDirectory() as folder:
            new_decoder(loaded, prompt, Path(folder))
            timed: dict[str, list[float]] = {"cold": [], "disk": [], "memory": []}
            for _ in range(5):
                for name in timed:
                    decoder = new_decoder(loaded, prompt) if name == "memory" else None
                    for _ in range(2 if decoder else 1):  # the second request of a decoder is the one that counts
                        begun = time.perf_counter()
                        at = decoder or new_decoder(loaded, prompt, Path(folder) if name == "disk" else None)
                        next(at.stream([ids], limits=Limits(64)))
                        passed = time.perf_counter() - begun
                    timed[name].append(passed)
        medians = {name: round(statistics.median(values), 4) for name, values in timed.items()}
        report(what="first token", prompt_tokens=len(ids), **medians)


def compiling(loaded: Loaded) -> None:
    """Seconds to compile a grammar, and for one mask after the first step."""
    for tools in (10, 100, 1000):
        catalogue = random_catalogue(Random(0), tools=tools)
        vocabulary = Vocabulary(loaded.tokenizer, size=loaded.vocabulary)
        begun = time.perf_counter()
        constraint = Constraint.compile(vocabulary, catalogue, "json", max_steps=8)
        compiled, masks = time.perf_counter() - begun, []
        for _ in range(20):
            walk = constraint.start()
            begun = time.perf_counter()
            walk.candidates()
            masks.append(time.perf_counter() - begun)
        size = len(catalogue)
        report(what="grammar", tools=size, seconds=round(compiled, 4), mask=round(statistics.median(masks), 6))


def report(**values: Any) -> None:
    """One line of results."""
    print(json.dumps(values), flush=True)


REQUESTS = [
    "Find work items owned by DEVU-7, then prioritize them",
    "Summarize my open issues",
    "Find all work items that resemble TKT-123 and put them into the current sprint",
    "Create action items from this text: call Ana about the broken export",
    "List the p0 issues of part FEAT-12 and summarize them",
    "Book me a flight to Lisbon",
    "Which tickets from customer Acme need a response?",
    "Prioritize my p1 tickets and add them to the current sprint",
]

if __name__ == "__main__":
    main()
