"""Conversations in a base's own chat template: the tokens of transformers, and only the assistant's turns learned."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platypus.data.conversation import Conversation, Message
from platypus.data.dataset import Instruction
from platypus.errors import PromptError
from platypus.prompt.conversations import ChatTemplate
from platypus.prompt.prompt import NO_LABEL, EncodedExample, Prompt
from tests.support.chat_templates import (
    CHATML,
    CLOSED,
    ENDLESS,
    HALF_MARKED,
    INST,
    MARKED,
    MOVED,
    NO_SYSTEM,
    SPACE,
    THINKING,
    chat_tokenizer,
)
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer

TURNS = [("user", "Hello, who?"), ("assistant", "A platypus."), ("user", "And you 🦆?"), ("assistant", "Me too")]
TWO = Conversation(tuple(Message(role, text) for role, text in TURNS), {})  # type: ignore[arg-type]
BRIEF = Conversation((Message("system", "Be brief."), *TWO.messages), {})
ONE = Conversation(TWO.messages[:2], {"source": "rows.jsonl", "line": 1})


def prompt(template: str | None, **options: Any) -> Prompt:
    return Prompt(chat_tokenizer(template, bos=template == INST), None, template="chat", **options)


def plain(tokenizer: Any, row: Conversation, **options: Any) -> Any:
    """What transformers makes of a conversation."""
    return tokenizer.apply_chat_template([message.to_json() for message in row.messages], **options)


def learned_texts(tokenizer: Any, row: EncodedExample) -> list[str]:
    """The texts of each run of learned tokens."""
    runs: list[list[int]] = [[]]
    for label in row.labels:
        if label == NO_LABEL:
            runs.append([])
        else:
            runs[-1].append(label)
    return [tokenizer.decode(run) for run in runs if run]


@pytest.mark.parametrize("row", [ONE, TWO, BRIEF])
@pytest.mark.parametrize(
    ("template", "end"), [(CHATML, "<|im_end|>"), (MARKED, "<|im_end|>"), (INST, "</s>"), (CLOSED, "<|im_end|>")]
)
def test_the_tokens_are_those_of_transformers_and_the_answers_with_their_ends_are_learned(
    template: str, end: str, row: Conversation
) -> None:
    own = prompt(template)
    encoded = own.encode(row)
    assert list(encoded.ids) == plain(own.tokenizer, row, return_dict=False)
    answers = [message.content for message in row.messages if message.role == "assistant"]
    assert [text.lstrip(" ") for text in learned_texts(own.tokenizer, encoded)] == [text + end for text in answers]
    asked = own.row_ids(row)
    assert list(encoded.ids[: len(asked)]) == asked
    assert asked == own.message_ids(row.question)
    assert encoded.labels[len(asked)] != NO_LABEL and len(asked) > encoded.prompt_length * (len(answers) > 1)


def test_sentencepiece_keeps_the_borders_too(tmp_path: Any) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path)
    tokenizer.chat_template = INST
    own = Prompt(tokenizer, None, template="chat")
    encoded = own.encode(TWO)
    assert list(encoded.ids) == plain(tokenizer, TWO, return_dict=False)
    assert learned_texts(tokenizer, encoded) == ["A platypus.</s>", "Me too</s>"]


texts = st.text(max_size=20).filter(str.strip) | st.sampled_from(
    ["</s>", "a <|im_end|>\n<|im_start|>user\nb", "[/INST] x", " lead", "tail ", "日本 🦆", "<think>hm</think> so"]
)


@settings(deadline=None, max_examples=80)
@given(turns=st.lists(st.tuples(texts, texts), min_size=1, max_size=3), system=st.none() | texts)
def test_the_mark_of_a_template_and_the_borders_of_its_turns_say_the_same(
    turns: list[tuple[str, str]], system: str | None
) -> None:
    said = [Message(role, text) for pair in turns for role, text in zip(("user", "assistant"), pair, strict=True)]
    row = Conversation((*([] if system is None else [Message("system", system)]), *said), {})
    marked, bare = prompt(MARKED), prompt(CHATML)
    encoded = marked.encode(row)
    assert encoded == bare.encode(row)
    end = marked.chat.end
    assert encoded.ids.count(end) == len(row.messages)  # nothing that is said ends a turn
    assert encoded.labels.count(end) == len(turns)
    if not any(token in message.content for message in row.messages for token in ("</s>", "<|im", "<s>", "<pad>")):
        reference = plain(marked.tokenizer, row, return_dict=True, return_assistant_tokens_mask=True)
        labels = [
            id if mask else NO_LABEL
            for id, mask in zip(reference["input_ids"], reference["assistant_masks"], strict=True)
        ]
        assert list(encoded.labels) == labels


def test_a_token_that_is_not_special_stays_one_in_a_message() -> None:
    """The thoughts of reasoning data are tokens; what would end the turn is text."""
    own = prompt(CHATML)
    row = Conversation(
        (Message("user", "Go"), Message("assistant", "<think>\nhm\n</think>\n\n<|im_end|> is a token")), {}
    )
    ids = own.encode(row).ids
    thinking = own.tokenizer.encode("<think>", add_special_tokens=False, split_special_tokens=False)
    assert len(thinking) == 1 and thinking[0] in ids


def test_an_alpaca_row_is_a_question_and_an_answer() -> None:
    own = prompt(CHATML)
    with_input = Conversation((Message("user", "Add up.\n1 2"), Message("assistant", "3")), {})
    assert own.encode(Instruction("Add up.", "1 2", "3", {})).ids == own.encode(with_input).ids
    assert own.row_ids(Instruction("Add up.", "", "3", {})) == own.ids("Add up.")
    assert own.row_text(Instruction("Go", "", "x", {})) == "<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n"


def test_only_the_last_answer_is_learned_on_wish() -> None:
    for template in (CHATML, MARKED):
        own = prompt(template, turns="last")
        encoded = own.encode(TWO)
        assert learned_texts(own.tokenizer, encoded) == ["Me too<|im_end|>"]
        assert encoded.ids == prompt(template).encode(TWO).ids


def test_the_end_of_a_turn_is_learned_though_the_mark_leaves_it_out() -> None:
    own = prompt(HALF_MARKED)
    assert learned_texts(own.tokenizer, own.encode(TWO)) == ["A platypus.<|im_end|>", "Me too<|im_end|>"]


def test_a_template_that_rewrites_earlier_turns_is_refused_but_for_the_last_one() -> None:
    own = prompt(THINKING)
    assert own.lead == "<think>\n\n</think>\n\n"
    assert learned_texts(own.tokenizer, own.encode(ONE)) == ["<think>\n\n</think>\n\nA platypus.<|im_end|>"]
    with pytest.raises(PromptError, match="message 2: its chat template rewrites earlier turns: '<think>") as raised:
        own.encode(TWO)
    assert 'turns = "last"' in raised.value.remedy
    last = prompt(THINKING, turns="last")
    assert learned_texts(last.tokenizer, last.encode(TWO)) == ["<think>\n\n</think>\n\nMe too<|im_end|>"]


@pytest.mark.parametrize(
    ("template", "what", "remedy"),
    [
        (None, "the base has no chat template", "chat_template.jinja"),
        (ENDLESS, "ends an answer with '\\n', which is no special token", "EOS"),
        ("{{ messages[0].content }}", "which does not continue it", "Correct the template"),
        ("{{ raise_exception('never') }}", "cannot render it: never", "another base"),
        ("{% if %}", "cannot render it", "another base"),
    ],
)
def test_a_template_that_cannot_be_learned_is_refused_once_for_all_rows(
    template: str | None, what: str, remedy: str
) -> None:
    with pytest.raises(PromptError) as raised:
        prompt(template).encode_all([ONE, TWO])
    assert what in raised.value.what and remedy in raised.value.remedy
    assert 'template = "alpaca"' in raised.value.remedy
    assert "rows" not in raised.value.what


def test_a_border_that_the_tokenizer_joins_is_refused() -> None:
    own = prompt(SPACE)
    row = Conversation((Message("user", "Hi"), Message("assistant", "hello there")), {})
    with pytest.raises(
        PromptError,
        match=r"message 2: a token goes over the border .*assistant: ' in the prompt, .*assistant: hello' in both",
    ):
        own.encode(row)


def test_a_question_that_an_answer_changes_is_refused() -> None:
    """Some published templates show the system turn with the last user's turn only, if that is the last of all."""
    own = prompt(MOVED)
    assert own.encode(TWO).ids
    with pytest.raises(PromptError, match=r"message 3: its chat template rewrites the question once .*'Be brief"):
        own.encode(BRIEF)


def test_a_mark_that_leaves_out_a_turn_is_refused() -> None:
    condition = "message.role == 'assistant' and loop.last"
    with pytest.raises(PromptError, match="mark of its chat template leaves out a turn"):
        prompt(MARKED.replace("message.role == 'assistant'", condition)).encode(TWO)


def test_rows_that_the_template_refuses_are_named_and_not_all_listed() -> None:
    rows = [Conversation(BRIEF.messages, {"source": "rows.jsonl", "line": line}) for line in range(2, 14)]
    with pytest.raises(PromptError) as raised:
        prompt(NO_SYSTEM).encode_all([ONE, *rows])
    assert "12 of 13 rows" in raised.value.what
    assert "\n  rows.jsonl:2: the chat template cannot render it: System role not supported" in raised.value.what
    assert raised.value.what.count("\n") == 11 and raised.value.what.endswith("… and 2 more")


def test_conversations_do_not_go_into_alpacas_template() -> None:
    with pytest.raises(PromptError, match=r"rows\.jsonl:1: is a conversation") as raised:
        Prompt(byte_bpe_tokenizer(), None).encode_all([Instruction("a", "", "b", {}), ONE])
    assert 'template = "chat"' in raised.value.remedy


def test_a_conversation_that_leaves_no_room_is_named() -> None:
    own = prompt(CHATML, cutoff=20)
    with pytest.raises(PromptError, match="the message 'And you"):
        own.message_ids(TWO.question)
    with pytest.raises(PromptError, match=r"rows\.jsonl:1: \d+ tokens"):
        own.encode(ONE)


def test_of_several_templates_the_default_one_is_taken_and_the_tokenizer_is_left_as_it_was() -> None:
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = {"default": CHATML, "tool_use": ENDLESS}  # type: ignore[assignment]
    assert ChatTemplate.of(tokenizer).end == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.chat_control_tokens is None
