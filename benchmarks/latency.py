"""Measures the seconds that a plan takes, one request after the other, also beside the program of another checkout.

    python benchmarks/latency.py runs/demo                                 # the run's test requests, as its recipe says
    python benchmarks/latency.py runs/demo --beams 3 1 --against CHECKOUT  # with three beams, and greedily
    python benchmarks/latency.py 384x6 --against CHECKOUT                  # dictated plans in `json`, random weights
    python benchmarks/latency.py runs/demo --cold --against CHECKOUT       # `platypus plan` from the shell

With `--against` each program has a process of its own, and every request goes to one and then to the other, so that
other load on the machine affects both alike. `--cold` starts a process for each of a few requests, and prints the
peak memory as well. Prints one JSON object per line. A checkout may be of any version that has its own latency.py;
one that cannot read the run's `evaluate/confidence.json` is given a copy of the run without it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from platypus.data.dataset import Example
from platypus.inference.opening import open_planner, open_untrained
from platypus.plan.plan import Plan, plan_from_json
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.settings import PromptSettings

WARM_UP = 5
TARGET = 0.15
ROOT = Path(__file__).parents[1]
COLD = ["Summarize my open issues"] * 5
TOOLS = ROOT / "examples" / "worktracker" / "catalogue.json"
DICTATED = 16  # requests to the model of random weights
LONGEST = 400  # tokens of a dictated plan

Asked = dict[str, Any]  # a request and its plan
Ask = Callable[[Asked], str]  # answers a request


def environment(checkout: Path) -> dict[str, str]:
    """That of a process which runs the checkout's program."""
    return {**os.environ, "PYTHONPATH": str(checkout.resolve())}


def cold(run: Run, checkouts: Sequence[Path]) -> None:
    """Print a JSON object for each checkout: median seconds of `platypus plan`, and its peak memory in MB."""
    seconds: dict[Path, list[float]] = {checkout: [] for checkout in checkouts}
    memory = dict.fromkeys(checkouts, 0)
    for request, checkout in product(COLD, checkouts):
        command = [sys.executable, "-m", "platypus", "plan", str(run.path.resolve()), request]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=checkout, env=environment(checkout), stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds[checkout].append(time.perf_counter() - started)
        memory[checkout] = max(memory[checkout], used.ru_maxrss // 1024)
        assert os.waitstatus_to_exitcode(status) == 0, f"{checkout}: platypus plan failed"
    for checkout, each in seconds.items():
        print(json.dumps({"checkout": str(checkout), "median": median(each), "peak MB": memory[checkout]}))


# ---------------------------------------------------------------- one process per checkout


def of_run(folder: Path, beams: int | None) -> Ask:
    """The run's planner, with so many beams instead of its recipe's."""
    planner = open_planner(Run.open(folder))
    if beams is not None:
        planner = replace(planner, settings=planner.settings.model_copy(update={"beams": beams}))
    return lambda asked: next(iter(planner.plan([asked["query"]]))).text


def dictated(model: Path) -> Ask:
    """A base without training, whose plans are dictated."""
    from benchmarks.contenders import platypus, tasks
    from platypus.catalogue.reading import read_catalogue
    from platypus.decoding.vocabulary import Vocabulary

    recipe = Recipe(base=str(model), prompt=PromptSettings(notation="json"))
    planner = open_untrained(read_catalogue(TOOLS), recipe)
    vocabulary = Vocabulary(planner.loaded.tokenizer, size=planner.loaded.vocabulary)
    way = platypus(planner.loaded, planner.prompt, vocabulary, tokens=LONGEST, dictated=True)

    def ask(asked: Asked) -> str:
        plan = plan_from_json(asked["plan"])
        assert isinstance(plan, Plan)
        return way(tasks(planner.prompt, [Example(asked["query"], plan, "", {})], vocabulary), 1)[0].text

    return ask


def answer(ask: Ask) -> None:
    """For each request on a line of standard input, print its seconds and the answer."""
    for line in sys.stdin:
        started = time.perf_counter()
        text = ask(json.loads(line))
        print(json.dumps({"seconds": time.perf_counter() - started, "text": text}), flush=True)


class Program:
    """The process of a checkout."""

    def __init__(self, checkout: Path, planner: Path, beams: int | None) -> None:
        command = [sys.executable, __file__, str(planner.resolve()), "--answer"]
        command += [] if beams is None else ["--beams", str(beams)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=checkout, env=environment(checkout), **pipes)
        self.name = str(checkout)

    def ask(self, asked: Asked) -> tuple[float, str]:
        """The seconds, and the text of the plan."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"{self.name}: the process ended"
        said = json.loads(line)
        return said["seconds"], said["text"]

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


def in_turn(planner: Path, beams: int | None, requests: Sequence[Asked], checkouts: Sequence[Path]) -> None:
    """Print a JSON object for each checkout: seconds, how often it is faster than the last, and equal answers."""
    timings: list[list[float]] = [[] for _ in checkouts]
    texts: list[list[str]] = [[] for _ in checkouts]
    with ExitStack() as stack:
        programs = [stack.enter_context(Program(checkout, planner, beams)) for checkout in checkouts]
        for asked in requests[:WARM_UP]:
            for program in programs:
                program.ask(asked)
        for asked, (place, program) in product(requests, enumerate(programs)):
            seconds, text = program.ask(asked)
            timings[place].append(seconds)
            texts[place].append(text)
    for checkout, each, said in zip(checkouts, timings, texts, strict=True):
        times = {f"times ({name})": of(timings[-1]) / of(each) for name, of in MEANS.items()}
        same = sum(a == b for a, b in zip(said, texts[-1], strict=True))
        beside = {**times, "as the other": same} if len(checkouts) > 1 else {}
        of_all = {name: of(each) for name, of in MEANS.items()}
        share = {"90%": np.quantile(each, 0.9), f"within {TARGET} s": np.mean(np.array(each) <= TARGET)}
        known = {"checkout": str(checkout), "planner": str(planner), "beams": beams, "requests": len(each)}
        print(json.dumps({**known, **of_all, **share, **beside}, default=float), flush=True)


MEANS: dict[str, Callable[[Sequence[float]], float]] = {"median": median, "mean": lambda each: sum(each) / len(each)}


def test_requests(run: Run) -> Iterator[Asked]:
    """The requests that the run is tested on."""
    for line in (run.folder("refine") / "test.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield {"query": row["query"], "plan": row["plan"]}


def random_weights(shape: str, folder: Path) -> list[Asked]:
    """Write a model of random weights, and return requests for it with their plans."""
    sys.path.insert(0, str(ROOT))  # only here: the process of a checkout has its own
    from benchmarks.contenders import random_model, requests
    from platypus.catalogue.reading import read_catalogue

    loaded = random_model(shape)
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    rows = requests(read_catalogue(TOOLS), DICTATED)
    return [{"query": row.query, "plan": row.plan.to_json()} for row in rows]


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run, or the shape of a model: WIDTHxLAYERS")
    parser.add_argument("--beams", type=int, nargs="+", default=[None], help="instead of the recipe's")
    parser.add_argument("--limit", type=int, help="the most requests")
    parser.add_argument("--cold", action="store_true", help="a process for each request")
    parser.add_argument("--against", type=Path, help="a checkout of another version")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = Path(options.run)
    if options.answer:
        return answer(of_run(folder, options.beams[0]) if (folder / "recipe.toml").is_file() else dictated(folder))
    checkouts = [ROOT, *([options.against] if options.against else [])]
    if options.cold:
        return cold(Run.open(folder), checkouts)
    with tempfile.TemporaryDirectory() as model:
        if not folder.is_dir():
            requests = random_weights(options.run, Path(model))[: options.limit]
            return in_turn(Path(model), None, requests, checkouts)
    requests = [*test_requests(Run.open(folder))][: options.limit]
    for beams in options.beams:
        in_turn(folder, beams, requests, checkouts)


if __name__ == "__main__":
    main()
