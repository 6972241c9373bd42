"""Files of labels: what is added is kept, several people's are one, and damage costs the line that it is in."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.labelling.labels import (
    COLUMNS,
    MOST_BYTES,
    NONE_OF_THESE,
    LabelEntry,
    LabelsError,
    can_be_labelled,
    read_labels,
)
from edge.labelling.writing import LabelsFile

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()


def said(folder: Path) -> dict[str, str]:
    return {picture: entry.label for picture, entry in read_labels(folder).entries.items()}


def damage(folder: Path) -> list[str]:
    return [str(line).removeprefix(f"{folder}/") for line in read_labels(folder).damaged]


def test_what_a_person_says_is_read_back_from_a_plain_file(tmp_path: Path) -> None:
    LabelsFile(tmp_path, "anna").append({"a.jpg": "glass", 'sub/b, "c".jpg': NONE_OF_THESE}, NOON)
    assert (tmp_path / "labels-anna.csv").read_text().splitlines() == [
        "picture,label,by,at",
        "a.jpg,glass,anna,2026-05-01T12:00:00.000Z",
        '"sub/b, ""c"".jpg",none-of-these,anna,2026-05-01T12:00:00.000Z',
    ]
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert read_labels(tmp_path).entries["a.jpg"] == LabelEntry("a.jpg", "glass", "anna", at)


def test_the_last_line_of_a_person_holds_and_an_empty_label_takes_it_back(tmp_path: Path) -> None:
    anna = LabelsFile(tmp_path, "anna")
    anna.append({"a.jpg": "glass", "b.jpg": "glass"}, NOON)
    anna.append({"a.jpg": "metal"}, NOON)
    anna.append({"b.jpg": ""}, NOON)
    assert said(tmp_path) == {"a.jpg": "metal"}


def test_a_clock_that_went_back_does_not_bring_an_old_label_back(tmp_path: Path) -> None:
    LabelsFile(tmp_path, "anna").append({"a.jpg": "glass"}, NOON)
    LabelsFile(tmp_path, "anna").append({"a.jpg": "metal"}, NOON - 86400)
    assert said(tmp_path) == {"a.jpg": "metal"}


def test_among_people_the_latest_holds_and_disagreements_are_listed(tmp_path: Path) -> None:
    LabelsFile(tmp_path, "anna").append({"a.jpg": "glass", "b.jpg": "glass", "c.jpg": "paper"}, NOON)
    LabelsFile(tmp_path, "ben").append({"a.jpg": "metal", "b.jpg": "glass"}, NOON + 60)
    labels = read_labels(tmp_path)
    assert said(tmp_path) == {"a.jpg": "metal", "b.jpg": "glass", "c.jpg": "paper"}
    assert [[(e.by, e.label) for e in entries] for entries in labels.disagreements] == [
        [("ben", "metal"), ("anna", "glass")]
    ]


def test_who_takes_back_takes_back_only_their_own(tmp_path: Path) -> None:
    LabelsFile(tmp_path, "anna").append({"a.jpg": "glass"}, NOON)
    LabelsFile(tmp_path, "ben").append({"a.jpg": "metal"}, NOON + 1)
    LabelsFile(tmp_path, "ben").append({"a.jpg": ""}, NOON + 2)
    assert said(tmp_path) == {"a.jpg": "glass"}
    assert read_labels(tmp_path).disagreements == []


def test_files_further_down_count_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "pi-1" / "pictures").mkdir(parents=True)
    LabelsFile(tmp_path / "pi-1", "anna").append({"pictures/a.jpg": "glass"}, NOON)
    LabelsFile(tmp_path, "anna").append({"pi-1/pictures/a.jpg": "metal"}, NOON + 5)
    assert said(tmp_path) == {"pi-1/pictures/a.jpg": "metal"}
    LabelsFile(tmp_path / "pi-1", "anna").append({"pictures/a.jpg": "paper"}, NOON + 9)
    assert said(tmp_path) == {"pi-1/pictures/a.jpg": "paper"}


def test_a_cut_off_last_line_costs_itself_alone_wherever_the_cut_is(tmp_path: Path) -> None:
    anna = LabelsFile(tmp_path, "anna")
    anna.append({"a.jpg": "glass"}, NOON)
    whole = anna.path.read_bytes()
    anna.append({"b.jpg": "metal"}, NOON)
    both = anna.path.read_bytes()
    for cut in range(len(whole), len(both)):
        anna.path.write_bytes(both[:cut])
        anna.append({"c.jpg": "paper"}, NOON)
        left = said(tmp_path)
        assert left.pop("b.jpg", "metal") == "metal"
        assert left == {"a.jpg": "glass", "c.jpg": "paper"}


def test_zeros_that_a_power_cut_left_cost_the_lines_that_they_are_in(tmp_path: Path) -> None:
    anna = LabelsFile(tmp_path, "anna")
    anna.append({f"{n}.jpg": "glass" for n in range(6)}, NOON)
    content = bytearray(anna.path.read_bytes())
    content[60:100] = bytes(40)
    anna.path.write_bytes(content + bytes(512))
    anna.append({"new.jpg": "metal"}, NOON)
    assert said(tmp_path) == {
        "2.jpg": "glass",
        "3.jpg": "glass",
        "4.jpg": "glass",
        "5.jpg": "glass",
        "new.jpg": "metal",
    }


def test_damaged_lines_are_named_with_file_and_line(tmp_path: Path) -> None:
    at = "2026-05-01T12:00:00Z"
    lines = [
        ",".join(COLUMNS), f"a.jpg,glass,anna,{at}", f"b.jpg,Glass!,anna,{at}", f"../../etc/x.jpg,glass,anna,{at}",
        f"/etc/x.jpg,glass,anna,{at}", "c.jpg,glass", f"d.jpg,glass,an na,{at}", "e.jpg,glass,anna,yesterday",
        f'"f.jpg,glass,anna,{at}', f"g.jpg,glass,anna,{at}",
    ]  # fmt: skip
    content = "\r\n".join(lines).encode("utf-8-sig") + b"\r\n\xff.jpg,glass,anna,2026-05-01"
    (tmp_path / "labels-anna.csv").write_bytes(content)
    assert said(tmp_path) == {"a.jpg": "glass", "g.jpg": "glass"}
    assert damage(tmp_path) == [
        "labels-anna.csv:3: label 'Glass!': expected small letters, digits, - and _, a letter first, 32 at most",
        "labels-anna.csv:4: picture '../../etc/x.jpg': expected the path of a picture from the folder of this file",
        "labels-anna.csv:5: picture '/etc/x.jpg': expected the path of a picture from the folder of this file",
        "labels-anna.csv:6: expected picture,label,by,at, got 2 of these 4",
        "labels-anna.csv:7: by 'an na': expected a name of letters (a to z), digits, . - and _, 32 at most",
        "labels-anna.csv:8: at 'yesterday': expected an instant such as 2026-01-31T14:05:00Z",
        "labels-anna.csv:9: damaged: not a line of CSV in UTF-8",
        "labels-anna.csv:11: damaged: not a line of CSV in UTF-8",
    ]


def test_what_is_no_file_in_the_place_of_one_is_named_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels-pipe.csv")
    (tmp_path / "outside.csv").write_text("a.jpg,glass,x,2026-05-01\n")
    (tmp_path / "labels-link.csv").symlink_to(tmp_path / "outside.csv")
    (tmp_path / "labels-folder.csv").mkdir()
    with (tmp_path / "labels-huge.csv").open("wb") as huge:
        huge.truncate(MOST_BYTES + 1)
    LabelsFile(tmp_path, "anna").append({"a.jpg": "metal"}, NOON)
    assert said(tmp_path) == {"a.jpg": "metal"}
    assert [line.split(":")[0] for line in damage(tmp_path)] == [
        "labels-huge.csv",
        "labels-link.csv",
        "labels-pipe.csv",
    ]


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_nothing_is_written_into_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path, outside = tmp_path / "labels-anna.csv", tmp_path / "outside"
    outside.write_text("mine")
    {"pipe": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(outside), "folder": path.mkdir}[kind]()
    with pytest.raises(LabelsError, match=r"labels-anna.csv: can't be written"):
        LabelsFile(tmp_path, "anna").append({"a.jpg": "glass"}, NOON)
    assert outside.read_text() == "mine"


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A file can't grow past 200 bytes, as on a full disk, in the middle of a write."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.usefixtures("small_disk")
def test_labels_that_do_not_fit_on_the_disk_are_refused_as_a_whole(tmp_path: Path) -> None:
    anna = LabelsFile(tmp_path, "anna")
    anna.append({"a.jpg": "glass"}, NOON)
    before = anna.path.read_bytes()
    with pytest.raises(LabelsError, match="nothing of it was saved"):
        anna.append({f"{n}.jpg": "metal" for n in range(9)}, NOON)
    assert anna.path.read_bytes() == before


APPENDING = """
import sys
from pathlib import Path
from edge.labelling.writing import LabelsFile
file = LabelsFile(Path(sys.argv[1]), sys.argv[2])
for n in range(40):
    file.append({f"{sys.argv[3]}-{n}.jpg": "glass", f"{sys.argv[3]}-{n}b.jpg": "metal"}, 1.0)
"""


def test_processes_that_add_at_once_lose_nothing_even_under_one_name(tmp_path: Path) -> None:
    who = [("anna", "1"), ("anna", "2"), ("ben", "3")]
    running = [subprocess.Popen([sys.executable, "-c", APPENDING, tmp_path, by, mark]) for by, mark in who]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert damage(tmp_path) == []
    assert len(said(tmp_path)) == 240
    assert (tmp_path / "labels-anna.csv").read_text().count("picture,label") == 1


@pytest.mark.parametrize("by", ["", "../x", "an na", ".hidden", "x" * 33, "a/b"])
def test_a_name_that_can_be_no_part_of_a_file_name_is_refused(tmp_path: Path, by: str) -> None:
    with pytest.raises(LabelsError, match="give one with --by"):
        LabelsFile(tmp_path, by).append({"a.jpg": "glass"}, NOON)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1).filter(can_be_labelled), st.sampled_from(["glass", "metal"]), min_size=1))
def test_every_picture_that_can_be_labelled_is_read_back_by_its_name(
    tmp_path_factory: pytest.TempPathFactory, labels: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    LabelsFile(folder, "anna").append(labels, NOON)
    assert damage(folder) == []
    assert said(folder) == labels


@settings(max_examples=40, deadline=None)
@given(st.binary())
def test_whatever_stands_in_a_file_of_labels_is_read_or_listed(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "labels-anna.csv").write_bytes(content)
    LabelsFile(folder, "anna").append({"new.jpg": "glass"}, NOON)
    assert said(folder)["new.jpg"] == "glass"
