"""Catalogues for the tests of plans."""

from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from tests.support.command import CRM


@pytest.fixture(scope="session")
def crm() -> Catalogue:
    return read_catalogue(CRM)


@pytest.fixture(scope="session")
def tools() -> Catalogue:
    """One tool that takes everything, one without an output schema, one that returns fields, one nothing."""

    def tool(name: str, output: Any, required: tuple[str, ...] = (), **arguments: Any) -> dict[str, Any]:
        inputs = {"type": "object", "properties": arguments, "required": list(required)}
        return {"name": name, "inputSchema": inputs, **({} if output is None else {"outputSchema": output})}

    user = {"type": "string", "format": "user-id"}
    return catalogue_from_json(
        [
            tool("me", user),
            tool("any", None),
            tool("card", {"type": "object", "properties": {"owner": user, "n": {"type": "integer"}}}),
            tool("users", {"type": "array", "items": user}),
            tool("drop", {"type": "null"}, who=user),
            tool(
                "take",
                {"type": "string"},
                who=user,
                many={"type": "array", "items": user, "uniqueItems": True, "maxItems": 3},
                ordered={"type": "array", "items": {"type": "integer"}},
                level={"type": "string", "enum": ["low", "high"]},
                flag={"type": "boolean"},
                more={"type": "object"},
            ),
            tool("must", {"type": "string"}, ("who",), who=user),
        ]
    )
