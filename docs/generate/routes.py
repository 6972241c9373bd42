"""Every address of the page's server: method, what it answers, what it needs; and what the JSON looks like."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from edge.clock import VirtualClock
from edge.web.station.app import build_app
from edge.web.station.status import describe_items, describe_status
from generate import example
from generate.markdown import code, document, fenced, paragraphs, table


@dataclass(frozen=True, slots=True)
class Row:
    """Addresses that answer alike, with what they answer and what must be so for it."""

    method: str
    paths: tuple[str, ...]
    answer: str
    needs: str


def routes() -> list[Row]:
    """Return all addresses; those for people who signed in say so."""
    always = {route.path for route in _routes(with_actions=False)}
    alike: dict[tuple[str, str, str], list[str]] = {}
    for route in _routes(with_actions=True):
        method = "POST" if route.methods == {"POST"} else "GET"
        answer = paragraphs(route.endpoint.__doc__).replace("\n\n", " ")
        alike.setdefault((method, answer, _needs(route, always)), []).append(route.path)
    return [Row(method, tuple(sorted(paths)), answer, needs) for (method, answer, needs), paths in alike.items()]


def _needs(route: Route, always: set[str]) -> str:
    needed = ["`page.enabled`"]
    if route.path not in always:
        needed.append("`page.controls`")
    if hasattr(route.endpoint, "__wrapped__"):
        needed.append("signed in")
    return ", ".join(needed)


def _routes(*, with_actions: bool) -> list[Route]:
    clock = VirtualClock()
    control = example.NobodyActs() if with_actions else None
    app: Starlette = build_app(example.live(clock), example.station(), None, clock, control)
    return [route for route in app.routes if isinstance(route, Route)]


def page() -> str:
    """Return the page's text."""
    snapshot = example.live(VirtualClock()).snapshot()
    rows = [["<br>".join(code(f"{r.method} {path}") for path in r.paths), r.answer, r.needs] for r in routes()]
    return document(
        table(("address", "what it answers", "needs"), rows),
        "## What `/api/status` answers { #status }",
        _json(describe_status(snapshot, example.station(), example.DISK_FREE)),
        "## What `/api/items` answers { #items }",
        _json({"items": describe_items(snapshot)[:1]}),
        "## What `/api/teach` answers { #teach }",
        _json(example.TEACHING),
    )


def _json(answer: Any) -> str:
    return fenced("json", json.dumps(answer, indent=2))
