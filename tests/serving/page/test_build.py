"""The page in the package is what its source builds, small, and loads nothing from elsewhere."""

import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving.page.stand_in import PAGE
from tests.support.command import ROOT

SOURCE = ROOT / "page"
LARGEST = 150_000  # bytes, compressed


def test_the_page_was_built_from_these_sources() -> None:
    """If this fails: npm ci --prefix page && npm run build --prefix page."""
    lines = (line.split("  ") for line in (PAGE / "sources.sha256").read_text(encoding="utf-8").splitlines())
    recorded = {name: digest for digest, name in lines}
    sources = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"]
    sources += [f"src/{path.name}" for path in (SOURCE / "src").iterdir()]
    assert recorded == {name: hashlib.sha256((SOURCE / name).read_bytes()).hexdigest() for name in sources}


def test_building_again_gives_the_same_page(tmp_path: Path) -> None:
    if shutil.which("node") is None or not (SOURCE / "node_modules" / "esbuild").is_dir():
        pytest.skip("nothing to build the page with: install Node.js and npm, then npm ci --prefix page")
    subprocess.run(["npm", "run", "--silent", "check"], cwd=SOURCE, check=True)
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=SOURCE, check=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in PAGE.iterdir()
    }


def test_the_page_is_small() -> None:
    assert sum(len(gzip.compress(path.read_bytes())) for path in PAGE.iterdir()) < LARGEST


def test_the_page_names_no_other_address() -> None:
    """The names of XML's own languages are no addresses to load from."""
    for path in PAGE.iterdir():
        if path.suffix in (".html", ".js", ".css"):
            found = set(re.findall(r"https?://[\w./-]+", path.read_text(encoding="utf-8")))
            assert {url for url in found if not url.startswith("http://www.w3.org/")} == set(), path.name


def test_the_licences_of_what_is_bundled_are_there() -> None:
    text = (PAGE / "LICENSES.txt").read_text(encoding="utf-8")
    assert re.findall(r"^(\S+) \d+\.\d+\.\d+$", text, re.MULTILINE) == [
        "@dagrejs/dagre",
        "@dagrejs/graphlib",
        "preact",
    ]
