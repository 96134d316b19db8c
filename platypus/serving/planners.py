"""The planners of one process, and the catalogues that clients sent, which are kept for their next requests.

A catalogue that was sent costs a pass of the model over its text and a grammar. Both are kept while there is room:
those that were asked for least recently go first. All of this happens on the engine's thread.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from platypus.catalogue.tools import Catalogue
from platypus.inference.calibration import Calibration
from platypus.inference.planner import Planner
from platypus.run.folder import Run
from platypus.serving.errors import ApiError, invalid, unsupported

if TYPE_CHECKING:
    from platypus.decoding.decoder import Decoder


@dataclass(frozen=True)
class Served:
    """A planner by the name that requests choose it by.

    `run` is the run it belongs to, if any; `corrections` the file that keeps what people correct. `activate` makes its
    adapter the one that computes, where several share a base. `created` is a Unix time.
    """

    name: str
    planner: Planner
    corrections: Path
    run: Run | None = None
    activate: Callable[[], None] = lambda: None
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def catalogue(self) -> Catalogue | None:
        """Its own tools; None if each request brings some."""
        return self.planner.prompt.catalogue


@dataclass(frozen=True)
class Variant:
    """What a request asks of a catalogue: the tools that may be called (None: all), whether the plan may be empty, and
    its most steps (None: as the planner has it)."""

    allowed: tuple[str, ...] | None = None
    empty: bool = True
    steps: int | None = None


@dataclass(frozen=True)
class Ready:
    """A planner with a catalogue, and the decoder of a variant of it; None where each request is shown other tools."""

    planner: Planner
    decoder: "Decoder | None"


class Planners:
    """The planners by name, and what is kept of sent catalogues, up to `room` bytes. The first planner is the default.

    What is kept, and the counts of it, are of the engine's thread; others may read the counts.
    """

    def __init__(self, served: Iterable[Served], *, room: int) -> None:
        self.served = {one.name: one for one in served}
        self.default = next(iter(self.served.values()))
        self.room, self.used, self.hits, self.misses = room, 0, 0, 0
        self._kept: OrderedDict[tuple[str, str, Variant | None], tuple[Ready, int]] = OrderedDict()

    def named(self, model: str | None) -> Served:
        """The planner of this name, or the default. Raises ApiError 404."""
        if model is None:
            return self.default
        if model not in self.served:
            known = ", ".join(self.served)
            what = f"there is no model {model!r}; this server has {known}"
            raise ApiError(404, what, param="model", code="model_not_found")
        return self.served[model]

    def tools(self, served: Served, sent: Catalogue | None) -> Catalogue:
        """The tools of a request: those that it sent, else the planner's own. Raises ApiError if there are none."""
        tools = sent or served.catalogue
        if tools is None:
            raise invalid("tools", f"the model {served.name!r} has no tools of its own, so a request has to send some")
        return tools

    def ready(
        self, served: Served, sent: Catalogue | None, variant: Variant, request: str, needed: Sequence[str] = ()
    ) -> Ready:
        """What answers a request over the tools that it sent, or the planner's own.

        The needed tools are shown whatever the request says, and so is a single tool that may be called; of several,
        those that it is shown count.
        Raises ApiError if there are no tools or none of those is shown, CatalogueError if they have no grammar.
        """
        tools, allowed = self.tools(served, sent), variant.allowed or ()
        unknown = next((name for name in allowed if tools.tool(name) is None), None)
        if unknown is not None:
            raise unsupported("tool_choice", f"there is no tool {unknown!r}")
        served.activate()
        if tools == served.catalogue:
            planner = served.planner
        else:
            planner = self._keep((served.name, tools.fingerprint, None), partial(_with_tools, served, tools)).planner
        shown = planner.narrowed(request, (*needed, *(allowed if len(allowed) == 1 else ())))
        if variant == Variant() and shown is planner:
            return Ready(planner, planner.decoder)
        shown_tools = shown.prompt.catalogue
        assert shown_tools is not None  # since the planner has some
        return self._keep((served.name, shown_tools.fingerprint, variant), partial(_variant, shown, variant))

    def _keep(self, key: tuple[str, str, Variant | None], make: Callable[[], Ready]) -> Ready:
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key][0]
        self.misses += 1
        ready = make()
        size = ready.decoder.bytes if ready.decoder else 0
        self._kept[key] = (ready, size)
        self.used += size
        while self.used > self.room and len(self._kept) > 1:
            _, (_, gone) = self._kept.popitem(last=False)
            self.used -= gone
        return ready


def _with_tools(served: Served, tools: Catalogue) -> Ready:
    """The planner with other tools; without a decoder if each request is shown some of them."""
    planner = served.planner.with_tools(tools)
    if served.run is not None and served.run.is_done("train"):  # how sure it may be was measured with its own tools
        planner = replace(planner, calibration=Calibration())
    return Ready(planner, planner.decoder if planner.narrowing is None else None)


def _variant(planner: Planner, variant: Variant) -> Ready:
    tools = planner.prompt.catalogue
    assert tools is not None  # without some there are no plans
    if variant.allowed is not None:
        allowed = [name for name in variant.allowed if tools.tool(name) is not None]
        if not allowed:
            raise unsupported("tool_choice", "none of its tools is among those that the request is shown")
        tools = tools.subset(allowed)
    if variant.steps is None:
        return Ready(planner, planner.decoder_of(tools, empty=variant.empty))
    settings = planner.settings.model_copy(update={"max_steps": min(variant.steps, planner.settings.max_steps)})
    return Ready(planner, replace(planner, settings=settings).decoder_of(tools, empty=variant.empty))
