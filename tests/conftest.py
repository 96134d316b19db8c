"""What every test module shares: the real data beside the checkout, and settings that keep tests offline and steady."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

os.environ["OMP_NUM_THREADS"] = (
    "1"  # sums depend on how many threads add up, and some tests compare processes bit by bit
)
os.environ["HF_HUB_OFFLINE"] = "1"

hypothesis.settings.register_profile("steady", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("steady")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import all modules without collecting garbage, and never look at what they made for garbage again.

    With torch and transformers imported, each full collection would take a quarter of a second.
    """
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that lies beside the checkout; the test is skipped where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data here: ../shared/data is not beside this checkout")
    return SHARED_DATA
