"""Narrowing: which tools a request is shown, where a catalogue is too large for one prompt.

These are the tools most similar to the request. Training shows a row the same tools, and those that its plan needs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Row
from platypus.inference.retrieval import Encode, Retriever
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings

MOST = 16  # tools that are shown of a catalogue that is too large


def narrowing_for_training(prompt: Prompt, settings: DecodeSettings, context: int) -> "Narrowing | None":
    """What chooses the tools that training shows with each request; None if the prompt has room for all of them."""
    no_tools = prompt.catalogue is None
    return None if no_tools or prompt.has_room(context) else Narrowing.of(prompt, settings, context)


def encoder_of(settings: DecodeSettings) -> Encode | None:
    """The sentence encoder of the settings, if they name one."""
    if settings.encoder is None:
        return None
    from platypus.inference.sentence_encoder import SentenceEncoder

    return SentenceEncoder(settings.encoder)


@dataclass(frozen=True)
class Narrowing:
    """Chooses at most `most` tools of the prompt's catalogue, and no more than fit into the prompt.

    `context` is that of the base, in tokens; `encode` makes vectors of texts, for tools similar in meaning.
    """

    prompt: Prompt
    most: int = MOST
    context: int | None = None
    encode: Encode | None = None

    @classmethod
    def of(cls, prompt: Prompt, settings: DecodeSettings, context: int) -> "Narrowing":
        """The narrowing to `max_tools`, or to `MOST` tools if that is "auto"."""
        most = MOST if settings.max_tools == "auto" else settings.max_tools
        return cls(prompt, most, context, encoder_of(settings))

    @cached_property
    def retriever(self) -> Retriever:
        """What compares requests and tools."""
        assert self.prompt.catalogue is not None  # without one there is nothing to narrow
        return Retriever(self.prompt.catalogue, self.encode)

    def tools(self, request: str, needed: Iterable[str] = ()) -> Catalogue:
        """The needed tools, and the most similar ones that fit beside them, in catalogue order; at least one tool."""
        names = list(dict.fromkeys((*needed, *self.retriever.ranked(request)[: self.most])))
        room = self.prompt.tool_limit(self.context)
        chosen: set[str] = set()
        for name in names:
            room -= self.prompt.tool_tokens[name]
            if (room >= 0 and len(chosen) < self.most) or not chosen or name in needed:
                chosen.add(name)
        return self.retriever.catalogue.subset(chosen)

    def row(self, row: Row) -> Row:
        """A training row that brings the tools that its request is shown."""
        if not isinstance(row, Example) or row.tools is not None:
            return row
        return replace(row, tools=self.tools(row.query, dict.fromkeys(step.tool for step in row.plan)))
