"""Confidence in a plan: how likely it is to be right, fitted to rows whose right plans are known.

A model's probability of a whole plan ranks plans, but does not say how often such plans are right. A logistic
regression over the evidence of an answer (`evidence.py`) does. Its weights are fitted to catalogues that no training
has seen, so they hold for other tools as well, and are shipped with a base. The validation rows of a run then correct
slope and intercept (Platt 1999, "Probabilistic Outputs for Support Vector Machines"), and hardly do so where they are
few: both are drawn towards 1 and 0. This module knows no plans.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platypus.inference.evidence import FEATURES, logit

BINS = 10
SLOPE_SPREAD, INTERCEPT_SPREAD = 0.3, 0.5  # how far from 1 and 0 a run's slope and intercept are expected to be


@dataclass(frozen=True)
class Calibration:
    """How likely plans are to be right: the log-odds are `slope` times the score of the evidence, plus `intercept`.

    The score is the evidence weighted by `weights`, plus `bias`; without weights it is the logit of the probability.
    `rows` is the number of validation rows that slope and intercept were fitted to.
    """

    slope: float = 1.0
    intercept: float = 0.0
    rows: int = 0
    weights: Mapping[str, float] = field(default_factory=dict, hash=False)
    bias: float = 0.0

    @property
    def fitted(self) -> bool:
        """Whether it was fitted to anything; else it is the identity."""
        return bool(self.rows or self.weights)

    def confidence(self, probability: float, evidence: Mapping[str, float] | None = None) -> float:
        """How likely a plan is to be right, from 0 to 1. Without evidence its probability alone counts."""
        return float(1 / (1 + np.exp(-self.slope * self.score(probability, evidence) - self.intercept)))

    def score(self, probability: float, evidence: Mapping[str, float] | None = None) -> float:
        """The log-odds before slope and intercept."""
        if not self.weights or evidence is None:
            return logit(probability)
        return self.bias + sum(weight * evidence[name] for name, weight in self.weights.items())

    def corrected(self, scores: Sequence[float], right: Sequence[bool]) -> "Calibration":
        """With slope and intercept fitted to these rows (maximum a posteriori); without rows, this one."""
        if not scores:
            return self
        from scipy.optimize import minimize

        points, signs = np.asarray(scores, dtype=float), np.where(right, 1.0, -1.0)

        def loss(at: NDArray[np.float64]) -> float:
            prior = ((at[0] - 1) / SLOPE_SPREAD) ** 2 + (at[1] / INTERCEPT_SPREAD) ** 2
            return float(np.logaddexp(0, -signs * (at[0] * points + at[1])).sum() + prior / 2)

        slope, intercept = minimize(loss, (1.0, 0.0)).x
        return replace(self, slope=float(slope), intercept=float(intercept), rows=len(points))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read it."""
        return cls.of_json(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "Calibration":
        """Read it; the identity, if it weighs evidence that this version does not gather."""
        read = cls(**data)
        return read if set(read.weights) <= set(FEATURES) else cls()


def brier(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The mean squared difference of confidence and outcome (Brier score): 0 is best, always 50% gives 0.25."""
    return float(np.mean((np.asarray(confidences) - np.asarray(right)) ** 2))


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The mean gap between confidence and share of right plans over ten equal ranges of confidence (ECE)."""
    confidence, correct = np.asarray(confidences), np.asarray(right, dtype=float)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(confidence[bins == tenth].sum() - correct[bins == tenth].sum()) for tenth in range(BINS)]
    return float(sum(gaps) / len(confidence))
