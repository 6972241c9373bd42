"""The page behind a real Caddy, as docs/page.md has it, with a certificate that only this test trusts."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.certificates import make_certificates
from support.page import sign_in
from support.paths import ROOT

from edge.clock import SystemClock

NAME = "sorter.example.org"


def caddy() -> str:
    found = shutil.which("caddy") or shutil.which("caddy", path=str(ROOT / ".cache/caddy/usr/bin"))
    assert found, "these tests put a real proxy before the page: tests/install-tools fetches Caddy"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock(), names=[NAME])


@pytest.fixture
def proxied(page: Any, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client that asks Caddy under the name that the certificate is for."""
    files, port = make_certificates(tmp_path / "tls", NAME), free_port()
    (tmp_path / "Caddyfile").write_text(
        f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {tmp_path}/caddy\n}}\n"
        f"https://{NAME}:{port}, https://other.example.org:{port} {{\n\ttls {files.certificate} {files.key}\n"
        f"\treverse_proxy 127.0.0.1:{page.server.port}\n}}\n"
    )
    command = [caddy(), "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as proxy:
        try:
            assert proxy.stderr is not None
            assert any("serving initial configuration" in line for line in proxy.stderr)
            context = ssl.create_default_context(cafile=str(files.authority))
            with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, timeout=20) as client:
                client.headers["Host"] = f"{NAME}:{port}"
                client.headers["Origin"] = f"https://{NAME}:{port}"
                yield client
        finally:
            proxy.kill()


SNI = {"sni_hostname": NAME}


def test_a_stranger_sees_the_entrance_and_who_signs_in_acts_through_the_proxy(page: Any, proxied: httpx.Client) -> None:
    assert proxied.get("/", extensions=SNI).headers["location"].endswith("/enter?to=/")
    assert proxied.get("/metrics", extensions=SNI).status_code == 401
    assert proxied.get("/healthz", extensions=SNI).status_code == 200
    sign_in(proxied, page.station.folder, extensions=SNI)
    (cookie,) = proxied.cookies.jar
    assert cookie.secure
    assert proxied.get("/api/status", extensions=SNI).status_code == 200
    assert proxied.post("/pause", json={}, extensions=SNI).status_code == 200
    foreign = {"Origin": "https://evil.example"}
    assert proxied.post("/resume", json={}, headers=foreign, extensions=SNI).status_code == 403
    assert page.station.pressed == [("pause", "127.0.0.1 on the page")]


def test_events_come_through_as_they_happen(page: Any, proxied: httpx.Client) -> None:
    sign_in(proxied, page.station.folder, extensions=SNI)
    with proxied.stream("GET", "/events", extensions=SNI) as events:
        lines = (line for line in events.iter_lines() if line.startswith("data: "))
        assert '"running"' in next(lines)
        page.station.press("pause", "the test")
        assert any('"stopped"' in line for line in lines)


def test_a_name_that_the_station_file_does_not_list_is_turned_away(proxied: httpx.Client) -> None:
    headers = {"Host": proxied.headers["Host"].replace(NAME, "other.example.org")}
    assert proxied.get("/healthz", headers=headers, extensions=SNI).status_code in (421, 403)


def test_what_a_visitor_says_of_its_address_is_not_believed(page: Any, proxied: httpx.Client) -> None:
    sign_in(proxied, page.station.folder, extensions=SNI)
    claimed = {"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3", "X-Real-IP": "10.1.2.3"}
    assert proxied.post("/pause", json={}, headers=claimed, extensions=SNI).status_code == 200
    assert page.station.pressed == [("pause", "127.0.0.1 on the page")]
