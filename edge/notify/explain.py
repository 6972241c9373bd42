"""What went wrong on the way to a server, in plain words that stay the same from try to try."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path

from edge.errors import NotifyError
from edge.system.text import harmless

_LONGEST = 200


def explain(error: BaseException, host: str, port: int) -> str:
    """Return why a connection to that server failed; what libraries wrapped is looked for inside."""
    place = f"{host}:{port}"
    found: BaseException | None = error
    while found is not None:
        if text := _plain(found, host, place):
            return text
        found = found.__cause__ or found.__context__
    return f"{place}: {shorten(str(error) or type(error).__name__)}"


def _plain(error: BaseException, host: str, place: str) -> str:
    match error:
        case NotifyError():
            return str(error)
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            return f"the certificate of {host} can't be trusted ({why}); see ca_file in docs/notify.md"
        case ssl.SSLError():
            return (
                f"no encrypted connection with {place} ({error.reason or 'it was broken off'}): is it the right port?"
            )
        case socket.gaierror():
            return f"nobody here knows the name {host}: check it, and the network"
        case ConnectionRefusedError():
            return f"{place} refuses connections: does it run, and on this port?"
        case TimeoutError():
            return f"{place} does not answer"
        case PermissionError():
            return f"{place} may not be reached from here: the service is kept to the local network (docs/notify.md)"
        case OSError() if error.errno is not None:
            return f"{place}: {os.strerror(error.errno)}"
    return ""


def shorten(text: str) -> str:
    """Return what a server said, fit for a line of the page and of the log."""
    line = " ".join(harmless(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Return what certificates are checked with: those that this machine trusts, or those that this authority signed.

    Raises:
        NotifyError: the file is missing or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError:
        raise NotifyError(f"{ca_file}: expected a certificate in PEM form, -----BEGIN CERTIFICATE-----") from None
    except OSError as error:
        raise NotifyError(f"{ca_file}: can't be read: {error.strerror}") from None
