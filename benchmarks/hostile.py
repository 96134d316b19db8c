"""Hostile requests to a real `platypus serve`: none may be answered with a 500, hang, or harm the server.

    python benchmarks/hostile.py                       5,000 requests, 16 at a time; some minutes on two cores
    python benchmarks/hostile.py --count 500 --seed 7

`tests/support/hostile.py` draws them. A dropped stream, a 10 MB body and a body that comes too slowly are among them.
Afterwards the server has to answer as before, with all that it keeps below `--cache`. The same API is held against
its own OpenAPI document by schemathesis, with up to 300 examples for each operation. That is no dependency of ours, and
this script does not run it:

    pip install schemathesis==4.32.5
    platypus serve --catalogue examples/worktracker/catalogue.json --beams 1 --time-limit 10 --port 8393
    schemathesis run http://127.0.0.1:8393/openapi.json --checks not_a_server_error --max-examples 300 --seed 1
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.hostile import Hostile, hostile_requests, send  # noqa: E402

PORT = 8393
ADDRESS = f"http://127.0.0.1:{PORT}"
BAD = ("500", "502", "hangs")


def main() -> None:
    """Send them, and exit with 1 if one was answered badly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds after which an answer counts as hanging")
    arguments = parser.parse_args()
    slow = min(50, arguments.count // 100)
    waiting = list(hostile_requests(arguments.seed, arguments.count - slow, slow=slow))[::-1]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        command = [sys.executable, "-m", "platypus", "serve", "--port", str(PORT), "--time-limit", "10", "--beams", "1"]
        command += ["--catalogue", str(ROOT / "examples" / "worktracker" / "catalogue.json"), "--cache", "64"]
        command += ["--corrections", str(Path(folder) / "corrections.jsonl")]
        with subprocess.Popen(command, stderr=log, cwd=ROOT) as process:
            try:
                bad = attack(psutil.Process(process.pid), waiting, arguments)
            finally:
                process.terminate()
        log.seek(0)
        faults = [line for line in log if '"fault"' in line]
    print("".join(faults[:20]), end="")
    raise SystemExit(bool(bad or faults))


def attack(process: psutil.Process, waiting: list[Hostile], arguments: argparse.Namespace) -> int:
    """The number of bad answers; prints a line for each kind, and each bad one."""
    before, started = answered(), time.monotonic()
    memory = process.memory_info().rss
    statuses: dict[str, Counter[str]] = defaultdict(Counter)
    slowest: dict[str, float] = defaultdict(float)

    def client() -> None:
        while waiting:
            one = waiting.pop()
            status, seconds = send(ADDRESS, one, patience=arguments.patience)
            statuses[one.kind][status] += 1
            slowest[one.kind] = max(slowest[one.kind], seconds)
            if status in BAD:
                print(f"{status}: {one.kind}: {b''.join(one.parts)[:2000]!r}", flush=True)

    threads = [threading.Thread(target=client) for _ in range(arguments.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind, counted in statuses.items():
        print(f"{kind:<14} {sum(counted.values()):>5}  slowest {slowest[kind]:5.1f} s  {dict(counted.most_common())}")
    now = process.memory_info().rss
    print(f"{time.monotonic() - started:.0f} s; memory {memory / 2**20:.0f} MB before, {now / 2**20:.0f} MB after")
    assert answered() == before, "the server answers otherwise than before"
    return sum(counted[status] for counted in statuses.values() for status in BAD)


def answered() -> object:
    """What the server plans, once it is ready."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{ADDRESS}/ready", timeout=10)
            break
        except OSError:
            time.sleep(0.5)
    body = json.dumps({"request": "Find work items owned by DEVU-7"}).encode()
    asked = urllib.request.Request(f"{ADDRESS}/v1/plan", body, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=120) as answer:
        return [plan["plan"] for plan in json.load(answer)["plans"]]


if __name__ == "__main__":
    main()
