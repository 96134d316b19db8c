"""Does the merged model give the logits of base and adapter?

The reference is the base in full precision, even if it was quantised in training: a tolerance wide enough for
quantisation would accept a wrong merge. How far the merged model is from the model in training is only reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import kl_div

from platypus.errors import ModelError
from platypus.model.loading import Loaded
from platypus.prompt.prompt import NO_LABEL, EncodedExample


@dataclass(frozen=True)
class Agreement:
    """How close two models are on real examples."""

    error: float  # RMS difference of the logits, relative to the RMS of the reference's logits around their mean
    effect: float  # the same between the bare base and the base with its adapter
    same_token: float  # the share of positions at which both models predict the same token


@dataclass(frozen=True)
class Shift:
    """How far the merged model is from the adapter on the quantised base: means over answer tokens."""

    quantised_kl: float  # KL divergence of the merged model's next token from the trained one's, in nats
    quantised_same_token: float


def answer_logits(loaded: Loaded, examples: Sequence[EncodedExample]) -> torch.Tensor:
    """The logits that predict the answer tokens of all examples in order: float32, (tokens, vocabulary)."""
    model: Any = loaded.model
    device = "cpu" if loaded.device.type == "meta" else loaded.device  # weights that are read as they compute
    parts = []
    with torch.inference_mode():
        for example in examples:
            ids = torch.tensor([example.ids], device=device)
            count = len(example.ids) - example.prompt_length + 1
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=count).logits[0, :-1].float().cpu()
            learned = [label != NO_LABEL for label in example.labels[example.prompt_length :]]
            parts.append(logits[torch.tensor(learned, dtype=torch.bool)])
    return torch.cat(parts)


def compare(merged: torch.Tensor, adapted: torch.Tensor, bare: torch.Tensor) -> Agreement:
    """How close merged logits are to those of base and adapter, and how much the adapter changes at all."""
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
    """RMS of the difference over RMS of the reference. A constant added to a whole row does not count."""
    spread = reference - reference.mean(-1, keepdim=True)
    difference = logits - logits.mean(-1, keepdim=True) - spread
    return float(difference.norm() / spread.norm())


def check_agreement(agreement: Agreement, *, tolerance: float, dtype: str, model: Path) -> None:
    """Raises ModelError if the error exceeds the tolerance."""
    if agreement.error <= tolerance:
        return
    raise ModelError(
        f"the merged model does not give the logits of base and adapter: they are {agreement.error:.3g} off, "
        f"{dtype} allows {tolerance:.3g}, and the adapter's whole effect is {agreement.effect:.3g}",
        where=str(model),
        remedy='Set dtype = "float32" under [merge]; if that is refused too, please report it.',
    )
