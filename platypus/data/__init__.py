"""Rows of examples: `read_dataset(source, catalogue)` gives the good rows and every bad one with its reason.

Whether rows repeat or contradict each other is the matter of `platypus.refinement`.

    sources.py          raw rows from JSON Lines, JSON, CSV, Parquet, the hub
    dataset.py          Example, Instruction, Rejected, Dataset: rows in and out
    signatures.py       a row's request template and plan skeleton
"""
