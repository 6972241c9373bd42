"""What every request passes: only reading (but for paths that are named), only under a name of this machine, only small."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.web.serving.visitors import LOCALHOST, origin_of

HOST = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::\d{1,5})?")
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that know no frame-ancestors
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Browsers complain of it where others could have changed the answer on its way.
OPENER_POLICY = ("Cross-Origin-Opener-Policy", "same-origin")


class Guard:
    """Turns away what the page has no use for, and marks every answer with SECURITY_HEADERS.

    A page on a foreign site can make a browser's requests reach this server under a name of its own
    (DNS rebinding); they are told apart by their Host header. Addresses can't be rebound and always pass.
    `takes` are paths that a POST from the page itself may reach, with the most bytes of its body.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), takes: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._takes = takes or {}
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own.split('.')[0]}.local", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                if scope["scheme"] == "https" or _names_itself(Headers(scope=scope).get("host", "")):
                    headers[OPENER_POLICY[0]] = OPENER_POLICY[1]
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_marked)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] == "POST" and scope["path"] in self._takes:
            return self._refuse_post(headers, scope["scheme"], self._takes[scope["path"]])
        if scope["method"] not in ("GET", "HEAD"):
            return _refuse(405, "This address takes GET and HEAD.", {"Allow": "GET, HEAD"})
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return _refuse(413, "The page takes no request body.", {"Connection": "close"})
        if not self._is_own_name(headers.get("host", "")):
            return _refuse(421, "Open the page by address, or list this name in the station file under [page] names.")
        return None

    def _refuse_post(self, headers: Headers, scheme: str, most_bytes: int) -> Response | None:
        size = headers.get("content-length", "")
        if "transfer-encoding" in headers or not size.isascii() or not size.isdecimal() or int(size) > most_bytes:
            return _refuse(413, f"Expected a body of at most {most_bytes} bytes.", {"Connection": "close"})
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refuse(415, "Expected application/json.")
        host = headers.get("host", "")
        # What comes by plain HTTP may have come to a proxy by TLS; never the other way round.
        own = {f"{scheme}://{host}", f"https://{host}"}
        if not self._is_own_name(host) or headers.get("origin", f"{scheme}://{host}") not in own:
            return _refuse(403, "Only this page itself may send that.")
        return None

    def _is_own_name(self, host: str) -> bool:
        parts = HOST.fullmatch(host)
        if parts is None:
            return False
        name = (parts["address"] or parts["name"]).lower()
        if name.rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _names_itself(host: str) -> bool:
    """Say whether a Host header is one under which only this machine reaches itself."""
    parts = HOST.fullmatch(host)
    return parts is not None and origin_of((parts["address"] or parts["name"]).lower()) == LOCALHOST


def _refuse(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text + "\n", status, headers)
