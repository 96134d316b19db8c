#!/usr/bin/env bash
# llguidance 1.9.1, outlines-core 0.2.14: a letter as Python's json.dumps writes it becomes other text in the grammar.
#
# Source:   llguidance, parser/src/api.rs at json_allowed_escapes: \uXXXX is never allowed above U+001F, "as they never
#           have to be quoted in JSON". outlines_core.json_schema.STRING: a backslash and one of "\/bfnrt.
# Guess:    {"type": "string"} allows every JSON string. json.dumps writes "Z\u00fcrich" by default, so rows made with
#           it teach a model this spelling of a letter that is not ASCII.
# Seen:     lm-format-enforcer 0.11.3 allows "Zürich" and "Z\u00fcrich", the others only the first. But the backslash,
#           where a model could still turn to the letter, they allow. llguidance also allows \u00, and then 0, 1 or 7
#           but not f: what comes out is valid, fits the schema, and holds a control character. outlines-core allows no
#           u after the backslash, but a second backslash, which makes it the text \u00fc.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llguidance==1.9.1 outlines-core==0.2.14 lm-format-enforcer==0.11.3
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json
import re
import string

import llguidance
from lmformatenforcer import CharacterLevelParserConfig, JsonSchemaParser
from outlines_core.json_schema import build_regex_from_schema

SCHEMA = {"type": "string"}
LETTER, ESCAPED = json.dumps("Zürich", ensure_ascii=False), json.dumps("Zürich")


def llguidance_next(text):
    """The ASCII characters allowed after this text, and whether it may end there; None if it is not allowed itself."""
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_json_schema(json.dumps(SCHEMA)))
    ids = tokenizer.tokenize_str(text)
    if matcher.try_consume_tokens(ids) < len(ids):
        return None
    return {chr(code) for code, bias in enumerate(matcher.compute_logit_bias()[:128]) if bias}, matcher.is_accepting()


def by_llguidance(text):
    state = llguidance_next(text)
    return state is not None and state[1]


def by_outlines(text):
    return re.fullmatch(build_regex_from_schema(json.dumps(SCHEMA)), text) is not None


def by_lm_format_enforcer(text):
    # Its default alphabet is ASCII; with a model, it is that of the model's tokenizer.
    parser = JsonSchemaParser(SCHEMA, config=CharacterLevelParserConfig(alphabet=string.printable + "ü"))
    for letter in text:
        if letter not in parser.get_allowed_characters():
            return False
        parser = parser.add_character(letter)
    return parser.can_end()


for allows in (by_lm_format_enforcer, by_llguidance, by_outlines):
    seen = allows(LETTER), allows(ESCAPED)
    print(f"{allows.__name__}, {LETTER} and {ESCAPED} allowed:", seen)
    assert seen == (True, allows is by_lm_format_enforcer), "changed"
after = {text: "".join(sorted(llguidance_next(text)[0])) for text in ('"Z\\', '"Z\\u', '"Z\\u00')}
print("llguidance allows after each:", after)
assert after == {'"Z\\': '"\\bfnrtu', '"Z\\u': "0", '"Z\\u00': "017"}, "changed"
forced = '"Z\\u001crich"'
print("llguidance,", forced, "allowed:", by_llguidance(forced), "and read as", ascii(json.loads(forced)))
assert by_llguidance(forced), "changed"
forced = '"Z\\\\u00fcrich"'
print("outlines-core,", forced, "allowed:", by_outlines(forced), "and read as", json.loads(forced))
assert by_outlines(forced), "changed"
PYTHON
echo "as described"
