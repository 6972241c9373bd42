"""`sorter pull` from stations behind a real OpenSSH server: what is new comes, once."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import typer
from support.journal import build_journal, make_older, photo
from support.sshd import Device, SshServer
from typer.testing import CliRunner

from converter.fleet.inventory import parse_host
from converter.fleet.pull import MOST_FILES, PullResult, _is_home_bound, pull_from
from converter.fleet.ssh import Ways
from converter.pull_command import command
from edge.bundle.kept_names import item_of, look_names
from edge.clock import VirtualClock
from edge.config.service import JournalSettings
from edge.journal import open_journal
from edge.journal.reading import ItemRecord, Query, read_all
from edge.labelling.labels import read_labels
from edge.labelling.writing import MOST_BROUGHT_BYTES, LabelsFile
from edge.line import Outcome
from edge.types import Box, Crop, Decision, Event, EventKind, Item, Reason

NUMBERS = count(1)


@pytest.fixture
def device(server: SshServer) -> Iterator[Device]:
    device = server.add_device(f"dev-home-{next(NUMBERS)}")
    (device.folder / "state").mkdir()
    return device


def sort_some(device: Device, items: int, first: int = 1, run: str = "run-1") -> None:
    """One run of the controller that journals some items and two events."""
    journal = open_journal(device.folder / "state", JournalSettings(), VirtualClock(), run_id=run, boot_id="boot")
    for number in range(first, first + items):
        decision = Decision(number, "paper", Reason.SORTED, decided_at=number, label="paper", score=0.9, margin=0.8)
        journal.record(Outcome(Item(number, number, ()), None, decision, None, 0))
    for text in ("started", "stopped"):
        journal.record(Event(EventKind.STATE, 1, text))
    journal.store_pending()
    journal.close()


def pull(server: SshServer, device: Device, into: Path) -> PullResult:
    async def run() -> PullResult:
        async with Ways(server.ssh_config) as ways:
            return await pull_from(parse_host(device.alias), into, "sorter receive", ways, lambda result: None)

    return asyncio.run(run())


def items_at_home(result: PullResult, name: str = "journal.db") -> list[int]:
    return [record.item for record in read_all(result.folder / name, ItemRecord, Query())]


def test_rows_come_once_and_the_copy_reads_as_the_original(server: SshServer, device: Device, tmp_path: Path) -> None:
    sort_some(device, 700)
    first = pull(server, device, tmp_path)
    assert (first.error, first.rows) == ("", 702)
    again = pull(server, device, tmp_path)
    assert (again.error, again.rows, again.files) == ("", 0, 0)
    assert again.received < first.received / 2
    sort_some(device, 5, first=701, run="run-2")
    assert pull(server, device, tmp_path).rows == 7
    assert items_at_home(first) == list(range(1, 706))
    originals = list(read_all(device.folder / "state" / "journal.db", ItemRecord, Query()))
    assert list(read_all(first.folder / "journal.db", ItemRecord, Query())) == originals


def test_a_new_journal_on_the_device_does_not_overwrite_the_old_one_here(
    server: SshServer, device: Device, tmp_path: Path
) -> None:
    sort_some(device, 30)
    pull(server, device, tmp_path)
    for path in (device.folder / "state").glob("journal.db*"):
        path.unlink()
    sort_some(device, 3, first=500, run="run-after")
    result = pull(server, device, tmp_path)
    assert result.error == ""
    assert items_at_home(result) == [500, 501, 502]
    assert len(items_at_home(result, "journal-1.db")) == 30


def test_files_come_once_with_their_times(server: SshServer, device: Device, tmp_path: Path) -> None:
    state = device.folder / "state"
    (state / "pictures").mkdir()
    for number in range(3):
        (state / "pictures" / f"{number}.jpg").write_bytes(bytes([number]) * 1000)
        os.utime(state / "pictures" / f"{number}.jpg", (1000 + number, 1000 + number))
    (state / "calibration.toml").write_text("date = 1")
    (state / "secret.txt").write_text("stays")
    album = state / "calibration-pictures" / "2026-11-23"
    album.mkdir(parents=True)
    (album / "verify.html").write_text("<p>how well it hits</p>")
    (state / "pictures" / "link.jpg").symlink_to("/etc/hostname")
    first = pull(server, device, tmp_path)
    assert (first.error, first.files) == ("", 5)
    assert (first.folder / "calibration-pictures/2026-11-23/verify.html").read_text() == "<p>how well it hits</p>"
    assert (first.folder / "pictures" / "2.jpg").read_bytes() == b"\2" * 1000
    assert (first.folder / "pictures" / "2.jpg").stat().st_mtime == 1002
    assert not (first.folder / "secret.txt").exists()
    (state / "calibration.toml").write_text("date = 2")
    assert pull(server, device, tmp_path).files == 1


def test_every_look_comes_home_and_a_copy_of_an_older_version_learns_why_it_was_kept(
    server: SshServer, device: Device, tmp_path: Path
) -> None:
    sort_some(device, 3)
    copy = pull(server, device, tmp_path).folder / "journal.db"
    make_older(copy, version=2)
    journal = build_journal(device.folder / "state", settings=JournalSettings(random_share=1), run_id="run-2")
    crops = tuple(Crop(photo(look), Box(10, 10, 20, 20), 1, 1.0, 1.0) for look in range(3))
    journal.record(Outcome(Item(1, 1, crops), None, Decision(1, "residual", Reason.UNSURE, 1), None, 0))
    journal.close()
    result = pull(server, device, tmp_path)
    assert (result.error, result.rows, result.files) == ("", 1, 3)
    (*_, row) = read_all(copy, ItemRecord, Query())
    assert (row.kept, row.looks) == ("random", 3)
    assert row.picture is not None
    assert all((result.folder / "pictures" / name).is_file() for name in look_names(item_of(row.picture), 3))


def test_labels_given_at_a_station_come_home_beside_those_given_here(
    server: SshServer, device: Device, tmp_path: Path
) -> None:
    pictures = device.folder / "state" / "pictures"
    pictures.mkdir()
    there = LabelsFile(pictures, "anna")
    there.append({"a.jpg": "glass", "b.jpg": "glass"}, 1_000_000)
    LabelsFile(pictures.parent, "ben").append({"pictures/c.jpg": "metal"}, 1_000_000)
    first = pull(server, device, tmp_path)
    assert (first.error, first.files, first.labels) == ("", 2, 3)
    here = LabelsFile(first.folder / "pictures", "anna")
    here.append({"a.jpg": "metal"}, 2_000_000)
    LabelsFile(first.folder / "pictures", "ben").append({"d.jpg": "paper"}, 2_000_000)
    there.append({"b.jpg": "paper", "e.jpg": "glass"}, 3_000_000)
    again = pull(server, device, tmp_path)
    assert (again.error, again.files, again.labels, again.passed_over) == ("", 1, 2, ())
    said = {picture: (entry.label, entry.by) for picture, entry in read_labels(first.folder).entries.items()}
    assert said == {
        "pictures/a.jpg": ("metal", "anna"),
        "pictures/b.jpg": ("paper", "anna"),
        "pictures/c.jpg": ("metal", "ben"),
        "pictures/d.jpg": ("paper", "ben"),
        "pictures/e.jpg": ("glass", "anna"),
    }
    quiet = pull(server, device, tmp_path)
    assert (quiet.files, quiet.labels) == (0, 0)


def test_more_people_than_can_label_at_a_station_and_too_long_a_file_are_told_and_not_taken(
    server: SshServer, device: Device, tmp_path: Path
) -> None:
    state = device.folder / "state"
    with (state / "labels-a.csv").open("wb") as huge:
        huge.truncate(MOST_BROUGHT_BYTES + 1)
    for number in range(MOST_FILES + 4):
        LabelsFile(state, f"b{number:02}").append({"pictures/a.jpg": "glass"}, 1_000_000)
    LabelsFile(state, "zed").append({"pictures/a.jpg": "glass"}, 1_000_000)
    result = pull(server, device, tmp_path)
    assert (result.error, result.labels) == ("", MOST_FILES - 1)
    assert [line.split(",")[0] for line in result.passed_over] == [
        f"6 files of labels: {MOST_FILES} of a station are taken",
        f"labels-a.csv: {MOST_BROUGHT_BYTES + 1} bytes",
    ]


def test_what_came_home_is_not_the_labels_of_the_station_that_it_is_copied_to() -> None:
    assert _is_home_bound("pictures/labels-anna.csv")
    assert not _is_home_bound("pictures/labels-anna@station.csv")
    assert not _is_home_bound("pictures/labels-an na.csv")


def test_a_station_that_never_sorted_has_nothing(server: SshServer, device: Device, tmp_path: Path) -> None:
    result = pull(server, device, tmp_path)
    assert (result.error, result.rows, result.files) == ("", 0, 0)


@pytest.mark.parametrize(
    "path", ["../x.jpg", "pictures/../../x.jpg", "/etc/x.jpg", "pictures/a/b.jpg", "x.jpg", ".ssh/authorized_keys", ""]
)
def test_a_device_can_not_write_where_it_likes(path: str) -> None:
    assert not _is_home_bound(path)


def test_many_devices_and_one_that_is_away(server: SshServer, device: Device, tmp_path: Path) -> None:
    sort_some(device, 4)
    app = typer.Typer()
    app.command()(command)
    arguments = [device.alias, "127.0.0.1:1", "--into", str(tmp_path), "--ssh-config", str(server.ssh_config), "--json"]
    result = CliRunner().invoke(app, arguments)
    answer = json.loads(result.stdout)
    assert result.exit_code == 12
    assert [host["rows"] for host in answer["hosts"]] == [6, 0]
    assert answer["hosts"][0]["error"] == ""
    assert "can't connect" in answer["hosts"][1]["error"]
