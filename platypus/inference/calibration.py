"""How sure a plan is: the probability that a model gives it, calibrated on rows whose plans are known.

A model's own probability of a whole plan says which of two plans is the surer one, but not how often such plans are
right. Platt scaling makes that of it (Platt 1999, "Probabilistic Outputs for Support Vector Machines", with his targets
for few rows): a logistic regression on the logit of the probability. Knows no plans.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEAST = 1e-9  # probabilities are kept this far from 0 and 1
BINS = 10


@dataclass(frozen=True)
class Calibration:
    """From a probability to how often plans of such a probability are right; `rows` is how many were looked at.

    The one of no rows changes nothing.
    """

    slope: float = 1.0
    intercept: float = 0.0
    rows: int = 0

    def confidence(self, probability: float) -> float:
        """How likely it is that a plan of this probability is right, from 0 to 1."""
        return float(1 / (1 + np.exp(-self.slope * _logit([probability])[0] - self.intercept)))

    @classmethod
    def fit(cls, probabilities: Sequence[float], right: Sequence[bool]) -> "Calibration":
        """What fits these rows best; without any, the one that changes nothing."""
        if not probabilities:
            return cls()
        from sklearn.linear_model import LogisticRegression  # takes half a second to import

        positive = sum(right)
        targets = ((positive + 1) / (positive + 2), 1 / (len(right) - positive + 2))
        wanted = np.array([targets[0] if one else targets[1] for one in right])
        points = np.tile(_logit(probabilities), 2)[:, None]  # each row as right and as wrong, with the share of each
        labels = np.repeat([1, 0], len(right))
        fitted = LogisticRegression().fit(points, labels, sample_weight=np.concatenate([wanted, 1 - wanted]))
        return cls(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]), len(right))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read it."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def brier(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The mean squared distance of the confidences from what was the case: 0 is best, always 50% gives 0.25."""
    return float(np.mean((np.asarray(confidences) - np.asarray(right)) ** 2))


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """How far confidence and share of right plans are apart, on average over ten equal ranges of confidence (ECE)."""
    said, was = np.asarray(confidences), np.asarray(right, dtype=float)
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    apart = [abs(said[bins == number].sum() - was[bins == number].sum()) for number in range(BINS)]
    return float(sum(apart) / len(said))


def _logit(probabilities: Sequence[float]) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(clipped / (1 - clipped)))
