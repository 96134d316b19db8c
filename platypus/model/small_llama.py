"""A small Llama on the CPU, without transformers: planning starts sooner, and a pass has less overhead.

transformers takes seconds to import, and its modules' hooks and checks take longer than the arithmetic of a model with
a few million weights. `SmallLlama` computes the same logits from the same files, for planning only. It is chosen where
every key of config.json that changes the arithmetic is known here (`small_llama_in`); any other model is opened
through transformers.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from platypus.model.bases import WEIGHTS, end_ids

MOST_BYTES = 1 << 30  # weight files beyond this gain nothing
MANY = 512  # tokens of a pass from which several threads pay; beside another job they cost more than they give
# What these keys of config.json have to be, if they are there.
PLAIN: Mapping[str, Any] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "quantization_config": None,
    "rope_scaling": None,
    "transformers_weights": None,
    "auto_map": None,
}
# Classes of tokenizers that do what tokenizer.json says, and nothing else.
PLAIN_TOKENIZERS = ("TokenizersBackend", "PreTrainedTokenizerFast")
PLAIN_ROPE: tuple[dict[str, str], ...] = ({}, {"rope_type": "default"}, {"type": "default"})


class KeysAndValues(Protocol):
    """A cache: it stores the keys and values of the new tokens, and returns all of a layer."""

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Keys and values of one layer, each (1, heads, tokens, width)."""


@dataclass(frozen=True)
class SmallConfig:
    """A config.json, with the parts that are read of a config of transformers."""

    values: dict[str, Any]

    @property
    def vocab_size(self) -> int:
        """The number of tokens."""
        return int(self.values["vocab_size"])

    def get_text_config(self) -> "SmallConfig":
        """This config: there is no other modality."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """The keys and their values."""
        return self.values


@dataclass
class EndTokens:
    """The part of a generation config that planning reads."""

    eos_token_id: list[int]


class SmallLlama:
    """The model; it computes the logits of a chunk of tokens, and stores their keys and values in a cache."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = SmallConfig(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        values = self.config.values
        self._heads = int(values["num_attention_heads"])
        self._kv_heads = int(values.get("num_key_value_heads") or self._heads)
        self._width = int(values.get("head_dim") or values["hidden_size"] // self._heads)
        self._epsilon = float(values["rms_norm_eps"])
        self._frequencies = 1.0 / _rope_theta(values) ** (torch.arange(0, self._width, 2).float() / self._width)
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            self._read(file, tied=bool(values.get("tie_word_embeddings")))
        generation = _json(folder / "generation_config.json")
        self.generation_config = EndTokens(end_ids(values.get("eos_token_id"), generation.get("eos_token_id")))

    def _read(self, file: Any, *, tied: bool) -> None:
        def weight(name: str) -> Tensor:
            tensor: Tensor = file.get_tensor(name).to(torch.float32)
            return tensor

        self._embedding = weight("model.embed_tokens.weight")
        self._norm = weight("model.norm.weight")
        self._head = self._embedding if tied else weight("lm_head.weight")
        self._layers = [
            _Layer(
                weight(f"model.layers.{i}.input_layernorm.weight"),
                torch.cat([weight(f"model.layers.{i}.self_attn.{name}_proj.weight") for name in "qkv"]),
                weight(f"model.layers.{i}.self_attn.o_proj.weight"),
                weight(f"model.layers.{i}.post_attention_layernorm.weight"),
                torch.cat([weight(f"model.layers.{i}.mlp.{name}_proj.weight") for name in ("gate", "up")]),
                weight(f"model.layers.{i}.mlp.down_proj.weight"),
            )
            for i in range(self.config.values["num_hidden_layers"])
        ]

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Its weights, as they are joined here."""
        yield from (("embedding", self._embedding), ("norm", self._norm), ("head", self._head))
        for i, layer in enumerate(self._layers):
            yield from ((f"{i}.{name}", tensor) for name, tensor in layer.__dict__.items())

    def logits(
        self, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: KeysAndValues, wanted: Tensor
    ) -> Tensor:
        """The logits after the `wanted` tokens: (wanted, vocabulary). The mask is (1, 1, tokens, places) or causal.

        Ids and positions are (tokens,).
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(threads if len(ids) >= MANY else 1)
        try:
            return self._logits(ids, positions, mask, cache, wanted)
        finally:
            torch.set_num_threads(threads)

    def _logits(
        self, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: KeysAndValues, wanted: Tensor
    ) -> Tensor:
        states = functional.embedding(ids, self._embedding)
        cos, sin = self._rotations(positions)
        for i, layer in enumerate(self._layers):
            states = states + self._attention(layer, i, self._normal(states, layer.before), cos, sin, mask, cache)
            gate, up = functional.linear(self._normal(states, layer.between), layer.gate_up).chunk(2, dim=-1)
            states = states + functional.linear(functional.silu(gate) * up, layer.down)
        return functional.linear(self._normal(states[wanted], self._norm), self._head)

    def keys_and_values(self, ids: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of a text, per layer, each (1, heads, ids, width)."""
        kept = _Kept()
        self.logits(ids, torch.arange(len(ids)), None, kept, torch.tensor([len(ids) - 1]))
        return kept.layers

    def _attention(
        self,
        layer: "_Layer",
        number: int,
        states: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None,
        cache: KeysAndValues,
    ) -> Tensor:
        joined = functional.linear(states, layer.qkv).view(len(states), -1, self._width)
        turned = self._heads + self._kv_heads
        queries_keys = joined[:, :turned]
        first, second = queries_keys.chunk(2, dim=-1)
        queries_keys = queries_keys * cos + torch.cat([-second, first], dim=-1) * sin
        by_head = queries_keys.transpose(0, 1)[None]
        keys, values = cache.update(by_head[:, self._heads :], joined[:, turned:].transpose(0, 1)[None], number)
        found = functional.scaled_dot_product_attention(
            by_head[:, : self._heads],
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None,
            enable_gqa=self._heads != self._kv_heads,
        )
        return functional.linear(found[0].transpose(0, 1).reshape(len(states), -1), layer.output)

    def _normal(self, states: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(states, weight.shape, weight, self._epsilon)

    def _rotations(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of these positions, for all heads: (positions, 1, width)."""
        angles = torch.outer(positions.float(), self._frequencies).repeat(1, 2)[:, None]
        return angles.cos(), angles.sin()


@dataclass
class _Kept:
    """A cache of one text."""

    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Keep those of the next layer."""
        self.layers.append((key_states, value_states))
        return self.layers[layer_idx]


@dataclass(frozen=True)
class _Layer:
    """The weights of one layer; those that read the same states are joined."""

    before: Tensor
    qkv: Tensor
    output: Tensor
    between: Tensor
    gate_up: Tensor
    down: Tensor


def small_llama_in(folder: Path) -> bool:
    """Whether the folder has a model, with its tokenizer, that `SmallLlama` computes exactly."""
    config, weights = _json(folder / "config.json"), folder / WEIGHTS
    tokenizer = _json(folder / "tokenizer_config.json")
    rope = {key: value for key, value in (config.get("rope_parameters") or {}).items() if key != "rope_theta"}
    return (
        config.get("model_type") == "llama"
        and all(config.get(key, value) == value for key, value in PLAIN.items())
        and rope in PLAIN_ROPE
        and "max_position_embeddings" in config
        and weights.is_file()
        and weights.stat().st_size <= MOST_BYTES
        and (folder / "tokenizer.json").is_file()
        and tokenizer.get("tokenizer_class") in PLAIN_TOKENIZERS
        and not tokenizer.get("added_tokens_decoder")
        and not tokenizer.get("extra_special_tokens")
    )


def _rope_theta(config: Mapping[str, Any]) -> float:
    rope = config.get("rope_parameters") or {}
    return float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
