"""The parts of the decoding benchmark: a model, requests with their plans, and each way of decoding them.

Every way gets the same prompts, and keys and values of their common prefix that were computed before; transformers'
`generate` gets a copy of them for each row, with the padding after them. The constrained peers use the JSON Schema of
plans, the strongest constraint that they support. For a model that knows no plans, the plans are dictated: the logit of
the wanted token is raised before the constraint is applied, so that all ways give the same text and do the same work.

The strongest peer is a loop written by hand over XGrammar's jump-forward tokens: what its grammar forces is read with
the next decision, as here, in the tokens that XGrammar finds for it. It takes requests one by one.
"""

import copy
import itertools
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
from platypus.decoding.grammar.schemas import plan_schema
from platypus.decoding.kv_cache import BatchCache
from platypus.decoding.results import DecodingLimits
from platypus.decoding.vocabulary import Vocabulary
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.examples import generate_examples
from platypus.model.loading import Loaded
from platypus.model.pretrained import greedy_generation, set_padding
from platypus.prompt.prompt import Prompt
from platypus.run.settings import GenerateSettings
from tests.support.tiny_models import byte_bpe_tokenizer

MAX_STEPS = 4  # Outlines' automaton grows with the number of steps
DICTATION_BONUS = 1e4  # added to the logit of a dictated token
JUMP_FORWARD = "xgrammar-jump-forward"


@dataclass(frozen=True)
class Task:
    """A request, its prompt, and the tokens of its plan with the end token."""

    prompt: list[int]
    plan: list[int]


@dataclass(frozen=True)
class DecodedText:
    """The text that a way gives for a request, its number of tokens, and how many of them are not the tokenizer's own.

    A token is the tokenizer's own if the text as a whole, encoded, has the same token at the same place.
    """

    text: str
    tokens: int
    foreign: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, ids: Sequence[int]) -> "DecodedText":
        """The text of these tokens, of which an end token is counted but not read."""
        read = ids[: ids.index(vocabulary.end)] if vocabulary.end in ids else ids
        text = vocabulary.decode(read)
        own = _spans(vocabulary, vocabulary.encode(text.decode(errors="replace")))
        foreign = len(_spans(vocabulary, read) - own)
        return cls(text.decode(errors="replace"), len(read) + 1, foreign)


def _spans(vocabulary: Vocabulary, ids: Sequence[int]) -> set[tuple[int, int]]:
    """The bytes from and to which each token reaches."""
    ends = [0, *itertools.accumulate(len(vocabulary.token(token)) for token in ids)]
    return set(itertools.pairwise(ends))


Way = Callable[[Sequence[Task], int], list[DecodedText]]  # tasks, batch size


def random_model(shape: str, *, context: int = 8192) -> Loaded:
    """A Llama of random weights, float32: `384x6` is 6 layers of width 384, with 8,192 tokens trained on plans."""
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
    set_padding(tokenizer, rows=config.vocab_size)
    model.generation_config = greedy_generation(config, model.generation_config, tokenizer)
    return Loaded(model=model, tokenizer=tokenizer, source=f"random {shape}", fingerprint="")


def _texts() -> Iterator[str]:
    """Prompts and plans over random catalogues."""
    for seed in range(150):
        catalogue = random_catalogue(Random(seed), tools=6)
        prompt = Prompt(None, catalogue, "json")  # type: ignore[arg-type]  # only its texts are used
        for example in generate_examples(catalogue, GenerateSettings(examples=8, refusals=0), seed=seed):
            yield prompt.text(example.query) + prompt.answer(example)


def requests(catalogue: Catalogue, count: int) -> list[Example]:
    """Generated requests that these tools can answer, with their plans."""
    return list(generate_examples(catalogue, GenerateSettings(examples=count, max_steps=MAX_STEPS, refusals=0), seed=7))


def tasks(prompt: Prompt, rows: Sequence[Example], vocabulary: Vocabulary) -> list[Task]:
    """The rows as token ids."""
    return [Task(prompt.ids(row.query), [*vocabulary.encode(prompt.answer(row)), vocabulary.end]) for row in rows]


class Dictated(Decoder):
    """A decoder that gives dictated plans, at the cost of decoding them."""

    plans: Sequence[Sequence[int]] = ()

    def _logits(self, store: BatchCache, rows: Any, drafts: Any) -> list[NDArray[np.float32]]:
        row_logits = super()._logits(store, rows, drafts)
        for row, logits in zip(rows, row_logits, strict=True):
            wanted = self.plans[row.index][len(row.constraint.ids) :][: len(logits)]
            logits[np.arange(len(wanted)), wanted] += DICTATION_BONUS
        return row_logits


def platypus(loaded: Loaded, prompt: Prompt, vocabulary: Vocabulary, *, tokens: int, dictated: bool) -> Way:
    """This project's decoder."""
    assert prompt.catalogue is not None
    constraint = Constraint.compile(vocabulary, prompt.catalogue, prompt.notation, max_steps=MAX_STEPS)
    kind = Dictated if dictated else Decoder
    decoder = kind(loaded, constraint, [prompt.ids("1"), prompt.ids("Plan")])

    def way(tasks_: Sequence[Task], batch: int) -> list[DecodedText]:
        if isinstance(decoder, Dictated):
            decoder.plans = [task.plan for task in tasks_]
        decoded = decoder.decode([task.prompt for task in tasks_], limits=DecodingLimits(tokens), batch_size=batch)
        return [DecodedText.of(vocabulary, [token for token, _ in plan.logs]) for plan in decoded]

    return way


def peers(
    loaded: Loaded, prompt: Prompt, vocabulary: Vocabulary, wanted: Sequence[str], *, tokens: int, dictated: bool
) -> dict[str, Way]:
    """transformers' `generate`, free and with the wanted constraints whose packages are installed; and the loop."""
    constraints: dict[str, Callable[[], list[Any]]] = {"generate": list}
    assert prompt.catalogue is not None
    if prompt.notation == "json":
        schema = json.dumps(plain(plan_schema(prompt.catalogue, max_steps=MAX_STEPS)))
        for package, build in (("xgrammar", xgrammar_constraint), ("outlines", outlines_constraint)):
            if package in wanted and find_spec(package):
                started = time.perf_counter()
                constraints[f"generate + {package}"] = build(loaded, schema)
                print(f"{package} compiled the schema in {time.perf_counter() - started:.2f} s", file=sys.stderr)
    one, other = prompt.ids("1"), prompt.ids("Plan")
    shared = next(i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    prefix_cache: Any = DynamicCache()
    with torch.inference_mode():
        loaded.model(
            input_ids=torch.tensor([one[:shared]]), past_key_values=prefix_cache, use_cache=True, logits_to_keep=1
        )
    ways = {
        name: generate(loaded, vocabulary, prefix_cache, tokens=tokens, processors=processors, dictated=dictated)
        for name, processors in constraints.items()
    }
    if prompt.notation == "json" and JUMP_FORWARD in wanted and find_spec("xgrammar"):
        ways[JUMP_FORWARD] = jump_forward(loaded, vocabulary, prefix_cache, schema, tokens=tokens, dictated=dictated)
    return ways


def generate(
    loaded: Loaded,
    vocabulary: Vocabulary,
    prefix_cache: Any,
    *,
    tokens: int,
    processors: Callable[[], list[Any]],
    dictated: bool,
) -> Way:
    """transformers' `generate` after a cached prefix, with fresh logits processors for each batch."""
    shared = prefix_cache.get_seq_length()

    def answer_batch(batch: Sequence[Task]) -> list[DecodedText]:
        longest = max(len(task.prompt) for task in batch)
        gaps = [longest - len(task.prompt) for task in batch]
        pad = loaded.tokenizer.pad_token_id
        rows = [
            task.prompt[:shared] + [pad] * gap + task.prompt[shared:] for task, gap in zip(batch, gaps, strict=True)
        ]
        mask = [[1] * shared + [0] * gap + [1] * (longest - shared - gap) for gap in gaps]
        cache = copy.deepcopy(prefix_cache)
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
        return [DecodedText.of(vocabulary, row) for row in output[:, longest:].tolist()]

    def way(tasks_: Sequence[Task], batch: int) -> list[DecodedText]:
        return [text for start in range(0, len(tasks_), batch) for text in answer_batch(tasks_[start : start + batch])]

    return way


def dictate(plans: Sequence[Sequence[int]], begin: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A logits processor that raises the logit of the wanted token; after a plan, that of its end token."""

    def process(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        at = ids.shape[1] - begin
        wanted = torch.tensor([plan[min(at, len(plan) - 1)] for plan in plans])
        scores[torch.arange(len(plans)), wanted] += DICTATION_BONUS
        return scores

    return process


def xgrammar_grammar(loaded: Loaded, schema: str) -> Any:
    """XGrammar's compiled grammar of a schema."""
    import xgrammar

    info = xgrammar.TokenizerInfo.from_huggingface(loaded.tokenizer, vocab_size=loaded.vocabulary)
    compiler = xgrammar.GrammarCompiler(info)
    return compiler.compile_json_schema(schema, any_whitespace=False, separators=(", ", ": "))


def xgrammar_constraint(loaded: Loaded, schema: str) -> Callable[[], list[Any]]:
    """XGrammar's processors for a schema."""
    from xgrammar.contrib.hf import LogitsProcessor

    compiled = xgrammar_grammar(loaded, schema)
    return lambda: [LogitsProcessor(compiled)]


def jump_forward(
    loaded: Loaded, vocabulary: Vocabulary, prefix_cache: Any, schema: str, *, tokens: int, dictated: bool
) -> Way:
    """The loop over XGrammar's jump-forward tokens, one request after the other."""
    import xgrammar

    compiled, shared = xgrammar_grammar(loaded, schema), prefix_cache.get_seq_length()
    mask = xgrammar.allocate_token_bitmask(1, loaded.vocabulary)
    cache = copy.deepcopy(prefix_cache)

    @torch.inference_mode()
    def answer(task: Task) -> DecodedText:
        matcher, ids, unread = xgrammar.GrammarMatcher(compiled), list[int](), task.prompt[shared:]
        wanted = vocabulary.decode(task.plan[:-1])
        while not matcher.is_terminated() and len(ids) < tokens:
            jumped = matcher.find_jump_forward_tokens()
            assert all(matcher.accept_token(token) for token in jumped)
            ids += jumped
            read = torch.tensor([[*unread, *jumped]])
            logits = loaded.model(input_ids=read, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0]
            if dictated:
                rest = wanted[len(vocabulary.decode(ids)) :].decode(errors="replace")
                logits[0, vocabulary.encode(rest)[0] if rest else vocabulary.end] += DICTATION_BONUS
            if matcher.fill_next_token_bitmask(mask):
                xgrammar.apply_token_bitmask_inplace(logits, mask)
            unread = [int(logits[0].argmax())]
            assert matcher.accept_token(unread[0])
            ids += unread
        cache.crop(shared - cache.get_seq_length())
        return DecodedText.of(vocabulary, ids)

    return lambda tasks_, batch: [answer(task) for task in tasks_]


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
    """The schema without what Outlines refuses: custom formats, and sets."""
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key not in ("format", "uniqueItems")}
    return [plain(value) for value in schema] if isinstance(schema, list) else schema
