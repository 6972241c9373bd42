"""Whether a user can read a file, told from the permission bits of it and of the folders above it."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

SERVICE_USER = "sorter"


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
