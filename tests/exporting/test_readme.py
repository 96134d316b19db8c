"""The page of an export names the files that are there, the commands, the losses, and how to read an answer."""

from pathlib import Path

import pytest

from platypus.exporting.readme import FILES, Facts
from platypus.run.settings import PromptSettings


@pytest.mark.parametrize("markers", [False, True])
def test_a_page_names_the_files_that_are_there(tmp_path: Path, markers: bool) -> None:
    for name in ("model.gguf", "grammar.lark"):
        (tmp_path / name).touch()
    facts = Facts("model.gguf", "catalogue.json", PromptSettings(notation="calls", markers=markers), 3, "Checked.")
    page = facts.target_page("gguf", tmp_path, ["It is smaller."], context=2048)
    assert {name for name in FILES if f"| `{name}` |" in page} == {"model.gguf", "grammar.lark"}
    assert "- It is smaller.\n" in page and "--ctx-size 2048" in page and page.rstrip().endswith("Checked.")
    assert ("request_with_markers" in page) == markers
    assert "None is known." in facts.target_page("sglang", tmp_path, [], dtype="bfloat16")


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_the_page_for_any_server_names_a_schema_where_there_is_one(notation: str) -> None:
    settings = PromptSettings.model_validate({"notation": notation})
    page = Facts("runs/a/merge/model", "runs/a/catalogue.json", settings, 3, "Checked.").servers_page()
    assert "vllm serve runs/a/merge/model" in page
    assert ("| `schema.json` |" in page) == (notation == "json")
