"""A device that was broken into answers a workstation: it is told as a sentence, and nothing else happens there."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.sshd import SshServer

from converter.fleet.inventory import parse_host
from converter.fleet.pull import PullResult, _is_home_bound, pull_from
from converter.fleet.push import HostResult, PushOptions, State, push_to_one
from converter.fleet.ssh import Ways
from edge.labelling.labels import read_labels
from edge.labelling.writing import LabelsFile

NUMBERS = count(1)
RUNS = {"event": "rows", "table": "runs"}
CALIBRATION = {"event": "file", "path": "calibration.toml"}


def said(*parts: dict[str, Any] | bytes) -> bytes:
    """What a device says: events as lines, and the bytes that follow them."""
    return b"".join(part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n" for part in parts)


def announced(event: dict[str, Any], content: bytes) -> bytes:
    return said({**event, "size": len(content)}, content)


@pytest.fixture
def command(server: SshServer, tmp_path: Path) -> Any:
    """Return the account and the command of a device that answers every request with these bytes."""

    def make(answer: bytes) -> tuple[str, str]:
        alias = f"dev-hostile-{next(NUMBERS)}"
        server.add_plain_account(alias)
        (tmp_path / "answer").write_bytes(answer)
        program = tmp_path / "answer.py"
        program.write_text(
            f"import sys; sys.stdin.readline(); sys.stdout.buffer.write(open({str(tmp_path / 'answer')!r}, 'rb').read()); "
            "sys.stdout.close(); sys.stdin.read()"
        )
        return alias, f"{sys.executable} {program}"

    return make


NONSENSE = {
    "rows that are no JSON": announced(RUNS, b"{"),
    "rows nested beyond all sense": announced(RUNS, b"[" * 100_000),
    "rows without columns": announced(RUNS, b"{}"),
    "rows that are shorter than their columns": announced(RUNS, b'{"columns": ["run", "run_id"], "rows": [[1]]}'),
    "rows of lists": announced(RUNS, b'{"columns": ["run"], "rows": [[[1]]]}'),
    "a row's number that no database takes": announced(RUNS, b'{"columns": ["run"], "rows": [[1%s]]}' % (b"0" * 40)),
    "half a surrogate pair": announced(RUNS, b'{"columns": ["run"], "rows": [["\\ud800"]]}'),
    "a table by no name": announced({"event": "rows"}, b"{}"),
    "a size that is a word": said({**RUNS, "size": "all"}),
    "a size that is infinite": b'{"event": "rows", "table": "runs", "size": Infinity}\n',
    "a size below nothing": said({**RUNS, "size": -1}),
    "no size": said(RUNS),
    "a list of files that is none": announced({"event": "files"}, b"7"),
    "a list of files without sizes": announced({"event": "files"}, b'[["calibration.toml"]]'),
    "a file that nobody asked for": announced({**CALIBRATION, "mtime_ns": 1}, b"x"),
    "an event nested beyond all sense": b'{"event": ' + b"[" * 50_000 + b"\n",
    "an event of numbers": b'{"event": [1]}\n',
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_of_a_device_is_its_error_and_no_traceback(
    server: SshServer, command: Any, tmp_path: Path, answer: bytes
) -> None:
    alias, program = command(answer + said({"event": "done"}))

    async def pull() -> PullResult:
        async with Ways(server.ssh_config) as ways:
            return await pull_from(parse_host(alias), tmp_path / "home", program, ways, lambda result: None)

    result = asyncio.run(pull())
    assert result.error
    assert result.rows == result.files == 0
    assert [path.name for path in result.folder.rglob("*") if path.is_file() and path.name != "journal.db"] == []


def test_labels_of_a_hostile_device_change_no_label_that_was_given_here(
    server: SshServer, command: Any, tmp_path: Path
) -> None:
    lines = b"../../own.jpg,glass,anna,2030-01-01\n/own.jpg,glass,anna,2030-01-01\nown.jpg,glass,anna,9999-01-01\n"
    listed = json.dumps([["labels-anna.csv", 9, 7]]).encode()
    file = {"event": "file", "path": "labels-anna.csv", "mtime_ns": 7}
    answer = announced({"event": "files"}, listed) + announced(file, lines + b"\x1b[2J\n")
    alias, program = command(answer + said({"event": "done"}))
    here = LabelsFile(tmp_path / "home" / alias, "anna")
    here.folder.mkdir(parents=True)
    here.append({"own.jpg": "metal"}, 1_000_000)

    async def pull() -> PullResult:
        async with Ways(server.ssh_config) as ways:
            return await pull_from(parse_host(alias), tmp_path / "home", program, ways, lambda result: None)

    result = asyncio.run(pull())
    assert (result.error, result.labels) == ("", 0)
    assert [line.split(":")[1] for line in result.passed_over] == [
        "1",
        "2",
        "4",
        " 1 labels of a time that is still to come, as 9999-01-01T00",
    ]
    assert {picture: entry.label for picture, entry in read_labels(tmp_path / "home").entries.items()} == {
        f"{alias}/own.jpg": "metal"
    }


PUSH_NONSENSE = {
    "no offset": said({"event": "send"}),
    "an offset that is a word": said({"event": "send", "offset": "x"}),
    "an offset beyond the end": said({"event": "send", "offset": 1 << 70}),
    "an offset below nothing": said({"event": "send", "offset": -5}),
    "done without a result": said({"event": "done"}),
    "a time that is a list": said({"event": "done", "already": 1, "active": 1, "milliseconds": []}),
    "sent for again and again": said({"event": "send", "offset": 0}) * 3,
    "pieces that are no digests": said({"event": "held", "size": 33}, b"x" * 33),
    "more pieces than there are": said({"event": "held", "size": 1 << 40}),
    "pieces below nothing": said({"event": "held", "size": -32}),
    "pieces again and again": said({"event": "held", "size": 32}, bytes(32)) * 2,
    "an event nested beyond all sense": b'{"event": ' + b"[" * 50_000 + b"\n",
}


@pytest.mark.parametrize("answer", PUSH_NONSENSE.values(), ids=PUSH_NONSENSE)
def test_nonsense_of_a_device_ends_a_push_to_it(server: SshServer, command: Any, answer: bytes) -> None:
    alias, program = command(answer)
    options = PushOptions(remote_command=program, ssh_config=server.ssh_config, attempts=1, pieces=True)

    def ignore(result: HostResult) -> None:
        pass

    result = asyncio.run(push_to_one(b"x" * 100, "0" * 64, parse_host(alias), options, ignore))
    assert result.state is State.FAILED
    assert "expected" in result.error, result


def test_a_name_that_would_act_on_a_terminal_or_is_none_is_not_asked_for() -> None:
    assert _is_home_bound("pictures/7.jpg")
    assert not any(
        map(_is_home_bound, ["pictures/\0.jpg", "pictures/\x1b[2J.jpg", "../pictures/7.jpg", "/pictures/7.jpg"])
    )
