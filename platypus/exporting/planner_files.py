"""What any server needs to answer with valid plans only: the grammar, the JSON schema, the text around a request.

The grammar is compiled within the limits of such servers. They do not check for equal elements and may choose tokens
that are not canonical, so their answers have to be checked like those of any model.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

from platypus.catalogue.tools import Catalogue
from platypus.decoding.grammar.plans import plan_grammar
from platypus.decoding.grammar.schemas import plan_schema
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import CatalogueError
from platypus.plan.notation import Notation, print_plan
from platypus.plan.plan import Plan
from platypus.prompt.templates import frame
from platypus.run.settings import PromptSettings


@dataclass(frozen=True)
class GrammarCheck:
    """The number of plans checked, and the texts of those that the grammar or the schema does not accept."""

    plans: int
    not_in_grammar: tuple[str, ...]
    not_in_schema: tuple[str, ...]

    def __str__(self) -> str:
        missing = len(self.not_in_grammar)
        return (
            f"Of the run's {self.plans} test plans it takes " + (str(self.plans - missing) if missing else "all") + "."
        )


def export_catalogue(
    catalogue: Catalogue, folder: Path, *, prompt: PromptSettings, max_steps: int, lead: str = ""
) -> dict[str, Any]:
    """Write the grammar, the schema (only for `json`) and the text around a request; `lead` is text before every plan.

    Raises CatalogueError for a grammar that servers would refuse.
    """
    notation, markers = prompt.notation, prompt.markers
    grammar = plan_grammar(catalogue, notation, max_steps=max_steps, lead=lead, markers=markers)
    compiled(grammar.lark, LLTokenizer("byte"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "grammar.lark").write_text(grammar.lark, encoding="utf-8")
    (folder / "schema.json").unlink(missing_ok=True)  # of an earlier export in another notation
    if notation == "json":
        schema = plan_schema(catalogue, max_steps=max_steps)
        (folder / "schema.json").write_text(json.dumps(schema, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name, text in frame(catalogue, notation, markers=markers, rendering=prompt.rendering)._asdict().items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    sizes = {"steps": grammar.steps, "classes": grammar.classes, "bits": grammar.bits * grammar.steps}
    return {"tools": len(catalogue), "notation": notation, "bytes": len(grammar.lark.encode()), **sizes}


def compiled(lark: str, tokens: LLTokenizer) -> LLMatcher:
    """The grammar, compiled as servers do, within llguidance's default limits. Raises CatalogueError if that fails."""
    matcher = LLMatcher(tokens, LLMatcher.grammar_from_lark(lark), log_level=0)
    if matcher.is_error():
        raise CatalogueError(
            f"its grammar cannot be compiled by a server: {matcher.get_error().partition(chr(10))[0]}",
            remedy="Use fewer tools, or a smaller `max_steps` under [decode].",
        )
    return matcher


def check(folder: Path, plans: Sequence[Plan], *, notation: Notation, vocabulary: Vocabulary) -> GrammarCheck:
    """Check these plans against the written files: the grammar token by token, the schema as JSON."""
    matcher = compiled((folder / "grammar.lark").read_text(encoding="utf-8"), vocabulary.tokens)
    schema = folder / "schema.json"
    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")) if schema.exists() else {})
    printed = [print_plan(plan, notation) for plan in plans]
    return GrammarCheck(
        len(plans),
        tuple(text for text in printed if not _takes(matcher, vocabulary.encode(text))),
        tuple(text for text, plan in zip(printed, plans, strict=True) if not validator.is_valid(plan.to_json())),
    )


def _takes(matcher: LLMatcher, ids: Sequence[int]) -> bool:
    probe = matcher.deep_copy()
    return probe.try_consume_tokens(list(ids)) == len(ids) and probe.is_accepting()
