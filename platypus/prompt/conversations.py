"""ChatTemplate: a base's own chat template; conversations → ids, and which of them the assistant says.

Every training row is what the model reads in use: the prompt of each answer, rendered as for generation, must begin the
rendered conversation, token for token. A template with a `{% generation %}` mark says itself which tokens the assistant
says; without one these are the tokens between the prompt and the end of the turn. Tokens like `<|im_end|>` that occur
as text in a message are encoded as text. Does not know Alpaca rows and plans.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from platypus.data.conversation import Message
from platypus.errors import PromptError

Turns = Literal["all", "last"]

MARK = re.compile(r"{%-?\s*generation\s*-?%}")
PROBE = (Message("user", "Hello"), Message("assistant", "Platypus"))
SHOWN = 40  # characters of a rendered text in messages
OTHERWISE = 'use another base, or set template = "alpaca" under [prompt].'


class ChatTokenizer(Protocol):
    """What a chat template needs of a Hugging Face tokenizer."""

    name_or_path: str
    chat_template: Any
    chat_control_tokens: Any

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """The tokens that are matched before the text is split: special tokens and the like."""

    def get_chat_template(self) -> str:
        """The chat template; of several, the default one."""

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any:
        """A conversation as text, ids, or ids with a mask of the assistant's tokens."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text."""

    def decode(self, token_ids: list[int]) -> str:
        """The text of ids."""


class EncodedChat(NamedTuple):
    """A conversation as ids, and for each of them whether it is learned."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]


@dataclass(frozen=True)
class ChatTemplate:
    """The chat template of a base's tokenizer.

    `end` is the token that ends an answer, `after` the number of tokens that the template puts behind it at the end of
    a conversation, `lead` the text that it puts before an answer and after the prompt (an empty thought, for some).
    """

    tokenizer: ChatTokenizer
    marked: bool
    end: int
    after: int
    lead: str

    @classmethod
    def of(cls, tokenizer: Any) -> "ChatTemplate":
        """The tokenizer's own template. Raises PromptError if it has none that a model can learn to answer by."""
        tokenizer, where = copy.copy(tokenizer), str(tokenizer.name_or_path)
        if not tokenizer.chat_template:
            remedy = (
                'Use a base with a chat template ("…-Instruct"), put a `chat_template.jinja` into a local copy of it,'
            )
            raise PromptError(
                "the base has no chat template",
                where=where,
                remedy=f'{remedy} or set template = "alpaca" under [prompt].',
            )
        plain = cls(tokenizer, False, 0, 0, "")
        prompt, whole = plain.text(PROBE[:1], answer=True), plain.text(PROBE)
        lead, answer, rest = whole.removeprefix(prompt).partition(PROBE[1].content)
        if not whole.startswith(prompt) or not answer:
            what = f"its chat template answers {prompt[-SHOWN:]!r} with {whole[-SHOWN:]!r}, which does not continue it"
            raise PromptError(what, where=where, remedy=f"Correct the template, {OTHERWISE}")
        added = tokenizer.added_tokens_decoder
        ids = plain.ids(PROBE)[len(plain.ids(PROBE[:1], answer=True)) :]
        before = sum(id in added for id in tokenizer.encode(lead, add_special_tokens=False))
        ends = [at for at, id in enumerate(ids) if id in added][before:]
        if not ends:
            what = (
                f"its chat template ends an answer with {rest!r}, which is no special token: no answer would ever end"
            )
            raise PromptError(what, where=where, remedy=f"Let the template write the EOS token there, {OTHERWISE}")
        tokenizer.chat_control_tokens = [str(added[ids[ends[0]]])]  # beside the special tokens
        marked = tokenizer.is_fast and MARK.search(tokenizer.get_chat_template()) is not None
        return replace(plain, marked=marked, end=ids[ends[0]], after=len(ids) - 1 - ends[0], lead=lead)

    def text(self, messages: Sequence[Message], *, answer: bool = False) -> str:
        """The messages as text; `answer` asks for the assistant's next turn."""
        return str(self._applied(messages, tokenize=False, add_generation_prompt=answer))

    def ids(self, messages: Sequence[Message], *, answer: bool = False) -> list[int]:
        """The messages as ids; `answer` asks for the assistant's next turn. Raises PromptError if that cannot be."""
        return list(
            self._applied(
                messages,
                add_generation_prompt=answer,
                return_dict=False,
                sanitize_control_tokens=self._has_control_tokens(messages),
            )
        )

    def encode(self, messages: Sequence[Message], *, turns: Turns) -> EncodedChat:
        """The conversation as ids, of which all the assistant's turns are learned, or the last one.

        Raises PromptError if the template refuses the conversation, or a turn would be read differently in use.
        """
        ids = self.ids(messages)
        places = [place for place, message in enumerate(messages) if message.role == "assistant"]
        spans = [self._span(messages, place, ids) for place in (places if turns == "all" else places[-1:])]
        learned = [False] * len(ids)
        if self.marked and not self._has_control_tokens(messages):
            first = 0 if turns == "all" else spans[0].start
            learned = [bool(said) and at >= first for at, said in enumerate(self._marked(messages))]
            for at in range(1, len(ids)):
                learned[at] = learned[at] or (learned[at - 1] and ids[at] == self.end)
        else:
            for span in spans:
                learned[span.start : span.stop] = [True] * len(span)
        learned[0] = False  # nothing comes before it
        if not all(any(learned[span.start : span.stop]) for span in spans):
            what = "the {% generation %} mark of its chat template leaves out a turn of the assistant"
            raise PromptError(what, remedy=f"Correct the template, {OTHERWISE}")
        return EncodedChat(tuple(ids), tuple(learned))

    def _span(self, messages: Sequence[Message], place: int, ids: Sequence[int]) -> range:
        """Where the answer at this place is, with the token that ends it, in the ids of all messages."""
        prompt = self.ids(messages[:place], answer=True)
        last = place == len(messages) - 1
        turn = list(ids) if last else self.ids(messages[: place + 1])
        turn = turn[: len(turn) - self.after]
        if turn[: len(prompt)] != prompt or len(turn) <= len(prompt) or turn[-1] != self.end:
            raise self._no_beginning(messages[: place + 1], prompt, turn)
        if list(ids[: len(turn)]) != turn:
            now, later = _difference(self._decoded(turn), self._decoded(ids[: len(turn)]))
            raise PromptError(
                f"message {place + 1}: its chat template rewrites earlier turns: {now!r} at the end of a conversation"
                f" becomes {later!r} when more follows",
                remedy='Set turns = "last" under [prompt]: only the last answer of each conversation is learned then.',
            )
        return range(len(prompt), len(turn))

    def _no_beginning(self, messages: Sequence[Message], prompt: Sequence[int], turn: Sequence[int]) -> PromptError:
        """Why the last of these messages does not continue its prompt: another text, or the same in other tokens."""
        asked, answered = self.text(messages[:-1], answer=True), self.text(messages)
        if not answered.startswith(asked):
            before, after = _difference(asked, answered)
            return PromptError(
                f"message {len(messages)}: its chat template rewrites the question once it is answered: {before!r}"
                f" becomes {after!r}",
                remedy=f"Leave such rows out, correct the template, {OTHERWISE}",
            )
        border = f"{self._decoded(prompt)[-SHOWN:]!r} in the prompt, {self._decoded(turn[: len(prompt)])[-SHOWN:]!r}"
        return PromptError(
            f"message {len(messages)}: a token goes over the border between prompt and answer: {border} in both",
            remedy=f"The base's chat template does not fit its tokenizer: correct it, {OTHERWISE}",
        )

    def _marked(self, messages: Sequence[Message]) -> Sequence[int]:
        """transformers' own mask of the assistant's tokens."""
        mask: Sequence[int] = self._applied(messages, return_assistant_tokens_mask=True)["assistant_masks"]
        return mask

    def _has_control_tokens(self, messages: Sequence[Message]) -> bool:
        """Whether a message holds the text of a special token, or of the token that ends an answer."""
        return any(text in message.content for message in messages for text in self._control_tokens)

    @cached_property
    def _control_tokens(self) -> tuple[str, ...]:
        added = self.tokenizer.added_tokens_decoder.items()
        return tuple(str(token) for id, token in added if token.special or id == self.end)

    def _applied(self, messages: Sequence[Message], **options: Any) -> Any:
        from jinja2 import TemplateError

        try:
            return self.tokenizer.apply_chat_template([message.to_json() for message in messages], **options)
        except (TemplateError, NotImplementedError, ValueError) as error:
            raise PromptError(
                f"the chat template cannot render it: {error}",
                where=str(self.tokenizer.name_or_path),
                remedy=f"Leave such rows out, {OTHERWISE}",
            ) from error

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids)))


def _difference(one: str, other: str) -> tuple[str, str]:
    """Both texts from where they differ, for a message."""
    at = next((at for at, letters in enumerate(zip(one, other, strict=False)) if letters[0] != letters[1]), len(one))
    return one[at : at + SHOWN], other[at : at + SHOWN]
