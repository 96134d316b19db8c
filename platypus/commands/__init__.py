"""One file for each command, which takes a run or a file and returns an outcome.

Commands never import one another, and only `cli.py` imports them. A *stage* is a command that leaves a folder in the
run: generate, refine, train, merge, evaluate, export.

    generate.py         makes examples for the catalogue
    refine.py           checks, deduplicates and splits rows
    overlap.py          compares two datasets
    train.py            fine-tunes an adapter [torch]
    merge.py            merges the adapter into its base, and verifies the result [torch]
    evaluate.py         scores the model before and after fine-tuning
    evaluate_data.py    scores any planner on any test set
    evaluate_tasks.py   scores what a model can do besides planning
    score.py            scores the answers in a file
    sweep.py            tables of several settings on the same rows
    curve.py            tells how accuracy grows with examples
    compare.py          compares planners on the same rows
    export.py           writes what other programs need: grammar, requests, the model [torch]
    push.py             publishes a run's model on the hub
    execute.py          runs the plan of a request, a given plan, or the rest of a trace
    chat.py             answers single requests and conversations in the terminal
    check.py            lists the problems of a catalogue, recipe, plan or dataset
    show.py             shows a run's stages and results, or an execution's trace
    serve.py            serves planners over HTTP, or as an MCP server
    base.py             trains a base on random catalogues [torch]
"""
