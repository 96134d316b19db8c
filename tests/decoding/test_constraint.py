"""Which tokens are legal next (valid, distinct, canonical), and which are forced."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from llguidance import LLParserLimits

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.decoding.constraint import Constraint, ConstraintState
from platypus.decoding.path_memory import PathMemory
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import CatalogueError
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler
from platypus.plan.notation import Notation, print_plan, read_plan
from platypus.plan.plan import Plan, Step
from tests.support.random_catalogues import random_tools, refusal
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer

NOTATIONS: tuple[Notation, ...] = ("json", "calls")


@cache
def sentencepiece() -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return sentencepiece_tokenizer(Path(folder))


TOKENIZERS: dict[str, Callable[[], Any]] = {"byte-level": cache(byte_bpe_tokenizer), "sentencepiece": sentencepiece}
both = pytest.mark.parametrize("kind", TOKENIZERS)


def constraint(kind: str, catalogue: Catalogue, notation: Notation, *, max_steps: int = 6) -> Constraint:
    tokenizer = TOKENIZERS[kind]()
    return Constraint.compile(Vocabulary(tokenizer, size=len(tokenizer)), catalogue, notation, max_steps=max_steps)


def wander(state: ConstraintState, rng: np.random.Generator, *, size: int, limit: int = 120) -> None:
    """Decode to the end with random scores that favour tokens which end a value."""
    while not state.ended:
        state.forced()
        if not state.ended and len(state.ids) < limit:
            scores = rng.gumbel(size=size).astype(np.float32)
            closing = [
                t for t in state.candidates() if state.vocabulary.token(int(t))[:1] in (b'"', b"]", b"}", b")", b"$")
            ]
            scores[closing] += 4
            state.append(state.best(scores))
        elif not state.ended:
            state.append(state.shortest())
        assert len(state.ids) < 2000


@both
@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_random_plans_are_valid_and_canonical(kind: str, notation: Notation, seed: int) -> None:
    rng, random = Random(seed), np.random.default_rng(seed)
    catalogue = random_tools(rng, 8) if seed else random_catalogue(rng, tools=10)
    tokenizer, constrained = TOKENIZERS[kind](), constraint(kind, catalogue, notation)
    for _ in range(12):
        state = constrained.start()
        wander(state, random, size=len(tokenizer))
        assert isinstance(read_plan(state.text, notation, catalogue), Plan), state.text
        ids = tokenizer.encode(state.text, add_special_tokens=False, split_special_tokens=True)
        assert [*ids, tokenizer.eos_token_id] == state.ids


@both
@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_generated_plan_is_legal_token_for_token_and_mostly_forced(kind: str, notation: Notation) -> None:
    rng = Random(1)
    catalogue = random_catalogue(rng, tools=10)
    tokenizer, constrained, sampler = TOKENIZERS[kind](), constraint(kind, catalogue, notation), Sampler(catalogue)
    total = decided = 0
    for _ in range(15):
        text = print_plan(sampler.plan(rng).ordered(catalogue), notation)
        ids = [*tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True), tokenizer.eos_token_id]
        state = constrained.start()
        total += len(ids)
        while not state.ended:
            forced = state.forced()
            assert forced == ids[len(state.ids) - len(forced) : len(state.ids)], text
            if not state.ended:
                token = ids[len(state.ids)]
                assert state.legal(np.array([token])) == [token], text
                state.append(token)
                decided += 1
        assert state.ids == ids and state.text == text
    assert decided < (0.45 if notation == "json" else 0.8) * total


@both
def test_names_that_differ_within_a_token_are_both_possible(kind: str) -> None:
    """The grammar forces text; the tokens of that text depend on what follows."""
    names = ("getNeurologicalTestResults", "getNeuropsychiatricEvaluation")
    constrained = constraint(kind, catalogue_from_json([{"name": name} for name in names]), "calls", max_steps=2)
    assert [refusal(constrained, f"{first}()\n{then}()") for first in names for then in names] == [None] * 4


def test_the_best_legal_token_is_taken_whatever_else_scores_higher() -> None:
    constrained = constraint("byte-level", catalogue_from_json([{"name": "a"}, {"name": "b"}]), "calls")
    tokenizer = TOKENIZERS["byte-level"]()
    for wanted in ("a()\nb()\na()", "[]", "b()"):
        ids = [*tokenizer.encode(wanted, add_special_tokens=False), tokenizer.eos_token_id]
        state = constrained.start()
        while not state.ended:
            state.forced()
            if not state.ended:
                scores = np.linspace(0, 1, len(tokenizer), dtype=np.float32)
                scores[ids[len(state.ids)]] = 0.9999  # others score higher, but they are not legal
                scores[[token for token in state.candidates() if token != ids[len(state.ids)]]] = 0
                state.append(state.best(scores))
        assert state.text == wanted


def test_the_distribution_is_over_legal_tokens_and_sums_to_one() -> None:
    constrained = constraint("byte-level", catalogue_from_json([{"name": "a"}, {"name": "b"}]), "calls")
    logits = np.random.default_rng(0).normal(size=512).astype(np.float32)
    state = constrained.start()
    tokens, logs = state.distribution(logits)
    assert {state.vocabulary.token(token)[:1] for token in tokens} == {b"[", b"a", b"b"}
    assert np.exp(logs).sum() == pytest.approx(1)
    assert logs[0] - logs[1] == pytest.approx(logits[tokens[0]] - logits[tokens[1]])
    assert state.best(logits) == tokens[0]


SETS = catalogue_from_json(
    [
        {
            "name": "tag",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "of": {"type": "array", "items": {"enum": ["x", "y", "z"]}, "uniqueItems": True, "minItems": 3},
                    "by": {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
                },
                "required": ["of", "by"],
            },
        }
    ]
)


@both
@pytest.mark.parametrize("notation", NOTATIONS)
def test_sets_of_few_values_are_filled_without_repetition_or_dead_end(kind: str, notation: Notation) -> None:
    constrained, rng = constraint(kind, SETS, notation, max_steps=3), np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        state = constrained.start()
        wander(state, rng, size=len(TOKENIZERS[kind]()))
        plan = read_plan(state.text, notation, SETS)
        assert isinstance(plan, Plan), state.text
        seen |= {str(step.arguments["of"]) for step in plan}
    assert len(seen) > 2


BOOLEAN = {"type": "boolean"}
FEW_VALUES: tuple[tuple[dict[str, Any], int], ...] = (
    ({"type": "integer", "minimum": 0, "maximum": 50}, 0),
    ({"type": "integer", "minimum": 0, "maximum": 20}, 21),
    ({"type": "string", "pattern": "^[a-z]$"}, 26),
    ({"type": "object", "properties": {"a": BOOLEAN, "b": BOOLEAN}, "required": ["a"]}, 6),
    ({"type": "array", "items": BOOLEAN, "uniqueItems": True}, 5),
    ({"enum": [1, 1.0, 2, "1"]}, 3),
    ({"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.1}, 11),
    ({"type": "object", "additionalProperties": BOOLEAN}, 3),
    ({"type": "string", "format": "ipv6"}, 2),
)


@pytest.mark.parametrize(("items", "least"), FEW_VALUES, ids=str)
def test_sets_are_filled_to_their_last_value(items: dict[str, Any], least: int) -> None:
    """Even if the scores disfavour every token that ends a value, an array or a plan."""
    schema = {"type": "array", "items": items, "uniqueItems": True, "minItems": least}
    inputs = {"type": "object", "properties": {"set": schema}, "required": ["set"]}
    catalogue = catalogue_from_json([{"name": "do", "inputSchema": inputs, "outputSchema": {"type": "null"}}])
    rng = np.random.default_rng(0)
    for kind, notation in (("byte-level", "calls"), ("sentencepiece", "json")):
        tokenizer, constrained = TOKENIZERS[kind](), constraint(kind, catalogue, notation, max_steps=1)
        state = constrained.start()
        texts = [state.vocabulary.token(token).strip() for token in range(len(tokenizer))]
        ends = np.array([text[:1] in (b'"', b"]", b"}", b")") or text in (b"[", b"[]") for text in texts])
        while not state.ended:
            state.forced()
            if not state.ended and len(state.ids) < 250:
                state.append(state.best((rng.gumbel(size=len(tokenizer)) - 3 * ends).astype(np.float32)))
            elif not state.ended:
                state.append(state.shortest())
        plan = read_plan(state.text, notation, catalogue)
        assert isinstance(plan, Plan), state.text
        assert (
            state.ids == [*state.vocabulary.encode(state.text), state.vocabulary.end] and not state.noncanonical_tokens
        )
        assert len(state.ids) < 500


@both
@pytest.mark.parametrize("notation", NOTATIONS)
def test_a_plan_can_be_ended_within_few_tokens(kind: str, notation: Notation) -> None:
    """From any place in an array of objects that could have a hundred elements."""
    item = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}, "required": ["id"]}
    many = {"type": "array", "items": item}
    inputs = {"type": "object", "properties": {"of": many, "to": {"type": "string"}}, "required": ["of", "to"]}
    constrained = constraint(kind, catalogue_from_json([{"name": "do", "inputSchema": inputs}]), notation)
    value = [{"id": 5, "name": "x, y"}, {"name": "", "id": 7}, {"id": 12}]
    ids = constrained.vocabulary.encode(print_plan(Plan((Step("do", {"of": value, "to": "all"}),)), notation))
    for place in range(0, len(ids), 3):
        state = constrained.start()
        for token in ids[:place]:
            state.append(token)
        while not state.ended:
            state.append(state.shortest())
        assert isinstance(read_plan(state.text, notation, constrained.catalogue), Plan)
        assert len(state.ids) < max(place, 12) + 50, state.text


@both
def test_without_canonical_tokens_plans_are_valid_and_waivers_are_counted(kind: str) -> None:
    constrained = constraint(kind, SETS, "calls", max_steps=2)
    constrained.vocabulary.continues = lambda ids, token: False  # type: ignore[assignment]
    constrained.vocabulary.continuation = lambda ids, more: None  # type: ignore[method-assign]
    state = constrained.start()
    wander(state, np.random.default_rng(1), size=len(TOKENIZERS[kind]()))
    assert isinstance(read_plan(state.text, "calls", SETS), Plan), state.text
    assert state.noncanonical_tokens > 0
    assert state.copy().noncanonical_tokens == state.noncanonical_tokens


def test_a_limit_of_the_grammar_engine_is_an_error_and_not_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a limit, llguidance allows the end token, whatever the plan so far."""
    catalogue = random_catalogue(Random(5), tools=100)
    for name, limit in (("max_grammar_size", 1000), ("step_max_items", 50), ("max_lexer_states", 10)):
        monkeypatch.setattr(
            "platypus.decoding.constraint.LIMITS", LLParserLimits(verbose_errors=False, **{name: limit})
        )
        with pytest.raises(CatalogueError, match=r"the grammar of its plans is too large: .*\n.*max_tools"):
            state = constraint("byte-level", catalogue, "calls").start()
            wander(state, np.random.default_rng(0), size=len(TOKENIZERS["byte-level"]()))


def test_a_grammar_is_compiled_once_for_the_same_catalogue() -> None:
    vocabulary = Vocabulary(TOKENIZERS["byte-level"](), size=512)
    first, again = (random_catalogue(Random(3), tools=5) for _ in range(2))
    turned = Catalogue(first.tools[::-1])

    def compiled(catalogue: Catalogue, notation: Notation = "calls", max_steps: int = 4) -> Constraint:
        return Constraint.compile(vocabulary, catalogue, notation, max_steps=max_steps)

    assert first is not again and compiled(first) is compiled(again)
    others = (compiled(turned), compiled(first, "json"), compiled(first, max_steps=3))
    assert all(other is not compiled(first) for other in others)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_what_earlier_plans_found_changes_no_plan(notation: Notation) -> None:
    """The same random scores with a memory that has seen other plans, the same plan, and nothing."""
    for seed in range(2):
        catalogue = random_tools(Random(seed), 6)  # with sets and objects
        shared, size = constraint("byte-level", catalogue, notation), len(TOKENIZERS["byte-level"]())
        for turn in (0, 1, 2, 0, 1):
            fresh = replace(shared, memory=PathMemory())
            found = []
            for one in (shared, fresh):
                state = one.start(["a", "b"][: turn % 3])
                wander(state, np.random.default_rng((seed, turn)), size=size, limit=60)
                found.append((state.ids, state.noncanonical_tokens))
            assert found[0] == found[1]


def test_copies_are_independent() -> None:
    constrained = constraint("byte-level", catalogue_from_json([{"name": "a"}, {"name": "b"}]), "calls")
    state = constrained.start()
    state.append(TOKENIZERS["byte-level"]().encode("a", add_special_tokens=False)[0])
    other = state.copy()
    for each, end in ((state, ""), (other, "\n")):
        each.forced()
        tokens = {each.vocabulary.token(int(token)): int(token) for token in each.candidates()}
        each.append(tokens[end.encode()] if end else each.vocabulary.end)
    assert state.text == "a()" and state.ended
    assert other.text == "a()\n" and not other.ended
