"""overlap: how much two datasets overlap, and what that means for merging models that were trained on them."""

from platypus.catalogue.tools import Catalogue
from platypus.refinement.embedding import TFIDF
from platypus.refinement.overlap import Dataset, DatasetOverlap
from platypus.refinement.overlap import overlap as overlap_of


def overlap(first: str, second: str, *, tools: Catalogue | None = None, embedding: str = TFIDF) -> DatasetOverlap:
    """The overlap of two sources. Raises DatasetError for one that cannot be read."""
    return overlap_of(Dataset(first, tools), Dataset(second, tools), embedding=embedding)
