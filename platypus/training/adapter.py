"""A new LoRA adapter on a base, ready to be trained."""

from dataclasses import replace
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer

from platypus.errors import ModelError
from platypus.model.adapted_weights import adapted_weights, stored_changes
from platypus.model.bases import base_folder
from platypus.model.linear_layers import Targets, find_targets, linear_layers
from platypus.model.loading import Loaded
from platypus.model.stored_weights import StoredWeights
from platypus.run.recipe import Recipe
from platypus.run.settings import TrainSettings
from platypus.training.distributed import ProcessGroup, load_for_training, shard
from platypus.training.shared_prefix.prefix import prefix_support


def load_adapted_for_training(recipe: Recipe, processes: ProcessGroup) -> Loaded:
    """Load the recipe's base on its device with a new adapter, sharded if the recipe says so."""
    loaded = load_for_training(recipe, processes)
    adapted = adapt(loaded, recipe.train, seed=recipe.seed, device=processes.accelerator.device)
    shard(adapted, recipe.train, processes)
    return adapted


def adapt(loaded: Loaded, settings: TrainSettings, *, seed: int, device: torch.device | None = None) -> Loaded:
    """The base with a new float32 LoRA adapter, which does not change its outputs yet.

    `device` is where it will compute, if not where it is now. Raises ModelError for layers that are unknown, not clear,
    or that PEFT cannot adapt.
    """
    base: Any = loaded.model
    targets = find_targets(base, settings.target_modules, where=loaded.source)
    stacked = [layer.name for layer in linear_layers(base) if layer.part == "mlp" and layer.tensor]
    if stacked and settings.quantise != "none":
        raise ModelError(
            f'quantise = "{settings.quantise}", but the experts of this base stand in one tensor each ({stacked[0]}):'
            " bitsandbytes quantises linear modules only, so most of the base would stay as it is",
            where=loaded.source,
            remedy='Set quantise = "none" under [train].',
        )
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a float works as well
        lora_dropout=settings.dropout,
        target_modules=targets.modules,
        target_parameters=list(targets.parameters) or None,
        fan_in_fan_out=targets.transposed,
    )
    torch.manual_seed(seed)
    support = prefix_support(base, device=device or loaded.device, wanted=settings.prefix)
    if settings.prefix == "frozen" and not support.attention:
        raise ModelError(
            f'prefix = "frozen" needs a base that can compute the tools apart from a request: {support.reason}',
            where=loaded.source,
            remedy='Set prefix = "auto" under [train].',
        )
    if support.attention:
        base.set_attn_implementation(support.attention)
    try:
        model = get_peft_model(base, config)
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"PEFT puts no adapter on {_named(targets)}: {error}",
            where=loaded.source,
            remedy='Set dropout = 0.0 under [train], or target_modules = "attention".'
            if targets.parameters and settings.dropout
            else "Set `target_modules` under [train] to other layers.",
        ) from error
    _check_all_adapted(model, targets, where=loaded.source)
    if settings.prefix == "frozen":
        _check_activated(model, where=loaded.source)
    model.peft_config["default"].base_model_name_or_path = loaded.source
    return replace(loaded, model=model)


def check_mergeable(adapted: Loaded) -> None:
    """Raises ModelError if `merge` would find adapted layers stored in the base in another way than it can change."""
    stored = StoredWeights.of(base_folder(adapted.source))
    stored_changes(adapted.model, stored, where=adapted.source)  # type: ignore[arg-type]


def _check_all_adapted(model: PeftModel, targets: Targets, *, where: str) -> None:
    """Raises ModelError if PEFT has put adapters on fewer or other layers than it was told."""
    wanted = {layer.parameter for layer in targets.layers}
    found = {weight.parameter for weight in adapted_weights(model)}
    if wanted == found:
        return
    raise ModelError(
        f"PEFT puts no adapter on {sorted(wanted - found)[:3]}, and one on {sorted(found - wanted)[:3]}",
        where=where,
        remedy="Name other layers in `target_modules` under [train].",
    )


def _check_activated(model: PeftModel, *, where: str) -> None:
    """Raises ModelError for layers that PEFT could not open as activated LoRA."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            try:
                module.resolve_lora_variant(config=LoraConfig(task_type="CAUSAL_LM", alora_invocation_tokens=[0]))
            except ValueError as error:
                raise ModelError(
                    f'prefix = "frozen": PEFT knows no activated LoRA for {name}: {error}',
                    where=where,
                    remedy='Set prefix = "auto", or name other layers in `target_modules` under [train].',
                ) from error


def _named(targets: Targets) -> str:
    modules = [targets.modules] if isinstance(targets.modules, str) else targets.modules
    return ", ".join([*modules, *targets.parameters])
