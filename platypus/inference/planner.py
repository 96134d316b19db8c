"""Planner: requests in, plans out. It joins a loaded model and the prompt that the model was trained with.

How an answer is decoded is hidden behind `Planner.plan`: under the grammar of the catalogue's valid plans, or freely.
Both ways the plan is checked against the catalogue afterwards, and what is wrong or has no end becomes `Malformed`.
Tensors are the matter of `platypus.model` and `platypus.decoding.decoder`, which are imported only when a model is
opened or asked, because torch takes seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from math import inf, log
from pathlib import Path
from typing import TYPE_CHECKING

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Row
from platypus.data.signatures import plan_literals
from platypus.decoding.constraint import Constraint
from platypus.decoding.results import DecodedPlan, DecodingLimits, EndedBy
from platypus.decoding.vocabulary import Vocabulary
from platypus.inference.calibration import LEAST, Calibration
from platypus.inference.retrieval import Retriever
from platypus.plan.plan import Malformed, Plan, Problem
from platypus.prompt.markers import marked_texts
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings

if TYPE_CHECKING:
    from platypus.decoding.decoder import Decoder
    from platypus.model.completion import Completion
    from platypus.model.loading import Loaded

LACKING = 2.0  # what a plan's logarithm loses for each value that its request names and it lacks


@dataclass(frozen=True)
class Answer:
    """What a model made of a request: the plan, the text that it was read from, and what ended it.

    `decisions` is how many of the tokens the model was asked for. `probability` is the model's own of the whole plan,
    `confidence` how likely the plan is right, as far as that is known; None where nothing is said of them (free
    decoding). A plan that a limit brought to its end is not what the model wanted to say: its confidence is 0.
    """

    request: str
    plan: Plan | Malformed
    text: str
    tokens: int
    decisions: int
    ended_by: EndedBy
    probability: float | None = None
    confidence: float | None = None
    sure: bool = True

    @property
    def finished(self) -> bool:
        """Whether the model ended it itself."""
        return self.ended_by == "model"


@dataclass(frozen=True)
class Planner:
    """A model and its prompt; `folder` is where the catalogue's keys and values are kept, if anywhere."""

    loaded: "Loaded"
    prompt: Prompt
    settings: DecodeSettings = field(default_factory=DecodeSettings)
    folder: Path | None = None
    calibration: Calibration = field(default_factory=Calibration)

    def plan(self, requests: Sequence[str], *, batch_size: int = 16, max_new_tokens: int = 512) -> Iterator[Answer]:
        """The answer to each request, in order. Raises PromptError for a request that leaves no room for one."""
        if self.settings.decoding == "free":
            return self._freely(requests, batch_size, max_new_tokens)
        if self.settings.beams > 1:
            return (self._preferred(request, max_new_tokens) for request in requests)
        if self._is_narrowed:
            each = (self._constrained(*self._shown(request), [request], 1, max_new_tokens) for request in requests)
            return chain.from_iterable(each)
        return self._constrained(self.prompt, self.decoder, requests, batch_size, max_new_tokens)

    def watch(self, request: str, *, max_new_tokens: int = 512) -> Iterator[Plan | Answer]:
        """The plan as it grows, whenever a step is complete, and at last the answer. Closing it cancels.

        Free decoding and several beams say nothing before the answer.
        """
        if self.settings.decoding == "free" or self.settings.beams > 1:
            yield from self.plan([request], batch_size=1, max_new_tokens=max_new_tokens)
            return
        prompt, decoder = self._shown(request)
        steps = 0
        texts, limits = [prompt.marked_texts(request)], self._limits(max_new_tokens)
        for progress in decoder.stream([prompt.ids(request)], limits=limits, named=texts):
            begun = prompt.read_begun(progress.text, request)
            while steps < len(begun):  # one pass may complete several
                steps += 1
                yield Plan(begun.steps[:steps])
            if progress.decoded is not None:
                yield self._answer(prompt, request, progress.decoded)

    @cached_property
    def decoder(self) -> "Decoder":
        """The model under the catalogue's grammar. Raises CatalogueError when there can be no such grammar."""
        return self._decoder(self.prompt, self._catalogue)

    @cached_property
    def _retriever(self) -> Retriever:
        if self.settings.encoder is None:
            return Retriever(self._catalogue)
        from platypus.inference.sentence_encoder import SentenceEncoder

        return Retriever(self._catalogue, SentenceEncoder(self.settings.encoder))

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.loaded.tokenizer, size=self.loaded.vocabulary)

    @property
    def _catalogue(self) -> Catalogue:
        assert self.prompt.catalogue is not None  # without one there are no plans to ask for
        return self.prompt.catalogue

    @property
    def _is_narrowed(self) -> bool:
        return self.settings.max_tools is not None and len(self._catalogue) > self.settings.max_tools

    def _decoder(self, prompt: Prompt, catalogue: Catalogue) -> "Decoder":
        from platypus.decoding.decoder import Decoder

        steps = self.settings.max_steps
        constraint = Constraint.compile(
            self._vocabulary, catalogue, prompt.notation, max_steps=steps, markers=prompt.markers
        )
        return Decoder(self.loaded, constraint, [prompt.ids(probe) for probe in ("1", "Plan")], folder=self.folder)

    def _shown(self, request: str) -> tuple[Prompt, "Decoder"]:
        """The prompt and decoder of a request: with the tools that are most like it, where there are too many."""
        if not self._is_narrowed:
            return self.prompt, self.decoder
        assert self.settings.max_tools is not None
        chosen = self._retriever.subset(request, self.settings.max_tools)
        prompt = replace(self.prompt, catalogue=chosen)
        return prompt, self._decoder(prompt, chosen)

    def _limits(self, max_new_tokens: int) -> DecodingLimits:
        return DecodingLimits(max_new_tokens, seconds=self.settings.seconds)

    def _constrained(
        self, prompt: Prompt, decoder: "Decoder", requests: Sequence[str], batch_size: int, max_new_tokens: int
    ) -> Iterator[Answer]:
        prompts, texts = map(prompt.ids, requests), map(prompt.marked_texts, requests)
        limits = self._limits(max_new_tokens)
        decoded = decoder.decode([*prompts], limits=limits, batch_size=batch_size, named=[*texts])
        for request, said in zip(requests, decoded, strict=True):
            yield self._answer(prompt, request, said)

    def _preferred(self, request: str, max_new_tokens: int) -> Answer:
        """Of several likely plans the likeliest, where each value that the request names and the plan lacks counts."""
        prompt, decoder = self._shown(request)
        limits, texts = self._limits(max_new_tokens), prompt.marked_texts(request)
        found = decoder.likely(prompt.ids(request), self.settings.beams, limits=limits, named=texts)
        return max((self._answer(prompt, request, said) for said in found), key=_worth)

    def _answer(self, prompt: Prompt, request: str, said: DecodedPlan) -> Answer:
        plan, least = prompt.read(said.text, request), self.settings.min_confidence
        confidence = self.calibration.confidence(said.probability) if said.ended_by == "model" else 0.0
        known = (said.probability, confidence, confidence >= least)
        return Answer(request, plan, said.text, said.tokens, said.decisions, said.ended_by, *known)

    def _freely(self, requests: Sequence[str], batch_size: int, max_new_tokens: int) -> Iterator[Answer]:
        from platypus.model.completion import complete

        prompts = [self.prompt.ids(request) for request in requests]
        seconds = self.settings.seconds
        said = complete(self.loaded, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size, seconds=seconds)
        for request, completion in zip(requests, said, strict=True):
            plan, tokens = self._read(completion, request), completion.tokens
            ended_by: EndedBy = "model" if completion.finished else "length"
            yield Answer(request, plan, completion.text, tokens, tokens, ended_by)

    def respond(
        self, rows: Sequence[Row], *, batch_size: int = 16, max_new_tokens: int = 512
    ) -> Iterator["Completion"]:
        """The answer to each row in words, in order: what Alpaca rows ask for."""
        from platypus.model.completion import complete

        prompts = [self.prompt.row_ids(row) for row in rows]
        return complete(self.loaded, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size)

    def _read(self, completion: "Completion", request: str) -> Plan | Malformed:
        """The plan; an answer without its end is none, even if what there is of it looks like one."""
        if completion.finished:
            return self.prompt.read(completion.text, request)
        fault = Problem("unfinished", f"the answer was cut off after {completion.tokens} tokens")
        return Malformed(completion.text, (fault,))


def _worth(answer: Answer) -> float:
    """Its logarithmic probability less what its plan lacks of the request; a refusal must be likelier than not."""
    probability = answer.probability or 0.0
    if answer.plan == Plan():
        return 0.0 if probability > 0.5 else -inf
    lacking = 0
    if isinstance(answer.plan, Plan):
        said = {text.casefold() for text in plan_literals(answer.plan)}
        lacking = sum(text.casefold() not in said for text in marked_texts(answer.request))
    return log(max(probability, LEAST)) - LACKING * lacking
