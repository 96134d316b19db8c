#!/usr/bin/env bash
# outlines-core 0.2.14, lm-format-enforcer 0.11.3, xgrammar 0.2.9, llguidance 1.9.1: one JSON schema, four readings of
# the limits of a number.
#
# Source:   outlines_core.json_schema.build_regex_from_schema; lmformatenforcer.JsonSchemaParser; xgrammar
#           Grammar.from_json_schema; llguidance LLMatcher.grammar_from_json_schema.
# Guess:    {"type": "integer", "minimum": 1, "maximum": 50} allows 7 and refuses 99 in each, or the schema is refused;
#           with {"type": "number", "minimum": 0} a value such as 1e-05, JSON's own spelling of 0.00001, is allowed.
# Seen:     outlines-core and lm-format-enforcer allow 99, silently. xgrammar and llguidance refuse it.
#           With a minimum, llguidance refuses 1e-05, which it allows without one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 outlines-core==0.2.14 lm-format-enforcer==0.11.3 xgrammar==0.2.9 \
  llguidance==1.9.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json
import re

import llguidance
import xgrammar
from lmformatenforcer import JsonSchemaParser
from outlines_core.json_schema import build_regex_from_schema


def by_outlines(schema, text):
    return re.fullmatch(build_regex_from_schema(json.dumps(schema)), text) is not None


def by_lm_format_enforcer(schema, text):
    parser = JsonSchemaParser(schema)
    for letter in text:
        if letter not in parser.get_allowed_characters():
            return False
        parser = parser.add_character(letter)
    return parser.can_end()


def by_xgrammar(schema, text):
    compiled = xgrammar.GrammarCompiler(
        xgrammar.TokenizerInfo([chr(code) for code in range(128)], stop_token_ids=[0])
    ).compile_json_schema(json.dumps(schema))
    matcher = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=True)
    return all(matcher.accept_token(ord(letter)) for letter in text) and (
        matcher.is_terminated() or matcher.accept_token(0)
    )


def by_llguidance(schema, text):
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    ids = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


COUNT = {"type": "integer", "minimum": 1, "maximum": 50}
ENGINES = {
    "outlines-core": by_outlines, "lm-format-enforcer": by_lm_format_enforcer, "xgrammar": by_xgrammar,
    "llguidance": by_llguidance,
}
seen = {name: (allows(COUNT, "7"), allows(COUNT, "99")) for name, allows in ENGINES.items()}
print("integer from 1 to 50, (7, 99) allowed:", seen)
assert seen == {
    "outlines-core": (True, True), "lm-format-enforcer": (True, True), "xgrammar": (True, False),
    "llguidance": (True, False),
}, "changed"
exponent = by_llguidance({"type": "number"}, "1e-05"), by_llguidance({"type": "number", "minimum": 0}, "1e-05")
print("llguidance, 1e-05 without and with a minimum of 0:", exponent)
assert exponent == (True, False), "changed"
print("as described")
PYTHON
