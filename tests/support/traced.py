"""What a program did to the files of a folder, as the kernel saw it: strace's log as operations on a medium."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.disk import Create, Delete, Operation, Rename, Sync, SyncFolder, Truncate, Write
from support.power_cut import HardLink, MakeFolder, SymbolicLink

CALLS = "openat,creat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,rmdir,symlink,link,linkat"
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD = re.compile(r"(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(?:\(deleted\))?")
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")


@dataclass
class Trace:
    """A program's operations below a folder, and what it said on its standard output after so many of them."""

    folder: str
    operations: list[Operation | MakeFolder | SymbolicLink | HardLink] = field(default_factory=list)
    said: list[tuple[int, str]] = field(default_factory=list)
    _sizes: dict[str, int] = field(default_factory=dict)

    def take(self, call: str, arguments: str) -> None:
        """Take one successful call in."""
        strings = [_decode(text) for text in _STRING.findall(arguments)]
        descriptor = next(iter(_FD.findall(arguments)), "")
        on = _decode(descriptor).decode(errors="replace") if descriptor else ""
        if call == "write" and on.startswith("pipe:"):
            self.said += [(len(self.operations), line) for line in strings[0].decode().splitlines()]
        elif call in ("write", "pwrite64"):
            self._write(on, strings[0], arguments if call == "pwrite64" else "")
        elif call == "ftruncate":
            self._resize(on, int(arguments.rsplit(", ", 1)[1]))
        elif call in ("fsync", "fdatasync"):
            self._sync(on)
        else:
            self._change_names(call, [self._resolve(text, on) for text in strings], strings, arguments)

    def _resolve(self, text: bytes, on: str) -> str:
        path = text.decode()
        return path if path.startswith("/") else f"{on}/{path}"

    def _inside(self, path: str) -> str | None:
        """The path within the folder; SQLite's shared memory is not on the medium."""
        if not path.startswith(self.folder + "/") or path.endswith("-shm"):
            return None
        return path.removeprefix(self.folder + "/")

    def _write(self, on: str, content: bytes, positioned: str) -> None:
        if (name := self._inside(on)) is not None:
            offset = int(positioned.rsplit(", ", 1)[1]) if positioned else self._sizes.get(name, 0)
            self._sizes[name] = max(self._sizes.get(name, 0), offset + len(content))
            self.operations.append(Write(name, offset, content))

    def _resize(self, on: str, size: int) -> None:
        if (name := self._inside(on)) is not None:
            self._sizes[name] = size
            self.operations.append(Truncate(name, size))

    def _sync(self, on: str) -> None:
        name = self._inside(on)
        if name in self._sizes:
            self.operations.append(Sync(name))
        elif name is not None or on == self.folder:
            self.operations.append(SyncFolder())

    def _change_names(self, call: str, paths: list[str], strings: list[bytes], arguments: str) -> None:
        names = [self._inside(path) for path in paths]
        if call == "symlink" and names[1] is not None:
            self.operations.append(SymbolicLink(names[1], strings[0].decode()))
        elif call.startswith("rename") and names[0] is not None and names[1] is not None:
            self._rename(names[0], names[1])
        elif call.startswith("link") and names[0] is not None and names[1] is not None:
            self._sizes[names[1]] = self._sizes[names[0]]
            self.operations.append(HardLink(names[0], names[1]))
        elif call == "mkdir" and names[0] is not None:
            self.operations.append(MakeFolder(names[0]))
        elif call in ("unlink", "unlinkat", "rmdir") and names[0] is not None:
            self._sizes.pop(names[0], None)
            self.operations.append(Delete(names[0]))
        elif call == "openat" and names[0] is not None and "O_CREAT" in arguments and names[0] not in self._sizes:
            self._sizes[names[0]] = 0
            self.operations.append(Create(names[0]))
        elif call == "openat" and names[0] in self._sizes and "O_TRUNC" in arguments:
            self._resize(f"{self.folder}/{names[0]}", 0)

    def _rename(self, name: str, target: str) -> None:
        moved = {n: s for n, s in self._sizes.items() if n == name or n.startswith(name + "/")}
        for old, size in moved.items():
            del self._sizes[old]
            self._sizes[target + old.removeprefix(name)] = size
        self.operations.append(Rename(name, target))


def _decode(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def trace(command: list[str], folder: Path, log: Path) -> Trace:
    """Run a program and return what it did in the folder, in the order in which the calls returned."""
    # Files that are there already are not created by being opened.
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    strace = ["strace", "-f", "-y", "-xx", "-s", str(1 << 22), "-e", f"trace={CALLS}", "-o", str(log)]
    done = subprocess.run([*strace, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = Trace(str(folder), _sizes=sizes)
    for call, arguments in _calls(log):
        found.take(call, arguments)
    return found


def _calls(log: Path) -> Iterator[tuple[str, str]]:
    """Yield the calls that did not fail; one that was interrupted by another thread's is put together."""
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        pid, _, rest = line.partition(" ")
        if rest.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
            continue
        if " resumed>" in rest:
            line = begun.pop(pid).rstrip() + rest.partition(" resumed>")[2]
        found = _CALL.match(line)
        if found and int(found[4]) >= 0:
            yield found[2], found[3]
