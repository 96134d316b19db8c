"""`${VAR}` in the texts of a source → values of the environment, which no message shows.

${VAR}   ${env:VAR}        the environment variable VAR
${VAR:-text}               the same, or `text` if it is not set
${input:api-key}           the environment variable API_KEY, or the default that the file gives the input
${workspaceFolder}         the folder of the file, or that above it if it is `.vscode` or `.cursor`
${userHome}                the home folder
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platypus.errors import CatalogueError

VARIABLE = re.compile(r"\$\{(?:(?P<kind>\w+):(?!-))?(?P<name>[^}:]+)(?::-(?P<default>[^}]*))?\}")
SECRET = re.compile(r"token|key|secret|passw|credential|auth|dsn", re.IGNORECASE)
USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
SHORTEST = 5  # letters of a secret: a shorter value stands in too many other words


@dataclass
class Variables:
    """The variables of one source. Remembers each value that it gives, to hide it in messages."""

    environment: Mapping[str, str]
    where: str
    folder: Path = Path()
    inputs: Mapping[str, str] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def expand(self, text: str) -> str:
        """The text with values in place of variables. Raises CatalogueError for one that is not set."""
        return VARIABLE.sub(self._value, text)

    def hide(self, text: str) -> str:
        """The text without the values that were given, those of variables named like secrets, and passwords in URLs."""
        secrets = {value for name, value in self.environment.items() if SECRET.search(name)}
        for value in sorted((secrets | self.given) - {""}, key=len, reverse=True):
            text = text.replace(value, "***") if len(value) >= SHORTEST else text
        return USER_IN_URL.sub("***@", text)

    def _value(self, match: re.Match[str]) -> str:
        kind, name = match["kind"], match["name"]
        if kind is None and name == "workspaceFolder":
            folder = self.folder.absolute()
            return str(folder.parent if folder.name in (".vscode", ".cursor") else folder)
        if kind is None and name == "userHome":
            return str(Path.home())
        if kind not in (None, "env", "input"):
            raise CatalogueError(f"{match[0]} is not known", where=self.where, remedy="Write ${VAR} or ${input:NAME}.")
        variable = re.sub(r"\W", "_", name).upper() if kind == "input" else name
        default = self.inputs.get(name) if kind == "input" else match["default"]
        value = self.environment.get(variable, default)
        if value is None:
            raise CatalogueError(
                f"{match[0]} is needed, and the environment variable {variable} is not set",
                where=self.where,
                remedy=f"Set it: export {variable}=…",
            )
        self.given.add(value)
        return value
