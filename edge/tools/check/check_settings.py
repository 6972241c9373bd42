"""What `sorter check` sees in a station's settings alone: the view, the pins, the strokes, and the time that they have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.config import Station
from edge.config.belt import Belt
from edge.config.sorting import Bin
from edge.tools.check.problems import Problem

# What a live picture's age is taken for: exposure, readout and processing at 30 frames/s, with reserve.
LIVE_FRAME_AGE_MS = 100.0
SMALLEST_ALBUM_MB = 1.0  # kept pictures of some dozen items
# From the decision to the pin: planning and waking up.
NOTICE_MS = 5.0
# An item that is seen in fewer frames before its line has no measured speed.
FEWEST_FRAMES = 3
LARGEST_BLUR_PIXELS = 3.0
# What is beyond was meant in another unit: metres instead of millimetres.
SLOWEST_MM_PER_S, FASTEST_MM_PER_S = 3.0, 5000.0
NARROWEST_VIEW_MM = 20.0
# GPIO 0 to 8 are pulled up until a program claims them, the others are pulled down.
LAST_PULLED_UP = 8
SERIAL_CONSOLE = (14, 15)
BOARD_EEPROM = (0, 1)


@dataclass(frozen=True, slots=True)
class Travel:
    """The way to one diverter in milliseconds: what there is, what is needed, and how many pictures fit in."""

    bin: str
    travel_ms: float
    needed_ms: float
    crops: int

    @property
    def spare_ms(self) -> float:
        return self.travel_ms - self.needed_ms


def picture_problems(station: Station) -> Iterator[Problem]:
    """What is to be kept for learning needs room, and quotas that can be used up."""
    journal = station.journal
    if journal.keep_crops == "none":
        return
    if journal.crops_max_mb < SMALLEST_ALBUM_MB:
        wanted = f'keep_crops "{journal.keep_crops}" and random_share {journal.random_share:g}'
        text = f"crops_max_mb {journal.crops_max_mb:g} has no room for what {wanted} would keep"
        yield Problem("warning", "journal", f'{text}: set {SMALLEST_ALBUM_MB:g} or more, or keep_crops = "none"')
    if journal.crops_per_label > journal.crops_per_day:
        text = f"crops_per_label {journal.crops_per_label} is never reached: crops_per_day is {journal.crops_per_day}"
        yield Problem("warning", "journal", text)


def view_problems(station: Station) -> Iterator[Problem]:
    """The region must lie in the picture, and an item be seen often and sharply enough on its way through it."""
    region, camera = station.region, station.camera
    if camera.has_own_size:
        return  # and its rate is its own too
    width, height = region.width or camera.width - region.x, region.height or camera.height - region.y
    for end, size, key in ((region.x + width, camera.width, "width"), (region.y + height, camera.height, "height")):
        if end > size or min(width, height) <= 0:
            yield Problem("error", "region", f"reaches to pixel {end}, but the picture's {key} is {size}")
    belt = station.belt
    if belt is None:
        return
    yield from _scale_problems(belt, width)
    along = width if belt.direction in ("left", "right") else height
    frames = along * belt.decision_line * belt.mm_per_pixel / belt.speed_mm_per_s * camera.frames_per_s
    if frames < FEWEST_FRAMES:
        yield Problem(
            "error",
            "belt",
            f"an item is seen in {frames:.1f} frames before the decision line; expected {FEWEST_FRAMES} or more: "
            "raise camera.frames_per_s or the camera, or slow the belt",
        )
    exposure_us = getattr(camera, "exposure_us", None)
    blur = (exposure_us or 0) / 1e6 * belt.speed_mm_per_s / belt.mm_per_pixel
    if blur > LARGEST_BLUR_PIXELS:
        yield Problem(
            "warning",
            "camera.exposure_us",
            f"{exposure_us} us at {belt.speed_mm_per_s:g} mm/s smear {blur:.1f} pixels; add light and expose shorter",
        )


def _scale_problems(belt: Belt, width: int) -> Iterator[Problem]:
    """Numbers that no belt has: a unit was mistaken."""
    speed, view_mm = belt.speed_mm_per_s, belt.mm_per_pixel * width
    if speed < SLOWEST_MM_PER_S:
        meant = f"; {speed:g} m/s would be {1000 * speed:g}" if 1000 * speed <= FASTEST_MM_PER_S else ""
        text = f"{speed:g} mm/s is slower than any conveyor: expected millimetres a second{meant}"
        yield Problem("error", "belt.speed_mm_per_s", text)
    if view_mm < NARROWEST_VIEW_MM:
        text = f"{belt.mm_per_pixel:g} mm a pixel makes a view of {view_mm:.3g} mm: expected millimetres, such as 0.5"
        yield Problem("error", "belt.mm_per_pixel", text)


def pin_problems(station: Station) -> Iterator[Problem]:
    """What the Pi does to a pin before the program runs, and pins that are not free."""
    for pin, users in station.pin_users().items():
        who = users[0]
        if pin in BOARD_EEPROM:
            yield Problem("warning", who, f"GPIO {pin} is read at start-up to identify HAT boards; use another")
        if pin in SERIAL_CONSOLE:
            yield Problem(
                "warning",
                who,
                f"GPIO {pin} belongs to the serial console: switch that off with `sudo raspi-config`, or use another",
            )
    for actuator in station.actuators:
        for pin, on in actuator.levels_on().items():
            pulled_up = pin <= LAST_PULLED_UP
            if pulled_up == on:
                level, resistor = ("up", "to ground") if pulled_up else ("down", "to 3.3 V")
                yield Problem(
                    "warning",
                    f"actuator {actuator.name}",
                    f"GPIO {pin} is pulled {level} while the Pi starts, which switches it on: "
                    f"a resistor of 1 to 4.7 kOhm {resistor} keeps it off",
                )
    channels = {a.pwm_pin: a.name for a in station.actuators if a.pwm_pin is not None}
    for pin, name in channels.items():
        if pin + 6 in channels:
            yield Problem("warning", f"actuator {name}", f"GPIO {pin} and {pin + 6} share one PWM on a Pi 0 to 4")


def stroke_problems(station: Station) -> Iterator[Problem]:
    """Strokes that would be cut off, things that were never measured, and what a real station should have."""
    for where in station.bins:
        if where.actuator is None:
            continue
        actuator = station.actuator(where.actuator)
        if actuator.lead_ms + where.dwell_ms > actuator.max_on_ms:
            yield Problem(
                "warning",
                f"bin {where.name}",
                f"lead_ms {actuator.lead_ms:g} + dwell_ms {where.dwell_ms:g} is longer than max_on_ms "
                f"{actuator.max_on_ms:g} of {actuator.name!r}: its strokes are cut short",
            )
    idle = [a.name for a in station.actuators if a.name not in {where.actuator for where in station.bins}]
    for name in idle:
        yield Problem("warning", f"actuator {name}", "no bin uses it")
    if station.camera.is_live and station.safety.estop_pin is None:
        yield Problem(
            "warning", "safety.estop_pin", "not set: the emergency stop works without it, but is not seen or recorded"
        )


def travel_to(station: Station, where: Bin, invoke_ms: float | None) -> Travel | None:
    """Return the time from the decision line to a bin's diverter and what it takes to decide; None: no diverter."""
    if station.belt is None or where.actuator is None or where.distance_mm is None:
        return None
    camera = station.camera
    age_ms = LIVE_FRAME_AGE_MS if camera.is_live else station.simulation.frame_age_ms
    travel_ms = where.distance_mm / station.belt.speed_mm_per_s * 1000
    fixed_ms = age_ms + 1000 / camera.frames_per_s + NOTICE_MS + station.actuator(where.actuator).lead_ms
    crops = station.inference.max_crops
    if invoke_ms is None:
        return Travel(where.name, travel_ms, fixed_ms, crops)
    crops = min(crops, max(1, int((travel_ms - fixed_ms) / invoke_ms)))
    return Travel(where.name, travel_ms, fixed_ms + invoke_ms, crops)


def travel_problems(way: Travel, station: Station) -> Iterator[Problem]:
    if way.spare_ms < 0:
        yield Problem(
            "error",
            f"bin {way.bin}",
            f"an item reaches its diverter {way.travel_ms:.0f} ms after the decision line, but seeing, classifying and "
            f"moving take {way.needed_ms:.0f} ms: raise distance_mm, or slow the belt",
        )
    elif way.crops < station.inference.max_crops:
        yield Problem(
            "warning",
            f"bin {way.bin}",
            f"there is time to look at {way.crops} of {station.inference.max_crops} pictures of an item",
        )
