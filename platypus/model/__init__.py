"""Language models on disk and in memory.

Knows tokens and texts, not plans.

    bases.py            find, download and fingerprint a base
    stored_weights.py   the tensors on disk, and the parameters that they hold
    linear_layers.py    the layers that `target_modules` means
    quantisation.py     4 and 8 bits through bitsandbytes
    pretrained.py       a base and its tokenizer, opened through transformers
    small_llama.py      a small Llama on the CPU, without transformers, to plan with
    loading.py          Loaded: a base or a merged model, ready to answer
    adapted_weights.py  what an adapter adds to each weight of its base
    adapters.py         AdapterCard; load, save and check an adapter
    streamed.py         a model larger than the memory, read as it computes
    completion.py       greedy text, whole or streamed
"""
