"""Base models on disk: find, download and fingerprint them.

A hub name is turned into a local folder first, and everything after that reads the folder: a local path never touches
the network. Only safetensors weights are read, and code that a model ships is never run.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from safetensors import safe_open

from platypus.errors import ModelError
from platypus.files import say_hub
from platypus.prompt.base_files import context_in, local_folder

WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model")  # config, tokenizer and index of a base on the hub
SAMPLES = 64  # about how many values of each tensor go into a fingerprint
# Keys of config.json that may change when the same weights are saved again. They are not part of a fingerprint.
INCIDENTAL = frozenset({"transformers_version", "dtype", "torch_dtype", "_name_or_path", "use_cache"})


def base_folder(source: str) -> Path:
    """The local folder of a base: "embedded", a path, or a hub name, which is downloaded. Raises ModelError."""
    folder = local_folder(source) or _download(source)
    if not (folder / "config.json").is_file():
        raise ModelError(
            "there is no config.json, so it is not a Hugging Face model",
            where=str(folder),
            remedy='Set `base` in the recipe to a folder that `save_pretrained` wrote, a hub name, or "embedded".',
        )
    if not weight_files(folder):
        others = sorted(path.name for path in folder.glob("*.safetensors"))
        raise ModelError(
            f"there are no .safetensors weights: transformers would load {WEIGHTS}, or what {WEIGHTS_INDEX} names"
            + (f", and there are only {', '.join(others[:3])}" if others else ""),
            where=str(folder),
            remedy="Save the model with `save_pretrained`.",
        )
    return folder


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model, sorted by name: those that transformers would load, and no others.

    These are model.safetensors, else the files that its index names, unless config.json names another file or index.
    Others may lie beside them: an adapter, or the same weights in another format (Mistral's consolidated.safetensors).
    Raises ModelError if a file that the index names is missing.
    """
    config = folder / "config.json"
    named = json.loads(config.read_text(encoding="utf-8")).get("transformers_weights") if config.is_file() else None
    whole, index = folder / (named or WEIGHTS), folder / (named or WEIGHTS_INDEX)
    if whole.is_file() and not whole.name.endswith(".index.json"):
        return (whole,)
    if not index.is_file():
        return ()
    files = sorted({folder / name for name in _indexed(index)})
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise ModelError(
            f"{len(missing)} of the {len(files)} files that its index names are missing, the first: {missing[0]}",
            where=str(index),
            remedy="Copy or download them again.",
        )
    return tuple(files)


def _indexed(index: Path) -> set[str]:
    """The files that an index names."""
    return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())


def base_fingerprint(source: str) -> str:
    """16 hex digits that identify a base: its config, and name, shape and sampled values of every stored tensor.

    It reads the files, so it does not depend on how a model is loaded, and takes a second even for large models.
    """
    folder = base_folder(source)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    relevant = {key: value for key, value in config.items() if key not in INCIDENTAL}
    digest = hashlib.sha256(json.dumps(relevant, sort_keys=True).encode())
    for file in weight_files(folder):
        with safe_open(file, framework="pt") as tensors:
            names = sorted(tensors.keys())
        for name in names:
            with safe_open(file, framework="pt") as tensors:  # anew, since pages of a mapped file stay in memory
                tensor = tensors.get_tensor(name)
                digest.update(f"{name}{tuple(tensor.shape)}".encode())
                stride = max(1, tensor.numel() // SAMPLES)
                digest.update(tensor.flatten()[::stride].to(torch.float64).numpy().tobytes())
    return digest.hexdigest()[:16]


def _download(source: str) -> Path:
    """Download a hub model's config, tokenizer and safetensors, and return their folder. Raises ModelError."""
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
    say_hub(source)
    try:
        folder = _snapshot(source, [*SMALL_FILES, WEIGHTS])
        index = folder / WEIGHTS_INDEX
        if not (folder / WEIGHTS).is_file() and index.is_file():
            folder = _snapshot(source, [*SMALL_FILES, *sorted(_indexed(index))])
        return folder
    except (OSError, HFValidationError) as error:
        raise ModelError(
            f"the base doesn't exist: there is no such folder, and it could not be downloaded ({error})",
            where=source,
            remedy="Check its name and the connection. A gated model needs its licence accepted and `hf auth login`.",
        ) from error


def _snapshot(source: str, patterns: list[str]) -> Path:
    return Path(snapshot_download(source, allow_patterns=patterns, ignore_patterns=["original/*"]))


def context_length(config: Any) -> int | None:
    """The context length that a config gives; None if it gives none."""
    return context_in(config.get_text_config().to_dict())


def end_ids(*values: int | list[int] | None) -> list[int]:
    """The ids of end tokens, each once, from values that hold one, several or none."""
    lists = (value if isinstance(value, list) else [] if value is None else [value] for value in values)
    return list(dict.fromkeys(token for ids in lists for token in ids))
