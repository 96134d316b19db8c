"""Has a planner answer test rows, and scores the answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

from rich.console import Console

from platypus.catalogue.tools import Catalogue
from platypus.data.conversation import Conversation
from platypus.data.dataset import Example, Instruction, Row
from platypus.errors import CatalogueError, PromptError
from platypus.evaluation.metrics import Score, TextScore, score, score_text
from platypus.evaluation.mistakes import mistakes
from platypus.evaluation.published import PublishedScore, published
from platypus.inference.planner import Planner
from platypus.plan.plan import Malformed, Plan, Problem, plan_from_json
from platypus.progress import track
from platypus.prompt.prompt import Prompt, name_of
from platypus.run.settings import EvaluateSettings


@dataclass(frozen=True)
class Said:
    """What was answered to a request: the text, and the plan that it says.

    `said` is the plan even where it is not valid for the tools; None if the text is no plan. `plan` is Malformed then,
    and where it is not valid. `cut` if a limit ended the answer. `probability` is the model's probability of the whole
    plan: None where it is not known, 0 for a plan that was cut; `evidence` as in `Answer`.
    """

    text: str
    plan: Plan | Malformed
    said: Plan | None
    tokens: int = 0
    cut: bool = False
    probability: float | None = None
    evidence: Mapping[str, float] | None = None


@dataclass(frozen=True)
class ScoredRow:
    """One row with its answer and score. `plan` and `tools` are None if the answer is text."""

    row: Row
    text: str
    plan: Plan | Malformed | None
    tokens: int
    score: Score | TextScore
    cut: bool
    probability: float | None = None
    published: PublishedScore | None = None
    said: Plan | None = None
    tools: Catalogue | None = None
    evidence: Mapping[str, float] | None = None

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The kinds of mistakes in the plan; none for a text."""
        if self.plan is None or self.tools is None or not isinstance(self.row, Example):
            return ()
        return mistakes(self.plan, self.row.plan, self.tools)

    def to_json(self) -> dict[str, Any]:
        """The line in `scores.jsonl`, without the variant."""
        plan = self.plan.to_json() if isinstance(self.plan, Plan) else None
        problems = list(map(str, self.plan.problems)) if isinstance(self.plan, Malformed) else []
        kinds = {"problem": self.plan.problems[0].kind} if isinstance(self.plan, Malformed) else {}
        said = {"said": self.said.to_json()} if plan is None and self.said is not None else {}
        answered = {"answer": self.text, "plan": plan, "problems": problems, **kinds, **said}
        known = {} if self.evidence is None else {"evidence": self.evidence}
        measured = {"tokens": self.tokens, "cut": self.cut, "probability": self.probability, **known}
        judged = {"mistakes": list(self.mistakes), "score": asdict(self.score)}
        return {**request_and_gold(self.row), **answered, **measured, **judged}


def scored(row: Example, answer: Said, tools: Catalogue) -> ScoredRow:
    """The row with a plan as its answer, scored."""
    judged = score(answer.plan, row.plan, tools), answer.cut, answer.probability
    as_published = published(answer.said, row.plan, tools)
    known = answer.said, tools, answer.evidence
    return ScoredRow(row, answer.text, answer.plan, answer.tokens, *judged, as_published, *known)


def said_before(line: Mapping[str, Any], tools: Catalogue) -> Said:
    """The answer in a line of `scores.jsonl`. Raises KeyError if it is none."""
    plan = plan_from_json(line["plan"], tools) if line["plan"] is not None else None
    said = plan_from_json(line["said"]) if line.get("said") is not None else plan
    if plan is None:
        plan = Malformed(line["answer"], tuple(Problem(line["problem"], what) for what in line["problems"]))
    as_said = said if isinstance(said, Plan) else None
    known = line["tokens"], line["cut"], line["probability"], line.get("evidence")
    return Said(line["answer"], plan, as_said, *known)


def restored(line: Mapping[str, Any], row: Row, catalogue: Catalogue | None) -> ScoredRow:
    """The row with its answer in a line of `scores.jsonl`, scored anew."""
    tools = row.known_tools(catalogue) if isinstance(row, Example) else None
    if isinstance(row, Example) and tools is not None:
        return scored(row, said_before(line, tools), tools)
    judged = score_text(line["answer"], request_and_gold(row)["gold"])
    return ScoredRow(row, line["answer"], None, line["tokens"], judged, line["cut"])


def answer_rows(
    planner: Planner, rows: Sequence[Row], settings: EvaluateSettings, variant: str | None = None
) -> list[ScoredRow]:
    """The answered and scored rows, in the order of `rows`. Rows that bring their own tools are answered with these.

    Rows with the same tools stand together. Of these, rows with long gold answers are answered first, so that the
    answers of a batch have similar lengths. With a `variant`, progress is shown under its name.
    """
    prompt = planner.prompt
    catalogues: dict[Catalogue | None, int] = {}
    places = [catalogues.setdefault(_tools(row, prompt), len(catalogues)) for row in rows]

    def place(i: int) -> tuple[bool, int, int]:
        return _tools(rows[i], prompt) is None, places[i], -len(prompt.answer(rows[i]))

    order = sorted(range(len(rows)), key=place)
    answered = _answered(planner, [rows[i] for i in order], settings)
    watched = track(answered, f"evaluate ({variant})", total=len(rows)) if variant else answered
    marked = dict(zip(order, watched, strict=True))
    return [marked[i] for i in range(len(rows))]


def _tools(row: Row, prompt: Prompt) -> Catalogue | None:
    """The tools that a row's answer plans with; None if its answer is text."""
    return row.known_tools(prompt.catalogue) if isinstance(row, Example) else None


def _answered(planner: Planner, rows: Sequence[Row], settings: EvaluateSettings) -> Iterator[ScoredRow]:
    """Answers and scores the rows: plans, one catalogue after the other, then texts."""
    prompt, size, length = planner.prompt, settings.batch_size, settings.max_new_tokens
    text_rows: list[Row] = []
    for tools, some in groupby(rows, key=lambda row: _tools(row, prompt)):
        if tools is None:
            text_rows += some
        else:
            examples = [row for row in some if isinstance(row, Example)]
            yield from _planned(_with_tools(planner, tools), tools, examples, settings)
    refused = _refused(planner, text_rows)
    asked = [row for i, row in enumerate(text_rows) if i not in refused]
    completions = planner.respond(asked, batch_size=size, max_new_tokens=length)
    for i, text_row in enumerate(text_rows):
        if i in refused:
            yield ScoredRow(text_row, "", None, 0, score_text("", prompt.answer(text_row)), False)
            continue
        completion = next(completions)
        judged = score_text(completion.text, prompt.answer(text_row))
        yield ScoredRow(text_row, completion.text, None, completion.tokens, judged, not completion.finished)


def _planned(
    planner: Planner, tools: Catalogue, rows: Sequence[Example], settings: EvaluateSettings
) -> Iterator[ScoredRow]:
    refused = _refused(planner, rows)
    size, length = settings.batch_size, settings.max_new_tokens
    requests = [row.query for i, row in enumerate(rows) if i not in refused]
    answers = planner.plan(requests, batch_size=size, max_new_tokens=length) if requests else iter(())
    bare = replace(planner.prompt, catalogue=None)
    for i, row in enumerate(rows):
        if i in refused:
            yield scored(row, Said("", Malformed("", (Problem("too-long", refused[i]),)), None), tools)
            continue
        answer = next(answers)
        said = bare.read(answer.text, row.query) if isinstance(answer.plan, Malformed) else answer.plan
        as_said = said if isinstance(said, Plan) and (answer.finished or said == answer.plan) else None
        probability = answer.probability if answer.finished or answer.probability is None else 0.0
        seen = answer.evidence and {**answer.evidence, "generated": float(row.origin.get("source") == "generate")}
        known = answer.tokens, not answer.finished, probability, seen
        answered = Said(answer.text, answer.plan, as_said, *known)
        yield scored(row, answered, tools)


def _refused(planner: Planner, rows: Sequence[Row]) -> dict[int, str]:
    """Why rows cannot be asked, by their places. They count as wrong, and it is said."""
    refused = {i: why for i, row in enumerate(rows) if (why := planner.refusal(row))}
    if refused:
        first, why = next(iter(refused.items()))
        said = f"{name_of(rows[first])}: {why}; {len(refused)} rows cannot be asked and count as wrong"
        Console(stderr=True).print(said, style="yellow", markup=False)
    return refused


def _with_tools(planner: Planner, tools: Catalogue) -> Planner:
    """The planner for these tools. Tools that no grammar can hold to are planned with freely, and it is said."""
    if tools is planner.prompt.catalogue:
        return planner
    other = planner.with_tools(tools)
    if other.settings.decoding == "free" or other.narrowing:
        return other
    try:
        assert other.decoder
        return other
    except PromptError:  # the tools alone fill the prompt, so no row is asked
        return other
    except CatalogueError as error:
        said = f"{error.where}: {error.what}; rows with these tools are answered without a grammar"
        Console(stderr=True).print(said, style="yellow", markup=False)
        return replace(other, settings=other.settings.model_copy(update={"decoding": "free"}))


def request_and_gold(row: Row) -> dict[str, Any]:
    """A row's request and its gold answer, as JSON."""
    match row:
        case Instruction():
            return {"instruction": row.instruction, "input": row.input, "gold": row.output}
        case Conversation():
            return {"messages": [message.to_json() for message in row.question], "gold": row.answer}
        case Example():
            return {"query": row.query, "gold": row.plan.to_json()}
