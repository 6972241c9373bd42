"""Real clips, with the truth as a person sees it.

- bolts: one bolt comes in from the left with frame 1, its middle passes 60 % of the width with frame 13 or 14, it
  is gone with frame 23. A worn splice of the belt goes along with it. About 23 pixels a frame all the way.
- bottles: three stand there from the start. Hands take the left one (frame 190) and put it back (frame 395), take the
  left and the middle one (520), put down the middle one (730) and the left one (850), take the right one (940) and
  put it back (1090): four times a bottle is put down.
- washers: an inset of 140 x 140 pixels shows two nuts go up, one a little ahead; the inset is refreshed with every
  second to fourth frame only.
- empty belts: five pictures of a blue belt in three views, one of them with a splice across.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.moving_belt import conveyor
from typer.testing import CliRunner

from edge.cli import root
from edge.clock import NS_PER_S, ms
from edge.interfaces import Sighting
from edge.sensing import build_trigger
from edge.tools.count.count import Count, count_items, describe_clip
from edge.transport import BeltModel
from edge.types import Box, Frame, Item

WASHERS = Box(24, 12, 142, 140)


def count(path: Path, kind: str | None = None, direction: str | None = None, region: Box | None = None) -> Count:
    return count_items(describe_clip(path, kind, direction, region, 30.0))


@pytest.fixture(scope="module")
def bolts(data_dir: Path) -> Path:
    return data_dir / "clips" / "bolts.gif"


@pytest.fixture(scope="module")
def bottles(data_dir: Path) -> Path:
    return data_dir / "clips" / "bottles.mp4"


@pytest.fixture(scope="module")
def washers(data_dir: Path) -> Path:
    return data_dir / "clips" / "washers.gif"


def test_one_bolt_crosses_at_a_steady_speed(bolts: Path) -> None:
    fronts: list[int] = []

    def follow(frame: Frame, sightings: Sequence[Sighting], items: Sequence[Item]) -> None:
        if sightings:
            largest = max((sighting.box for sighting in sightings), key=lambda box: box.area)
            fronts.append(largest.x + largest.width)

    station = describe_clip(bolts, None, None, None, 30.0)
    found = count_items(station, follow)
    assert station.kind == "conveyor"
    assert station.belt is not None
    assert station.belt.direction == "right"
    (item,) = found.items
    assert found.frames == 37
    assert 12.5 / 15 <= found.seconds(item) <= 14.5 / 15
    assert item.length_mm == pytest.approx(44, abs=8)
    assert item.reject_reason is None
    # From the first frame that shows it whole to the last one, its front moves by 23 pixels, give or take two.
    whole = [front for front in fronts if 60 < front < 470]
    steps = np.diff(whole)
    assert len(steps) >= 16
    assert float(np.median(steps)) == pytest.approx(23, abs=1)
    assert float(steps.std()) < 3


@pytest.mark.slow
def test_four_bottles_are_put_down_and_none_that_is_taken_away_counts(bottles: Path) -> None:
    found = count(bottles)
    assert found.station.kind == "bin"
    assert [item.reject_reason for item in found.items] == [None] * 4
    frames = [found.seconds(item) * 29.83 for item in found.items]
    for at, (put_down, later) in zip(frames, [(395, 450), (730, 790), (850, 920), (1085, 1140)], strict=True):
        assert put_down <= at <= later
    # Left, middle, left, right; each a whole bottle of about 60 x 200 pixels.
    centres = [item.crops[0].in_frame.centre[0] for item in found.items]
    assert centres == pytest.approx([100, 322, 85, 545], abs=20)
    assert all(180 <= item.crops[0].in_frame.height <= 230 for item in found.items)


def test_two_washers_go_up_side_by_side(washers: Path) -> None:
    found = count(washers, region=WASHERS)
    assert found.station.belt is not None
    assert found.station.belt.direction == "up"
    assert len(found.items) == 2
    speeds = [item.speed_mm_per_s for item in found.items]
    assert max(speeds) / min(speeds) < 1.15


def test_empty_belts_give_nothing_in_any_order(data_dir: Path) -> None:
    # The camera was moved between the views: only pictures of one view are one belt.
    views = {"a": 1, "b": 2, "c": 2}
    for view, number in views.items():
        chosen = [cv2.imread(str(path)) for path in sorted((data_dir / "empty_belts").glob(f"belt-{view}*.png"))]
        assert len(chosen) == number
        trigger = build_trigger(conveyor(60.0, region={"x": 40, "width": 200}), BeltModel(60.0))
        frames = [np.ascontiguousarray(chosen[n // 5 % len(chosen)][..., ::-1]) for n in range(60)]
        items = [trigger.observe(Frame(frame, NS_PER_S + n * ms(33), n)) for n, frame in enumerate(frames)]
        assert sum(map(len, items)) == 0


def test_the_command_prints_what_it_counted(bolts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    result = CliRunner().invoke(root, ["count", str(bolts), "--json", "--video", str(out)])
    assert result.exit_code == 0, result.output
    assert '"count": 1' in result.output
    assert '"direction": "right"' in result.output
    clip = cv2.VideoCapture(str(out))
    assert int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) == 37


def write_belt(path: Path) -> Path:
    """Six things on a grainy belt, 240 frames."""
    random = np.random.default_rng(1)
    belt = random.normal(90, 6, (180, 320, 3))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (320, 180))
    for number in range(240):
        picture = belt.copy()
        for thing in range(6):
            x = 4 * (number - 36 * thing) - 40
            picture[60:110, max(0, x) : max(0, min(320, x + 40))] = (40, 60, 200)
        writer.write(np.clip(picture, 0, 255).astype(np.uint8))
    writer.release()
    return path


def test_what_a_damaged_clip_does_not_show_is_said(tmp_path: Path) -> None:
    path = write_belt(tmp_path / "clip.mp4")
    arguments = ["count", str(path), "--kind", "conveyor", "--direction", "right", "--json"]
    whole = CliRunner().invoke(root, arguments)
    content = bytearray(path.read_bytes())
    at = len(content) // 2
    content[at : at + len(content) // 8] = bytes(len(content) // 8)
    path.write_bytes(content)
    damaged = CliRunner().invoke(root, arguments)
    before, after = json.loads(whole.stdout), json.loads(damaged.stdout)
    assert (before["frames"], before["frames_passed_over"], before["count"]) == (240, 0, 6)
    assert after["frames"] + after["frames_passed_over"] == 240
    assert after["frames"] > 150  # and not only up to the damage
    assert after["count"] >= 4
    assert f"{after['frames_passed_over']} of 240 frames can't be decoded and were passed over" in damaged.stderr
    assert whole.stderr == ""
