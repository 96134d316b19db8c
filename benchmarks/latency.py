"""Seconds that a run's planner takes for each of its test requests, one by one, after five for warming up.

python benchmarks/latency.py runs/demo
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from platypus.inference.opening import open_planner
from platypus.run.folder import Run

WARMING_UP = 5
AIM = 0.15


def main() -> None:
    """Ask, and print median, mean, 90% quantile and the share within the aim as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = Run.open(parser.parse_args().run)
    planner = open_planner(run)
    lines = (run.folder("refine") / "test.jsonl").read_text(encoding="utf-8").splitlines()
    requests = [json.loads(line)["query"] for line in lines]
    seconds = []
    for request in [*requests[:WARMING_UP], *requests]:
        begun = time.perf_counter()
        list(planner.plan([request]))
        seconds.append(time.perf_counter() - begun)
    measured = np.array(seconds[WARMING_UP:])
    told = {"median": np.median(measured), "mean": measured.mean(), "90%": np.quantile(measured, 0.9)}
    print(json.dumps({**told, f"within {AIM} s": (measured <= AIM).mean()}))


if __name__ == "__main__":
    main()
