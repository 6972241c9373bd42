"""The page over TLS, with certificates that fit and some that don't, and with visitors who never say hello."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError
from support.certificates import Certificates, make_certificates
from support.page import sign_in
from support.running import running
from support.stations import YARD, make_station

from edge.clock import SystemClock
from edge.errors import ConfigError
from edge.health.faults import FaultKind
from edge.health.state import State
from edge.tools.check.check_machine import page_problems
from edge.tools.check.page_certificate import certificate_findings
from edge.web.serving.server import PageServer
from edge.web.serving.tls import TlsFiles, open_tls, validity_problems
from edge.web.serving.visitors import MAX_PER_ADDRESS

PATIENCE_S = 1.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def files(certificates: Certificates) -> TlsFiles:
    return TlsFiles(certificates.certificate, certificates.key)


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock())


@pytest.fixture
def secured(page: Any, files: TlsFiles) -> Iterator[PageServer]:
    """The same page, served over TLS besides."""
    server = PageServer(page.server.app, "127.0.0.1", 0, PATIENCE_S, tls=files)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def web(secured: PageServer, certificates: Certificates) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with httpx.Client(base_url=secured.url, verify=context, timeout=20) as client:
        yield client


def test_the_page_is_signed_in_to_over_tls_with_a_cookie_that_never_leaves_it(page: Any, web: httpx.Client) -> None:
    assert str(web.base_url).startswith("https://127.0.0.1:")
    assert web.get("/api/status").status_code == 200
    sign_in(web, page.station.folder)
    (cookie,) = web.cookies.jar
    assert cookie.secure
    origin = str(web.base_url).rstrip("/")
    assert web.post("/pause", json={}, headers={"Origin": origin}).status_code == 200
    insecure = {"Origin": origin.replace("https:", "http:")}
    assert web.post("/resume", json={}, headers=insecure).status_code == 403
    assert [what for what, _ in page.station.pressed] == ["pause"]


def test_large_answers_and_streams_come_whole(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "glass")
    assert web.get("/belt.jpg").content.startswith(b"\xff\xd8")
    with web.stream("GET", "/events") as events:
        assert next(line for line in events.iter_lines() if line.startswith("data: "))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_under_any_name_windows_of_other_sites_are_kept_apart(web: httpx.Client) -> None:
    answer = web.get("/", headers={"Host": "192.168.1.7"})
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


def test_an_old_version_of_tls_is_refused(secured: PageServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # the client would speak them all
    context.minimum_version = ssl.TLSVersion.TLSv1
    for most, refusal in ((ssl.TLSVersion.TLSv1_2, ""), (ssl.TLSVersion.TLSv1_1, "EOF")):
        context.maximum_version = most
        with socket.create_connection(("127.0.0.1", secured.port), 10) as visitor:
            expected = pytest.raises(ssl.SSLError, match=refusal) if refusal else nullcontext()
            with expected:
                context.wrap_socket(visitor).close()


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0" * 500]
)
def test_who_says_no_proper_hello_is_cut_off_and_the_others_are_served(
    secured: PageServer, web: httpx.Client, said: bytes
) -> None:
    strangers = [socket.create_connection(("127.0.0.1", secured.port), 10) for _ in range(3 * MAX_PER_ADDRESS)]
    for stranger in strangers:
        stranger.sendall(said)
    assert web.get("/healthz").status_code == 200
    for stranger in strangers:
        with stranger:
            stranger.settimeout(10 * PATIENCE_S)
            try:
                while stranger.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert web.get("/healthz").status_code == 200


def test_who_leaves_in_the_middle_of_the_hello_gives_the_place_back(secured: PageServer, web: httpx.Client) -> None:
    for _ in range(5 * MAX_PER_ADDRESS):
        with socket.create_connection(("127.0.0.1", secured.port), 10) as stranger:
            stranger.sendall(b"\x16\x03\x01")
    assert web.get("/healthz").status_code == 200


def encrypted(files: TlsFiles, folder: Path) -> TlsFiles:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    path = folder / "encrypted.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return replace(files, key=path)


def of_another(files: TlsFiles, folder: Path) -> TlsFiles:
    return replace(files, key=make_certificates(folder / "other").key)


def named(setting: str, content: str) -> Callable[[TlsFiles, Path], TlsFiles]:
    def put(files: TlsFiles, folder: Path) -> TlsFiles:
        (folder / "file").write_text(content)
        return replace(files, **{setting: folder / "file"})

    return put


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (lambda files, folder: replace(files, certificate=folder / "none"), r"certificate = .*none: no such file"),
        (lambda files, folder: replace(files, key=folder), r"key = .*a folder, not a file"),
        (lambda files, folder: replace(files, key=files.certificate), r"key = .*expected a private key in PEM form"),
        (lambda files, folder: replace(files, certificate=files.key), r"certificate = .*expected a certificate"),
        (named("certificate", ""), r"certificate = .*expected a certificate in PEM form"),
        (named("certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), r"expected a certificate"),
        (named("key", "\0" * 300_000), r"key = .*longer than"),
        (of_another, r"key = .*not the key of .*server\.pem"),
        (encrypted, r"key = .*protected with a password"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_named_with_what_is_wrong(
    files: TlsFiles, tmp_path: Path, broken: Callable[[TlsFiles, Path], TlsFiles], problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"\[page\] {problem}" if "=" in problem else problem):
        open_tls(broken(files, tmp_path))


@pytest.mark.parametrize(
    ("days", "problem"), [(-3, "valid only from"), (0, "expires on"), (-0.5, "expires on"), (3, "expired on")]
)
def test_a_certificate_that_is_over_or_soon_will_be_is_told(files: TlsFiles, days: float, problem: str) -> None:
    (told,) = validity_problems(files, (datetime.now(UTC) + timedelta(days=days)).timestamp())
    assert problem in told


def test_check_names_the_certificate_that_is_missing_and_the_one_that_expires(files: TlsFiles, tmp_path: Path) -> None:
    good = {"port": 0, "certificate": str(files.certificate), "key": str(files.key)}
    (soon,) = page_problems(make_station(YARD, page=good))
    assert (soon.severity, "expires on" in soon.text) == ("warning", True)
    (missing,) = page_problems(make_station(YARD, page=good | {"key": str(tmp_path / "none")}))
    assert (missing.severity, "no such file" in missing.text) == ("error", True)


def test_doctor_says_the_same(files: TlsFiles, tmp_path: Path) -> None:
    named = {"enabled": True, "certificate": str(files.certificate), "key": str(files.key)}
    for key, status, text in ((files.key, "warn", "expires on"), (tmp_path, "fail", "a folder, not a file")):
        (found,) = certificate_findings(make_station(YARD, page=named | {"key": str(key)}))
        assert (found.name, found.status, text in found.text) == ("certificate", status, True)
    assert list(certificate_findings(make_station(YARD, page={"enabled": True}))) == []


def test_a_certificate_without_a_key_is_no_station_file() -> None:
    with pytest.raises(ValidationError, match="certificate is there and key is not"):
        make_station(YARD, page={"certificate": "page.pem"})


def test_a_station_serves_the_certificate_that_its_file_names(tmp_path: Path, certificates: Certificates) -> None:
    page = {"certificate": str(certificates.certificate), "key": str(certificates.key)}
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with running(tmp_path, page=page) as station:
        assert station.url.startswith("https://")
        assert httpx.get(f"{station.url}/api/status", verify=context, timeout=20).status_code == 200


def test_a_certificate_that_can_not_be_used_keeps_nobody_from_sorting(
    tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    page = {"certificate": str(certificates.certificate), "key": str(certificates.certificate)}
    with running(tmp_path, page=page) as station:
        station.wait_for(State.DEGRADED)
        assert FaultKind.PAGE_DOWN in {fault.kind for fault in station.station.health.faults}
    assert "expected a private key in PEM form" in caplog.text
