"""Language models on disk and in memory.

Knows tokens and texts, not plans.

    bases.py            find, download and fingerprint a base
    quantisation.py     4 and 8 bits through bitsandbytes
    loading.py          Loaded: a base or a merged model, ready to answer
    adapters.py         AdapterCard; load, save and check an adapter
    completion.py       greedy text, whole or streamed
"""
