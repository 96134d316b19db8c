"""Lengths: exactly the rows that `train` would refuse are found; a tokenizer is opened only where it is needed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.errors import DatasetError, PromptError
from platypus.model.loading import load_base
from platypus.prompt.base_files import EMBEDDED
from platypus.prompt.prompt import Prompt
from platypus.refinement.candidates import Candidate, ReadingOptions, gather
from platypus.refinement.lengths import Limits, short_rows
from platypus.refinement.quality import RequestBounds
from platypus.run.settings import PromptSettings
from tests.support.command import CRM

TOOLS = read_catalogue(CRM)


def read(folder: Path, rows: list[dict[str, Any]], *, planner: bool = False) -> list[Candidate]:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return gather([str(path)], ReadingOptions(TOOLS if planner else None, True, RequestBounds(1, 9999))).candidates


def texts(*lengths: int, word: str = "water ") -> list[dict[str, Any]]:
    return [{"instruction": "Describe it", "input": word * n, "output": "Wet."} for n in lengths]


def never(*_: object, **__: object) -> None:
    raise AssertionError("a tokenizer was opened")


@pytest.mark.parametrize("word", ["water ", "Straße ", "水は", "\u1100\u1161 ", "<s> "])
def test_exactly_the_rows_that_training_refuses(tmp_path: Path, word: str) -> None:
    candidates = read(tmp_path, texts(1, 20, 60, 120, 200, 300, word=word))
    limits = Limits(PromptSettings(cutoff=300), None, "embedded")
    prompt = Prompt.of(load_base("embedded", device="meta").tokenizer, None, limits.prompt)
    short = short_rows(candidates, limits, fetch=False)
    assert 0 < len(short.kept) < 6
    for one in candidates:
        row = one.to_json()
        fits = one in short.kept
        try:
            encoded = prompt.encode(_instruction(row))
        except PromptError:
            assert not fits
        else:
            assert fits and len(encoded.ids) <= 300
    assert [row.kind for row in short.rejected] == ["too-long"] * (6 - len(short.kept))
    assert all(row.reason.endswith("tokens, the cutoff is 300") for row in short.rejected)


def _instruction(row: dict[str, Any]) -> Any:
    from platypus.data.dataset import Instruction

    return Instruction(row["instruction"], row["input"], row["output"], row["origin"])


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_planner_rows_with_their_tools(tmp_path: Path, notation: Any) -> None:
    rows = [{"query": "Find " + "Globex " * n, "plan": []} for n in (1, 30, 300)]
    candidates = read(tmp_path, rows, planner=True)
    settings = PromptSettings(cutoff=700, notation=notation, markers=notation == "calls")
    short = short_rows(candidates, Limits(settings, TOOLS, "embedded"), fetch=False)
    prompt = Prompt.of(load_base("embedded", device="meta").tokenizer, TOOLS, settings).fitted()
    assert prompt.has_room()
    lengths = [len(replace(prompt, cutoff=10**6).row_ids(_example(one.to_json()))) for one in candidates]
    assert [one.line for one in short.kept] == [i for i, n in enumerate(lengths, 1) if n + 5 < 700]
    assert 0 < len(short.kept) < 3


def test_tools_that_have_no_room_make_no_row_too_long(tmp_path: Path) -> None:
    rows = [{"query": "Find " + "Globex " * n, "plan": []} for n in (1, 30, 300)]
    candidates = read(tmp_path, rows, planner=True)
    limits = Limits(PromptSettings(cutoff=300, notation="calls"), TOOLS, "embedded")
    short = short_rows(candidates, limits, fetch=False)
    prompt = Prompt.of(load_base("embedded", device="meta").tokenizer, TOOLS, limits.prompt).fitted()
    assert not prompt.has_room() and len(prompt.tool_tokens) == len(TOOLS)
    unlimited = replace(prompt, cutoff=10**6)
    lengths = [len(unlimited.row_ids(_example(one.to_json()))) for one in candidates]
    own = [length - sum(prompt.tool_tokens.values()) for length in lengths]
    assert [one.line for one in short.kept] == [i for i, n in enumerate(own, 1) if n + 5 < 300]
    assert 0 < len(short.kept) < 3
    assert short.rejected[0].reason.endswith("tokens, the cutoff is 300")


def _example(row: dict[str, Any]) -> Any:
    from platypus.data.dataset import Example
    from platypus.plan.plan import Plan

    return Example(row["query"], Plan(), "", {})


def test_rows_with_few_bytes_need_no_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platypus.refinement.lengths._tokenizer", never)
    candidates = read(tmp_path, texts(1, 40))
    short = short_rows(candidates, Limits(PromptSettings(cutoff=600), None, "embedded"), fetch=True)
    assert (short.kept, short.rejected, short.unknown) == (candidates, [], 0)


def test_the_context_of_the_base_counts_where_it_is_shorter(tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(EMBEDDED, base, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((base / "config.json").read_text("utf-8"))
    (base / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 128}), encoding="utf-8")
    short = short_rows(read(tmp_path, texts(1, 100)), Limits(PromptSettings(), None, str(base)), fetch=False)
    (row,) = short.rejected
    assert row.line == 2 and row.reason.endswith("tokens, the context of the base is 128")


def test_of_a_given_test_the_prompt_must_leave_room(tmp_path: Path) -> None:
    rows = [{**texts(1)[0], "output": "wet " * 300}, texts(300)[0]]
    limits = Limits(PromptSettings(cutoff=300), None, "embedded")
    candidates = read(tmp_path, rows)
    assert [row.line for row in short_rows(candidates, limits, fetch=False).rejected] == [1, 2]
    (row,) = short_rows(candidates, limits, prompts=True, fetch=False).rejected
    assert row.line == 2 and row.reason.startswith("its prompt has ")


def test_a_base_that_is_not_here_leaves_the_rows_unmeasured_or_is_an_error(tmp_path: Path) -> None:
    limits = Limits(PromptSettings(cutoff=300), None, "nobody/has-this-base")
    candidates = read(tmp_path, texts(1, 300))
    short = short_rows(candidates, limits, fetch=False)
    assert (short.kept, short.rejected, short.unknown) == (candidates, [], 1)
    with pytest.raises(DatasetError) as caught:
        short_rows(candidates, limits, fetch=True)
    assert str(caught.value).startswith("nobody/has-this-base: the tokenizer of the base cannot be opened: ")
    assert 'long_rows = "refuse"' in caught.value.remedy
