"""Texts: the prompt is the one of the training, token for token; stop texts end an answer wherever pieces begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.chat.texts import ALPACA_STOP, Said, TextOptions, text_prompt, until, without_lead
from platypus.data.conversation import Conversation, Message
from platypus.data.dataset import Example, Instruction
from platypus.errors import RecipeError
from platypus.prompt.prompt import Prompt
from tests.support.chat_templates import CHATML, chat_tokenizer
from tests.support.scripted_planner import SUMMARY, crm_prompt
from tests.support.tiny_models import byte_bpe_tokenizer

EARLIER = [Said("Count", "one"), Said("Go on", "two")]


def test_the_prompt_of_a_planner_is_that_of_its_training() -> None:
    prompt = crm_prompt(byte_bpe_tokenizer())
    tools = prompt.catalogue
    assert tools is not None
    row = prompt.encode(Example("Sum up CustomerABC", SUMMARY, tools.fingerprint, {}))
    assert prompt.ids("Sum up CustomerABC") == [*row.ids[: row.prompt_length]]


def test_the_prompt_of_an_instruction_is_that_of_its_training() -> None:
    prompt = Prompt(byte_bpe_tokenizer(), None)
    said = "Request: Count\nAnswer: one\nRequest: Go on\nAnswer: two"
    for earlier, known in (([], ""), (EARLIER, said)):
        row = prompt.encode(Instruction(instruction="And on", input=known, output="three", origin={}))
        ids, left_out = text_prompt(prompt, 4096, earlier, "And on", room=100)
        assert left_out == 0
        assert ids == [*row.ids[: row.prompt_length]]


def test_the_prompt_of_a_message_is_that_of_its_training() -> None:
    prompt = Prompt(chat_tokenizer(CHATML), None, template="chat")
    turns = [Message("system", "Briefly."), *(Message(*turn) for turn in (("user", "Count"), ("assistant", "one")))]
    whole = Conversation((*turns, Message("user", "Go on"), Message("assistant", "two")), {})
    expected = prompt.encode(whole)
    ids, _ = text_prompt(prompt, 4096, EARLIER[:1], "Go on", system="Briefly.", room=100)
    assert ids == [*expected.ids[: len(ids)]] and expected.labels[len(ids)] != -100


def test_earlier_turns_have_half_of_a_short_context() -> None:
    """The room for an answer may be as long as the cutoff of the training, or longer."""
    whole = text_prompt(Prompt(byte_bpe_tokenizer(), None), 4096, EARLIER, "And on", room=100)
    for cutoff, context in ((512, 4096), (4096, 512)):
        assert (
            text_prompt(Prompt(byte_bpe_tokenizer(), None, cutoff=cutoff), context, EARLIER, "And on", room=512)
            == whole
        )


@given(
    st.lists(st.text("ab#\n", max_size=4), max_size=8), st.lists(st.text("ab#\n", min_size=1, max_size=3), max_size=3)
)
def test_stop_texts_end_the_text_however_it_is_cut_into_pieces(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    end = min((at for at in map(text.find, stops) if at >= 0), default=len(text))
    assert "".join(until(pieces, stops)) == text[:end]


def test_pieces_are_not_held_back_longer_than_needed() -> None:
    assert [*until(["one ", "#", "two ##", "# three"], ["###"])] == ["one ", "#two "]


def test_the_lead_of_a_chat_template_is_left_out() -> None:
    assert [*without_lead(["<th", "ink>", "one", "two"], "<think>")] == ["one", "two"]
    assert [*without_lead(["one", "two"], "<think>")] == ["one", "two"]


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.5}, {"seed": -1}, {"stop": ("",)}])
def test_an_impossible_option_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(wrong))):
        TextOptions(**wrong)  # type: ignore[arg-type]


def test_answers_end_at_the_next_instruction_unless_told_otherwise() -> None:
    alpaca = Prompt(byte_bpe_tokenizer(), None)
    assert TextOptions().stops(alpaca) == ALPACA_STOP
    assert TextOptions(stop=()).stops(alpaca) == ()
    assert TextOptions().stops(Prompt(byte_bpe_tokenizer(), None, template="chat")) == ()
