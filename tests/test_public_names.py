"""`import platypus`: light, and its public names are there when they are used."""

import subprocess
import sys

import pytest

import platypus
from tests.support.command import ROOT


def test_importing_the_package_imports_no_other_module_of_it() -> None:
    program = "import sys, platypus; print([name for name in sys.modules if name.startswith('platypus.')])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("name", platypus.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(platypus, name) is not None and name in dir(platypus)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'read_catalog'"):
        _ = platypus.read_catalog
