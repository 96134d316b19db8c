"""Valid plans with their values, drawn at random from a catalogue.

Does not know how requests are phrased.

    kinds.py            kinds of text and numbers, by the table kinds.toml
    prose_values.py     examples and allowed values that prose names
    conditions.py       when an argument is given: in which mode of its tool, or as one of several
    numbers.py          made-up numbers
    ordering.py         beginnings before ends
    values.py           made-up values for arguments
    call_arguments.py   which arguments a call has, and how they agree
    conventions.py      how a team writes its plans where tools leave a choice, learned from its rows
    sampler.py          catalogue → valid typed plans
    coverage.py         what examples cover of a catalogue, and plans for what is not covered yet
"""
