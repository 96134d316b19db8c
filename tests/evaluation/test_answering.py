"""Rows answered by a scripted planner: the order of requests, plans or text, and the parts of a scored row."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Instruction, Row
from platypus.decoding.results import EndedBy
from platypus.errors import CatalogueError
from platypus.evaluation.answering import ScoredRow, answer_rows, request_and_gold
from platypus.evaluation.metrics import TextScore, score, score_text
from platypus.inference.planner import Answer, Planner
from platypus.model.completion import Completion
from platypus.model.loading import load_base
from platypus.plan.plan import Malformed, Plan, Step
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings, EvaluateSettings
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

CATALOGUE: Catalogue = catalogue_from_json([{"name": "me"}, {"name": "sprint"}])
SHORT = Example("Who am I?", Plan((Step("me"),)), CATALOGUE.fingerprint, {})
LONG = Example("Me, then the sprint", Plan((Step("me"), Step("sprint"))), CATALOGUE.fingerprint, {})
NONE = Example("Make tea", Plan(), CATALOGUE.fingerprint, {})
GREET = Instruction("Greet.", "", "Good day to you, and to all of your friends!", {})


@dataclass
class Scripted:
    """A planner that answers each request with a text; the other fields are those of every plan."""

    texts: dict[str, str]
    prompt: Prompt
    ended_by: EndedBy = "model"
    probability: float | None = None
    evidence: dict[str, float] | None = None
    requests: list[str] = field(default_factory=list)

    def plan(self, requests: Sequence[str], *, batch_size: int, max_new_tokens: int) -> Iterator[Answer]:
        for request in requests:
            self.requests.append(request)
            text = self.texts[request]
            plan = self.prompt.read(text, request)
            known = self.probability, None, True, (), self.evidence
            yield Answer(request, plan, text, len(text), 3, self.ended_by, *known)

    def refusal(self, row: Row) -> str:
        return ""

    def respond(self, rows: Sequence[Row], *, batch_size: int, max_new_tokens: int) -> Iterator[Completion]:
        for row in rows:
            request = row.instruction if isinstance(row, Instruction) else row.query
            self.requests.append(request)
            yield Completion(self.texts[request], 7, self.ended_by == "model")


TEXTS = {"Who am I?": "me()", "Me, then the sprint": "me()", "Make tea": "tea()", "Greet.": "good day"}


def answered(rows: Sequence[Row], catalogue: Catalogue | None = CATALOGUE, **options: Any) -> list[ScoredRow]:
    planner: Any = Scripted(TEXTS, Prompt(byte_bpe_tokenizer(), catalogue, "calls"), **options)
    return answer_rows(planner, rows, EvaluateSettings(), "after")


def test_rows_keep_their_order_but_plans_are_asked_for_first_and_long_ones_before_short_ones() -> None:
    planner: Any = Scripted(TEXTS, Prompt(byte_bpe_tokenizer(), CATALOGUE, "calls"))
    scored = answer_rows(planner, [GREET, NONE, SHORT, LONG], EvaluateSettings(), "after")
    assert planner.requests == ["Me, then the sprint", "Who am I?", "Make tea", "Greet."]
    assert [row.row for row in scored] == [GREET, NONE, SHORT, LONG]
    assert [row.text for row in scored] == ["good day", "tea()", "me()", "me()"]


def test_each_answer_is_scored_against_its_own_gold() -> None:
    text, wrong, right, half = answered([GREET, NONE, SHORT, LONG])
    assert text.score == score_text("good day", GREET.output) and text.plan is None
    assert right.score == score(SHORT.plan, SHORT.plan, CATALOGUE) and right.score.exact
    assert half.score == score(SHORT.plan, LONG.plan, CATALOGUE) and not half.score.exact
    assert not wrong.score.exact and wrong.plan is not None


def test_a_plan_that_a_limit_cut_has_probability_0_and_free_decoding_has_none() -> None:
    cases: list[tuple[EndedBy, float | None, bool, float | None]] = [
        ("model", 0.25, False, 0.25),
        ("time", 0.25, True, 0.0),
        ("length", 0.25, True, 0.0),
        ("length", None, True, None),
    ]
    for ended_by, probability, cut, reported in cases:
        (row,) = answered([SHORT], ended_by=ended_by, probability=probability)
        assert (row.cut, row.probability) == (cut, reported)


def test_a_line_of_the_scores_by_hand() -> None:
    good, bad = answered([SHORT, NONE], probability=0.5)
    gold = [{"tool_name": "me", "arguments": []}]
    assert good.to_json() == {
        "query": "Who am I?",
        "gold": gold,
        "answer": "me()",
        "plan": gold,
        "problems": [],
        "tokens": 4,
        "cut": False,
        "probability": 0.5,
        "mistakes": [],
        "score": asdict(score(SHORT.plan, SHORT.plan, CATALOGUE)),
    }
    line = bad.to_json()
    assert line["plan"] is None and "'tea'" in line["problems"][0] and line["gold"] == []


def test_without_a_catalogue_every_row_is_answered_in_words() -> None:
    (row,) = answered([GREET], catalogue=None)
    assert row.plan is None and row.tokens == 7
    assert request_and_gold(GREET) == {"instruction": "Greet.", "input": "", "gold": GREET.output}


# ---------------------------------------------------------------- rows with their own tools

BOATS = catalogue_from_json([{"name": "sail", "parameters": {"to": {"type": "str"}}}])
ISLES = catalogue_from_json([{"name": "isles"}])
FAR = [
    Example(f"To isle {n}", Plan((Step("sail", {"to": f"isle {n}"}),)), BOATS.fingerprint, {}, BOATS) for n in (1, 2)
]
LISTED = [Example(f"Isles {n}", Plan((Step("isles"),)), ISLES.fingerprint, {}, ISLES) for n in (1, 2)]


@dataclass
class WithTools(Scripted):
    """A scripted planner that is given other tools; `opened` has the catalogues that planners were made for."""

    settings: DecodeSettings = field(default_factory=lambda: DecodeSettings(decoding="free"))
    opened: list[Catalogue] = field(default_factory=list)

    def with_tools(self, catalogue: Catalogue) -> "WithTools":
        self.opened.append(catalogue)
        return replace(self, prompt=replace(self.prompt, catalogue=catalogue))


def test_rows_are_answered_with_the_tools_that_they_bring_one_catalogue_after_the_other() -> None:
    texts = {
        **TEXTS,
        "To isle 1": 'sail(to="isle 1")',
        "To isle 2": "me()",
        **{row.query: "isles()" for row in LISTED},
    }
    rows = [LISTED[0], FAR[0], GREET, SHORT, LISTED[1], FAR[1]]
    for catalogue in (CATALOGUE, None):
        planner = WithTools(texts, Prompt(byte_bpe_tokenizer(), catalogue, "calls"))
        scored = answer_rows(planner, rows, EvaluateSettings(), "after")  # type: ignore[arg-type]
        assert [row.row for row in scored] == rows
        assert planner.opened == [ISLES, BOATS]
        exact = [scored[i].score.exact for i in (0, 1, 4, 5)]
        assert exact == [True, True, True, False]
        assert isinstance(scored[5].plan, Malformed) and "no tool is named 'me'" in scored[5].plan.reason
        assert isinstance(scored[2].score, TextScore)
        assert isinstance(scored[3].score, TextScore) == (catalogue is None)


def test_tools_without_a_grammar_are_answered_freely_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = catalogue_from_json([{"name": "code"}])
    decoder = Planner._decoder

    def without_odd(self: Planner, prompt: Prompt) -> Any:
        if prompt.catalogue == odd:
            raise CatalogueError("the grammar of its plans is too large", where="tools")
        return decoder(self, prompt)

    monkeypatch.setattr(Planner, "_decoder", without_odd)
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    planner = Planner(loaded, Prompt(loaded.tokenizer, None, "calls"))
    rows = [Example("Code", Plan((Step("code"),)), odd.fingerprint, {}, odd), FAR[0]]
    code, far = answer_rows(planner, rows, EvaluateSettings(max_new_tokens=8), "after")
    assert "rows with these tools are answered without a grammar" in " ".join(capsys.readouterr().err.split())
    assert code.probability is None
    assert isinstance(far.plan, Plan) and not far.plan.problems(BOATS)


@pytest.mark.parametrize("settings", [DecodeSettings(decoding="free"), DecodeSettings(), DecodeSettings(max_tools=9)])
def test_a_row_that_leaves_no_room_for_an_answer_is_wrong(
    settings: DecodeSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too long are a request, the tools of a row, and a text; the rows beside them are answered."""
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    planner = Planner(loaded, Prompt(loaded.tokenizer, CATALOGUE, "calls", cutoff=700), settings)
    pasted = "word " * 900
    many = {f"argument_{n}": {"type": "string"} for n in range(200)}
    huge = catalogue_from_json([{"name": "code", "inputSchema": {"properties": many, "required": [*many]}}])
    rows = [
        SHORT,
        replace(LONG, query=pasted),
        Example("Code", Plan((Step("code"),)), huge.fingerprint, {}, huge),
        GREET,
        replace(GREET, input=pasted),
    ]
    short, asked_much, given_much, text, long_text = answer_rows(planner, rows, EvaluateSettings(max_new_tokens=8))
    assert [short.row, asked_much.row, given_much.row, text.row, long_text.row] == rows
    for row in (asked_much, given_much):
        assert isinstance(row.plan, Malformed) and row.plan.problems[0].kind == "too-long" and not row.score.exact
        assert "the context of 700 leaves no room for an answer" in row.to_json()["problems"][0]
    assert short.tokens and text.tokens and (long_text.text, long_text.score.exact) == ("", False)
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("1 rows cannot be asked and count as wrong") == 3 and "'word word" in told


def test_generated_requests_are_told_from_those_of_people() -> None:
    rows = [SHORT, replace(LONG, origin={"source": "generate", "line": 3})]
    found = [row.to_json()["evidence"] for row in answered(rows, probability=0.5, evidence={"logit": 1.0})]
    assert found == [{"logit": 1.0, "generated": 0.0}, {"logit": 1.0, "generated": 1.0}]
    assert "evidence" not in answered(rows)[0].to_json()
