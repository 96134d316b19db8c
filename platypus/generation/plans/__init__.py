"""Valid plans and the values in them, drawn at random from a catalogue.

Knows nothing of how a request is worded.

    values.py           made-up values for arguments
    sampler.py          catalogue → valid typed plans
    coverage.py         what examples cover of a catalogue, and plans for what they lack
"""
