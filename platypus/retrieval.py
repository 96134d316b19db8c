"""The tools of a large catalogue that a request is about: word and letter statistics, no model.

Tools and requests are compared by TF-IDF over words and over groups of letters, so that "summarise" finds `summarize`
and a plural its singular. What a tool is known by is its name, its description and those of its arguments.
"""

from functools import cached_property
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from platypus.catalogue import Catalogue, Tool
from platypus.literals import words


class Retriever:
    """Finds tools of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def subset(self, request: str, count: int) -> Catalogue:
        """The `count` tools that are most like the request, in catalogue order."""
        if len(self.catalogue) <= count:
            return self.catalogue
        vectorizer, tools = self._index
        likeness = (tools @ vectorizer.transform([request]).T).toarray()[:, 0]
        best = np.argsort(-likeness, kind="stable")[:count]
        return self.catalogue.subset(self.catalogue.tools[place].name for place in best)

    @cached_property
    def _index(self) -> tuple[Any, Any]:
        union = FeatureUnion(
            [
                ("words", TfidfVectorizer(sublinear_tf=True, stop_words="english")),
                ("letters", TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5))),
            ]
        )
        return union, union.fit_transform([_known_by(tool) for tool in self.catalogue])


def _known_by(tool: Tool) -> str:
    arguments = [f"{' '.join(words(argument.name))} {argument.description}" for argument in tool.arguments]
    return " ".join([*words(tool.name) * 2, tool.description, *arguments])
