"""The page's server: what it answers, what it turns away, and that nobody can make it hang or fall."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.clock import VirtualClock, ms
from edge.errors import ConfigError
from edge.health.faults import Fault, FaultKind
from edge.health.state import INHIBITED_STATES, State
from edge.types import REASON_TEXT, Reason
from edge.web.serving.server import PageServer
from edge.web.serving.visitors import KEPT_FOR_LOCALHOST, LOCALHOST, MAX_CONNECTIONS, MAX_PER_ADDRESS, origin_of
from edge.web.station.app import MAX_STREAMS, MAX_STREAMS_PER_ADDRESS
from edge.web.station.words import STATE_TEXT

ROUTES = {
    "/": "text/html",
    "/page.css": "text/css",
    "/now.js": "text/javascript",
    "/frame.js": "text/javascript",
    "/words.js": "text/javascript",
    "/icon.svg": "image/svg+xml",
    "/api/status": "application/json",
    "/api/items": "application/json",
    "/week": "text/html",
    "/week.js": "text/javascript",
    "/chart.js": "text/javascript",
    "/api/counts": "application/json",
    "/api/timing": "application/json",
    "/items": "text/html",
    "/items.js": "text/javascript",
    "/items.css": "text/css",
    "/api/search": "application/json",
    "/api/choices": "application/json",
    "/bins": "text/html",
    "/bins.js": "text/javascript",
    "/bins.css": "text/css",
    "/api/bins": "application/json",
    "/health": "text/html",
    "/health.js": "text/javascript",
    "/api/health": "application/json",
    "/belt.jpg": "image/jpeg",
    "/crops/1.jpg": "image/jpeg",
    "/metrics": "text/plain",
    "/healthz": "application/json",
}


@pytest.mark.parametrize(("path", "kind"), ROUTES.items())
def test_every_route_answers_with_its_type_and_the_security_headers(
    page: Any, web: httpx.Client, path: str, kind: str
) -> None:
    page.station.decide("glass", "glass")
    answer = web.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    assert web.head(path).status_code == 200


def test_status_says_what_happened(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "glass")
    page.station.decide("metal", "residual", Reason.UNSURE, score=0.41)
    page.station.live.publish_state(State.DEGRADED, [Fault(FaultKind.BIN_FULL, 0, "glass")])
    status = web.get("/api/status").json()
    assert status["state"]["code"] == "degraded"
    assert status["faults"][0]["code"] == "bin-full"
    assert status["faults"][0]["advice"].startswith("Empty the bin")
    assert [where["name"] for where in status["bins"] if where["full"]] == ["glass"]
    assert {where["name"]: where["count"] for where in status["bins"]} == {"glass": 1, "metal": 0, "residual": 1}
    assert status["reasons"] == [{"reason": "unsure", "text": REASON_TEXT[Reason.UNSURE], "count": 1}]
    assert status["model"] == {"name": "waste", "version": "1.0"}
    assert status["health"]["deciding_ms"] == 12
    assert status["health"]["spare_ms"] == 700
    assert status["health"]["disk_free_mb"] > 0


def test_items_say_what_became_of_them(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "glass")
    page.station.decide("trash", "residual", Reason.TOUCHING, said="")
    newest, oldest = web.get("/api/items").json()["items"]
    assert (oldest["label"], oldest["bin"], oldest["score"], oldest["stroke"]) == ("glass", "glass", 0.97, "fired")
    assert (newest["label"], newest["bin"], newest["score"], newest["stroke"]) == ("", "residual", None, "")
    assert newest["text"] == REASON_TEXT[Reason.TOUCHING]


def test_crop_is_the_item(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "glass")
    shown = cv2.imdecode(np.frombuffer(web.get("/crops/1.jpg").content, np.uint8), cv2.IMREAD_COLOR_RGB)
    border = 140 // 12
    inner = shown[border : border + 140, border : border + 140].astype(int)
    assert np.abs(inner - page.station.photos["glass"]).mean() < 6  # what JPEG costs


@pytest.mark.parametrize("name", ["2.jpg", "1.png", "1", "x.jpg", "-1.jpg", "9" * 5000 + ".jpg", "%2e%2e", "²​.jpg"])
def test_crop_that_is_not_there(page: Any, web: httpx.Client, name: str) -> None:
    page.station.decide("glass", "glass")
    assert web.get(f"/crops/{name}").status_code == 404


def test_belt_picture_comes_with_its_boxes(page: Any, web: httpx.Client) -> None:
    page.station.decide("metal", "metal")
    answer = web.get("/belt.jpg")
    overlay = json.loads(answer.headers["x-overlay"])
    assert (overlay["width"], overlay["height"], overlay["line"]) == (640, 480, [384, 0, 384, 480])
    assert overlay["boxes"] == [{"box": [260, 170, 140, 140], "label": "metal", "score": 0.97, "bin": "metal"}]
    assert cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR).shape == (480, 640, 3)


def test_belt_picture_before_the_first_frame(web: httpx.Client) -> None:
    assert web.get("/belt.jpg").status_code == 204


def test_belt_is_sent_once_and_encoded_at_most_ten_times_a_second(
    page: Any, web: httpx.Client, clock: VirtualClock
) -> None:
    page.station.show()
    assert web.get("/belt.jpg").headers["x-sequence"] == "1"
    assert web.get("/belt.jpg?after=1").status_code == 204
    page.station.show()
    assert web.get("/belt.jpg").headers["x-sequence"] == "1"
    clock.advance_to(clock.now() + ms(100))
    assert web.get("/belt.jpg?after=1").headers["x-sequence"] == "2"


@pytest.mark.parametrize("shape", [(0, 0, 3), (480, 0, 3), (1, 1, 3), (3, 5000, 3), (480, 640, 1), (480, 640)])
def test_odd_frames_cost_nothing_but_the_picture(page: Any, web: httpx.Client, shape: tuple[int, ...]) -> None:
    frame = page.station.show()
    page.station.live.publish_frame(type(frame)(np.zeros(shape, np.uint8), frame.captured_at, 99), [])
    assert web.get("/belt.jpg").status_code in (200, 204)
    assert web.get("/healthz").status_code == 200


def test_frame_that_is_not_contiguous(page: Any, web: httpx.Client) -> None:
    frame = page.station.show("glass")
    page.station.live.publish_frame(type(frame)(frame.pixels[::2, ::-1, ::-1], frame.captured_at, 99), [])
    answer = web.get("/belt.jpg")
    assert cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR).shape == (240, 640, 3)


def test_score_that_is_no_number(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "residual", Reason.UNSURE, score=float("nan"))
    assert web.get("/api/items").json()["items"][0]["score"] is None


def test_metrics_are_the_station_s(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "glass")
    families = {family.name: family for family in text_string_to_metric_families(web.get("/metrics").text)}
    assert [(s.labels, s.value) for s in families["sorter_items"].samples if s.value] == [
        ({"bin": "glass", "reason": "sorted"}, 1.0)
    ]


@pytest.mark.parametrize("state", State)
def test_health_by_state(page: Any, web: httpx.Client, state: State) -> None:
    page.station.live.publish_state(state, [])
    answer = web.get("/healthz")
    assert answer.status_code == (503 if state in INHIBITED_STATES else 200)
    assert answer.json()["state"] == str(state)


def test_every_state_and_reason_has_words() -> None:
    assert STATE_TEXT.keys() == set(State)
    assert REASON_TEXT.keys() == set(Reason)


def test_station_s_name_is_escaped(web: httpx.Client) -> None:
    assert "yard &lt;3&gt;" in web.get("/").text
    assert "<3>" not in web.get("/").text


# -- who is turned away ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:9", "192.168.1.7", "[::1]:80", "[fe80::1]"])
def test_own_names_and_addresses_may_ask(idle_web: httpx.Client, host: str) -> None:
    assert idle_web.get("/api/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "@"])
def test_foreign_names_may_not(idle_web: httpx.Client, host: str) -> None:
    answer = idle_web.get("/api/status", headers={"Host": host})
    assert answer.status_code == 421
    assert "[page] names" in answer.text


def test_own_host_name_may_ask(idle_web: httpx.Client) -> None:
    assert idle_web.get("/api/status", headers={"Host": socket.gethostname()}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "WHATEVER"])
def test_nothing_can_be_changed(idle_web: httpx.Client, method: str) -> None:
    assert idle_web.request(method, "/api/status").status_code == 405


def test_no_body_is_taken(idle_web: httpx.Client) -> None:
    assert idle_web.request("GET", "/", content=b"x" * 1_000_000).status_code == 413
    assert idle_web.request("GET", "/", content=iter([b"x"] * 10)).status_code == 413


# -- who tries to make it fall -----------------------------------------------------------------------------------


def raw(port: int, request: bytes) -> bytes:
    """Send bytes, say that no more will come, and return the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # it may hang up on nonsense
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),  # a TLS greeting
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\x00\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\r\n" * 100,
    ],
)
def test_malformed_requests_get_an_answer_or_a_hang_up(
    idle_page: Any, idle_web: httpx.Client, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    answer = raw(idle_page.server.port, request_bytes)
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert idle_web.get("/healthz").status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "HEAD", "get", "POST", ""]),
    path=st.one_of(
        st.text(max_size=60),
        st.sampled_from([*ROUTES, "/events"]).flatmap(lambda r: st.text(max_size=20).map(lambda t: r + t)),
    ),
    headers=st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), max_size=4),
)
def test_any_request_gets_no_server_error(
    idle_page: Any, caplog: pytest.LogCaptureFixture, method: str, path: str, headers: list[tuple[str, str]]
) -> None:
    lines = [f"{method} {path} HTTP/1.0", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
    answer = raw(idle_page.server.port, "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass"))
    status = answer[9:12]
    assert status in (b"", b"200", b"204", b"400", b"404", b"405", b"413", b"421")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_events_tell_everything_first_and_then_what_changed(page: Any, web: httpx.Client) -> None:
    page.station.decide("glass", "glass")
    with web.stream("GET", "/events") as answer:
        told = (json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: "))
        assert [item["id"] for item in next(told)["items"]] == [1]
        page.station.decide("metal", "metal")
        assert [item["id"] for item in next(told)["items"]] == [2]


def test_streams_are_few_and_are_given_back(page: Any) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_STREAMS):
            visitor = stack.enter_context(socket.create_connection(("127.0.0.1", page.server.port), timeout=10))
            visitor.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            told = stack.enter_context(visitor.makefile("rb"))
            assert any(line.startswith(b"data: ") for line in told)
        refused = httpx.get(page.url + "/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert httpx.get(page.url + "/api/status").status_code == 200
    # The visitors are gone; a newcomer is let in as soon as the server has noticed.
    answers = (httpx.head(page.url + "/events").status_code for _ in range(1000))
    assert 200 in answers


def by_last_number(address: str) -> str:
    """Take the loopback network for a network: 127.0.0.1 is this machine, all others are strangers."""
    return LOCALHOST if address == "127.0.0.1" else address


STREAM = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Crowd:
    """Connections to one page, from addresses of the loopback network."""

    def __init__(self, page: Any, stack: ExitStack) -> None:
        self.page, self._stack = page, stack

    def connect(self, source: str, request: bytes = b"") -> socket.socket:
        address = ("127.0.0.1", self.page.server.port)
        visitor = self._stack.enter_context(socket.create_connection(address, 10, source_address=(source, 0)))
        visitor.sendall(request)
        return visitor

    def ask(self, source: str, request: bytes = HEALTH) -> bytes:
        """Return the first line of the answer; empty if the server hangs up."""
        try:
            return first_line(self.connect(source, request))
        except (ConnectionResetError, BrokenPipeError):
            return b""


def first_line(visitor: socket.socket) -> bytes:
    with visitor.makefile("rb") as told:
        try:
            return told.readline().rstrip()
        except ConnectionResetError:
            return b""


@pytest.fixture
def crowd(serve: Callable[..., Any], clock: VirtualClock) -> Iterator[Crowd]:
    with ExitStack() as stack:
        yield Crowd(serve(clock, origin=by_last_number), stack)


OK = b"HTTP/1.1 200 OK"
BUSY = b"HTTP/1.1 503 Service Unavailable"


def test_a_burst_of_streams_is_held_to_their_number(crowd: Crowd) -> None:
    visitors = [crowd.connect("127.0.0.1") for _ in range(40)]
    for visitor in visitors:
        visitor.sendall(STREAM)
    assert Counter(first_line(visitor) for visitor in visitors) == {OK: MAX_STREAMS, BUSY: 40 - MAX_STREAMS}


def test_one_address_can_not_have_all_the_streams(crowd: Crowd) -> None:
    greedy = [crowd.ask("127.0.0.2", STREAM) for _ in range(MAX_STREAMS)]
    assert greedy == [OK] * MAX_STREAMS_PER_ADDRESS + [BUSY] * (MAX_STREAMS - MAX_STREAMS_PER_ADDRESS)
    assert crowd.ask("127.0.0.3", STREAM) == OK


def test_streams_that_are_cut_off_at_once_give_their_places_back(crowd: Crowd) -> None:
    for _ in range(100):
        visitor = crowd.connect("127.0.0.1", STREAM)
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        visitor.close()
    answers = (crowd.ask("127.0.0.1", STREAM.replace(b"GET", b"HEAD")) for _ in range(1000))
    assert OK in answers


@pytest.mark.parametrize("request_bytes", [b"", b"GET / HT", HEALTH], ids=["silent", "half", "kept alive"])
def test_one_address_with_many_connections_keeps_nobody_out(crowd: Crowd, request_bytes: bytes) -> None:
    held = [crowd.connect("127.0.0.2", request_bytes) for _ in range(MAX_CONNECTIONS + 20)]
    for source in ("127.0.0.1", "127.0.0.3", "127.0.0.2"):
        assert crowd.ask(source) == OK
    assert crowd.ask("127.0.0.1", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") == OK
    closed = 0
    for visitor in held[: MAX_CONNECTIONS + 20 - MAX_PER_ADDRESS]:
        hears_nothing_more(visitor)
        closed += 1
    assert closed == MAX_CONNECTIONS + 20 - MAX_PER_ADDRESS


def test_whoever_is_being_answered_makes_way_for_nobody(crowd: Crowd) -> None:
    streams = [crowd.connect("127.0.0.2", STREAM) for _ in range(MAX_STREAMS_PER_ADDRESS)]
    for stream in streams:
        assert first_line(stream) == OK
    for _ in range(2 * MAX_PER_ADDRESS):
        crowd.connect("127.0.0.2", b"GET / HT")
    assert crowd.ask("127.0.0.2") == OK
    crowd.page.station.decide("glass", "glass")
    assert all(stream.recv(10_000) for stream in streams)


def test_places_are_kept_for_this_machine_however_many_strangers_come(crowd: Crowd) -> None:
    strangers = MAX_CONNECTIONS - KEPT_FOR_LOCALHOST
    for number in range(2, 2 + 2 * strangers):
        crowd.connect(f"127.0.0.{number}", b"GET / HT")
    local = [crowd.connect("127.0.0.1") for _ in range(KEPT_FOR_LOCALHOST)]
    for visitor in local:
        visitor.sendall(HEALTH)
        assert first_line(visitor) == OK
    assert crowd.ask("127.0.0.250") == OK


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("127.0.0.1", LOCALHOST),
        ("127.9.9.9", LOCALHOST),
        ("::1", LOCALHOST),
        ("::ffff:127.0.0.1", LOCALHOST),
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_who_counts_as_one_visitor(address: str, origin: str) -> None:
    assert origin_of(address) == origin


@pytest.mark.parametrize(("asked", "half"), [(0, b""), (0, b"GET / HT"), (1, b"GET / HT")])
def test_visitor_who_does_not_finish_asking_is_cut_off(
    serve: Callable[..., Any], clock: VirtualClock, asked: int, half: bytes
) -> None:
    page = serve(clock, patience_s=0.2)
    with socket.create_connection(("127.0.0.1", page.server.port), timeout=10) as visitor:
        for _ in range(asked):
            visitor.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert visitor.recv(65_536).startswith(b"HTTP/1.1 200")
        visitor.sendall(half)
        hears_nothing_more(visitor)
    assert httpx.get(page.url + "/healthz").status_code == 200


@pytest.fixture
def slow_page() -> Iterator[PageServer]:
    """A server with little patience, whose answer to a body takes longer than that."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        await asyncio.sleep(1.2)
        return Response(body)

    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    app.state.closing = threading.Event()
    server = PageServer(app, "127.0.0.1", 0, patience_s=0.4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join(10)


def test_who_has_sent_everything_waits_for_the_answer_as_long_as_it_takes(slow_page: PageServer) -> None:
    with httpx.Client(base_url=slow_page.url, timeout=10) as client:
        for _ in range(2):  # on one connection
            assert client.post("/", content=b"all of it").content == b"all of it"


@pytest.mark.parametrize("size", [3, 300_000])
def test_who_never_finishes_a_body_is_cut_off(slow_page: PageServer, size: int) -> None:
    with socket.create_connection(("127.0.0.1", slow_page.port), timeout=10) as visitor:
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size + 1}\r\n\r\n"
        visitor.sendall(head.encode() + b"x" * size)
        hears_nothing_more(visitor)


def hears_nothing_more(visitor: socket.socket) -> None:
    """Read until the server hangs up; fails by the socket's time limit."""
    try:
        while visitor.recv(65_536):
            pass
    except ConnectionResetError:
        pass


def test_visitor_who_does_not_take_the_answers_is_cut_off(serve: Callable[..., Any], clock: VirtualClock) -> None:
    page = serve(clock, patience_s=0.2)
    requests = b"GET /now.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
    with socket.create_connection(("127.0.0.1", page.server.port), timeout=10) as visitor:
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            ask_for_ever(visitor, requests)
    assert httpx.get(page.url + "/healthz").status_code == 200


def ask_for_ever(visitor: socket.socket, requests: bytes) -> None:
    while True:
        visitor.sendall(requests)


def test_stop_ends_streams_and_the_server(page: Any) -> None:
    with httpx.Client(base_url=page.url, timeout=10) as client, client.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        page.stop()
        assert all(line is not None for line in lines)  # ends instead of hanging
    with pytest.raises(httpx.ConnectError):
        httpx.get(page.url + "/")
    page.server.stop()  # again is harmless


def test_port_in_use_names_the_port_and_the_setting(page: Any, serve: Callable[..., Any], clock: VirtualClock) -> None:
    with pytest.raises(ConfigError, match=rf"port {page.server.port}: another program uses it.*\[page\] port"):
        serve(clock, page.server.port)


def test_address_of_another_machine(serve: Callable[..., Any], clock: VirtualClock, page: Any) -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1 port 8080.*\[page\] host"):
        PageServer(page.server.app, "192.0.2.1", 8080)


def test_url_for_every_address(page: Any) -> None:
    server = PageServer(page.server.app, "0.0.0.0", 0)
    assert server.url == f"http://localhost:{server.port}/"
    server.close()


def test_a_page_for_the_whole_network_names_every_address_of_this_machine(page: Any) -> None:
    assert page.server.urls == [page.server.url]  # others don't reach it
    server = PageServer(page.server.app, "0.0.0.0", 0)
    here, *others = server.urls
    assert here == server.url
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        with suppress(OSError):  # no network at all
            out.connect(("198.51.100.1", 9))  # sends nothing; says which address it would come from
        used = out.getsockname()[0]
    assert (f"http://{used}:{server.port}/" in others) is (used != "0.0.0.0")
    assert page.server.where("/a/") == f"{page.server.url}a/"
    there = " or ".join(f"{other}a/" for other in others)
    assert server.where("/a/") == f"{here}a/" + (f" (on another machine: {there})" if others else "")
    for other in others:
        address = urlsplit(other)
        socket.create_connection((str(address.hostname), address.port), timeout=10).close()
    server.close()


@pytest.mark.parametrize(
    ("host", "is_set"),
    [("localhost", True), ("127.0.0.1:80", True), ("[::1]", True), ("192.168.1.7", False), ("[fe80::1]", False)],
)
def test_a_policy_that_browsers_refuse_over_plain_http_is_not_sent_into_the_network(
    idle_web: httpx.Client, host: str, is_set: bool
) -> None:
    answer = idle_web.get("/", headers={"Host": host})
    assert ("cross-origin-opener-policy" in answer.headers) is is_set
