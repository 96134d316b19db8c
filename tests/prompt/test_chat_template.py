"""The chat template of a saved tokenizer: it gives the text and the tokens of the training's prompt."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from platypus.errors import ModelError
from platypus.prompt import chat_template as templates
from platypus.prompt.chat_template import chat_template, write_tokenizer
from platypus.prompt.prompt import Prompt
from tests.support.tiny_models import CATALOGUE, byte_bpe_tokenizer, sentencepiece_tokenizer


def tokenizers(folder: Path) -> list[PreTrainedTokenizerBase]:
    legacy = sentencepiece_tokenizer(folder)
    legacy.save_pretrained(folder / "legacy")
    config = json.loads((folder / "legacy" / "tokenizer_config.json").read_text())
    (folder / "legacy" / "tokenizer_config.json").write_text(json.dumps({**config, "legacy": True}))
    return [
        byte_bpe_tokenizer(),
        byte_bpe_tokenizer(bos=False),
        sentencepiece_tokenizer(folder),
        AutoTokenizer.from_pretrained(folder / "legacy"),
    ]


REQUESTS = ["Show 3 items", "  spaces, \n lines\n", 'quotes " and \\ and {{ braces }} {% raw %}', "Grüße 🦆 ￼", ""]


@pytest.mark.parametrize("planner", [True, False])
@pytest.mark.parametrize("number", range(4))
def test_a_chat_is_the_prompt_byte_for_byte_and_token_for_token(tmp_path: Path, number: int, planner: bool) -> None:
    tokenizer = tokenizers(tmp_path)[number]
    prompt = Prompt(tokenizer, CATALOGUE if planner else None, notation="json")
    write_tokenizer(prompt, tokenizer, tmp_path / "saved", requests=REQUESTS)
    opened = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for request in REQUESTS:
        chat = [{"role": "user", "content": request}]
        assert opened.apply_chat_template(chat, tokenize=True, return_dict=False) == prompt.ids(request)
        text = str(opened.apply_chat_template(chat, tokenize=False))
        assert text.removeprefix(tokenizer.bos_token or "").removeprefix(" ") == prompt.text(request)


def test_the_template_of_the_base_is_replaced(tmp_path: Path) -> None:
    tokenizer = byte_bpe_tokenizer()
    tokenizer.chat_template = {"default": "hello", "tool_use": "tools"}  # type: ignore[assignment]
    prompt = Prompt(tokenizer, CATALOGUE)
    write_tokenizer(prompt, tokenizer, tmp_path, requests=["go"])
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == chat_template(prompt)


def test_a_chat_answers_the_last_user_message() -> None:
    tokenizer = byte_bpe_tokenizer()
    prompt = Prompt(tokenizer, CATALOGUE)
    tokenizer.chat_template = chat_template(prompt)
    turns = [("system", "Be brief"), ("user", "first"), ("assistant", "[]"), ("user", "second"), ("assistant", "x")]
    chat = [{"role": role, "content": content} for role, content in turns]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == f"<s>{prompt.text('second')}"


def test_a_tokenizer_that_cannot_render_the_prompt_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = byte_bpe_tokenizer()
    monkeypatch.setattr(templates, "chat_template", lambda prompt, gap: "other {{ messages[0]['content'] }}")
    with pytest.raises(ModelError, match="gives a chat other tokens"):
        write_tokenizer(Prompt(tokenizer, CATALOGUE), tokenizer, tmp_path, requests=["go"])
