"""Leftovers of cut off writes go, files being written stay; reading never waits for what is in a file's place."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.system.files import (
    UnusableFileError,
    open_regular,
    quarantine,
    read_regular,
    remove_stale_temp_files,
    write_atomically,
)


@dataclass
class Calls:
    """The system's own calls; `during` happens before each of them."""

    during: dict[str, list[Path]] = field(default_factory=dict)

    def _before(self, call: str) -> None:
        for folder in self.during.pop(call, []):
            remove_stale_temp_files(folder)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = os.open(path, flags, mode)
        self._before("opened")
        return descriptor

    def write(self, fd: int, data: memoryview, /) -> int:
        self._before("write")
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def replace(self, src: Path, dst: Path) -> None:
        self._before("replace")
        src.replace(dst)

    def unlink(self, path: Path) -> None:
        path.unlink()


def test_leftovers_go_and_everything_else_stays(tmp_path: Path) -> None:
    (tmp_path / "models" / "generations").mkdir(parents=True)
    gone = [
        tmp_path / ".calibration.toml.0123abcd.tmp",
        tmp_path / "models" / "generations" / ".about.json.99999999.tmp",
    ]
    kept = [tmp_path / name for name in ("a.tmp", ".x.tmp", ".x.0123ABCD.tmp", ".x.0123abcd.tmp.txt", ".0123abcd.tmp")]
    for path in [*gone, *kept]:
        path.touch()
    remove_stale_temp_files(tmp_path)
    assert [path.exists() for path in gone] == [False, False]
    assert [path.exists() for path in kept] == [True] * len(kept)


def test_only_those_of_one_file_where_the_folder_is_not_ours(tmp_path: Path) -> None:
    ours, other = tmp_path / ".sorter.service.0123abcd.tmp", tmp_path / ".xsorter.service.0123abcd.tmp"
    ours.touch()
    other.touch()
    remove_stale_temp_files(tmp_path, of="sorter.service")
    assert (ours.exists(), other.exists()) == (False, True)


@pytest.mark.parametrize("instant", ["opened", "write", "replace"])
def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path, instant: str) -> None:
    path = tmp_path / "settings.json"
    write_atomically(path, b"new", calls=Calls({instant: [tmp_path]}))
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings.json"]


def test_what_can_not_be_removed_keeps_nobody_from_starting(tmp_path: Path) -> None:
    (tmp_path / ".folder.0123abcd.tmp").mkdir()
    (tmp_path / ".link.0123abcd.tmp").symlink_to(tmp_path / "nowhere")
    remove_stale_temp_files(tmp_path)
    remove_stale_temp_files(tmp_path / "missing")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".folder.0123abcd.tmp", ".link.0123abcd.tmp"]


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


IN_A_FILES_PLACE: dict[str, tuple[Callable[[Path], object], str]] = {
    "named pipe": (os.mkfifo, "a named pipe, not a file"),
    "link to a pipe": (
        lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
        "a named pipe, not a file",
    ),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
    "folder": (Path.mkdir, "a folder, not a file"),
    "socket": (_make_socket, "a socket, not a file"),
    "link to nothing": (lambda path: path.symlink_to("nowhere"), "a link to something that is not there"),
    "a terabyte": (_make_sparse, "longer than the 100 bytes that such a file can have"),
}


@pytest.mark.parametrize("what", IN_A_FILES_PLACE)
def test_what_is_no_file_is_refused_at_once_and_by_its_kind(tmp_path: Path, what: str) -> None:
    make, expected = IN_A_FILES_PLACE[what]
    path = tmp_path / "station.toml"
    make(path)
    with pytest.raises(UnusableFileError) as refused:
        read_regular(path, 100)
    assert (refused.value.strerror, refused.value.filename) == (expected, str(path))


def test_a_file_of_the_greatest_length_is_read_whole_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    with pytest.raises(UnusableFileError):
        read_regular(path, 99)


def test_a_file_that_is_missing_is_told_from_one_that_can_not_be_used(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "missing", 100)


def test_links_are_followed_where_only_we_write_and_refused_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_bytes(b"real")
    link = tmp_path / "station.toml"
    link.symlink_to("real.toml")
    assert read_regular(link, 100) == b"real"
    with pytest.raises(UnusableFileError, match="a link, which is not followed here"):
        read_regular(link, 100, follow=False)
    with open_regular(tmp_path / "real.toml", follow=False) as file:
        assert file.read() == b"real"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = list(Path("/proc/self/fd").iterdir())
    for _ in range(5):
        with pytest.raises(UnusableFileError):
            read_regular(tmp_path / "pipe", 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)


@pytest.mark.parametrize("earlier", ["nothing", "a file", "a folder"])
@pytest.mark.parametrize("now", ["a file", "a folder"])
def test_what_is_put_into_quarantine_takes_the_place_of_an_earlier_one(earlier: str, now: str, tmp_path: Path) -> None:
    path, target = tmp_path / "a.json", tmp_path / "damaged-a.json"
    for place, kind in ((target, earlier), (path, now)):
        if kind == "a folder":
            place.mkdir()
            (place / "inside").write_text(kind)
        elif kind == "a file":
            place.write_text(kind)
    (tmp_path / "damaged-other.json").touch()
    assert quarantine(path) == target
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["damaged-a.json", "damaged-other.json"]
    assert (target / "inside" if now == "a folder" else target).read_text() == now


def test_the_newest_in_quarantine_are_kept_with_what_belongs_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for number in range(1, 5):
        for name in ("a.db", "a.db-wal"):
            (tmp_path / name).write_text(str(number))
            os.utime(tmp_path / name, (number, number))
        target = quarantine(path, stamp="today", companions=("-wal",), keep=2)
        assert target.read_text() == target.with_name(target.name + "-wal").read_text() == str(number)
    assert sorted(entry.read_text() for entry in tmp_path.iterdir()) == ["3", "3", "4", "4"]
