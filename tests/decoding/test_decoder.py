"""The decoder gives the same plans as plain slow decoding, in fewer passes; limits, batches, caches and searches."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.decoding import state as state_module
from platypus.decoding.constraint import Constraint, ConstraintState
from platypus.decoding.decoder import Decoder
from platypus.decoding.kv_cache import CachedPrefix, weights_fingerprint
from platypus.decoding.results import DecodedPlan, DecodingLimits
from platypus.decoding.state import Beam, Decoding
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import PromptError
from platypus.model.loading import Loaded, load_base
from platypus.plan.notation import Notation, print_plan, read_plan
from platypus.plan.plan import Plan, Step
from platypus.prompt.prompt import Prompt
from tests.support.tiny_models import CATALOGUE, sentencepiece_tokenizer, tiny_llama

REQUESTS = ("List 5 items", "Sum up all of them, please", "", "\n\nodd beginning", "Ünïcödé 😀", "Sum up a, b and a")
TWO = catalogue_from_json(
    [
        {"name": "a", "outputSchema": {"type": "null"}},
        {
            "name": "b",
            "inputSchema": {"type": "object", "properties": {"x": {"type": "boolean"}}},
            "outputSchema": {"type": "null"},
        },
    ]
)


@pytest.fixture(scope="module", params=["byte-level", "sentencepiece"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = sentencepiece_tokenizer(folder / "tokenizer") if request.param == "sentencepiece" else None
    return load_base(str(tiny_llama(folder / "base", tokenizer=tokenizer, seed=4)))


def parts(
    loaded: Loaded, notation: Notation = "calls", catalogue: Catalogue = CATALOGUE, *, max_steps: int = 3
) -> tuple[Prompt, Constraint]:
    vocabulary = Vocabulary(loaded.tokenizer, size=loaded.model.config.vocab_size)
    constraint = Constraint.compile(vocabulary, catalogue, notation, max_steps=max_steps)
    return Prompt(loaded.tokenizer, catalogue, notation), constraint


def decoder(loaded: Loaded, prompt: Prompt, constraint: Constraint, folder: Path | None = None) -> Decoder:
    return Decoder(loaded, constraint, [prompt.ids("List"), prompt.ids("sum")], folder=folder)


@torch.inference_mode()
def logits_after(loaded: Loaded, ids: Sequence[int]) -> np.ndarray:
    output = loaded.model(input_ids=torch.tensor([list(ids)]))
    return np.asarray(output.logits[0, -1].numpy())


def slowly(loaded: Loaded, constraint: Constraint, prompt: Sequence[int], limit: int) -> ConstraintState:
    """One token at a time, without cache and forced tokens: the legal token with the highest logit."""
    state = constraint.start()
    while not state.ended and len(state.ids) < limit:
        state.append(state.best(logits_after(loaded, [*prompt, *state.ids])))
    return state


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_plans_equal_those_of_plain_decoding(loaded: Loaded, notation: Notation) -> None:
    prompt, constraint = parts(loaded, notation)
    quick = decoder(loaded, prompt, constraint)
    prompts = [prompt.ids(request) for request in REQUESTS]
    for batch_size in (1, 4):
        answers = list(quick.decode(prompts, limits=DecodingLimits(max_new_tokens=60), batch_size=batch_size))
        for ids, answer in zip(prompts, answers, strict=True):
            slow = slowly(loaded, constraint, ids, 60)
            if answer.ended_by == "model":
                assert answer.text == slow.text and answer.tokens == len(slow.ids)
            else:
                assert answer.text[: len(slow.text) - 8] == slow.text[:-8] and not slow.ended
            assert isinstance(read_plan(answer.text, notation, CATALOGUE), Plan)


def test_forced_tokens_need_no_pass_of_the_model(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded, "json")
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    quick = decoder(loaded, prompt, constraint)
    hook = loaded.model.register_forward_hook(count)
    answer = next(quick.decode([prompt.ids("List")], limits=DecodingLimits(max_new_tokens=40)))
    hook.remove()
    assert 0 < calls <= answer.decisions < 0.8 * answer.tokens


class DictatedDecoder(Decoder):
    """Decodes a given plan, and checks that the logits at each of its tokens are those without a cache."""

    plan: Sequence[int] = ()
    prompt: Sequence[int] = ()
    passes = drafted = 0

    def _logits(self, store: Any, rows: Any, drafts: Any) -> list[Any]:
        (logits,) = super()._logits(store, rows, drafts)
        start = len(rows[0].constraint.ids)
        right = [a == b for a, b in zip(drafts[0], self.plan[start:], strict=False)]
        for at in range(1 + len(list(itertools.takewhile(bool, right)))):
            assert logits[at] == pytest.approx(
                logits_after(self._loaded, [*self.prompt, *self.plan[: start + at]]), abs=1e-4
            )
            logits[at][self.plan[start + at]] += 1e4
        self.passes, self.drafted = self.passes + 1, self.drafted + len(drafts[0])
        return [logits]


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_values_copied_from_the_request_take_fewer_passes(loaded: Loaded, notation: Notation) -> None:
    tools = catalogue_from_json([{"name": "say", "inputSchema": {"properties": {"text": {"type": "string"}}}}])
    prompt, constraint = parts(loaded, notation, tools)
    text = "the tickets of ACME-123 (all of them!), in the current sprint"
    wanted = print_plan(Plan((Step("say", {"text": text}), Step("say", {"text": "something else"}))), notation)
    dictated = DictatedDecoder(loaded, constraint, [prompt.ids("List"), prompt.ids("sum")])
    dictated.prompt = prompt.ids(f"Please say {text}, then something else.")
    dictated.plan = [*constraint.vocabulary.encode(wanted), constraint.vocabulary.end]
    (answer,) = dictated.decode([dictated.prompt], limits=DecodingLimits())
    assert answer.text == wanted and answer.tokens == len(dictated.plan)
    assert dictated.passes < 0.6 * answer.decisions and dictated.drafted > 0


def test_text_shared_with_earlier_plans_takes_fewer_passes(loaded: Loaded) -> None:
    tools = catalogue_from_json([
        {"name": name, "inputSchema": {"properties": {"text": {"type": "string"}, "loud": {"type": "boolean"}}}}
        for name in ("say", "sing")
    ])  # fmt: skip
    prompt, constraint = parts(loaded, "json", tools)
    dictated = DictatedDecoder(loaded, constraint, [prompt.ids("List"), prompt.ids("sum")])
    passes = []
    for text in ("12", "93", "57"):
        wanted = print_plan(Plan((Step("sing", {"text": text, "loud": True}),)), "json")
        dictated.passes, dictated.prompt = 0, prompt.ids("Nothing to copy.")
        dictated.plan = [*constraint.vocabulary.encode(wanted), constraint.vocabulary.end]
        (answer,) = dictated.decode([dictated.prompt], limits=DecodingLimits())
        assert answer.text == wanted and answer.tokens == len(dictated.plan)
        passes.append(dictated.passes)
    assert passes[0] == passes[1] > 1.5 * passes[2]  # two must agree


def test_a_limit_ends_a_plan_at_the_soonest_valid_end(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded, "json")
    quick = decoder(loaded, prompt, constraint)
    long = next(quick.decode([prompt.ids("List")], limits=DecodingLimits(max_new_tokens=5)))
    assert long.ended_by == "length" and long.decisions <= 5
    late = next(quick.decode([prompt.ids("List")], limits=DecodingLimits(seconds=0.0)))
    assert late == DecodedPlan("[]", late.tokens, 0, "time", 1.0)
    for answer in (long, late):
        assert isinstance(read_plan(answer.text, "json", CATALOGUE), Plan)


def test_the_time_limit_of_a_request_counts_from_its_own_start(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt, constraint = parts(loaded)
    quick = decoder(loaded, prompt, constraint)
    prompts = [prompt.ids(request) for request in REQUESTS]
    alone = list(quick.decode(prompts, limits=DecodingLimits(max_new_tokens=40), batch_size=1))
    looks = itertools.count()
    monkeypatch.setattr("platypus.decoding.decoder.time.monotonic", lambda: float(next(looks)))
    seconds = float(max(answer.decisions for answer in alone) + 2)
    fresh = decoder(loaded, prompt, constraint)  # the first one would draft from these plans, and round differently
    assert list(fresh.decode(prompts, limits=DecodingLimits(40, seconds), batch_size=1)) == alone
    assert any(
        answer.ended_by == "time" for answer in quick.decode(prompts, limits=DecodingLimits(40, 2.0), batch_size=1)
    )


def test_two_streams_of_one_decoder_do_not_interfere(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded)
    quick = decoder(loaded, prompt, constraint)
    prompts, limits = [prompt.ids("List"), prompt.ids("Sum up")], DecodingLimits(max_new_tokens=40)
    wanted = list(quick.decode(prompts, limits=limits))
    streams = [quick.stream([ids], limits=limits) for ids in prompts]
    both = (progress for pair in itertools.zip_longest(*streams) for progress in pair if progress is not None)
    ends = {progress.decoded.text for progress in both if progress.decoded}
    assert ends == {answer.text for answer in wanted}


def test_closing_the_stream_cancels(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded)
    quick = decoder(loaded, prompt, constraint)
    stream = quick.stream(
        [prompt.ids("List"), prompt.ids("Sum")], limits=DecodingLimits(max_new_tokens=60), batch_size=2
    )
    first = next(stream)
    stream.close()
    assert first.decoded is None
    texts = [p.text for p in quick.stream([prompt.ids("List")], limits=DecodingLimits(max_new_tokens=60))]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts)) and len(texts) > 2


def test_sampled_plans_are_valid_and_depend_on_the_seed_alone(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded)
    quick = decoder(loaded, prompt, constraint)
    prompts = [prompt.ids(request) for request in REQUESTS]
    drawn = [
        [
            answer.text
            for answer in quick.decode(prompts, limits=DecodingLimits(40, temperature=2.0, seed=seed), batch_size=n)
        ]
        for seed, n in ((1, 2), (1, 3), (2, 3))
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(isinstance(read_plan(text, "calls", CATALOGUE), Plan) for text in itertools.chain(*drawn))


def enumerated(loaded: Loaded, constraint: Constraint, prompt: Sequence[int]) -> dict[str, float]:
    """Every plan with its probability, by following every legal token."""
    probabilities: dict[str, float] = {}
    open_states = [(0.0, constraint.start())]
    while open_states:
        log, state = open_states.pop()
        if state.ended:
            probabilities[state.text] = math.exp(log)
            continue
        for token, more in zip(*state.distribution(logits_after(loaded, [*prompt, *state.ids])), strict=True):
            after = state.copy()
            after.append(token)
            open_states.append((log + float(more), after))
    return probabilities


def test_the_best_plans_are_those_of_an_enumeration(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded, "calls", TWO, max_steps=2)
    ids = prompt.ids("a, then b")
    every = enumerated(loaded, constraint, ids)
    assert len(every) == 1 + 4 + 16 and sum(every.values()) == pytest.approx(1)
    ranked = decoder(loaded, prompt, constraint).best(ids, 6, limits=DecodingLimits(max_new_tokens=60), batch_size=3)
    wanted = sorted(every.items(), key=lambda item: -item[1])[:6]
    assert [plan.text for plan in ranked] == [text for text, _ in wanted]
    assert [plan.probability for plan in ranked] == pytest.approx([p for _, p in wanted], rel=1e-3)
    (greedy,) = decoder(loaded, prompt, constraint).decode([ids], limits=DecodingLimits(max_new_tokens=60))
    assert 0 < greedy.probability <= every[greedy.text] * 1.001 and every[greedy.text] <= ranked[0].probability * 1.001


def test_beams_find_likely_plans(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """All plans if none is pruned; with one beam, the greedy plan."""
    prompt, constraint = parts(loaded, "calls", TWO, max_steps=2)
    ids, limits = prompt.ids("a, then b"), DecodingLimits(max_new_tokens=60)
    every = enumerated(loaded, constraint, ids)
    with monkeypatch.context() as patched:
        patched.setattr(state_module, "UNLIKELY", -math.inf)
        plans = decoder(loaded, prompt, constraint).likely(ids, len(every), limits=limits)
    assert {plan.text for plan in plans} == every.keys() and len(plans) == len(every)
    # a probability is lower where tokens are not canonical
    assert all(0 < plan.probability <= every[plan.text] * 1.001 for plan in plans)
    assert [plan.probability for plan in plans] == sorted((plan.probability for plan in plans), reverse=True)
    (one,) = decoder(loaded, prompt, constraint).likely(ids, 1, limits=limits)
    (greedy,) = decoder(loaded, prompt, constraint).decode([ids], limits=limits)
    assert (one.text, one.tokens, one.decisions) == (greedy.text, greedy.tokens, greedy.decisions)
    assert one.probability == pytest.approx(greedy.probability, rel=1e-4)
    two = decoder(loaded, prompt, constraint).likely(ids, 2, limits=limits)
    assert len(two) == 2 and {plan.text for plan in two} < every.keys()
    assert two[0].probability >= 0.9999 * one.probability  # in a batch, the last digits differ
    short = decoder(loaded, prompt, constraint).likely(ids, 3, limits=DecodingLimits(max_new_tokens=2))
    assert short and {plan.text for plan in short} <= every.keys()
    assert "length" in {plan.ended_by for plan in short} <= {"model", "length"}


def test_a_prefix_on_disk_is_used_only_for_the_same_model_and_catalogue(loaded: Loaded, tmp_path: Path) -> None:
    prompt, constraint = parts(loaded)
    fresh = decoder(loaded, prompt, constraint, tmp_path)
    (path,) = tmp_path.iterdir()
    reloaded = decoder(loaded, prompt, constraint, tmp_path)
    assert reloaded.prefix.ids == fresh.prefix.ids
    for a, b in zip(reloaded.prefix.layers, fresh.prefix.layers, strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    limits = DecodingLimits(max_new_tokens=40)
    assert list(reloaded.decode([prompt.ids("x")], limits=limits)) == list(
        fresh.decode([prompt.ids("x")], limits=limits)
    )
    fingerprint = weights_fingerprint(loaded, fresh.prefix.ids)
    assert CachedPrefix.load(path, fingerprint="0" * 16, device=loaded.device) is None
    path.write_bytes(path.read_bytes()[:100])
    assert CachedPrefix.load(path, fingerprint=fingerprint, device=loaded.device) is None
    decoder(loaded, prompt, constraint, tmp_path)
    assert CachedPrefix.load(path, fingerprint=fingerprint, device=loaded.device) is not None
    weight = next(iter(loaded.model.parameters()))
    with torch.no_grad():
        weight.add_(1)
        changed = weights_fingerprint(loaded, fresh.prefix.ids)
        weight.sub_(1)
    assert changed != fingerprint


def test_a_prompt_that_fills_the_context_is_refused(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded)
    with pytest.raises(PromptError, match="the model's context is 2048"):
        list(decoder(loaded, prompt, constraint).decode([prompt.ids("word " * 800)], limits=DecodingLimits()))


def test_requests_may_come_while_others_are_decoded(loaded: Loaded) -> None:
    """The second one begins after the first has had a pass; beams and single plans share the passes."""
    prompt, constraint = parts(loaded)
    quick, limits = decoder(loaded, prompt, constraint), DecodingLimits(max_new_tokens=40)
    prompts = [prompt.ids("List"), prompt.ids("Sum up"), prompt.ids("List 5 items")]
    wanted = [answer.text for answer in quick.decode(prompts[:2], limits=limits)]
    wanted.append(quick.likely(prompts[2], 2, limits=limits)[0].text)
    begun = [quick.begin(ids, limits, index=index) for index, ids in enumerate(prompts)]
    turns: list[Decoding | None] = [begun[0], None, begun[1], Beam(begun[2], 2)]
    found: dict[int, str] = {}
    while turns:
        for some in quick.run(lambda: turns.pop(0) if turns else None, batch_size=8):
            found |= {one.index: one.decoded.text for one in some if one.decoded}
    assert [found[index] for index in range(3)] == wanted


def test_the_probability_of_a_plan_is_that_of_its_decoding(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded, catalogue=TWO, max_steps=1)
    quick, limits = decoder(loaded, prompt, constraint), DecodingLimits(max_new_tokens=40)
    ids, vocabulary = prompt.ids("do a"), constraint.vocabulary
    ranked = quick.best(ids, 10, limits=limits)
    scores = [quick.probability(ids, [*vocabulary.encode(p.text), vocabulary.end], limits=limits) for p in ranked]
    assert np.allclose(scores, [plan.probability for plan in ranked], rtol=1e-3) and math.isclose(
        sum(scores), 1, rel_tol=1e-5
    )
    assert quick.probability(ids, [*vocabulary.encode("c()"), vocabulary.end], limits=limits) == 0


def test_without_the_empty_plan_there_is_always_a_step(loaded: Loaded) -> None:
    prompt, constraint = parts(loaded, catalogue=TWO, max_steps=1)
    some = Constraint.compile(constraint.vocabulary, TWO, "calls", max_steps=1, empty=False)
    whole = decoder(loaded, prompt, constraint)
    quick = Decoder(loaded, some, [prompt.ids("List"), prompt.ids("sum")], prefix=whole.prefix)
    texts = {plan.text for plan in quick.best(prompt.ids("x"), 10, limits=DecodingLimits(max_new_tokens=40))}
    assert texts == {"a()", "b()", "b(x=true)", "b(x=false)"}
