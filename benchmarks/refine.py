"""Measures what `refine` finds in the seed's published rows, how time and memory grow with rows, and peers.

    python benchmarks/refine.py seed                          # needs ../shared/data
    python benchmarks/refine.py scale --rows 10000,100000,1000000
    python benchmarks/refine.py peers --rows 2000,4000,8000   # datasketch, rensa, semhash where they are installed

`scale` makes rows for examples/worktracker (generated rows, then variations with other ids and other words around
them; one in 50 is repeated, one in 200 broken), runs `platypus refine` on them with a test set of 500 rows in a process
of its own, and fits the exponent of its time.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue.reading import read_catalogue
from platypus.data.signatures import normalised
from platypus.plan.lenient_json import read_loosely
from platypus.plan.plan import Malformed
from platypus.refinement.candidates import ReadingOptions, gather
from platypus.refinement.quality import RequestBounds

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "examples" / "worktracker" / "catalogue.json"
SEED = ROOT.parent / "shared" / "data" / "seed"
THRESHOLD = 0.9
MANY = 10_000  # rows beyond which all pairs do not fit
TESTS = 500
GENERATED = 20_000  # generated rows; all others are variations of these
OPENINGS = (
    "",
    "",
    "Hi, ",
    "Hello team, ",
    "Quick one: ",
    "Please, ",
    "When you can, ",
    "For today's review: ",
    "Hey! ",
)
ENDINGS = ("", "", " Thanks!", " It is for the weekly report.", " Cheers", " No rush.", " The board asked for it.")
RECIPE = (
    'catalogue = "{catalogue}"\nseed = {seed}\n[generate]\nexamples = {generated}\n[refine]\nbad_rows = "skip"\n{more}'
)


def platypus(*words: object) -> dict[str, Any]:
    """A command's output with --json."""
    command = [sys.executable, "-m", "platypus", *map(str, words), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------- the seed


def seed(_: argparse.Namespace) -> None:
    """Compare invalid rows and doubts in raw.jsonl with the flags of the same requests in train and test."""
    if not SEED.is_dir():
        sys.exit("needs ../shared/data")
    flags = {}
    for name in ("train", "test"):
        for line in (SEED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            flags[normalised(row["query"])] = row
    reading = ReadingOptions(read_catalogue(SEED / "catalogue.json"), True, RequestBounds(2, 200))
    for names in (("raw",), ("train", "test")):
        candidates = gather([str(SEED / f"{name}.jsonl") for name in names], reading)
        doubts = ("ungrounded", "unused-step", "loose-reference")
        judged = [(one.question, False, any(f.kind in doubts for f in one.findings)) for one in candidates.candidates]
        judged += [(bad.to_json()["row"]["query"], True, True) for bad in candidates.rejected]
        known = [(flags.get(normalised(query)), invalid, doubtful) for query, invalid, doubtful in judged]
        matched = [(row, invalid, doubtful) for row, invalid, doubtful in known if row]
        print(f"{' and '.join(names)}: {len(judged)} rows, {len(matched)} of them with flags")
        _score("not valid", [(not row["valid"], invalid) for row, invalid, _ in matched])
        _score("not clean", [(not row["clean"], doubtful) for row, _, doubtful in matched])
        wrong = Counter(
            (bool(row["valid"]), bool(row["clean"]), "not valid" if invalid else "doubtful" if doubtful else "good")
            for row, invalid, doubtful in matched
            if row["valid"] == invalid or row["clean"] == doubtful
        )
        for (valid, clean, verdict), count in wrong.most_common():
            print(f"  flags valid={valid} clean={clean}, here {verdict}: {count}")


def _score(what: str, pairs: Sequence[tuple[bool, bool]]) -> None:
    right = sum(truth and predicted for truth, predicted in pairs)
    predictions, positives = sum(predicted for _, predicted in pairs), sum(truth for truth, _ in pairs)
    precision = f"precision {right / predictions:.3f} ({right} of {predictions})"
    print(f"  {what}: {precision}, recall {right / positives:.3f} ({right} of {positives})")


# ---------------------------------------------------------------- scale


def make_rows(path: Path, count: int, *, folder: Path) -> None:
    """A file of `count` rows."""
    folder.mkdir(exist_ok=True)
    recipe = folder / "generate.toml"
    recipe.write_text(
        RECIPE.format(catalogue=CATALOGUE, generated=min(count, GENERATED), more="", seed=count), encoding="utf-8"
    )
    examples_file = Path(platypus("generate", folder / "generated", "--recipe", recipe)["folder"]) / "examples.jsonl"
    generated = [json.loads(line) for line in examples_file.read_text(encoding="utf-8").splitlines()]
    with path.open("w", encoding="utf-8") as file:
        for number, row in zip(range(count), _variations(generated, Random(count)), strict=False):
            line = json.dumps(row)
            file.write((line[: len(line) // 2] if number % 200 == 199 else line) + "\n")


def _variations(rows: Sequence[dict[str, Any]], rng: Random) -> Iterator[dict[str, Any]]:
    yield from rows
    while True:
        row = rng.choice(rows)
        if rng.random() < 0.02:
            yield row
            continue
        text = json.dumps([row["query"], row["plan"]])
        numbers = {number: str(rng.randrange(1, 10_000)) for number in re.findall(r"(?<=[A-Z]-)\d+", text)}
        query, plan = json.loads(re.sub(r"(?<=[A-Z]-)\d+", lambda found: numbers[found[0]], text))  # noqa: B023
        yield {**row, "query": rng.choice(OPENINGS) + query + rng.choice(ENDINGS), "plan": plan}


def scale(options: argparse.Namespace) -> None:
    """Seconds and memory of `platypus refine` for each number of rows, and the exponent of its time."""
    points = []
    for count in options.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_rows(folder / "rows.jsonl", count, folder=folder)
            recipe = folder / "recipe.toml"
            make_rows(folder / "test.jsonl", TESTS, folder=folder / "other")
            more = f'data = ["{folder / "rows.jsonl"}"]\ntest = ["{folder / "test.jsonl"}"]\n'
            recipe.write_text(RECIPE.format(catalogue=CATALOGUE, generated=0, more=more, seed=0), encoding="utf-8")
            started, usage_before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            peak = _watched([sys.executable, "-m", "platypus", "refine", str(folder / "run"), "--recipe", str(recipe)])
            seconds = time.monotonic() - started
            usage_after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = usage_after.ru_utime + usage_after.ru_stime - usage_before.ru_utime - usage_before.ru_stime
            record = json.loads((folder / "run" / "refine" / "stage.json").read_text(encoding="utf-8"))
            points.append((count, seconds, cpu))
            print(f"{count:,} rows: {seconds:.1f} s, {cpu:.1f} CPU s, {peak / 2**30:.2f} GiB, {record['results']}")
    if len(points) > 1:
        counts, *times = np.log(np.array(points)).T
        clock, cpu = (np.polyfit(counts, time, 1)[0] for time in times)
        print(f"exponent of the time: {clock:.2f} by the clock, {cpu:.2f} of the CPU")


def _watched(command: Sequence[str]) -> int:
    """The peak memory of the command and its children in bytes, from /proc."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_held(pid) for pid in _tree(process.pid)))
        time.sleep(0.2)
    if process.returncode:
        sys.exit(f"{command} failed")
    return peak


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _tree(int(child)))]


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


# ---------------------------------------------------------------- peers


def peers(options: argparse.Namespace) -> None:
    """Near-duplicates of the same requests by each way: seconds, and how many rows it would leave out."""
    for count in options.rows:
        with tempfile.TemporaryDirectory() as name:
            make_rows(Path(name) / "rows.jsonl", count, folder=Path(name))
            lines = (Path(name) / "rows.jsonl").read_text(encoding="utf-8").splitlines()
        rows = (read_loosely(line).data for line in lines)
        texts = [row["query"] for row in rows if not isinstance(row, Malformed)]
        for what, way in PEERS.items():
            started = time.process_time()
            try:
                left_out = way(texts)
            except (ImportError, MemoryError) as error:
                print(f"{count:,} rows, {what}: {error}")
                continue
            print(f"{count:,} rows, {what}: {time.process_time() - started:.2f} CPU s, {left_out} rows left out")


def _platypus(texts: Sequence[str]) -> int:
    from platypus.refinement.similarity import repeated, trigrams

    return len(repeated(trigrams(texts), np.zeros(len(texts), np.int64), threshold=THRESHOLD).first)


def _notebook(texts: Sequence[str]) -> int:
    """The usual notebook way: `datasets.map`, a TF-IDF matrix, the cosine of every pair."""
    from datasets import Dataset
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import cosine_similarity

    if len(texts) > MANY:
        raise MemoryError(f"a matrix of {len(texts) ** 2 * 8 / 1e9:.0f} GB, left out")
    table = Dataset.from_dict({"query": list(texts)}).map(lambda row: {"query": " ".join(row["query"].lower().split())})
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), binary=True, use_idf=False).fit_transform(
        table["query"][:]
    )
    return int((np.triu(cosine_similarity(vectors), 1) >= THRESHOLD).any(axis=0).sum())


def _grams(text: str) -> list[str]:
    words = [f" {word} " for word in text.lower().split()]
    return [word[i : i + 3] for word in words for i in range(len(word) - 2)]


def _datasketch(texts: Sequence[str]) -> int:
    from datasketch import MinHash, MinHashLSH

    index, left_out = MinHashLSH(threshold=THRESHOLD**2, num_perm=64), 0
    for number, text in enumerate(texts):
        (sketch,) = MinHash.bulk([[gram.encode() for gram in _grams(text)]], num_perm=64)
        if index.query(sketch):
            left_out += 1
        else:
            index.insert(number, sketch)
    return left_out


def _rensa(texts: Sequence[str]) -> int:
    from rensa import RMinHash, RMinHashLSH

    index, left_out, seen = RMinHashLSH(threshold=THRESHOLD**2, num_perm=64, num_bands=16), 0, {}
    for number, text in enumerate(texts):
        sketch = RMinHash(num_perm=64, seed=1)
        sketch.update(_grams(text))
        if any(seen[other].jaccard(sketch) >= THRESHOLD**2 for other in index.query(sketch)):
            left_out += 1
        else:
            index.insert(number, sketch)
            seen[number] = sketch
    return left_out


class _Hashed:
    """Texts as hashed trigrams: an encoder for SemHash that needs no download."""

    def encode(self, texts: Sequence[str], **_: Any) -> Any:
        """A row for each text."""
        from sklearn.feature_extraction.text import HashingVectorizer

        hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=512, dtype=np.float32)
        return hashing.transform(texts).toarray()


def _semhash(texts: Sequence[str]) -> int:
    from semhash import SemHash

    return len(SemHash.from_records(list(texts), model=_Hashed()).self_deduplicate(threshold=THRESHOLD).filtered)


PEERS: dict[str, Callable[[Sequence[str]], int]] = {
    "platypus": _platypus,
    "datasets.map and all pairs": _notebook,
    "datasketch": _datasketch,
    "rensa": _rensa,
    "semhash over hashed trigrams": _semhash,
}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for run, rows in ((seed, ""), (scale, "10000,100000"), (peers, "2000,4000,8000")):
        command = commands.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument(
            "--rows", type=lambda text: [int(n) for n in text.split(",") if n], default=rows, metavar="N,…"
        )
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
