"""Merge adapters and models into bases, and check that the result is what it should be.

Knows no run folders.

    methods.py          the changes of several sources into one, on tensors
    compatibility.py    a saved model that earlier releases of transformers read as the same
    sources.py          what an adapter, or another model, changes in each tensor of a base
    shards.py           weight files, written tensor by tensor, and continued after a kill
    combining.py        a base with the changes of sources in it, from files into files
    lora.py             one adapter into its base, with config, tokenizer and chat template
    differences.py      the merged weights differ from the base where they should, and nowhere else
    parity.py           merged logits against those of base and adapter
"""
