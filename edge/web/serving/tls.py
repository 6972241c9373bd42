"""The certificate that a page is served with: read and checked before anybody connects."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from edge.errors import ConfigError
from edge.system.files import read_regular

MOST_BYTES = 1 << 18
SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate, with those that lead to its authority below it, and its key; both in PEM form."""

    certificate: Path
    key: Path


def open_tls(files: TlsFiles) -> ssl.SSLContext:
    """Return what a server answers with.

    Raises:
        ConfigError: one of the files is missing or something else, or the key is another certificate's.
    """
    certificate = _read_certificate(files.certificate)
    if _public(_read_key(files.key)) != _public(certificate.public_key()):
        _refuse("key", files.key, f"not the key of {files.certificate}: expected the one that it was made with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key, password="")
    except (OSError, ValueError) as error:
        _refuse("certificate", files.certificate, f"can't be used with its key ({error})")
    return context


def validity_problems(files: TlsFiles, now: float) -> Iterator[str]:
    """Say what browsers won't like, now or soon; `now` is in seconds since the epoch. A certificate is served all the same.

    Raises:
        ConfigError: it can't be read.
    """
    certificate, today = _read_certificate(files.certificate), datetime.fromtimestamp(now, UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if today < begins:
        yield f"{files.certificate}: valid only from {begins:%Y-%m-%d %H:%M} UTC; it is {today:%Y-%m-%d %H:%M} here"
    elif today > ends:
        yield f"{files.certificate}: expired on {ends:%Y-%m-%d}: browsers refuse the page; renew it and restart the service"
    elif today > ends - SOON:
        yield f"{files.certificate}: expires on {ends:%Y-%m-%d}; renew it and restart the service"


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read("certificate", path))[0]
    except (ValueError, UnsupportedAlgorithm):
        _refuse("certificate", path, "expected a certificate in PEM form (-----BEGIN CERTIFICATE-----)")


def _read_key(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(_read("key", path), None)
    except TypeError:
        _refuse("key", path, "protected with a password, which nobody can type at a start: expected a key without one")
    except (ValueError, UnsupportedAlgorithm):
        _refuse("key", path, "expected a private key in PEM form (-----BEGIN PRIVATE KEY-----)")


def _public(key: object) -> bytes:
    public = key.public_key() if hasattr(key, "public_key") else key
    assert hasattr(public, "public_bytes")
    written: bytes = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return written


def _read(setting: str, path: Path) -> bytes:
    try:
        return read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        _refuse(setting, path, "no such file")
    except PermissionError:
        _refuse(
            setting,
            path,
            "can't be read by the account that serves the page: sudo chgrp sorter and chmod 640, or a copy",
        )
    except OSError as error:
        _refuse(setting, path, f"can't be read ({error.strerror})")


def _refuse(setting: str, path: Path, why: str) -> NoReturn:
    raise ConfigError(f"[page] {setting} = {path}: {why}")
