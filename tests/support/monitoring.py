"""The files of docs/monitoring, and what they ask Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from support.paths import ROOT

FOLDER = ROOT / "docs" / "monitoring"
ALERTS, DASHBOARD = FOLDER / "alerts.yml", FOLDER / "dashboard.json"


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text("utf-8")))


def panel_queries(stations: str = ".*") -> Iterator[tuple[str, str]]:
    """Yield (panel, query) of the dashboard, as Grafana would send it for the chosen stations."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            asked = target["expr"].replace("$station", stations).replace("$__rate_interval", "1m")
            yield panel["title"], asked


def alert_queries() -> Iterator[tuple[str, str]]:
    """Yield (alert, query) of the rules."""
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])
