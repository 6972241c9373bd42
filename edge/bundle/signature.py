"""Who made a bundle: Ed25519 over the manifest's bytes, keys in OpenSSH's own formats."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field

from edge.errors import BundleError, ConfigError
from edge.system.files import open_regular
from edge.system.text import NotTextError, decode_text

log = logging.getLogger(__name__)

# A folder of many makers' keys in one file included.
_LARGEST_KEY_FILE = 1 << 20
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO

# A signature of ours can never be taken for one over something else made with the same key.
_CONTEXT = b"edge-sorter bundle manifest 1\0"


class Signature(BaseModel):
    """The `signature` member: JSON that `sorter key sign` spells in one way only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(description="the signer's public key as OpenSSH writes it, without a comment")
    signature: str = Field(
        description='Ed25519 over "edge-sorter bundle manifest 1", a zero byte and the bytes of manifest.json; base64'
    )

    def to_json(self) -> bytes:
        """The bytes of the `signature` member."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def sign_manifest(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """The bytes of the `signature` member."""
    value = base64.b64encode(key.sign(_CONTEXT + manifest)).decode()
    return Signature(key=public_line(key.public_key()), signature=value).to_json()


def parse_signature(content: bytes, source: str) -> Signature:
    """Read the `signature` member, which has one spelling only; it is not verified here."""
    try:
        signature = Signature.model_validate_json(content)
        value = base64.b64decode(signature.signature, validate=True)
    except ValueError:  # no JSON, other fields, no base64
        raise BundleError(f"{source}: its signature can't be read: sign it anew with 'sorter key sign'") from None
    # Otherwise one signed model could be sent under any number of digests, and a list of digests would hold none back.
    if signature.to_json() != content or base64.b64encode(value).decode() != signature.signature:
        raise BundleError(
            f"{source}: its signature is spelled in another way than 'sorter key sign' spells it: sign it anew with that"
        )
    return signature


def verify_manifest(manifest: bytes, signature: Signature, trusted: Iterable[Ed25519PublicKey], source: str) -> str:
    """Check that one of the trusted keys signed these bytes, and return that key's fingerprint."""
    fingerprints = []
    for key in trusted:
        fingerprints.append(fingerprint(key))
        if public_line(key) != signature.key:
            continue
        try:
            key.verify(base64.b64decode(signature.signature, validate=True), _CONTEXT + manifest)
        except (InvalidSignature, binascii.Error):
            raise BundleError(
                f"{source}: the signature is not valid for its manifest: the bundle was changed after signing; "
                "fetch it again from its maker"
            ) from None
        return fingerprints[-1]
    known = ", ".join(fingerprints) or "none"
    raise BundleError(
        f"{source}: expected a signature by a trusted key ({known}), got one by {_fingerprint_of_line(signature.key)}: "
        "sign it with a trusted key, or put the maker's .pub file into the device's folder of trusted keys"
    )


def public_line(key: Ed25519PublicKey) -> str:
    """`ssh-ed25519 AAAA...`, without a comment."""
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def fingerprint(key: Ed25519PublicKey) -> str:
    """`SHA256:...`, the same that `ssh-keygen -lf` shows."""
    return _fingerprint_of_line(public_line(key))


def _fingerprint_of_line(line: str) -> str:
    try:
        blob = base64.b64decode(line.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return "an unreadable key"
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def write_key_pair(path: Path, comment: str) -> Ed25519PublicKey:
    """Make a key: `path` (readable by its owner only) and `path`.pub; an existing key is never overwritten."""
    key = Ed25519PrivateKey.generate()
    private = private_text(key)
    public = f"{public_line(key.public_key())} {comment}\n".encode()
    public_path = path.with_name(path.name + ".pub")
    for target, mode, content in ((path, 0o600, private), (public_path, 0o644, public)):
        try:
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise ConfigError(f"{target}: can't write the key ({error.strerror}): choose another path") from None
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    return key.public_key()


def private_text(key: Ed25519PrivateKey) -> bytes:
    """A signing key's file: OpenSSH's own format, without a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """A signing key as `sorter key new` or `ssh-keygen -t ed25519` writes it, without a passphrase.

    Raises:
        ConfigError: there is none, it is something else, or others than its owner may read it.
    """
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST_KEY_FILE)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't read the signing key ({error.strerror}): make one with 'sorter key new'"
        ) from None
    if mode & _READABLE_BY_OTHERS:
        raise ConfigError(
            f"{path}: others may read this signing key (mode {stat.S_IMODE(mode):04o}), so it is not used: "
            f"chmod 600 {shlex.quote(str(path))}; if others use this machine, make a new one with 'sorter key new'"
        )
    try:
        key = serialization.load_ssh_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{path}: expected an Ed25519 private key without a passphrase: make one with 'sorter key new'"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: expected an Ed25519 key, got another kind: make one with 'sorter key new'")
    return key


def load_public_keys(folder: Path) -> tuple[Ed25519PublicKey, ...]:
    """All keys in the `*.pub` files of a folder, one or more lines each; no folder means no keys.

    A file that is none, can't be read, or may be written by others is passed over with a warning: one odd file
    must not keep the other makers' models out.

    Raises:
        ConfigError: the folder can't be read, or others may put keys into it.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(".pub") and path.name[0] != ".")
        place = folder.resolve(strict=True)
    except FileNotFoundError:
        return ()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{folder}: can't read the folder of trusted keys ({reason}): sudo chmod 755 {folder}"
        ) from None
    for at in (place, *place.parents):
        status = at.stat()
        # In a folder like /tmp nobody can rename what is another's.
        if _others_may_write(status) if at == place else status.st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            raise ConfigError(
                f"{folder}: others may put keys there (mode {stat.S_IMODE(status.st_mode):04o} of {at}), so none of "
                f"them is trusted: sudo chmod go-w {shlex.quote(str(at))}"
            )
    return tuple(key for path in paths for key in _keys_in(path))


def _others_may_write(status: os.stat_result) -> bool:
    """Say whether somebody else than its owner may write a file; a group of the owner's own name is nobody else."""
    own_group = status.st_gid == status.st_uid
    return bool(status.st_mode & (stat.S_IWOTH if own_group else stat.S_IWOTH | stat.S_IWGRP))


def _keys_in(path: Path) -> Iterator[Ed25519PublicKey]:
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            text = decode_text(file.read(_LARGEST_KEY_FILE))
    except OSError as error:
        log.warning("%s: passed over, can't be read (%s)", path, error.strerror)
        return
    except NotTextError as error:
        log.warning("%s: passed over, %s", path, error)
        return
    if _others_may_write(status):
        log.warning(
            "%s: refused, others may write it (mode %04o): sudo chmod go-w %s",
            path, stat.S_IMODE(status.st_mode), shlex.quote(str(path)),
        )  # fmt: skip
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = serialization.load_ssh_public_key(line.encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, Ed25519PublicKey):
            yield key
        else:
            log.warning("%s, line %d: passed over, expected 'ssh-ed25519 AAAA... name'", path, number)
