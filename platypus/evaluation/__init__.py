"""Scores answers against gold plans, with intervals.

docs/metrics.md defines the metrics.

    metrics.py          predicted plan, gold plan → metrics; bootstrap intervals
    answering.py        test rows → answers with their scores
    report.py           the report of an evaluation
"""
