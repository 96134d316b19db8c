"""What is reported of a decoding: how far it is, what ended it, and the probability of its decisions."""

import math
from typing import get_args

import numpy as np
import pytest

from platypus.decoding.results import DecodingLimits, DecodingProgress, EndedBy
from tests.decoding.test_state import SIZE, TOOLS, new_state, read, vocabulary


def test_a_plan_is_reported_as_decoded_only_once_it_is_complete() -> None:
    state = new_state()
    state.index = 5
    for token in vocabulary().encode("stop()"):
        assert state.progress == DecodingProgress(5, state.constraint.text, None)
        state.constraint.append(token)
    assert state.progress == DecodingProgress(5, "stop()", None)
    state.constraint.append(vocabulary().end)
    decoded = state.progress.decoded
    assert decoded is not None and decoded.text == state.progress.text == "stop()"
    assert decoded.tokens == len(vocabulary().encode("stop()")) + 1  # with the end token


def test_the_probability_is_the_product_over_the_decisions() -> None:
    """Every token has logit 0 but one of each decision, which has ln 9: of n allowed tokens it has 9 / (n + 8)."""
    state, probability, decisions = new_state(), 1.0, 0
    wanted = [*vocabulary().encode("stop()\nstop()"), vocabulary().end]
    state.append_forced()
    while not state.constraint.ended:
        logits = np.zeros((1, SIZE), np.float32)
        logits[0, wanted[len(state.constraint.ids)]] = math.log(9)
        probability *= 9 / (len(state.constraint.candidates()) + 8)
        decisions += 1
        state.accept(logits, ())
    decoded = state.progress.decoded
    assert decoded is not None and decoded.text == "stop()\nstop()"
    assert decoded.decisions == decisions > 1
    assert decoded.probability == pytest.approx(probability, rel=1e-5)


def test_a_plan_is_ended_by_the_model_the_length_or_the_time() -> None:
    free, short, late = new_state(), new_state(limit=0), new_state(deadline=-math.inf)
    for state in (free, short, late):
        state.append_forced()
        while not state.constraint.ended:
            read(state, (), seed=3)
    ends = [state.progress.decoded.ended_by for state in (free, short, late) if state.progress.decoded]
    assert ends == list(get_args(EndedBy)) == ["model", "length", "time"]


def test_without_options_decoding_is_greedy_and_has_all_the_time() -> None:
    limits = DecodingLimits()
    assert limits.temperature == 0 and limits.seconds is None
    assert limits.max_new_tokens > len(vocabulary().encode('say(text="x")')) * len(TOOLS)
