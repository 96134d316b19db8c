"""Real clients of OpenAI's API and of MCP, unmodified, against a `platypus serve` process of this computer.

    python benchmarks/clients/run.py                     installs the clients into a temporary folder, asks, removes it
    python benchmarks/clients/run.py --keep ~/clients    keeps what it installs, and uses it again next time

The server has the embedded base, the tools of examples/worktracker, and `--references none`, as agents need it. Each
client is a file of checks beside this one, for pytest or for Node's own test runner; its versions are pinned in
openai-2.txt, openai-3.txt and package.json. Prints a table of checks and clients, and what failed; exit code 1 if
anything did. Takes about five minutes on two cores, half of them for installing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SERVE = [sys.executable, "-m", "platypus", "serve", "--catalogue", str(ROOT / "examples/worktracker/catalogue.json")]
NODE = "node"


@dataclass(frozen=True)
class Client:
    """A client: its name in the table, its file of checks, and the environment that has it."""

    name: str
    checks: str
    environment: str


CLIENTS = [
    Client("openai 3", "openai_python.py", "openai-3"),
    Client("openai 2", "openai_python.py", "openai-2"),
    Client("AI SDK", "ai_sdk.test.mjs", NODE),
    Client("LangChain", "lang_chain.py", "openai-3"),
    Client("LlamaIndex", "llama_index_llms.py", "openai-2"),
    Client("pydantic-ai", "pydantic_ai_agent.py", "openai-3"),
    Client("Agents SDK", "agents_sdk.py", "openai-3"),
    Client("MCP", "mcp_client.py", "openai-3"),
    Client("MCP (node)", "mcp.test.mjs", NODE),
]


@dataclass(frozen=True)
class Check:
    """One check of a client, with all of its report if it failed."""

    name: str
    case: str
    problem: str | None


def install(folder: Path) -> None:
    """What the clients need. torch is none of it: a package that wants it is refused."""
    guard = folder / "no-torch.txt"
    guard.write_text("torch<0\n")
    for name in ("openai-2", "openai-3"):
        subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        pip = [folder / name / "bin/pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", guard, "--requirement", HERE / f"{name}.txt"], check=True)
    (folder / NODE).mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (folder / NODE / name).write_bytes((HERE / name).read_bytes())
    subprocess.run(["npm", "ci", "--silent", "--prefix", folder / NODE], check=True)


@contextmanager
def served(log: Path) -> Iterator[str]:
    """The address of a server that is ready, until the block ends."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*SERVE, "--references", "none", "--port", "0"], stderr=errors, cwd=log.parent, env=environment()
        ) as process,
    ):
        try:
            while "http://" not in log.read_text():
                if process.poll() is not None:
                    sys.exit(log.read_text())
                time.sleep(0.1)
            address = "http://" + log.read_text().partition("http://")[2].split()[0]
            with urllib.request.urlopen(f"{address}/health"):
                yield address
        finally:
            process.terminate()


def environment(**others: str) -> dict[str, str]:
    """The variables of this process, and those by which clients find the server."""
    ours = {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none", "PLATYPUS_MCP": " ".join([*SERVE, "--mcp"])}
    return os.environ | ours | others


def run_checks(client: Client, folder: Path, address: str) -> list[Check]:
    """All checks of a client, from the report of its test runner."""
    report = folder / f"{client.name}.xml"
    if client.environment == NODE:
        # Modules are looked for beside the file that imports them.
        (folder / NODE / client.checks).write_bytes((HERE / client.checks).read_bytes())
        where = ["--test-reporter=junit", f"--test-reporter-destination={report}", client.checks]
        command, cwd = [str(folder / NODE / "node_modules/.bin/node"), "--test", *where], folder / NODE
    else:
        options = ["--import-mode=importlib", "-p", "no:cacheprovider", "--quiet", f"--junitxml={report}"]
        python = str(folder / client.environment / "bin/python")
        command, cwd = [python, "-m", "pytest", *options, str(HERE / client.checks)], folder
    env = environment(OPENAI_BASE_URL=f"{address}/v1")
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600)
    if not report.is_file():
        return [Check("runs", client.checks, done.stdout + done.stderr)]
    return [_check(case) for case in ET.parse(report).iter("testcase")]


def _check(case: ET.Element) -> Check:
    title = case.get("name", "")
    name = title.partition("[")[0].removeprefix("test_").rpartition(": ")[2]
    fault = next((part for kind in ("failure", "error") for part in case.iter(kind)), None)
    return Check(name, title, None if fault is None else f"{fault.get('message')}\n{fault.text}")


def table(found: dict[str, list[Check]]) -> str:
    """Checks by clients: ok, or how many of a check's cases failed."""
    names = list(dict.fromkeys(check.name for checks in found.values() for check in checks))
    rows = [f"{'':<24}" + "".join(f"{client:<13}" for client in found)]
    for name in names:
        cells = []
        for checks in found.values():
            same = [check for check in checks if check.name == name]
            failed = sum(check.problem is not None for check in same)
            cells.append(f"{failed} of {len(same)} failed" if failed else "ok" if same else "")
        rows.append(f"{name:<24}" + "".join(f"{cell:<13}" for cell in cells).rstrip())
    return "\n".join(rows)


def main() -> None:
    """Install, serve, ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="install here, or use what is installed here")
    parser.add_argument("--only", nargs="+", metavar="CLIENT", help=", ".join(client.name for client in CLIENTS))
    arguments = parser.parse_args()
    chosen = [client for client in CLIENTS if not arguments.only or client.name in arguments.only]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / NODE / "node_modules").is_dir():
            install(folder)
        found: dict[str, list[Check]] = defaultdict(list)
        with served(folder / "serve.log") as address:
            for client in chosen:
                found[client.name] = run_checks(client, folder, address)
    print(table(found))
    failed = [(client, check) for client, checks in found.items() for check in checks if check.problem is not None]
    for client, check in failed:
        print(f"\n{client}: {check.case}\n{check.problem}")
    print(f"\n{sum(map(len, found.values())) - len(failed)} ok, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
