"""Decode a great many plans without a mind behind them and look for one that is not valid.

    python benchmarks/fuzz_decoder.py --plans 100000 --catalogues 250

Catalogues of 1 to 1,000 tools, with every schema feature or like those that a base is trained on; both notations; a
byte-level and a sentencepiece tokenizer; choices by chance (`walk`) or by a tiny model of random weights (`model`).
Counted: invalid plans, dead ends and other exceptions, and plans that are not in canonical tokens. All must be 0.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue import Catalogue
from platypus.decoder import Decoder, Limits
from platypus.errors import CatalogueError
from platypus.model import Loaded, load_base
from platypus.notation import Notation, read_plan
from platypus.plan import Plan
from platypus.prompt import Prompt
from platypus.synthetic import random_catalogue
from platypus.vocabulary import Vocabulary
from platypus.walk import Constraint
from tests.catalogues import random_tools
from tests.tiny import byte_bpe_tokenizer, sentencepiece_tokenizer, tiny_llama

SIZES = (1, 2, 3, 5, 8, 10, 10, 15, 20, 30, 50, 100, 200)
LIMIT = 90  # tokens, after which a plan is brought to its end


def main() -> None:
    """Fuzz, and print one JSON object with the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=1000)
    parser.add_argument("--catalogues", type=int, default=20)
    parser.add_argument("--models", type=float, default=0.05, help="the share of plans that a model decides on")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun, counts = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        tokenizers = {"bytes": byte_bpe_tokenizer(), "pieces": sentencepiece_tokenizer(Path(folder) / "pieces")}
        models = {
            name: load_base(
                str(tiny_llama(Path(folder) / name / "base", tokenizer=tokenizer, hidden_size=16, layers=1))
            )
            for name, tokenizer in tokenizers.items()
        }
        each = -(-options.plans // options.catalogues)
        for number in range(options.catalogues):
            rng = Random(options.seed * 1_000_003 + number)
            size = 1000 if number % 50 == 49 else rng.choice(SIZES)
            catalogue = random_tools(rng, size) if number % 3 else random_catalogue(rng, tools=max(2, size))
            kind, notation = rng.choice(sorted(models)), rng.choice(("json", "calls"))
            counts.update(fuzz(models[kind], catalogue, notation, each, options.models, rng))
            if (number + 1) % 10 == 0:
                print(f"{number + 1} catalogues, {dict(counts)}, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(json.dumps({**counts, "catalogues": options.catalogues, "seconds": round(time.monotonic() - begun)}))


def fuzz(
    loaded: Loaded, catalogue: Catalogue, notation: Notation, count: int, share: float, rng: Random
) -> Counter[str]:
    """Counts over so many plans of one catalogue."""
    counts = Counter[str]()
    vocabulary = Vocabulary(loaded.tokenizer, size=loaded.vocabulary)
    try:
        constraint = Constraint.compile(vocabulary, catalogue, notation, max_steps=rng.choice((1, 3, 6)))
    except CatalogueError as error:
        counts["refused: " + error.what[:60]] += 1
        return counts
    by_model = round(count * share)
    for text in (*by_chance(constraint, count - by_model, rng), *said(loaded, constraint, by_model)):
        counts["plans"] += 1
        if text.startswith("exception"):
            counts[text] += 1
            continue
        plan = read_plan(text, notation, catalogue)
        if not isinstance(plan, Plan):
            counts["invalid"] += 1
            print(f"invalid ({notation}): {plan.reason}\n{text}\n{json.dumps(catalogue.to_json())}", file=sys.stderr)
        else:
            counts["steps"] += len(plan)
            counts["references"] += sum(len(list(step.references())) for step in plan)
    return counts


def by_chance(constraint: Constraint, count: int, rng: Random) -> Iterator[str]:
    """Plans by chance, in which what ends a value, and what begins a reference, is likelier than text."""
    vocabulary, random = constraint.vocabulary, np.random.default_rng(rng.randrange(2**32))
    size = vocabulary.tokens.vocab_size
    likely = np.array([vocabulary.token(token)[:1] in (b'"', b"]", b"}", b")", b"$", b"\n") for token in range(size)])
    for _ in range(count):
        walk = constraint.start()
        try:
            while not walk.ended:
                walk.forced()
                if not walk.ended:
                    scores = (random.gumbel(size=size) + 4 * likely).astype(np.float32)
                    walk.append(walk.best(scores) if len(walk.ids) < LIMIT else walk.shortest())
            ids = (*vocabulary.encode(walk.text), vocabulary.end)
            if ids == tuple(walk.ids) or len(walk.ids) > LIMIT:  # an end that was brought about need not be canonical
                yield walk.text
            else:
                pairs = enumerate(zip(ids, walk.ids, strict=False))
                at = next((i for i, (wanted, found) in pairs if wanted != found), 0)
                print(
                    f"not canonical: {[vocabulary.token(t) for t in walk.ids[max(0, at - 6) : at + 4]]}",
                    file=sys.stderr,
                )
                yield "exception: not canonical"
        except Exception as error:  # what is looked for
            print(f"{error!r} after {walk.text!r}\n{constraint.grammar.lark[:300]}", file=sys.stderr)
            yield f"exception: {type(error).__name__}"


def said(loaded: Loaded, constraint: Constraint, count: int) -> Iterator[str]:
    """Plans of a model with random weights, drawn at a high temperature so that they differ."""
    prompt: Any = Prompt(loaded.tokenizer, None)
    decoder = Decoder(loaded, constraint, [prompt.ids("1"), prompt.ids("Plan")])
    prompts = [prompt.ids(f"Request {number}") for number in range(count)]
    yield from (d.text for d in decoder.decode(prompts, limits=Limits(LIMIT, temperature=3.0), batch_size=16))


if __name__ == "__main__":
    main()
