"""A model under a constraint: it can emit valid plans only.

A catalogue becomes a grammar, the grammar a constraint over a tokenizer's tokens, and the decoder asks the model only
where the constraint leaves a choice.

    grammar/            catalogue → grammar; no tokenizer, no torch
    vocabulary.py       a tokenizer's tokens as bytes; canonical tokenisation
    uniqueness.py       what a grammar cannot check: equal elements and keys
    path_memory.py      what look-aheads found, for plans that begin alike
    constraint.py       Constraint, and the state of one plan under it: which tokens may follow, which must
    speculation.py      draft tokens from the request and from earlier plans
    tool_prior.py       which tools a request is likely about, where a plan decides between tools
    results.py          limits, progress and result of a decoding
    kv_cache.py         keys and values of the common prefix, computed once and shared by all requests [torch]
    transformers_cache.py  a model of transformers over that cache [torch]
    state.py            one request being decoded [torch]
    decoder.py          batches, forced and draft tokens, beam search, k best plans [torch]
"""
