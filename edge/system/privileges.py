"""Who may do what with files, and that root never works where others may write.

What lies in such a folder may be a link to anything, or become one.
So whoever touches a state folder as root becomes the folder's owner before. What needs root for more says so:
`sorter setup` (it writes to root's own folders only), and starting the service again after a calibration.
"""

from __future__ import annotations

import getpass
import grp
import logging
import os
import pwd
import re
import resource
import shlex
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SetupError

log = logging.getLogger(__name__)

SERVICE_USER = "sorter"
_MOST_LINKS = 40
_REAL_TIME_PRIORITY = 50


def leave_root(folder: Path) -> None:
    """If this is root, and others may change what a path leads to, become the one whose it is, for good.

    Args:
        folder: absolute, or a file, whether it is there or not; with its links, which are whoever's that made them.

    Raises:
        SetupError: nobody in particular owns it, or this root may not become somebody else.
    """
    if os.geteuid() != 0:
        return
    found = _first_of_others(folder)
    if found is None:
        return
    place, status = found
    if status.st_uid == 0:
        # A folder like /tmp is meant to be everybody's.
        close = "" if status.st_mode & stat.S_ISVTX else f"sudo chmod go-w {shlex.quote(str(place))}, or "
        raise SetupError(
            f"{place}: others than root may write here, so root does not work in {folder}: {close}name another place"
        )
    _become(status.st_uid, status.st_gid, place)


def _first_of_others(folder: Path) -> tuple[Path, os.stat_result] | None:
    """The first part of the way to a folder that somebody else than root may change; None: nobody may."""
    at, rest, links = Path("/"), list(folder.parts[1:]), 0
    status = at.lstat()
    while rest:
        below = at / rest.pop(0)
        try:
            found = below.lstat()
        except FileNotFoundError:
            break
        except NotADirectoryError:
            return None
        if stat.S_ISLNK(found.st_mode) and found.st_uid == 0 and (links := links + 1) <= _MOST_LINKS:
            # os.path.join: an absolute target begins anew.
            target = Path(os.path.normpath(os.path.join(at, below.readlink())))  # noqa: PTH118
            at, status, rest = Path("/"), Path("/").lstat(), [*target.parts[1:], *rest]
            continue
        # In a folder like /tmp others may make names, and not change what is root's.
        keeps_names = bool(found.st_mode & stat.S_ISVTX and rest)
        if found.st_uid != 0 or (_others_may_write(found) and not keeps_names):
            return below, found
        at, status = below, found
    return (at, status) if _others_may_write(status) else None


def _others_may_write(status: os.stat_result) -> bool:
    return bool(status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0))


def _become(user: int, group: int, place: Path) -> None:
    """Be that user in everything: ids real, effective and saved, groups, home."""
    with suppress(OSError, ValueError):  # what root may ask for, and strokes are more punctual with
        resource.setrlimit(resource.RLIMIT_RTPRIO, (_REAL_TIME_PRIORITY, _REAL_TIME_PRIORITY))
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        account = pwd.getpwuid(user)
        name, group, home = account.pw_name, account.pw_gid, account.pw_dir
    except KeyError:
        name, home = f"#{user}", "/"
    try:
        if name.startswith("#"):
            os.setgroups([group])
        else:
            os.initgroups(name, group)
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    except OSError as error:
        command = shlex.join(["sudo", "-u", name, "sorter", *sys.argv[1:]])
        raise SetupError(f"{place} is {name}'s, and root does not work in it ({error.strerror}): {command}") from None
    for file in (os.__file__, __file__):  # what is imported later on has to be readable then, too
        if not os.access(file, os.R_OK):
            raise SetupError(
                f"{place} is {name}'s, and {name} can't read this program ({file}): install it for everybody, into "
                "/opt/edge-sorter (see docs/install.md)"
            )
    os.environ.update(HOME=home, USER=name, LOGNAME=name)
    log.warning("%s is %s's: this goes on as %s, not as root", place, name, name)


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads files."""

    name: str
    user: int
    groups: frozenset[int]

    def allows(self, status: os.stat_result, right: int) -> bool:
        """Say whether the file's bits give this reader the right: 4 to read, 1 to go through a folder."""
        if self.user == 0:
            return True
        shift = 6 if status.st_uid == self.user else 3 if status.st_gid in self.groups else 0
        return bool(status.st_mode >> shift & right)


ANYBODY = Reader("others", -1, frozenset())


def named_reader(name: str) -> Reader | None:
    """Return the user of that name; None where there is none."""
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = {group.gr_gid for group in grp.getgrall() if name in group.gr_mem}
    return Reader(name, user.pw_uid, frozenset({user.pw_gid, *groups}))


def myself() -> Reader:
    """Return whoever runs this."""
    return Reader("you", os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))


def unreadable_by_service(
    station_file: Path, bundle: Path | None, reader: Reader | None = None, root: Path = Path("/")
) -> tuple[Reader, list[Path]]:
    """Return who starts the station (the service's user; you, where there is none) and what keeps it from its files.

    `station_file` brings the trusted keys beside it with it; folders above `root` are not looked at.
    """
    reader = reader or named_reader(SERVICE_USER) or myself()
    wanted = [station_file, *sorted((Path(os.path.realpath(station_file)).parent / "keys").glob("*.pub"))]
    wanted += [] if bundle is None else [bundle]
    return reader, list(
        dict.fromkeys(at for path in wanted if (at := first_unreadable(path, reader, root)) is not None)
    )


def first_unreadable(path: Path, reader: Reader, root: Path = Path("/")) -> Path | None:
    """Return the first folder below `root` on the way to the file, or the file, that keeps the reader out.

    What is not there keeps nobody out.
    """
    resolved = Path(os.path.realpath(path))  # a loop of links is no error here
    way = [folder for folder in reversed(resolved.parents) if folder.is_relative_to(root) and folder != root]
    for at in (*way, resolved):
        try:
            status = at.stat()
        except PermissionError:
            return at.parent
        except OSError:
            return None
        rights = (1, 4) if at == resolved and stat.S_ISDIR(status.st_mode) else (4,) if at == resolved else (1,)
        if not all(reader.allows(status, right) for right in rights):
            return at
    return None


def account_name() -> str:
    """Return the name of the account that a person works with here, also behind sudo, as it can be part of a file's name.

    An account without one, as in a container, has its number.
    """
    account = os.environ.get("SUDO_USER", "")
    with suppress(KeyError, OSError):
        account = account or getpass.getuser()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", account).lstrip("._-")[:32] or f"uid-{os.getuid()}"
