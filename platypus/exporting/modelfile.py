"""Ollama's Modelfile: the file, the prompt as a Go template, what ends an answer, and how long a prompt may be.

Format: https://docs.ollama.com/modelfile. Ollama puts the BOS token in front by itself, as the GGUF file tells it to.
"""

import json
from collections.abc import Sequence

LAST_REQUEST = (  # without it, each earlier message would get a prompt of its own in front
    '{{- $request := "" }}{{- range .Messages }}{{- if eq .Role "user" }}{{- $request = .Content }}{{- end }}{{- end }}'
)


def modelfile(*, before: str, after: str, stops: Sequence[str], context: int, tokens: int) -> str:
    """A Modelfile beside `model.gguf`: greedy, for prompts and answers of up to `context` tokens together.

    Ollama cuts longer prompts without a word, at its own default if `num_ctx` is not given.
    """
    template = f"{LAST_REQUEST}{go_template(before)}{{{{ $request }}}}{go_template(after)}"
    parameters = {"temperature": 0, "num_ctx": context, "num_predict": tokens}
    lines = [f"PARAMETER {name} {value}" for name, value in parameters.items()]
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    return "\n".join(["FROM ./model.gguf", *lines, f'TEMPLATE """{template}"""']) + "\n"


def go_template(text: str) -> str:
    """The text in a Go template between triple quotes: braces and triple quotes become string constants.

    `a {{b}}` becomes `a {{ "{{" }}b}}`.
    """
    return text.replace("{{", '{{ "{{" }}').replace('"""', '{{ "\\"" }}' * 3)
