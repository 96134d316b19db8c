"""Raw rows → training, validation and test rows: checked, without duplicates, and split without leaks.

Each module does one thing; `commands/refine.py` says in which order.

    quality.py          doubts about a valid row
    candidates.py       rows read and checked, by all cores
    on_ray.py           the same on a Ray cluster
    grouping.py         rows that must stay together
    similarity.py       near-duplicates by trigram sets, exact or by MinHash
    embedding.py        texts as vectors: TF-IDF or a sentence encoder
    deduplication.py    duplicates, conflicts, contamination: which row goes and why
    splits.py           train, valid, test; over-represented rows
    report.py           what refine did; the dataset card
"""
