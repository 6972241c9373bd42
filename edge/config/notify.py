"""Settings of who is told what goes on at a station: a broker, a web address, people by mail."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from edge.config.base import Name, Settings

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]]+@[^@\s<>,;:\"()\[\]]+")
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_TOPIC = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


def _check_address(text: str) -> str:
    if not (text.isascii() and _ADDRESS.fullmatch(text)):
        raise ValueError(f"{text!r}: expected one mail address, as in technician@example.org")
    return text


def _check_host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f"{text!r}: expected a name or an address alone, as in mail.example.org, without port or ://")
    return text


def _check_topic(text: str) -> str:
    if not _TOPIC.fullmatch(text):
        raise ValueError(f"{text!r}: expected letters, digits, - and _, with / between them, as in halls/edge-sorter")
    return text


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; expected an address as in https://example.org/hook") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or not text.isascii() or not text.isprintable():
        raise ValueError(f"{text!r}: expected an address as in https://example.org/hook, other signs written as %20")
    if " " in text:
        raise ValueError(f"{text!r}: expected an address without spaces: write %20")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address has a user or a password in it: put what it needs to know into a token_file")
    return text


Host = Annotated[str, AfterValidator(_check_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Topic = Annotated[str, AfterValidator(_check_topic)]
Address = Annotated[str, AfterValidator(_check_address)]
Url = Annotated[str, AfterValidator(_check_url)]

_SECRET = "a file that others can't read (docs/notify.md)"


class MqttSettings(Settings):
    """A broker that is told state, faults, counts and the last item; Home Assistant finds the station there by itself."""

    host: Host = Field(description="name or address of the broker", examples=["homeassistant.local"])
    port: Port | None = Field(default=None, description="port; unset: 8883 with tls, else 1883", examples=[8883])
    tls: bool = Field(default=False, description="encrypt, and check the broker's certificate")
    ca_file: Path | None = Field(
        default=None,
        description="certificate of who signed the broker's, PEM; unset: those that this machine trusts",
        examples=["/etc/sorter/broker-ca.pem"],
    )
    username: str | None = Field(default=None, description="user at the broker", examples=["sorter"])
    password_file: Path | None = Field(
        default=None, description=f"that user's password: {_SECRET}", examples=["/etc/sorter/mqtt-password"]
    )
    topic: Topic = Field(default="edge-sorter", description="topics begin with it; the station's name follows")
    discovery_prefix: Topic = Field(default="homeassistant", description="where Home Assistant looks for devices")
    commands: bool = Field(
        default=False, description="whoever may write at the broker may pause, resume and reset the station"
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> MqttSettings:
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file is there and tls is not: set tls = true")
        return _with_user(self)

    @property
    def port_used(self) -> int:
        return self.port or (8883 if self.tls else 1883)


class Alerting(Settings):
    """Of which faults messages are sent, and how soon."""

    faults: tuple[str, ...] = Field(
        default=("fault", "bin-full"),
        min_length=1,
        description="faults to tell of, by name (docs/reference/faults.md); fault and warning stand for all of that severity",
        examples=[["fault", "bin-full"]],
    )
    after_s: float = Field(
        default=60.0, ge=0, le=86_400, description="a fault is told of once it has lasted so many seconds"
    )


class WebhookSettings(Alerting):
    """A web address that JSON is posted to, for each fault once and once for its end."""

    name: Name = Field(description="what messages about it call it", examples=["ntfy"])
    url: Url = Field(description="where to post to", examples=["https://hooks.example.org/sorter"])
    secret_file: Path | None = Field(
        default=None,
        description=f"key to sign with, whsec_ and base64: {_SECRET}",
        examples=["/etc/sorter/hook-secret"],
    )
    token_file: Path | None = Field(
        default=None,
        description=f"token that lets it in, sent as Bearer: {_SECRET}",
        examples=["/etc/sorter/hook-token"],
    )
    ca_file: Path | None = Field(
        default=None,
        description="certificate of who signed the server's, PEM; unset: those that this machine trusts",
        examples=["/etc/sorter/hook-ca.pem"],
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> WebhookSettings:
        if self.token_file is not None and not (self.parts.scheme == "https" or _is_here(self.parts.hostname or "")):
            raise ValueError("token_file: on the way to http:// everybody could read the token; use https://")
        return self

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)


class MailSettings(Alerting):
    """A mail for each fault, and one for its end."""

    host: Host = Field(description="name or address of the server that takes mail", examples=["mail.example.org"])
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="how it is encrypted; none only for a server on this machine or its network"
    )
    port: Port | None = Field(
        default=None, description="port; unset: 587 with starttls, 465 with tls, 25 with none", examples=[587]
    )
    ca_file: Path | None = Field(
        default=None,
        description="certificate of who signed the server's, PEM; unset: those that this machine trusts",
        examples=["/etc/sorter/mail-ca.pem"],
    )
    username: str | None = Field(default=None, description="user at the server", examples=["line-1@example.org"])
    password_file: Path | None = Field(
        default=None, description=f"that user's password: {_SECRET}", examples=["/etc/sorter/mail-password"]
    )
    sender: Address = Field(description="address that it comes from", examples=["line-1@example.org"])
    to: tuple[Address, ...] = Field(
        min_length=1, max_length=20, description="addresses that get it", examples=[["technician@example.org"]]
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> MailSettings:
        if self.username is not None and self.security == "none":
            raise ValueError('security = "none" would send user and password in the open: set "starttls" or "tls"')
        if self.ca_file is not None and self.security == "none":
            raise ValueError('ca_file is there and security is "none": set "starttls" or "tls"')
        return _with_user(self)

    @property
    def port_used(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]


Login = TypeVar("Login", MqttSettings, MailSettings)


class NotifySettings(Settings):
    """Who is told what goes on."""

    mqtt: MqttSettings | None = None
    webhook: tuple[WebhookSettings, ...] = Field(default=(), max_length=8)
    mail: MailSettings | None = None

    @model_validator(mode="after")
    def _has_each_once(self) -> NotifySettings:
        names = [hook.name for hook in self.webhook]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two webhooks are called {twice[0]!r}")
        return self


def _with_user(settings: Login) -> Login:
    if settings.password_file is not None and settings.username is None:
        raise ValueError("password_file is there and username is not: say whose password it is")
    return settings


def _is_here(host: str) -> bool:
    """Say whether what is sent there stays on this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
