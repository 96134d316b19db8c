"""Limits: how much one request may ask for, and all of them together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of a server: sizes in bytes, times in seconds, counts for one request unless said otherwise."""

    body: int = 4 << 20
    body_seconds: float = 20.0
    depth: int = 64
    tools: int = 512
    request: int = 32_768
    """Characters of the request, instructions included; its tokens are limited by the model's context."""
    tokens: int = 512
    """Tokens of a plan."""
    seconds: float = 30.0
    """From when a request is accepted to its answer."""
    queue: int = 64
    """Requests of all clients that are accepted and not answered yet."""
    batch: int = 8
    """Plans that are decoded together."""
    choices: int = 8
    cache: int = 1 << 30
    """Keys and values of catalogues that clients sent, all together."""
