"""What comes, when, and out of which photos."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.stations import BELT, make_station

from edge.config import Station
from edge.errors import ConfigError
from edge.simulate.render.photo_stock import SHIPPED, PhotoLibrary, find_photos, load_cut_out
from edge.simulate.render.view import belt_view
from edge.simulate.world.faults import InjectedFault, parse_fault
from edge.simulate.world.traffic import Arrival, Load, Traffic
from edge.tools.simulate.simulated_station import Changes, simulated_variant


def station(lanes: int = 1) -> Station:
    return make_station(
        BELT,
        camera={"width": 640, "height": 480},
        belt={"speed_mm_per_s": 500, "mm_per_pixel": 0.8, "lanes": lanes},
        actuators=None,
        bins={"glass": None},
    )


def arrivals(load: Load, count: int, seed: int = 1, lanes: int = 1) -> list[Arrival]:
    traffic = Traffic(load, belt_view(station(lanes)), PhotoLibrary(find_photos(SHIPPED)), 500.0, seed)
    return [traffic.next() for _ in range(count)]


DRAWN = sorted((SHIPPED.parent / "drawn" / "ball").glob("*.png"))


def test_the_same_seed_brings_the_same_items() -> None:
    load = Load(120, 30, 50, 90)
    first, again, other = (arrivals(load, 12, seed) for seed in (1, 1, 2))
    assert [(a.photo, a.front_mm, a.across_px) for a in first] == [(a.photo, a.front_mm, a.across_px) for a in again]
    assert [a.photo for a in first] != [a.photo for a in other]


@pytest.mark.parametrize("lanes", [1, 3])
def test_gaps_are_at_least_as_asked_and_the_rate_is_right_on_average(lanes: int) -> None:
    load = Load(180, 25, 30, 50)
    items = arrivals(load, 150, lanes=lanes)
    assert [a.front_mm for a in items] == sorted(a.front_mm for a in items)
    for lane in range(lanes):
        mine = [a for a in items if a.lane == lane]
        for ahead, behind in pairwise(mine):
            assert behind.front_mm - (ahead.front_mm + ahead.sprite.length * 0.8) >= 25 - 1e-6
    mean_pitch = (items[-1].front_mm - items[0].front_mm) / (len(items) - 1)
    assert mean_pitch == pytest.approx(500 * 60 / 180, rel=0.2)


def test_items_down_to_touching_leave_no_gap() -> None:
    load = Load(60 * 500 / Load(1, 0, 40, 40).mean_mm, 0.0, 40, 40)
    items = arrivals(load, 10)
    for ahead, behind in pairwise(items):
        assert behind.front_mm == pytest.approx(ahead.front_mm + ahead.sprite.length * 0.8)


def test_more_items_than_fit_are_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match="a faster belt, fewer or smaller items"):
        arrivals(Load(600, 40, 50, 90), 1)


def test_ten_and_more_shipped_photos_a_label_can_all_be_cut_out() -> None:
    photos = find_photos(SHIPPED)
    assert set(photos) == {"cardboard", "glass", "metal", "organic", "paper", "plastic", "trash"}
    for label, paths in photos.items():
        assert len(paths) >= 10, label
        for path in paths:
            assert path.with_name(f"{path.stem}.mask.png").is_file(), (
                f"run edge.simulate.render.photo_stock.write_masks(): {path}"
            )
            cut = load_cut_out(path, label)
            assert cut is not None
            assert cut.label == label
            assert cut.alpha.shape == cut.pixels.shape[:2]


def test_photos_come_from_a_folder_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "metal").mkdir()
    picture = np.full((90, 120, 3), 235, np.uint8)
    cv2.circle(picture, (60, 45), 25, (40, 60, 160), -1)
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(tmp_path / "metal" / name), picture)
    (tmp_path / "list.txt").write_text("metal/b.png\n")
    assert [p.name for p in find_photos(tmp_path)["metal"]] == ["a.jpg", "b.png"]
    assert [p.name for p in find_photos(tmp_path / "list.txt")["metal"]] == ["b.png"]
    (tmp_path / "list.txt").write_text("can: metal/b.png\n# a: comment\n")
    assert {label: [p.name for p in found] for label, found in find_photos(tmp_path / "list.txt").items()} == {
        "can": ["b.png"]
    }
    with pytest.raises(ConfigError, match="no photos in it"):
        find_photos(tmp_path / "metal")
    with pytest.raises(ConfigError, match="no such folder"):
        find_photos(tmp_path / "nowhere")


def test_things_of_a_label_that_is_to_be_shown_come_by_themselves_once_somebody_has_shown_one() -> None:
    library = PhotoLibrary(find_photos(SHIPPED), find_photos(SHIPPED.parent / "drawn"))
    load = Load(items_per_min=60, min_gap_mm=40, smallest_mm=55, largest_mm=95)
    traffic = Traffic(load, belt_view(station(1)), library, 500.0, 1)
    assert traffic.labels == (*find_photos(SHIPPED), "ball")
    assert "ball" not in {traffic.next().label for _ in range(200)}
    assert {traffic.one("ball", 0.0).photo for _ in range(100)} == {f"ball/{path.name}" for path in DRAWN}
    assert "ball" in {traffic.next().label for _ in range(200)}


def test_one_photo_that_can_be_cut_out_is_found_among_many_that_can_not(tmp_path: Path) -> None:
    folder = tmp_path / "cardboard"
    folder.mkdir()
    for number in range(40):  # a sheet that fills the photo has no ground to be cut off
        cv2.imwrite(str(folder / f"{number:02}.png"), np.full((64, 64, 3), 90 + number, np.uint8))
    library, rng = PhotoLibrary(find_photos(tmp_path)), np.random.default_rng(1)
    with pytest.raises(ConfigError, match="any of these 40 photos; expected one object on a plain light ground"):
        library.pick("cardboard", rng)
    whole = np.full((96, 96, 3), 235, np.uint8)
    cv2.circle(whole, (48, 48), 22, (30, 60, 120), -1)
    cv2.imwrite(str(folder / "whole.png"), whole)
    library = PhotoLibrary(find_photos(tmp_path))
    assert {library.pick("cardboard", rng).name for _ in range(5)} == {"cardboard/whole.png"}


def test_disturbances_are_read_and_mistakes_named() -> None:
    planned = parse_fault("bin-full:glass@30+10.5")
    assert (planned.kind, planned.target, planned.start_s, planned.duration_s) == (
        InjectedFault.BIN_FULL,
        "glass",
        30,
        10.5,
    )
    assert parse_fault("camera-lost@5").end_ns is None
    for wrong in ("jam", "jam@", "nonsense@3", "jam:flap@3", "bin-full@3", "jam@3+"):
        with pytest.raises(ConfigError, match="fault"):
            parse_fault(wrong)


def test_a_variant_is_checked_like_a_station_file() -> None:
    changed = simulated_variant(station(), Changes(speed_mm_per_s=700, items_per_min=33, seed=9))
    assert changed.belt is not None
    assert (changed.belt.speed_mm_per_s, changed.simulation.items_per_min, changed.simulation.seed) == (700, 33, 9)
    with pytest.raises(ConfigError, match=r"belt\.speed_mm_per_s"):
        simulated_variant(station(), Changes(speed_mm_per_s=90_000))


def test_a_photo_that_can_not_be_read_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture = np.full((90, 120, 3), 235, np.uint8)
    cv2.circle(picture, (60, 45), 25, (40, 60, 160), -1)
    (tmp_path / "Metal Cans" / "deeper").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "Metal Cans" / "deeper" / "a.png"), picture)
    (tmp_path / "Metal Cans" / "b.jpg").write_bytes(b"")
    library, rng = PhotoLibrary(find_photos(tmp_path)), np.random.default_rng(1)
    assert {library.pick("metal-cans", rng).name for _ in range(9)} == {"metal-cans/a.png"}
    assert "left out" in caplog.text
