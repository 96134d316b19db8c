"""Examples from a catalogue alone: `generate_examples(catalogue, settings, seed=…)`.

Plans are sampled from the catalogue, then written as English requests. Knows no particular catalogue: all words come
from the catalogue's own names and descriptions and from a general grammar. Uses no model, except a teacher behind an
endpoint.

    lexicon.py          the word lists of words.toml; invented nouns
    catalogues/         random catalogues
    plans/              valid plans and made-up values; what examples cover
    requests/           a plan → an English request
    examples.py         the generator's loop: distinct examples of one catalogue, and their coverage
    tasks.py            a catalogue with requests for it: for pretraining, and for rehearsal in training
    teacher/            a larger model as a source of requests
"""
