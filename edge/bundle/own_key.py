"""The station's own key: it signs the heads that are taught here, and is trusted for nothing else (see `trust`)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.bundle.signature import load_private_key, private_text, public_line
from edge.errors import ConfigError
from edge.system.files import make_folder, open_regular, sync_folder, write_atomically

PRIVATE = "station-key"
PUBLIC = "station-key.pub"
_LARGEST = 4096


def own_public_key(state_folder: Path) -> Ed25519PublicKey | None:
    """The station's own public key; None where it has none yet.

    Others may write in the folder, so the file must be its owner's (or root's), and only theirs to write.

    Raises:
        ConfigError: something else is in its place.
    """
    path = state_folder / PUBLIC
    try:
        with open_regular(path, follow=False) as file:
            status, content = os.fstat(file.fileno()), file.read(_LARGEST)
        owner = state_folder.stat().st_uid
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: can't read the station's own key ({error.strerror}): {_anew(path)}") from None
    if status.st_uid not in (0, owner) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{path}: not the work of the folder's owner (user {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}), "
            f"so this key of the station's own is not trusted: {_anew(path)}"
        )
    try:
        key = serialization.load_ssh_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path}: expected 'ssh-ed25519 AAAA... name', got something else: {_anew(path)}")
    return key


def own_signing_key(state_folder: Path, comment: str) -> Ed25519PrivateKey:
    """The key that signs what is taught here; made if there is none. `comment` says in the public file whose it is.

    Raises:
        ConfigError: it can't be read or made by this account, or its halves are not of one key.
    """
    private, public = state_folder / PRIVATE, state_folder / PUBLIC
    try:
        make_folder(state_folder)
        if state_folder.stat().st_uid != os.geteuid():
            raise ConfigError(
                f"{private}: the station's own key belongs to the owner of that folder: sudo sorter key station"
            )
        if not os.path.lexists(private):
            if os.path.lexists(public):
                raise ConfigError(f"{private}: gone, while {public.name} is still there: {_anew(public)}")
            _write_new(private)
        key = load_private_key(private)
        if own_public_key(state_folder) is None:
            write_atomically(public, f"{public_line(key.public_key())} {comment}\n".encode(), 0o644)
    except OSError as error:
        raise ConfigError(f"{private}: can't make the station's own key ({error.strerror})") from None
    if (known := own_public_key(state_folder)) is None or public_line(known) != public_line(key.public_key()):
        raise ConfigError(f"{public}: not of the same key as {private.name}: {_anew(public)}")
    return key


def _write_new(path: Path) -> None:
    """Make a private key that is whole or absent after a power cut; one that somebody else made meanwhile stays."""
    made = path.with_name(f"{path.name}.{os.getpid()}")
    write_atomically(made, private_text(Ed25519PrivateKey.generate()), 0o600)
    try:
        with suppress(FileExistsError):
            os.link(made, path)
    finally:
        made.unlink()
    sync_folder(path.parent)


def _anew(public: Path) -> str:
    """What to do about a key that can't be used."""
    return (
        f"remove {PRIVATE} and {PUBLIC} in {public.parent}, then sudo sorter key station; heads that were taught before "
        "have to be taught again, or signed by an engineer's key"
    )
