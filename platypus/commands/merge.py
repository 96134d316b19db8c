"""`platypus merge`: the adapter into its base, as a plain Hugging Face folder that needs neither Platypus nor PEFT.

Config, generation config, tokenizer and chat template agree with each other: the template renders exactly the prompt of
the training. Afterwards the merged model is loaded and must give the logits of base and adapter on real examples. That
base is in full precision, even if it was quantised in training; then the difference from the trained model is reported
with a warning.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from platypus.data.dataset import Example, read_dataset
from platypus.inference.narrowing import narrowing_for_training
from platypus.inference.opening import prompt_settings
from platypus.merging.lora import merge_weights, write_settings
from platypus.merging.parity import answer_logits, check_agreement, compare, shift
from platypus.model.adapters import ADAPTER_CARD, load_adapted, read_card
from platypus.model.bases import base_fingerprint, base_folder
from platypus.model.loading import DTYPES, load_merged
from platypus.prompt.prompt import EncodedExample, Prompt, messages_of
from platypus.run.folder import Outcome, Run

# How far merged logits may be from those of base and adapter, in epsilons of the coarser of the two dtypes. Rounding
# the weights costs about one, at any depth; a missing adapter costs far more.
TOLERANCE = 8


def merge(run: Run, *, force: bool = False) -> Outcome:
    """Write merge/model/: the recipe's base with train/adapter/ merged into it.

    Raises ModelError if the adapter belongs to another base or catalogue, or if the merged model gives other logits.
    """
    settings, base = run.recipe.merge, run.recipe.base
    return run.perform(
        "merge",
        inputs={
            "train": run.fingerprint("train"),
            "base": run.source_fingerprint("merge", base, base_fingerprint, name="base", force=force),
        },
        settings={"base": base, **settings.model_dump()},
        work=lambda folder: _work(run, folder),
        force=force,
    )


def _work(run: Run, folder: Path) -> dict[str, Any]:
    settings = run.recipe.merge
    prompt_table = prompt_settings(run)
    adapter = run.folder("train") / "adapter"
    model = folder / "model"
    shutil.rmtree(model, ignore_errors=True)  # of an interrupted merge: no shard, index or template may stay
    model.mkdir()
    adapted = load_adapted(adapter, base=run.recipe.base, quantise="none")
    prompt = Prompt.of(adapted.tokenizer, run.catalogue, prompt_table)
    rows = read_dataset(str(run.folder("refine") / "train.jsonl"), run.catalogue).rows[: settings.verify]
    narrowing = narrowing_for_training(prompt, run.recipe.decode, adapted.context)
    examples = prompt.encode_all([narrowing.row(row) for row in rows] if narrowing else rows)
    expected = answer_logits(adapted, examples)
    coarser = max(torch.finfo(DTYPES[settings.dtype]).eps, torch.finfo(adapted.model.dtype).eps)
    tolerance = max(TOLERANCE * coarser, 1e-4)
    with adapted.model.disable_adapter():  # type: ignore[operator]
        bare = answer_logits(adapted, examples)
    requests = [row.query if isinstance(row, Example) else messages_of(row)[-2].content for row in rows]
    shown = narrowing.tools if narrowing else None
    unreadable = write_settings(adapted, prompt, model, dtype=settings.dtype, requests=requests, shown=shown)
    for problem in unreadable:
        Console(stderr=True).print(
            f"Serve the merged model with transformers 5 or later: for earlier releases, {problem}.", style="yellow"
        )
    del adapted  # the memory is needed for the merged model
    trained = _quantised_logits(adapter, run.recipe.base, examples)
    written = merge_weights(
        base_folder(run.recipe.base), adapter, model, dtype=settings.dtype, max_shard_size=settings.max_shard_size
    )
    shutil.copyfile(adapter / ADAPTER_CARD, model / ADAPTER_CARD)  # how its prompts look, for `platypus serve`
    merged = answer_logits(load_merged(model), examples)
    agreement = compare(merged, expected, bare)
    check_agreement(agreement, tolerance=tolerance, dtype=settings.dtype, model=model)
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
        **({"unreadable_before_transformers_5": list(unreadable)} if unreadable else {}),
        **({} if trained is None else asdict(shift(merged, trained))),
    }


# ---------------------------------------------------------------- trained on a quantised base


def _quantised_logits(adapter: Path, base: str, examples: Sequence[EncodedExample]) -> torch.Tensor | None:
    """The adapter's logits on the quantised base it was trained on, with a warning; None for a full base."""
    kind = read_card(adapter).quantisation
    if kind == "none":
        return None
    Console(stderr=True).print(
        f"The adapter was trained on {base} quantised to {kind}, but is merged into it in full precision. How much"
        " that changes its answers is reported; the unmerged adapter answers as it was trained.",
        style="yellow",
        markup=False,
    )
    return answer_logits(load_adapted(adapter, base=base), examples)
