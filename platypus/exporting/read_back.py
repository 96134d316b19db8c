"""A GGUF file compared with the folder that it was made from: ids of prompts, ids of odd texts, greedy answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platypus.errors import ModelError
from platypus.exporting.llama_server import AS_FOLDER, LlamaServer
from platypus.exporting.targets import GgufType
from platypus.model.completion import complete
from platypus.model.loading import load_merged
from platypus.prompt.prompt import Prompt

ODD_TEXTS = (  # where ways to split a text differ; a request may hold any of them
    "camelCase getHTTPResponse aB1c2D3 iOS18",
    "1234567 3.14159 2026-11-30 v2.0.1-rc3 0x1F",
    "don't DON'T we'll You'VE '68 rock'n'roll",
    "½ cup, m², Ⅷ, ①②③, ٣٤ and 五",
    "  two  spaces,\ttabs\t\tand\r\nlines\n\n \n",
    "naïve café Straße ÅNGSTRÖM Ελληνικά Русский 中文字 한국어 हिन्दी",
    "e\u0301 A\u030a fi \ufb01 \u2019quoted\u2019 \u2014 dash\u2026 \U0001f680\U0001f469\u200d\U0001f680",
    "a_b-c/d\\e:f@g#h$i%j^k&l*m(n)o[p]q{r}s|t~u`v",
    "<1> <|x|> </s> $$PREV[0] --flag ...",
)


@dataclass(frozen=True)
class ReadBack:
    """What was compared, and what was not the same; `answers` is 0 for a model that does not fit into the memory."""

    prompts: int
    other_texts: tuple[str, ...]  # of ODD_TEXTS, those with other ids
    answers: int
    other_answers: int

    @property
    def losses(self) -> list[str]:
        """The differences, as sentences."""
        found = []
        if self.other_texts:
            shown = ", ".join(f"`{text!r}`" for text in self.other_texts)
            found.append(f"Requests with texts such as these get other tokens than in training: {shown}.")
        if self.other_answers:
            found.append(f"Of {self.answers} greedy answers without a grammar, {self.other_answers} are others.")
        return found


def read_back(
    file: Path,
    model: Path,
    prompt: Prompt,
    requests: Sequence[str],
    *,
    kind: GgufType,
    answers: int,
    tokens: int,
    context: int,
) -> ReadBack:
    """Compare a GGUF file with its folder on these requests, and on the greedy answers to the first `answers` of them.

    Raises ModelError if a prompt has other ids, or if a float16 file gives none of the answers: its plans would be
    wrong without a sign.
    """
    server = LlamaServer.open(file, context=context)
    chats = [[{"role": "user", "content": prompt.request_text(request)}] for request in requests]
    ids = [prompt.ids(request) for request in requests]
    for chat, request, expected in zip(chats, requests, ids, strict=True):
        if (found := server.prompt_ids(chat)) != expected:
            at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), -1)
            raise ModelError(
                f"llama.cpp makes other tokens of the prompt for {request!r}, from token {at} of {len(expected)} on:"
                f" {found[at : at + 4]} for {expected[at : at + 4]}",
                where=str(file),
                remedy=AS_FOLDER,
            )
    encode, plain = prompt.tokenizer.encode, {"add_special_tokens": False, "split_special_tokens": True}
    others = tuple(text for text in ODD_TEXTS if server.ids(text) != list(encode(text, **plain)))
    if not answers:
        return ReadBack(len(ids), others, 0, 0)
    completions = complete(load_merged(model), ids[:answers], max_new_tokens=tokens, batch_size=1)
    expected_texts = [completion.text for completion in completions]
    texts = [server.answer(chat, tokens=tokens) for chat in chats[:answers]]
    wrong = sum(_whole(a) != _whole(b) for a, b in zip(texts, expected_texts, strict=True))
    if kind == "f16" and wrong and wrong == len(texts):
        raise ModelError(
            f"none of {wrong} greedy answers of llama.cpp is the model's: {texts[0]!r} for {expected_texts[0]!r}",
            where=str(file),
            remedy=AS_FOLDER,
        )
    return ReadBack(len(ids), others, len(texts), wrong)


def _whole(text: str) -> str:
    """The text without a last character of which a limit left the first bytes alone."""
    return text.strip().rstrip("\N{REPLACEMENT CHARACTER}")
