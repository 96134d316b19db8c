"""Raw rows → training, validation and test rows: checked, without duplicates, and split without leaks.

Each module does one thing; `commands/refine.py` calls them in order.

    quality.py          doubts about a valid row
    candidates.py       rows read and checked, on all cores
    on_ray.py           the same on a Ray cluster
    grouping.py         rows that must stay together
    similarity.py       near-duplicates by trigram sets, exact or by MinHash
    common_text.py      long text that many rows share, found and removed
    distinct_text.py    what of each row is compared with other rows
    embedding.py        texts as vectors: TF-IDF or a sentence encoder
    deduplication.py    duplicates, conflicts, contamination: which rows are removed, and why
    lengths.py          rows that are longer, in tokens, than the training allows
    losses.py           how much was left out: warnings, and what is refused
    splits.py           train, valid, test; over-represented rows
    drawing.py          the splits that a recipe asks for
    overlap.py          how much two datasets overlap
    report.py           the report of refine; the dataset card
"""
