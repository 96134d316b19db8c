"""The rows that `refine` left, as later stages read them."""

from platypus.data.dataset import Row, read_dataset
from platypus.errors import DatasetError
from platypus.run.folder import Run


def refined_rows(run: Run, split: str) -> tuple[Row, ...]:
    """The rows of `train`, `valid` or `test`. Raises DatasetError if they are not valid, as after an edit by hand."""
    path = run.folder("refine") / f"{split}.jsonl"
    if split != "train" and path.stat().st_size == 0:
        return ()
    dataset = read_dataset(str(path), run.catalogue)
    if dataset.rejected:
        raise DatasetError(
            f"{len(dataset.rejected)} rows are not valid, the first: {dataset.rejected[0]}",
            where=str(path),
            remedy=f"Run again: platypus refine {run.path} --force",
        )
    return dataset.rows
