"""Prompt: request → ids, example → ids and labels, answer → Plan or Malformed.

Training, evaluation, chat and export all use `Prompt`. In the Alpaca template (`platypus.prompt.templates`) a planner's
rules and catalogue are the instruction and the request is the input, so all prompts of a catalogue begin with the same
text. Prompt and answer are encoded separately and then joined, so that no token spans the boundary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Instruction, Row
from platypus.errors import PromptError
from platypus.plan.notation import Notation, print_plan, read_begun, read_plan
from platypus.plan.plan import Malformed, Plan
from platypus.prompt.markers import marked_texts, plan_with_markers, request_with_markers
from platypus.prompt.templates import WITH_INPUT, WITHOUT_INPUT, Frame, frame

LISTED = 10  # rows that are too long, in an error message
NO_LABEL = -100  # the target that torch's cross entropy ignores


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


@dataclass(frozen=True)
class EncodedExample:
    """A training row: the prompt's ids, then the answer's, which end with EOS. `name` is the row's name in messages."""

    ids: tuple[int, ...]
    prompt_length: int
    name: str
    catalogue: str = ""  # the fingerprint of the tools that the row brings

    @property
    def labels(self) -> tuple[int, ...]:
        """The ids to learn: -100 for each token of the prompt, then the ids of the answer and EOS."""
        return (NO_LABEL,) * self.prompt_length + self.ids[self.prompt_length :]


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


@dataclass(frozen=True)
class Prompt:
    """How rows look to a model: its tokenizer, the planner's catalogue, the notation of plans, the maximum row length.

    Without a catalogue a request is an Alpaca instruction. Special tokens that occur as text in a request or an answer
    ("</s>") are encoded as text.
    """

    tokenizer: Tokenizer
    catalogue: Catalogue | None
    notation: Notation = "json"
    cutoff: int = 4096
    markers: bool = False

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
        return cls(tokenizer, catalogue, options.notation, cutoff or options.cutoff, options.markers)

    def for_row(self, row: Row) -> "Prompt":
        """This prompt with the tools that the row brings, if it brings some."""
        own = row.tools if isinstance(row, Example) else None
        return self if own is None else replace(self, catalogue=own)

    def text(self, query: str) -> str:
        """The prompt of a request."""
        return self.request_text(query).join(self.frame)

    def request_text(self, query: str) -> str:
        """The request as it appears in its prompt: with markers, if they are on."""
        return request_with_markers(query) if self.markers else query

    def row_text(self, row: Row) -> str:
        """The prompt of a row, without its answer."""
        if isinstance(row, Example):
            return self.for_row(row).text(row.query)
        template = WITH_INPUT if row.input else WITHOUT_INPUT
        return template.format(instruction=row.instruction, input=row.input)

    @cached_property
    def frame(self) -> Frame:
        """The text before and after each request."""
        return frame(self.catalogue, self.notation, markers=self.markers)

    def answer(self, row: Row) -> str:
        """The answer to learn: the plan with its arguments in catalogue order, or the row's output."""
        if isinstance(row, Instruction):
            return row.output
        catalogue = row.known_tools(self.catalogue)
        plan = row.plan.ordered(catalogue) if catalogue else row.plan
        if self.markers and catalogue:
            plan = plan_with_markers(plan, catalogue, row.query)
        return print_plan(plan, self.notation)

    def ids(self, query: str) -> list[int]:
        """The prompt of a request as tokens: BOS once if the tokenizer has one, no EOS.

        Raises PromptError if no room is left for an answer.
        """
        return self._with_room(self._prompt_ids(self.text(query)), f"the request {query[:60]!r}")

    def row_ids(self, row: Row) -> list[int]:
        """The prompt of a row as tokens, like `ids`."""
        return self._with_room(self._prompt_ids(self.row_text(row)), name_of(row))

    def encode(self, row: Row) -> EncodedExample:
        """The row as tokens to train on. Raises PromptError if it is longer than the cutoff."""
        return self.encode_all([row])[0]

    def encode_all(self, rows: Sequence[Row]) -> list[EncodedExample]:
        """The rows as tokens to train on. Raises PromptError with names and lengths if some are too long."""
        encoded = [self._encode(row) for row in rows]
        too_long = [row for row in encoded if len(row.ids) > self.cutoff]
        if too_long:
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

    def _encode(self, row: Row) -> EncodedExample:
        prompt = self._prompt_ids(self.row_text(row))
        answer = [*self._plain_ids(self.answer(row)), *_present(self.tokenizer.eos_token_id)]
        own = row.tools.fingerprint if isinstance(row, Example) and row.tools else ""
        return EncodedExample((*prompt, *answer), len(prompt), name_of(row), catalogue=own)

    def _prompt_ids(self, text: str) -> list[int]:
        return [*_present(self.tokenizer.bos_token_id), *self._plain_ids(text)]

    def _plain_ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _with_room(self, ids: list[int], what: str) -> list[int]:
        if len(ids) >= self.cutoff:
            raise PromptError(
                f"the prompt has {len(ids)} tokens; the context of {self.cutoff} leaves no room for an answer",
                where=what,
                remedy="Shorten it, or use fewer tools, or set a larger `cutoff` under [prompt].",
            )
        return ids


def name_of(row: Row) -> str:
    """The name of a row in messages: `train.jsonl:3` from its origin, otherwise its beginning."""
    source, line = row.origin.get("source", row.origin.get("file")), row.origin.get("line")
    if source is not None and line is not None:
        return f"{source}:{line}"
    return repr((row.query if isinstance(row, Example) else row.instruction)[:60])


def _present(token: int | None) -> tuple[int, ...]:
    return () if token is None else (token,)
