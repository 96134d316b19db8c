"""The text of prompts: Alpaca's template, the rules, and the frame around a request."""

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.plan.notation import Notation
from platypus.prompt.catalogue_text import render_catalogue
from platypus.prompt.prompt import Prompt
from platypus.prompt.templates import MARKERS, RULES, frame, shared_frame
from tests.prompt.test_catalogue_text import CATALOGUE
from tests.support.tiny_models import byte_bpe_tokenizer


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_a_planner_prompt_is_the_alpaca_template_with_the_request_as_input(notation: Notation) -> None:
    assert Prompt(byte_bpe_tokenizer(), CATALOGUE, notation).text("List {mine}") == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n"
        f"### Instruction:\n{RULES[notation]}\n\nTools:\n{render_catalogue(CATALOGUE)}\n\n"
        "### Input:\nList {mine}\n\n### Response:\n"
    )


@pytest.mark.parametrize("catalogue", [CATALOGUE, None])
def test_a_prompt_is_its_frame_around_the_request_whatever_the_request_contains(catalogue: Catalogue | None) -> None:
    before, after = frame(catalogue, "calls")
    prompt = Prompt(byte_bpe_tokenizer(), catalogue, "calls")
    for request in ("Sum up {input}", "{instruction} {0}", "\N{OBJECT REPLACEMENT CHARACTER}", ""):
        assert prompt.text(request) == before + request + after
    assert after.endswith("### Response:\n")
    braces = catalogue_from_json([{"name": "fill", "description": "Fills {input} into {instruction}."}])
    assert "Fills {input} into {instruction}." in Prompt(byte_bpe_tokenizer(), braces).text("x")


@pytest.mark.parametrize("markers", [False, True])
@pytest.mark.parametrize("notation", ["json", "calls"])
def test_the_shared_frame_and_the_tools_are_the_frame_of_a_catalogue(notation: Notation, markers: bool) -> None:
    before, between, after = shared_frame(notation, markers=markers)
    assert frame(CATALOGUE, notation, markers=markers) == (before + render_catalogue(CATALOGUE) + between, after)
    assert before.count(RULES[notation]) == 1 and (MARKERS in before) == markers
