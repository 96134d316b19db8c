"""Test rows answered by a planner and scored."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platypus.data.dataset import Example, Instruction, Row
from platypus.evaluation.metrics import Score, TextScore, score, score_text
from platypus.inference.planner import Planner
from platypus.plan.plan import Malformed, Plan
from platypus.progress import track
from platypus.prompt.prompt import Prompt
from platypus.run.settings import EvaluateSettings


@dataclass(frozen=True)
class ScoredRow:
    """One row, answered and scored. `plan` is None where the answer is text; `cut` when a limit ended the answer.

    `probability` is the model's own of the whole plan: None where nothing is known of it, 0 for a plan that was cut.
    """

    row: Row
    text: str
    plan: Plan | Malformed | None
    tokens: int
    score: Score | TextScore
    cut: bool
    probability: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The line in `scores.jsonl`, but for the variant."""
        plan = self.plan.to_json() if isinstance(self.plan, Plan) else None
        problems = list(map(str, self.plan.problems)) if isinstance(self.plan, Malformed) else []
        answered = {"answer": self.text, "plan": plan, "problems": problems, "tokens": self.tokens, "cut": self.cut}
        return {**request_and_gold(self.row), **answered, "probability": self.probability, "score": asdict(self.score)}


def answer_rows(planner: Planner, rows: Sequence[Row], settings: EvaluateSettings, variant: str) -> list[ScoredRow]:
    """The rows answered and scored, in their order.

    Rows with long gold answers are answered first, so that the answers of a batch are about equally long.
    """
    prompt = planner.prompt
    order = sorted(range(len(rows)), key=lambda i: (not _is_planned(rows[i], prompt), -len(prompt.answer(rows[i]))))
    answered = _answered(planner, [rows[i] for i in order], settings)
    watched = track(answered, f"evaluate ({variant})", total=len(rows))
    marked = dict(zip(order, watched, strict=True))
    return [marked[i] for i in range(len(rows))]


def _is_planned(row: Row, prompt: Prompt) -> bool:
    return isinstance(row, Example) and prompt.catalogue is not None


def _answered(planner: Planner, rows: Sequence[Row], settings: EvaluateSettings) -> Iterator[ScoredRow]:
    """The rows answered: first those that ask for a plan, then those that ask for text."""
    prompt, size, length = planner.prompt, settings.batch_size, settings.max_new_tokens
    if prompt.catalogue is not None:
        examples = [row for row in rows if isinstance(row, Example)]
        answers = planner.plan([row.query for row in examples], batch_size=size, max_new_tokens=length)
        for row, answer in zip(examples, answers, strict=True):
            scored = score(answer.plan, row.plan, prompt.catalogue)
            probability = answer.probability if answer.finished or answer.probability is None else 0.0
            yield ScoredRow(row, answer.text, answer.plan, answer.tokens, scored, not answer.finished, probability)
    texts = [row for row in rows if not _is_planned(row, prompt)]
    for asked, said in zip(texts, planner.respond(texts, batch_size=size, max_new_tokens=length), strict=True):
        scored_text = score_text(said.text, prompt.answer(asked))
        yield ScoredRow(asked, said.text, None, said.tokens, scored_text, not said.finished)


def request_and_gold(row: Row) -> dict[str, Any]:
    """What a row asks for and its right answer, as JSON."""
    if isinstance(row, Instruction):
        return {"instruction": row.instruction, "input": row.input, "gold": row.output}
    return {"query": row.query, "gold": row.plan.to_json()}
