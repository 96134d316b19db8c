"""What processes know of their devices: the memory that all of them have, and the dtype that they compute with."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psutil
import torch

from platypus.run.recipe import Recipe
from platypus.run.settings import TrainSettings
from platypus.training.distributed import ProcessGroup, init_processes, load_for_training
from tests.support.processes import together
from tests.support.tiny_models import EXACT, tiny_llama


def free(settings: TrainSettings) -> int:
    """What this process may take where the process of rank r finds 2000 · (3 - r) bytes free."""
    processes = init_processes()
    with patch.object(psutil, "virtual_memory", lambda: SimpleNamespace(available=2000 * (3 - processes.rank))):
        return processes.free_memory(settings)


def test_all_processes_may_take_what_the_least_of_them_finds() -> None:
    assert free(EXACT) == 6000
    assert together(free, EXACT, ranks=2) == [2000, 2000]


def test_a_base_that_is_sent_to_gpus_has_the_dtype_that_they_compute_with(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    there: Any = SimpleNamespace(device=torch.device("cuda"), is_main_process=False)
    for dtype, expected in (("auto", torch.bfloat16), ("float32", torch.float32)):
        job = Recipe(base=str(base), train=EXACT.model_copy(update={"parallel": "fsdp", "dtype": dtype}))
        loaded = load_for_training(job, ProcessGroup(there))
        assert (loaded.model.dtype, loaded.device.type) == (expected, "meta")
