"""Who made a bundle: Ed25519 over the manifest's bytes, keys in OpenSSH's own formats."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict

from edge.errors import BundleError, ConfigError

# A signature of ours can never be taken for one over something else made with the same key.
_CONTEXT = b"edge-sorter bundle manifest 1\0"


class Signature(BaseModel):
    """The `signature` member: the signer's public key as OpenSSH writes it, and 64 bytes in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    signature: str

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
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
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


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """A signing key as `sorter key new` or `ssh-keygen -t ed25519` writes it, without a passphrase."""
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't read the signing key ({error.strerror}): make one with 'sorter key new'"
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{path}: expected an Ed25519 private key without a passphrase: make one with 'sorter key new'"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: expected an Ed25519 key, got another kind: make one with 'sorter key new'")
    return key


def load_public_keys(folder: Path) -> tuple[Ed25519PublicKey, ...]:
    """All keys in the `*.pub` files of a folder, one or more lines each; no folder means no keys."""
    keys = []
    for path in sorted(folder.glob("*.pub")):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith(b"#"):
                continue
            try:
                key = serialization.load_ssh_public_key(line)
            except (ValueError, UnsupportedAlgorithm):
                key = None
            if not isinstance(key, Ed25519PublicKey):
                raise ConfigError(f"{path}, line {number}: expected 'ssh-ed25519 AAAA... name': mend or remove it")
            keys.append(key)
    return tuple(keys)
