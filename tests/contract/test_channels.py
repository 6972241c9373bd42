"""What every way of telling people keeps to, over real servers: they are away, they come back, they let nobody in."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import pytest
from support.certificates import Certificates, make_certificates
from support.notify_servers import ACCOUNT, Broker, HookServer, MailServer, told
from support.stations import BIN, station_in

from edge.clock import SystemClock, ms
from edge.errors import NotifyError
from edge.health.faults import Fault, FaultKind
from edge.health.retry import Backoff
from edge.health.state import State
from edge.notify.channel import Tries
from edge.notify.channels import open_channels
from edge.status.live import LiveView

pytestmark = pytest.mark.slow


class Way(Protocol):
    """One way of telling, with a server of its own."""

    port: int

    def table(self) -> dict[str, Any]:
        """Return what a station file says of it."""
        ...

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def tells(self, text: str) -> None:
        """Wait until somebody who listens was told so."""
        ...


class _Files:
    """The secrets and certificates of one way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = make_certificates(folder / "certificates")
        self.secret = folder / "secret"
        self.secret.write_text(f"{ACCOUNT[1]}\n")
        self.secret.chmod(0o640)
        self.authority = self.certificates.authority


class MqttWay(_Files):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.broker = Broker(folder / "broker", self.certificates)
        self.port = self.broker.port

    def table(self) -> dict[str, Any]:
        own = {"host": "localhost", "port": self.port, "tls": True, "ca_file": str(self.authority)}
        return {"mqtt": {**own, "username": ACCOUNT[0], "password_file": str(self.secret)}}

    def start(self) -> None:
        self.broker.start()
        self.heard = self.broker.listen("edge-sorter/#")

    def stop(self) -> None:
        self.broker.stop()

    def tells(self, text: str) -> None:
        told(self.heard, lambda message: text in message["payload"])


class WebhookWay(_Files):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.hooks = HookServer(self.certificates, token=ACCOUNT[1])
        self.port = self.hooks.port

    def table(self) -> dict[str, Any]:
        own = {"name": "hook", "url": f"https://localhost:{self.port}/", "ca_file": str(self.authority)}
        return {"webhook": [{**own, "token_file": str(self.secret), "after_s": 0, "faults": ["fault", "warning"]}]}

    def start(self) -> None:
        self.hooks.start()

    def stop(self) -> None:
        self.hooks.stop()

    def tells(self, text: str) -> None:
        told(self.hooks.posts, lambda post: text in post.data["text"])


class MailWay(_Files):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = MailServer(self.certificates)
        self.port = self.server.port

    def table(self) -> dict[str, Any]:
        own = {"host": "localhost", "port": self.port, "ca_file": str(self.authority), "username": ACCOUNT[0]}
        more = {"password_file": str(self.secret), "after_s": 0, "faults": ["fault", "warning"]}
        return {"mail": {**own, **more, "sender": "line-1@example.org", "to": ["technician@example.org"]}}

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def tells(self, text: str) -> None:
        told(self.server.mails, lambda mail: text in mail["content"].replace("=\r\n", ""))


@pytest.fixture(params=[MqttWay, WebhookWay, MailWay], ids=["mqtt", "webhook", "mail"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    made = request.param(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def said() -> Iterator[SimpleQueue[str]]:
    """What the channels write to the log, as it comes."""
    lines: SimpleQueue[str] = SimpleQueue()

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.put(record.getMessage())

    logger, handler = logging.getLogger("edge.notify"), Lines()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


class Told:
    """A station's live view, and the channel that reads it."""

    def __init__(self, way: Any, folder: Path) -> None:
        self.clock = SystemClock()
        self.live = LiveView(self.clock)
        station = station_in(folder, BIN, notify=way.table())
        tries = Tries(Backoff(first=ms(50), longest=ms(200)))
        (self.channel,) = open_channels(station, self.live, self.clock, tries=lambda: tries)

    def show(self, *faults: tuple[FaultKind, str]) -> None:
        now = self.clock.now()
        self.live.publish_state(State.DEGRADED, [Fault(kind, now, detail) for kind, detail in faults])

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self.channel.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def station(way: Way, tmp_path: Path) -> Told:
    return Told(way, tmp_path)


FULL = (FaultKind.BIN_FULL, "paper")
HOT = (FaultKind.HOT, "")


def test_a_fault_is_told_in_the_words_of_the_page(way: Way, station: Told) -> None:
    way.start()
    station.show(FULL)
    with station.running():
        way.tells("A bin is full: its items go to residual. (paper)")
    assert station.channel.trouble == ""


def test_a_server_that_is_not_there_yet_is_named_and_told_once_it_comes(
    way: Way, station: Told, said: SimpleQueue[str]
) -> None:
    station.show(FULL)
    with station.running():
        told(said, lambda line: f"localhost:{way.port} refuses connections: does it run" in line)
        assert "refuses connections" in station.channel.trouble
        way.start()
        way.tells("A bin is full")
    assert station.channel.trouble == ""


def test_a_server_that_was_away_is_told_what_is_true_by_then(way: Way, station: Told, said: SimpleQueue[str]) -> None:
    way.start()
    station.show(FULL)
    with station.running():
        way.tells("A bin is full")
        way.stop()
        station.show(HOT)
        told(said, lambda line: "it is tried again" in line)
        assert station.channel.trouble
        way.start()
        way.tells("The Pi is hot.")
    assert station.channel.trouble == ""


def test_a_wrong_password_is_named_and_a_right_one_counts_without_a_restart(
    way: Any, station: Told, said: SimpleQueue[str]
) -> None:
    way.start()
    way.secret.write_text("wrong\n")
    station.show(FULL)
    with station.running():
        line = told(said, lambda line: "it is tried again" in line)
        assert f"localhost:{way.port}" in line
        assert "password_file" in line or "token_file" in line
        assert "wrong" not in line
        way.secret.write_text(f"{ACCOUNT[1]}\n")
        way.tells("A bin is full")


@pytest.mark.parametrize(
    ("host", "trusts", "why"),
    [
        ("localhost", False, "unable to get local issuer certificate"),
        ("elsewhere.example.org", True, "Hostname mismatch"),
    ],
)
def test_a_certificate_that_can_not_be_trusted_is_named(
    way: Any, host: str, trusts: bool, why: str, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path / "other", host)
    _serve_with(way, other)
    way.authority = other.authority if trusts else way.certificates.authority
    _start_alone(way)
    with pytest.raises(NotifyError, match=f"the certificate of localhost can't be trusted .*{why}"):
        Told(way, tmp_path).channel.test()


def _serve_with(way: Any, certificates: Certificates) -> None:
    for server in ("broker", "hooks", "server"):
        if hasattr(way, server):
            getattr(way, server).certificates = certificates


def _start_alone(way: Any) -> None:
    """Start the server without those who listen to it, who trust its certificate no more than the station does."""
    (way.broker if hasattr(way, "broker") else way).start()


def test_a_secret_that_others_may_read_is_not_used(way: Any, station: Told) -> None:
    way.secret.chmod(0o644)
    with pytest.raises(NotifyError, match=r"secret: others may read it \(mode 0644\): sudo chmod 640 "):
        station.channel.test()


def test_a_test_message_says_where_it_went(way: Way, station: Told) -> None:
    way.start()
    place = station.channel.test()
    assert f"localhost:{way.port}" in place
    way.tells("sorter notify --test")


def test_what_is_no_such_server_is_named_too(way: Way, station: Told) -> None:
    """A server that speaks first what none of them says, and no TLS."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", way.port))
        listening.listen()

        def answer() -> None:
            caller, _ = listening.accept()
            with closing(caller):
                caller.sendall(b"HELLO, I AM A PRINTER\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(NotifyError, match=f"localhost:{way.port}"):
            station.channel.test()
        thread.join()
