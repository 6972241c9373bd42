"""A named pipe, a device, a folder, a link to nothing or far too much in the place of any file: nothing waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.paths import ROOT
from support.stations import BELT, write_station

from edge.bundle.archive import read_bundle
from edge.system.files import UnusableFileError, append_regular, write_regular

AT_MOST_S = 60
DIGEST = "DIGEST"
FILES = [
    "station.toml",
    "keys/anna.pub",
    "state/calibration.toml",
    "state/bin-levels.json",
    "state/emergency-stop",
    "state/safe-outputs.json",
    "state/page-token",
    "state/journal.db",
    "state/journal.db-wal",
    "state/journal.db-shm",
    "state/pictures",
    "state/models/.lock",
    "state/models/.sessions",
    "state/models/active",
    "state/models/shadow",
    "state/models/generations/000001/about.json",
    f"state/models/models/{DIGEST}/evidence.json",
    f"state/models/models/{DIGEST}/bundle.sorter",
    "state/models/probation/000001.json",
    f"state/models/incoming/{DIGEST}.part",
]


def sorter(*arguments: object, station: Path, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; one that waits for what was planted fails the test."""
    command = [sys.executable, "-m", "edge", *map(str, arguments), "--station", str(station)]
    run = subprocess.run(command, input=said, capture_output=True, cwd=ROOT, timeout=AT_MOST_S, check=False)
    assert b"Traceback" not in run.stderr, run.stderr.decode()
    return run


@pytest.fixture(scope="module")
def sorted_here(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Callable[..., bytes]) -> Path:
    """A station that has run with a pushed model, with every file that it makes."""
    folder = tmp_path_factory.mktemp("station")
    station = write_station(
        folder,
        BELT,
        state_folder="state",
        bins={"glass": {"capacity": 50}, "residual": {"labels": ["paper", "metal"]}},
        inference={"allow_unsigned": True},
        journal={"keep_crops": "all"},
        page={"enabled": True},
    )
    (folder / "tiny.sorter").write_bytes(tiny_bundle())
    assert sorter("model", "install", folder / "tiny.sorter", "--activate", station=station).returncode == 0
    assert sorter("run", "--seconds", "2", "--port", "0", station=station).returncode == 0
    return folder


def plant(path: Path, kind: str) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name("moved"))
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        (path / "deep").mkdir(parents=True)
    elif kind == "dangling link":
        path.symlink_to("/nowhere/at/all")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)  # a terabyte of nothing


STORED = [name for name in FILES if "/models/" in name]
# One that is no station file is tried with every command in tests/unit/cli/test_wrong_paths.py.
STATES = [name for name in FILES[1:] if name not in STORED]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_nothing_waits_for_a_pipe_in_a_files_place(
    sorted_here: Path, tmp_path: Path, tiny_bundle: Callable[..., bytes], name: str
) -> None:
    content = tiny_bundle()
    station = copied(sorted_here, tmp_path / "copy", [name], "pipe", content)
    run_through(station)
    if name not in STATES:
        push(station, content)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "dangling link", "huge"])
def test_nothing_waits_for_what_else_is_in_the_place_of_models(
    sorted_here: Path, tmp_path: Path, tiny_bundle: Callable[..., bytes], kind: str
) -> None:
    content = tiny_bundle()
    station = copied(sorted_here, tmp_path / "copy", STORED, kind, content)
    run_through(station)
    push(station, content)
    pull(station)
    sorter("model", "verify", station=station)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "dangling link", "huge"])
def test_nothing_waits_for_what_else_is_in_the_place_of_a_stations_own_files(
    sorted_here: Path, tmp_path: Path, tiny_bundle: Callable[..., bytes], kind: str
) -> None:
    content = tiny_bundle()
    station = copied(sorted_here, tmp_path / "copy", STATES, kind, content)
    run_through(station)
    push(station, content)
    pull(station)
    for words in ("calibrate show", "journal check", "safe", "token", "token --new"):
        sorter(*words.split(), station=station)


def copied(original: Path, folder: Path, names: list[str], kind: str, content: bytes) -> Path:
    """A copy of a station with something else in the place of files; return its station file."""
    subprocess.run(["cp", "-a", str(original), str(folder)], check=True)
    for name in names:
        plant(folder / name.replace(DIGEST, read_bundle(content, "x").digest), kind)
    return folder / "station.toml"


def run_through(station: Path) -> None:
    sorter("check", station=station)
    sorter("run", "--seconds", "0.5", "--port", "0", station=station)


def push(station: Path, content: bytes) -> None:
    request = {"protocol": 1, "ask": "push", "digest": read_bundle(content, "x").digest, "size": len(content)}
    sorter("receive", station=station, said=json.dumps(request).encode() + b"\n" + content)


def pull(station: Path) -> None:
    sorter("receive", station=station, said=b'{"protocol": 1, "ask": "pull", "items": 0, "events": 0, "run": ""}\n')


@pytest.mark.parametrize("write", [write_regular, append_regular])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "dangling link"])
def test_what_is_no_file_is_not_written(tmp_path: Path, write: Callable[[Path, bytes], None], kind: str) -> None:
    plant(tmp_path / "a.jpg", kind)
    with pytest.raises(OSError):
        write(tmp_path / "a.jpg", b"x")


def test_a_picture_is_written_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "precious")
    (tmp_path / "real").mkdir()
    (tmp_path / "pictures").symlink_to(tmp_path / "real")
    for path in (tmp_path / "a.jpg", tmp_path / "pictures" / "b.jpg"):
        with pytest.raises(OSError):
            write_regular(path, b"x")
    assert (tmp_path / "precious").read_text() == "precious"
    assert list((tmp_path / "real").iterdir()) == []


def test_a_pipe_with_a_reader_is_not_written_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    reader = os.open(tmp_path / "a.jpg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(UnusableFileError, match="a named pipe"):
            write_regular(tmp_path / "a.jpg", b"x")
    finally:
        os.close(reader)


def test_what_is_written_and_added_is_there(tmp_path: Path) -> None:
    write_regular(tmp_path / "a", b"long before")
    write_regular(tmp_path / "a", b"one ")
    append_regular(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one two"
