"""Leftovers of writes that were cut off are removed; files that somebody is writing are not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.durable import remove_leftovers, write_atomically


@dataclass
class Calls:
    """The system's own calls; `during` happens before each of them."""

    during: dict[str, list[Path]] = field(default_factory=dict)

    def _before(self, call: str) -> None:
        for folder in self.during.pop(call, []):
            remove_leftovers(folder)

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
    remove_leftovers(tmp_path)
    assert [path.exists() for path in gone] == [False, False]
    assert [path.exists() for path in kept] == [True] * len(kept)


def test_only_those_of_one_file_where_the_folder_is_not_ours(tmp_path: Path) -> None:
    ours, other = tmp_path / ".sorter.service.0123abcd.tmp", tmp_path / ".xsorter.service.0123abcd.tmp"
    ours.touch()
    other.touch()
    remove_leftovers(tmp_path, of="sorter.service")
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
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "missing")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".folder.0123abcd.tmp", ".link.0123abcd.tmp"]
