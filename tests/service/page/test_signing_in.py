"""Who may change something on the page, tried as strangers, other sites and guessers would."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import Any

import httpx
import pytest
from support.page import sign_in

from edge.clock import VirtualClock, ms
from edge.web.station.attempts import MOST_WAIT_LOCALHOST_S
from edge.web.station.signin import MOST_SESSIONS, SESSION_S
from edge.web.station.token import make_token, read_token

BODIES = {
    "/pause": {},
    "/resume": {},
    "/reset": {},
    "/emptied": {"bin": "glass"},
    "/jog": {"actuator": "flap-glass"},
    "/roll-back": {"generation": 7},
    "/teach/begin": {"label": "glass"},
    "/teach/choose": {"label": "glass", "mark": "m"},
    "/teach/undo": {"mark": "m"},
    "/teach/end": {},
    "/teach/learn": {},
    "/teach/install": {"digest": "d"},
    "/teach/forget": {"label": "glass"},
}
SIGNED = tuple(BODIES)


def test_nothing_is_done_for_who_did_not_sign_in(page: Any, web: httpx.Client) -> None:
    for path in SIGNED:
        web.cookies.clear()
        assert (path, web.post(path, json=BODIES[path]).status_code) == (path, 401)
        web.cookies.set(f"session-{page.server.port}", "guessed")
        assert web.post(path, json=BODIES[path], headers={"X-CSRF-Token": "guessed"}).status_code == 401, path
    assert page.station.pressed == []


@pytest.mark.parametrize("path", [path for path in SIGNED if path != "/jog"])
def test_whoever_signed_in_may_and_is_named(page: Any, web: httpx.Client, path: str) -> None:
    sign_in(web, page.station.folder)
    assert web.get("/session").json()["signed_in"]
    assert web.post(path, json=BODIES[path]).status_code == 200
    ((_, who),) = page.station.pressed
    assert who == "127.0.0.1 on the page"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"more": 1}', b'{"bin": 3}', b'{"generation": -1}', b"\xff", b"NaN"])
def test_a_body_that_says_something_else_does_nothing(page: Any, web: httpx.Client, body: bytes) -> None:
    sign_in(web, page.station.folder)
    for path in SIGNED:
        refused = web.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (path, refused.status_code, refused.text.startswith("Expected ")) == (path, 400, True)
    assert page.station.pressed == []


def test_every_address_that_takes_a_post_is_tried_here(page: Any) -> None:
    posts = {route.path for route in page.server.app.routes if route.methods == {"POST"}}
    assert posts == {*SIGNED, "/sign-in", "/sign-out"}


def test_the_cookie_is_for_this_page_s_requests_alone(page: Any, web: httpx.Client) -> None:
    answer = web.post("/sign-in", json={"token": read_token(page.station.folder)})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"session-{page.server.port}=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {"httponly", "path=/", "samesite=strict"}


def test_a_proxy_with_tls_gets_a_cookie_that_never_goes_without_it(page: Any, web: httpx.Client) -> None:
    origin = {"Origin": page.url.replace("http:", "https:")}
    answer = web.post("/sign-in", json={"token": read_token(page.station.folder)}, headers=origin)
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", ""])
def test_another_site_can_not_use_a_browser_that_signed_in(page: Any, web: httpx.Client, origin: str) -> None:
    sign_in(web, page.station.folder)
    assert web.post("/pause", json={}, headers={"Origin": origin}).status_code == 403
    assert page.station.pressed == []


@pytest.mark.parametrize("header", [None, "", "x", "ü"])
def test_the_cookie_alone_is_not_enough(page: Any, web: httpx.Client, header: str | None) -> None:
    sign_in(web, page.station.folder)
    del web.headers["X-CSRF-Token"]
    headers = {} if header is None else {"X-CSRF-Token": header.encode()}
    assert web.post("/pause", json={}, headers=headers).status_code == 403
    assert page.station.pressed == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_of_another_site_can_send_is_not_taken(page: Any, web: httpx.Client, kind: str) -> None:
    sign_in(web, page.station.folder)
    assert web.post("/pause", content=b"{}", headers={"Content-Type": kind}).status_code == 415
    assert page.station.pressed == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_no_other_method_changes_anything(page: Any, web: httpx.Client, method: str) -> None:
    sign_in(web, page.station.folder)
    for path in (*SIGNED, "/sign-in", "/sign-out"):
        assert (path, web.request(method, path).status_code) == (path, 405)
        assert web.get("/session").json()["signed_in"]
    assert page.station.pressed == []


def test_a_body_that_is_too_large_is_turned_away_unread(page: Any, web: httpx.Client) -> None:
    sign_in(web, page.station.folder)
    for path in (*SIGNED, "/sign-in", "/sign-out"):
        assert (path, web.post(path, json={"token": "x" * 2000}).status_code) == (path, 413)
        assert web.post(path, content=iter([b"{}"])).status_code in (413, 415), path
    assert page.station.pressed == []


@pytest.mark.parametrize(
    "extra",
    [
        b"Content-Length: 2\r\nContent-Length: 50\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 2, 3\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length: 2\r\nX-CSRF-Token: other\r\n",
        b"Content-Length: 2\r\nCookie: session-x=1\r\nX-HTTP-Method-Override: PUT\r\nOrigin: http://evil.example\r\n",
        b"Content-Length: 2\r\nHost: evil.example\r\n",
        b"Content-Length: 2\r\nAuthorization: Bearer\x00x\r\n",
    ],
)
def test_headers_that_two_programs_may_read_in_two_ways_do_nothing(page: Any, web: httpx.Client, extra: bytes) -> None:
    """Among them a second request that hides behind the body of the first."""
    sign_in(web, page.station.folder)
    cookie = "; ".join(f"{one.name}={one.value}" for one in web.cookies.jar)
    known = f"Cookie: {cookie}\r\nX-CSRF-Token: {web.headers['X-CSRF-Token']}\r\n".encode()
    hidden = (
        b"POST /resume HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    head = b"POST /pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + extra + known
    with socket.create_connection(("127.0.0.1", page.server.port), timeout=15) as visitor:
        visitor.sendall(head + b"\r\n{}" + hidden)
        visitor.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):
            while piece := visitor.recv(65_536):
                answer += piece
    statuses = {int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer)}
    assert statuses <= {400, 401, 403, 413, 421}
    assert page.station.pressed == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"token": 3}', b'{"token": "a", "more": 1}', b"\xff"])
def test_a_sign_in_that_is_none_is_refused(web: httpx.Client, body: bytes) -> None:
    assert web.post("/sign-in", content=body, headers={"Content-Type": "application/json"}).status_code == 400


def test_a_session_that_was_signed_out_can_not_be_used_again(page: Any, web: httpx.Client) -> None:
    sign_in(web, page.station.folder)
    kept = dict(web.cookies)
    assert web.post("/sign-out", json={}).status_code == 200
    web.cookies.update(kept)
    assert web.post("/pause", json={}).status_code == 401
    assert page.station.pressed == []


def test_a_session_ends_by_itself(page: Any, web: httpx.Client, clock: VirtualClock) -> None:
    sign_in(web, page.station.folder)
    clock.advance_to(clock.now() + ms(1000 * SESSION_S))
    assert web.post("/pause", json={}).status_code == 401


def test_a_new_token_ends_all_sessions_and_the_old_one_is_worth_nothing(page: Any, web: httpx.Client) -> None:
    old = read_token(page.station.folder)
    sign_in(web, page.station.folder)
    new = make_token(page.station.folder)
    assert web.post("/sign-in", json={"token": new}).status_code == 200
    for session in ({}, {"Authorization": f"Bearer {old}"}):
        with httpx.Client(base_url=page.url, headers=session) as other:
            other.cookies.update(web.cookies if not session else {})
            assert other.post("/pause", json={}).status_code == 403
    assert page.station.pressed == []


def test_sessions_are_few(page: Any, web: httpx.Client) -> None:
    sign_in(web, page.station.folder)
    token = read_token(page.station.folder)
    with httpx.Client(base_url=page.url) as others:
        for _ in range(MOST_SESSIONS):
            assert others.post("/sign-in", json={"token": token}).status_code == 200
    assert web.post("/pause", json={}).status_code == 401


def test_guessing_is_turned_away_and_the_right_token_passes_all_the_same(page: Any, web: httpx.Client) -> None:
    right = read_token(page.station.folder)
    answers = [web.post("/sign-in", json={"token": f"guess {n}"}) for n in range(20)]
    assert {answer.status_code for answer in answers[:5]} == {403}
    assert {answer.status_code for answer in answers[5:]} == {429}
    assert 0 < float(answers[-1].headers["Retry-After"]) <= MOST_WAIT_LOCALHOST_S
    assert web.post("/pause", json={}, headers={"Authorization": f"Bearer {right}"}).status_code == 200
    answers = [web.post("/sign-in", json={"token": f"guess {n}"}) for n in range(20)]
    assert answers[-1].status_code == 429
    assert web.post("/sign-in", json={"token": right}).status_code == 200


def test_a_wait_ends_by_itself(page: Any, web: httpx.Client, clock: VirtualClock) -> None:
    answers = [web.post("/sign-in", json={"token": f"guess {n}"}) for n in range(6)]
    clock.advance_to(clock.now() + ms(1000 * float(answers[-1].headers["Retry-After"])))
    assert web.post("/sign-in", json={"token": "another guess"}).status_code == 403


def test_who_signed_in_is_not_kept_out_by_who_guesses(page: Any, web: httpx.Client) -> None:
    sign_in(web, page.station.folder)
    with httpx.Client(base_url=page.url) as guesser:
        assert guesser.post("/sign-in", json={"token": "x"}).status_code == 403
        while guesser.post("/sign-in", json={"token": "x"}).status_code != 429:
            pass
    assert web.post("/pause", json={}).status_code == 200


def test_a_token_may_be_typed_as_one_likes(page: Any, web: httpx.Client) -> None:
    typed = read_token(page.station.folder).replace("-", " ").upper()
    assert web.post("/sign-in", json={"token": f" {typed} "}).status_code == 200


@pytest.mark.parametrize("content", ["", "short", "x" * 21, "x" * 250])
def test_a_token_that_is_none_lets_nobody_in(page: Any, web: httpx.Client, content: str) -> None:
    (page.station.folder / "page-token").write_text(content)
    answer = web.post("/sign-in", json={"token": content})
    assert answer.status_code == 503
    assert "`sorter token` says why" in answer.text


def test_a_token_that_others_may_read_is_not_taken(page: Any, web: httpx.Client) -> None:
    right = read_token(page.station.folder)
    page.station.folder.joinpath("page-token").chmod(0o644)
    web.post("/sign-in", json={"token": "makes it look"})
    assert web.post("/sign-in", json={"token": right}).status_code == 503
