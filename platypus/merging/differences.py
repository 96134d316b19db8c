"""Do the merged weights differ from those of the base where something was merged, and nowhere else?

The files are opened again, so this also says that they hold what was meant.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from platypus.errors import ModelError
from platypus.merging.combining import Combined
from platypus.model.stored_weights import StoredWeights


@dataclass(frozen=True)
class Differences:
    """How many of the tensors differ from the base, and those whose change was too small for the dtype to show."""

    changed: int
    unchanged: int
    rounded_away: tuple[str, ...]


def compare_weights(combined: Combined, folder: Path) -> Differences:
    """How the weights in a folder differ from their base.

    Raises ModelError if one differs that should not, if one is missing, or if none differs although it should.
    """
    written = StoredWeights.of(folder)
    expected = combined.meta()
    wrong = sorted(expected.keys() ^ written.shapes.keys())
    changed, away = 0, []
    for name in expected.keys() & written.shapes.keys():
        same = _same(written.tensor(name), combined.bare(name))
        if same and name in combined.changed and combined.change(name).any():
            away.append(name)
        elif not same and name not in combined.changed:
            wrong.append(name)
        changed += not same
    if wrong:
        raise _refused(f"{len(wrong)} tensors are not those of the base, the first: {wrong[0]}", folder)
    if away and not changed:
        raise _refused("nothing of what was merged is left: each change is too small for the dtype", folder)
    return Differences(changed, len(expected) - changed, tuple(sorted(away)))


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _refused(what: str, folder: Path) -> ModelError:
    return ModelError(what, where=str(folder), remedy='Set dtype = "float32" under [merge], or report it.')
