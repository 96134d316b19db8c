"""Every back end has what a toolbox calls, and a failed call says what it was."""

import pytest

from platypus.execution.back_ends.back_end import BackEnd, CallFailed
from platypus.execution.back_ends.dry_run import DryRunBackEnd
from platypus.execution.back_ends.mcp_servers import McpBackEnd
from platypus.execution.back_ends.openapi import OpenApiBackEnd
from platypus.execution.back_ends.python_functions import PythonBackEnd


@pytest.mark.parametrize("kind", [DryRunBackEnd, McpBackEnd, OpenApiBackEnd, PythonBackEnd])
def test_the_methods_of_a_back_end(kind: type) -> None:
    wanted = {name for name, value in vars(BackEnd).items() if callable(value) and not name.startswith("_")}
    assert wanted == {"may_have", "open", "definitions", "call", "close"} and wanted <= {*dir(kind)}


def test_a_failed_call() -> None:
    error = CallFailed("lost", "the connection is gone")
    assert (error.kind, error.what, error.may_help, str(error)) == ("lost", "the connection is gone", False, error.what)
