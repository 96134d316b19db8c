"""Merge adapters into bases, and check that the merged model gives the same logits.

Knows no run folders.

    compatibility.py    a saved model that earlier releases of transformers read as the same
    lora.py             a LoRA adapter into its base, shard by shard
    parity.py           merged logits against those of base and adapter
"""
