"""A prior over tools changes the choice between tools, and no other choice."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from platypus.catalogue.reading import catalogue_from_json
from platypus.decoding.constraint import Constraint, ConstraintState
from platypus.decoding.tool_prior import ToolPrior
from platypus.decoding.vocabulary import Vocabulary
from platypus.plan.notation import Notation
from tests.support.tiny_models import byte_bpe_tokenizer

SIZE = 512
TOOLS = catalogue_from_json(
    [
        {"name": name, "inputSchema": {"properties": {"text": {"type": "string"}}, "required": ["text"]}}
        for name in ("say", "sail", "stop", "stop_all")
    ]
)


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(byte_bpe_tokenizer(), size=SIZE)


def begin(notation: Notation) -> ConstraintState:
    return Constraint.compile(vocabulary(), TOOLS, notation, max_steps=2).start()


def probabilities(state: ConstraintState, logits: NDArray[np.float32]) -> dict[int, float]:
    tokens, logs = state.distribution(logits)
    return dict(zip(tokens, np.exp(logs), strict=True))


def name_probabilities(prior: ToolPrior | None, notation: Notation) -> dict[str, float]:
    """The probability of each tool as the first one, and of a refusal, with even logits."""
    logits = np.zeros(SIZE, np.float32)
    found: dict[str, float] = {}
    open_states = [(begin(notation), 1.0)]
    while open_states:
        state, probability = open_states.pop()
        state.forced()
        for tool in TOOLS:
            if f"{tool.name}(" in state.text or f'"{tool.name}"' in state.text:
                found[tool.name] = found.get(tool.name, 0.0) + probability
                break
        else:
            if state.ended:
                found["none"] = probability
                continue
            scores = prior.applied(state, logits) if prior else logits
            for token, share in probabilities(state, scores).items():
                longer = state.copy()
                longer.append(token)
                open_states.append((longer, probability * share))
    return found


@pytest.mark.parametrize("notation", ["calls", "json"])
def test_the_prior_decides_between_tools_and_leaves_a_refusal_as_likely_as_it_was(notation: Notation) -> None:
    before = name_probabilities(None, notation)
    after = name_probabilities(ToolPrior({"say": 0.0, "sail": 5.0, "stop": 0.0, "stop_all": 1.0}, notation), notation)
    assert before.keys() == after.keys() == {"say", "sail", "stop", "stop_all", "none"}
    assert after["none"] == pytest.approx(before["none"])
    assert after["sail"] > 0.85 * (1 - after["none"]) and after["stop_all"] > after["stop"]
    assert sum(after.values()) == pytest.approx(1.0)


def test_an_even_prior_changes_nothing() -> None:
    even = name_probabilities(ToolPrior(dict.fromkeys(("say", "sail", "stop", "stop_all"), 3.0), "calls"), "calls")
    ones = name_probabilities(ToolPrior(dict.fromkeys(("say", "sail", "stop", "stop_all"), 0.0), "calls"), "calls")
    assert even == pytest.approx(ones)


def test_values_are_chosen_without_the_prior() -> None:
    state = begin("calls")
    for token in vocabulary().encode('say(text="s'):
        state.append(token)
    logits = np.random.default_rng(0).normal(size=SIZE).astype(np.float32)
    prior = ToolPrior({"say": 0.0, "sail": 9.0, "stop": 0.0, "stop_all": 0.0}, "calls")
    assert prior.applied(state, logits) is logits
