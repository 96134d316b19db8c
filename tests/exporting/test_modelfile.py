"""Ollama's Modelfile keeps every letter of the prompt."""

import re

from platypus.exporting.modelfile import LAST_REQUEST, go_template, modelfile


def rendered(template: str, request: str) -> str:
    """What Go's template makes of ours: string constants and the request."""
    body = template.removeprefix(LAST_REQUEST)
    return re.sub(r'\{\{ (?:"((?:[^"\\]|\\.)*)"|\$request) \}\}',
                  lambda found: request if found[1] is None else found[1].replace('\\"', '"'), body)  # fmt: skip


def test_braces_and_quotes_are_kept() -> None:
    before, after = 'Say {{ .X }} or """ or {{{"a"}}}:\n', "\n\n### Response:\n"
    written = modelfile(before=before, after=after, stops=["</s>", "<|end|>"], context=8192, tokens=160)
    head, template = written.split('TEMPLATE """')
    assert head.splitlines() == [
        "FROM ./model.gguf",
        "PARAMETER temperature 0",
        "PARAMETER num_ctx 8192",
        "PARAMETER num_predict 160",
        'PARAMETER stop "</s>"',
        'PARAMETER stop "<|end|>"',
    ]
    assert template.endswith('"""\n') and '"""' not in template[:-4]
    assert rendered(template[:-4], "Do it") == f"{before}Do it{after}"
    assert go_template("plain $0 <1>\n") == "plain $0 <1>\n"
