"""Write a base with the changes of one or several sources in it, tensor by tensor, from its files into new ones.

A change is computed in float32 and rounded once, to the dtype that is wanted. In memory are one tensor of the base,
what becomes of it, and the adapters.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from platypus.errors import ModelError
from platypus.merging.methods import METHODS, drawn, merge, merge_in_core_space, whole
from platypus.merging.shards import WrittenShards, write_shards
from platypus.merging.sources import FLOATS, Source
from platypus.model.loading import DTYPES
from platypus.model.stored_weights import StoredWeights
from platypus.run.provenance import IN_HEADER

CHECKED = 1 << 20  # values that are looked at together


@dataclass(frozen=True)
class LayerWeights:
    """The weights of the sources in the layers from `first` to `last`."""

    first: int
    last: int
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Combination:
    """How sources are combined: a method of `METHODS`, a weight for each source, and the method's settings."""

    method: str
    weights: tuple[float, ...]
    density: float = 1.0
    core_space: bool = False
    layers: tuple[LayerWeights, ...] = ()
    seed: int = 0

    def weights_of(self, name: str) -> tuple[float, ...]:
        """The weights for a tensor: those of its layer, else the general ones."""
        layer = layer_of(name)
        ranges = [part.weights for part in self.layers if layer is not None and part.first <= layer <= part.last]
        return ranges[0] if ranges else self.weights

    def to_json(self) -> dict[str, Any]:
        """The settings that have an effect, for a model's provenance."""
        prune = METHODS[self.method].prune
        pruned: dict[str, Any] = {"density": self.density} | ({"seed": self.seed} if prune is drawn else {})
        layers = {"layers": [vars(part) for part in self.layers]} if self.layers else {}
        core = {"core_space": True} if self.core_space else {}
        return (pruned if prune is not whole and self.density < 1 else {}) | layers | core


def layer_of(name: str) -> int | None:
    """A tensor's layer: the first number in its name."""
    return next((int(part) for part in name.split(".") if part.isdecimal()), None)


ALONE = Combination("task-arithmetic", (1.0,))


class Combined:
    """The tensors of a base with the changes of sources in them, each made when it is asked for."""

    def __init__(
        self, stored: StoredWeights, sources: Sequence[Source], combination: Combination, *, dtype: torch.dtype
    ) -> None:
        """Raises ModelError if these sources cannot be combined in this way."""
        self.stored, self.sources, self.combination, self.dtype = stored, sources, combination, dtype
        self.untied = {name: origin for source in sources for name, origin in source.untied.items()}
        self.origins = {name: name for name in stored.shapes} | self.untied
        self.shapes = {name: stored.shapes[origin] for name, origin in self.origins.items()}
        for source in sources:
            self._take(source)
        self.changed = {name for name in self.origins for source in sources if _own(source, name, self.untied)}
        if combination.core_space:
            self._check_low_rank()
        self._check_layers()

    def _take(self, source: Source) -> None:
        for name, shape in source.shapes.items():
            if shape != self.stored.shapes.get(self.origins[name]) and not self._is_plain(name):
                raise ModelError(
                    f"its {name} is {list(shape)}, and that of the base {list(self.shapes[name])}: tensors of two"
                    " shapes are not combined",
                    where=source.name,
                    remedy="Merge it alone, with the weight 1.",
                )
            self.shapes[name] = shape

    def _is_plain(self, name: str) -> bool:
        """Whether a tensor becomes that of the only source."""
        weights = self.combination.weights_of(name)
        return len(self.sources) == 1 and self.combination.method == "task-arithmetic" and weights == (1.0,)

    def _check_layers(self) -> None:
        last = max((layer for name in self.shapes if (layer := layer_of(name)) is not None), default=-1)
        for part in self.combination.layers:
            if part.last > last:
                raise ModelError(
                    f"layers {part.first} to {part.last} get weights of their own, and the base's last layer is {last}",
                    where="[[merge.layers]]",
                    remedy="Give layers that there are, from 0.",
                )

    def _check_low_rank(self) -> None:
        for source in self.sources:
            for name in sorted(source.changed):
                if source.factors(name) is None:
                    raise ModelError(
                        f"core_space is for changes of low rank, and that of {name} is none",
                        where=source.name,
                        remedy="Leave core_space out, or merge plain LoRA adapters of linear layers alone.",
                    )

    def meta(self) -> dict[str, torch.Tensor]:
        """All tensors, in the order of the base's files, on the meta device."""
        return {
            name: torch.empty(self.shapes[name], dtype=self._dtype_of(origin), device="meta")
            for name, origin in self.origins.items()
        }

    def bare(self, name: str) -> torch.Tensor:
        """The tensor of the base, in the dtype of the merged model."""
        origin = self.origins[name]
        return self.stored.tensor(origin).to(self._dtype_of(origin))

    def make(self, name: str) -> torch.Tensor:
        """The merged tensor. Raises ModelError if a value does not fit into the dtype."""
        weight = self.stored.tensor(self.origins[name])
        made = (self._combined(name, weight) if name in self.changed else weight).to(self._dtype_of(self.origins[name]))
        if made.is_floating_point() and not _is_finite(made):
            spelled = str(made.dtype).removeprefix("torch.")
            raise ModelError(
                f"{name} has values that {spelled} cannot hold",
                where="[merge] dtype",
                remedy='Set dtype = "bfloat16" or "float32" under [merge].',
            )
        return made

    def change(self, name: str) -> torch.Tensor:
        """What is added to a tensor, in float32."""
        weight = self.stored.tensor(self.origins[name])
        return self._combined(name, weight).float() - weight

    def _combined(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        weights, how = self.combination.weights_of(name), self.combination
        if self._is_plain(name):
            return self.sources[0].merged(name, weight)
        options: dict[str, Any] = {"method": how.method, "density": how.density}
        options["seed"] = how.seed + zlib.crc32(name.encode())
        base = weight.float()
        if how.core_space:
            pairs = [(source.factors(name), weight) for source, weight in zip(self.sources, weights, strict=True)]
            known = [(pair, weight) for pair, weight in pairs if pair is not None]
            factors, own = [pair for pair, _ in known], [weight for _, weight in known]
            return merge_in_core_space(base, factors, weights=own, **options)
        none = torch.zeros(()).expand(base.shape)
        owns = [(source, _own(source, name, self.untied)) for source in self.sources]
        changes = [source.change(own, weight) if own else none for source, own in owns]
        return merge(base, changes, weights=weights, **options)

    def _dtype_of(self, origin: str) -> torch.dtype:
        """Whole numbers, such as masks, stay what they are."""
        kind = self.stored.dtypes[origin]
        return self.dtype if kind in FLOATS else self.stored.tensor(origin).dtype


@dataclass(frozen=True)
class MergedWeights:
    """What was written, from what, and how many layers and weights of the base have changes in them."""

    written: WrittenShards
    layers: int
    facts: Mapping[str, Any]
    combined: Combined

    @property
    def shards(self) -> int:
        """The number of files."""
        return len(self.written.files)

    @property
    def size(self) -> int:
        """Bytes of weights."""
        return self.written.size


def merge_sources(
    base: Path,
    sources: Sequence[Source],
    folder: Path,
    *,
    combination: Combination,
    dtype: str,
    max_shard_size: str,
    facts: Mapping[str, Any],
) -> MergedWeights:
    """Write the base's tensors with the changes of the sources, in place of any weights in the folder but its own.

    `facts` stand in the header of each file (`platypus.run.provenance`). Weights that an interrupted merge of the same
    sources has finished are kept. config.json in the folder gets what the merge changed of the model: more tokens, a
    head that is no longer tied. Raises ModelError, before anything is written, if base and sources don't fit.
    """
    if folder.resolve() == base.resolve():
        raise ModelError("a base cannot be merged in its own folder", where=str(base), remedy="Name another folder.")
    combined = Combined(StoredWeights.of(base), sources, combination, dtype=DTYPES[dtype])
    header = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    key = hashlib.sha256(f"{header}{dtype}{max_shard_size}".encode()).hexdigest()
    metadata = {IN_HEADER: header}
    written = write_shards(
        folder, combined.meta(), combined.make, max_shard_size=max_shard_size, key=key, metadata=metadata
    )
    _settle_config(folder / "config.json", combined)
    return MergedWeights(written, len({layer for source in sources for layer in source.layers}), facts, combined)


def facts_of(
    base: str,
    fingerprint: str,
    sources: Sequence[Source],
    *,
    combination: Combination,
    dtype: str,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What stands in the header of each file: base, sources and how they were combined. `names` renames sources."""
    told = names or {}
    return {
        "base": {"source": base, "fingerprint": fingerprint},
        "sources": [
            {"source": told.get(source.name, source.name), "digest": source.digest, "weight": weight}
            for source, weight in zip(sources, combination.weights, strict=True)
        ],
        "method": combination.method,
        "settings": {"dtype": dtype, **combination.to_json()},
    }


def _settle_config(path: Path, combined: Combined) -> None:
    """Write what the merge changed of the model into its config, if that is there."""
    grown = {shape[0] for name, shape in combined.shapes.items() if shape != _before(combined, name)}
    if not path.is_file() or not (grown or combined.untied):
        return
    config = json.loads(path.read_text(encoding="utf-8"))
    changes: dict[str, Any] = {"tie_word_embeddings": False} if combined.untied else {}
    changes |= {"vocab_size": max(grown)} if grown else {}
    for part in (config, *([config["text_config"]] if "text_config" in config else [])):
        part |= changes
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _own(source: Source, name: str, untied: Mapping[str, str]) -> str | None:
    """The tensor by which a source changes this one, if it does: a head that only others untie is its embedding."""
    own = name if name in source.changed or name in source.untied else untied.get(name, name)
    return own if own in source.changed else None


def _before(combined: Combined, name: str) -> tuple[int, ...]:
    return combined.stored.shapes[combined.origins[name]]


def _is_finite(tensor: torch.Tensor) -> bool:
    """Looks at the sum first, which takes no memory; `isfinite` takes ten times as long, and memory."""
    if tensor.sum(dtype=torch.float32).isfinite():
        return True
    flat = tensor.flatten()
    return all(bool(flat[at : at + CHECKED].isfinite().all()) for at in range(0, flat.numel(), CHECKED))
