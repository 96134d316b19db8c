"""Merge: the adapter into its base, as a plain Hugging Face folder that needs neither Platypus nor PEFT.

Weights are read, merged in float32 and written shard by shard, so merging itself needs the memory of one shard. Config,
generation config, tokenizer and chat template agree with each other: the template renders the very prompt of the
training. Afterwards the merged model is opened and must give the logits of base and adapter on real examples. That base
is the one in full precision, whatever it was quantised to in the training: a bound wide enough for quantisation would
let a wrong merge pass. How far the merged model is from what was trained is a warning and two figures.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from peft import LoraConfig
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn.functional import kl_div
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from platypus.data.dataset import Example, Row, read_dataset
from platypus.errors import ModelError
from platypus.inference.planner import prompt_settings
from platypus.model.loading import (
    ADAPTER_WEIGHTS,
    DTYPES,
    Loaded,
    base_fingerprint,
    base_folder,
    load_adapted,
    load_merged,
    read_card,
    weight_files,
)
from platypus.prompt.prompt import Encoded, Prompt
from platypus.run.folder import Outcome, Run

# How far merged logits may be from adapted ones, in epsilons of the coarser of the two number types. Rounding weights
# costs about one, whatever the depth; a missing adapter is far above.
TOLERANCE = 8


@dataclass(frozen=True)
class Agreement:
    """How near two models are on real examples: the difference of their logits, as a share of the logits' spread."""

    error: float
    effect: float  # the same between the adapted model and its bare base
    same_token: float  # the share of positions at which both would say the same


@dataclass(frozen=True)
class Shift:
    """How far the merged model is from the adapter on the quantised base, means over answer tokens."""

    quantised_kl: float  # nats, of the merged model's next token from the one that was trained
    quantised_same_token: float


def merge(run: Run, *, force: bool = False) -> Outcome:
    """Write merge/model/, the base of the recipe with train/adapter/ in it.

    Raises ModelError when the adapter belongs to another base or catalogue, or the merged model says something else.
    """
    settings = run.recipe.merge
    return run.perform(
        "merge",
        inputs={"train": run.fingerprint("train"), "base": base_fingerprint(run.recipe.base)},
        settings={"base": run.recipe.base, **settings.model_dump()},
        work=lambda folder: _work(run, folder),
        force=force,
    )


def _work(run: Run, folder: Path) -> dict[str, Any]:
    settings = run.recipe.merge
    table = prompt_settings(run)
    adapter = run.folder("train") / "adapter"
    model = folder / "model"
    model.mkdir(exist_ok=True)
    adapted = load_adapted(adapter, base=run.recipe.base, quantise="none")
    prompt = Prompt(adapted.tokenizer, run.catalogue, table.notation, table.cutoff, table.markers)
    rows = read_dataset(str(run.folder("refine") / "train.jsonl"), run.catalogue).rows[: settings.verify]
    examples = prompt.encode_all(rows)
    expected = answer_logits(adapted, examples)
    coarser = max(torch.finfo(DTYPES[settings.dtype]).eps, torch.finfo(adapted.model.dtype).eps)
    tolerance = max(TOLERANCE * coarser, 1e-4)
    with adapted.model.disable_adapter():  # type: ignore[operator]
        bare = answer_logits(adapted, examples)
    _write_settings(adapted, prompt, rows, model, dtype=settings.dtype)
    del adapted  # the memory is needed for the merged model
    trained = _quantised_logits(adapter, run.recipe.base, examples)
    written = merge_weights(
        base_folder(run.recipe.base), adapter, model, dtype=settings.dtype, max_shard_size=settings.max_shard_size
    )
    merged = answer_logits(load_merged(model), examples)
    agreement = compare(merged, expected, bare)
    _check_agreement(agreement, tolerance=tolerance, dtype=settings.dtype, model=model)
    return {
        "dtype": settings.dtype,
        "shards": written.shards,
        "bytes": written.size,
        "merged_layers": written.layers,
        "verified_prompts": len(examples),
        "error": agreement.error,
        "tolerance": tolerance,
        "adapter_effect": agreement.effect,
        "same_token": agreement.same_token,
        **({} if trained is None else asdict(shift(merged, trained))),
    }


# ---------------------------------------------------------------- weights


@dataclass(frozen=True)
class Written:
    """What was written: files, bytes of weights, and how many layers got an adapter."""

    shards: int
    size: int
    layers: int


def merge_weights(base: Path, adapter: Path, folder: Path, *, dtype: str, max_shard_size: str) -> Written:
    """Write the base's tensors with the adapter's added, shard by shard. Raises ModelError when they don't fit."""
    deltas = _read_deltas(adapter)
    shapes: dict[str, list[int]] = {}
    files: dict[str, Path] = {}
    for file in weight_files(base):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # no mapping
                shapes[name], files[name] = tensors.get_slice(name).get_shape(), file
    missing = sorted(deltas.keys() - files.keys())
    if missing:
        raise ModelError(
            f"{len(missing)} of its layers are not stored in the base under their name, the first: {missing[0]}",
            where=str(adapter),
            remedy="Set `target_modules` under [train] to layers that the base stores apart, and train again.",
        )
    planned = {name: torch.empty(shape, dtype=DTYPES[dtype], device="meta") for name, shape in shapes.items()}
    split = split_torch_state_dict_into_shards(planned, max_shard_size=max_shard_size)
    for filename, names in split.filename_to_tensors.items():
        shard = {name: _merged(files[name], name, deltas.get(name), dtype=dtype) for name in names}
        save_file(shard, folder / filename, metadata={"format": "pt"})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return Written(len(split.filename_to_tensors), int(split.metadata["total_size"]), len(deltas))


@dataclass(frozen=True)
class _Delta:
    """What an adapter adds to a weight: scale · up @ down."""

    down: torch.Tensor
    up: torch.Tensor
    scale: float


def _read_deltas(adapter: Path) -> dict[str, _Delta]:
    """The adapter's part of each weight, by the name of that weight in the base."""
    config: Any = LoraConfig.from_pretrained(str(adapter))
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    layers = [name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")]
    return {
        f"{layer.removeprefix('base_model.model.')}.weight": _Delta(
            weights[f"{layer}.lora_A.weight"], weights[f"{layer}.lora_B.weight"], config.lora_alpha / config.r
        )
        for layer in layers
    }


def _merged(file: Path, name: str, delta: _Delta | None, *, dtype: str) -> torch.Tensor:
    """One tensor of the merged model. Raises ModelError when it has values that the type cannot hold."""
    with safe_open(file, framework="pt") as tensors:
        weight: torch.Tensor = tensors.get_tensor(name)
    if delta is not None:
        weight = weight.float() + delta.scale * (delta.up.float() @ delta.down.float())
    merged = weight.to(DTYPES[dtype])
    if not merged.isfinite().all():
        raise ModelError(
            f"{name} has values that {dtype} cannot hold",
            where="[merge] dtype",
            remedy='Set dtype = "bfloat16" or "float32" under [merge].',
        )
    return merged.contiguous()


# ---------------------------------------------------------------- config, tokenizer, chat template


def _write_settings(adapted: Loaded, prompt: Prompt, rows: Sequence[Row], folder: Path, *, dtype: str) -> None:
    """Config, generation config and tokenizer, agreeing on special tokens, and the chat template."""
    generation = adapted.model.generation_config
    config = adapted.model.config
    config.dtype = DTYPES[dtype]
    config.bos_token_id, config.eos_token_id = generation.bos_token_id, generation.eos_token_id
    config.pad_token_id = generation.pad_token_id
    config.save_pretrained(folder)
    generation.save_pretrained(folder)
    requests = [row.query if isinstance(row, Example) else row.instruction for row in rows]
    write_tokenizer(prompt, adapted.tokenizer, folder, requests=requests)


def write_tokenizer(
    prompt: Prompt, tokenizer: PreTrainedTokenizerBase, folder: Path, *, requests: Sequence[str]
) -> None:
    """Save the tokenizer with the template that renders a user's last message as the prompt, token for token.

    Raises ModelError when the saved tokenizer does not give the prompt's ids for these requests.
    """
    tokenizer.chat_template = None  # the base's own
    tokenizer.save_pretrained(folder)
    saved = AutoTokenizer.from_pretrained(folder)  # which may differ: not all that it was opened with is saved
    for gap in ("", " "):  # some sentencepiece tokenizers put their space only where a text begins, not after BOS
        saved.chat_template = chat_template(prompt, gap=gap)
        if all(_chat_ids(saved, prompt.shown(request)) == prompt.ids(request) for request in requests):
            (folder / "chat_template.jinja").write_text(saved.chat_template, encoding="utf-8")
            return
    raise ModelError(
        "its tokenizer makes other tokens of a chat than of the prompt of the training",
        where=str(tokenizer.name_or_path),
        remedy="Use a base with a byte-level BPE or a LLaMA style tokenizer.",
    )


def chat_template(prompt: Prompt, *, gap: str = "") -> str:
    """The prompt as a Jinja template: BOS, what stands before the request, the last user message, what follows it."""
    return (
        f"{{{{- bos_token ~ {_jinja(gap + prompt.frame.before)} }}}}"
        "{{- (messages | selectattr('role', 'equalto', 'user') | list | last)['content'] }}"
        f"{{{{- {_jinja(prompt.frame.after)} }}}}"
    )


def _jinja(text: str) -> str:
    """The text as a Jinja string, which has the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _chat_ids(tokenizer: PreTrainedTokenizerBase, request: str) -> list[int]:
    message = [{"role": "user", "content": request}]
    ids: Any = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
    return list(ids)


# ---------------------------------------------------------------- does it say the same?


def answer_logits(loaded: Loaded, examples: Sequence[Encoded]) -> torch.Tensor:
    """The logits at every answer token of the examples, one after another: float32, (tokens, vocabulary)."""
    model: Any = loaded.model
    parts = []
    with torch.inference_mode():
        for example in examples:
            ids = torch.tensor([example.ids], device=loaded.device)
            kept = len(example.ids) - example.prompt_length + 1
            parts.append(model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits[0, :-1].float().cpu())
    return torch.cat(parts)


def compare(merged: torch.Tensor, adapted: torch.Tensor, bare: torch.Tensor) -> Agreement:
    """How near merged logits are to those of base and adapter, and how much the adapter changes at all."""
    return Agreement(
        error=_distance(merged, adapted),
        effect=_distance(bare, adapted),
        same_token=_same_token(merged, adapted),
    )


def shift(merged: torch.Tensor, trained: torch.Tensor) -> Shift:
    """How far merged logits are from those of the adapter on the base that it was trained on."""
    kl = kl_div(merged.log_softmax(-1), trained.log_softmax(-1), reduction="batchmean", log_target=True)
    return Shift(float(kl), _same_token(merged, trained))


def _quantised_logits(adapter: Path, base: str, examples: Sequence[Encoded]) -> torch.Tensor | None:
    """What the adapter says on the quantised base that it was trained on, with a warning; None if it was not."""
    kind = read_card(adapter).quantisation
    if kind == "none":
        return None
    Console(stderr=True).print(
        f"The adapter was trained on {base} quantised to {kind}, but is merged into it in full precision. How far"
        " that moves its answers is reported; the unmerged adapter says what was trained.",
        style="yellow",
        markup=False,
    )
    return answer_logits(load_adapted(adapter, base=base), examples)


def _same_token(logits: torch.Tensor, reference: torch.Tensor) -> float:
    return float((logits.argmax(-1) == reference.argmax(-1)).float().mean())


def _distance(logits: torch.Tensor, reference: torch.Tensor) -> float:
    """The root mean square of the difference over that of the reference; only differences within a row count."""
    spread = reference - reference.mean(-1, keepdim=True)
    difference = logits - logits.mean(-1, keepdim=True) - spread
    return float(difference.norm() / spread.norm())


def _check_agreement(agreement: Agreement, *, tolerance: float, dtype: str, model: Path) -> None:
    if agreement.error <= tolerance:
        return
    raise ModelError(
        f"the merged model does not say what base and adapter say: its logits are {agreement.error:.3g} off, "
        f"{dtype} allows {tolerance:.3g}, and the adapter's whole effect is {agreement.effect:.3g}",
        where=str(model),
        remedy='Set dtype = "float32" under [merge]; if that is refused too, please report it.',
    )
