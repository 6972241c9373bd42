"""Real servers that a station tells what goes on: Mosquitto, Debian's SMTP server, and an address that takes posts."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from support.certificates import Certificates

WAIT_S = 30.0
ACCOUNT = ("line-1", "not in the station file")
_SMTP_SERVER = Path(__file__).with_name("smtp_server.py")


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"{name} is needed: run tests/install-tools")
    return found


def told(queue: SimpleQueue[Any], wanted: Callable[[Any], bool]) -> Any:
    """Wait for an entry that is wanted; those before it are passed over."""
    passed = []
    try:
        while not wanted(entry := queue.get(timeout=WAIT_S)):
            passed.append(entry)
    except Empty:
        raise AssertionError(f"not told in {WAIT_S:g} s; what came: {passed[-10:]}") from None
    return entry


def _follow(process: subprocess.Popen[str], take: Callable[[str], object]) -> None:
    """Read what a process says, line by line, so that its pipe never fills."""
    assert process.stdout is not None
    stream = process.stdout

    def read() -> None:
        for line in stream:
            take(line.rstrip("\n"))

    threading.Thread(target=read, daemon=True).start()


def _end(process: subprocess.Popen[str] | None) -> None:
    if process is not None:
        process.kill()
        process.wait()


@dataclass
class Broker:
    """Mosquitto; `said` is its log. It lets in ACCOUNT alone, and keeps what is to be kept over a restart."""

    folder: Path
    certificates: Certificates | None = None
    port: int = field(default_factory=free_port)
    said: SimpleQueue[str] = field(default_factory=SimpleQueue)
    _process: subprocess.Popen[str] | None = None
    _listeners: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        passwords = self.folder / "passwords"
        subprocess.run([program("mosquitto_passwd"), "-c", "-b", passwords, *ACCOUNT], check=True)
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}"]
        lines += ["persistence true", f"persistence_location {self.folder}/", "log_dest stderr", "log_type all"]
        lines += ["autosave_on_changes true", "autosave_interval 1"]
        if os.getuid() == 0:
            lines.append("user root")  # its own could not read the files of a test
        if self.certificates is not None:
            lines += [f"certfile {self.certificates.certificate}", f"keyfile {self.certificates.key}"]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen(
            [program("mosquitto"), "-c", self.folder / "mosquitto.conf"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        _follow(self._process, self.said.put)
        told(self.said, lambda line: "running" in line)

    def stop(self) -> None:
        """Kill it; what listens to it ends too."""
        for listener in self._listeners:
            _end(listener)
        self._listeners.clear()
        _end(self._process)

    def listen(self, topics: str = "#") -> SimpleQueue[dict[str, Any]]:
        """Return what it is told from now on, and what it keeps, as mosquitto_sub shows it."""
        heard: SimpleQueue[dict[str, Any]] = SimpleQueue()
        name = f"listener-{len(self._listeners)}"
        listener = subprocess.Popen(
            [program("mosquitto_sub"), *self._access(), "-i", name, "-t", topics, "-q", "1", "-F", "%j"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._listeners.append(listener)
        _follow(listener, lambda line: heard.put(json.loads(line)))
        told(self.said, lambda line: f"Sending SUBACK to {name}" in line)
        return heard

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Tell it something as somebody else."""
        more = ["-r"] if retain else []
        subprocess.run(
            [program("mosquitto_pub"), *self._access(), "-t", topic, "-m", payload, "-q", "1", *more], check=True
        )

    def _access(self) -> list[str]:
        encrypted = [] if self.certificates is None else ["--cafile", str(self.certificates.authority)]
        return ["-h", "localhost", "-p", str(self.port), "-u", ACCOUNT[0], "-P", ACCOUNT[1], *encrypted]


@dataclass
class MailServer:
    """Debian's aiosmtpd; `mails` is what it took."""

    certificates: Certificates
    security: str = "starttls"
    account: tuple[str, str] | None = ACCOUNT
    port: int = field(default_factory=free_port)
    mails: SimpleQueue[dict[str, Any]] = field(default_factory=SimpleQueue)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        asked = {
            "port": self.port,
            "security": self.security,
            "account": self.account,
            "certificate": str(self.certificates.certificate),
            "key": str(self.certificates.key),
        }
        # Debian's packages are there for Debian's Python.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-W", "ignore", _SMTP_SERVER, json.dumps(asked)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "listening\n":
            raise RuntimeError("the SMTP server did not start: is python3-aiosmtpd there? run tests/install-tools")
        _follow(self._process, lambda line: self.mails.put(json.loads(line)))

    def stop(self) -> None:
        _end(self._process)


@dataclass(frozen=True)
class Post:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["data"])


@dataclass
class HookServer:
    """An address that takes posts, and answers with `status`; `posts` is what came."""

    certificates: Certificates | None = None
    status: int = 204
    location: str = ""
    token: str | None = None
    port: int = field(default_factory=free_port)
    posts: SimpleQueue[Post] = field(default_factory=SimpleQueue)
    _server: http.server.ThreadingHTTPServer | None = None

    def start(self) -> None:
        hooks = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_let_in = hooks.token is None or self.headers["Authorization"] == f"Bearer {hooks.token}"
                if is_let_in:
                    hooks.posts.put(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hooks.status if is_let_in else 401)
                if hooks.location:
                    self.send_header("Location", hooks.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        if self.certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificates.certificate, self.certificates.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
