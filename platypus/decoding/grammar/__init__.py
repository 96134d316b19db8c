"""The grammar of a catalogue's valid plans, in parametric Lark for llguidance.

This package knows no tokenizer.

    strings.py          strings with a pattern, a format or a length
    numbers.py          numbers within limits
    literals.py         a schema → the rules of its literals
    plans.py            a catalogue → the grammar of its plans
    schemas.py          a catalogue → the JSON Schema of its plans, for servers without llguidance
"""
