"""Mail over Debian's SMTP server: who gets it, how it is encrypted, and what is said of a server that does not take it."""

from __future__ import annotations

import email
import email.policy
import logging
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
from support.certificates import Certificates, make_certificates
from support.notify_servers import ACCOUNT, MailServer

from edge.clock import NS_PER_S, SystemClock
from edge.config.notify import MailSettings
from edge.errors import NotifyError
from edge.health.faults import Fault, FaultKind
from edge.notify.alerts import Alert, AlertKind
from edge.notify.mail import Mail
from edge.notify.message import Message, write_message

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["starttls", "tls"])
def server(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[MailServer]:
    server = MailServer(certificates, security=request.param)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def open_server(certificates: Certificates) -> Iterator[MailServer]:
    """One without encryption and accounts, as on a network of one's own."""
    server = MailServer(certificates, security="none", account=None)
    server.start()
    yield server
    server.stop()


def mail(server: MailServer, **more: Any) -> Mail:
    own = {"host": "localhost", "port": server.port, "security": server.security, "sender": "line-1@example.org"}
    return Mail(MailSettings.model_validate(own | {"to": ["technician@example.org"]} | more))


def with_login(server: MailServer, folder: Path) -> dict[str, Any]:
    password = folder / "password"
    password.write_text(ACCOUNT[1])
    password.chmod(0o600)
    return {"username": ACCOUNT[0], "password_file": password, "ca_file": server.certificates.authority}


def message(language: str = "en") -> Message:
    clock = SystemClock()
    fault = Fault(FaultKind.BIN_FULL, clock.now(), "Fässer")
    return write_message(Alert(AlertKind.RAISED, fault, clock.now(), 1, NS_PER_S), "line-1", clock, language)


def taken(server: MailServer) -> tuple[dict[str, Any], EmailMessage]:
    """Return what the server took, and the letter as a program that shows mail reads it."""
    mail = server.mails.get(timeout=30)
    return mail, cast(EmailMessage, email.message_from_string(mail["content"], policy=email.policy.default))


@pytest.mark.parametrize("language", ["en", "vi"])
def test_it_comes_encrypted_from_the_account_with_the_words_of_the_fault(
    server: MailServer, tmp_path: Path, language: str
) -> None:
    sent = message(language)
    assert sent.text.startswith({"en": "A bin is full", "vi": "Có thùng đã đầy"}[language])
    people = ["technician@example.org", "operator@example.org"]
    mail(server, **with_login(server, tmp_path), to=people).deliver(sent)
    envelope, letter = taken(server)
    assert envelope["encrypted"]
    assert (envelope["user"], envelope["from"], envelope["to"]) == (ACCOUNT[0], "line-1@example.org", people)
    assert letter["Subject"] == sent.title
    assert "(Fässer)" in letter["Subject"]
    assert letter.get_content().splitlines() == sent.text.splitlines()
    assert (letter["To"], letter["Auto-Submitted"]) == (", ".join(people), "auto-generated")
    assert letter["Message-ID"] == f"<{sent.message_id}@line-1.edge-sorter.invalid>"


def test_a_server_that_wants_a_login_and_gets_none_is_named(server: MailServer) -> None:
    with pytest.raises(NotifyError, match=f"localhost:{server.port} .*(takes no mail from|answers 530)"):
        mail(server, ca_file=server.certificates.authority).deliver(message())
    assert server.mails.empty()


def test_a_server_without_encryption_is_not_used_in_the_open(open_server: MailServer) -> None:
    with pytest.raises(NotifyError, match=f"localhost:{open_server.port} offers no encryption: check security"):
        mail(open_server, security="starttls").deliver(message())
    assert open_server.mails.empty()


def test_an_address_that_the_server_does_not_know_keeps_nothing_from_the_others(
    open_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    mail(open_server, to=["nobody@example.org", "technician@example.org"]).deliver(message())
    assert taken(open_server)[0]["to"] == ["technician@example.org"]
    assert f"localhost:{open_server.port} takes no mail for nobody@example.org" in caplog.text


def test_where_the_server_takes_mail_for_none_of_them_it_is_said(open_server: MailServer) -> None:
    with pytest.raises(NotifyError, match=r"takes no mail for nobody@example\.org: check to"):
        mail(open_server, to=["nobody@example.org"]).deliver(message())
