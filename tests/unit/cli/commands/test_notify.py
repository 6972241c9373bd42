"""`sorter notify` says who is told, and with --test what keeps messages from getting there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.notify_servers import HookServer, free_port
from support.stations import BIN, write_station
from typer.testing import CliRunner

from edge.cli import root
from edge.errors import ConfigError, NotifyError


@pytest.fixture
def server() -> Iterator[HookServer]:
    server = HookServer()
    server.start()
    yield server
    server.stop()


def sorter_notify(folder: Path, notify: dict[str, Any], *options: str) -> Result:
    path = write_station(folder, BIN, notify=notify)
    return CliRunner().invoke(root, ["notify", "--station", str(path), *options])


def test_each_way_is_tried_and_the_reason_is_said_of_the_one_that_fails(server: HookServer, tmp_path: Path) -> None:
    closed = free_port()
    mail = {"host": "localhost", "port": closed, "sender": "a@example.org", "to": ["b@example.org"]}
    hook = {"name": "office", "url": f"http://localhost:{server.port}/"}
    result = sorter_notify(tmp_path, {"webhook": [hook], "mail": mail}, "--test")
    assert result.output.splitlines() == [
        f"webhook office: sent to http://localhost:{server.port}",
        f"mail: not delivered: localhost:{closed} refuses connections: does it run, and on this port?",
    ]
    assert result.exit_code == NotifyError.exit_code
    assert server.posts.get(timeout=30).data["title"] == "line-1: A test message"


def test_without_test_it_says_who_is_told_and_tells_nobody(server: HookServer, tmp_path: Path) -> None:
    hook = {"name": "office", "url": f"http://localhost:{server.port}/"}
    result = sorter_notify(tmp_path, {"webhook": [hook], "mqtt": {"host": "broker"}})
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        ["mqtt: broker:1883", f"webhook office: http://localhost:{server.port}"],
    )
    assert server.posts.empty()


def test_a_station_that_tells_nobody_says_which_tables_are_missing(tmp_path: Path) -> None:
    result = sorter_notify(tmp_path, {})
    assert isinstance(result.exception, ConfigError)
    assert "nobody is told: there is no [notify.mqtt], [[notify.webhook]] or [notify.mail]" in str(result.exception)
