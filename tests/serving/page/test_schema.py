"""The page decides what fits where exactly as `platypus.catalogue.schema` does."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from platypus.catalogue.schema import array_items, fits, is_nothing, part
from tests.support.command import ROOT
from tests.support.random_catalogues import random_schema

SOURCE = ROOT / "page"
TRIALS = 5000


@pytest.fixture(scope="module")
def page_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's module as a program: cases on standard input, what it decides on standard output."""
    if shutil.which("node") is None or not (SOURCE / "node_modules" / "esbuild").is_dir():
        pytest.skip("nothing to build the page with: install Node.js and npm, then npm ci --prefix page")
    program = tmp_path_factory.mktemp("page") / "schema.mjs"
    esbuild = SOURCE / "node_modules" / "esbuild" / "bin" / "esbuild"
    subprocess.run(
        [str(esbuild), "src/schema.ts", "--bundle", "--format=esm", f"--outfile={program}", "--log-level=error"],
        cwd=SOURCE,
        check=True,
    )
    return program


DECIDE = """
import {{ readFileSync }} from "node:fs";
import {{ arrayItems, fits, isNothing, part }} from "{program}";
const cases = JSON.parse(readFileSync(0, "utf8"));
const answers = cases.map(([a, b, path]) => [fits(a, b), isNothing(a), arrayItems(a), part(a, path)]);
console.log(JSON.stringify(answers));
"""


def test_the_page_decides_as_the_library_does(page_schema: Path, tmp_path: Path) -> None:
    chance = random.Random(0)
    cases = [
        (
            random_schema(chance),
            random_schema(chance),
            [chance.choice(["id", "due date", "größe", "0", "1"]) for _ in range(chance.randint(0, 3))],
        )
        for _ in range(TRIALS)
    ]
    program = tmp_path / "decide.mjs"
    program.write_text(DECIDE.format(program=page_schema), encoding="utf-8")
    ran = subprocess.run(["node", str(program)], input=json.dumps(cases), capture_output=True, text=True, check=True)
    for (a, b, path), answer in zip(cases, json.loads(ran.stdout), strict=True):
        assert answer == [fits(a, b), is_nothing(a), array_items(a), part(a, path)], (a, b, path)
    assert 0.05 < sum(fits(a, b) for a, b, _ in cases) / TRIALS < 0.9
