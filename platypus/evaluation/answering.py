"""Has a planner answer test rows, and scores the answers."""

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
    """One row with its answer and score. `plan` is None if the answer is text; `cut` if a limit ended the answer.

    `probability` is the model's probability of the whole plan: None in free decoding, 0 for a plan that was cut.
    """

    row: Row
    text: str
    plan: Plan | Malformed | None
    tokens: int
    score: Score | TextScore
    cut: bool
    probability: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The line in `scores.jsonl`, without the variant."""
        plan = self.plan.to_json() if isinstance(self.plan, Plan) else None
        problems = list(map(str, self.plan.problems)) if isinstance(self.plan, Malformed) else []
        answered = {"answer": self.text, "plan": plan, "problems": problems, "tokens": self.tokens, "cut": self.cut}
        return {**request_and_gold(self.row), **answered, "probability": self.probability, "score": asdict(self.score)}


def answer_rows(planner: Planner, rows: Sequence[Row], settings: EvaluateSettings, variant: str) -> list[ScoredRow]:
    """The answered and scored rows, in the order of `rows`.

    Rows with long gold answers are answered first, so that the answers of a batch have similar lengths.
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
    """Answers and scores the rows: first those that ask for a plan, then those that ask for text."""
    prompt, size, length = planner.prompt, settings.batch_size, settings.max_new_tokens
    if prompt.catalogue is not None:
        examples = [row for row in rows if isinstance(row, Example)]
        answers = planner.plan([row.query for row in examples], batch_size=size, max_new_tokens=length)
        for row, answer in zip(examples, answers, strict=True):
            scored = score(answer.plan, row.plan, prompt.catalogue)
            probability = answer.probability if answer.finished or answer.probability is None else 0.0
            yield ScoredRow(row, answer.text, answer.plan, answer.tokens, scored, not answer.finished, probability)
    text_rows = [row for row in rows if not _is_planned(row, prompt)]
    completions = planner.respond(text_rows, batch_size=size, max_new_tokens=length)
    for text_row, completion in zip(text_rows, completions, strict=True):
        scored_text = score_text(completion.text, prompt.answer(text_row))
        yield ScoredRow(text_row, completion.text, None, completion.tokens, scored_text, not completion.finished)


def request_and_gold(row: Row) -> dict[str, Any]:
    """A row's request and its gold answer, as JSON."""
    if isinstance(row, Instruction):
        return {"instruction": row.instruction, "input": row.input, "gold": row.output}
    return {"query": row.query, "gold": row.plan.to_json()}
