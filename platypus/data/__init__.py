"""Rows of examples: `read_dataset(source, catalogue)` gives the usable rows, and every bad row with its reason.

Does not compare rows with one another: that is done in `platypus.refinement`.

    sources.py          raw rows from JSON Lines, JSON, CSV, Parquet, the hub
    fingerprints.py     sources by their content
    dataset.py          Example, Instruction, Rejected, Dataset: rows in and out
    signatures.py       a row's request template and plan skeleton
"""
