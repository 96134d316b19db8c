"""Rows of examples: `read_dataset(source, catalogue)` gives the usable rows, and every bad row with its reason.

Does not compare rows with one another: that is done in `platypus.refinement`.

    hub.py              data sets on the hub, cards that declare splits, folders saved by `datasets`
    locations.py        where the rows of a source lie: file, folder, hub
    fingerprints.py     sources by their content
    tables.py           rows of CSV and Arrow; null members that Arrow adds
    sources.py          raw rows of a source, whatever its format
    columns.py          other names of keys, and what is not used
    formats/            rows of public data sets → canonical rows
    row_tools.py        the tools that a row brings
    conversation.py     Conversation: turns of a user and an assistant
    dataset.py          Example, Instruction, Rejected, Dataset: rows in and out
    signatures.py       a row's request template and plan skeleton
"""
