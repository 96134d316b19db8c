"""Confidence: how it maps probabilities, on rows by hand and on rows drawn from a known calibration."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from platypus.inference.calibration import Calibration, brier, calibration_error
from platypus.inference.evidence import logit


def test_without_rows_a_probability_is_unchanged() -> None:
    unfitted = Calibration().corrected([], [])
    assert unfitted == Calibration() and not unfitted.fitted
    for probability in (1e-6, 0.1, 0.5, 0.93):
        assert unfitted.confidence(probability) == pytest.approx(probability)
    assert 0 <= unfitted.confidence(0.0) < 1e-8 and 1 - 1e-8 < unfitted.confidence(1.0) <= 1


def test_an_overconfident_model_is_corrected() -> None:
    """The truth: a plan of logit x is right with the logit x / 3 - 1."""
    rng, truth = Random(0), Calibration(1 / 3, -1.0)
    probabilities = [rng.random() ** 0.3 for _ in range(4000)]
    right = [rng.random() < truth.confidence(p) for p in probabilities]
    fitted = corrected(probabilities[:2000], right[:2000])
    assert fitted.fitted
    assert (fitted.slope, fitted.intercept) == pytest.approx((truth.slope, truth.intercept), abs=0.2)
    assert fitted.rows == 2000
    confidences = [fitted.confidence(p) for p in probabilities[2000:]]
    assert (
        calibration_error(confidences, right[2000:])
        < 0.05
        < 0.3
        < calibration_error(probabilities[2000:], right[2000:])
    )
    assert brier(confidences, right[2000:]) < brier(probabilities[2000:], right[2000:])


@pytest.mark.parametrize("right", [True, False])
def test_if_all_rows_are_right_or_all_wrong_confidence_is_not_certain(right: bool) -> None:
    fitted = corrected([0.2, 0.9, 0.6, 0.99], [right] * 4)
    assert 0.1 < fitted.confidence(0.6) < 0.9
    assert (fitted.confidence(0.6) > 0.6) is right


def test_few_rows_change_little_and_many_decide() -> None:
    few, many = corrected([0.9] * 5, [False] * 5), corrected([0.9] * 500, [False] * 500)
    assert many.confidence(0.9) < 0.05 < 0.4 < few.confidence(0.9) < 0.8


def test_evidence_is_weighed_and_rows_correct_it() -> None:
    shipped = Calibration(weights={"logit": 0.5, "unused": -1.0}, bias=0.25)
    known = {"logit": 2.0, "unused": 1.0, "invented": 7.0}
    assert shipped.fitted and shipped.score(0.9, known) == 0.25
    assert shipped.confidence(0.9, known) == pytest.approx(0.5622, abs=1e-4)
    assert shipped.confidence(0.9) == pytest.approx(0.9)  # nothing but the probability is known
    assert replace(shipped, slope=2.0, intercept=-0.5).confidence(0.9, known) == pytest.approx(0.5)
    better = shipped.corrected([0.25] * 40, [True] * 40)
    assert better.weights == shipped.weights and better.rows == 40 and better.confidence(0.9, known) > 0.75


def corrected(probabilities: Sequence[float], right: Sequence[bool]) -> Calibration:
    return Calibration().corrected([logit(probability) for probability in probabilities], right)


def test_measures_by_hand() -> None:
    assert brier([1.0, 0.5, 0.0], [True, True, True]) == pytest.approx((0 + 0.25 + 1) / 3)
    # one tenth has 0.91 and 0.97, sum 1.88 against 1 right; another 0.32 against 1; 1.0 belongs to the last tenth
    assert calibration_error([0.91, 0.97, 0.32], [True, False, True]) == pytest.approx((0.88 + 0.68) / 3)
    assert calibration_error([0.95, 1.0], [True, True]) == pytest.approx(0.025)


def test_a_calibration_is_saved_and_loaded(tmp_path: Path) -> None:
    file = tmp_path / "confidence.json"
    for fitted in (Calibration(0.7, -0.2, 31), Calibration(0.7, -0.2, 31, {"logit": 0.4, "refusal": -1.0}, 0.3)):
        fitted.save(file)
        assert Calibration.load(file) == fitted
    file.write_text(file.read_text().replace("refusal", "the moon"))
    assert Calibration.load(file) == Calibration()  # evidence that is not gathered
