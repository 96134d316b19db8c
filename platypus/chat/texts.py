"""Texts: a conversation with a model that answers in text, as for instruction rows and conversations.

The prompt is that of a training row. Earlier turns are messages if the model was trained through its base's chat
template, otherwise the input of an Alpaca instruction; of these, as many of the latest as leave room for an answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from platypus.data.conversation import Message
from platypus.data.dataset import Instruction
from platypus.errors import PromptError, RecipeError
from platypus.prompt.prompt import Prompt

if TYPE_CHECKING:
    from platypus.model.loading import Loaded

ALPACA_STOP = ("\n### Instruction:",)  # a base that was not trained to end goes on with the next instruction


@dataclass(frozen=True)
class Said:
    """An earlier turn in text: a request and its answer."""

    request: str
    answer: str


@dataclass(frozen=True)
class TextOptions:
    """How texts are drawn. Temperature 0 takes the likeliest token; else tokens are drawn with the seed, among the
    likeliest that have `top_p` of the probability. An answer ends before any of the `stop` texts; None: those of the
    template. Raises RecipeError for an impossible value.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise RecipeError("must be from 0 to 100", where="temperature")
        if not 0 < self.top_p <= 1:
            raise RecipeError("must be above 0 and at most 1", where="top_p")
        if not 0 <= self.seed < 1 << 63:
            raise RecipeError("must be a whole number from 0", where="seed")
        if self.stop is not None and not all(self.stop):
            raise RecipeError("an empty text would end every answer", where="stop")

    @classmethod
    def of(
        cls, temperature: float | None, top_p: float | None, seed: int | None, stop: Sequence[str] | None
    ) -> "TextOptions | None":
        """The options that were given; None if none was."""
        given = {"temperature": temperature, "top_p": top_p, "seed": seed, "stop": tuple(stop) if stop else None}
        known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return cls(**known) if known else None

    def stops(self, prompt: Prompt) -> tuple[str, ...]:
        """The texts that end an answer."""
        if self.stop is not None:
            return self.stop
        return ALPACA_STOP if prompt.template == "alpaca" else ()


class TextPrompt(NamedTuple):
    """A prompt as tokens, and how many of the oldest turns are not in it."""

    ids: list[int]
    left_out: int


def text_prompt(
    prompt: Prompt, context: int, earlier: Sequence[Said], request: str, *, system: str = "", room: int
) -> TextPrompt:
    """The prompt of a request with as many of the latest turns as leave `room` tokens for an answer, or half of all."""
    most = min(prompt.cutoff, context)
    roomy = replace(prompt, cutoff=most - min(room, most // 2))
    for start in range(len(earlier)):
        with suppress(PromptError):
            if prompt.template == "chat":
                return TextPrompt(roomy.message_ids(_messages(earlier[start:], request, system)), start)
            return TextPrompt(roomy.row_ids(_instruction(earlier[start:], request)), start)
    alone = prompt.message_ids(_messages((), request, system)) if prompt.template == "chat" else prompt.ids(request)
    return TextPrompt(alone, len(earlier))


def streamed(
    loaded: "Loaded", prompt: Prompt, ids: Sequence[int], options: TextOptions, *, max_new_tokens: int, draw: int = 0
) -> Iterator[str]:
    """The answer in pieces, as it is generated. `draw` tells the answers of one seed apart."""
    from platypus.model.completion import stream  # torch

    pieces = stream(
        loaded,
        ids,
        max_new_tokens=max_new_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed + draw,
    )
    return until(without_lead(pieces, prompt.lead), options.stops(prompt))


def until(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """The text before the first of the stop texts, in pieces. What may begin one is held back until that is known."""
    held = ""
    for piece in pieces:
        held += piece
        found = [at for at in map(held.find, stops) if at >= 0]
        if found:
            if held[: min(found)]:
                yield held[: min(found)]
            return
        keep = max((_begun(held, stop) for stop in stops), default=0)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held


def _begun(text: str, stop: str) -> int:
    """How many of the last letters of the text begin the stop text."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)


def without_lead(pieces: Iterable[str], lead: str) -> Iterator[str]:
    """The pieces of an answer without the text that its chat template puts before each answer."""
    start: str | None = ""
    for piece in pieces:
        if start is None:
            yield piece
            continue
        start += piece
        if not lead.startswith(start):
            yield start.removeprefix(lead)
            start = None
    if start:
        yield start.removeprefix(lead)


def _messages(earlier: Sequence[Said], request: str, system: str) -> list[Message]:
    """The request as the last of these turns, after the system message, if there is one."""
    said = [
        message for turn in earlier for message in (Message("user", turn.request), Message("assistant", turn.answer))
    ]
    return [*([Message("system", system)] if system else []), *said, Message("user", request)]


def _instruction(earlier: Sequence[Said], request: str) -> Instruction:
    """The request as an instruction, with the conversation so far as its input (Alpaca's field for context)."""
    conversation = "\n".join(f"Request: {turn.request}\nAnswer: {turn.answer}" for turn in earlier)
    return Instruction(instruction=request, input=conversation, output="", origin={})
