"""Narrowing: the tools that a request and a training row are shown, from the first step of a training to an answer."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.commands.export import export
from platypus.commands.merge import merge
from platypus.commands.train import train
from platypus.data.dataset import Example, Instruction
from platypus.errors import RunError
from platypus.inference.narrowing import MOST, Narrowing, narrowing_for_training
from platypus.inference.opening import open_planner
from platypus.inference.planner import Planner
from platypus.model.loading import load_base
from platypus.plan.plan import Plan, Step
from platypus.prompt.catalogue_text import render_catalogue
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama, tiny_run

THINGS = ("ticket", "invoice", "flight", "hotel", "parcel", "song", "lamp", "printer", "loan", "camera", "novel")
DEEDS = ("open", "close", "rename", "archive")
TOOLS: Catalogue = catalogue_from_json(
    [
        {"name": f"{deed}_{thing}", "description": f"{deed.title()}s one {thing}. " + "It takes a while. " * 6}
        for thing in THINGS
        for deed in DEEDS
    ]
)


def names(catalogue: Catalogue | None) -> list[str]:
    return [tool.name for tool in catalogue or ()]


def test_the_most_similar_tools_that_fit_are_shown_in_catalogue_order() -> None:
    prompt = Prompt(byte_bpe_tokenizer(), TOOLS, "calls", 2048)
    chosen = Narrowing(prompt, most=3).tools("rename my invoice and my lamp")
    assert {"rename_invoice", "rename_lamp"} < set(names(chosen)) and len(chosen) == 3
    assert names(chosen) == [tool.name for tool in TOOLS if tool.name in names(chosen)]
    two = 2 * max(prompt.tool_tokens.values())
    context = next(context for context in range(64, 2048) if prompt.tool_limit(context) >= two)
    tight = Narrowing(prompt, context=context).tools("rename my invoice")
    assert len(tight) == 2 and "rename_invoice" in names(tight)
    assert len(Narrowing(prompt, context=64).tools("rename my invoice")) == 1


def test_a_training_row_brings_what_it_needs_and_what_is_similar() -> None:
    prompt = Prompt(byte_bpe_tokenizer(), TOOLS, "calls", 2048)
    plan = Plan((Step("close_novel", {}),))
    row = Narrowing(prompt, most=3).row(Example("rename my invoice", plan, TOOLS.fingerprint, {}))
    assert isinstance(row, Example) and {"close_novel", "rename_invoice"} <= set(names(row.tools))
    own = replace(row, tools=catalogue_from_json([{"name": "close_novel"}]))
    text = Instruction("Hello", "", "Hi", {})
    assert Narrowing(prompt).row(own) is own and Narrowing(prompt).row(text) is text


def test_training_narrows_only_where_there_is_no_room() -> None:
    roomy = Prompt(byte_bpe_tokenizer(), TOOLS, "calls", 1 << 20)
    assert narrowing_for_training(roomy, DecodeSettings(), 1 << 20) is None
    assert narrowing_for_training(replace(roomy, catalogue=None), DecodeSettings(), 64) is None
    narrowing = narrowing_for_training(roomy, DecodeSettings(), 1024)
    assert narrowing is not None and narrowing.most == MOST
    fewer = narrowing_for_training(roomy, DecodeSettings(max_tools=2), 1024)
    assert fewer is not None and len(fewer.tools("rename my invoice")) == 2


def test_a_planner_shows_all_tools_where_it_can(tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base", context=1024)))
    few = TOOLS.subset(names(TOOLS)[:4])
    roomy = Prompt(loaded.tokenizer, few, "calls").fitted(loaded.context)
    assert Planner(loaded, roomy, DecodeSettings(max_steps=2)).narrowing is None
    planner = Planner(
        loaded, Prompt(loaded.tokenizer, TOOLS, "calls").fitted(loaded.context), DecodeSettings(max_steps=2)
    )
    assert planner.prompt.rendering == "brief" and planner.narrowing is not None
    for settings in (planner.settings, DecodeSettings(decoding="free", max_steps=2)):
        answers = list(replace(planner, settings=settings).plan(["rename my invoice"], max_new_tokens=30))
        assert len(answers) == 1
    assert isinstance(answers[0].text, str)


def test_a_run_with_more_tools_than_fit_is_trained_merged_and_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tiny_llama(tmp_path / "base", context=1024)
    rows = [
        Example(f"{deed} my {thing}", Plan((Step(f"{deed}_{thing}", {}),)), TOOLS.fingerprint, {})
        for deed, thing in zip(DEEDS * 2, THINGS[:8], strict=True)
    ]
    recipe = "[prompt]\nnotation = 'calls'\n[train]\nepochs = 2\nbatch_size = 4\nlearning_rate = 2e-2\nrank = 4\n"
    run = tiny_run(tmp_path, base=base, rows=rows, valid=rows[:2], recipe=recipe, catalogue=TOOLS)
    train(run)
    assert f"{len(TOOLS)} tools leave no room in a prompt; each row shows 16 of them" in capsys.readouterr().err
    merge(run)
    planner = open_planner(run)
    answer = next(planner.plan(["rename my invoice"], max_new_tokens=30))
    assert isinstance(answer.plan, Plan) and planner.narrowing is not None
    opened = AutoTokenizer.from_pretrained(run.folder("merge") / "model")
    shown = planner.narrowing.tools("rename my invoice")
    chat = [
        {"role": "system", "content": render_catalogue(shown, planner.prompt.rendering)},
        {"role": "user", "content": "rename my invoice"},
    ]
    ids = opened.apply_chat_template(chat, tokenize=True, return_dict=False)
    assert ids == replace(planner.prompt, catalogue=shown).ids("rename my invoice")
    with pytest.raises(Exception, match="the system message must be the text of the tools"):
        opened.apply_chat_template(chat[1:])
    with pytest.raises(RunError, match="each request has its own prompt and grammar"):
        export(run)
