"""A post can be checked by the receiver with the library of Standard Webhooks, and goes nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError
from support.notify_servers import HookServer

from edge.clock import NS_PER_S, SystemClock
from edge.config.notify import WebhookSettings
from edge.errors import NotifyError
from edge.health.faults import Fault, FaultKind
from edge.notify.alerts import Alert, AlertKind
from edge.notify.message import Message, write_message
from edge.notify.webhook import Webhook

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


@pytest.fixture
def server() -> Iterator[HookServer]:
    server = HookServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


def message() -> Message:
    clock = SystemClock()
    fault = Fault(FaultKind.BIN_FULL, clock.now(), "Fässer")
    return write_message(Alert(AlertKind.RAISED, fault, clock.now(), 1, NS_PER_S), "line-1", clock, "en")


def hook(server: HookServer, **more: object) -> Webhook:
    settings = {"name": "office", "url": f"http://localhost:{server.port}/sorter?key=of-mine", **more}
    return Webhook(WebhookSettings.model_validate(settings), SystemClock())


def test_the_receivers_library_takes_it_and_refuses_what_was_changed(server: HookServer, secret_file: Path) -> None:
    sent = message()
    hook(server, secret_file=secret_file).deliver(sent)
    post = server.posts.get(timeout=30)
    verifier = Verifier(SECRET)
    table = verifier.verify(post.body, post.headers)
    assert (table["type"], table["data"]["fault"], table["data"]["title"]) == ("fault.raised", "bin-full", sent.title)
    assert "(Fässer)" in table["data"]["title"]
    assert (post.path, post.headers["webhook-id"]) == ("/sorter?key=of-mine", sent.message_id)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(post.body.replace(b"bin-full", b"jam"), post.headers)


def test_without_a_key_nothing_is_signed_and_without_a_token_none_is_sent(server: HookServer) -> None:
    hook(server).deliver(message())
    headers = server.posts.get(timeout=30).headers
    assert {"webhook-signature", "authorization"}.isdisjoint(headers)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (302, r"sends elsewhere \(HTTP 302\): write that address"),
        (401, r"does not let this station in \(HTTP 401\)"),
        (404, r"refuses the message \(HTTP 404\)"),
        (500, r"refuses the message \(HTTP 500\)"),
    ],
)
def test_an_answer_that_is_no_yes_is_named_and_the_rest_of_the_address_is_not(
    server: HookServer, status: int, why: str
) -> None:
    server.status, server.location = status, "http://localhost/elsewhere"
    with pytest.raises(NotifyError, match=why) as caught:
        hook(server).deliver(message())
    assert "of-mine" not in str(caught.value)
    assert server.posts.qsize() == 1


@pytest.mark.parametrize("content", ["not a key", "whsec_", "whsec_c2hvcnQ=", base64.b64encode(bytes(32)).decode()])
def test_what_is_no_key_is_refused_with_how_to_make_one(server: HookServer, secret_file: Path, content: str) -> None:
    secret_file.write_text(content)
    with pytest.raises(NotifyError, match="expected whsec_ and a key in base64; this makes one: echo whsec_"):
        hook(server, secret_file=secret_file).deliver(message())


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"x" * 5000])
def test_a_secret_is_one_line_of_text(server: HookServer, secret_file: Path, content: bytes) -> None:
    secret_file.write_bytes(content)
    with pytest.raises(NotifyError, match="secret: expected one line of text, the secret alone"):
        hook(server, token_file=secret_file).deliver(message())
