"""How the embedded base is made: a small Llama, trained on plans over random catalogues.

`platypus base` runs it; no other command needs it.

    initial_weights.py  the weights that a new base begins with
    tokenizer.py        a byte-level BPE, trained on catalogues, requests and answers
    loop.py             the training loop of a base
"""
