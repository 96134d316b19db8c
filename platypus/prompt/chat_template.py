"""The prompt as a Jinja chat template in a saved tokenizer: it renders exactly the prompt of the training.

That is a template of our own, or the base's, if the training went through that one.

Transformers takes seconds to import and is imported only when a tokenizer is saved.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platypus.data.conversation import Message
from platypus.errors import ModelError
from platypus.prompt.conversations import ChatTemplate
from platypus.prompt.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def write_tokenizer(
    prompt: Prompt, tokenizer: "PreTrainedTokenizerBase", folder: Path, *, requests: Sequence[str]
) -> None:
    """Save the tokenizer with a template that renders the last user message as the prompt, token for token.

    With `template = "chat"` it is the base's own.
    Raises ModelError if the saved tokenizer does not give the prompt's ids for these requests.
    """
    from transformers import AutoTokenizer  # takes seconds

    if prompt.template == "chat":
        tokenizer.save_pretrained(folder)
        saved, asked = AutoTokenizer.from_pretrained(folder), [(Message("user", request),) for request in requests]
        if all(ChatTemplate.of(saved).ids(one, answer=True) == prompt.chat.ids(one, answer=True) for one in asked):
            return
        raise _other_tokens(tokenizer)
    tokenizer.chat_template = None  # the base's own
    tokenizer.save_pretrained(folder)
    saved = AutoTokenizer.from_pretrained(folder)  # may differ from `tokenizer`: not all of its options are saved
    for gap in ("", " "):  # some sentencepiece tokenizers add their space only at the start of a text, not after BOS
        saved.chat_template = chat_template(prompt, gap=gap)
        if all(_chat_ids(saved, prompt.request_text(request)) == prompt.ids(request) for request in requests):
            (folder / "chat_template.jinja").write_text(saved.chat_template, encoding="utf-8")
            return
    raise _other_tokens(tokenizer)


def _other_tokens(tokenizer: "PreTrainedTokenizerBase") -> ModelError:
    return ModelError(
        "the tokenizer gives a chat other tokens than the prompt had in training",
        where=str(tokenizer.name_or_path),
        remedy="Use a base with a byte-level BPE tokenizer or one in the style of LLaMA.",
    )


def chat_template(prompt: Prompt, *, gap: str = "") -> str:
    """The prompt as a Jinja template: BOS, the text before the request, the last user message, the text after it."""
    return (
        f"{{{{- bos_token ~ {_jinja(gap + prompt.frame.before)} }}}}"
        "{{- (messages | selectattr('role', 'equalto', 'user') | list | last)['content'] }}"
        f"{{{{- {_jinja(prompt.frame.after)} }}}}"
    )


def _jinja(text: str) -> str:
    """The text as a Jinja string, which uses the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _chat_ids(tokenizer: "PreTrainedTokenizerBase", request: str) -> list[int]:
    message = [{"role": "user", "content": request}]
    ids: Any = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
    return list(ids)
