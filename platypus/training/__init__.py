"""LoRA fine-tuning: `fit` trains an adapter on encoded examples.

The package knows nothing of run folders; `commands/train.py` puts its parts together.

    shared_prefix/      the exact gradients of a step whose examples share a prefix
    batches.py          which rows each step has, and which of them each process computes
    dataset.py          the examples of each step: tools shuffled or dropped; rehearsal
    distributed.py      processes: rank, broadcast, all-reduce, sharding
    adapter.py          a new LoRA adapter on a base
    optimizer.py        AdamW and its schedule
    checkpoint.py       a training's state on disk
    tracking.py         progress, metrics.jsonl, loggers
    peak_memory.py      bytes that live at once, counted without data
    forecast.py         memory, time, and how a step is split to fit
    loop.py             the training loop
"""
