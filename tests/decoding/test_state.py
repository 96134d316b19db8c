"""One request, decoded with random logits instead of a model: drafts, limits, beams."""

import math
from collections.abc import Sequence
from functools import cache
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.decoding.constraint import FEW, Constraint
from platypus.decoding.kv_cache import CacheSlots
from platypus.decoding.results import DecodedPlan
from platypus.decoding.speculation import PlanHistory
from platypus.decoding.state import COPIED, UNLIKELY, DecodingState
from platypus.decoding.vocabulary import Vocabulary
from platypus.plan.notation import read_plan
from platypus.plan.plan import Plan
from tests.support.tiny_models import byte_bpe_tokenizer

SIZE = 512
TOOLS: Catalogue = catalogue_from_json(
    [
        {"name": "stop", "outputSchema": {"type": "null"}},
        {"name": "say", "inputSchema": {"properties": {"text": {"type": "string"}}, "required": ["text"]}},
    ]
)
REQUEST = [7, 8, 9]


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(byte_bpe_tokenizer(), size=SIZE)


def new_state(request: Sequence[int] = REQUEST, *, limit: int = 30, deadline: float = math.inf) -> DecodingState:
    constraint = Constraint.compile(vocabulary(), TOOLS, "calls", max_steps=2).start()
    return DecodingState(0, list(request), constraint, CacheSlots(0), limit, deadline, rng=np.random.default_rng(0))


def logits_after(ids: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Random logits that depend on the ids alone, as a model's do; what can end a value is likely."""
    logits = np.random.default_rng([seed, *ids]).normal(size=SIZE).astype(np.float32) * 2
    logits[vocabulary().encode('"')[0]] += 4
    return logits


def read(state: DecodingState, draft: Sequence[int], seed: int, *, temperature: float = 0.0) -> None:
    """One pass of the random model over the unread tokens and the draft."""
    plan = state.constraint.ids.copy()
    state.slots = CacheSlots(0, np.arange(len(state.request) + len(plan) + len(draft)))
    logits = [logits_after([*plan, *draft[:count]], seed) for count in range(len(draft) + 1)]
    state.temperature = temperature
    state.accept(np.array(logits), draft)
    passed, whole = [*state.request, *plan, *draft], [*state.request, *state.constraint.ids]
    count = len(state.slots.places)  # what counts as read was in the pass, and is in the plan
    assert passed[:count] == whole[:count] and state.unread == whole[count:]


@pytest.mark.parametrize("temperature", [0.0, 1.5])
@pytest.mark.parametrize("seed", range(6))
def test_drafts_change_the_number_of_passes_and_nothing_else(seed: int, temperature: float) -> None:
    plain, passes = new_state(), 0
    plain.append_forced()
    while not plain.constraint.ended:
        read(plain, (), seed, temperature=temperature)
        passes += 1
    for right in (1.0, 0.8, 0.0):
        rng, drafted, fewer = Random(seed), new_state(), 0
        drafted.append_forced()
        while not drafted.constraint.ended:
            start = len(drafted.constraint.ids)
            draft = [
                token if rng.random() < right else rng.randrange(3, SIZE)
                for token in plain.constraint.ids[start : start + rng.randint(0, 6)]
            ]
            read(drafted, draft, seed, temperature=temperature)
            fewer += 1
        assert drafted.progress == plain.progress
        assert fewer <= passes


def test_a_limit_ends_the_plan_and_is_named() -> None:
    for state, ended_by in ((new_state(limit=0), "length"), (new_state(deadline=-math.inf), "time")):
        assert state.append_forced()
        assert state.progress.decoded == DecodedPlan("[]", len(state.constraint.ids), 0, ended_by, 1.0)
    ends = set()
    for seed in range(6):
        state = new_state(limit=8)
        state.append_forced()
        while not state.constraint.ended:
            read(state, (), seed)
        ends.add(state.ended_by)
        assert isinstance(read_plan(state.progress.text, "calls", TOOLS), Plan)
        assert state.ended_by == "model" or state.decisions <= 8
    assert "length" in ends


def test_a_draft_is_copied_from_the_request_within_text_and_else_taken_from_earlier_plans() -> None:
    begin = vocabulary().encode('say(text="r')
    request = [11, begin[-1], *range(20, 40), 12]
    state = new_state(request)
    for token in begin:
        state.constraint.append(token)
    assert len(state.constraint.candidates()) > FEW
    assert state.draft(100, PlanHistory()) == list(range(20, 20 + COPIED))
    assert state.draft(3, PlanHistory()) == [20, 21, 22]
    state.limit = len(begin) + 2
    assert state.draft(100, PlanHistory()) == [20, 21]

    fresh, history, plan = new_state(request), PlanHistory(), vocabulary().encode("stop()\nstop()")
    assert len(fresh.constraint.candidates()) <= FEW
    history.add(plan)
    assert fresh.draft(100, history) == []  # one earlier plan is not enough
    history.add(plan)
    assert fresh.draft(100, history) == list(plan)
    assert fresh.draft(2, history) == list(plan[:2])


@pytest.mark.parametrize("seed", range(5))
def test_the_expansion_is_the_head_of_the_distribution(seed: int) -> None:
    state = new_state()
    state.log_probability = -1.5
    logits = np.random.default_rng(seed).normal(size=SIZE).astype(np.float32) * 3
    candidates = state.constraint.candidates()
    assert len(candidates) <= FEW
    weights = np.exp(logits[candidates].astype(np.float64))
    logs = dict(zip(map(int, candidates), np.log(weights / weights.sum()), strict=True))
    ranked = sorted(state.constraint.legal(candidates), key=lambda token: -logs[token])
    wanted = [ranked[0], *(token for token in ranked[1:] if logs[token] >= UNLIKELY)]
    for most in (1, 3, 100):
        expanded = list(state.expand(logits, most))
        assert [token for _, _, token in expanded] == wanted[:most]
        assert [log for log, _, _ in expanded] == pytest.approx([logs[token] - 1.5 for token in wanted[:most]])
        assert all(parent is state for _, parent, _ in expanded)


def test_a_branch_leaves_its_parent_as_it_was() -> None:
    state = new_state()
    state.slots = CacheSlots(0, np.arange(3))
    token = vocabulary().encode("stop()")[0]
    branch = state.branch(token, -0.7)
    assert state.constraint.ids == [] and (state.decisions, state.log_probability) == (0, 0.0)
    assert branch.constraint.ids == [token] and (branch.decisions, branch.log_probability) == (1, -0.7)
    assert branch.slots is state.slots and branch.unread == [token] and state.unread == []
