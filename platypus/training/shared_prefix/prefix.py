"""A prefix that the examples of a step have in common, computed once, with exact gradients.

    prefix pass       P tokens, once: each layer's keys and values are kept with their graph, and detached as leaves
    suffix passes     some rows side by side: each sees the leaves and, causally, itself; backward fills the leaves
    backward          one backward pass through the prefix, with the gradients collected in the leaves

One non-causal flash call computes the attention of all rows to the prefix. It is merged with each row's own causal call
by log-sum-exp, forward and backward, so no T by T mask exists and no key is copied. Where flash attention is impossible
(an active sliding window, soft-capped scores), a dense mask is used instead, layer by layer. Unmodified transformers
models use this through the attention interface; a call without a `ForwardPass` is an ordinary one. Knows nothing of
losses.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from peft import PeftModel
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from platypus.prompt.prompt import NO_LABEL, EncodedExample
from platypus.training.shared_prefix.attention import flash_attention

FLASH = "shared_prefix"  # a model's `attn_implementation`
DENSE = "shared_prefix_dense"  # the same without flash kernels
VERIFIED = ("gemma", "gemma2", "llama", "mistral", "qwen2", "qwen3")  # model types whose gradients a test compares
NO_MASK = torch.empty(1, 1, 1, 1)  # transformers passes a 4-D mask through unchanged and builds none itself


class KeyValue(NamedTuple):
    """Keys and values of one layer, each (1, key heads, tokens, width)."""

    key: torch.Tensor
    value: torch.Tensor


class SharedPrefix:
    """Keys and values of a prefix for each layer: `computed` with their graph, `leaves` detached from it.

    Not a dataclass, as FSDP copies dataclasses on their way into a layer.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.computed: dict[int, KeyValue] = {}
        self.leaves: dict[int, KeyValue] = {}
        self.end: list[torch.Tensor] = []  # the logits of its pass: empty, but with their graph

    def detach(self) -> None:
        """Make the leaves, in which the gradients of all suffixes add up."""
        for layer, pair in self.computed.items():
            self.leaves[layer] = KeyValue(*(part.detach().requires_grad_(part.requires_grad) for part in pair))

    def backward(self) -> None:
        """Propagate the leaves' gradients through the prefix. Layers below the lowest adapter have none.

        It also starts from the prefix's logits, so that hooks that wait for a layer's backward pass (FSDP's) run for
        the last layer too.
        """
        pairs = [
            (part, leaf.grad)
            for layer in self.computed
            for part, leaf in zip(self.computed[layer], self.leaves[layer], strict=True)
            if leaf.grad is not None
        ]
        if pairs:
            pairs += [(end, torch.zeros_like(end)) for end in self.end if end.requires_grad]
            torch.autograd.backward([part for part, _ in pairs], [gradient for _, gradient in pairs])


@dataclass(frozen=True)
class ForwardPass:
    """One call of the model with T tokens: rows side by side behind a prefix, or (`fills`) the prefix itself."""

    ids: torch.Tensor  # (1, T)
    positions: torch.Tensor  # (1, T)
    lengths: tuple[int, ...]  # of the rows
    predicting: torch.Tensor  # (A,) the positions whose next token is predicted
    prefix: SharedPrefix | None = None
    fills: bool = False
    masks: dict[tuple[int | None, torch.device], torch.Tensor] = field(default_factory=dict)  # shared by all layers

    def logits(self, model: Any) -> torch.Tensor:
        """The model's logits at the predicting positions, (A, vocabulary)."""
        device = model.device
        output = model(
            input_ids=self.ids.to(device),
            position_ids=self.positions.to(device),
            attention_mask=NO_MASK.to(device),
            logits_to_keep=self.predicting.to(device),
            use_cache=False,
            shared=self,
        )
        logits: torch.Tensor = output.logits[0]
        if self.fills and self.prefix:
            self.prefix.end.append(logits)
        return logits

    def allowed(self, window: int | None, device: torch.device) -> torch.Tensor:
        """Which keys each query sees, (T, prefix + T): the prefix and, causally, its own row, within a window."""
        if (window, device) not in self.masks:
            row = torch.repeat_interleave(torch.arange(len(self.lengths)), torch.tensor(self.lengths))
            before = 0 if self.prefix is None or self.fills else self.prefix.length
            key_row = torch.cat((torch.full((before,), -1), row))
            key_at = torch.cat((torch.arange(before), self.positions[0]))
            distance = self.positions[0][:, None] - key_at
            visible = (distance >= 0) & ((key_row == -1) | (key_row == row[:, None]))
            visible = visible if window is None else visible & (distance < window)
            self.masks[window, device] = visible.to(device)
        return self.masks[window, device]

    @contextmanager
    def spare_last_layer(self, model: PreTrainedModel | PeftModel) -> Iterator[None]:
        """In the block, everything behind the last layer's attention is computed for the predicting positions only.

        The backward pass must be in the block too: under gradient checkpointing it computes the layer again.
        """
        last: Any = inner_model(model).layers[-1]  # type: ignore[index]

        def take(module: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (inputs[0][:, self.predicting.to(inputs[0].device)],)

        def put_back(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            full = output.new_zeros(1, self.ids.shape[1], output.shape[-1])
            return full.index_copy(1, self.predicting.to(output.device), output)

        hooks = [module.register_forward_pre_hook(take) for module in (last.self_attn.o_proj, last.mlp)]
        hooks += [module.register_forward_hook(put_back) for module in (last.self_attn.o_proj, last.mlp)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


class PrefixSupport(NamedTuple):
    """How a model shares prefixes: the attention implementation to set, or None if it does not, and the reason."""

    attention: str | None
    reason: str


def prefix_support(
    model: PreTrainedModel | PeftModel,
    *,
    device: torch.device,
    wanted: Literal["auto", "flash", "dense", "repeated", "frozen"] = "auto",
) -> PrefixSupport:
    """How this model shares prefixes on a device. On CUDA, flash kernels are not verified, so dense is the default."""
    config: Any = model.config
    if wanted == "repeated":
        return PrefixSupport(None, "as the recipe says")
    if config.model_type not in VERIFIED:
        return PrefixSupport(None, f"{config.model_type} models are not verified")
    if getattr(config, "attention_dropout", 0.0):
        return PrefixSupport(None, "its attention has dropout")
    if wanted == "dense":
        return PrefixSupport(DENSE, "a dense mask, as the recipe says")
    if wanted in ("auto", "frozen") and device.type == "cuda":
        return PrefixSupport(DENSE, "a dense mask: the flash kernels for CUDA are not verified")
    if getattr(config, "attn_logit_softcapping", None):
        return PrefixSupport(FLASH, "a dense mask, as its scores are soft-capped")
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return PrefixSupport(
            FLASH, f"flash attention; a dense mask where rows exceed the window of {config.sliding_window}"
        )
    return PrefixSupport(FLASH, "flash attention")


def inner_model(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The decoder without head and adapter, which holds the layers."""
    whole: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    inner: PreTrainedModel = whole.base_model
    return inner


def common_prefix(rows: Sequence[EncodedExample]) -> int:
    """The length of the longest prefix of all rows that ends before the last token of the shortest prompt."""
    limit = max(0, min(row.prompt_length for row in rows) - 1)
    first, last = min(row.ids for row in rows), max(row.ids for row in rows)
    return next((i for i in range(limit) if first[i] != last[i]), limit)


def prefix_pass(ids: Sequence[int]) -> ForwardPass:
    """The pass over a prefix. It predicts nothing: the last layer computes keys and values only."""
    positions = torch.arange(len(ids))[None]
    no_positions = torch.empty(0, dtype=torch.long)
    return ForwardPass(torch.tensor([[*ids]]), positions, (len(ids),), no_positions, SharedPrefix(len(ids)), fills=True)


class Suffixes(NamedTuple):
    """One pass over what rows have behind their prefix, and the tokens to be learned there."""

    forward: ForwardPass
    targets: torch.Tensor  # (A,) the tokens to predict


def suffix_pass(rows: Sequence[EncodedExample], prefix: SharedPrefix | None) -> Suffixes:
    """The pass over the rows side by side behind their prefix; without a prefix, over whole rows."""
    shared = prefix.length if prefix else 0
    ids: list[int] = []
    positions: list[int] = []
    predicting: list[int] = []
    targets: list[int] = []
    for row in rows:
        labels = row.labels
        places = [i for i in range(shared, len(row.ids) - 1) if labels[i + 1] != NO_LABEL]
        predicting += [len(ids) + i - shared for i in places]
        targets += [row.ids[i + 1] for i in places]
        ids += row.ids[shared:]
        positions += range(shared, len(row.ids))
    lengths = tuple(len(row.ids) - shared for row in rows)
    numbers = torch.tensor(predicting, dtype=torch.long)
    return Suffixes(
        ForwardPass(torch.tensor([ids]), torch.tensor([positions]), lengths, numbers, prefix),
        torch.tensor(targets, dtype=torch.long),
    )


# ---------------------------------------------------------------- what transformers calls in each layer


def shared_prefix_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    shared: ForwardPass | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    flash: bool = True,
    **others: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attention of one layer, as transformers calls it; `shared` comes from the call of the model."""
    if shared is None and softcap is None:
        result: tuple[torch.Tensor, torch.Tensor | None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
        return result
    if shared is None:
        output = _dense(query, key, value, attention_mask, scale=scaling, softcap=softcap)
        return output.transpose(1, 2).contiguous(), None
    before: KeyValue | None = None
    if shared.prefix and shared.fills:
        shared.prefix.computed.setdefault(module.layer_idx, KeyValue(key, value))  # the first ones stay
        if module.layer_idx == module.config.num_hidden_layers - 1:
            return torch.zeros_like(query).transpose(1, 2), None
    elif shared.prefix:
        before = shared.prefix.leaves[module.layer_idx]
    window = sliding_window if sliding_window and sliding_window <= int(shared.positions.max()) else None
    if flash and window is None and softcap is None:
        output = flash_attention(query, key, value, before, lengths=shared.lengths, scale=scaling)
    else:
        allowed = shared.allowed(window, query.device)
        keys, values = (
            (torch.cat(pair, 2) for pair in zip(before, (key, value), strict=True)) if before else (key, value)
        )
        output = _dense(query, keys, values, allowed, scale=scaling, softcap=softcap)
    return output.transpose(1, 2).contiguous(), None


def _dense(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    allowed: torch.Tensor | None,
    *,
    scale: float | None,
    softcap: float | None,
) -> torch.Tensor:
    """Attention with a mask; without one, it is causal. Soft-capped scores (Gemma 2) use plain operations."""
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=allowed, scale=scale)
    if allowed is None:
        allowed = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device)
        allowed = allowed.tril(key.shape[2] - query.shape[2])
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = softcap * torch.tanh(query @ key.transpose(2, 3) * scale / softcap)
    scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)  # not -inf, as padding has no visible key
    return scores.softmax(-1, dtype=torch.promote_types(query.dtype, torch.float32)).to(query.dtype) @ value


for _name, _flash in ((FLASH, True), (DENSE, False)):
    AttentionInterface.register(_name, partial(shared_prefix_attention, flash=_flash))
    AttentionMaskInterface.register(_name, sdpa_mask)  # for ordinary calls (evaluation, generation)
