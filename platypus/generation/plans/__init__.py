"""Valid plans with their values, drawn at random from a catalogue.

Does not know how requests are phrased.

    values.py           made-up values for arguments
    sampler.py          catalogue → valid typed plans
    coverage.py         what examples cover of a catalogue, and plans for what is not covered yet
"""
