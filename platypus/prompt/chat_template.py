"""The prompt as a Jinja chat template in a saved tokenizer: it renders exactly the prompt of the training.

That is a template of our own, or the base's, if the training went through that one.

Transformers takes seconds to import and is imported only when a tokenizer is saved.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platypus.catalogue.tools import Catalogue
from platypus.data.conversation import Message
from platypus.errors import ModelError
from platypus.prompt.catalogue_text import render_catalogue
from platypus.prompt.conversations import ChatTemplate
from platypus.prompt.prompt import Prompt
from platypus.prompt.templates import shared_frame

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def write_tokenizer(
    prompt: Prompt,
    tokenizer: "PreTrainedTokenizerBase",
    folder: Path,
    *,
    requests: Sequence[str],
    shown: Callable[[str], Catalogue] | None = None,
) -> None:
    """Save the tokenizer with a template that renders the last user message as the prompt, token for token.

    With `template = "chat"` it is the base's own. `shown` gives the tools that a request is shown, if not all are: the
    text of these tools is then the system message of a chat.
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
        saved.chat_template = chat_template(prompt, gap=gap) if shown is None else _template_with_tools(prompt, gap)
        if all(_renders(saved, prompt, request, shown) for request in requests):
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


def has_gap(template: str) -> bool:
    """Whether a template of this module begins the text behind BOS with a space."""
    return template.startswith('{{- bos_token ~ " ')


def _template_with_tools(prompt: Prompt, gap: str) -> str:
    """The same with the text of the tools from the system message."""
    before, between, after = shared_frame(prompt.notation, markers=prompt.markers)
    return (
        f"{{{{- bos_token ~ {_jinja(gap + before)} }}}}"
        "{%- set tools = messages | selectattr('role', 'equalto', 'system') | list %}"
        "{%- if not tools %}{{- raise_exception('the system message must be the text of the tools') }}{% endif %}"
        f"{{{{- tools[0]['content'] ~ {_jinja(between)} }}}}"
        "{{- (messages | selectattr('role', 'equalto', 'user') | list | last)['content'] }}"
        f"{{{{- {_jinja(after)} }}}}"
    )


def _renders(
    saved: "PreTrainedTokenizerBase", prompt: Prompt, request: str, shown: Callable[[str], Catalogue] | None
) -> bool:
    """Whether the saved template gives the ids of the request's prompt."""
    if shown is None:
        return _chat_ids(saved, prompt.request_text(request)) == prompt.ids(request)
    tools = shown(request)
    text = render_catalogue(tools, prompt.rendering)
    return _chat_ids(saved, prompt.request_text(request), text) == replace(prompt, catalogue=tools).ids(request)


def _jinja(text: str) -> str:
    """The text as a Jinja string, which uses the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _chat_ids(tokenizer: "PreTrainedTokenizerBase", request: str, tools: str | None = None) -> list[int]:
    system = [] if tools is None else [{"role": "system", "content": tools}]
    messages = [*system, {"role": "user", "content": request}]
    ids: Any = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    return list(ids)
