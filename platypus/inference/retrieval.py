"""Finds the tools of a large catalogue that a request is about, by TF-IDF and optionally a sentence encoder.

TF-IDF covers words and groups of letters, so that "summarise" finds `summarize` and a plural its singular. A tool is
described by its name, its description and those of its arguments. A sentence encoder adds requests in other words;
alone it is worse, because it overlooks names.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from math import log, sqrt
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
        similarity: NDArray[np.float64] = sum(
            (each.likeness(request) for each in self._index), np.zeros(len(self.catalogue))
        )
        return similarity if self.encode is None else similarity + self._vectors @ self.encode([request])[0]

    @cached_property
    def _vectors(self) -> NDArray[np.float64]:
        assert self.encode is not None
        return self.encode([sentence(tool) for tool in self.catalogue])

    @cached_property
    def _index(self) -> "list[_Terms]":
        from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second to import

        texts = [known_by(tool) for tool in self.catalogue]
        words = TfidfVectorizer(sublinear_tf=True, stop_words="english")
        letters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5))
        says_something = any(map(words.build_analyzer(), texts))  # of a tool `f` only the letters are left
        return [_Terms(each, texts) for each in ([words, letters] if says_something else [letters])]


class _Terms:
    """The terms of some texts with their weights, and the likeness of a request to each text by them.

    The likeness is the product with what the vectorizer's `transform` gives, which takes 20 times as long for one text.
    """

    def __init__(self, vectorizer: Any, texts: Sequence[str]) -> None:
        self._weights = vectorizer.fit_transform(texts).tocsc()
        self._analyze, self._terms, self._idf = vectorizer.build_analyzer(), vectorizer.vocabulary_, vectorizer.idf_

    def likeness(self, request: str) -> NDArray[np.float64]:
        """The cosine of the request and each text: (texts,)."""
        known = Counter(self._terms[term] for term in self._analyze(request) if term in self._terms)
        weights = {term: (1 + log(count)) * self._idf[term] for term, count in known.items()}
        length = sqrt(sum(weight**2 for weight in weights.values()))
        found = np.zeros(self._weights.shape[0])
        starts, texts, data = self._weights.indptr, self._weights.indices, self._weights.data
        for term, weight in weights.items():
            places = slice(starts[term], starts[term + 1])
            found[texts[places]] += data[places] * (weight / length)
        return found


def known_by(tool: Tool) -> str:
    """The text that TF-IDF finds a tool by; its name counts twice."""
    arguments = [f"{' '.join(words(argument.name))} {argument.description}" for argument in tool.arguments]
    return " ".join([*words(tool.name) * 2, tool.description, *arguments])


def sentence(tool: Tool) -> str:
    """The tool as a sentence for the encoder: its name in words, and its description."""
    return f"{' '.join(words(tool.name))}: {one_line(tool.description) or ', '.join(a.name for a in tool.arguments)}"
