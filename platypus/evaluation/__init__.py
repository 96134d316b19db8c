"""Scores answers against gold plans, with intervals; compares planners; reports.

docs/metrics.md defines the metrics.

    clusters.py         rows that are alike
    intervals.py        rates and their differences over rows in clusters → intervals
    metrics.py          predicted plan, gold plan → metrics
    published.py        the definitions of published benchmarks
    mistakes.py         what is wrong with a plan, in words
    answering.py        test rows → answers with their scores
    weight_search.py    weights of merged sources, tried on validation rows
    executed.py         other plans than gold's that do the same
    apart.py            exactness apart from conventions
    summary.py          answered rows → what a report says
    report.py           the report of an evaluation as text
    plots.py            its plots
    html_report.py      its page
    gold.py             the rows of a test set
    predictions.py      answers in a file
    remote.py           answers of an endpoint
    general.py          what a model can do besides planning, by lm-eval
    comparison.py       two planners on the same rows
    sweep.py            several settings and seeds on the same rows
    search.py           which settings a sweep tries next
    learning_curve.py   accuracy over the number of examples
    resuming.py         the folder of an evaluation that can be interrupted
    writing.py          the files of a report
"""
