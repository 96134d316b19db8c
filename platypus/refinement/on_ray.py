"""Rows read and checked on a Ray cluster, through Ray Data: the same result as on one machine, from more of them.

What is known of each row from itself alone, which is most of the work, is worked out where the cluster has room; rows
are compared with one another in the process that asks. Which cluster it is, `RAY_ADDRESS` says; without it, a local one
is started. Starting and filling a cluster is Ray's matter.
"""

from collections.abc import Iterator
from typing import Any

from platypus.errors import RunError
from platypus.refinement.candidates import Batch, Candidates, ReadingOptions, check_batch


def on_ray(work: Iterator[Batch], reading: ReadingOptions) -> Iterator[Candidates]:
    """`understand` of each batch, in order. Raises RunError where Ray is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RunError(
            "a cluster needs the package `ray`", where="--ray", remedy="pip install 'platypus-llm[ray]'."
        ) from error
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    shared = ray.put(reading)

    def checked(row: dict[str, Any]) -> dict[str, Any]:
        return {"number": row["number"], "gathered": check_batch(row["batch"], ray.get(shared))}

    items = [{"number": number, "batch": batch} for number, batch in enumerate(work)]
    rows = ray.data.from_items(items).map(checked).iter_rows() if items else ()
    for row in sorted(rows, key=lambda row: int(row["number"])):
        yield row["gathered"]
