"""Sends messages by mail, over a server that takes it from this station."""

from __future__ import annotations

import logging
import smtplib
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from edge.config.notify import MailSettings
from edge.errors import NotifyError
from edge.notify.channel import CONNECT_S
from edge.notify.explain import explain, shorten, trusted
from edge.notify.message import Message
from edge.notify.secret_files import read_secret

log = logging.getLogger(__name__)


class Mail:
    """One server and the people that it takes mail to; a connection for each message."""

    name = "mail"

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._server = f"{settings.host}:{settings.port_used}"
        self.place = f"{', '.join(settings.to)}, by {self._server}"

    def deliver(self, message: Message) -> None:
        """Hand it to the server.

        Raises:
            NotifyError: the server can't be reached, is not trusted, or does not take it for anybody.
        """
        settings = self._settings
        password = "" if settings.password_file is None else read_secret(settings.password_file)
        try:
            with closing(self._connect()) as server:
                if settings.username is not None:
                    server.login(settings.username, password)
                refused = server.send_message(self._letter(message), settings.sender, settings.to)
                with suppress(smtplib.SMTPException, OSError):  # it has the mail by now
                    server.quit()
        except smtplib.SMTPException as error:
            raise NotifyError(self._refusal(error)) from None
        except OSError as error:
            raise NotifyError(explain(error, settings.host, settings.port_used)) from None
        for address in refused:  # some took it: sending it again would be a second mail for those
            log.warning("mail: %s takes no mail for %s", self._server, address)

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.security == "tls":
            context = trusted(settings.ca_file)
            return smtplib.SMTP_SSL(settings.host, settings.port_used, timeout=CONNECT_S, context=context)
        server = smtplib.SMTP(settings.host, settings.port_used, timeout=CONNECT_S)
        try:
            if settings.security == "starttls":
                server.starttls(context=trusted(settings.ca_file))
        except BaseException:
            server.close()
            raise
        return server

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["From"] = self._settings.sender
        letter["To"] = ", ".join(self._settings.to)
        letter["Subject"] = message.title
        letter["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
        letter["Message-ID"] = f"<{message.message_id}@{message.station}.edge-sorter.invalid>"
        letter["Auto-Submitted"] = "auto-generated"  # answers of people who are away stay away
        letter.set_content(message.text)
        return letter

    def _refusal(self, error: smtplib.SMTPException) -> str:
        match error:
            case smtplib.SMTPAuthenticationError():
                return f"{self._server} refuses user and password: check username and password_file"
            case smtplib.SMTPNotSupportedError():
                return (
                    f"{self._server} offers no {'encryption' if 'STARTTLS' in str(error) else 'login'}: check security"
                )
            case smtplib.SMTPRecipientsRefused(recipients=recipients):
                return f"{self._server} takes no mail for {', '.join(sorted(recipients))}: check to"
            case smtplib.SMTPSenderRefused():
                return f"{self._server} takes no mail from {self._settings.sender}: check sender, or log in"
            case smtplib.SMTPServerDisconnected() if "timed out" in str(error):
                return f"{self._server} does not answer"
            case smtplib.SMTPServerDisconnected():
                return f"{self._server} broke the connection off: check port and security"
            case smtplib.SMTPResponseException(smtp_code=code, smtp_error=said):
                told = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
                return shorten(f"{self._server} answers {code}: {told}")
        return shorten(f"{self._server}: {error}")
