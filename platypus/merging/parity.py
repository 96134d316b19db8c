"""Does the merged model give the logits of base and adapter?

The reference is the base in full precision, whatever it was quantised to in training: a tolerance wide enough for
quantisation would let a wrong merge pass. How far the merged model is from what was trained is reported beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import kl_div

from platypus.errors import ModelError
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample


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


def answer_logits(loaded: Loaded, examples: Sequence[EncodedExample]) -> torch.Tensor:
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


def _same_token(logits: torch.Tensor, reference: torch.Tensor) -> float:
    return float((logits.argmax(-1) == reference.argmax(-1)).float().mean())


def _distance(logits: torch.Tensor, reference: torch.Tensor) -> float:
    """The root mean square of the difference over that of the reference; only differences within a row count."""
    spread = reference - reference.mean(-1, keepdim=True)
    difference = logits - logits.mean(-1, keepdim=True) - spread
    return float(difference.norm() / spread.norm())


def check_agreement(agreement: Agreement, *, tolerance: float, dtype: str, model: Path) -> None:
    """Raises ModelError when merged logits are further off than the tolerance."""
    if agreement.error <= tolerance:
        return
    raise ModelError(
        f"the merged model does not say what base and adapter say: its logits are {agreement.error:.3g} off, "
        f"{dtype} allows {tolerance:.3g}, and the adapter's whole effect is {agreement.effect:.3g}",
        where=str(model),
        remedy='Set dtype = "float32" under [merge]; if that is refused too, please report it.',
    )
