"""Debian's aiosmtpd with accounts and encryption: run by Debian's Python, it prints each mail as one line of JSON."""

import json
import ssl
import sys
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

asked = json.loads(sys.argv[1])


class Handler:
    """Takes mail for everybody but nobody@..."""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": server.transport.get_extra_info("sslcontext") is not None,
            "user": session.auth_data,
            "content": envelope.content.decode(),
        }
        sys.stdout.write(json.dumps(mail) + "\n")
        sys.stdout.flush()
        return "250 OK"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    user, password = data.login.decode(), data.password.decode()
    return AuthResult(success=[user, password] == asked["account"], handled=False, auth_data=user)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(asked["certificate"], asked["key"])


class Server(Controller):
    """Demands encryption and a login before it takes anything."""

    def factory(self) -> SMTP:
        options: dict[str, Any] = {"authenticator": authenticate, "auth_required": asked["account"] is not None}
        if asked["security"] == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        return SMTP(self.handler, enable_SMTPUTF8=True, auth_require_tls=asked["security"] == "starttls", **options)


server = Server(Handler(), "127.0.0.1", asked["port"], ssl_context=context if asked["security"] == "tls" else None)
server.start()
sys.stdout.write("listening\n")
sys.stdout.flush()
sys.stdin.read()
