"""The prompt as text and tokens: one BOS, one EOS, prompt and answer encoded separately."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from platypus.catalogue.reading import catalogue_from_json
from platypus.data.dataset import Example, Instruction
from platypus.errors import PromptError
from platypus.plan.notation import Notation
from platypus.plan.plan import Plan, Reference, Step
from platypus.prompt.prompt import Prompt
from tests.prompt.test_catalogue_text import CATALOGUE
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer

PLAN = Plan((Step("who"), Step("works_list", {"limit": 5, "part": [Reference(0), "PROD-1"]})))


@pytest.fixture(scope="module", params=["byte-level BPE", "byte-level BPE without BOS", "sentencepiece"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    if request.param == "sentencepiece":
        return sentencepiece_tokenizer(tmp_path_factory.mktemp("sentencepiece"))
    return byte_bpe_tokenizer(bos=request.param == "byte-level BPE")


def test_alpaca_rows_with_and_without_input() -> None:
    prompt = Prompt(byte_bpe_tokenizer(), None)
    with_input, without = Instruction("Sum up.", "1 + {x}", "2", {}), Instruction("Say {hi}.", "", "hi", {})
    assert prompt.row_text(with_input) == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nSum up.\n\n### Input:\n1 + {x}\n\n### Response:\n"
    )
    assert (
        prompt.row_text(without)
        == prompt.text("Say {hi}.")
        == (
            "Below is an instruction that describes a task. "
            "Write a response that appropriately completes the request.\n\n"
            "### Instruction:\nSay {hi}.\n\n### Response:\n"
        )
    )
    assert prompt.answer(with_input) == "2"


def test_an_answer_has_its_arguments_in_catalogue_order() -> None:
    prompt = Prompt(byte_bpe_tokenizer(), CATALOGUE, "calls")
    assert prompt.answer(Example("", PLAN, "", {})) == 'who()\nworks_list(part=[$0, "PROD-1"], limit=5)'


words = st.text(max_size=40) | st.sampled_from(
    ["<s>", "</s>", "a </s> b<s><pad>", " lead", "tail ", "### Response:\n", "日本 🦆"]
)


@settings(deadline=None, max_examples=60)
@given(query=words, output=words)
def test_one_bos_one_eos_and_an_answer_that_is_encoded_separately(
    tokenizer: PreTrainedTokenizerBase, query: str, output: str
) -> None:
    prompt = Prompt(tokenizer, None)
    row = Instruction(query, "", output, {})
    encoded = prompt.encode(row)
    ids, length = list(encoded.ids), encoded.prompt_length
    bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    assert ids[: len(bos)] == bos and [id for id in ids if id in bos] == bos
    assert ids[-1] == tokenizer.eos_token_id and ids.count(tokenizer.eos_token_id) == 1
    assert ids[:length] == prompt.ids(query) == prompt.row_ids(row)
    assert list(encoded.labels) == [-100] * length + ids[length:]
    decoded = tokenizer.decode(ids[length:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert decoded in (
        output,
        output.removeprefix(" "),
    )  # sentencepiece takes a leading space for its own marker of a word
    assert tokenizer.decode(ids[len(bos) : length], clean_up_tokenization_spaces=False) == prompt.text(query)


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_a_decoded_answer_is_read_as_the_plan(tokenizer: PreTrainedTokenizerBase, notation: Notation) -> None:
    prompt = Prompt(tokenizer, CATALOGUE, notation)
    encoded = prompt.encode(Example("List mine", PLAN, "", {}))
    answer = tokenizer.decode(list(encoded.ids[encoded.prompt_length :]), skip_special_tokens=True)
    assert prompt.read(str(answer)) == PLAN.ordered(CATALOGUE)


def test_the_prompts_of_a_catalogue_begin_with_the_same_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = Prompt(tokenizer, CATALOGUE)
    shared = prompt.text("").index("### Input:\n")
    ids = [prompt.ids(query) for query in ("List mine", "\n\n ### who?", "日本")]
    same = next(i for i, column in enumerate(zip(*ids, strict=False)) if len(set(column)) > 1)
    assert len(tokenizer.decode(ids[0][:same], skip_special_tokens=True)) >= shared


def test_rows_longer_than_the_cutoff_are_named_with_their_lengths() -> None:
    tokenizer = byte_bpe_tokenizer()
    rows = [
        Instruction("a", "", "b", {"source": "data.jsonl", "line": 1}),
        Instruction("a", "", "b" * 300, {"source": "data.jsonl", "line": 2}),
        Instruction("a" * 200, "", "b", {}),
    ]
    lengths = [len(Prompt(tokenizer, None).encode(row).ids) for row in rows]
    fitting = Prompt(tokenizer, None, cutoff=lengths[0])
    assert len(fitting.encode(rows[0]).ids) == fitting.cutoff
    with pytest.raises(PromptError) as raised:
        fitting.encode_all(rows)
    message = str(raised.value)
    assert "2 of 3 rows" in message and "data.jsonl:1" not in message
    assert f"data.jsonl:2: {lengths[1]} tokens" in message and f"{'a' * 60}': {lengths[2]} tokens" in message
    assert f"`cutoff` under [prompt] to {max(lengths)}" in message


def test_of_many_long_rows_a_screen_is_named() -> None:
    rows = [Instruction("a", "", "b" * 300, {"source": "data.jsonl", "line": line}) for line in range(1, 201)]
    with pytest.raises(PromptError) as raised:
        Prompt(byte_bpe_tokenizer(), None, cutoff=100).encode_all(rows)
    lines = str(raised.value).splitlines()
    assert len(lines) == 13 and lines[0].startswith("200 of 200 rows")
    assert lines[-2] == "  … and 190 more" and 'long_rows = "drop"' in lines[-1]


def test_a_request_that_leaves_no_room_for_an_answer_is_refused() -> None:
    roomy = Prompt(byte_bpe_tokenizer(), CATALOGUE)
    length = len(roomy.ids("List mine"))
    assert Prompt(roomy.tokenizer, CATALOGUE, cutoff=length + 1).ids("List mine")
    with pytest.raises(PromptError, match=f"has {length} tokens.*\n.*cutoff"):
        Prompt(roomy.tokenizer, CATALOGUE, cutoff=length).ids("List mine")


def test_a_request_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(PromptError, match="is not Unicode text"):
        Prompt(byte_bpe_tokenizer(), CATALOGUE).ids("half a \ud800 pair")


def test_a_row_that_brings_its_own_tools_is_asked_with_them() -> None:
    tools = catalogue_from_json([{"name": "sail", "parameters": {"to": {"type": "str"}, "by": {"type": "str"}}}])
    row = Example("To Wyk", Plan((Step("sail", {"by": "noon", "to": "Wyk"}),)), tools.fingerprint, {}, tools)
    for catalogue in (None, CATALOGUE):
        prompt, own = Prompt(byte_bpe_tokenizer(), catalogue, "calls"), Prompt(byte_bpe_tokenizer(), tools, "calls")
        assert prompt.row_text(row) == own.text("To Wyk")
        assert prompt.answer(row) == 'sail(to="Wyk", by="noon")'
        assert prompt.encode(row) == replace(own.encode(replace(row, tools=None)), catalogue=tools.fingerprint)
        assert prompt.row_ids(row) == own.ids("To Wyk")
        assert prompt.for_row(Instruction("a", "", "b", {})) is prompt
    with pytest.raises(PromptError, match="longer than the cutoff of 100 tokens"):
        Prompt(byte_bpe_tokenizer(), None, "calls", 100).encode(row)


def test_tools_are_shown_in_brief_where_they_leave_no_room() -> None:
    tools = catalogue_from_json(
        [{"name": f"tool_{i}", "description": "Does it. " + "At length. " * 20} for i in range(9)]
    )
    full = Prompt(byte_bpe_tokenizer(), tools, cutoff=100_000)
    length = len(full.ids("")) - 1  # without the token that begins a text
    assert full.fitted() is full and full.has_room(length + 512) and not full.has_room(length + 511)
    brief = full.fitted(length)
    assert brief.rendering == "brief" and "At length" not in brief.text("") and brief.has_room(length)
    assert brief.rule_tokens + sum(brief.tool_tokens.values()) >= len(brief.ids("")) - 2 - len(tools)
    row = Example("go", Plan((Step("tool_1", {}),)), "", {}, tools=tools)
    assert replace(full, catalogue=None, cutoff=length).for_row(row).rendering == "brief"
    assert not Prompt(full.tokenizer, None, cutoff=8).has_room()


@pytest.mark.parametrize(("words", "rendering"), [(2, "full"), (40, "brief")])
def test_tools_are_shown_in_brief_where_most_are_longer_than_wanted(words: int, rendering: str) -> None:
    descriptions = ["Does it. " + "At length. " * words, "Does it. " + "At length. " * words, "Helps. " * 300]
    tools = catalogue_from_json([{"name": f"tool_{i}", "description": text} for i, text in enumerate(descriptions)])
    prompt = Prompt(byte_bpe_tokenizer(), tools, cutoff=100_000, brief_above=100)
    assert prompt.fitted().rendering == rendering
    assert replace(prompt, brief_above=None).fitted().rendering == "full"
