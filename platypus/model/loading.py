"""Language models from disk or hub: a base, a base with its adapter, a merged model; and greedy text from them.

A hub name is turned into a local folder first, and everything after that reads the folder: a local path never touches
the network. Knows tokens and texts, not plans. Weights are read from safetensors only, and code that a model ships is
never run.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from platypus.errors import ModelError, PromptError
from platypus.model.quantisation import keep_gradients, quantisation_config
from platypus.plan.notation import Notation
from platypus.run.settings import Quantisation

disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for each file that is read tells nobody anything
# transformers warns of its own attribute, which PEFT still asks for.
warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated", category=FutureWarning)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ADAPTER_CARD = "platypus.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
READ = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model")
SAMPLES = 64  # values of each tensor that go into a fingerprint
# What saving the same weights again may change in config.json: not part of what the model is.
INCIDENTAL = frozenset({"transformers_version", "dtype", "torch_dtype", "_name_or_path", "use_cache"})
# Tokens that vocabularies reserve and no text contains, in the order in which they are taken for padding.
SPARE_TOKENS = ("<pad>", "<|finetune_right_pad_id|>", "<|pad|>", "[PAD]", "<|reserved_special_token_0|>")

DType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer, ready to answer: `source` as the recipe names it, `fingerprint` of its base."""

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    fingerprint: str

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    @property
    def context(self) -> int:
        """The most tokens, prompt and answer together, that the model was made for."""
        return int(self.model.config.max_position_embeddings)

    @property
    def vocabulary(self) -> int:
        """How many logits the model gives; a few more than the tokenizer has tokens, for some."""
        return int(self.model.config.vocab_size)

    @property
    def end_tokens(self) -> frozenset[int]:
        """The ids of the tokens that end an answer."""
        return frozenset(_as_list(self.model.generation_config.eos_token_id))


@dataclass(frozen=True)
class AdapterCard:
    """What an adapter must be used with: the base it was trained on, and how its prompts look."""

    base: str
    base_fingerprint: str
    catalogue: str | None
    notation: Notation
    cutoff: int
    markers: bool = False
    quantisation: Quantisation = "none"

    def write(self, adapter: Path) -> None:
        """Save the card into the adapter's folder."""
        (adapter / ADAPTER_CARD).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Completion:
    """What a model said: its text without special tokens, its length, and whether it ended by itself."""

    text: str
    tokens: int
    finished: bool


def base_folder(source: str) -> Path:
    """The local folder of a base: "embedded", a path, or a hub name, which is downloaded. Raises ModelError."""
    folder = Path(str(files("platypus") / "embedded")) if source == "embedded" else Path(source).expanduser()
    if not folder.is_dir():
        folder = _downloaded(source)
    if not (folder / "config.json").is_file():
        raise ModelError("there is no config.json, so it is not a Hugging Face model", where=str(folder))
    if not weight_files(folder):
        raise ModelError(
            "there are no .safetensors weights", where=str(folder), remedy="Save the model as safetensors first."
        )
    return folder


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model, in order of name; an adapter beside them does not count."""
    return tuple(sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("adapter_")))


def base_fingerprint(source: str) -> str:
    """16 hex digits that tell bases apart: config, and name, shape, and sampled values of every stored tensor.

    It reads the files, so it does not depend on how a model is loaded, and takes a second even for large models.
    """
    folder = base_folder(source)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = {key: value for key, value in config.items() if key not in INCIDENTAL}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    for file in weight_files(folder):
        with safe_open(file, framework="pt") as tensors:
            for name in sorted(tensors.keys()):
                tensor = tensors.get_tensor(name)
                digest.update(f"{name}{tuple(tensor.shape)}".encode())
                stride = max(1, tensor.numel() // SAMPLES)
                digest.update(tensor.flatten()[::stride].to(torch.float64).numpy().tobytes())
    return digest.hexdigest()[:16]


def load_base(source: str, *, dtype: DType = "auto", device: str = "auto", quantise: Quantisation = "none") -> Loaded:
    """Open a base model. dtype "auto" is bfloat16 on CUDA, else float32. Raises ModelError with the remedy.

    `device` is one, "balanced" for layers spread over all of this host, or "meta" for a model without its weights.
    `quantise` makes its linear layers smaller as they are read, but for the output layer.
    """
    folder = base_folder(source)
    spread = device == "balanced"
    where = torch.device(best_device() if spread or device == "auto" else device)
    number = DTYPES[("bfloat16" if where.type == "cuda" else "float32") if dtype == "auto" else dtype]
    smaller = quantisation_config(quantise, dtype=number, where=source)
    try:
        config = AutoConfig.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=number,
            use_safetensors=True,
            device_map="balanced" if spread else str(where),
            quantization_config=smaller,
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"it cannot be opened as a causal language model: {error}",
            where=str(folder),
            remedy="It needs an architecture that the installed transformers knows, weights and a tokenizer.",
        ) from error
    if quantise == "nf4":
        keep_gradients(model)
    set_padding(tokenizer)
    model.generation_config = greedy_generation(model.config, model.generation_config, tokenizer)
    return Loaded(model=model, tokenizer=tokenizer, source=source, fingerprint=base_fingerprint(source))


def load_adapted(
    adapter: Path,
    *,
    base: str | None = None,
    dtype: DType = "auto",
    device: str = "auto",
    quantise: Quantisation | None = None,
) -> Loaded:
    """Open an adapter on the base it was trained on; `base` says where that base lies now, if it was moved.

    The base is quantised as in the training, unless `quantise` says otherwise. The adapter's weights stay float32.
    Raises ModelError when the base is another one.
    """
    card = read_card(adapter)
    source = base or card.base
    check_base(card, source, adapter=adapter)
    loaded = load_base(source, dtype=dtype, device=device, quantise=quantise or card.quantisation)
    model = PeftModel.from_pretrained(loaded.model, str(adapter), torch_device=str(loaded.device))
    return Loaded(model=model, tokenizer=loaded.tokenizer, source=str(adapter), fingerprint=card.base_fingerprint)


def load_merged(folder: Path, *, dtype: DType = "auto", device: str = "auto") -> Loaded:
    """Open a merged model."""
    return load_base(str(folder), dtype=dtype, device=device)


def read_card(adapter: Path) -> AdapterCard:
    """What an adapter's folder says of its base and prompts. Raises ModelError when it says nothing."""
    path = adapter / ADAPTER_CARD
    if not path.is_file():
        raise ModelError(
            f"the adapter has no {ADAPTER_CARD}, so its base is unknown",
            where=str(adapter),
            remedy="Train it with `platypus train`.",
        )
    return AdapterCard(**json.loads(path.read_text(encoding="utf-8")))


def save_adapter(adapted: Loaded, adapter: Path, *, card: AdapterCard) -> None:
    """Save the adapter's weights, its PEFT config and its card into a new folder."""
    adapter.mkdir(parents=True)
    model: Any = adapted.model
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, adapter / ADAPTER_WEIGHTS)
    model.peft_config["default"].save_pretrained(str(adapter))
    card.write(adapter)


def check_adapter(adapter: Path) -> None:
    """Read a saved adapter again. Raises ModelError when it has no weights, or empty or infinite ones."""
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    spoilt = [name for name, weight in weights.items() if weight.numel() == 0 or not weight.isfinite().all()]
    if spoilt or not weights:
        raise ModelError(
            f"{len(spoilt)} of the {len(weights)} saved weights are empty or not finite: {', '.join(spoilt[:3])}",
            where=str(adapter),
            remedy="Run again: platypus train RUN --force",
        )


def check_base(card: AdapterCard, source: str, *, adapter: Path) -> None:
    """Raises ModelError when `source` is not the base that the adapter was trained on."""
    found = base_fingerprint(source)
    if found != card.base_fingerprint:
        raise ModelError(
            f"the adapter was trained on another base: {card.base} ({card.base_fingerprint}), but {source} is {found}",
            where=str(adapter),
            remedy="Name the base of the training in the recipe, or train again with `platypus train`.",
        )


def set_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give the tokenizer a padding token that is not its EOS, without a new entry in the vocabulary.

    A model whose padding is EOS learns never to stop. Padding is always masked, so any other token will do: the
    tokenizer's own, a spare one, the unknown token (as LLaMA 2 is trained), BOS. Raises ModelError when there is none.
    """
    if tokenizer.eos_token is None:
        raise ModelError(
            "the tokenizer has no EOS token, so no answer would ever end",
            where=str(tokenizer.name_or_path),
            remedy="Set `eos_token` in its tokenizer_config.json.",
        )
    vocabulary = tokenizer.get_vocab()
    spare = [token for token in SPARE_TOKENS if token in vocabulary]
    for token in (tokenizer.pad_token, *spare, tokenizer.unk_token, tokenizer.bos_token):
        if token is not None and token != tokenizer.eos_token:
            tokenizer.pad_token = token
            return
    raise ModelError(
        "the tokenizer has no token for padding but EOS",
        where=str(tokenizer.name_or_path),
        remedy="Set `pad_token` in its tokenizer_config.json to a token that no text contains.",
    )


def greedy_generation(
    config: PretrainedConfig, generation: GenerationConfig, tokenizer: PreTrainedTokenizerBase
) -> GenerationConfig:
    """Generation that agrees with the tokenizer: greedy, ended by its EOS or the base's other end tokens."""
    others = [*_as_list(config.eos_token_id), *_as_list(generation.eos_token_id)]
    ends = list(dict.fromkeys([tokenizer.eos_token_id, *others]))
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=tokenizer.pad_token_id,
    )


def complete(
    loaded: Loaded,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    seconds: float | None = None,
) -> Iterator[Completion]:
    """The greedy answer to each prompt, in order; prompts of a batch are padded on the left.

    An answer ends at the context's end at the latest, and when its batch has taken so many seconds. Raises PromptError
    for a prompt that fills the context.
    """
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]
        longest = max(len(prompt) for prompt in batch)
        limit = min(max_new_tokens, _room(loaded, longest))
        pad = loaded.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in batch])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in batch])
        with torch.inference_mode():
            output = loaded.model.generate(  # type: ignore[operator]
                input_ids=ids.to(loaded.device),
                attention_mask=mask.to(loaded.device),
                max_new_tokens=limit,
                max_time=seconds,
            )
        for row in output[:, longest:].tolist():
            yield _completion(loaded, row)


def stream(loaded: Loaded, prompt: Sequence[int], *, max_new_tokens: int) -> Iterator[str]:
    """The greedy answer to one prompt, piece by piece as it is made."""
    ids = torch.tensor([list(prompt)], device=loaded.device)
    cache = None
    said: list[int] = []
    shown = ""
    for _ in range(min(max_new_tokens, _room(loaded, len(prompt)))):
        with torch.inference_mode():
            output = loaded.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        ids = output.logits[:, -1:].argmax(dim=-1)
        if ids.item() in loaded.end_tokens:
            break
        said.append(int(ids.item()))
        text = _decode(loaded, said)
        if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # a character whose last bytes are still to come
            yield text[len(shown) :]
            shown = text
    yield _decode(loaded, said)[len(shown) :]


def _completion(loaded: Loaded, row: Sequence[int]) -> Completion:
    """The answer in a row of generated ids, which is padded after its end."""
    end = next((at for at, token in enumerate(row) if token in loaded.end_tokens), None)
    said = row if end is None else row[:end]
    return Completion(text=_decode(loaded, said), tokens=len(said) + (end is not None), finished=end is not None)


def _decode(loaded: Loaded, ids: Sequence[int]) -> str:
    return str(loaded.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _room(loaded: Loaded, length: int) -> int:
    """How many tokens fit after a prompt of `length`."""
    if length >= loaded.context:
        raise PromptError(
            f"the prompt has {length} tokens, but the model's context is {loaded.context}",
            where=loaded.source,
            remedy="Use a smaller catalogue, a shorter request, or a base with a longer context.",
        )
    return loaded.context - length


def best_device() -> str:
    """The kind of device to compute on."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _as_list(value: int | list[int] | None) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _downloaded(source: str) -> Path:
    """The local copy of a hub model's config, tokenizer and safetensors. Raises ModelError with the remedy."""
    if source == "embedded":
        raise ModelError(
            "this installation has no embedded base",
            where='base = "embedded"',
            remedy="Make it with `platypus base`, or name a folder or a hub model as `base`.",
        )
    if source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise ModelError(
            "the base doesn't exist: there is no such folder, and it is not a hub name (owner/name)",
            where=source,
            remedy='Set `base` in the recipe to "embedded", a folder with a Hugging Face model, or a hub name.',
        )
    try:
        return Path(snapshot_download(source, allow_patterns=list(READ), ignore_patterns=["original/*"]))
    except (OSError, HFValidationError) as error:
        raise ModelError(
            f"the base doesn't exist: there is no such folder, and the hub did not give it ({error})",
            where=source,
            remedy="Check its name and the connection. A gated model needs its licence accepted and `hf auth login`.",
        ) from error
