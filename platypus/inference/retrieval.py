"""Finds the tools of a large catalogue that a request is about, by TF-IDF and optionally a sentence encoder.

TF-IDF covers words and groups of letters, so that "summarise" finds `summarize` and a plural its singular. A tool is
described by its name, its description and those of its arguments. A sentence encoder adds requests in other words;
alone it is worse, because it overlooks names.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platypus.catalogue.prose import one_line
from platypus.catalogue.tools import Catalogue, Tool
from platypus.catalogue.words import words

Encode = Callable[[Sequence[str]], NDArray[np.float64]]  # texts → unit vectors, (texts, width)


class Retriever:
    """Finds tools of one catalogue by their words, and with `encode` by meaning as well."""

    def __init__(self, catalogue: Catalogue, encode: Encode | None = None) -> None:
        self.catalogue = catalogue
        self.encode = encode

    def ranked(self, request: str) -> list[str]:
        """The names of all tools, the most similar to the request first."""
        order = np.argsort(-self.likeness(request), kind="stable")
        return [self.catalogue.tools[place].name for place in order]

    def likeness(self, request: str) -> NDArray[np.float64]:
        """The similarity of each tool to the request, in catalogue order. Only its order is meaningful."""
        parts = ((tools @ vectorizer.transform([request]).T).toarray()[:, 0] for vectorizer, tools in self._index)
        similarity: NDArray[np.float64] = sum(parts, np.zeros(len(self.catalogue)))
        return similarity if self.encode is None else similarity + self._vectors @ self.encode([request])[0]

    @cached_property
    def _vectors(self) -> NDArray[np.float64]:
        assert self.encode is not None
        return self.encode([sentence(tool) for tool in self.catalogue])

    @cached_property
    def _index(self) -> list[tuple[Any, Any]]:
        """Each vectorizer with the matrix of the tools: (tools, terms), sparse."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second to import

        texts = [known_by(tool) for tool in self.catalogue]
        words = TfidfVectorizer(sublinear_tf=True, stop_words="english")
        letters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5))
        says_something = any(map(words.build_analyzer(), texts))  # of a tool `f` only the letters are left
        return [(each, each.fit_transform(texts)) for each in ([words, letters] if says_something else [letters])]


def known_by(tool: Tool) -> str:
    """The text that TF-IDF finds a tool by; its name counts twice."""
    arguments = [f"{' '.join(words(argument.name))} {argument.description}" for argument in tool.arguments]
    return " ".join([*words(tool.name) * 2, tool.description, *arguments])


def sentence(tool: Tool) -> str:
    """The tool as a sentence for the encoder: its name in words, and its description."""
    return f"{' '.join(words(tool.name))}: {one_line(tool.description) or ', '.join(a.name for a in tool.arguments)}"
