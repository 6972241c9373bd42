"""The names and units of the figures, judged by Prometheus's own tool."""

from __future__ import annotations

from prometheus_client import generate_latest
from support.prometheus import promtool

from edge.clock import VirtualClock
from edge.status.live import LiveView
from edge.status.metrics import build_registry
from generate import example


def scrape(live: LiveView) -> str:
    return generate_latest(build_registry(live, example.station(), lambda: example.DISK_FREE)).decode()


def test_promtool_finds_nothing_wrong_with_a_station_that_has_just_started() -> None:
    done = promtool("check", "metrics", text=scrape(LiveView(VirtualClock())))
    assert (done.stdout, done.returncode) == ("", 0)


def test_promtool_finds_nothing_wrong_with_a_station_that_has_all_to_tell() -> None:
    done = promtool("check", "metrics", text=scrape(example.live(VirtualClock())))
    assert (done.stdout, done.returncode) == ("", 0)


def test_promtool_would_tell() -> None:
    done = promtool(
        "check", "metrics", text="# HELP sorter_items Items.\n# TYPE sorter_items counter\nsorter_items 1\n"
    )
    assert done.returncode != 0
    assert "_total" in done.stdout
