"""Answers: how they are decoded, read, watched, and given a confidence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Instruction
from platypus.decoding.results import DecodedPlan, DecodingLimits
from platypus.errors import PromptError
from platypus.inference.calibration import Calibration
from platypus.inference.planner import Answer, Planner
from platypus.model import completion
from platypus.model.completion import Completion, complete
from platypus.model.loading import load_base
from platypus.plan.notation import Notation
from platypus.plan.plan import Malformed, Plan, Step
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

CATALOGUE: Catalogue = catalogue_from_json([{"name": "me"}, {"name": "list"}])


FREE = DecodeSettings(decoding="free")
SEED = 4  # of random weights that do not refuse every request


@dataclass(frozen=True)
class Opened:
    """Stands for a loaded model."""

    source: str
    tokenizer: Any
    context: int = 4096


ANSWERS = {
    "good": Completion("me()\nlist()", 9, True),
    "unknown tool": Completion("you()", 5, True),
    "cut off where a plan could end": Completion("me()", 4, False),
    "refusal": Completion("[]", 1, True),
}


def test_answers_are_read_and_unfinished_ones_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = Prompt(byte_bpe_tokenizer(), CATALOGUE, "calls")

    def answer(loaded: object, prompts: Sequence[Sequence[int]], **options: object) -> Iterator[Completion]:
        assert options == {"batch_size": 2, "max_new_tokens": 20, "seconds": None}
        requests = {tuple(prompt.ids(request)): completion_ for request, completion_ in ANSWERS.items()}
        return (requests[tuple(ids)] for ids in prompts)

    monkeypatch.setattr(completion, "complete", answer)
    planner = Planner(Opened("x", None), prompt, FREE)  # type: ignore[arg-type]
    answers = list(planner.plan(list(ANSWERS), batch_size=2, max_new_tokens=20))
    assert [answer.request for answer in answers] == list(ANSWERS)
    good, unknown, unfinished, refusal = (answer.plan for answer in answers)
    assert good == Plan((Step("me"), Step("list"))) and refusal == Plan()
    assert isinstance(unknown, Malformed) and unknown.problems[0].kind == "unknown-tool"
    assert isinstance(unfinished, Malformed) and unfinished.reason == "the answer was cut off after 4 tokens"
    assert [answer.tokens for answer in answers] == [9, 5, 4, 1]


def test_a_real_model_gets_the_prompt_of_its_training(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    prompt = Prompt(loaded.tokenizer, CATALOGUE, "calls")
    planner, requests = Planner(loaded, prompt, FREE), ["List mine.", "Who am I, and what do I own?"]
    completions = list(complete(loaded, [prompt.ids(request) for request in requests], max_new_tokens=12, batch_size=2))
    answers = list(planner.plan(requests, batch_size=2, max_new_tokens=12))
    assert [(answer.text, answer.tokens, answer.finished) for answer in answers] == [
        (completion.text, completion.tokens, completion.finished) for completion in completions
    ]
    rows = [Instruction("Say hi.", "", "hi", {})]
    (spoken,) = planner.respond(rows, max_new_tokens=5)
    assert [spoken] == list(complete(loaded, [prompt.row_ids(rows[0])], max_new_tokens=5, batch_size=1))
    with pytest.raises(PromptError, match="the model's context is 2048"):
        next(planner.plan(["word " * 800]))


def test_numbers_and_dates_in_words_are_read_in_figures(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    count = {"type": "object", "properties": {"count": {"type": "integer"}, "note": {"type": "string"}}}
    tools, said = catalogue_from_json([{"name": "book", "inputSchema": count}]), "Book two for tomorrow"
    prompt, day = (
        Prompt(loaded.tokenizer, tools, "calls", markers=True),
        DecodeSettings(max_steps=1, today="2026-11-30"),
    )
    planner = Planner(loaded, prompt, day)
    (answer,) = planner.plan([said], max_new_tokens=30)
    reading = planner.reading(said)
    assert answer.request == reading.read == "Book 2 for 2026-12-01"
    text = 'book(count=2, note="Book 2")'
    assert planner.begun(reading, f"{text}\nbo") == Plan((Step("book", {"count": 2, "note": "Book two"}),))
    *_, watched = planner.watch(said, max_new_tokens=30)
    (best,) = planner.best(said, 1, DecodingLimits(30))
    assert isinstance(watched, Answer) and {watched.request, best.request} == {answer.request}
    assert isinstance(best.plan, Plan) and planner.probability(said, best.plan) == pytest.approx(best.probability)
    assert replace(planner, prompt=replace(prompt, markers=False)).reading(said).read == "Book two for 2026-12-01"
    assert replace(planner, settings=DecodeSettings()).reading(said).read == "Book 2 for tomorrow"
    assert planner.dated(said) == "Book two for 2026-12-01"


def test_a_plan_is_one_of_the_best_once_however_its_values_are_written(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    tools = catalogue_from_json(
        [{"name": "say", "inputSchema": {"type": "object", "properties": {"x": {"type": "string"}}}}]
    )
    planner = Planner(loaded, Prompt(loaded.tokenizer, tools, "calls", markers=True), DecodeSettings(max_steps=1))
    twice = [
        DecodedPlan(text, 1, 1, "model", share)
        for text, share in (("say(x=<1>)", 0.6), ('say(x="Bo-1")', 0.3), ("[]", 0.1))
    ]
    distinct = planner._distinct("Tell Bo-1", twice)
    assert [plan for plan, _ in distinct] == [Plan((Step("say", {"x": "Bo-1"}),)), Plan()]
    assert [decoded.probability for _, decoded in distinct] == [0.6, 0.1]


def test_a_narrowed_planner_compares_with_the_whole_catalogue_as_plan_does(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    tools = catalogue_from_json([{"name": f"tool_{i}"} for i in range(40)] + [{"name": "book_flight"}])
    settings = DecodeSettings(max_tools=2, max_steps=1, tool_prior=5.0)
    planner = Planner(loaded, Prompt(loaded.tokenizer, tools, "calls"), settings)
    request = "tool 7, or a flight to book"
    one, other = planner.narrowed(request), planner.narrowed("tool 3")
    assert len(one.prompt.catalogue or ()) == 2
    assert one.retriever is other.retriever is planner.narrowing.retriever  # type: ignore[union-attr]
    begun = one.begin(request, DecodingLimits(20))
    for _ in one.decoder.run(iter([begun, *[None] * 99]).__next__, batch_size=1):
        pass
    assert one.finish(request, begun) == next(planner.plan([request], max_new_tokens=20))
    assert one.with_tools(tools).retriever is None


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_under_the_grammar_even_a_random_model_gives_valid_plans(tmp_path: Path, notation: Notation) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    prompt = Prompt(loaded.tokenizer, CATALOGUE, notation)
    planner, requests = Planner(loaded, prompt), ["List mine.", "Who am I, and what do I own?", "", "x"]
    free = list(Planner(loaded, prompt, FREE).plan(requests, max_new_tokens=30))
    answers = list(planner.plan(requests, batch_size=3, max_new_tokens=30))
    assert all(isinstance(answer.plan, Malformed) for answer in free)
    assert all(isinstance(answer.plan, Plan) for answer in answers)
    assert [answer.request for answer in answers] == requests
    assert all(answer.decisions < answer.tokens for answer in answers)
    with pytest.raises(PromptError, match="the model's context is 2048"):
        list(planner.plan(["word " * 800]))


def test_markers_are_read_as_the_texts_of_their_own_request(tmp_path: Path) -> None:
    name = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    tools = catalogue_from_json([{"name": "find", "inputSchema": name}])
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    texts = map(loaded.tokenizer.decode, range(loaded.vocabulary))
    bias = 100.0 * torch.tensor([("<" in token) - ("[" in token) for token in texts])
    loaded.model.get_output_embeddings().register_forward_hook(lambda *passed: passed[-1] + bias)
    planner = Planner(loaded, Prompt(loaded.tokenizer, tools, "calls", markers=True))
    requests = [f"{verb} {thing}" for verb in ("Find", "What is", "Show") for thing in ("ISS-1", "Ann", "X-2", "it")]
    answers = list(planner.plan(requests, batch_size=5, max_new_tokens=40))
    for answer in answers:
        named = answer.request.split()[-1]
        assert isinstance(answer.plan, Plan) and answer.plan.steps
        assert {step.arguments["name"] == named for step in answer.plan} == {named != "it"}
    assert list(planner.watch(requests[0], max_new_tokens=40))[-1] == answers[0]


def test_of_likely_plans_one_with_the_values_of_the_request_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = {"type": "object", "properties": {"owner": {"type": "string"}}}
    tools = catalogue_from_json([{"name": "list", "inputSchema": owner}])
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    planner = Planner(loaded, Prompt(loaded.tokenizer, tools, "calls"), DecodeSettings(beams=3))
    likely = {"list()": 0.5, 'list(owner="ann")': 0.2, "[]": 0.01}

    def likely_plans(ids: Sequence[int], width: int, **_: Any) -> list[DecodedPlan]:
        assert width == 3
        return [DecodedPlan(text, 5, 4, "model", probability) for text, probability in likely.items()]

    monkeypatch.setattr(planner.decoder, "likely", likely_plans)
    (named,) = planner.plan(["What does Ann own?"])
    assert named.text == 'list(owner="ann")' and named.probability == 0.2  # whatever the case of the letters
    assert list(planner.watch("What does Ann own?")) == [named]
    (unnamed,) = planner.plan(["What is there?"])
    assert unnamed.text == "list()"
    for refusal, text in ((0.45, 'list(owner="ann")'), (0.55, "[]")):
        likely |= {"list()": 0.2, "[]": refusal}
        assert [answer.text for answer in planner.plan(["Phone Ann or ACME-1."])] == [text]


def test_with_a_real_model_beams_are_at_least_as_likely_as_greedy_plans(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base", seed=SEED)))
    planner = Planner(loaded, Prompt(loaded.tokenizer, CATALOGUE, "calls"), DecodeSettings(beams=4, max_steps=3))
    greedy = replace(planner, settings=DecodeSettings(max_steps=3))
    requests = ["List mine.", "Who am I?", "x"]
    for several, one in zip(planner.plan(requests), greedy.plan(requests), strict=True):
        assert isinstance(several.plan, Plan) and (several.probability or 0) >= 0.999 * (one.probability or 0)


def test_what_a_search_had_no_time_for_is_found_by_beams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base", seed=SEED)))
    planner = Planner(loaded, Prompt(loaded.tokenizer, CATALOGUE, "calls"), DecodeSettings(max_steps=2))
    limits = DecodingLimits(max_new_tokens=30)
    exact = planner.best("x", 3, limits)
    search = planner.decoder.best
    monkeypatch.setattr(planner.decoder, "best", lambda ids, k, **told: search(ids, 1, **told))
    found = planner.best("x", 3, limits)
    assert len(exact) == 3 and found[0].plan == exact[0].plan
    assert 2 <= len({str(answer.plan) for answer in found}) == len(found) <= 3


def test_a_search_and_its_beams_share_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base", seed=SEED)))
    planner = Planner(loaded, Prompt(loaded.tokenizer, CATALOGUE, "calls"))
    given, now = list[float | None](), 100.0

    def nothing(ids: Sequence[int], k: int, *, limits: DecodingLimits, **_: Any) -> list[Any]:
        nonlocal now
        given.append(limits.seconds)
        now += (limits.seconds or 0) + 1  # its last pass takes longer
        return []

    monkeypatch.setattr("platypus.inference.planner.monotonic", lambda: now)
    monkeypatch.setattr(planner.decoder, "best", nothing)
    monkeypatch.setattr(planner.decoder, "likely", nothing)
    assert planner.best("x", 3, DecodingLimits(seconds=30.0)) == [] and given == pytest.approx([20.0, 9.0])


def test_with_a_large_catalogue_a_request_gets_the_most_similar_tools(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    tools = catalogue_from_json([{"name": f"tool_{i}"} for i in range(40)] + [{"name": "book_flight"}])
    planner = Planner(loaded, Prompt(loaded.tokenizer, tools, "calls"), DecodeSettings(max_tools=1, max_steps=2))
    requests = ["book a flight", "tool 7, and another flight to book", "flight"]
    answers = list(planner.plan(requests, max_new_tokens=20))
    assert [answer.request for answer in answers] == requests
    for answer in answers:
        assert isinstance(answer.plan, Plan) and {step.tool for step in answer.plan} <= {"book_flight"}


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_a_plan_is_watched_as_it_grows(tmp_path: Path, notation: Notation) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base", seed=SEED)))
    prompt, settings = Prompt(loaded.tokenizer, CATALOGUE, notation), DecodeSettings(max_steps=4)
    planner, other = Planner(loaded, prompt, settings), Planner(loaded, prompt, settings)  # with the same history
    lengths = set()
    for request in ("List mine.", "Who am I, and what do I own?", "", "x", "list list", "me, then list"):
        *growing, answer = planner.watch(request, max_new_tokens=120)
        assert [answer] == list(other.plan([request], max_new_tokens=120))
        assert isinstance(answer, Answer) and isinstance(answer.plan, Plan)
        lengths.add(len(answer.plan))
        for number, plan_so_far in enumerate(growing, start=1):
            assert plan_so_far == Plan(answer.plan.steps[:number])
        assert len(growing) >= len(answer.plan) - 1
    assert max(lengths) > 1
    free = Planner(loaded, planner.prompt, FREE)
    assert list(free.watch("x", max_new_tokens=9)) == list(free.plan(["x"], max_new_tokens=9))


def test_an_interrupted_answer_does_not_affect_the_next(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base", seed=SEED)))
    prompt = Prompt(loaded.tokenizer, CATALOGUE, "json")
    planner, other = Planner(loaded, prompt), Planner(loaded, prompt)  # the other is not interrupted
    for both in (planner, other):
        list(both.plan(["List mine."], max_new_tokens=60))
    calls = 0

    def interrupt(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    hook = loaded.model.model.layers[0].self_attn.o_proj.register_forward_hook(interrupt)  # type: ignore[union-attr]
    with pytest.raises(KeyboardInterrupt):
        list(planner.watch("Who am I, and what do I own?", max_new_tokens=60))
    hook.remove()
    (wanted,) = other.plan(["List mine."], max_new_tokens=60)
    assert [wanted] == list(planner.plan(["List mine."], max_new_tokens=60))


def test_min_confidence_decides_which_plans_are_sure(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base", seed=SEED)))
    prompt = Prompt(loaded.tokenizer, CATALOGUE, "calls")
    doubtful = Calibration(slope=0.0, intercept=0.0, rows=9)  # 50%, whatever the model thinks
    for least, sure in ((0.0, True), (0.4, True), (0.6, False)):
        planner = Planner(loaded, prompt, DecodeSettings(min_confidence=least), calibration=doubtful)
        (answer,) = planner.plan(["x"])
        assert answer.finished and (answer.confidence, answer.sure) == (0.5, sure)
        assert answer.probability is not None and 0 < answer.probability <= 1
    cut = Planner(loaded, prompt, DecodeSettings(min_confidence=0.1, seconds=1e-9), calibration=doubtful)
    (answer,) = cut.plan(["x"])
    assert (answer.ended_by, answer.confidence, answer.sure) == ("time", 0.0, False)
    (answer,) = Planner(loaded, prompt, FREE).plan(["x"], max_new_tokens=5)
    assert (answer.probability, answer.confidence, answer.sure) == (None, None, True)


@pytest.mark.parametrize("beams", [1, 3])
def test_with_a_prior_plans_use_the_tools_that_are_like_the_request(tmp_path: Path, beams: int) -> None:
    tools = catalogue_from_json([{"name": name} for name in ("weather", "birthday", "mailbox", "calendar")])
    loaded = load_base(str(tiny_llama(tmp_path / "base", seed=SEED)))
    prompt = Prompt(loaded.tokenizer, tools, "calls")
    planner = Planner(loaded, prompt, DecodeSettings(tool_prior=100.0, beams=beams, max_steps=1))
    for asked in tools:
        (answer,) = planner.plan([f"Show the {asked.name}."], max_new_tokens=20)
        assert isinstance(answer.plan, Plan) and {step.tool for step in answer.plan} <= {asked.name}
        assert list(planner.watch(f"Show the {asked.name}.", max_new_tokens=20))[-1] == answer
    without = replace(planner, settings=DecodeSettings(beams=beams, max_steps=1))
    plans = [answer.plan for answer in without.plan([f"Show the {tool.name}." for tool in tools], max_new_tokens=20)]
    assert len({str(plan) for plan in plans if isinstance(plan, Plan) and plan.steps}) < len(tools)
