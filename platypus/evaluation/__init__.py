"""Answers scored against right plans, with intervals.

What the measures mean: docs/metrics.md.

    metrics.py          plan against plan → numbers; bootstrap intervals
    answering.py        rows answered and scored
    report.py           the report of an evaluation
"""
