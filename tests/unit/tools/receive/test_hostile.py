"""Whoever holds the SSH key says anything, slowly, or in parallel; whoever can write the folder puts anything into it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paths import ROOT
from support.stations import BIN, write_station

from edge.bundle.archive import read_bundle
from edge.clock import NS_PER_S, VirtualClock
from edge.errors import TransferError
from edge.models.quick import make_shared_folder
from edge.tools.receive.connection import LEAST_BYTES_PER_S, PATIENCE_S, SILENCE_S, Connection
from edge.tools.receive.incoming import forget_oldest, one_of_few, open_part
from edge.tools.receive.requests import Pull, Push, Status, parse_request
from edge.tools.receive.sending import LARGEST_FILE, list_files, send_files


@pytest.fixture
def station(tmp_path: Path) -> Path:
    return write_station(tmp_path, BIN, state_folder="state", inference={"allow_unsigned": True})


def receive(station: Path, said: bytes) -> tuple[list[dict[str, Any]], str]:
    """A receiver that hears all this at once: what it answered, and what it printed for people."""
    run = subprocess.run(
        [sys.executable, "-m", "edge", "receive", "--station", str(station)],
        input=said,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    # What is sent between events has no end of line.
    lines = [line[line.index(b'{"event"') :] for line in run.stdout.splitlines()]
    return [json.loads(line) for line in lines], run.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        b'{"protocol": 1, "ask": "pull", "items": 0, "events": 0, "run": "\\ud800"}\n',
        b'{"protocol": 1, "ask": "pull", "items": 0, "events": 0, "run": "\xed\xa0\x80"}\n',
        b'{"protocol": ' + b"[" * 900 + b"]" * 900 + b"}\n",
        b'{"protocol": ' + b"[" * 30_000 + b"}\n",
        b'{"protocol": 1, "ask": "push", "digest": {"a": {}}, "size": 1}\n',
        b'{"protocol": 1, "ask": ["push"]}\n',
        b'{"protocol": 1, "ask": "push", "size": 1e999}\n',
        b'{"protocol": 1, "ask": "pull", "items": 1' + b"0" * 5000 + b"}\n",
        b'{"protocol": true, "ask": "status"}\n',
        b"[]\n",
        b"\xff\xfe\n",
        b"",
    ],
)
def test_no_request_ends_in_a_traceback(station: Path, said: bytes) -> None:
    events, printed = receive(station, said)
    assert [event["event"] for event in events] == ["error"]
    assert printed == ""


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [b"[" * 100_000, b'["\\ud800"]', b'{"a": 1}', b"[[[]]]", b"\xff"])
def test_no_list_of_wanted_files_ends_in_a_traceback(station: Path, wanted: bytes) -> None:
    pull = b'{"protocol": 1, "ask": "pull", "items": 0, "events": 0, "run": ""}\n'
    size = json.dumps({"size": len(wanted)}).encode() + b"\n"
    events, printed = receive(station, pull + size + wanted)
    assert events[-1]["event"] in ("error", "done")
    assert printed == ""


@settings(max_examples=200)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_is_asked_is_a_request_or_refused(tree: object) -> None:
    asked = {"protocol": 1, "ask": "status", "digest": tree} if not isinstance(tree, dict) else {"protocol": 1, **tree}
    try:
        request = parse_request(json.dumps(asked).encode())
    except TransferError:
        return
    assert isinstance(request, Push | Pull | Status)


# -- slow, and many ----------------------------------------------------------------------------------------------------


class SlowClient(VirtualClock):
    """Time passes between two looks at the clock: so long does this client let us wait each time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._step = int(seconds * NS_PER_S)

    def now(self) -> int:
        self.advance_to(super().now() + self._step)
        return super().now()


@pytest.fixture
def pipe() -> Iterator[tuple[Any, Any]]:
    ends = os.pipe()
    with FileIO(ends[0], "rb") as reader, FileIO(ends[1], "wb") as writer:
        yield reader, writer


def test_a_byte_every_29_seconds_is_given_up_after_a_minute(pipe: tuple[Any, Any]) -> None:
    reader, writer = pipe
    connection = Connection(reader, writer, SlowClient(SILENCE_S - 1))
    writer.write(b"x" * 100)
    for _ in range(PATIENCE_S // SILENCE_S + 1):
        assert connection.read(1) == b"x"
    with pytest.raises(TransferError, match="too slow"):
        connection.read(1)


def test_a_client_at_the_least_rate_is_served_to_the_end(pipe: tuple[Any, Any]) -> None:
    reader, writer = pipe
    connection = Connection(reader, writer, SlowClient(1))
    for _ in range(3 * PATIENCE_S):
        writer.write(bytes(LEAST_BYTES_PER_S))
        assert len(connection.read_exactly(LEAST_BYTES_PER_S)) == LEAST_BYTES_PER_S


def test_a_client_that_reads_nothing_holds_nobody(pipe: tuple[Any, Any]) -> None:
    reader, writer = pipe

    class Hurried(Connection):
        def _wait(self, file: Any, what: int, most_s: float) -> bool:
            return super()._wait(file, what, 0)

    with pytest.raises(TransferError, match="took nothing"):
        Hurried(reader, writer, VirtualClock()).write(bytes(1 << 20))


@pytest.mark.slow
def test_so_many_connections_are_served_and_no_more(station: Path, tmp_path: Path) -> None:
    request = b'{"protocol": 1, "ask": "push", "digest": "' + b"0" * 64 + b'", "size": 5}\n'
    command = [sys.executable, "-m", "edge", "receive", "--station", str(station)]
    assert receive(station, request)[0][0]["event"] == "send"
    with ExitStack() as opened:
        held = []
        for _ in range(8):
            process = opened.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
            )
            opened.callback(process.kill)
            held.append(process)
        for number, process in enumerate(held):
            process.stdin.write(request.replace(b"0", str(number).encode()))  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            assert json.loads(process.stdout.readline())["event"] == "send"  # type: ignore[union-attr]
        (refused,) = receive(station, request)[0]
        assert "8 connections" in refused["message"]
        held[0].kill()
        held[0].wait()
        assert receive(station, request)[0][0]["event"] == "send"


def test_a_place_that_can_not_be_kept_keeps_nobody_out(tmp_path: Path) -> None:
    with one_of_few(tmp_path / "absent"):
        pass
    (tmp_path / ".sessions").symlink_to("/etc/passwd")
    with one_of_few(tmp_path):
        pass


# -- what lies in the folder -------------------------------------------------------------------------------------------


def plant(path: Path, what: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "dangling link":
        path.symlink_to("/nowhere/at/all")
    elif what == "link":
        path.with_name("precious").write_text("precious")
        path.symlink_to(path.with_name("precious"))
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        (path / "deep").mkdir(parents=True)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["dangling link", "link", "pipe", "device", "folder"])
def test_what_is_in_the_place_of_a_transfer_stands_in_nobodys_way(
    station: Path, tiny_bundle: Callable[..., bytes], what: str
) -> None:
    content = tiny_bundle()
    digest, incoming = read_bundle(content, "x").digest, station.parent / "state" / "models" / "incoming"
    for name in (f"{digest}.part", "0" * 64 + ".part"):
        plant(incoming / name, what)
    request = {"protocol": 1, "ask": "push", "digest": digest, "size": len(content)}
    events, printed = receive(station, json.dumps(request).encode() + b"\n" + content)
    assert [event["event"] for event in events] == ["send", "stored", "done"]
    assert "Traceback" not in printed
    assert not list(incoming.glob("*.part"))
    if what == "link":
        assert (incoming / "precious").read_text() == "precious"


@pytest.mark.slow
def test_no_lock_stays_and_those_of_earlier_versions_go(station: Path, tiny_bundle: Callable[..., bytes]) -> None:
    content, incoming = tiny_bundle(), station.parent / "state" / "models" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / f"{'0' * 64}.lock").touch()
    request = {"protocol": 1, "ask": "push", "digest": read_bundle(content, "x").digest, "size": len(content)}
    assert receive(station, json.dumps(request).encode() + b"\n" + content)[0][-1]["event"] == "done"
    assert list(incoming.iterdir()) == []
    other = {**request, "digest": "1" * 64}
    assert receive(station, json.dumps(other).encode() + b"\n")[0][-1]["event"] == "error"
    assert list(incoming.iterdir()) == [], "a transfer of which nothing came leaves nothing"


def test_whoever_waited_for_a_transfer_that_is_done_begins_a_new_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.part", VirtualClock()
    with open_part(path, 10, clock) as first:
        first.write(b"12345")
        path.unlink()  # as if it had been let in
        with open_part(path, 10, clock) as second:
            assert os.fstat(second.fileno()).st_size == 0
            with pytest.raises(BlockingIOError):
                fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_transfer_that_is_just_coming_is_not_forgotten(tmp_path: Path) -> None:
    with open_part(tmp_path / "first.part", 10, VirtualClock()) as coming:
        coming.write(b"1")
        os.utime(tmp_path / "first.part", (1, 1))
        for number in range(6):
            (tmp_path / f"{number}.part").write_bytes(b"x")
            os.utime(tmp_path / f"{number}.part", (number + 2, number + 2))
        forget_oldest(tmp_path, besides=tmp_path / "new.part")
    assert sorted(path.name for path in tmp_path.glob("*.part")) == ["3.part", "4.part", "5.part", "first.part"]


def sent(folder: Path, wanted: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    names: list[str] = []

    def say(**event: Any) -> None:
        names.append(event["path"])

    send_files(folder, list_files(folder), wanted, say, lambda content: found.update({names[-1]: content}))
    return found


def test_no_link_is_followed_on_the_way_home(tmp_path: Path) -> None:
    state, secret = tmp_path / "state", tmp_path / "secret"
    for folder in (state / "pictures", secret, state / "calibration-pictures"):
        folder.mkdir(parents=True)
    for path in (secret / "a.jpg", secret / "a.toml", state / "pictures" / "mine.jpg"):
        path.write_text(path.name)
    (state / "pictures" / "link.jpg").symlink_to(secret / "a.jpg")
    (state / "calibrations").symlink_to(secret)
    (state / "calibration-pictures" / "2026").symlink_to(secret)
    (state / "calibration.toml").symlink_to(secret / "a.toml")
    os.mkfifo(state / "pictures" / "pipe.jpg")
    (state / "pictures" / "folder.jpg").mkdir()
    with (state / "pictures" / "huge.jpg").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    (state / "pictures" / os.fsdecode(b"\xff.jpg")).write_text("not UTF-8")
    assert list(list_files(state)) == ["pictures/mine.jpg"]
    assert sent(state, ["pictures/mine.jpg", "calibrations/a.toml"]) == {"pictures/mine.jpg": b"mine.jpg"}


def test_a_folder_that_becomes_a_link_after_the_list_is_not_followed(tmp_path: Path) -> None:
    state, secret = tmp_path / "state", tmp_path / "secret"
    for folder in (state / "pictures", secret):
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_text(folder.name)
    offered = list_files(state)
    (state / "pictures").rename(state / "old")
    (state / "pictures").symlink_to(secret)
    told: list[bytes] = []
    send_files(state, offered, list(offered), lambda **event: None, told.append)
    assert told == []


def test_a_shared_folder_is_never_made_by_changing_what_somebody_put_in_its_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    other = tmp_path / "other"
    other.mkdir(mode=0o700)

    class Swapping:
        def mkdir(self, path: Path) -> None:
            path.symlink_to(other)

    with pytest.raises(OSError) as caught:
        make_shared_folder(tmp_path / "models", Swapping())
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert other.stat().st_mode & 0o777 == 0o700
