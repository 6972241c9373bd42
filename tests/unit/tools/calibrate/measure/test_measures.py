"""What calibration measures in pictures, against pictures of which the truth is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import CalibrationError
from edge.sensing.marker_sheet import draw_sheet, write_sheet
from edge.tools.calibrate.measure.light import Setting, choose_exposure, measure_light, sharpness
from edge.tools.calibrate.measure.motion import Sight, measure_motion
from edge.tools.calibrate.measure.scale import combine, find_scale, scale_from_ruler
from edge.tools.calibrate.measure.stroke_timing import Shot, find_moving, fit_travel, take_shots
from edge.types import Box, Image

VIEW = Box(0, 0, 640, 480)
SHEET_DOTS_PER_MM = 4.0


def photograph(mm_per_pixel: float, tilt_degrees: float, seed: int = 0, noise: float = 3.0) -> Image:
    """A picture of the sheet in uneven light, (480, 640, 3)."""
    sheet = draw_sheet(SHEET_DOTS_PER_MM)
    scale = 1 / (SHEET_DOTS_PER_MM * mm_per_pixel)
    centre = (sheet.shape[1] / 2, sheet.shape[0] / 2)
    placed = cv2.getRotationMatrix2D(centre, tilt_degrees, scale)
    placed[:, 2] += np.array(VIEW.centre) - centre
    soft = cv2.GaussianBlur(sheet, (0, 0), 0.5 / scale)
    grey = cv2.warpAffine(soft, placed, (VIEW.width, VIEW.height), flags=cv2.INTER_AREA, borderValue=90)
    lit = grey * np.linspace(0.5, 1.0, VIEW.width) + np.random.default_rng(seed).normal(0, noise, grey.shape)
    return np.repeat(np.clip(lit, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@settings(max_examples=15)
@given(mm_per_pixel=st.floats(0.35, 1.0), tilt=st.floats(-5, 5), seed=st.integers(0, 99))
def test_the_scale_is_right_to_one_percent_under_noise_tilt_and_uneven_light(
    mm_per_pixel: float, tilt: float, seed: int
) -> None:
    scale = find_scale(photograph(mm_per_pixel, tilt, seed), VIEW)
    assert scale.mm_per_pixel == pytest.approx(mm_per_pixel, rel=0.01)
    assert scale.tilt_degrees == pytest.approx(tilt, abs=0.5)


def test_a_picture_without_the_sheet_is_recognised_and_named() -> None:
    with pytest.raises(CalibrationError, match="sheet is not in the picture"):
        find_scale(np.full((480, 640, 3), 120, np.uint8), VIEW)


def test_a_bent_sheet_is_recognised_and_named() -> None:
    picture = photograph(0.5, 0)
    columns, rows = np.meshgrid(np.arange(640, dtype=np.float32), np.arange(480, dtype=np.float32))
    bent = cv2.remap(picture, columns + 12 * np.sin(rows / 60), rows, cv2.INTER_LINEAR)
    with pytest.raises(CalibrationError, match="bent"):
        find_scale(bent, VIEW)


def test_several_pictures_give_their_spread() -> None:
    scales = [find_scale(photograph(0.6, 1, seed), VIEW) for seed in range(4)]
    distributed = combine(scales)
    assert min(s.mm_per_pixel for s in scales) <= distributed.mm_per_pixel <= max(s.mm_per_pixel for s in scales)
    assert 0 < distributed.spread < 0.006


def test_the_printed_sheet_is_a_pdf_of_one_a4_page(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.pdf")
    content = (tmp_path / "sheet.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    box = content.split(b"/MediaBox")[1].split(b"]")[0].split()
    width, height = float(box[-2]), float(box[-1])
    assert (width / 72 * 25.4, height / 72 * 25.4) == pytest.approx((297, 210), abs=0.2)


def test_a_ruler_gives_the_scale_too() -> None:
    assert scale_from_ruler(200, 400) == 0.5
    with pytest.raises(CalibrationError, match="at least 50 pixels"):
        scale_from_ruler(10, 12)


def scene(brightness: float, seed: int = 0) -> Image:
    picture = np.random.default_rng(seed).normal(brightness, 6, (120, 160, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def test_flickering_drifting_and_covered_are_told_apart() -> None:
    small = Box(0, 0, 160, 120)
    steady = measure_light([scene(110, n) for n in range(40)], small)
    flickering = measure_light([scene(110 + 8 * np.sin(n * 1.7), n) for n in range(40)], small)
    drifting = measure_light([scene(100 + n, n) for n in range(40)], small)
    covered = measure_light([scene(6, n) for n in range(40)], small)
    assert steady.flicker < 0.01 < 0.1 < flickering.flicker
    assert (steady.is_locked, flickering.is_locked, drifting.is_locked) == (True, True, False)
    assert (steady.is_covered, covered.is_covered) == (False, True)


@given(
    speed=st.floats(10, 2000),
    scale=st.floats(0.1, 2),
    mains=st.sampled_from([50.0, 60.0]),
)
def test_a_thing_moves_by_at_most_a_pixel_while_it_is_exposed_and_lamps_shine_alike_whenever_that_leaves_the_time(
    speed: float, scale: float, mains: float
) -> None:
    exposure = choose_exposure(speed, scale, mains)
    pixels_per_us, half_period_us = speed / scale / 1e6, 5e5 / mains
    assert exposure.exposure_us * pixels_per_us <= 1 + pixels_per_us or exposure.exposure_us == 10  # us, the shortest
    if half_period_us * pixels_per_us < 0.999:
        assert exposure.flicker_free
    if exposure.flicker_free:
        halves = exposure.exposure_us / half_period_us
        assert halves == pytest.approx(round(halves), abs=1e-3)


@settings(max_examples=25)
@given(
    speed=st.floats(20, 1500),
    angle=st.sampled_from([0.0, 90.0, 180.0, 270.0]),
    skew=st.floats(-5, 5),
    seed=st.integers(0, 99),
)
def test_the_belts_speed_is_right_to_half_a_percent(speed: float, angle: float, skew: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    way = np.deg2rad(angle + skew)
    seconds = np.arange(0, min(2.0, 300 / speed), 1 / 60)
    passes = [
        [
            Sight(
                round((n * 60 + t) * 1e9),
                *(speed * t * np.array([np.cos(way), np.sin(way)]) + random.normal(0, 0.15, 2)),
            )
            for t in seconds
        ]
        for n in range(5)
    ]
    motion = measure_motion(passes)
    assert motion.speed_mm_per_s == pytest.approx(speed, rel=0.005)
    assert motion.direction == {0.0: "right", 90.0: "down", 180.0: "left", 270.0: "up"}[angle]
    assert motion.skew_degrees == pytest.approx(abs(skew), abs=0.5)
    assert motion.passes == 5


def test_a_belt_that_stands_or_stutters_is_recognised_and_named() -> None:
    standing = [Sight(n * 16_000_000, 5.0, 5.0) for n in range(40)]
    stuttering = [Sight(n * 16_000_000, 4.0 * n + 12 * (n > 20), 0.0) for n in range(40)]
    with pytest.raises(CalibrationError, match="does not move"):
        measure_motion([standing])
    with pytest.raises(CalibrationError, match="does not run evenly"):
        measure_motion([stuttering])
    with pytest.raises(CalibrationError, match="fewer than"):
        measure_motion([standing[:3]])


def arm(way: float, seed: int) -> Image:
    """A dark arm that swings about a hinge over a light ground, and the noise of a camera."""
    picture = np.full((120, 160, 3), 150, np.uint8)
    angle = np.radians(60) * way
    tip = (round((30 + 90 * np.cos(angle)) * 16), round((10 + 90 * np.sin(angle)) * 16))
    cv2.line(picture, (30 * 16, 10 * 16), tip, (40, 40, 40), 9, cv2.LINE_AA, 4)
    return np.clip(picture + np.random.default_rng(seed).normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def strokes(dead: float, moving: float, repeats: int) -> list[Shot]:
    """What a camera of 30 frames a second sees of strokes that begin at different phases of it."""
    period = 1000 / 30
    start, end = (np.mean([arm(way, n).mean(axis=2) for n in range(8)], axis=0) for way in (0.0, 1.0))
    shots = []
    for stroke in range(repeats):
        for n in range(12):
            after = (stroke / repeats + n - 2) * period
            way = float(np.clip((after - dead) / moving, 0, 1))
            shots += take_shots(stroke, [(after, arm(way, 100 * stroke + n).mean(axis=2))], start, end)
    return shots


@settings(max_examples=8)
@given(dead=st.floats(2, 30), moving=st.floats(20, 120))
@pytest.mark.slow
def test_a_strokes_time_is_found_to_two_milliseconds_by_a_slow_camera(dead: float, moving: float) -> None:
    travel = fit_travel(strokes(dead, moving, 24))
    assert travel.reached_ms == pytest.approx(dead + moving, abs=2)
    assert travel.began_ms == pytest.approx(dead, abs=2)
    assert travel.spread_ms < 1.5


def test_an_actuator_that_is_seen_too_seldom_on_its_way_is_named() -> None:
    with pytest.raises(CalibrationError, match="on its way"):
        fit_travel(strokes(5, 12, 2))


def test_an_actuator_that_is_unplugged_is_recognised_and_named() -> None:
    still = [arm(0.0, n) for n in range(6)]
    with pytest.raises(CalibrationError, match="check its plug"):
        find_moving(still[:3], still[3:])


def test_the_moving_part_of_the_picture_is_found() -> None:
    part = find_moving([arm(0.0, n) for n in range(3)], [arm(1.0, n) for n in range(3)])
    assert part.x <= 34
    assert 85 <= part.y + part.height <= 105


def test_a_sharp_sheet_is_sharp_and_a_blurred_one_is_not() -> None:
    picture = photograph(0.6, 0, noise=1.0)
    softer = cv2.GaussianBlur(picture, (0, 0), 5)
    assert sharpness(picture, VIEW) > 0.6
    assert sharpness(softer, VIEW) < 0.4


@given(exposure=st.integers(500, 20_000), factor=st.floats(0.05, 20), mains=st.sampled_from([50.0, 60.0]))
def test_a_setting_changes_brightness_by_the_factor_as_far_as_it_can(
    exposure: int, factor: float, mains: float
) -> None:
    before = Setting(exposure, 1.0)
    after = before.times(factor, 20_000, (1.0, 16.0), mains)
    wanted = exposure * factor
    if 100 <= wanted <= 20_000 * 16 * 0.49:
        assert after.exposure_us * after.gain == pytest.approx(wanted, rel=0.02)
    assert after.exposure_us <= 20_000
    assert 1.0 <= after.gain <= 16.0
