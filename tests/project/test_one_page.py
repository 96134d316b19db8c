"""The main job on one page: it is short, uses public names alone, and does what it says."""

import ast
import importlib.util
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

import platypus
from tests.support.command import ROOT

PAGE = ROOT / "examples" / "one_page.py"


def test_the_page_is_short_and_uses_public_names_alone() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    tree = ast.parse(text)
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "platypus"
    }
    assert used and used <= set(platypus.__all__)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "pathlib"]
    assert not imported


def test_the_page_makes_a_planner(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("one_page", PAGE)
    assert spec and spec.loader
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    plans = page.main(tmp_path, examples=32)
    assert len(plans) == len(page.REQUESTS)
    catalogue = platypus.read_catalogue(page.CATALOGUE)
    assert all(isinstance(plan, platypus.Plan) and not plan.problems(catalogue) for plan in plans)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    chat = AutoTokenizer.from_pretrained(tmp_path / "model").apply_chat_template([{"role": "user", "content": "Hi"}])
    assert model.config.vocab_size > max(chat["input_ids"])
