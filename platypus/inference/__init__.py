"""A request in, an answer out: `open_planner(run).plan(requests)`.

Torch is imported only when a model is opened.

    evidence.py         what an answer shows of its own rightness
    calibration.py      evidence → how likely a plan is to be right
    retrieval.py        the tools that a request is about
    sentence_encoder.py texts as vectors, for retrieval by meaning [torch]
    narrowing.py        the tools that a request is shown of a catalogue too large for one prompt
    figures.py          numbers and dates that people say in words, in figures
    planner.py          Planner, Answer
    opening.py          a Planner with the model that a run has
"""
