"""What is measured, for Prometheus, and the line that is logged for each request: a JSON object on standard error.

A line has no text of a request, unless that is asked for.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from platypus.serving.asking import Choice
from platypus.serving.batching import Engine
from platypus.serving.planners import Planners

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counts of one server."""

    def __init__(self, planners: Planners, engine: Engine) -> None:
        self.registry = CollectorRegistry()
        labels = ["endpoint", "status"]
        self.requests = Counter("platypus_requests", "Answered requests", labels, registry=self.registry)
        self.seconds = Histogram(
            "platypus_request_seconds", "Time of a request", ["endpoint"], buckets=SECONDS, registry=self.registry
        )
        self.plans = Counter("platypus_plans", "Plans that were answered", ["model"], registry=self.registry)
        self.tokens = Counter("platypus_tokens", "Tokens by kind", ["model", "kind"], registry=self.registry)
        self._gauge("platypus_open_requests", "Accepted and not answered yet", lambda: engine.open)
        self._gauge("platypus_passes", "Passes of the model, of all batches", lambda: engine.passes)
        self._gauge("platypus_catalogue_bytes", "Memory of sent catalogues", lambda: planners.used)
        self._gauge("platypus_catalogue_hits", "Sent catalogues that were kept", lambda: planners.hits)
        self._gauge("platypus_catalogue_misses", "Sent catalogues that were new", lambda: planners.misses)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self.registry).set_function(value)

    def answered(self, model: str, choices: list[Choice]) -> None:
        """Count the plans of an answer and their tokens."""
        self.plans.labels(model).inc(len(choices))
        self.tokens.labels(model, "prompt").inc(choices[0].prompt_tokens)
        self.tokens.labels(model, "cached").inc(choices[0].cached_tokens)
        self.tokens.labels(model, "completion").inc(sum(choice.answer.tokens for choice in choices))

    def text(self) -> bytes:
        """All of it, in Prometheus' format."""
        return generate_latest(self.registry)


def log(event: str, **fields: Any) -> None:
    """Print one line to standard error."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    known = {name: value for name, value in fields.items() if value is not None}
    print(json.dumps({"time": now, "event": event, **known}, ensure_ascii=False), file=sys.stderr, flush=True)
