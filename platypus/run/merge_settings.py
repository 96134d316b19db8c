"""`[merge]` of a recipe, with all defaults: how an adapter, or several sources, are merged into the base."""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from platypus.run.settings import Count, Settings, Text


class LayerWeights(Settings):
    """One of `[[merge.layers]]`: other weights of the sources in a range of layers."""

    first: Annotated[int, Field(ge=0)]
    last: Annotated[int, Field(ge=0)]
    """The last layer of the range, which counts too."""
    weights: list[float]

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"merge.layers from {self.first} to {self.last} is no range", "Give `first`, then `last`.")
        return self


class MergeSettings(Settings):
    """`[merge]`: how the adapter, or what `of` names, is merged into the base."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_shard_size: Annotated[str, Field(pattern=r"^[1-9][0-9]*(MB|GB)$")] = "5GB"
    verify: Count = 8
    """The number of real prompts on which the merged model must agree with base and adapter."""
    of: list[Text] = Field(default_factory=list)
    """What to merge instead of the run's adapter: runs, adapters, and models of the base's shapes (docs/merging.md)."""
    method: Literal["task-arithmetic", "linear", "slerp", "magnitude", "ties", "dare", "dare-ties"] = "task-arithmetic"
    """How the changes of what `of` names become one."""
    weights: list[float] = Field(default_factory=list)
    """A weight for each of them; 1 if none is given."""
    search: list[Annotated[float, Field(gt=0)]] = Field(default_factory=list)
    """Weights to try for each of them instead, on the validation rows of the runs among them; the best are taken."""
    search_rows: Count = 50
    """How many of the validation rows of each run are answered for each choice of weights."""
    density: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of each change that `magnitude`, `ties`, `dare` and `dare-ties` keep."""
    core_space: bool = False
    """Whether these four work in the space that adapters of low rank span."""
    layers: list[LayerWeights] = Field(default_factory=list)
    """Other weights in ranges of layers, from 0."""

    @model_serializer(mode="wrap")
    def _without_defaults_of_later_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes without these keys keep the fingerprints of their stages."""
        later = {name: type(self).model_fields[name].get_default(call_default_factory=True) for name in _OF_SEVERAL}
        return {key: value for key, value in handler(self).items() if value != later.get(key, ...)}

    @model_validator(mode="after")
    def _fits_its_sources(self) -> Self:
        named, given = len(self.of), [self.weights] * bool(self.weights) + [part.weights for part in self.layers]
        if not named and self.model_fields_set & set(_OF_SEVERAL[1:]):
            key = next(key for key in _OF_SEVERAL[1:] if key in self.model_fields_set)
            raise ValueError(f"merge.{key} is for what merge.of names", "Name runs, adapters or models in `of`.")
        wrong = next((weights for weights in given if len(weights) != named), None)
        if wrong is not None:
            raise ValueError(f"merge.weights: {len(wrong)} for {named} in merge.of", "Give one for each, in order.")
        twice = next((name for name in self.of if self.of.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"merge.of names {twice} more than once", "Name it once, with a larger weight.")
        if self.search_rows != type(self).model_fields["search_rows"].default and not self.search:
            raise ValueError(
                "merge.search_rows is for merge.search", "Leave it out, or name weights to try in `search`."
            )
        if self.search and (self.weights or self.layers):
            given_too = "weights" if self.weights else "layers"
            raise ValueError(f"merge.search finds the weights, and merge.{given_too} says them", "Keep one of them.")
        if self.method == "slerp" and named != 2:
            raise ValueError(f"merge.method = 'slerp' is for two, and merge.of names {named}", "Name two.")
        if self.method in ("slerp", "linear") and any(sum(weights) <= 0 for weights in given):
            raise ValueError(f"merge.method = '{self.method}' divides by the sum of the weights", "Make it positive.")
        ranges = sorted((part.first, part.last) for part in self.layers)
        if any(later[0] <= earlier[1] for earlier, later in pairwise(ranges)):
            raise ValueError("merge.layers has ranges with layers in common", "Give each layer to one range.")
        if "density" in self.model_fields_set and self.method in ("task-arithmetic", "linear", "slerp"):
            raise ValueError(
                f"merge.density makes no difference to '{self.method}', which keeps all of each change",
                'Leave it out, or set merge.method to "magnitude", "ties", "dare" or "dare-ties".',
            )
        if self.core_space and self.method in ("task-arithmetic", "linear", "slerp"):
            raise ValueError(
                f"merge.core_space makes no difference to '{self.method}', or has no meaning for it",
                'Leave it out, or set merge.method to "magnitude", "ties", "dare" or "dare-ties".',
            )
        return self


_OF_SEVERAL = ("of", "method", "weights", "search", "search_rows", "density", "core_space", "layers")
