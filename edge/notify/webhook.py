"""Posts messages as JSON, signed as standardwebhooks.com says, so that the receiver's library can check them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import urllib.error
import urllib.request

from edge import __version__
from edge.config.notify import WebhookSettings
from edge.errors import NotifyError
from edge.interfaces import Clock
from edge.notify.channel import CONNECT_S
from edge.notify.explain import explain, trusted
from edge.notify.message import Message
from edge.notify.secret_files import read_secret

_PREFIX = "whsec_"
_LEAST_KEY_BYTES = 16
_REDIRECTS = range(300, 400)


class Webhook:
    """One address; its secrets are read anew for each delivery, so that a file that was put right counts at once."""

    def __init__(self, settings: WebhookSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        parts = settings.parts
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        # The rest of an address is often what lets its owner in.
        self.name, self.place = f"webhook {settings.name}", f"{parts.scheme}://{self._host}:{self._port}"

    def deliver(self, message: Message) -> None:
        """Post it.

        Raises:
            NotifyError: the server can't be reached, or does not answer with a status from 200 to 299.
        """
        body = json.dumps(_as_table(message), ensure_ascii=False).encode()
        request = urllib.request.Request(self._settings.url, body, self._headers(message, body), method="POST")
        try:
            with self._opener().open(request, timeout=CONNECT_S):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            raise NotifyError(self._refusal(error)) from None
        except (OSError, http.client.HTTPException) as error:
            inner = error.reason if isinstance(error, urllib.error.URLError) else error
            if not isinstance(inner, BaseException):
                raise NotifyError(f"{self.place}: {inner}") from None
            raise NotifyError(explain(inner, self._host, self._port)) from None

    def _opener(self) -> urllib.request.OpenerDirector:
        """Return what posts and does nothing else: it follows no redirection, and opens no files."""
        opener = urllib.request.OpenerDirector()
        context = trusted(self._settings.ca_file)
        handlers = [
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ]
        for handler in handlers:
            opener.add_handler(handler)
        return opener

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        settings, timestamp = self._settings, str(int(self._clock.wall_time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"edge-sorter/{__version__}",
            "webhook-id": message.message_id,
            "webhook-timestamp": timestamp,
        }
        if settings.secret_file is not None:
            key = signing_key(settings)
            signed = f"{message.message_id}.{timestamp}.".encode() + body
            digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            headers["webhook-signature"] = f"v1,{digest}"
        if settings.token_file is not None:
            headers["Authorization"] = f"Bearer {read_secret(settings.token_file)}"
        return headers

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        if error.code in (401, 403):
            return f"{self.place} does not let this station in (HTTP {error.code}): check token_file and secret_file"
        if error.code in _REDIRECTS:
            return f"{self.place} sends elsewhere (HTTP {error.code}): write that address into the station file"
        return f"{self.place} refuses the message (HTTP {error.code})"


def signing_key(settings: WebhookSettings) -> bytes:
    """Return the key of the secret file.

    Raises:
        NotifyError: the file can't be used, or holds something else.
    """
    assert settings.secret_file is not None
    secret = read_secret(settings.secret_file)
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or len(key) < _LEAST_KEY_BYTES:
        make = f"echo {_PREFIX}$(head -c 32 /dev/urandom | base64)"
        raise NotifyError(f"{settings.secret_file}: expected {_PREFIX} and a key in base64; this makes one: {make}")
    return key


def _as_table(message: Message) -> dict[str, object]:
    return {
        "type": str(message.kind),
        "timestamp": message.time,
        "data": {
            "station": message.station,
            "fault": message.fault,
            "detail": message.detail,
            "severity": message.severity,
            "title": message.title,
            "text": message.text,
            "times": message.times,
        },
    }
