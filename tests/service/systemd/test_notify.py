"""What systemd hears, over a real socket."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clock import NS_PER_S
from edge.system.systemd_notify import Notifier

pytestmark = pytest.mark.realtime


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.setblocking(False)
        yield listening, path


def heard(listening: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(listening.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_ready_status_and_stopping(systemd: tuple[socket.socket, str]) -> None:
    listening, path = systemd
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": path})
    notifier.ready("sorting\nREADY=0")
    notifier.status("fault: camera gone")
    notifier.stopping()
    assert heard(listening) == ["READY=1\nSTATUS=sorting READY=0", "STATUS=fault: camera gone", "STOPPING=1"]


def test_a_status_is_sent_when_it_changes(systemd: tuple[socket.socket, str]) -> None:
    listening, path = systemd
    notifier = Notifier(path)
    for text in ("running", "running", "fault", "running"):
        notifier.status(text)
    assert heard(listening) == ["STATUS=running", "STATUS=fault", "STATUS=running"]


def test_the_watchdog_hears_of_it_once_a_second(systemd: tuple[socket.socket, str]) -> None:
    listening, path = systemd
    notifier = Notifier(path)
    for frame in range(91):
        notifier.feed_watchdog(frame * NS_PER_S // 30)
    assert heard(listening) == ["WATCHDOG=1"] * 4


def test_a_longer_watchdog_is_asked_for_once(systemd: tuple[socket.socket, str]) -> None:
    listening, path = systemd
    notifier = Notifier(path)
    for span in (30, 420, 420, 30):
        notifier.set_watchdog_span(span * NS_PER_S)
    assert heard(listening) == ["WATCHDOG_USEC=30000000", "WATCHDOG_USEC=420000000", "WATCHDOG_USEC=30000000"]


def test_an_abstract_socket(tmp_path: Path) -> None:
    name = f"edge-sorter-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.setblocking(False)
        Notifier("@" + name).stopping()
        assert heard(listening) == ["STOPPING=1"]


def test_without_systemd_nothing_is_sent_and_nothing_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    descriptors = sorted(Path("/proc/self/fd").iterdir())
    notifier = Notifier.from_environment({})
    notifier.ready("x")
    notifier.feed_watchdog(0)
    assert sorted(Path("/proc/self/fd").iterdir()) == descriptors
    assert caplog.text == ""


def test_a_systemd_that_is_gone_or_busy_does_not_stop_the_line(
    systemd: tuple[socket.socket, str], caplog: pytest.LogCaptureFixture
) -> None:
    listening, path = systemd
    notifier = Notifier(path)
    for n in range(5000):  # far more than a socket's queue holds
        notifier.status(f"state {n}")
    assert "could not be told" in caplog.text
    assert heard(listening)[0] == "STATUS=state 0"
    Notifier(path + "-gone").stopping()
    assert "No such file" in caplog.text
