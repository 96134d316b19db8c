"""A model under a constraint: it can emit valid plans only.

A catalogue becomes a grammar, the grammar a constraint over a tokenizer's tokens, and the decoder asks the model only
where the constraint leaves a choice.

    grammar/            catalogue → grammar; no tokenizer, no torch
    vocabulary.py       a tokenizer's tokens as bytes; canonical tokenisation
    uniqueness.py       what a grammar cannot count: equal elements and keys
    constraint.py       Constraint, and the state of one plan under it: what may follow, what must
    speculation.py      draft tokens from the request and from earlier plans
    results.py          limits, progress and result of a decoding
    kv_cache.py         the catalogue's keys and values, kept; many requests behind them [torch]
    state.py            one request being decoded [torch]
    decoder.py          batches, forced and draft tokens, beams, k best [torch]
"""
