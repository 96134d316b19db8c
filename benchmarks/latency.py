"""Measures the seconds that a run's planner takes for each test request, one by one, after five warm-up requests.

    python benchmarks/latency.py runs/demo
    python benchmarks/latency.py runs/demo --cold --against CHECKOUT    # `platypus plan` from the shell

`--cold` starts a process for each of a few requests, in turn with the program of another checkout, and prints the
median seconds and the peak memory of both.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from platypus.inference.opening import open_planner
from platypus.run.folder import Run

WARM_UP = 5
TARGET = 0.15
ROOT = Path(__file__).parents[1]
COLD = ["Summarize my open issues"] * 5


def cold(run: Run, checkouts: list[Path]) -> None:
    """Print a JSON object for each checkout: median seconds of `platypus plan`, and its peak memory in MB."""
    seconds: dict[Path, list[float]] = {checkout: [] for checkout in checkouts}
    memory = dict.fromkeys(checkouts, 0)
    for request, checkout in product(COLD, checkouts):
        command = [sys.executable, "-m", "platypus", "plan", str(run.path.resolve()), request]
        environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds[checkout].append(time.perf_counter() - started)
        memory[checkout] = max(memory[checkout], used.ru_maxrss // 1024)
        assert os.waitstatus_to_exitcode(status) == 0, f"{checkout}: platypus plan failed"
    for checkout, each in seconds.items():
        print(json.dumps({"checkout": str(checkout), "median": median(each), "peak MB": memory[checkout]}))


def main() -> None:
    """Measure, and print median, mean, 90% quantile and the share within the target time as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cold", action="store_true", help="a process for each request")
    parser.add_argument("--against", type=Path, help="a checkout of another version, for --cold")
    options = parser.parse_args()
    run = Run.open(options.run)
    if options.cold:
        return cold(run, [ROOT, *([options.against] if options.against else [])])
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
