"""A merged model's Hugging Face folder again: as it is, in shards of another size, or in 8 or 4 bits.

In other shards it is written tensor by tensor, and goes on after a kill. Knows no prompts.
"""

import hashlib
import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.filesize import decimal

from platypus.errors import ModelError, RunError
from platypus.exporting.targets import BitsOf
from platypus.merging.shards import INDEX, NAMES, write_shards
from platypus.model.bases import weight_files
from platypus.model.quantisation import quantisation_config
from platypus.model.stored_weights import StoredWeights
from platypus.run.provenance import IN_HEADER, PROVENANCE, header_of, write_provenance

CONFIG = "config.json"
OF_NAME = {name: dtype for dtype, name in NAMES.items()}


def copy_model(model: Path, folder: Path, *, shard_size: str | None = None) -> dict[str, Any]:
    """Write the model's folder to `folder`, with weights of `shard_size` ("2GB") a file, else in the same files.

    Returns the number of weight files and their bytes. Raises ModelError or RunError if there is no room.
    """
    folder.mkdir(exist_ok=True)
    weights = weight_files(model)
    own = {file.name for file in weights} | {INDEX}
    for path in model.iterdir():
        if path.name not in own:
            shutil.copyfile(path, folder / path.name)
    if shard_size is None:
        for file in weights:
            (folder / file.name).unlink(missing_ok=True)  # of a copy that was stopped
        _check_room(folder, sum(file.stat().st_size for file in weights))
        for file in (*weights, model / INDEX):
            if file.is_file():
                shutil.copyfile(file, folder / file.name)
        return {"shards": len(weights), "model_bytes": sum(file.stat().st_size for file in weights)}
    stored = StoredWeights.of(model)
    empty = {
        name: torch.empty(shape, dtype=OF_NAME[stored.dtypes[name]], device="meta")
        for name, shape in stored.shapes.items()
    }
    facts = header_of(weights[0])
    written = write_shards(
        folder,
        empty,
        stored.tensor,
        max_shard_size=shard_size,
        key=_key(weights, shard_size),
        metadata={IN_HEADER: json.dumps(facts)} if facts else {},
    )
    if (folder / PROVENANCE).is_file():
        known = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        write_provenance(folder, {**known, "files": written.files})
    return {"shards": len(written.files), "model_bytes": written.size}


def check_quantisation(kind: BitsOf) -> None:
    """Raise ModelError if the package that quantises is missing."""
    if kind == "torchao-int8":
        if find_spec("torchao") is None:
            raise ModelError(
                "--quantise torchao-int8 needs the package `torchao`", remedy="pip install 'platypus-llm[torchao]'"
            )
    else:
        quantisation_config(kind, dtype=torch.bfloat16, where="--quantise")


def quantise_model(model: Path, folder: Path, kind: BitsOf, *, shard_size: str | None = None) -> dict[str, Any]:
    """Write the model's folder with linear layers in 8 or 4 bits, as transformers, vLLM and SGLang read it.

    The whole model is in memory. Returns the number of weight files and their bytes.
    """
    from transformers import AutoModelForCausalLM

    settings = _quantisation(kind, model)
    opened: Any = AutoModelForCausalLM.from_pretrained(
        model, dtype="auto", quantization_config=settings, device_map="cpu"
    )
    weights = {file.name for file in weight_files(model)} | {INDEX, PROVENANCE}
    folder.mkdir(exist_ok=True)
    for path in model.iterdir():
        if path.name not in weights:
            shutil.copyfile(path, folder / path.name)
    opened.save_pretrained(folder, **({"max_shard_size": shard_size} if shard_size else {}))
    before, after = (json.loads((place / CONFIG).read_text(encoding="utf-8")) for place in (model, folder))
    config = json.dumps({**before, **after}, indent=2)  # with the spellings of earlier releases
    (folder / CONFIG).write_text(config + "\n", encoding="utf-8")
    files = weight_files(folder)
    return {"shards": len(files), "model_bytes": sum(file.stat().st_size for file in files)}


def _quantisation(kind: BitsOf, model: Path) -> Any:
    if kind != "torchao-int8":
        dtype = json.loads((model / CONFIG).read_text(encoding="utf-8"))["dtype"]
        settings: Any = quantisation_config(kind, dtype=getattr(torch, dtype), where="--quantise")
        settings.bnb_4bit_quant_storage = torch.uint8  # vLLM reads no other
        return settings
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    return TorchAoConfig(Int8WeightOnlyConfig())


def _key(weights: tuple[Path, ...], shard_size: str) -> str:
    """What decides the values of the shards: the weight files, by size and time, and the size of a shard."""
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in weights]
    return hashlib.sha256(json.dumps([facts, shard_size]).encode()).hexdigest()


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RunError(
            f"the model needs {decimal(needed)}, and {decimal(free)} are free", where=str(folder), remedy="Make room."
        )
