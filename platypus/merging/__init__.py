"""Merge adapters into bases, and check that the merged model gives the same logits.

Knows no run folders.

    lora.py             a LoRA adapter into its base, shard by shard
    parity.py           merged logits against those of base and adapter
"""
