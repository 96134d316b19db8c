"""Which rows of a test set are not independent of one another: those of one template, or of one plan skeleton."""

from collections.abc import Sequence

from platypus.data.dataset import Example, Row
from platypus.data.signatures import plan_skeleton, request_template
from platypus.refinement.grouping import numbered, tied


def clusters_of(rows: Sequence[Row]) -> list[str]:
    """The cluster of each row, named by the first of its templates in the alphabet.

    Rows without a plan, and those with nothing to call, are of one cluster if they have one template.
    """
    templates = [request_template(row) for row in rows]
    skeletons = [
        plan_skeleton(row.plan) if isinstance(row, Example) and row.plan.steps else (template,)
        for row, template in zip(rows, templates, strict=True)
    ]
    labels = tied(numbered(templates), numbered(skeletons)).tolist()
    names: dict[int, str] = {}
    for label, template in zip(labels, templates, strict=True):
        names[label] = min(names.get(label, template), template)
    return [names[label] for label in labels]
