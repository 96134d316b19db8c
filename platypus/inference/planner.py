"""Planner: requests in, plans out. It joins a loaded model and the prompt that the model was trained with.

`Planner.plan` answers requests that are known; `begin` and `finish` are for those that come at any time, of which
`Decoder.run` takes many together. A planner decodes under the grammar of the catalogue's valid plans, or freely. In
both cases, the plan is checked against the catalogue afterwards; an invalid or unfinished one becomes `Malformed`.
Tensors are left to `platypus.model` and `platypus.decoding.decoder`, which are imported only when needed, because torch
takes seconds to import.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from math import inf
from pathlib import Path
from sys import maxsize
from time import monotonic
from typing import TYPE_CHECKING

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Row
from platypus.decoding.constraint import Constraint
from platypus.decoding.results import DecodedPlan, DecodingLimits, EndedBy
from platypus.decoding.tool_prior import ToolPrior
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import CatalogueError, PromptError
from platypus.inference.calibration import Calibration
from platypus.inference.evidence import Rival, beam_score, evidence, rivals
from platypus.inference.figures import Reading, day_of
from platypus.inference.narrowing import MOST, Narrowing, encoder_of
from platypus.inference.retrieval import Retriever
from platypus.plan.plan import Malformed, Plan, Problem
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings

if TYPE_CHECKING:
    from platypus.decoding.decoder import Decoder
    from platypus.decoding.state import Decoding
    from platypus.model.completion import Completion
    from platypus.model.loading import Loaded

EXACT = 2 / 3  # of the time for several plans: what the exact search may take before the beams


@dataclass(frozen=True)
class Answer:
    """A model's answer to a request: the plan, the text that it was read from, and what ended it.

    `request` is the request as it was read (`Planner.reading`). `decisions` is how many of the tokens the model
    decided. `probability` is the model's probability of the whole plan, `confidence` how likely the plan is right
    according to the calibration; both are None in free decoding. A plan that a limit ended has confidence 0, since it
    is not the model's choice. `evidence` is what the confidence is taken from; `logs` as in `DecodedPlan`.
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
    logs: tuple[tuple[int, float], ...] = field(default=(), compare=False)
    evidence: dict[str, float] | None = field(default=None, compare=False)

    @property
    def finished(self) -> bool:
        """Whether the model ended the answer itself, before any limit."""
        return self.ended_by == "model"


@dataclass(frozen=True)
class Planner:
    """A model and its prompt. `folder`, if not None, is where keys and values of the prompt's prefix are stored.

    `vocabulary` is that of the tokenizer, if it is known already: making one takes seconds. `retriever` compares
    requests with the tools, and with those that a narrowed planner is not shown; None: one is made of the tools.
    """

    loaded: "Loaded"
    prompt: Prompt
    settings: DecodeSettings = field(default_factory=DecodeSettings)
    folder: Path | None = None
    calibration: Calibration = field(default_factory=Calibration)
    vocabulary: Vocabulary | None = None
    retriever: Retriever | None = None

    def with_tools(self, catalogue: Catalogue) -> "Planner":
        """The same model with other tools, for rows that bring their own; nothing of them is kept on the disk."""
        prompt = replace(self.prompt, catalogue=catalogue).fitted(self.loaded.context)
        vocabulary = None if self.settings.decoding == "free" else self._vocabulary
        return replace(self, prompt=prompt, folder=None, vocabulary=vocabulary, retriever=None)

    def plan(self, requests: Sequence[str], *, batch_size: int = 16, max_new_tokens: int = 512) -> Iterator[Answer]:
        """The answer to each request, in order. Raises PromptError for a request that leaves no room for an answer."""
        readings = [*map(self.reading, requests)]
        answers = self._plan([reading.read for reading in readings], batch_size, max_new_tokens)
        return (self._as_said(reading, answer) for reading, answer in zip(readings, answers, strict=True))

    def _plan(self, requests: Sequence[str], batch_size: int, max_new_tokens: int) -> Iterator[Answer]:
        if self.settings.decoding == "free":
            return self._plan_freely(requests, batch_size, max_new_tokens)
        if self.settings.beams > 1:
            return (self._plan_with_beams(request, max_new_tokens) for request in requests)
        if self.narrowing:
            each = (
                self._constrained(*self._prompt_and_decoder(request), [request], 1, max_new_tokens)
                for request in requests
            )
            return chain.from_iterable(each)
        return self._constrained(self.prompt, self.decoder, requests, batch_size, max_new_tokens)

    def watch(self, request: str, *, max_new_tokens: int = 512) -> Iterator[Plan | Answer]:
        """The plan so far each time a step is complete, and finally the answer. Closing the iterator cancels.

        With free decoding or several beams, only the answer comes.
        """
        if self.settings.decoding == "free" or self.settings.beams > 1:
            yield from self.plan([request], batch_size=1, max_new_tokens=max_new_tokens)
            return
        reading = self.reading(request)
        request, steps = reading.read, 0
        prompt, decoder = self._prompt_and_decoder(request)
        texts, limits = [prompt.marked_texts(request)], self._limits(max_new_tokens)
        priors = self._priors([request])
        for progress in decoder.stream([prompt.ids(request)], limits=limits, named=texts, priors=priors):
            plan_so_far = self.begun(reading, progress.text)
            while steps < len(plan_so_far):  # one pass may complete several steps
                steps += 1
                yield Plan(plan_so_far.steps[:steps])
            if progress.decoded is not None:
                yield self._as_said(reading, self._answer(prompt, request, progress.decoded))

    def narrowed(self, request: str, needed: Sequence[str] = ()) -> "Planner":
        """The planner with the tools that the request is shown, with the needed ones; this one if these are all."""
        if self.narrowing is None:
            return self
        shown, known, retriever = self._shown_to(request, needed), self._vocabulary, self._retriever
        return replace(self, prompt=shown, folder=None, vocabulary=known, retriever=retriever)

    def begin(
        self, request: str, limits: DecodingLimits, *, decoder: "Decoder | None" = None, index: int = 0, draw: int = 0
    ) -> "Decoding":
        """The decoding of a request, for `Decoder.run` of this decoder, or of one of `decoder_of` (else `decoder`).

        `index` tells requests of one `run` apart, `draw` the samples of one request. Raises PromptError for a request
        that leaves no room for an answer.
        """
        from platypus.decoding.state import Beam

        request = self.reading(request).read
        ids, texts = self.prompt.ids(request), self.prompt.marked_texts(request)
        state = (decoder or self.decoder).begin(
            ids, limits, named=texts, prior=self._prior(request), index=index, draw=draw
        )
        return Beam(state, self.settings.beams) if self.settings.beams > 1 and not limits.temperature else state

    def begun(self, reading: Reading, text: str) -> Plan:
        """The complete steps of what a decoding of the request has written so far."""
        return reading.plan_as_said(self.prompt.read_begun(text, reading.read), self._catalogue)

    def finish(self, request: str, decoding: "Decoding") -> Answer:
        """The answer of a decoding that has ended: of a beam, the plan that `plan` would take."""
        reading = self.reading(request)
        return self._as_said(reading, self._best_of(self.prompt, reading.read, decoding.plans))

    def best(self, request: str, k: int, limits: DecodingLimits, *, decoder: "Decoder | None" = None) -> list[Answer]:
        """The k likeliest plans, likeliest first; fewer if there are no more.

        Where a limit ends that search, the rest are those of a beam search: likely, but not surely the next ones. Both
        together take the time limit: the search up to two thirds of it, the beams what is left.
        """
        reading, seconds = self.reading(request), inf if limits.seconds is None else limits.seconds
        request = reading.read
        end, part = monotonic() + seconds, replace(limits, seconds=EXACT * seconds)
        ids, texts = self.prompt.ids(request), self.prompt.marked_texts(request)
        decoder, prior = decoder or self.decoder, self._prior(request)
        ranked = decoder.best(ids, k, limits=part, named=texts, prior=prior)
        plans = [DecodedPlan(plan.text, plan.tokens, plan.tokens, "model", plan.probability) for plan in ranked]
        found = self._distinct(request, plans)
        if len(found) < k:
            left = replace(limits, seconds=end - monotonic())
            likely = decoder.likely(ids, k, limits=left, named=texts, prior=prior)
            found = self._distinct(request, [*plans, *(plan for plan in likely if plan.ended_by == "model")])[:k]
        answers = (self._answer(self.prompt, request, decoded, rivals(decoded, found)) for _, decoded in found)
        return [self._as_said(reading, answer) for answer in answers]

    def _distinct(self, request: str, plans: Sequence[DecodedPlan]) -> list[tuple[Plan | Malformed, DecodedPlan]]:
        """What is read of each, the first of equal ones: a value may be written as its marker or as its text."""
        first: dict[str, tuple[Plan | Malformed, DecodedPlan]] = {}
        for decoded in plans:
            plan = self.prompt.read(decoded.text, request)
            first.setdefault(str(plan), (plan, decoded))
        return [*first.values()]

    def probability(self, request: str, plan: Plan) -> float:
        """The probability of a plan as the answer to a request; 0 for one that is not valid or cannot be generated."""
        reading = self.reading(request)
        request, plan = reading.read, reading.plan_as_read(plan, self._catalogue)
        row = self.prompt.encode(Example(request, plan, self._catalogue.fingerprint, {}))
        asked, answer = row.ids[: row.prompt_length], row.ids[row.prompt_length :]
        limits, texts = DecodingLimits(max_new_tokens=len(answer)), self.prompt.marked_texts(request)
        return self.decoder.probability(asked, answer, limits=limits, named=texts, prior=self._prior(request))

    def reading(self, request: str) -> Reading:
        """The request as the model reads it: dates in figures, and numbers, too, for a model that reads markers."""
        return Reading.of(request, numbers=self.prompt.markers, today=day_of(self.settings.today))

    def _as_said(self, reading: Reading, answer: Answer) -> Answer:
        if isinstance(answer.plan, Malformed):
            return answer
        return replace(answer, plan=reading.plan_as_said(answer.plan, self._catalogue))

    def dated(self, request: str) -> str:
        """The request with its dates in figures, as an example of it is kept, which is read on another day."""
        return Reading.of(request, today=day_of(self.settings.today)).said

    def token_text(self, token: int) -> str:
        """A token of an answer as text."""
        return "" if token == self._vocabulary.end else self._vocabulary.token(token).decode(errors="replace")

    @cached_property
    def decoder(self) -> "Decoder":
        """The decoder for the whole catalogue. Raises CatalogueError if its grammar cannot be made."""
        return self._decoder(self.prompt)

    def decoder_of(self, tools: Catalogue, *, empty: bool = True) -> "Decoder":
        """A decoder of the same prompts whose plans call these of the tools alone; `empty`: or none of them."""
        from platypus.decoding.decoder import Decoder

        constraint = self._constraint(replace(self.prompt, catalogue=tools), empty=empty)
        opening = self.prompt.opening
        return Decoder(self.loaded, constraint, self._probes(self.prompt), prefix=self.decoder.prefix, opening=opening)

    @cached_property
    def narrowing(self) -> Narrowing | None:
        """What chooses the tools that a request is shown; None if all are.

        With `max_tools = "auto"` that is where the catalogue leaves no room in the prompt, or has no grammar.
        """
        most = self.settings.max_tools
        if most == "auto":
            if self.prompt.has_room(self.loaded.context) and (len(self._catalogue) <= MOST or self._has_grammar):
                return None
        elif len(self._catalogue) <= most:
            return None
        return Narrowing.of(self.prompt, self.settings, self.loaded.context)

    @cached_property
    def _retriever(self) -> Retriever:
        if self.retriever is not None:
            return self.retriever
        return self.narrowing.retriever if self.narrowing else Retriever(self._catalogue, encoder_of(self.settings))

    def _priors(self, requests: Sequence[str]) -> list[ToolPrior]:
        """The prior of each request over the catalogue's tools; none if the settings leave it out."""
        return [prior for request in requests if (prior := self._prior(request)) is not None]

    def _prior(self, request: str) -> ToolPrior | None:
        if not self.settings.tool_prior:
            return None
        retriever = self._retriever
        likeness = map(float, self.settings.tool_prior * retriever.likeness(request))
        names = (tool.name for tool in retriever.catalogue)
        return ToolPrior(dict(zip(names, likeness, strict=True)), self.prompt.notation)

    @property
    def _has_grammar(self) -> bool:
        """Whether the whole catalogue has a grammar, if one is needed."""
        try:
            return self.settings.decoding == "free" or bool(self.decoder)
        except CatalogueError:
            return False

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return self.vocabulary or Vocabulary(self.loaded.tokenizer, size=self.loaded.vocabulary)

    @property
    def _catalogue(self) -> Catalogue:
        assert self.prompt.catalogue is not None  # without one there are no plans
        return self.prompt.catalogue

    def _decoder(self, prompt: Prompt) -> "Decoder":
        from platypus.decoding.decoder import Decoder

        probes, opening = self._probes(prompt), prompt.opening
        return Decoder(self.loaded, self._constraint(prompt), probes, folder=self.folder, opening=opening)

    def _constraint(self, prompt: Prompt, *, empty: bool = True) -> Constraint:
        """What plans of the prompt's tools may be; `empty`: or the plan without steps."""
        catalogue, steps = prompt.catalogue, self.settings.max_steps
        assert catalogue is not None  # without one there are no plans
        return Constraint.compile(
            self._vocabulary, catalogue, prompt.notation, max_steps=steps, markers=prompt.markers, empty=empty
        )

    def _probes(self, prompt: Prompt) -> list[list[int]]:
        """Two prompts that share only what all prompts share."""
        return [prompt.ids(probe) for probe in ("1", "Plan")]

    def _prompt_and_decoder(self, request: str) -> tuple[Prompt, "Decoder"]:
        """The prompt and decoder of a request, with the tools that it is shown."""
        if self.narrowing is None:
            return self.prompt, self.decoder
        prompt = self._shown_to(request)
        return prompt, self._decoder(prompt)

    def _shown_to(self, request: str, needed: Sequence[str] = ()) -> Prompt:
        """The prompt with the tools that the request is shown."""
        if self.narrowing is None:
            return self.prompt
        return replace(self.prompt, catalogue=self.narrowing.tools(request, needed))

    def _limits(self, max_new_tokens: int) -> DecodingLimits:
        return DecodingLimits(max_new_tokens, seconds=self.settings.seconds)

    def _constrained(
        self, prompt: Prompt, decoder: "Decoder", requests: Sequence[str], batch_size: int, max_new_tokens: int
    ) -> Iterator[Answer]:
        prompts, texts = map(prompt.ids, requests), map(prompt.marked_texts, requests)
        limits = self._limits(max_new_tokens)
        priors = self._priors(requests)
        plans = decoder.decode([*prompts], limits=limits, batch_size=batch_size, named=[*texts], priors=priors)
        for request, decoded in zip(requests, plans, strict=True):
            yield self._answer(prompt, request, decoded)

    def _plan_with_beams(self, request: str, max_new_tokens: int) -> Answer:
        prompt, decoder = self._prompt_and_decoder(request)
        limits, texts = self._limits(max_new_tokens), prompt.marked_texts(request)
        plans = decoder.likely(
            prompt.ids(request), self.settings.beams, limits=limits, named=texts, prior=self._prior(request)
        )
        return self._best_of(prompt, request, plans)

    def _best_of(self, prompt: Prompt, request: str, found: Sequence[DecodedPlan]) -> Answer:
        """Of several likely plans, the one with the best `beam_score`."""
        read = [(prompt.read(decoded.text, request), decoded) for decoded in found]
        _, best = max(read, key=lambda one: beam_score(request, *one))
        return self._answer(prompt, request, best, rivals(best, read))

    def _answer(self, prompt: Prompt, request: str, decoded: DecodedPlan, others: Sequence[Rival] = ()) -> Answer:
        """The answer that a decoded plan is; `others` are the other plans that were found for the request."""
        plan, least = prompt.read(decoded.text, request), self.settings.min_confidence
        seen = evidence(request, plan, decoded, others) if isinstance(plan, Plan) else None
        confidence = self.calibration.confidence(decoded.probability, seen) if decoded.ended_by == "model" else 0.0
        known = (decoded.probability, confidence, confidence >= least, decoded.logs, seen)
        return Answer(request, plan, decoded.text, decoded.tokens, decoded.decisions, decoded.ended_by, *known)

    def _plan_freely(self, requests: Sequence[str], batch_size: int, max_new_tokens: int) -> Iterator[Answer]:
        from platypus.model.completion import complete

        prompts = [self._shown_to(request).ids(request) for request in requests]
        seconds = self.settings.seconds
        completions = complete(
            self.loaded, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size, seconds=seconds
        )
        for request, completion in zip(requests, completions, strict=True):
            plan, tokens = self._read(completion, request), completion.tokens
            ended_by: EndedBy = "model" if completion.finished else "length"
            yield Answer(request, plan, completion.text, tokens, tokens, ended_by)

    def respond(
        self, rows: Sequence[Row], *, batch_size: int = 16, max_new_tokens: int = 512
    ) -> Iterator["Completion"]:
        """The answer to each row as text, in order, as for Alpaca rows and conversations."""
        from platypus.model.completion import complete

        prompts = [self.prompt.row_ids(row) for row in rows]
        said = complete(self.loaded, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size)
        return (replace(completion, text=completion.text.removeprefix(self.prompt.lead)) for completion in said)

    def refusal(self, row: Row) -> str:
        """Why the row cannot be asked, such as a prompt that leaves no room for an answer; "" if it can.

        Raises PromptError where the template has no place for such rows.
        """
        if isinstance(row, Example) and self.prompt.catalogue is not None:
            try:
                ids = self._shown_to(row.query).ids(row.query)
            except PromptError as error:
                return error.what
        else:
            ids = self._unlimited.row_ids(row)
        most = min(self.prompt.cutoff, self.loaded.context)
        left = f"the prompt has {len(ids)} tokens; the context of {most} leaves no room for an answer"
        return left if len(ids) >= most else ""

    @cached_property
    def _unlimited(self) -> Prompt:
        return replace(self.prompt, cutoff=maxsize)

    def _read(self, completion: "Completion", request: str) -> Plan | Malformed:
        """The plan. An unfinished answer is malformed, even if its text so far is a plan."""
        if completion.finished:
            return self.prompt.read(completion.text, request)
        fault = Problem("unfinished", f"the answer was cut off after {completion.tokens} tokens")
        return Malformed(completion.text, (fault,))
