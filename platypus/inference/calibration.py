"""Confidence in a plan: the model's probability, calibrated on rows whose right plans are known.

A model's probability of a whole plan ranks plans, but does not say how often such plans are right. Platt scaling does
(Platt 1999, "Probabilistic Outputs for Support Vector Machines", with his targets for few rows): a logistic regression
on the logit of the probability. This module knows no plans.
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
    """Maps a plan's probability to how often such plans are right; `rows` is the number of rows it was fitted to.

    Without rows it is the identity.
    """

    slope: float = 1.0
    intercept: float = 0.0
    rows: int = 0

    def confidence(self, probability: float) -> float:
        """How likely a plan of this probability is to be right, from 0 to 1."""
        return float(1 / (1 + np.exp(-self.slope * _logit([probability])[0] - self.intercept)))

    @classmethod
    def fit(cls, probabilities: Sequence[float], right: Sequence[bool]) -> "Calibration":
        """Fit to these rows; without rows, the identity."""
        if not probabilities:
            return cls()
        from sklearn.linear_model import LogisticRegression  # takes half a second to import

        positive = sum(right)
        targets = ((positive + 1) / (positive + 2), 1 / (len(right) - positive + 2))
        shares = np.array([targets[0] if one else targets[1] for one in right])
        points = np.tile(_logit(probabilities), 2)[:, None]  # each row as right and as wrong, with weights
        labels = np.repeat([1, 0], len(right))
        regression = LogisticRegression().fit(points, labels, sample_weight=np.concatenate([shares, 1 - shares]))
        return cls(float(regression.coef_[0, 0]), float(regression.intercept_[0]), len(right))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read it."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def brier(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The mean squared difference of confidence and outcome (Brier score): 0 is best, always 50% gives 0.25."""
    return float(np.mean((np.asarray(confidences) - np.asarray(right)) ** 2))


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The mean gap between confidence and share of right plans over ten equal ranges of confidence (ECE)."""
    confidence, correct = np.asarray(confidences), np.asarray(right, dtype=float)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(confidence[bins == tenth].sum() - correct[bins == tenth].sum()) for tenth in range(BINS)]
    return float(sum(gaps) / len(confidence))


def _logit(probabilities: Sequence[float]) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(clipped / (1 - clipped)))
