"""LoRA adapters on disk: save, check and load them. A card says which base and prompts each belongs to.

PEFT takes seconds to import, and whoever reads a card does not need it.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from platypus.errors import ModelError
from platypus.model.bases import base_fingerprint
from platypus.model.loading import DType, Loaded, load_base
from platypus.plan.notation import Notation
from platypus.prompt.catalogue_text import Rendering
from platypus.prompt.conversations import Turns
from platypus.prompt.prompt import Prompt
from platypus.prompt.templates import Template
from platypus.run.settings import PromptSettings, Quantisation

ADAPTER_CARD = "platypus.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class AdapterCard:
    """What an adapter must be used with: the base it was trained on, and the settings of its prompts."""

    base: str
    base_fingerprint: str
    catalogue: str | None
    notation: Notation
    cutoff: int
    markers: bool = False
    quantisation: Quantisation = "none"
    template: Template = "alpaca"
    turns: Turns = "all"
    rendering: Rendering = "full"
    invocation: tuple[int, ...] = ()  # the tokens from which an activated adapter acts; () if it acts on all

    @classmethod
    def of(cls, loaded: Loaded, prompt: Prompt, *, quantisation: Quantisation = "none") -> "AdapterCard":
        """The card of an adapter that is trained on this base with these prompts."""
        return cls(
            base=loaded.source,
            base_fingerprint=loaded.fingerprint,
            catalogue=prompt.catalogue.fingerprint if prompt.catalogue else None,
            quantisation=quantisation,
            invocation=prompt.invocation,
            **{key: getattr(prompt, key) for key in PromptSettings.model_fields},
        )

    @property
    def prompt_settings(self) -> PromptSettings:
        """The settings of its prompts."""
        return PromptSettings(**{key: getattr(self, key) for key in PromptSettings.model_fields})

    def write(self, adapter: Path) -> None:
        """Save the card into the adapter's folder; the last four keys stand there only if they are not the default."""
        default = {"template": "alpaca", "turns": "all", "rendering": "full", "invocation": ()}
        card = {key: value for key, value in asdict(self).items() if value != default.get(key, ...)}
        (adapter / ADAPTER_CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def load_adapted(
    adapter: Path,
    *,
    base: str | None = None,
    dtype: DType = "auto",
    device: str = "auto",
    quantise: Quantisation | None = None,
) -> Loaded:
    """Load an adapter on the base it was trained on; `base` says where that base is now, if it was moved.

    The base is quantised as in training, unless `quantise` says otherwise. The adapter's weights stay float32. Raises
    ModelError if the base is a different one.
    """
    from peft import PeftModel

    card = read_card(adapter)
    source = base or card.base
    check_base(card, source, adapter=adapter)
    loaded = load_base(source, dtype=dtype, device=device, quantise=quantise or card.quantisation)
    model = PeftModel.from_pretrained(loaded.model, str(adapter), torch_device=str(loaded.device))
    return Loaded(model=model, tokenizer=loaded.tokenizer, source=str(adapter), fingerprint=card.base_fingerprint)


def load_together(adapters: Sequence[Path], *, base: str | None = None) -> list[Loaded]:
    """Load several adapters on one base, whose weights they share; `use_adapter` says which one computes.

    Raises ModelError if one of them was trained on another base, or on a base quantised in another way.
    """
    from peft import PeftModel

    first = load_adapted(adapters[0], base=base)
    model, kind = first.model, read_card(adapters[0]).quantisation
    assert isinstance(model, PeftModel)
    for number, adapter in enumerate(adapters[1:], start=1):
        card = read_card(adapter)
        check_base(card, base or card.base, adapter=adapter)
        if (card.base_fingerprint, card.quantisation) != (first.fingerprint, kind):
            raise ModelError(
                f"it does not have the base of {adapters[0]}, quantised in the same way",
                where=str(adapter),
                remedy="Load it with a base of its own.",
            )
        model.load_adapter(str(adapter), adapter_name=_name(number), torch_device=str(first.device))
    return [replace(first, source=str(adapter)) for adapter in adapters]


def use_adapter(loaded: Loaded, number: int) -> None:
    """Let this one of the adapters that were loaded together compute, if it is another one that does now."""
    from peft import PeftModel

    if isinstance(loaded.model, PeftModel) and loaded.model.active_adapter != _name(number):
        loaded.model.set_adapter(_name(number), inference_mode=True)


class Activation:
    """Lets an activated adapter act on all tokens of a call; a base and other adapters compute as they are.

    PEFT looks for the invocation among the tokens of each call, which is not there behind cached keys and values, and
    puts hooks around each layer for what it finds. Without them an activated adapter acts as any other.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._model: Any = loaded.model
        self._variants: list[dict[str, Any]] = []
        if hasattr(self._model, "get_base_model"):  # PEFT's, which is imported then
            layers: list[Any] = [part for part in self._model.modules() if hasattr(part, "lora_variant")]
            self._variants = [layer.lora_variant for layer in layers]

    @contextmanager
    def everywhere(self) -> Iterator[Any]:
        """The model to call in the block."""
        taken = []
        if self._variants:
            from peft.tuners.lora.variants import ALoraLinearVariant

            name = self._model.active_adapter
            activated = [part for part in self._variants if isinstance(part.get(name), ALoraLinearVariant)]
            taken = [(variants, variants.pop(name)) for variants in activated]
        try:
            yield self._model.get_base_model() if taken else self._model
        finally:
            for variants, variant in taken:
                variants[name] = variant


def without_activation(loaded: Loaded) -> Any:
    """The model to call so that an activated adapter acts on no token; a base and other adapters are as they are."""
    model: Any = loaded.model
    return getattr(model, "get_base_model", lambda: model)()


def _name(number: int) -> str:
    return f"adapter-{number}" if number else "default"


def read_card(adapter: Path) -> AdapterCard:
    """The card in an adapter's folder. Raises ModelError if there is none."""
    path = adapter / ADAPTER_CARD
    if not path.is_file():
        raise ModelError(
            f"the adapter has no {ADAPTER_CARD}, so its base is unknown",
            where=str(adapter),
            remedy="Train it with `platypus train`.",
        )
    card = AdapterCard(**json.loads(path.read_text(encoding="utf-8")))
    return replace(card, invocation=tuple(card.invocation))


def save_adapter(adapted: Loaded, adapter: Path, *, card: AdapterCard) -> None:
    """Save the adapter's weights, its PEFT config and its card into a new folder.

    With the card's invocation, PEFT opens it as activated LoRA.
    """
    from peft import get_peft_model_state_dict

    adapter.mkdir(parents=True)
    model: Any = adapted.model
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, adapter / ADAPTER_WEIGHTS)
    config = copy(model.peft_config["default"])
    config.alora_invocation_tokens = list(card.invocation) or None
    config.save_pretrained(str(adapter))
    card.write(adapter)


def check_adapter(adapter: Path) -> None:
    """Read a saved adapter again. Raises ModelError if it has no weights, or empty or non-finite ones."""
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    bad = [name for name, weight in weights.items() if weight.numel() == 0 or not weight.isfinite().all()]
    if bad or not weights:
        raise ModelError(
            f"{len(bad)} of the {len(weights)} saved weights are empty or not finite: {', '.join(bad[:3])}",
            where=str(adapter),
            remedy="Run again: platypus train RUN --force",
        )


def check_acts_everywhere(adapter: Path) -> None:
    """Raises ModelError for an activated adapter: no one weight can act on some tokens only, so it cannot be merged."""
    if not (adapter / ADAPTER_CARD).is_file() or not read_card(adapter).invocation:
        return
    raise ModelError(
        'its training left the tools to the base (prefix = "frozen"), so it acts only on what stands behind them: no'
        " single model does that",
        where=str(adapter),
        remedy="Serve base and adapter together, as plan, chat, evaluate and serve do without a merged model; or train"
        ' with the shared prefix: prefix = "auto" under [train].',
    )


def check_base(card: AdapterCard, source: str, *, adapter: Path) -> None:
    """Raises ModelError if `source` is not the base that the adapter was trained on."""
    actual = base_fingerprint(source)
    if actual != card.base_fingerprint:
        raise ModelError(
            f"the adapter was trained on another base: {card.base} ({card.base_fingerprint}), but {source} is {actual}",
            where=str(adapter),
            remedy="Name the base of the training in the recipe, or train again with `platypus train`.",
        )
