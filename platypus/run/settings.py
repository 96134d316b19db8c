"""Settings: one class for each table of a recipe, with all defaults.

Frozen and strict: settings that exist do not contradict each other. What depends on the data (a warm-up longer than the
run, a prompt longer than the context) is checked by the stages; `platypus.run.places` knows what names are relative to.
"""

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from platypus.data.columns import check_columns
from platypus.plan.notation import Notation
from platypus.prompt.catalogue_text import Rendering
from platypus.prompt.conversations import Turns
from platypus.prompt.templates import Template

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Quantisation = Literal["none", "nf4", "int8"]
Decoding = Literal["grammar", "free"]
DoubtKind = Literal["ungrounded", "unused-step", "loose-reference", "length", "language", "personal-data", "secret"]
Likeness = Annotated[float, Field(gt=0, le=1)]


class Settings(BaseModel):
    """A part of a recipe: frozen and strict. Unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )
    later: ClassVar[dict[str, Any]] = {}  # keys that came later, with their defaults

    @model_serializer(mode="wrap")
    def _without_defaults_of_later_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes without these keys keep the fingerprints of their stages."""
        return {key: value for key, value in handler(self).items() if value != self.later.get(key, ...)}


class PromptSettings(Settings):
    """`[prompt]`: how requests and plans look as text."""

    later = {"template": "alpaca", "turns": "all", "rendering": "full"}

    notation: Notation = "json"
    """The notation of plans: `json` is the canonical form, `calls` needs three to five times fewer tokens."""
    cutoff: Count = 4096
    """The maximum length of a prompt with its answer, in tokens. A longer row is an error; it is never cut."""
    markers: bool = False
    """Whether values in requests get numbers, `ISS-12<1>`, that plans use in place of the values; only in `calls`."""
    template: Template = "alpaca"
    """How rows without a plan look: in Alpaca's template, or in the base's own chat template (`chat`)."""
    turns: Turns = "all"
    """Which answers of a conversation are learned, if the template is `chat`: `all`, or only the `last` one."""
    rendering: Rendering = "full"
    """How tools look: in full as long as that leaves room for a request (`full`), or always in few words (`brief`)."""

    @model_validator(mode="after")
    def _turns_need_chat(self) -> Self:
        if self.turns != "all" and self.template != "chat":
            raise ValueError("prompt.turns is for conversations in the chat template", 'Set prompt.template to "chat".')
        return self

    @model_validator(mode="after")
    def _markers_need_calls(self) -> Self:
        if self.markers and self.notation != "calls":
            raise ValueError("prompt.markers needs the notation calls", 'Set prompt.notation to "calls".')
        return self


class GenerateSettings(Settings):
    """`[generate]`: examples made from the catalogue alone."""

    examples: Annotated[int, Field(ge=0)] = 1000
    """The number of examples; 0 skips the stage."""
    max_steps: Count = 5
    """The maximum number of steps of a plan."""
    refusals: Share = 0.08
    """The share of requests that these tools cannot fulfil (their plan is `[]`)."""
    coverage: Annotated[int, Field(ge=0)] = 5
    """The minimum count of each tool, argument, enum value, reference edge, plan length and shape, if possible."""
    typos: Share = 0.02
    """The share of requests with a typing error, which is never in a value."""
    context: Share = 0.06
    """The share of requests with an added sentence that asks for nothing."""


class TeacherSettings(Settings):
    """`[teacher]`: a language model behind an OpenAI-compatible endpoint, which adds examples to those of `generate`.

    If it needs a key, that is read from the environment (`PLATYPUS_TEACHER_KEY`) and never from a file.
    """

    model: Text | None = None
    """The name of the model at the endpoint; without one there is no teacher."""
    base_url: Text = "http://localhost:11434/v1"
    """The address without `/chat/completions`."""
    paraphrases: Annotated[int, Field(ge=0, le=20)] = 1
    """The number of paraphrases to ask for of each generated request."""
    proposals: Annotated[int, Field(ge=0)] = 0
    """The number of requests that the teacher is to invent from the catalogue, and then to plan."""
    round_trip: bool = True
    """Whether a request is kept only if the teacher, asked once more, answers it with the same plan."""
    style: Text | None = None
    """A text file with requests of real users, one per line, as examples of style."""
    temperature: Annotated[float, Field(ge=0, le=2)] | Literal["unset"] = 1.0
    """For paraphrases and new requests; plans use 0. `unset`: the endpoint's own, for models that reject any other."""
    max_tokens: Count = 2048
    """The maximum length of a reply, reasoning included. A reply that is cut off is rejected."""
    body: dict[str, JsonValue] = {}
    """Further fields of each request to the endpoint, such as `{reasoning_effort = "low"}`."""
    concurrency: Count = 8
    """The number of concurrent requests to the endpoint."""
    requests_per_minute: Rate | None = None
    """The maximum rate of requests to the endpoint. A server's own wish to wait is always respected."""
    timeout: Rate = 120.0
    """Seconds until a request counts as failed and is sent again."""
    budget_tokens: Count | None = None
    """The maximum number of tokens, of requests and replies together, for this run; then no more are sent."""
    budget_dollars: Rate | None = None
    """The same in dollars, by the prices below."""
    price_per_million_in: Annotated[float, Field(ge=0)] = 0.0
    """Dollars for a million tokens of requests."""
    price_per_million_out: Annotated[float, Field(ge=0)] = 0.0
    """Dollars for a million tokens of replies."""

    @field_validator("base_url")
    @classmethod
    def _bare_address(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^\s@?#]+", url):  # the value is not repeated: it may contain a password
            raise ValueError(
                "teacher.base_url is not the plain address of an endpoint",
                "Write it like https://example.org/v1; a key goes into the environment, as PLATYPUS_TEACHER_KEY.",
            )
        return url

    @model_validator(mode="after")
    def _has_work(self) -> Self:
        if self.model_fields_set and self.model is None:
            raise ValueError(
                "teacher.model is missing", "Name the model, as its endpoint does, or leave [teacher] out."
            )
        if not self.paraphrases and not self.proposals:
            raise ValueError("teacher.paraphrases and teacher.proposals are both 0", "Set one, or leave [teacher] out.")
        own = sorted(self.body.keys() & {"model", "messages", "max_tokens", "temperature", "stream", "n"})
        if own:
            raise ValueError(f"teacher.body must not contain {own[0]!r}", "Remove it.")
        if self.budget_dollars and not self.price_per_million_in + self.price_per_million_out:
            raise ValueError(
                "teacher.budget_dollars is set without prices",
                "Set price_per_million_in and price_per_million_out under [teacher].",
            )
        return self


class RefineSettings(Settings):
    """`[refine]`: which examples are used, and how they are split."""

    data: list[Text] = []
    """The user's own examples: files (`.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet`), folders, or hub datasets."""
    test: list[Text] = []
    """The same, used for the test only."""
    avoid: list[Text] = []
    """Further test sets, such as other benchmarks: rows that resemble theirs are not used for training."""
    columns: dict[Text, Text] = {}
    """What keys and columns are called in these sources: `{query = "question", plan = "steps"}`."""
    valid_fraction: Share = 0.05
    """The share of the rows for validation during training."""
    test_fraction: Share = 0.1
    """The share of the rows for the test, unless `test` names its rows."""
    near_duplicate: Likeness = 0.9
    """Requests at least this similar (1: equal) are near-duplicates and never on both sides of a split."""
    contamination: Likeness = 0.9
    """A row whose embedding is at least this similar to a test row's is not used for training."""
    embedding: Text = "tfidf"
    """The embedding: `tfidf`; `minilm` (needs the extra `embed`); or a sentence-transformers folder or hub name."""
    semantic_duplicate: Likeness = 1.0
    """Rows of one plan whose embeddings are at least this similar are duplicates; 1 removes none."""
    repairs: Literal["mend", "refuse"] = "mend"
    """Whether text that is nearly JSON, or nearly a plan, is repaired and reported, or is a bad row."""
    bad_rows: Literal["refuse", "skip"] = "refuse"
    """Whether a row that is not a valid example stops the run or is left out. It is listed in both cases."""
    long_rows: Literal["refuse", "drop"] = "refuse"
    """Whether a row longer than the cutoff stops the run, or is dropped and listed. Needs the base's tokenizer."""
    min_kept: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The smallest share of the different rows that may be kept when those that resemble another row are removed."""
    reject: list[DoubtKind] = []
    """The doubts for which a valid row is left out. Rows with other doubts are only counted and listed."""
    min_words: Count = 2
    """A request with fewer words gets the doubt `length`."""
    max_words: Count = 200
    """A request with more words gets the doubt `length`."""
    languages: list[Text] = []
    """ISO 639-1 codes, such as `["en"]`; requests in other languages get a doubt. Needs the extra `language`."""
    apart: list[Literal["skeleton", "tool"]] = []
    """What, besides request templates, may occur on one side of a split only: a plan skeleton, or a tool."""
    most_per_skeleton: Likeness = 1.0
    """The maximum share of one plan skeleton in the training rows; rows beyond it are left out."""
    most_per_tool: Likeness = 1.0
    """The maximum share of rows that call one tool."""
    most_per_length: Likeness = 1.0
    """The maximum share of plans of one length."""

    @field_validator("columns")
    @classmethod
    def _columns_are_known(cls, columns: dict[str, str]) -> dict[str, str]:
        check_columns(columns)
        return columns

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                "refine.valid_fraction and refine.test_fraction leave nothing to train on", "Their sum must be below 1."
            )
        return self


class TrainSettings(Settings):
    """`[train]`: LoRA fine-tuning."""

    later = {"prefix_gigabytes": 1.0}

    epochs: Count = 1
    learning_rate: Rate = 4e-4
    """The peak, reached after the warm-up."""
    batch_size: Count = 16
    """Examples per optimizer step, over all devices."""
    micro_batch_size: Count | Literal["auto"] = "auto"
    """Examples computed at once on one device; affects only memory and speed. `auto`: chosen by the forecast."""
    prefix: Literal["auto", "flash", "dense", "repeated", "frozen"] = "auto"
    """How the common prefix of a step's examples is computed: once, with flash kernels or a dense mask for attention
    to it (`auto`: the fastest that is verified), or again for each example (`repeated`). `frozen`: the adapter acts
    only behind the tools (activated LoRA), so these are computed once for the whole training. It cannot be merged."""
    prefix_gigabytes: Rate = 1.0
    """The memory in GiB that frozen prefixes may take in each process; those needed last are kept."""
    checkpointing: Literal["auto", "always", "never"] = "auto"
    """Gradient checkpointing: a quarter more time for less memory. `auto`: only if nothing else fits."""
    parallel: Literal["data", "fsdp", "layers"] = "data"
    """How several devices share the work: each holds the whole base (`data`) or a part of it (`fsdp`), or one process
    spreads the layers over all of them (`layers`)."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Optimizer steps of warm-up; must be fewer than those of the run."""
    warmup_ratio: Share | None = None
    """The warm-up as a share of the run. If neither key is set, there is no warm-up."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate decays after the warm-up."""
    rank: Count = 16
    alpha: Rate = 16
    """The adapter is scaled by alpha / rank."""
    dropout: Share = 0.05
    """Dropout of the adapter's input. All examples of a step share the dropout of their common prefix. Must be 0 where
    the experts of a base stand in one tensor."""
    target_modules: Literal["mlp", "attention", "all-linear"] | Annotated[list[Text], Field(min_length=1)] = "mlp"
    """The layers that get an adapter, under whatever names the base has them. `mlp`: all layers of the feed-forward
    blocks, with all experts (gate_proj, up_proj and down_proj of a Llama). `attention`: all layers of the attention.
    `all-linear`: every linear layer but the output layer, routers too. A list names layers (docs/bases.md)."""
    max_grad_norm: Rate = 1.0
    train_on_inputs: bool = False
    """Whether the loss includes the prompt, not only the answer."""
    group_by_length: bool = False
    shuffle_tools: bool = False
    """Whether each step shows the tools in a random order, so that the model does not memorise them."""
    drop_tools: Share = 0.0
    """The share of the tools that a step leaves out, among those that none of its plans uses."""
    rehearsal: Share = 0.0
    """The share of additional steps over random catalogues, so that the model does not forget how to read others."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 if the device is fast at it, otherwise float32."""
    quantise: Quantisation = "none"
    """The frozen base in 4 bits (`nf4`: QLoRA) or 8 bits (`int8`), to save memory. Merging uses full precision."""
    validations_per_epoch: Count = 1
    keep: Literal["last", "best"] = "last"
    """Which adapter is the result: the last one, or the one with the lowest validation loss."""
    patience: Count | None = None
    """The number of validations without a new lowest loss after which training stops."""
    checkpoint_minutes: Annotated[float, Field(ge=0)] = 5.0
    """Minutes between checkpoints: the most work that can be lost if the program is killed. 0: after every step."""
    loggers: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = ["tensorboard"]
    """What receives the metrics besides metrics.jsonl. All but TensorBoard must be installed separately."""

    @model_validator(mode="after")
    def _one_warmup(self) -> Self:
        if self.warmup_steps is not None and self.warmup_ratio is not None:
            raise ValueError("train.warmup_steps and train.warmup_ratio are both set", "Keep one of them.")
        return self

    @model_validator(mode="after")
    def _int8_is_not_sharded(self) -> Self:
        if self.quantise == "int8" and self.parallel == "fsdp":
            raise ValueError('train.quantise = "int8" cannot be sharded by train.parallel = "fsdp"', 'Use "nf4".')
        return self


class DecodeSettings(Settings):
    """`[decode]`: how a planner answers."""

    later = {"today": None}

    decoding: Decoding = "grammar"
    """`grammar`: only valid plans can be generated. `free`: the model's own text, checked afterwards."""
    max_steps: Count = 10
    """The maximum number of steps. A grammar's state has 64 bits: many kinds of output leave room for fewer steps."""
    max_tools: Count | Literal["auto"] = "auto"
    """The maximum number of tools in a prompt: those of the catalogue that are most similar to the request. `auto`:
    all, unless the prompt or the grammar is too small for them."""
    encoder: Text | None = None
    """A sentence encoder (folder or hub name) for finding these tools; without one, words and letters are compared."""
    tool_prior: Annotated[float, Field(ge=0)] = 0.0
    """How much a tool's similarity to the request counts where the model decides between tools; 0: not at all."""
    beams: Count = 1
    """The beams of a beam search, which prefers a plan with all values of the request, and shows none step by step."""
    seconds: Rate | None = None
    """The time limit of one answer. At the limit the plan is ended in the shortest valid way, and marked as cut."""
    min_confidence: Share = 0.0
    """Plans with a lower confidence are not given as answers. `platypus evaluate` calibrates it. 0 turns this off."""
    keep_prefix: bool = False
    """Whether the catalogue's keys and values are cached in the run's folder, so that a new process starts faster."""
    today: str | None = None
    """The day from which dates such as "next Friday" count, as 2026-11-30, or `now`. Without it they stay text."""

    @field_validator("today", mode="before")
    @classmethod
    def _is_a_day(cls, today: Any) -> Any:
        try:
            return today if today in (None, "now") else date.fromisoformat(str(today)).isoformat()
        except ValueError as error:
            what = f"decode.today = {today!r} is no day"
            raise ValueError(what, 'Give it as "2026-11-30", or "now" for the present day.') from error

    @field_serializer("max_tools")
    def _unset(self, max_tools: int | str) -> int | None:
        """Recipes without this key keep the fingerprints of their stages."""
        return None if max_tools == "auto" else int(max_tools)

    @field_validator("max_tools", mode="before")
    @classmethod
    def _unset_is_auto(cls, max_tools: Any) -> Any:
        return "auto" if max_tools is None else max_tools


class EvaluateSettings(Settings):
    """`[evaluate]`: how the model is scored on the test examples."""

    later = {"mock": [], "confidence": True}

    before: bool = True
    """Whether the base without the adapter is scored as well."""
    batch_size: Count = 16
    max_new_tokens: Count = 512
    resamples: Count = 1000
    """The number of bootstrap resamples for each 95% interval."""
    limit: Count | None = None
    """Use only this many test examples, from the first on."""
    mock: list[Text] = []
    """Mock tools, as a catalogue is read from them: plans are run with them, and what they do is compared."""
    confidence: bool = True
    """Whether validation rows are answered as well, to calibrate the confidence that `plan` and `chat` show."""
