"""Tiny models and tokenizers that tests build in about a second each, without downloads or data files.

`byte_bpe_tokenizer` is a byte-level BPE like those of Llama 3 and Qwen, `sentencepiece_tokenizer` like that of LLaMA 2
(byte fallback, a dummy space before the text, no padding token); `tiny_llama` is a random Llama with either.
"""

import atexit
import io
import json
import shutil
import string
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.commands.train import train
from platypus.data.dataset import Example, Row, write_rows
from platypus.model.loading import Loaded, load_base
from platypus.plan.plan import Plan, Reference, Step
from platypus.prompt.prompt import EncodedExample
from platypus.run.folder import Run
from platypus.run.settings import TrainSettings
from platypus.training.adapter import adapt

TEXTS = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n### Instruction:\nAnswer with a plan.\n\n"
    "Tools:\nworks_list(issue.priority?: [p0|p1|p2], limit?: integer) -> [work-item]\n  Lists work items.\n"
    "who_am_i() -> user-id\n\n### Input:\nSummarize my tickets in the current sprint\n\n### Response:\n",
    '[{"tool_name": "works_list", "arguments": [{"argument_name": "limit", "argument_value": 5}]}, '
    '{"tool_name": "summarize_objects", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[0]"}]}]',
    'works_list(issue.priority=["p0"], limit=5)\nsummarize_objects(objects=$0)\nadd(work_ids=[$1, "DON-1"])',
    "search for CustomerABC and create action items from the notes, then summarize them",
    string.printable,
)


def byte_bpe_tokenizer(
    *, vocabulary: int = 512, bos: bool = True, texts: Iterable[str] = TEXTS, words: Any = None
) -> PreTrainedTokenizerFast:
    """A byte-level BPE; with `bos`, encoding with special tokens puts one `<s>` first. Padding is its own token.

    `words` is what splits a text before it, if not GPT-2's way.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = words or pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>" if bos else None,
        eos_token="</s>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
    )


def sentencepiece_tokenizer(folder: Path, *, vocabulary: int = 480) -> PreTrainedTokenizerBase:
    """A LLaMA 2 style tokenizer: trained as sentencepiece BPE into `folder`/tokenizer.model and opened from it."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for text in TEXTS for line in text.split("\n") if line.strip()),
        model_writer=trained,
        model_type="bpe",
        vocab_size=vocabulary,
        byte_fallback=True,
        character_coverage=1.0,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(trained.getvalue())
    return LlamaTokenizer.from_pretrained(folder, add_bos_token=True)


def tiny_llama(
    folder: Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    hidden_size: int = 64,
    layers: int = 2,
    context: int = 2048,
    seed: int = 0,
) -> Path:
    """A random Llama (grouped-query attention, float32) with its tokenizer, saved as a Hugging Face folder."""
    tokenizer = tokenizer or byte_bpe_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        dtype="float32",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        model.lm_head.weight.data *= 8  # so that some tokens are almost certain
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


CATALOGUE = catalogue_from_json(
    [
        {
            "name": "list",
            "description": "Lists work items.",
            "inputSchema": {"type": "object", "properties": {"limit": {"type": "integer"}}},
            "outputSchema": {"type": "array", "items": {"type": "string", "format": "item"}},
        },
        {
            "name": "sum_up",
            "inputSchema": {
                "type": "object",
                "properties": {"items": {"type": "array", "items": {"type": "string", "format": "item"}}},
                "required": ["items"],
            },
        },
    ]
)


THINGS = (
    "red roses",
    "unpaid bills",
    "holiday plans",
    "broken wheels",
    "fish soups",
    "jazz quartets",
    "my DON-1",
    "zebras",
)


def examples(count: int) -> list[Example]:
    """`count` different requests with their plans; every second plan has two steps."""
    rows = []
    for number in range(count):
        listed = Step("list", {"limit": number})
        steps = (listed, Step("sum_up", {"items": Reference(0)})) if number % 2 else (listed,)
        request = f"{'Sum up' if number % 2 else 'Show'} {number} {THINGS[number % len(THINGS)]}"
        rows.append(Example(request, Plan(steps), CATALOGUE.fingerprint, {"source": "tiny", "line": number + 1}))
    return rows


def tiny_run(
    folder: Path,
    *,
    base: Path | str,
    rows: Sequence[Row],
    valid: Sequence[Row] = (),
    test: Sequence[Row] | None = None,
    recipe: str = "",
    catalogue: Catalogue = CATALOGUE,
) -> Run:
    """A run whose refine stage is done and holds these rows; `recipe` is TOML below `base` and `catalogue`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools.json").write_text(json.dumps(catalogue.to_json()))
    tools = f'catalogue = "{folder}/tools.json"\n' if isinstance(rows[0], Example) else ""
    (folder / "recipe.toml").write_text(f'base = "{base}"\n{tools}{recipe}')
    run = Run.open(folder / "run", recipe=folder / "recipe.toml")

    def refined(partial: Path) -> dict[str, Any]:
        for name, part in {"train": rows, "valid": valid, "test": rows if test is None else test}.items():
            write_rows(partial / f"{name}.jsonl", part)
        return {}

    run.perform("refine", inputs={}, settings={"rows": len(rows)}, work=refined)
    return run


@cache
def overfit_run() -> Run:
    """A run whose adapter, of all linear layers, has memorised `examples(8)`; made once for all tests (15 s)."""
    folder = Path(tempfile.mkdtemp(prefix="platypus-overfit-"))
    atexit.register(shutil.rmtree, folder)
    recipe = """
[prompt]
notation = "calls"
[train]
epochs = 60
learning_rate = 1e-2
batch_size = 8
warmup_ratio = 0.1
rank = 16
alpha = 32
dropout = 0.0
target_modules = "all-linear"
[merge]
max_shard_size = "1MB"
"""
    run = tiny_run(folder, base=tiny_llama(folder / "base"), rows=examples(8), valid=examples(2), recipe=recipe)
    train(run)
    return run


EXACT = TrainSettings(rank=4, dropout=0.0, target_modules="all-linear", learning_rate=1e-2)


def some_examples(count: int) -> list[EncodedExample]:
    """Examples with prompts and answers of random lengths."""
    draw = torch.Generator().manual_seed(1)
    encoded = []
    for number in range(count):
        prompt, answer = (int(n) for n in torch.randint(1, 30, (2,), generator=draw))
        ids = torch.randint(3, 500, (prompt + answer,), generator=draw).tolist()
        encoded.append(EncodedExample((*ids, 1), prompt, f"row {number}"))
    return encoded


def adapted(base: Path, settings: TrainSettings = EXACT, *, moved: bool = True) -> Loaded:
    """The base with an adapter; if `moved`, its weights are changed so that all of them have gradients."""
    loaded = adapt(load_base(str(base), dtype="float32"), settings, seed=0)
    draw = torch.Generator().manual_seed(2)
    for name, parameter in loaded.model.named_parameters():
        if moved and "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=draw) / 10
    loaded.model.train()
    return loaded


def gradients(loaded: Loaded) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in loaded.model.named_parameters() if p.grad is not None}
