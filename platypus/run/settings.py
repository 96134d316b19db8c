"""Tables: what each stage may be told, with all defaults; a recipe is made of them.

Frozen and strict: a table that exists is possible in itself. What depends on the data (a warm-up longer than the run, a
prompt longer than the context) is for the stages to refuse. Paths are relative to the working folder.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from platypus.plan.notation import Notation

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Quantisation = Literal["none", "nf4", "int8"]
Decoding = Literal["grammar", "free"]
DoubtKind = Literal["ungrounded", "unused-step", "loose-reference", "length", "language", "personal-data", "secret"]
Likeness = Annotated[float, Field(gt=0, le=1)]


class Settings(BaseModel):
    """A part of a recipe: frozen, strict, and closed to keys that it does not know."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class PromptSettings(Settings):
    """`[prompt]`: how requests and plans look as text."""

    notation: Notation = "json"
    """How plans are written: `json` is the canonical form, `calls` needs three to five times fewer tokens."""
    cutoff: Count = 4096
    """The longest prompt with its answer, in tokens. A longer one is refused, never cut."""
    markers: bool = False
    """Whether a request's values get numbers, `ISS-12<1>`, that a plan points to; only in `calls`."""

    @model_validator(mode="after")
    def _markers_need_calls(self) -> Self:
        if self.markers and self.notation != "calls":
            raise ValueError("prompt.markers is for calls alone", 'Set prompt.notation to "calls".')
        return self


class GenerateSettings(Settings):
    """`[generate]`: examples made from the catalogue alone."""

    examples: Annotated[int, Field(ge=0)] = 1000
    """How many; 0 leaves the stage out."""
    max_steps: Count = 5
    """The longest plan."""
    refusals: Share = 0.08
    """The share of requests that these tools cannot answer (their plan is `[]`)."""
    coverage: Annotated[int, Field(ge=0)] = 5
    """How often each tool, argument, enum value, reference edge, length and shape occurs at least, where it can."""
    typos: Share = 0.02
    """The share of requests with a slip of the keyboard, never in a value."""
    context: Share = 0.06
    """The share of requests with a sentence around them that asks for nothing."""


class TeacherSettings(Settings):
    """`[teacher]`: a language model behind an OpenAI-compatible endpoint, which adds to what `generate` makes.

    Its key, where it needs one, comes from the environment (`PLATYPUS_TEACHER_KEY`) and stands in no file.
    """

    model: Text | None = None
    """Its name at the endpoint; without one there is no teacher."""
    base_url: Text = "http://localhost:11434/v1"
    """The address in front of `/chat/completions`."""
    paraphrases: Annotated[int, Field(ge=0, le=20)] = 1
    """Other wordings that are asked for of each generated request."""
    proposals: Annotated[int, Field(ge=0)] = 0
    """Requests that the teacher is asked to think up from the catalogue, and to plan."""
    round_trip: bool = True
    """Whether a request is kept only when one more call makes the same plan of it."""
    style: Text | None = None
    """A text file with requests of real users, one a line, whose manner is to be met."""
    temperature: Annotated[float, Field(ge=0, le=2)] | Literal["unset"] = 1.0
    """Of new wordings; plans are asked for at 0. `unset`: the endpoint's own, for models that refuse any other."""
    max_tokens: Count = 2048
    """The longest reply, thoughts included. One that is cut off is rejected."""
    body: dict[str, JsonValue] = {}
    """More fields of the request to the endpoint, like `{reasoning_effort = "low"}`."""
    concurrency: Count = 8
    """Questions under way at once."""
    requests_per_minute: Rate | None = None
    """At most so many are sent; whatever is set, a server that asks for patience gets it."""
    timeout: Rate = 120.0
    """Seconds until a question counts as lost and is asked again."""
    budget_tokens: Count | None = None
    """At most so many tokens, of questions and replies, for this run's examples; then the rest is left undone."""
    budget_dollars: Rate | None = None
    """The same in money, by the prices below."""
    price_per_million_in: Annotated[float, Field(ge=0)] = 0.0
    """Dollars for a million tokens of questions."""
    price_per_million_out: Annotated[float, Field(ge=0)] = 0.0
    """Dollars for a million tokens of replies."""

    @field_validator("base_url")
    @classmethod
    def _bare_address(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^\s@?#]+", url):  # what was written is not repeated: a password may stand in it
            raise ValueError(
                "teacher.base_url is not the plain address of an endpoint",
                "Write it like https://example.org/v1; a key goes into the environment, as PLATYPUS_TEACHER_KEY.",
            )
        return url

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.model_fields_set and self.model is None:
            raise ValueError(
                "teacher.model is missing", "Name the model, as its endpoint does, or leave [teacher] out."
            )
        if not self.paraphrases and not self.proposals:
            raise ValueError("teacher.paraphrases and teacher.proposals are both 0", "Set one, or leave [teacher] out.")
        own = sorted(self.body.keys() & {"model", "messages", "max_tokens", "temperature", "stream", "n"})
        if own:
            raise ValueError(f"teacher.body holds {own[0]!r}, which is not its matter", "Take it out.")
        if self.budget_dollars and not self.price_per_million_in + self.price_per_million_out:
            raise ValueError(
                "teacher.budget_dollars is set without prices",
                "Set price_per_million_in and price_per_million_out under [teacher].",
            )
        return self


class RefineSettings(Settings):
    """`[refine]`: which examples are used, and how they are split."""

    data: list[Text] = []
    """Own examples: files (`.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet`) or names of hub datasets."""
    test: list[Text] = []
    """The same, held out for the test alone."""
    avoid: list[Text] = []
    """Further test sets, of other benchmarks say: nothing that resembles their rows is learned."""
    valid_fraction: Share = 0.05
    """The share that watches the training."""
    test_fraction: Share = 0.1
    """The share that is tested on, unless `test` names the test."""
    near_duplicate: Likeness = 0.9
    """Requests at least this alike (1 = the same) are near-duplicates and never stand on both sides of a split."""
    contamination: Likeness = 0.9
    """A row whose embedding is at least this alike to a test row's is not learned, whatever the letters say."""
    embedding: Text = "tfidf"
    """What embeds: `tfidf` needs nothing, `minilm` the extra `embed`; or a sentence-transformers folder or hub name."""
    semantic_duplicate: Likeness = 1.0
    """Rows of one plan whose embeddings are at least this alike are duplicates; 1 leaves them all."""
    repairs: Literal["mend", "refuse"] = "mend"
    """Whether what is nearly JSON, or nearly a plan, is mended and reported, or is a bad row."""
    bad_rows: Literal["refuse", "skip"] = "refuse"
    """A row that is not a valid example stops the run, or is left out; it is listed in both cases."""
    reject: list[DoubtKind] = []
    """The doubts for which a valid row is left out; all others are counted and listed."""
    min_words: Count = 2
    """A request of fewer words is a doubt of the kind `length`."""
    max_words: Count = 200
    """So is one of more."""
    languages: list[Text] = []
    """ISO 639-1 codes, as in `["en"]`: a request in another one is a doubt. Needs the extra `language`."""
    apart: list[Literal["skeleton", "tool"]] = []
    """What besides templates stands on one side of a split only: the shape of a plan, or a tool."""
    most_per_skeleton: Likeness = 1.0
    """The share of the training rows that one plan shape may have; rows beyond it are left out."""
    most_per_tool: Likeness = 1.0
    """The same for the rows that call one tool."""
    most_per_length: Likeness = 1.0
    """The same for the plans of one length."""

    @model_validator(mode="after")
    def _some_is_left(self) -> Self:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                "refine.valid_fraction and refine.test_fraction leave nothing to train on", "Their sum must be below 1."
            )
        return self


class TrainSettings(Settings):
    """`[train]`: LoRA fine-tuning."""

    epochs: Count = 1
    learning_rate: Rate = 4e-4
    """The highest, reached after the warm-up."""
    batch_size: Count = 16
    """Examples per optimizer step, over all devices."""
    micro_batch_size: Count | Literal["auto"] = "auto"
    """Examples at once on one device: memory, not mathematics. `auto` is the forecast's choice."""
    prefix: Literal["auto", "flash", "dense", "repeated"] = "auto"
    """How examples get at what they have in common: computed once a step and seen through flash kernels or a dense mask
    (`auto` is the best that is verified), or computed with each of them."""
    checkpointing: Literal["auto", "always", "never"] = "auto"
    """Gradient checkpointing: a quarter more time for less memory. `auto` is only where nothing else fits."""
    parallel: Literal["data", "fsdp", "layers"] = "data"
    """What several devices do: each holds the base (`data`), each a part of it (`fsdp`), or one process spreads its
    layers over them (`layers`)."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Optimizer steps of warm-up; refused when the run is not longer."""
    warmup_ratio: Share | None = None
    """The same as a share of the run. Neither of the two means no warm-up."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    rank: Count = 16
    alpha: Rate = 16
    """The adapter is scaled by alpha / rank."""
    dropout: Share = 0.05
    """Of the adapter's input. The examples of a step share the noise of their common prefix."""
    target_modules: Literal["mlp", "attention", "all-linear"] | Annotated[list[Text], Field(min_length=1)] = "mlp"
    """The layers that get an adapter. `mlp` is gate_proj, up_proj and down_proj; a list gives names."""
    max_grad_norm: Rate = 1.0
    train_on_inputs: bool = False
    """Whether the prompt is learned too, not only the answer."""
    group_by_length: bool = False
    shuffle_tools: bool = False
    """Whether each step shows the tools in an order of its own, so that they are read rather than known by heart."""
    drop_tools: Share = 0.0
    """The share of the tools that a step does not show, of those that none of its plans needs."""
    rehearsal: Share = 0.0
    """The share of the steps, besides those of the rows, over random catalogues, against forgetting to read others."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto` is bfloat16 where the device is fast at it, else float32."""
    quantise: Quantisation = "none"
    """The frozen base in 4 bits (`nf4`: QLoRA) or 8 (`int8`) to save memory; it is merged in full precision."""
    validations_per_epoch: Count = 1
    keep: Literal["last", "best"] = "last"
    """The adapter that goes on: the last one, or that of the lowest validation loss."""
    patience: Count | None = None
    """Stop after so many validations without a new lowest loss."""
    checkpoint_minutes: Annotated[float, Field(ge=0)] = 5.0
    """At most so much work is lost when the program is killed; 0 saves after every step."""
    loggers: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = ["tensorboard"]
    """What gets the metrics besides metrics.jsonl; all but TensorBoard are packages to install."""

    @model_validator(mode="after")
    def _one_warmup(self) -> Self:
        if self.warmup_steps is not None and self.warmup_ratio is not None:
            raise ValueError("train.warmup_steps and train.warmup_ratio are both set", "Keep one of them.")
        return self

    @model_validator(mode="after")
    def _shards(self) -> Self:
        if self.quantise == "int8" and self.parallel == "fsdp":
            raise ValueError('train.quantise = "int8" cannot be sharded by train.parallel = "fsdp"', 'Use "nf4".')
        return self


class MergeSettings(Settings):
    """`[merge]`: the adapter into its base."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_shard_size: Annotated[str, Field(pattern=r"^[1-9][0-9]*(MB|GB)$")] = "5GB"
    verify: Count = 8
    """On how many real prompts merged and adapted model must agree."""


class DecodeSettings(Settings):
    """`[decode]`: how a planner's answers are made."""

    decoding: Decoding = "grammar"
    """`grammar`: nothing but valid plans can be said. `free`: what the model says, checked afterwards."""
    max_steps: Count = 10
    """The longest plan. A grammar's state has 64 bits: many kinds of output leave room for fewer steps."""
    max_tools: Count | None = None
    """Of a larger catalogue, each request is shown only so many tools, those that are most like it."""
    encoder: Text | None = None
    """A sentence encoder (a folder or hub name) that helps to find these tools; without one, words and letters do."""
    beams: Count = 1
    """How many beginnings of a plan are followed up at once. Of the plans found, one that uses all that is named in the
    request is preferred. None is shown step by step."""
    seconds: Rate | None = None
    """The longest that one answer may take; then its plan is brought to its soonest valid end, and that is said."""
    min_confidence: Share = 0.0
    """A plan whose confidence is lower is not given as the answer; `platypus evaluate` calibrates it. 0 is never."""
    keep_prefix: bool = False
    """Whether the catalogue's keys and values are kept in the run's folder, so that a new process starts at once."""

    @model_validator(mode="after")
    def _finds_something(self) -> Self:
        if self.encoder is not None and self.max_tools is None:
            raise ValueError("decode.encoder finds tools for decode.max_tools, which is not set", "Set both or none.")
        return self


class EvaluateSettings(Settings):
    """`[evaluate]`: scores on the test examples."""

    before: bool = True
    """Whether the base without the adapter is scored too."""
    batch_size: Count = 16
    max_new_tokens: Count = 512
    resamples: Count = 1000
    """Bootstrap resamples behind each 95% interval."""
    limit: Count | None = None
    """The first so many test examples only."""


class PretrainSettings(Settings):
    """`[pretrain]`: the small base that `platypus base` trains."""

    hidden_size: Count = 128
    layers: Count = 6
    heads: Annotated[int, Field(ge=2)] = 2
    intermediate_size: Count = 384
    vocabulary: Annotated[int, Field(ge=270)] = 3072
    """Of the byte-level BPE: 256 bytes, the special tokens, what all prompts have in common, and merges."""
    context: Count = 4096
    start: Text | None = None
    """A base to go on from, with its shape and vocabulary, in this context; without one, a new base is begun."""
    steps: Count = 2000
    learning_rate: Rate = 1.5e-3
    requests_per_catalogue: Count = 4
    catalogues_per_step: Count = 8
    max_tools: Annotated[int, Field(ge=3)] = 11
    """The size of the largest catalogue that is drawn."""
    rows: list[Text] = []
    """Files of real requests, `query` and `plan`, each with its own `tools`: some catalogues are theirs."""
    rows_share: Share = 0.25
    """Of the catalogues, where there are such rows."""
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
