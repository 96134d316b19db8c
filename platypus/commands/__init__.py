"""One file for each command: its whole story, from a run or a file to an outcome.

Commands never import one another, and only `cli.py` imports them. A *stage* is a command that leaves a folder in the
run: generate, refine, train, merge, evaluate, export.

    generate.py         examples for the catalogue
    refine.py           rows checked, deduplicated, split
    overlap.py          how much two datasets overlap
    train.py            an adapter fine-tuned [torch]
    merge.py            the adapter merged into its base, and verified [torch]
    evaluate.py         scores before and after fine-tuning
    export.py           grammar, schema and requests for other servers [torch]
    chat.py             a conversation, and single plans, in the terminal
    check.py            the problems of a catalogue, recipe, plan or dataset
    show.py             what a run holds
    base.py             a base trained from random catalogues [torch]
"""
