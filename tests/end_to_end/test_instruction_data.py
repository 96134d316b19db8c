"""General fine-tuning with recipes/alpaca.toml: thousands of questions about Python, answered by its own texts.

What each function and class of the standard library does, in the first paragraph of its docstring, and what each page
of Python's reference says first. The base is tiny and random; so what is asserted is that no row is lost without a
reason, that the loss falls, and that what comes out can be talked to.
"""

import ast
import io
import json
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
from transformers import AutoTokenizer

from platypus.commands.evaluate import evaluate
from platypus.commands.merge import merge
from platypus.commands.refine import refine
from platypus.commands.train import train
from platypus.run.folder import Run
from tests.support.chat_templates import CHATML
from tests.support.command import ROOT, here
from tests.support.tiny_models import TEXTS, byte_bpe_tokenizer, tiny_llama

MODULES = ("argparse", "ast", "calendar", "csv", "datetime", "decimal", "difflib", "fractions", "ftplib", "functools")
MODULES += ("inspect", "ipaddress", "locale", "mailbox", "os", "pathlib", "pickle", "pydoc", "random", "shutil")
MODULES += ("smtplib", "socket", "statistics", "string", "subprocess", "tarfile", "tempfile", "textwrap", "threading")
MODULES += (
    "turtle",
    "typing",
    "uuid",
    "zipfile",
    "asyncio",
    "concurrent",
    "email",
    "http",
    "json",
    "logging",
    "urllib",
)
MODULES += ("importlib", "multiprocessing", "unittest", "xml", "tkinter", "collections")


def first_paragraph(text: str) -> str:
    return " ".join(text.strip().split("\n\n")[0].split())


def documented(tree: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """The dotted name and docstring of each function and class below a node."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own = f"{name}.{node.name}"
            if text := ast.get_docstring(node):
                yield own, text
            yield from documented(node, own)


@cache
def rows() -> list[dict[str, str]]:
    """Real instructions of three kinds, some with an input."""
    return list(_rows())


def _rows() -> Iterator[dict[str, str]]:
    library = Path(sysconfig.get_path("stdlib"))
    for module in MODULES:
        top = library / module
        for file in sorted(top.rglob("*.py")) if top.is_dir() else sorted(library.glob(f"{module}.py")):
            name = ".".join(file.relative_to(library).with_suffix("").parts)
            for place, text in documented(ast.parse(file.read_text(encoding="utf-8")), name):
                if answer := first_paragraph(text):
                    yield {"instruction": f"What does {place} do?", "input": "", "output": answer}
    for topic, text in topics.items():
        title, _, rest = text.strip().partition("\n")
        yield {"instruction": f"What does Python's reference say about {topic}?", "input": "", "output": title}
        if body := first_paragraph(rest.strip("*=- \n")):
            yield {"instruction": "Which page of Python's reference begins so?", "input": body, "output": title}


def job(folder: Path, template: str | None, *, limit: int) -> Run:
    """recipes/alpaca.toml with these rows, a tiny base, one epoch and short answers."""
    some = rows()[:limit]
    texts = [f"{row['instruction']}\n{row['output']}" for row in some[::10]]
    tokenizer = byte_bpe_tokenizer(vocabulary=1500, texts=[*TEXTS, *texts])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = template
    base = tiny_llama(folder / "base", tokenizer=tokenizer)
    (folder / "rows.json").write_text(json.dumps(some), encoding="utf-8")
    text = (ROOT / "recipes" / "alpaca.toml").read_text(encoding="utf-8")
    changes = {
        '"meta-llama/Llama-2-7b-hf"': f'"{base}"',
        "yahma/alpaca-cleaned": str(folder / "rows.json"),
        "epochs = 3": "epochs = 1",
        "batch_size = 128": "batch_size = 16",
        "learning_rate = 3e-4": "learning_rate = 3e-3",
        "max_new_tokens = 512": "max_new_tokens = 12",
        "limit = 200 ": "limit = 6 ",
        **({"[prompt]\n": '[prompt]\ntemplate = "chat"\n'} if template else {}),
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    return Run.open(folder / "run", recipe=folder / "recipe.toml")


def test_thousands_of_rows_are_refined_without_a_silent_loss(tmp_path: Path) -> None:
    given = rows()
    assert len(given) > 3000
    results = refine(job(tmp_path, None, limit=len(given))).results
    kept = sum(results[name] for name in ("train", "valid", "test"))
    assert kept + sum(results["rejected"].values()) == len(given)
    assert kept > 0.8 * len(given) and min(results["valid"], results["test"]) > 20
    assert results["rejected"].keys() <= {"duplicate", "near-duplicate"}


@pytest.mark.slow
@pytest.mark.parametrize("template", [None, CHATML], ids=["alpaca", "chat"])
def test_the_job_learns_and_can_be_talked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, template: str | None
) -> None:
    run = job(tmp_path, template, limit=200)
    refine(run)
    results = train(run).results
    assert results["train_losses"][-1] < 0.9 * results["first_loss"]
    assert results["valid_losses"][-1] < 0.9 * results["first_loss"]
    assert merge(run).results["verified_prompts"] > 0
    report: Any = evaluate(run).results["variants"]
    assert report["after"]["measures"]["word_f1"]["rows"] == report["before"]["measures"]["word_f1"]["rows"] > 0
    merged: Any = AutoTokenizer.from_pretrained(run.folder("merge") / "model")
    asked = merged.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert ("<|im_start|>user\nHi" in asked) == (template is not None) == ("### Instruction" not in asked)
    monkeypatch.setattr("sys.stdin", io.StringIO("What does os.walk do?\nAnd os.fwalk?\nThank you\n/history\n"))
    ran = here(capsys, "chat", run.path)
    assert ran.code == 0, ran.err
    assert all(f"> {line}" in ran.err for line in ("What does os.walk do?", "And os.fwalk?", "Thank you"))
