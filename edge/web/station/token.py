"""The page's token: who has it may do what the page offers. It lies in the state folder, for its owner alone to read."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from edge.errors import ConfigError
from edge.system.files import UnusableFileError, make_folder, open_regular, write_atomically

log = logging.getLogger(__name__)

NAME: Final = "page-token"
_BYTES, _LENGTH, _GROUP = 12, 20, 4
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz234567")
_MOST_BYTES = 200


class PageToken:
    """The token of one station, as it was found when somebody last looked; any thread may look."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._digest = b""

    @property
    def is_known(self) -> bool:
        """Whether there is one that could be read."""
        return self._digest != b""

    @property
    def mark(self) -> bytes:
        """What tells one token from the next."""
        return self._digest

    def look(self) -> None:
        """Read it anew, from the disk; where something else lies there no token is the right one.

        A disk that fails to read changes nothing: who signed in has to be able to stop the station then too.
        """
        try:
            self._digest = _digest_of(_checked(self.path, *_read(self.path)))
        except (ConfigError, FileNotFoundError, UnusableFileError):
            self._digest = b""
        except OSError as error:
            log.debug("%s can't be read now: %s", self.path, error.strerror)

    def is_right(self, given: str) -> bool:
        """Say whether this is the token, however it was typed; takes as long for every wrong one."""
        return secrets.compare_digest(_digest_of(given), self._digest)


def read_token(folder: Path) -> str:
    """Return the token of the station that keeps its state in this folder.

    Raises:
        ConfigError: there is none, or what lies there is none that can be trusted.
    """
    path = folder / NAME
    try:
        return _checked(path, *_read(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is none yet: sorter token --new makes one") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}): sudo sorter token --new makes another") from None


def make_token(folder: Path) -> str:
    """Make a new token in the place of what is there, and return it; who signed in with the old one no longer is.

    Raises:
        ConfigError: the folder can't be written.
    """
    token = _new()
    try:
        make_folder(folder)
        write_atomically(folder / NAME, f"{token}\n".encode(), 0o600)
    except OSError as error:
        raise ConfigError(f"{folder / NAME}: can't be written ({error.strerror})") from None
    return token


def make_token_if_missing(folder: Path) -> None:
    """Make a token where nothing at all lies in its place.

    Raises:
        ConfigError: the folder can't be written.
    """
    if not os.path.lexists(folder / NAME):
        make_token(folder)


def _read(path: Path) -> tuple[bytes, os.stat_result, int]:
    """Return what lies there, its status, and whose the folder is."""
    with open_regular(path, follow=False) as file:
        return file.read(_MOST_BYTES), os.fstat(file.fileno()), path.parent.stat().st_uid


def _checked(path: Path, content: bytes, status: os.stat_result, owner: int) -> str:
    if status.st_uid not in (0, owner) or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path}: others than the folder's owner may know it (user {status.st_uid}, mode "
            f"{stat.S_IMODE(status.st_mode):04o}): sorter token --new makes another"
        )
    token = content.decode("ascii", "replace").strip()
    if len(_plain(token)) != _LENGTH or not _LETTERS.issuperset(_plain(token)):
        raise ConfigError(f"{path}: expected a token, got something else: sorter token --new makes another")
    return token


def _new() -> str:
    """Return 96 random bits in groups that a person can type on a phone."""
    letters = base64.b32encode(secrets.token_bytes(_BYTES)).decode().rstrip("=").lower()
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def _plain(token: str) -> str:
    return "".join(token.split()).replace("-", "").lower()


def _digest_of(token: str) -> bytes:
    return hashlib.sha256(_plain(token).encode(errors="replace")).digest()
