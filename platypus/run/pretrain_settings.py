"""`[pretrain]` of a recipe, with all defaults: the small base that `platypus base` trains."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from platypus.run.settings import Count, Rate, Settings, Share, Text


class PretrainSettings(Settings):
    """`[pretrain]`: the small base that `platypus base` trains."""

    hidden_size: Count = 128
    layers: Count = 6
    heads: Annotated[int, Field(ge=2)] = 2
    intermediate_size: Count = 384
    vocabulary: Annotated[int, Field(ge=270)] = 3072
    """The size of the byte-level BPE: 256 bytes, the special tokens, the text that all prompts share, and merges."""
    context: Count = 4096
    start: Text | None = None
    """A base to continue from, with its shape and vocabulary but this `context`; without one, a new base is made."""
    steps: Count = 2000
    learning_rate: Rate = 1.5e-3
    requests_per_catalogue: Count = 4
    catalogues_per_step: Count = 8
    max_tools: Annotated[int, Field(ge=3)] = 11
    """The maximum number of tools in a random catalogue."""
    rows: list[Text] = Field(default_factory=list)
    """Files of real requests: rows with `query`, `plan` and their own `tools`, used for some of the catalogues."""
    rows_share: Share = 0.25
    """The share of catalogues that come from `rows`, if there are any."""
    rows_per_step: Annotated[int, Field(ge=0)] = 0
    """Rows in each step besides, each with its own tools and without generated requests."""
    brief_share: Share = 0.0
    """The share of catalogues that are shown in brief."""
    evaluate_every: Count = 100

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"pretrain.hidden_size = {self.hidden_size} does not divide into"
                f" pretrain.heads = {self.heads} heads of even size",
                "Choose a multiple of twice the number of heads.",
            )
        return self
