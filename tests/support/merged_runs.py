"""A run that is merged, without any training, and what an exported grammar accepts."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llguidance import LLTokenizer
from transformers import AutoTokenizer

from platypus.exporting.planner_files import compiled
from platypus.model.adapters import ADAPTER_CARD, AdapterCard
from platypus.plan.notation import Notation
from platypus.prompt.chat_template import write_tokenizer
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from platypus.run.settings import PromptSettings
from tests.support.tiny_models import CATALOGUE, examples, tiny_run


def merged_run(folder: Path, base: Path, notation: Notation, recipe: str = "", *, markers: bool = False) -> Run:
    """A run with an adapter and a merged model that were never trained: the base, with the planner's chat template."""
    run = tiny_run(folder, base=base, rows=examples(6), recipe=f'[prompt]\nnotation = "{notation}"\n{recipe}')

    def train(partial: Path) -> dict[str, Any]:
        (partial / "adapter").mkdir()
        card = AdapterCard("b", "f", CATALOGUE.fingerprint, notation, 4096, markers)
        (partial / "adapter" / ADAPTER_CARD).write_text(json.dumps(asdict(card)))
        return {}

    def merge(partial: Path) -> dict[str, Any]:
        shutil.copytree(base, partial / "model")
        tokenizer = AutoTokenizer.from_pretrained(base)
        settings = PromptSettings(notation=notation, markers=markers)
        write_tokenizer(Prompt.of(tokenizer, CATALOGUE, settings), tokenizer, partial / "model", requests=["1", "Plan"])
        return {}

    run.perform("train", inputs={}, settings={}, work=train)
    run.perform("merge", inputs={"train": run.fingerprint("train")}, settings={}, work=merge)
    return run


def takes(lark: str, text: str) -> bool:
    """Whether an exported grammar accepts the text."""
    matcher = compiled(lark, LLTokenizer("byte"))
    return matcher.try_consume_tokens(list(text.encode())) == len(text.encode()) and matcher.is_accepting()
