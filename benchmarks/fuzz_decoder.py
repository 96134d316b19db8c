"""Fuzz the decoder: many random plans must be valid, and many valid plans must be accepted.

    python benchmarks/fuzz_decoder.py sound --plans 100000 --catalogues 250 --file fuzz.jsonl
    python benchmarks/fuzz_decoder.py servers --catalogues tools-of-servers --plans 10000
    python benchmarks/fuzz_decoder.py complete --generated 1000 --data ../shared/data
    python benchmarks/fuzz_decoder.py compile

`sound`: catalogues of 1 to 1,000 tools, with every schema feature or like those that a base is trained on; both
notations, `calls` with and without markers; a byte-level and a sentencepiece tokenizer; random choices, with different
preferences for tokens that end a value, or choices of a tiny model with random weights. Counts invalid plans, dead
ends, other exceptions, and plans that are not in canonical tokens (those with a waiver separately). All must be 0. The
counts of each finished catalogue are appended to the file; the same command continues after an interruption, and
`--first` starts at another seed.

`servers`: plans for the real tools in a folder (each file the answer of one server to `tools/list`), with all tools of
the file, by random choices and random weights. Each call is judged by the server's own schema (`invalid for the
server`). Reports how many tools can be used.

`complete`: plans of the generator and valid rows of real data are followed token by token in canonical encoding; those
that the constraint refuses are printed.

`compile`: processor seconds for writing and compiling the grammars of such catalogues.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue.reading import catalogue_from_json, read_catalogue, read_tools
from platypus.catalogue.schema import Schema, variants
from platypus.catalogue.tools import Catalogue
from platypus.decoding.constraint import Constraint
from platypus.decoding.decoder import Decoder
from platypus.decoding.grammar.plans import PARAMETER_BITS, plan_grammar
from platypus.decoding.results import DecodingLimits
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import CatalogueError
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler
from platypus.model.loading import Loaded, load_base
from platypus.plan.notation import Notation, print_plan, read_plan
from platypus.plan.plan import Plan, plan_from_json
from platypus.prompt.prompt import Prompt
from tests.support.random_catalogues import random_tools, refusal
from tests.support.server_schemas import Judge, server_tools
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer, tiny_llama

NAMED = ("Ann", "ISS-1", 'a "b"', "x", "Zoë")  # texts that requests name, with markers
SIZES = (1, 2, 3, 5, 8, 10, 10, 15, 20, 30, 50, 100, 200, 500)
NOTATIONS: tuple[Notation, ...] = ("json", "calls")
FAILURES = ("invalid for the server", "invalid", "dead ends", "exceptions", "not canonical")
FEATURES = ("format", "pattern", "minLength", "maxLength", "minimum", "multipleOf", "enum", "const", "anyOf", "oneOf")


def main() -> int:
    """Fuzz, and print one JSON object with the counts. Returns 1 if there was a failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    sound = modes.add_parser("sound")
    sound.add_argument("--plans", type=int, default=1000)
    sound.add_argument("--catalogues", type=int, default=20)
    sound.add_argument("--first", type=int, default=0, help="the seed of the first catalogue")
    sound.add_argument("--models", type=float, default=0.05, help="the share of plans that a model decides on")
    sound.add_argument("--seconds", type=float, default=float("inf"), help="begin no catalogue after so many seconds")
    sound.add_argument("--file", type=Path, help="where each catalogue's counts are kept (JSONL)")
    servers = modes.add_parser("servers")
    servers.add_argument("--catalogues", type=Path, required=True, help="a folder of JSON files, one for each server")
    servers.add_argument("--plans", type=int, default=1000)
    servers.add_argument("--models", type=float, default=0.05, help="the share of plans that a model decides on")
    servers.add_argument("--seed", type=int, default=0)
    complete = modes.add_parser("complete")
    complete.add_argument("--generated", type=int, default=400)
    complete.add_argument("--every", type=int, default=1, help="of the real data, take each n-th row")
    complete.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    modes.add_parser("compile")
    options = parser.parse_args()
    if options.mode == "compile":
        compile_times()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if options.mode == "complete":
            report = completeness(Path(folder), options.generated, options.data, options.every)
        elif options.mode == "servers":
            report = of_servers(Path(folder), options)
        else:
            report = soundness(Path(folder), options)
    print(json.dumps(report))
    return int(any(report.get(name) for name in (*FAILURES, "refused")))


# ---------------------------------------------------------------- soundness


def soundness(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The counts over all catalogues, including those in the file."""
    models = tiny_models(folder)
    done = {}
    if options.file and options.file.exists():
        done = {row["number"]: row for row in map(json.loads, options.file.open())}
    started, rows, plans_each = time.monotonic(), [], -(-options.plans // options.catalogues)
    for number in range(options.first, options.first + options.catalogues):
        if number not in done and time.monotonic() - started > options.seconds:
            break
        row = done.get(number) or fuzz(number, models, plans_each, options.models)
        rows.append(row)
        if number not in done and options.file:
            with options.file.open("a") as file:
                file.write(json.dumps(row) + "\n")
        if len(rows) % 10 == 0:
            print(f"{len(rows)} catalogues, {json.dumps(summary(rows))}", file=sys.stderr)
    if not rows:
        sys.exit("no catalogue was done in the time given")
    return summary(rows)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all catalogues, summed up."""
    total, features = Counter[str](), Counter[str]()
    for row in rows:
        total.update(row["counts"])
        features.update(row["features"])
    sizes = sorted(row["tools"] for row in rows)
    return {
        "plans": total["plans"],
        "catalogues": len(rows),
        "tools": {"least": sizes[0], "median": sizes[len(sizes) // 2], "most": sizes[-1], "all": sum(sizes)},
        **{
            name: total[name]
            for name in (*FAILURES, "waived", "steps", "references", "empty", "with a marker", "cut short")
        },
        "by": dict(Counter(row["kind"] for row in rows)),
        "decided by a model": total["by a model"],
        "forced tokens": round(1 - total["decisions"] / max(1, total["tokens"]), 3),
        "catalogues with": dict(features),
        "slowest plan, processor s": max(row["slowest"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows)),
    }


class Subject(NamedTuple):
    """A model of random weights, and the tokens of its tokenizer."""

    loaded: Loaded
    vocabulary: Vocabulary


def tiny_models(folder: Path) -> dict[str, Subject]:
    """One model for each kind of tokenizer."""
    tokenizers = {"bytes": byte_bpe_tokenizer(), "pieces": sentencepiece_tokenizer(folder / "pieces")}
    models = {}
    for kind, tokenizer in tokenizers.items():
        base = tiny_llama(folder / kind / "base", tokenizer=tokenizer, hidden_size=16, layers=1)
        loaded = load_base(str(base))
        models[kind] = Subject(loaded, Vocabulary(loaded.tokenizer, size=loaded.vocabulary))
    return models


def fuzz(number: int, models: dict[str, Subject], count: int, share: float) -> dict[str, Any]:
    """The counts over `count` plans of catalogue `number`, with the `share` of them decided by a model."""
    rng, started = Random(number), time.monotonic()
    size = 1000 if number % 25 == 24 else rng.choice(SIZES)
    kind, notation = rng.choice(sorted(models)), rng.choice(NOTATIONS)
    (loaded, vocabulary), steps = models[kind], rng.choice((1, 3, 6))
    markers = notation == "calls" and number % 4 < 2
    while True:
        catalogue = random_tools(rng, size) if number % 3 else random_catalogue(rng, tools=size)
        try:
            constraint = Constraint.compile(vocabulary, catalogue, notation, max_steps=steps, markers=markers)
            break
        except CatalogueError as error:  # 1,000 tools with every feature may be too much for one grammar
            print(f"catalogue {number}, {size} tools: {error}", file=sys.stderr)
            size = size * 2 // 3
    counts = Counter[str]()
    by_model = round(count * share)
    slowest = by_chance(constraint, count - by_model, rng, counts)
    by_models(loaded, constraint, by_model, counts)
    return {
        "number": number,
        "tools": len(catalogue),
        "kind": f"{kind} {notation}{' with markers' if markers else ''}",
        "counts": counts,
        "features": sorted(features(catalogue)),
        "slowest": round(slowest, 2),
        "seconds": time.monotonic() - started,
    }


def of_servers(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The counts over all files of a folder with real servers' tools."""
    files, models, counts, refused = sorted(options.catalogues.glob("*.json")), tiny_models(folder), Counter[str](), []
    for number, file in enumerate(files):
        rng, started = Random(f"{options.seed} {file.stem}"), time.monotonic()
        try:
            reading = read_tools(file)
        except CatalogueError as error:
            refused.append(f"{file.stem}: {error.what}")
            continue
        counts["tools"] += len(reading.catalogue) + len(reading.skipped)
        counts["usable tools"] += len(reading.catalogue)
        counts["notes"] += len(reading.notes)
        counts["reading, ms"] += round(1000 * (time.monotonic() - started))
        (loaded, vocabulary), notation = models[sorted(models)[number % 2]], NOTATIONS[number // 2 % 2]
        steps = PARAMETER_BITS // plan_grammar(reading.catalogue, notation, max_steps=1).bits
        constraint = Constraint.compile(vocabulary, reading.catalogue, notation, max_steps=min(4, steps))
        own, server = -(-options.plans // len(files)), Judge(server_tools(file))
        by_chance(constraint, own - round(own * options.models), rng, counts, server)
        by_models(loaded, constraint, round(own * options.models), counts, server)
        print(f"{file.stem}: {time.monotonic() - started:.0f} s, {json.dumps(counts)}", file=sys.stderr)
    return {"servers": len(files), "refused": refused, **{name: counts[name] for name in FAILURES}, **counts}


def features(catalogue: Catalogue) -> set[str]:
    """The features of its arguments' schemas."""
    names: set[str] = set()
    open_schemas: list[Schema] = [argument.schema for tool in catalogue for argument in tool.arguments]
    while open_schemas:
        schema = open_schemas.pop()
        names |= {key for key in FEATURES if key in schema}
        for variant in variants(schema):
            names.add(str(variant.get("type", "anything")))
            names |= {"a set"} if variant.get("uniqueItems") else set()
            parts = [variant.get("items"), variant.get("additionalProperties"), *variant.get("properties", {}).values()]
            open_schemas += [part for part in parts if isinstance(part, dict) and part]
    return names


def by_chance(
    constraint: Constraint, count: int, rng: Random, counts: Counter[str], server: Judge | None = None
) -> float:
    """Decode random plans; tokens that end a value or begin a reference are made likelier or less likely than text.

    Returns the processor seconds of the slowest plan.
    """
    vocabulary, random = constraint.vocabulary, np.random.default_rng(rng.randrange(2**32))
    size, slowest = vocabulary.tokens.vocab_size, 0.0
    texts = [vocabulary.token(token).strip() for token in range(size)]
    ends = np.array([text[:1] in (b'"', b"]", b"}", b")", b"$", b"<", b"") for text in texts])
    empty = np.array([text in (b"[", b"[]", b"]") for text in texts])
    for number in range(count):
        end_bonus, limit = rng.choice((4, 4, 4, 2, 1, 0, -2)), rng.choice((10, 40, 90, 90, 200))
        named, started = NAMED[: rng.randrange(len(NAMED) + 1)], time.process_time()
        state = constraint.start(named)
        try:
            while not state.ended:
                state.forced()
                if not state.ended:
                    over_limit, scores = len(state.ids) >= limit, random.gumbel(size=size) + end_bonus * ends
                    scores -= 6 * empty * (len(state.text) < 2)  # so that most plans have steps
                    state.append(state.shortest() if over_limit else state.best(scores.astype(np.float32)))
                    counts["decisions"] += 1
        except Exception as error:  # the failures that fuzzing looks for
            counts["dead ends" if "dead end" in str(error) else "exceptions"] += 1
            counts["plans"] += 1
            print(f"{error!r} in plan {number} after {state.text!r}", file=sys.stderr)
            continue
        counts["cut short"] += len(state.ids) >= limit
        counts["waived"] += bool(state.noncanonical_tokens)
        judge(constraint, state.text, named, counts, server)
        if list(state.ids) != [*vocabulary.encode(state.text), vocabulary.end] and not state.noncanonical_tokens:
            counts["not canonical"] += 1
            print(f"not canonical: {[vocabulary.token(token) for token in state.ids]}", file=sys.stderr)
        slowest = max(slowest, time.process_time() - started)
    return slowest


def by_models(
    loaded: Loaded, constraint: Constraint, count: int, counts: Counter[str], server: Judge | None = None
) -> None:
    """Decode plans of a model with random weights, at a high temperature so that they differ."""
    prompt = Prompt(loaded.tokenizer, None)
    decoder = Decoder(loaded, constraint, [prompt.ids("1"), prompt.ids("Plan")])
    prompts = [prompt.ids(f"Request {number}") for number in range(count)]
    named = [NAMED[: number % (len(NAMED) + 1)] for number in range(count)]
    limits = DecodingLimits(90, temperature=3.0, seed=count)
    for number, decoded in enumerate(decoder.decode(prompts, limits=limits, batch_size=16, named=named)):
        counts["by a model"] += 1
        counts["decisions"] += decoded.decisions
        judge(constraint, decoded.text, named[number], counts, server)


def judge(
    constraint: Constraint, text: str, named: Sequence[str], counts: Counter[str], server: Judge | None = None
) -> None:
    """Count a plan and its parts, or that it is invalid, for our catalogue or for the server's own schemas."""
    plan = read_plan(text, constraint.notation, constraint.catalogue, named)
    counts["plans"] += 1
    counts["with a marker"] += bool(re.search(r"[=\[ ]<\d+>", text))
    counts["tokens"] += len(constraint.vocabulary.encode(text)) + 1
    if isinstance(plan, Plan):
        counts["steps"] += len(plan)
        counts["references"] += sum(len(list(step.references())) for step in plan)
        counts["empty"] += not len(plan)
        problems = server.problems(plan) if server else []
        counts["invalid for the server"] += bool(problems)
        if problems:
            print(f"invalid for the server: {problems}\n{text}", file=sys.stderr)
    else:
        counts["invalid"] += 1
        catalogue = json.dumps(constraint.catalogue.to_json())
        print(f"invalid ({constraint.notation}): {plan.reason}\n{text}\n{catalogue}", file=sys.stderr)


# ---------------------------------------------------------------- completeness


def completeness(folder: Path, generated: int, data: Path, every: int) -> dict[str, int]:
    """The number of plans of each source, and the number of them that are refused."""
    sources = {"generated": drawn(generated)}
    if data.is_dir():
        sources |= {"seed": seed_rows(data / "seed", every), "nested": nested_rows(data / "nested", every)}
    else:
        print(f"{data} is not there: generated plans alone", file=sys.stderr)
    return dict(followed(folder, sources))


def followed(folder: Path, sources: dict[str, Iterator[tuple[Catalogue, Plan]]]) -> Counter[str]:
    """Follow the plans of each source in each notation with each tokenizer; print those that are refused.

    Plans that are longer than the grammar's state allows are counted separately.
    """
    tokenizers = (byte_bpe_tokenizer(), sentencepiece_tokenizer(folder / "pieces"))
    vocabularies = [Vocabulary(tokenizer, size=len(tokenizer)) for tokenizer in tokenizers]
    counts = Counter[str]()
    for source, plans in sources.items():
        for catalogue, plan in plans:
            counts[source] += 1
            for vocabulary, notation in product(vocabularies, NOTATIONS):
                try:
                    constraint = Constraint.compile(vocabulary, catalogue, notation, max_steps=max(8, len(plan)))
                except CatalogueError as error:
                    counts["too long" if "max_steps" in str(error) else "refused"] += 1
                    print(f"{source}: {error}", file=sys.stderr)
                    continue
                counts["followed"] += 1
                reason = refusal(constraint, print_plan(plan.ordered(catalogue), notation))
                if reason:
                    counts["refused"] += 1
                    print(f"{source}, {notation}: {reason}", file=sys.stderr)
    return counts


def drawn(count: int) -> Iterator[tuple[Catalogue, Plan]]:
    """Plans of the generator, 20 for each catalogue."""
    for seed in range(-(-count // 20)):
        rng = Random(seed)
        sampler = Sampler(random_catalogue(rng, tools=rng.randint(2, 40)))
        for _ in range(20):
            yield sampler.catalogue, sampler.plan(rng, goals=rng.choice((1, 1, 2)))


def seed_rows(folder: Path, every: int) -> Iterator[tuple[Catalogue, Plan]]:
    """The valid rows of the training and test data."""
    catalogue = read_catalogue(folder / "catalogue.json")
    lines = [line for name in ("train", "test") for line in (folder / f"{name}.jsonl").open()]
    yield from valid_rows((catalogue, json.loads(line)) for line in lines[::every])


def nested_rows(folder: Path, every: int) -> Iterator[tuple[Catalogue, Plan]]:
    """The rows that are valid for the catalogues that they bring."""
    lines = [line for file in sorted(folder.glob("*_[0-9d]*.jsonl")) for line in file.open()]
    rows = (json.loads(line) for line in lines[::every])
    yield from valid_rows((catalogue_from_json(row["tools"]), row) for row in rows)


def valid_rows(rows: Iterator[tuple[Catalogue, Any]]) -> Iterator[tuple[Catalogue, Plan]]:
    """The rows with a valid plan."""
    for catalogue, row in rows:
        plan = plan_from_json(row["plan"], catalogue)
        if isinstance(plan, Plan):
            yield catalogue, plan


# ---------------------------------------------------------------- compiling


def compile_times() -> None:
    """Print one line of JSON for each kind and size of catalogue, in milliseconds, with as many steps as fit."""
    tokenizer = byte_bpe_tokenizer()
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer))
    for size, notation in product((10, 100, 300, 1000), NOTATIONS):
        for kind, catalogue in (
            ("base", random_catalogue(Random(5), tools=size)),
            ("all", random_tools(Random(5), size)),
        ):
            row: dict[str, Any] = {"catalogue": kind, "tools": size, "notation": notation}
            steps = PARAMETER_BITS // plan_grammar(catalogue, notation, max_steps=1).bits
            times = [time.process_time()]
            grammar = plan_grammar(catalogue, notation, max_steps=min(10, steps))
            times.append(time.process_time())
            try:
                Constraint.compile(vocabulary, catalogue, notation, max_steps=min(10, steps))
            except CatalogueError as error:
                row["refused"] = error.what
            times.append(time.process_time())
            written, both = (round(1000 * (after - before)) for before, after in pairwise(times))
            print(
                json.dumps({**row, "steps": grammar.steps, "written": written, "compiled": both - written}), flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
