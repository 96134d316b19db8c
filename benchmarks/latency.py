"""Measures the seconds that a run's planner takes for each test request, one by one, after five warm-up requests.

python benchmarks/latency.py runs/demo
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from platypus.inference.opening import open_planner
from platypus.run.folder import Run

WARM_UP = 5
TARGET = 0.15


def main() -> None:
    """Measure, and print median, mean, 90% quantile and the share within the target time as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = Run.open(parser.parse_args().run)
    planner = open_planner(run)
    lines = (run.folder("refine") / "test.jsonl").read_text(encoding="utf-8").splitlines()
    requests = [json.loads(line)["query"] for line in lines]
    seconds = []
    for request in [*requests[:WARM_UP], *requests]:
        started = time.perf_counter()
        list(planner.plan([request]))
        seconds.append(time.perf_counter() - started)
    timings = np.array(seconds[WARM_UP:])
    summary = {"median": np.median(timings), "mean": timings.mean(), "90%": np.quantile(timings, 0.9)}
    print(json.dumps({**summary, f"within {TARGET} s": (timings <= TARGET).mean()}))


if __name__ == "__main__":
    main()
