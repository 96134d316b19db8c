"""A new LoRA adapter on a base, ready to be trained."""

from dataclasses import replace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from platypus.errors import ModelError
from platypus.model.loading import Loaded
from platypus.run.recipe import Recipe
from platypus.run.settings import TrainSettings
from platypus.training.distributed import ProcessGroup, load_for_training, shard
from platypus.training.shared_prefix.prefix import prefix_support

# Our names for the layers of Llama-like models. "all-linear" is PEFT's name for every linear layer except the output.
TARGETS: dict[str, str | list[str]] = {
    "mlp": ["gate_proj", "up_proj", "down_proj"],
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "all-linear": "all-linear",
}


def load_adapted_for_training(recipe: Recipe, processes: ProcessGroup) -> Loaded:
    """Load the recipe's base on its device with a new adapter, sharded if the recipe says so."""
    loaded = load_for_training(recipe, processes)
    adapted = adapt(loaded, recipe.train, seed=recipe.seed, device=processes.accelerator.device)
    shard(adapted, recipe.train, processes)
    return adapted


def adapt(loaded: Loaded, settings: TrainSettings, *, seed: int, device: torch.device | None = None) -> Loaded:
    """The base with a new float32 LoRA adapter, which does not change its outputs yet.

    `device` is where it will compute, if not where it is now. Raises ModelError for unknown layers.
    """
    target = settings.target_modules if isinstance(settings.target_modules, list) else TARGETS[settings.target_modules]
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a float works as well
        lora_dropout=settings.dropout,
        target_modules=target,
    )
    torch.manual_seed(seed)
    base: Any = loaded.model
    support = prefix_support(base, device=device or loaded.device, wanted=settings.prefix)
    if support.attention:
        base.set_attn_implementation(support.attention)
    try:
        model = get_peft_model(base, config)
    except ValueError as error:
        layers = {name.split(".")[-1] for name, layer in base.named_modules() if isinstance(layer, torch.nn.Linear)}
        raise ModelError(
            f"it has no layers named {target}",
            where=loaded.source,
            remedy=f'Set `target_modules` under [train] to "all-linear" or some of {sorted(layers)}.',
        ) from error
    model.peft_config["default"].base_model_name_or_path = loaded.source
    return replace(loaded, model=model)
