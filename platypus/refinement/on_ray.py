"""Rows read and checked on a Ray cluster, through Ray Data, with the same result as on one machine.

The cluster does what needs only one row at a time, which is most of the work; rows are compared with each other in the
calling process. `RAY_ADDRESS` names the cluster; without it, a local one is started. Ray schedules the work.
"""

from collections.abc import Iterator
from typing import Any

from platypus.errors import RunError
from platypus.refinement.candidates import Batch, Candidates, ReadingOptions, check_batch


def on_ray(work: Iterator[Batch], reading: ReadingOptions) -> Iterator[Candidates]:
    """Yield `check_batch` of each batch, in order. Raises RunError when Ray is not installed."""
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
