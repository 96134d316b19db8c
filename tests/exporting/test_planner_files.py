"""The written grammar accepts valid plans and no others, within the limits of servers."""

from pathlib import Path

import pytest
from llguidance import LLTokenizer

from platypus.errors import CatalogueError
from platypus.exporting.planner_files import compiled, export_catalogue
from platypus.plan.notation import print_plan
from platypus.run.settings import PromptSettings
from tests.support.merged_runs import takes
from tests.support.tiny_models import CATALOGUE, examples


def test_the_exported_grammar_accepts_only_valid_plans(tmp_path: Path) -> None:
    for notation in ("json", "calls"):
        export_catalogue(CATALOGUE, tmp_path / notation, prompt=PromptSettings(notation=notation), max_steps=3)
        lark = (tmp_path / notation / "grammar.lark").read_text("utf-8")
        for row in examples(4):
            assert takes(lark, print_plan(row.plan, notation))
        assert takes(lark, "[]")
        wrong = (
            [] if notation == "json" else ["fly()", "sum_up(items=$0)", "list()\nsum_up()", "list()\n" * 3 + "list()"]
        )
        assert not any(takes(lark, text) for text in ["", "[", "no", *wrong])


def test_an_export_in_another_notation_leaves_no_schema_of_the_first(tmp_path: Path) -> None:
    export_catalogue(CATALOGUE, tmp_path, prompt=PromptSettings(notation="json"), max_steps=3)
    assert (tmp_path / "schema.json").is_file()
    export_catalogue(CATALOGUE, tmp_path, prompt=PromptSettings(notation="calls"), max_steps=3)
    assert not (tmp_path / "schema.json").exists()


def test_a_grammar_that_servers_refuse_is_an_error() -> None:
    with pytest.raises(CatalogueError, match="cannot be compiled by a server"):
        compiled("%llguidance {}\nstart : nothing_of_this_name", LLTokenizer("byte"))
