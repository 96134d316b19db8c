"""Prompt: request → ids, example → ids and labels, answer → Plan or Malformed.

All stages use `Prompt`. In the Alpaca template (`platypus.prompt.templates`) a planner's rules and catalogue are the
instruction and the request is the input, so all prompts of a catalogue begin with the same text. Prompt and answer are
encoded separately and then joined, so that no token spans the boundary. With `template = "chat"` all rows but plans go
through the base's own chat template (`platypus.prompt.conversations`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import starmap, zip_longest
from statistics import median
from typing import Protocol

from platypus.catalogue.tools import Catalogue
from platypus.data.conversation import Conversation, Message
from platypus.data.dataset import Example, Instruction, Row
from platypus.data.signatures import answer_text
from platypus.errors import PromptError
from platypus.plan.notation import Notation, print_plan, read_begun, read_plan
from platypus.plan.plan import Malformed, Plan
from platypus.prompt.catalogue_text import Rendering, render_catalogue
from platypus.prompt.conversations import ChatTemplate, EncodedChat, Turns
from platypus.prompt.invocation import INVOCATION, last_place
from platypus.prompt.markers import marked_texts, plan_with_markers, request_with_markers
from platypus.prompt.templates import WITH_INPUT, WITHOUT_INPUT, Frame, Template, frame, shared_frame

NO_LABEL = -100  # the target that torch's cross entropy ignores
LISTED = 10  # rows in an error message
ROOM = 512  # tokens for a request and its answer, or a quarter of the limit if that is less


class Tokenizer(Protocol):
    """What a prompt needs of a Hugging Face tokenizer."""

    @property
    def bos_token_id(self) -> int | None:
        """The id of the token that begins a text; None if there is none."""

    @property
    def eos_token_id(self) -> int | None:
        """The id of the token that ends an answer; None if there is none."""

    def encode(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> list[int]:
        """The token ids of a text."""

    def __hash__(self) -> int:
        """Lengths of texts are kept by tokenizer."""


@dataclass(frozen=True)
class EncodedExample:
    """A training row: the prompt's ids, then the answer's, which end with EOS. `name` is the row's name in messages.

    In a conversation several answers are learned: `gaps` are the places after the first one that are not.
    """

    ids: tuple[int, ...]
    prompt_length: int
    name: str
    catalogue: str = ""  # the fingerprint of the tools that the row brings
    gaps: tuple[range, ...] = ()
    frozen: int = 0  # the tokens before the invocation, on which an activated adapter does not act

    @classmethod
    def of_chat(cls, chat: EncodedChat, name: str) -> "EncodedExample":
        """The row of a conversation."""
        first = chat.learned.index(True)
        starts = [at for at in range(first + 1, len(chat.ids)) if chat.learned[at - 1] and not chat.learned[at]]
        ends = [at for at in range(first + 1, len(chat.ids)) if not chat.learned[at - 1] and chat.learned[at]]
        gaps = starmap(range, zip_longest(starts, ends, fillvalue=len(chat.ids)))
        return cls(chat.ids, first, name, gaps=tuple(gaps))

    @property
    def labels(self) -> tuple[int, ...]:
        """The ids to learn: -100 for each token of the prompt and of the gaps, else the id."""
        labels = [*(NO_LABEL,) * self.prompt_length, *self.ids[self.prompt_length :]]
        for gap in self.gaps:
            labels[gap.start : gap.stop] = [NO_LABEL] * len(gap)
        return tuple(labels)


class PromptOptions(Protocol):
    """The keys of a recipe's `[prompt]` table."""

    @property
    def notation(self) -> Notation:
        """The notation of plans."""

    @property
    def cutoff(self) -> int:
        """The maximum length of a row, in tokens."""

    @property
    def markers(self) -> bool:
        """Whether values of a request are numbered."""

    @property
    def template(self) -> Template:
        """How rows without a plan look."""

    @property
    def turns(self) -> Turns:
        """Which answers of a conversation are learned."""

    @property
    def rendering(self) -> Rendering:
        """How tools look."""


@dataclass(frozen=True)
class Prompt:
    """How rows look to a model: its tokenizer, the planner's catalogue, the notation of plans, the maximum row length.

    Without a catalogue a request is an Alpaca instruction or, with the template "chat", a user's message. Special
    tokens that occur as text in a request or an answer ("</s>") are encoded as text. `invocation` holds the tokens from
    which an activated adapter acts (`invocation_tokens`); every row then is a request for tools, and has them only once
    behind its tools. `brief_above`: the tokens of the median tool in full above which tools are shown in brief.
    """

    tokenizer: Tokenizer
    catalogue: Catalogue | None
    notation: Notation = "json"
    cutoff: int = 4096
    markers: bool = False
    template: Template = "alpaca"
    turns: Turns = "all"
    rendering: Rendering = "full"
    invocation: tuple[int, ...] = ()
    brief_above: int | None = None

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        catalogue: Catalogue | None,
        options: PromptOptions,
        *,
        cutoff: int | None = None,
    ) -> "Prompt":
        """The prompt with these options; `cutoff` replaces theirs."""
        known = (options.notation, cutoff or options.cutoff, options.markers, options.template, options.turns)
        return cls(tokenizer, catalogue, *known, options.rendering)

    def for_row(self, row: Row) -> "Prompt":
        """This prompt with the tools that the row brings, if it brings some; in brief, if else they leave no room."""
        own = row.tools if isinstance(row, Example) else None
        return self if own is None else replace(self, catalogue=own).fitted()

    def fitted(self, context: int | None = None) -> "Prompt":
        """This prompt with its tools in brief, if in full they are long, or leave no room in the base's `context`."""
        is_long = self.brief_above is not None and median(self.tool_tokens.values() or [0]) > self.brief_above
        return replace(self, rendering="brief") if is_long or not self.has_room(context) else self

    def has_room(self, context: int | None = None) -> bool:
        """Whether cutoff and context leave `ROOM` tokens beside the tools."""
        return _length(self.tokenizer, "".join(self.frame)) <= self.tool_limit(context) + self.rule_tokens

    def tool_limit(self, context: int | None = None) -> int:
        """The number of tokens that the tools of a prompt may have."""
        limit = min(self.cutoff, context or self.cutoff)
        return limit - min(ROOM, limit // 4) - self.rule_tokens

    @property
    def rule_tokens(self) -> int:
        """The number of tokens around the tools and the request."""
        if self.catalogue is None:
            return _length(self.tokenizer, "".join(self.frame))
        return _length(self.tokenizer, "".join(shared_frame(self.notation, markers=self.markers)))

    @cached_property
    def tool_tokens(self) -> dict[str, int]:
        """The number of tokens of each tool of the catalogue."""
        texts = {tool.name: render_catalogue(Catalogue((tool,)), self.rendering) for tool in self.catalogue or ()}
        return {name: _length(self.tokenizer, f"{text}\n") for name, text in texts.items()}

    def text(self, query: str) -> str:
        """The prompt of a request."""
        return self.request_text(query).join(self.frame)

    def request_text(self, query: str) -> str:
        """The request as it appears in its prompt: with markers, if they are on."""
        return request_with_markers(query) if self.markers else query

    def row_text(self, row: Row) -> str:
        """The prompt of a row, without its answer. Raises PromptError for a conversation in Alpaca's template."""
        if self._is_chat(row):
            return self.chat.text(messages_of(row)[:-1], answer=True)
        if isinstance(row, Example):
            return self.for_row(row).text(row.query)
        if isinstance(row, Conversation):
            raise PromptError(
                "is a conversation, for which Alpaca's template has no place",
                where=name_of(row),
                remedy='Set template = "chat" under [prompt]: then rows go through the chat template of the base.',
            )
        template = WITH_INPUT if row.input else WITHOUT_INPUT
        return template.format(instruction=row.instruction, input=row.input)

    @cached_property
    def frame(self) -> Frame:
        """The text before and after each request."""
        return frame(self.catalogue, self.notation, markers=self.markers, rendering=self.rendering)

    def answer(self, row: Row) -> str:
        """The answer to learn: the plan with its arguments in catalogue order, or the row's (last) answer in text."""
        if not isinstance(row, Example):
            return answer_text(row)
        catalogue = row.known_tools(self.catalogue)
        plan = row.plan.ordered(catalogue) if catalogue else row.plan
        if self.markers and catalogue:
            plan = plan_with_markers(plan, catalogue, row.query)
        return print_plan(plan, self.notation)

    def ids(self, query: str) -> list[int]:
        """The prompt of a request as tokens: BOS once if the tokenizer has one, no EOS.

        Raises PromptError if no room is left for an answer, or if the request is not Unicode text.
        """
        what = f"the request {query[:60]!r}"
        if any("\ud800" <= letter <= "\udfff" for letter in query):  # bytes that are no text, half of a pair
            raise PromptError("is not Unicode text", where=what)
        if self.catalogue is None and self.template == "chat":
            return self.message_ids((Message("user", query),))
        ids = self._prompt_ids(self.text(query))
        self._frozen(ids, what)
        return self._with_room(ids, what)

    def message_ids(self, messages: Sequence[Message]) -> list[int]:
        """The prompt of the assistant's next turn after these messages as tokens, in the base's chat template."""
        replace(self, catalogue=None)._frozen((), "a conversation")
        return self._with_room(self.chat.ids(messages, answer=True), f"the message {messages[-1].content[:60]!r}")

    @cached_property
    def chat(self) -> ChatTemplate:
        """The base's own chat template. Raises PromptError if it has none that can be used."""
        return ChatTemplate.of(self.tokenizer)

    def row_ids(self, row: Row) -> list[int]:
        """The prompt of a row as tokens, like `ids`."""
        if self._is_chat(row):
            return self._with_room(self.chat.ids(messages_of(row)[:-1], answer=True), name_of(row))
        ids = self._prompt_ids(self.row_text(row))
        self._frozen_in(row, ids)
        return self._with_room(ids, name_of(row))

    @property
    def lead(self) -> str:
        """What the chat template puts before each answer in text; "" in Alpaca's."""
        return self.chat.lead if self.template == "chat" else ""

    def encode(self, row: Row) -> EncodedExample:
        """The row as tokens to train on. Raises PromptError if it is longer than the cutoff."""
        return self.encode_all([row])[0]

    def encode_all(self, rows: Sequence[Row], *, most: int | None = None) -> list[EncodedExample]:
        """The rows as tokens to train on: `most` in each, if not as many as the cutoff.

        Raises PromptError with names and lengths if some are too long, or if the template cannot hold some.
        """
        encoded, most = self._encoded(rows), most or self.cutoff
        if too_long := [row for row in encoded if len(row.ids) > most]:
            listed = "".join(f"\n  {row.name}: {len(row.ids)} tokens" for row in too_long[:LISTED])
            if len(too_long) > LISTED:
                listed += f"\n  … and {len(too_long) - LISTED} more"
            longest = max(len(row.ids) for row in too_long)
            raise PromptError(
                f"{len(too_long)} of {len(rows)} rows are longer than the cutoff of {self.cutoff} tokens:{listed}",
                remedy=f"Set `cutoff` under [prompt] to {longest} or more, or leave these rows out:"
                ' long_rows = "drop" under [refine].',
            )
        return encoded

    def read(self, answer: str, query: str = "") -> Plan | Malformed:
        """The plan in the answer to a request, or Malformed."""
        return read_plan(answer, self.notation, self.catalogue, self.marked_texts(query))

    def read_begun(self, answer: str, query: str = "") -> Plan:
        """The complete steps of an answer that is still being generated."""
        return read_begun(answer, self.notation, self.catalogue, self.marked_texts(query))

    def marked_texts(self, query: str) -> tuple[str, ...]:
        """The texts of a request that have markers."""
        return marked_texts(query) if self.markers else ()

    @property
    def opening(self) -> tuple[int, ...]:
        """The tokens of every prompt before the invocation: those that an activated adapter leaves to the base."""
        return _opening(self.tokenizer, self.text("Plan"), self.invocation) if self.invocation else ()

    def _frozen_in(self, row: Row, ids: Sequence[int]) -> int:
        """The number of a row's tokens before the invocation; 0 without one. Raises PromptError as `_frozen` does."""
        if not self.invocation:
            return 0
        return (self.for_row(row) if isinstance(row, Example) else replace(self, catalogue=None))._frozen(
            ids, name_of(row)
        )

    def _frozen(self, ids: Sequence[int], what: str) -> int:
        """The number of tokens before the invocation; 0 without one.

        Raises PromptError if there are no tools, or the last invocation is another one than that behind the tools.
        """
        if not self.invocation:
            return 0
        if self.catalogue is None:
            raise PromptError(
                "it has no tools, and an adapter with a frozen prefix acts only on what stands behind tools",
                where=what,
                remedy='Leave it out, or train with prefix = "auto" under [train].',
            )
        if last_place(ids, self.invocation) != len(self.opening):
            raise PromptError(
                f"it contains {INVOCATION!r}, which activates the adapter and may stand only behind the tools",
                where=what,
                remedy='Write it in other words, or train with prefix = "auto" under [train].',
            )
        return len(self.opening)

    def _is_chat(self, row: Row) -> bool:
        return self.template == "chat" and not isinstance(row, Example)

    def _encoded(self, rows: Sequence[Row]) -> list[EncodedExample]:
        if any(map(self._is_chat, rows)):
            _ = self.chat  # what is wrong with the template itself is no fault of a row
        encoded: list[EncodedExample] = []
        faults: list[PromptError] = []
        for row in rows:
            try:
                encoded.append(self._encode(row))
            except PromptError as fault:
                faults.append(PromptError(fault.what, where=name_of(row), remedy=fault.remedy))
        if faults:
            listed = "".join(f"\n  {fault.where}: {fault.what}" for fault in faults[:LISTED])
            more = f"\n  … and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
            raise PromptError(
                f"{len(faults)} of {len(rows)} rows do not fit the prompt's template:{listed}{more}",
                remedy=faults[0].remedy,
            )
        return encoded

    def _encode(self, row: Row) -> EncodedExample:
        if self._is_chat(row):
            return EncodedExample.of_chat(self.chat.encode(messages_of(row), turns=self.turns), name_of(row))
        prompt = self._prompt_ids(self.row_text(row))
        answer = [*self._plain_ids(self.answer(row)), *_present(self.tokenizer.eos_token_id)]
        own = row.tools.fingerprint if isinstance(row, Example) and row.tools else ""
        ids = (*prompt, *answer)
        return EncodedExample(ids, len(prompt), name_of(row), catalogue=own, frozen=self._frozen_in(row, ids))

    def _prompt_ids(self, text: str) -> list[int]:
        return [*_present(self.tokenizer.bos_token_id), *self._plain_ids(text)]

    def _plain_ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _with_room(self, ids: list[int], what: str) -> list[int]:
        if len(ids) >= self.cutoff:
            raise PromptError(
                f"the prompt has {len(ids)} tokens; the context of {self.cutoff} leaves no room for an answer",
                where=what,
                remedy="Shorten it, or use fewer tools, or set a larger `cutoff` under [prompt] if the base allows it.",
            )
        return ids


def name_of(row: Row) -> str:
    """The name of a row in messages: `train.jsonl:3` from its origin, otherwise its beginning."""
    source, line = row.origin.get("source", row.origin.get("file")), row.origin.get("line")
    if source is not None and line is not None:
        return f"{source}:{line}"
    return repr((row.query if isinstance(row, Example) else messages_of(row)[0].content)[:60])


def messages_of(row: Row) -> tuple[Message, ...]:
    """A row as turns: of an Alpaca row the user's, instruction and input on lines of their own, and the assistant's."""
    match row:
        case Conversation():
            return row.messages
        case Instruction():
            asked = f"{row.instruction}\n{row.input}" if row.input else row.instruction
            return Message("user", asked), Message("assistant", row.output)
    raise TypeError("a plan is no conversation")


@lru_cache(maxsize=64)
def _opening(tokenizer: Tokenizer, prompt: str, invocation: tuple[int, ...]) -> tuple[int, ...]:
    encoded = tokenizer.encode(prompt, add_special_tokens=False, split_special_tokens=True)
    ids = [*_present(tokenizer.bos_token_id), *encoded]
    return tuple(ids[: last_place(ids, invocation)])


@lru_cache(maxsize=1024)
def _length(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def _present(token: int | None) -> tuple[int, ...]:
    return () if token is None else (token,)
