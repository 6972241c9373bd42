"""Labels of a station that come home: none is lost on either side, and a station that means no good does no harm."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.labelling.labels import find_labels, is_own_labels_file, read_labels
from edge.labelling.writing import (
    MOST_BROUGHT_BYTES,
    MOST_BROUGHT_LINES,
    Brought,
    LabelsFile,
    bring_labels,
    name_at_home,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


@pytest.fixture
def station(tmp_path: Path) -> LabelsFile:
    (tmp_path / "station").mkdir()
    return LabelsFile(tmp_path / "station", "anna")


@pytest.fixture
def here(tmp_path: Path) -> LabelsFile:
    (tmp_path / "here").mkdir()
    return LabelsFile(tmp_path / "here", "anna")


def bring(content: bytes | LabelsFile, here: LabelsFile, now: float = NOON + 24 * HOUR) -> Brought:
    content = content.path.read_bytes() if isinstance(content, LabelsFile) else content
    return bring_labels(name_at_home(here.path), content, Path("labels-anna.csv"), now)


def said(here: LabelsFile) -> dict[str, str]:
    return {picture: entry.label for picture, entry in read_labels(here.folder).entries.items()}


def test_of_one_person_at_both_places_the_latest_label_holds_and_nothing_is_lost(
    station: LabelsFile, here: LabelsFile
) -> None:
    station.append({"a.jpg": "glass", "b.jpg": "glass"}, NOON)
    assert bring(station, here).new == 2
    here.append({"a.jpg": "metal", "c.jpg": "paper"}, NOON + 1 * HOUR)
    own = here.path.read_bytes()
    station.append({"b.jpg": "paper", "d.jpg": "metal"}, NOON + 2 * HOUR)
    assert bring(station, here) == Brought(2, [])
    assert bring(station, here) == Brought(0, [])
    assert said(here) == {"a.jpg": "metal", "b.jpg": "paper", "c.jpg": "paper", "d.jpg": "metal"}
    assert here.path.read_bytes() == own
    here.append({"b.jpg": ""}, NOON + 3 * HOUR)
    assert "b.jpg" not in said(here)


def test_a_station_that_begins_anew_or_whose_file_is_damaged_takes_nothing_back(
    station: LabelsFile, here: LabelsFile
) -> None:
    station.append({"a.jpg": "glass", "b.jpg": "glass"}, NOON)
    bring(station, here)
    station.path.unlink()
    station.append({"c.jpg": "metal"}, NOON + HOUR)
    bring(station, here)
    content = bytearray(station.path.read_bytes())
    content[25:40] = bytes(15)
    assert [line.line for line in bring(bytes(content), here).passed_over] == [2]
    bring(b"", here)
    assert said(here) == {"a.jpg": "glass", "b.jpg": "glass", "c.jpg": "metal"}


def test_lines_of_a_finer_time_and_the_order_of_undoing_come_home_once(here: LabelsFile) -> None:
    lines = [
        b"a.jpg,glass,anna,2026-05-01T12:00:00.123456+00:00",
        b"a.jpg,metal,anna,2026-05-01T12:00:00.123457+00:00",
        b"a.jpg,,anna,2026-05-01T11:00:00+00:00",  # the clock went back, and she did too
        b"b.jpg,paper,ben,2026-05-01T12:00:00+02:00",
    ]
    assert bring(b"\n".join(lines), here).new == 4
    assert bring(b"\n".join(lines), here).new == 0
    assert said(here) == {"b.jpg": "paper"}


def test_labels_from_the_far_future_do_not_overrule_what_is_said_here_and_come_when_their_time_has(
    here: LabelsFile,
) -> None:
    here.append({"a.jpg": "metal"}, NOON)
    content = b"a.jpg,glass,anna,2027-01-01T00:00:00Z\nb.jpg,glass,anna,2026-05-01T11:00:00Z\n"
    brought = bring(content, here)
    assert (brought.new, brought.is_all) == (1, False)
    assert [str(line) for line in brought.passed_over] == [
        "labels-anna.csv: 1 labels of a time that is still to come, as 2027-01-01T00:00:00.000Z: set the station's clock"
    ]
    assert said(here) == {"a.jpg": "metal", "b.jpg": "glass"}
    assert bring(content, here, datetime(2027, 1, 2, tzinfo=UTC).timestamp()) == Brought(1, [])


@pytest.mark.parametrize(
    "content",
    [bytes(MOST_BROUGHT_BYTES + 1), b"\n" * (MOST_BROUGHT_LINES + 1), b"x\n" * (MOST_BROUGHT_LINES + 1)],
    ids=["too long", "empty lines", "bad lines"],
)
def test_more_than_people_can_have_said_is_refused_before_it_is_read(here: LabelsFile, content: bytes) -> None:
    brought = bring(content, here)
    assert (brought.new, brought.is_all, len(brought.passed_over)) == (0, False, 1)
    assert find_labels(here.folder) == []


def test_a_station_can_not_fill_the_disk_bit_by_bit(here: LabelsFile) -> None:
    name = "x" * 200
    for day in range(1, 4):
        lines = [f"{name}-{day}-{n}.jpg,glass,anna,2026-04-0{day}T12:00:00Z" for n in range(15_000)]
        brought = bring("\n".join(lines).encode(), here)
    assert "none of the new ones was taken" in str(brought.passed_over[-1])
    assert name_at_home(here.path).stat().st_size <= MOST_BROUGHT_BYTES
    assert len(said(here)) == 30_000


def test_a_thousand_bad_lines_are_listed_and_the_rest_are_counted_each_of_them_briefly(here: LabelsFile) -> None:
    lines = [b"../" + b"x" * 1000 + b".jpg,glass,anna,2026-05-01"] * 1500
    *listed, rest = bring(b"\n".join(lines), here).passed_over
    assert len(listed) == 1000
    assert max(len(str(line)) for line in listed) < 250
    assert str(rest) == "labels-anna.csv: 500 more lines that can't be used"


def test_nothing_is_written_through_a_link_that_lies_in_the_place(here: LabelsFile, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    name_at_home(here.path).symlink_to(outside)
    with pytest.raises(OSError, match=r"labels-anna@station\.csv"):
        bring(b"a.jpg,glass,anna,2026-05-01T11:00:00Z\n", here)
    assert outside.read_text() == "mine"


def test_no_persons_own_file_can_have_the_name_of_what_came_home(here: LabelsFile) -> None:
    assert is_own_labels_file(here.path.name)
    assert not is_own_labels_file(name_at_home(here.path).name)
