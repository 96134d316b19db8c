"""What the decoding benchmark measures: a model, requests with their plans, and each way of decoding them.

Every way gets the same prompts and, computed before, the keys and values of what they have in common; transformers'
`generate` takes a copy of them, once for each row, with the padding behind them. The constrained peers are held to the
JSON Schema of plans, which is the most that they can be held to. Where a model knows no plans, the plans are dictated:
the wanted token's logit is raised before the constraint is applied, so that all ways say the same and do the same work.
"""

import copy
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, LogitsProcessorList

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.decoding.constraint import Constraint
from platypus.decoding.decoder import Decoder
from platypus.decoding.grammar.plans import plan_schema
from platypus.decoding.kv_cache import BatchCache
from platypus.decoding.results import DecodingLimits
from platypus.decoding.vocabulary import Vocabulary
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.examples import generate_examples
from platypus.model.loading import Loaded, greedy_generation, set_padding
from platypus.prompt.prompt import Prompt
from platypus.run.settings import GenerateSettings
from tests.support.tiny_models import byte_bpe_tokenizer

MAX_STEPS = 4  # Outlines' automaton grows with it
RAISED = 1e4  # on a dictated token's logit


@dataclass(frozen=True)
class Task:
    """A request, its prompt, and the tokens of its plan with the end token."""

    prompt: list[int]
    plan: list[int]


@dataclass(frozen=True)
class Said:
    """What a way made of a request."""

    text: str
    tokens: int


Way = Callable[[Sequence[Task], int], list[Said]]  # tasks, and how many at once


def random_model(shape: str, *, context: int = 8192) -> Loaded:
    """A Llama of random weights, float32: `384x6` is 6 layers of width 384, with 8,192 tokens learned from plans."""
    hidden, layers = (int(number) for number in shape.split("x"))
    tokenizer = byte_bpe_tokenizer(vocabulary=8192, texts=_texts())
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=hidden,
        intermediate_size=64 * round(hidden * 8 / 3 / 64),
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 64,
        max_position_embeddings=context,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval()
    set_padding(tokenizer)
    model.generation_config = greedy_generation(config, model.generation_config, tokenizer)
    return Loaded(model=model, tokenizer=tokenizer, source=f"random {shape}", fingerprint="")


def _texts() -> Iterator[str]:
    """Prompts and plans over random catalogues."""
    for seed in range(150):
        catalogue = random_catalogue(Random(seed), tools=6)
        prompt = Prompt(None, catalogue, "json")  # type: ignore[arg-type]  # for its texts alone
        for example in generate_examples(catalogue, GenerateSettings(examples=8, refusals=0), seed=seed):
            yield prompt.text(example.query) + prompt.answer(example)


def requests(catalogue: Catalogue, count: int) -> list[Example]:
    """Generated requests that these tools can answer, with their plans."""
    return list(generate_examples(catalogue, GenerateSettings(examples=count, max_steps=MAX_STEPS, refusals=0), seed=7))


def tasks(prompt: Prompt, rows: Sequence[Example], vocabulary: Vocabulary) -> list[Task]:
    """The rows as token ids."""
    return [Task(prompt.ids(row.query), [*vocabulary.encode(prompt.answer(row)), vocabulary.end]) for row in rows]


class Dictated(Decoder):
    """A decoder that is told what to say, at the cost of finding it out."""

    plans: Sequence[Sequence[int]] = ()

    def _logits(self, store: BatchCache, rows: Any, guesses: Any) -> list[NDArray[np.float32]]:
        said = super()._logits(store, rows, guesses)
        for row, logits in zip(rows, said, strict=True):
            wanted = self.plans[row.index][len(row.constraint.ids) :][: len(logits)]
            logits[np.arange(len(wanted)), wanted] += RAISED
        return said


def platypus(loaded: Loaded, prompt: Prompt, vocabulary: Vocabulary, *, tokens: int, dictated: bool) -> Way:
    """This project's decoder."""
    assert prompt.catalogue is not None
    constraint = Constraint.compile(vocabulary, prompt.catalogue, prompt.notation, max_steps=MAX_STEPS)
    kind = Dictated if dictated else Decoder
    decoder = kind(loaded, constraint, [prompt.ids("1"), prompt.ids("Plan")])

    def way(asked: Sequence[Task], batch: int) -> list[Said]:
        if isinstance(decoder, Dictated):
            decoder.plans = [task.plan for task in asked]
        decoded = decoder.decode([task.prompt for task in asked], limits=DecodingLimits(tokens), batch_size=batch)
        return [Said(plan.text, plan.tokens) for plan in decoded]

    return way


def peers(
    loaded: Loaded, prompt: Prompt, vocabulary: Vocabulary, wanted: Sequence[str], *, tokens: int, dictated: bool
) -> dict[str, Way]:
    """transformers' `generate`, free and with the wanted constraints, as far as their packages are installed."""
    constraints: dict[str, Callable[[], list[Any]]] = {"generate": list}
    assert prompt.catalogue is not None
    if prompt.notation == "json":
        schema = json.dumps(plain(plan_schema(prompt.catalogue, max_steps=MAX_STEPS)))
        for package, build in (("xgrammar", xgrammar_constraint), ("outlines", outlines_constraint)):
            if package in wanted and find_spec(package):
                begun = time.perf_counter()
                constraints[f"generate + {package}"] = build(loaded, schema)
                print(f"{package} compiled the schema in {time.perf_counter() - begun:.2f} s", file=sys.stderr)
    one, other = prompt.ids("1"), prompt.ids("Plan")
    shared = next(i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    kept: Any = DynamicCache()
    with torch.inference_mode():
        loaded.model(input_ids=torch.tensor([one[:shared]]), past_key_values=kept, use_cache=True, logits_to_keep=1)
    return {
        name: generate(loaded, vocabulary, kept, tokens=tokens, processors=processors, dictated=dictated)
        for name, processors in constraints.items()
    }


def generate(
    loaded: Loaded,
    vocabulary: Vocabulary,
    kept: Any,
    *,
    tokens: int,
    processors: Callable[[], list[Any]],
    dictated: bool,
) -> Way:
    """transformers' `generate` behind kept keys and values, with fresh logits processors for each batch."""
    shared = kept.get_seq_length()

    def some(batch: Sequence[Task]) -> list[Said]:
        longest = max(len(task.prompt) for task in batch)
        gaps = [longest - len(task.prompt) for task in batch]
        pad = loaded.tokenizer.pad_token_id
        rows = [
            task.prompt[:shared] + [pad] * gap + task.prompt[shared:] for task, gap in zip(batch, gaps, strict=True)
        ]
        mask = [[1] * shared + [0] * gap + [1] * (longest - shared - gap) for gap in gaps]
        cache = copy.deepcopy(kept)
        cache.batch_repeat_interleave(len(batch))
        dictation = [dictate([task.plan for task in batch], longest)] if dictated else []
        with torch.inference_mode():
            output = loaded.model.generate(  # type: ignore[operator]
                input_ids=torch.tensor(rows),
                attention_mask=torch.tensor(mask),
                past_key_values=cache,
                max_new_tokens=tokens,
                logits_processor=LogitsProcessorList([*dictation, *processors()]),
            )
        return [_said(vocabulary, row) for row in output[:, longest:].tolist()]

    def way(asked: Sequence[Task], batch: int) -> list[Said]:
        return [said for start in range(0, len(asked), batch) for said in some(asked[start : start + batch])]

    return way


def dictate(plans: Sequence[Sequence[int]], begin: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A logits processor that raises the wanted tokens; after a plan's end, its end token."""

    def process(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        at = ids.shape[1] - begin
        wanted = torch.tensor([plan[min(at, len(plan) - 1)] for plan in plans])
        scores[torch.arange(len(plans)), wanted] += RAISED
        return scores

    return process


def _said(vocabulary: Vocabulary, row: Sequence[int]) -> Said:
    said = row[: row.index(vocabulary.end)] if vocabulary.end in row else row
    return Said(vocabulary.decode(said).decode(errors="replace"), len(said) + 1)


def xgrammar_constraint(loaded: Loaded, schema: str) -> Callable[[], list[Any]]:
    """XGrammar's processors for a schema."""
    import xgrammar
    from xgrammar.contrib.hf import LogitsProcessor

    info = xgrammar.TokenizerInfo.from_huggingface(loaded.tokenizer, vocab_size=loaded.vocabulary)
    compiler = xgrammar.GrammarCompiler(info)
    compiled = compiler.compile_json_schema(schema, any_whitespace=False, separators=(", ", ": "))
    return lambda: [LogitsProcessor(compiled)]


def outlines_constraint(loaded: Loaded, schema: str) -> Callable[[], list[Any]]:
    """Outlines' processor for a schema."""
    import outlines

    model = outlines.from_transformers(loaded.model, loaded.tokenizer)
    processor = outlines.Generator(model, outlines.types.JsonSchema(schema)).logits_processor

    def fresh() -> list[Any]:
        processor.reset()
        return [processor]

    return fresh


def plain(schema: Any) -> Any:
    """The schema without what Outlines refuses: formats of one's own, and sets."""
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key not in ("format", "uniqueItems")}
    return [plain(value) for value in schema] if isinstance(schema, list) else schema
