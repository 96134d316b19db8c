"""The linear layers of a model, and which of them `target_modules` in a recipe means.

A layer's part in its block follows from its name: transformers calls attention "self_attn", "attention" and the like,
and feed-forward blocks "mlp", "feed_forward" and the like, in every architecture. Experts whose weights are stacked in
one tensor are no modules; they are adapted as parameters. Knows nothing of training.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from platypus.errors import ModelError
from platypus.model.stored_weights import as_stored

Part = Literal["attention", "mlp", "router", "other", "outside"]

_FEED_FORWARD = frozenset({"mlp", "mlps", "mlp_block", "shared_mlp", "feed_forward", "ffn", "ffns", "ff"})
_EXPERTS = frozenset({"block_sparse_moe", "moe", "experts", "shared_expert", "shared_experts"})
_IN_LAYER = frozenset({"fc1", "fc2"})  # a feed-forward block whose layers lie in the decoder layer itself (OPT)
_ROUTERS = frozenset({"gate", "router", "shared_expert_gate"})
# PEFT takes these for names of a checkpoint and means the stacked experts by them, if a model has any.
_RENAMED = frozenset({"gate", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"})


class LinearLayer(NamedTuple):
    """A layer that can have an adapter: a module, or (`tensor`) a parameter that stands in no linear module."""

    name: str
    part: Part
    tensor: bool = False

    @property
    def parameter(self) -> str:
        """The name of its weight."""
        return self.name if self.tensor else f"{self.name}.weight"


@dataclass(frozen=True)
class Targets:
    """The layers that get an adapter, and how PEFT is told so."""

    layers: tuple[LinearLayer, ...]
    modules: list[str] | str
    parameters: tuple[str, ...] = ()
    transposed: bool = False  # all of them are stored as (in, out), as GPT-2's are


def linear_layers(model: PreTrainedModel) -> list[LinearLayer]:
    """All linear layers of the language model, in order. The output layer and the embeddings are "outside"."""
    typed: Any = model
    head, decoder = typed.get_output_embeddings(), typed.get_decoder()
    inside = next((name for name, module in model.named_modules() if module is decoder), "")
    found = []
    for name, module in model.named_modules():
        if module is not head and not f"{name}.".startswith(f"{inside}." if inside else ""):
            continue
        if isinstance(module, torch.nn.Linear | Conv1D | torch.nn.Embedding):
            outside = module is head or isinstance(module, torch.nn.Embedding)
            found.append(LinearLayer(name, "outside" if outside else _part(name)))
        elif not isinstance(module, torch.nn.modules.conv._ConvNd):
            found += _tensors(name, module)
    return found


def find_targets(model: PreTrainedModel, wanted: str | Sequence[str], *, where: str) -> Targets:
    """The layers that a recipe's `target_modules` means: "mlp", "attention", "all-linear" or a list of names.

    Raises ModelError, with the names there are, for a word that is not clear for this model, for a name that no layer
    has, and for layers that share their weights with others.
    """
    layers = linear_layers(model)
    chosen = _by_word(layers, wanted) if isinstance(wanted, str) else _by_name(model, layers, wanted)
    if isinstance(chosen, str):
        names = _shown([layer for layer in layers if layer.part != "outside"])
        raise ModelError(
            f"target_modules = {json.dumps(wanted)}: {chosen}",
            where=where,
            remedy=f'Set `target_modules` under [train] to "all-linear" or some of {names}.',
        )
    _check_tied(model, chosen, where=where)
    return _as_told_to_peft(model, layers, chosen, wanted)


# ---------------------------------------------------------------- which layers there are


def _part(name: str) -> Part:
    """The part of a block that a layer belongs to, by its name."""
    *path, leaf = name.split(".")
    if leaf in _ROUTERS or any(part in _ROUTERS for part in path):
        return "router"
    for part in reversed(path):
        if part in _FEED_FORWARD or part in _EXPERTS:
            return "mlp"
        if "attn" in part or "attention" in part:
            return "attention"
    return "mlp" if leaf in _IN_LAYER else "other"


def _tensors(name: str, module: torch.nn.Module) -> Iterator[LinearLayer]:
    """Weights of a module that is no linear layer but computes one: stacked experts, or a router."""
    for parameter, value in module.named_parameters(recurse=False):
        full = f"{name}.{parameter}"
        part = _part(full if parameter != "weight" else name)
        if value.dim() == 3 and part == "mlp":
            yield LinearLayer(full, "mlp", tensor=True)
        elif value.dim() == 2 and parameter == "weight" and part == "router":
            yield LinearLayer(full, "router", tensor=True)


# ---------------------------------------------------------------- which of them are meant


def _by_word(layers: Sequence[LinearLayer], word: str) -> list[LinearLayer] | str:
    """The layers that a word means, or why it is not clear."""
    if word == "all-linear":
        return [layer for layer in layers if layer.part != "outside"]
    chosen = [layer for layer in layers if layer.part == word]
    others = [layer for layer in layers if layer.part == "other"]
    if chosen and not others:
        return chosen
    if chosen:
        return f"it has layers that are neither attention nor feed-forward: {_shown(others)}"
    return f"it has no layers whose names say that they are {'feed-forward' if word == 'mlp' else word} layers"


def _by_name(model: PreTrainedModel, layers: Sequence[LinearLayer], names: Sequence[str]) -> list[LinearLayer] | str:
    """The layers with these names, or what is wrong with the names."""
    pieces = {layer: _pieces(model, layer) for layer in layers if layer.tensor}
    chosen = set()
    for name in names:
        whole = {layer for layer in layers if _is_called(layer.name.removesuffix(".weight"), name)}
        parts = {layer for layer in pieces if name in pieces[layer]}
        for layer in parts:
            if missing := [piece for piece in pieces[layer] if piece not in names]:
                return f"{name} and {' and '.join(missing)} are one tensor, {_leaf(layer.name)}: name all or none"
        if not whole and not parts:
            kinds = {type(module).__name__ for path, module in model.named_modules() if _is_called(path, name)}
            return f"it has no linear layer named '{name}'" + (f", only a {kinds.pop()}" if kinds else "")
        chosen |= whole | parts
    return [layer for layer in layers if layer in chosen]


def _pieces(model: PreTrainedModel, layer: LinearLayer) -> tuple[str, ...]:
    """The names that the parts of a stacked tensor have in checkpoints: gate_proj and up_proj of gate_up_proj."""
    (value,) = (value for name, value in model.named_parameters() if name == layer.name)
    stored = as_stored(model, layer.name, torch.empty_like(value, device="meta"))
    leaves = [_leaf(name.removesuffix(".weight")) for name in stored]
    return tuple(dict.fromkeys(leaves)) if layer.part == "mlp" and layer.name not in stored else ()


def _is_called(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _check_tied(model: PreTrainedModel, chosen: Sequence[LinearLayer], *, where: str) -> None:
    """Raises ModelError for a layer that shares its weight with another one, which would change with it."""
    groups: dict[int, list[str]] = {}
    group_of = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        group_of[name] = groups.setdefault(id(parameter), [])
        group_of[name].append(name)
    for layer in chosen:
        other = next((name for name in group_of[layer.parameter] if name != layer.parameter), None)
        if other:
            raise ModelError(
                f"target_modules: {layer.name} shares its weights with {other.removesuffix('.weight')} (tied),"
                " so an adapter on one of them cannot be merged: it would change both",
                where=where,
                remedy=f"Leave {_leaf(layer.name)} out of `target_modules` under [train].",
            )


# ---------------------------------------------------------------- how PEFT is told


def _as_told_to_peft(
    model: PreTrainedModel, layers: Sequence[LinearLayer], chosen: Sequence[LinearLayer], wanted: str | Sequence[str]
) -> Targets:
    modules = {name: module for name, module in model.named_modules() if name}
    stacked = any(layer.tensor and layer.part == "mlp" for layer in layers)
    told = [layer for layer in chosen if layer.tensor or (stacked and _leaf(layer.name) in _RENAMED)]
    plain = [layer.name for layer in chosen if layer not in told]
    every = {name for name, module in modules.items() if isinstance(module, torch.nn.Linear | Conv1D)}
    head = {layer.name for layer in layers if layer.part == "outside"}
    if not told and not isinstance(wanted, str):
        names: list[str] | str = list(wanted)
    elif not told and wanted == "all-linear" and set(plain) == every - head:
        names = "all-linear"
    else:
        names = short_names(plain, modules)
    weights = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    return Targets(
        tuple(chosen),
        names,
        tuple(short_names([layer.parameter for layer in told], weights)),
        transposed=all(isinstance(modules.get(layer.name), Conv1D) for layer in chosen),
    )


def short_names(chosen: Sequence[str], everything: Collection[str]) -> list[str]:
    """The shortest ends of names that name all of `chosen` and nothing else, in order."""
    wanted = set(chosen)
    alone: dict[str, bool] = {}
    found: dict[str, None] = {}
    for name in chosen:
        parts = name.split(".")
        ends = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
        for end in ends:
            if end not in alone:
                alone[end] = all(path in wanted for path in everything if _is_called(path, end))
            if alone[end]:
                found[end] = None
                break
    return list(found)


def _shown(layers: Sequence[LinearLayer]) -> list[str]:
    """Names of layers for people: each once, without numbers of blocks and experts."""
    names = [layer.name.removesuffix(".weight") for layer in layers]
    ends = [[part for part in name.split(".") if part != ""] for name in names]
    tails: dict[tuple[str, ...], None] = {}
    for parts in ends:
        last = max((at for at, part in enumerate(parts) if part.isdecimal()), default=-1)
        tails[tuple(parts[last + 1 :])] = None
    leaves = [tail[-1] for tail in tails]
    return sorted({tail[-1] if leaves.count(tail[-1]) == 1 else ".".join(tail[-2:]) for tail in tails})


def _leaf(name: str) -> str:
    return name.rpartition(".")[-1]
