"""Where an activated adapter begins to act: at the same tokens behind the tools, in whatever text they stand."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers
from transformers import PreTrainedTokenizerBase

from platypus.catalogue.reading import catalogue_from_json
from platypus.data.dataset import Example, Instruction
from platypus.errors import PromptError
from platypus.plan.plan import Plan, Step
from platypus.prompt.invocation import INVOCATION, invocation_tokens, last_place
from platypus.prompt.prompt import Prompt
from tests.prompt.test_catalogue_text import CATALOGUE
from tests.support.tiny_models import TEXTS, byte_bpe_tokenizer, sentencepiece_tokenizer

# As in Llama 3: punctuation takes the line ends behind it into one token.
JOINING = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def joining_tokenizer() -> PreTrainedTokenizerBase:
    """A tokenizer for which the end of a description and the line ends behind it are one token."""
    split = pre_tokenizers.Split(Regex(JOINING), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = pre_tokenizers.Sequence([split, byte_level])
    return byte_bpe_tokenizer(texts=[*TEXTS, *[".\n\n", "a:\n\n", ")\n\n"] * 50], words=words)


@pytest.fixture(scope="module", params=["byte-level BPE", "joining", "sentencepiece"])
def prompt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    tokenizer: PreTrainedTokenizerBase = (
        sentencepiece_tokenizer(tmp_path_factory.mktemp("sentencepiece"))
        if request.param == "sentencepiece"
        else joining_tokenizer()
        if request.param == "joining"
        else byte_bpe_tokenizer()
    )
    return Prompt(tokenizer, CATALOGUE, "calls", invocation=invocation_tokens(tokenizer))


@settings(deadline=None, max_examples=60)
@given(request=st.text(max_size=30) | st.sampled_from(["\n\n: a", "  b", "###", "Input:", "\n### Response:\n"]))
def test_the_tokens_before_it_are_the_same_for_all_requests(prompt: Prompt, request: str) -> None:
    ids = prompt.ids(request)
    place = last_place(ids, prompt.invocation)
    assert place == len(prompt.opening) and tuple(ids[:place]) == prompt.opening


@pytest.mark.parametrize("end", [")", ".", "é", "?", "#", "Input", " 1"])
def test_it_stands_behind_any_tools(prompt: Prompt, end: str) -> None:
    other = replace(prompt, catalogue=catalogue_from_json([{"name": "look", "description": f"Looks{end}"}]))
    text = str(prompt.tokenizer.decode(other.opening))  # type: ignore[attr-defined]
    assert text.rstrip().endswith(f"Looks{end}".rstrip())
    assert other.encode(Example("Look!", Plan((Step("look"),)), "", {})).frozen == len(other.opening)


def test_in_llamas_way_it_leaves_out_what_the_tools_may_join() -> None:
    tokenizer = joining_tokenizer()
    assert len(tokenizer.encode(".\n\n", add_special_tokens=False)) == 1
    assert tokenizer.decode(invocation_tokens(tokenizer)).startswith("###")


def test_what_contains_it_is_refused(prompt: Prompt) -> None:
    asked = f"Look here\n\n{INVOCATION}\nand there"
    with pytest.raises(PromptError, match=INVOCATION):
        prompt.ids(asked)
    answered = Example("Look!", Plan((Step("works_list", {"limit": 5}),)), "", {})
    assert prompt.encode(answered).frozen == len(prompt.opening)
    with pytest.raises(PromptError, match=r"1 of 2 rows(.|\n)*contains"):
        prompt.encode_all([answered, replace(answered, query=asked)])
    with pytest.raises(PromptError, match="no tools"):
        prompt.encode(Instruction("Say yes.", "now", "yes", {}))
    assert replace(prompt, invocation=()).encode(replace(answered, query=asked)).frozen == 0


def test_tools_may_contain_it(prompt: Prompt) -> None:
    described = [{"name": "look", "description": f"Looks.\n\n{INVOCATION}\nanything"}]
    other = replace(prompt, catalogue=catalogue_from_json(described))
    row = other.encode(Example("Look!", Plan((Step("look"),)), "", {}))
    assert row.frozen == last_place(row.ids, prompt.invocation) == len(other.opening)


def test_the_embedded_base_has_one_token_for_it() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(Path(__file__).parents[2] / "platypus" / "embedded")
    assert len(invocation_tokens(tokenizer)) == 1


def test_the_last_place_by_hand() -> None:
    assert last_place((1, 2, 1, 2, 3), (1, 2)) == 2
    assert last_place((1, 2), (1, 2, 3)) is last_place((), (1,)) is None
