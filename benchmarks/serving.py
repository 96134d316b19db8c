"""Plans per second over HTTP on this computer, beside `transformers serve` with the same model.

    python benchmarks/serving.py                          60 s each with 1, 8 and 32 clients, of both servers
    python benchmarks/serving.py --model runs/demo/merge/model --seconds 10
    python benchmarks/serving.py full --clients 200       more clients than the queue takes: 429s, and the memory
    python benchmarks/serving.py end --times 5            SIGTERM under load: is each accepted request answered?
    python benchmarks/serving.py kill --times 20          SIGKILL while corrections are saved: is one lost?

Each client sends one request after the other over a connection of its own. Ours answers /v1/plan with a plan that is
valid; the peer gets the same prompt as text at /v1/completions, and its answers may be anything. Both are started by
this script, one after the other, so neither takes time from the other.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import psutil

from platypus.catalogue.reading import read_catalogue
from platypus.generation.examples import generate_examples
from platypus.run.corrections import Corrections
from platypus.run.settings import GenerateSettings
from platypus.serving.opening import OpeningOptions, open_served

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "examples" / "worktracker" / "catalogue.json"
OURS, PEER = 8391, 8392
PLAN_TOKENS = 128


@dataclass
class Load:
    """What the clients of one run saw: seconds of each answer, and how many answers had which status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def line(self, name: str, clients: int, lasted: float) -> str:
        """One row of the table."""
        ordered = sorted(self.seconds) or [0.0]
        middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
        rate = len(self.seconds) / lasted
        return f"{name:<18} {clients:>7} {rate:>8.2f} {1000 * middle:>8.0f} {1000 * late:>8.0f}  {dict(self.statuses)}"


@contextmanager
def served(command: list[str], port: int, ready: str) -> Iterator[psutil.Process]:
    """A server that is ready, until the block ends."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        try:
            while process.poll() is None:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5)
                    break
                except OSError:
                    time.sleep(0.5)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def load(
    port: int, path: str, bodies: list[dict[str, Any]], *, clients: int, seconds: float = inf, each: int | None = None
) -> tuple[Load, float]:
    """What so many clients see in so many seconds, or with so many requests `each`, and how long it lasted."""
    found, lock = Load(), threading.Lock()
    started = time.monotonic()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        for body in islice(cycle(bodies), number, None if each is None else number + each):
            begun = time.monotonic()
            if begun - started > seconds:
                return
            try:
                connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                status = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                status = type(error).__name__
            with lock:
                found.statuses[status] += 1
                if status == "200":
                    found.seconds.append(time.monotonic() - begun)
            if status != "200":
                time.sleep(0.2)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.monotonic() - started


def compare(model: str, requests: list[str], prompts: list[str], arguments: argparse.Namespace) -> None:
    """Print a row for each server and number of clients."""
    ours = [{"request": request} for request in requests]
    text = {"model": model, "max_tokens": PLAN_TOKENS, "temperature": 0.0}
    peer = [{**text, "prompt": prompt} for prompt in prompts]
    peer_command = [str(Path(sys.executable).with_name("transformers")), "serve", model, "--port", str(PEER)]
    runs: list[tuple[str, list[str], int, str, str, list[dict[str, Any]]]] = [
        ("platypus serve", our_command(arguments), OURS, "/ready", "/v1/plan", ours),
        ("transformers serve", peer_command, PEER, "/health", "/v1/completions", peer),
    ]
    print(f"{'server':<18} {'clients':>7} {'plans/s':>8} {'p50 ms':>8} {'p95 ms':>8}  statuses")
    for name, command, port, ready, path, bodies in runs:
        with served(command, port, ready):
            load(port, path, bodies, clients=2, seconds=2)  # warm
            for clients in arguments.clients or (1, 8, 32):
                found, lasted = load(port, path, bodies, clients=clients, seconds=arguments.seconds)
                print(found.line(name, clients, lasted), flush=True)


def full(requests: list[str], arguments: argparse.Namespace) -> None:
    """More clients than the queue takes: what they are told, and the memory before and after."""
    bodies = [{"request": request} for request in requests]
    with served(our_command(arguments), OURS, "/ready") as process:
        load(OURS, "/v1/plan", bodies, clients=32, seconds=arguments.seconds / 2)  # memory as under full load
        before = process.memory_info().rss
        clients = (arguments.clients or [200])[0]
        found, lasted = load(OURS, "/v1/plan", bodies, clients=clients, seconds=arguments.seconds)
        print(found.line("platypus serve", clients, lasted))
        time.sleep(2)
        after = process.memory_info().rss
        print(f"memory {before / 2**20:.0f} MB before, {after / 2**20:.0f} MB after ({after / before - 1:+.1%})")
        print(f"alive: {process.is_running()}")


def end(requests: list[str], arguments: argparse.Namespace) -> bool:
    """Ask the server to end once it has accepted a request of each client. Whether all of them are answered."""
    bodies, whole = [{"request": request} for request in requests], True
    clients = (arguments.clients or [64])[0]
    for _ in range(arguments.times):
        with served(our_command(arguments), OURS, "/ready") as process:
            answers = ThreadPoolExecutor(1).submit(load, OURS, "/v1/plan", bodies, clients=clients, each=1)
            while accepted() < clients:
                time.sleep(0.01)
            before = metric("platypus_open_requests ")
            process.terminate()
            statuses = answers.result()[0].statuses
        whole = whole and statuses == {"200": clients}
        print(f"SIGTERM with {before:.0f} of {clients} accepted requests open: {dict(statuses)}", flush=True)
    return whole


def accepted() -> float:
    """The plans that the server was asked for since it is ready: those that are open, and those that are answered."""
    return metric("platypus_open_requests ") + metric('platypus_requests_total{endpoint="/v1/plan",status="200"} ')


def metric(name: str) -> float:
    """A figure of the server's metrics; 0 if it is not there yet."""
    with urllib.request.urlopen(f"http://127.0.0.1:{OURS}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)


def kill(arguments: argparse.Namespace) -> bool:
    """Kill the server at random moments while clients save corrections. Whether all that were confirmed are there."""
    rng, whole = Random(1), True
    with tempfile.TemporaryDirectory() as folder:
        path, confirmed = Path(folder) / "corrections.jsonl", set[str]()
        for turn in range(arguments.times):
            with served([*our_command(arguments), "--corrections", str(path)], OURS, "/health") as process:
                threads = [threading.Thread(target=correct, args=(confirmed, f"{turn} {n}")) for n in range(4)]
                for thread in threads:
                    thread.start()
                time.sleep(rng.uniform(0.1, 1.5))
                process.kill()
                for thread in threads:
                    thread.join()
            rows = Corrections(path).rows()
            kept = {row["query"] for row in rows}
            whole = whole and confirmed <= kept and len(kept - confirmed) <= 4 * (turn + 1)
            print(
                f"killed {turn + 1} times: {len(confirmed)} confirmed, {len(kept)} kept, file whole: {whole}",
                flush=True,
            )
    return whole


def correct(confirmed: set[str], name: str) -> None:
    """Save one correction after the other until the server is gone; note those that it confirmed."""
    connection = http.client.HTTPConnection("127.0.0.1", OURS, timeout=60)
    for number in range(10_000):
        request = f"Who am I, {name} {number}? " + "word " * 200
        body = json.dumps({"request": request, "plan": [{"tool_name": "who_am_i", "arguments": []}]})
        try:
            connection.request("POST", "/v1/corrections", body, {"content-type": "application/json"})
            status = connection.getresponse().status
            connection.close()
        except (OSError, http.client.HTTPException):
            return
        if status == 201:
            confirmed.add(request)


def our_command(arguments: argparse.Namespace) -> list[str]:
    """The command that serves the model, decoded greedily as by the peer."""
    serve = [sys.executable, "-m", "platypus", "serve", f"planner={arguments.model}"]
    return [*serve, "--catalogue", str(CATALOGUE), "--beams", "1", "--port", str(OURS), "--time-limit", "120"]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["compare", "full", "end", "kill"], default="compare")
    parser.add_argument("--model", default=str(ROOT / "platypus" / "embedded"), help="a folder with a model")
    parser.add_argument("--clients", type=int, nargs="*")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    tools = read_catalogue(CATALOGUE)
    requests = [row.query for row in generate_examples(tools, GenerateSettings(examples=64), seed=1)]
    if arguments.what == "full":
        full(requests, arguments)
        return
    if arguments.what != "compare":
        raise SystemExit(not (end(requests, arguments) if arguments.what == "end" else kill(arguments)))
    (one,) = open_served([f"planner={arguments.model}"], OpeningOptions(tools))
    write: Callable[[str], str] = one.planner.prompt.text
    compare(arguments.model, requests, [write(request) for request in requests], arguments)


if __name__ == "__main__":
    main()
