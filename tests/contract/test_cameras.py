"""Every camera keeps the same promises; the devices that are not here are small imitations of their libraries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.imitated_picamera2 import FakePicamera2, imitated_picamera2, picture
from support.paths import ROOT

from edge.bundle.photo import load_photo
from edge.clock import NS_PER_MS, NS_PER_S, VirtualClock, ms
from edge.config import load_station
from edge.config.cameras import FolderCamera, Picamera2Camera, V4l2Camera, VideoCamera
from edge.devices.camera import open_camera
from edge.devices.camera.clip import ClipCamera
from edge.devices.camera.photos import PhotoCamera
from edge.devices.camera.picamera import PiCamera
from edge.devices.camera.usb import UsbCamera
from edge.errors import CameraControlError, CameraError, CameraStalledError, SetupError
from edge.interfaces import Camera, Controls
from edge.station.environment import open_station_camera
from edge.types import Frame, Image

FRAMES = 5


# -- imitations of the libraries that drive devices ---------------------------------------------------------------


class FakeCapture:
    """As much of cv2.VideoCapture on V4L2 as is used; like OpenCV it returns BGR."""

    def __init__(self, device: str, api: int) -> None:
        assert api == cv2.CAP_V4L2
        self.values: dict[int, float] = {}
        self.count = self.released = 0
        self.grabbed = False
        FakeCapture.newest = self

    newest: FakeCapture
    clock = VirtualClock()
    stamps = True
    stalled = unplugged = hung_up = closed = False
    damaged = 0
    refuses: frozenset[int] = frozenset()
    largest_width = 4096

    def isOpened(self) -> bool:
        return not self.closed

    def set(self, key: int, value: float) -> bool:
        if key in self.refuses:
            return False
        self.values[key] = min(value, self.largest_width) if key == cv2.CAP_PROP_FRAME_WIDTH else value
        return True

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return (self.clock.now() - ms(40)) / NS_PER_MS if self.stamps else 0.0
        return self.values.get(key, 0.0)

    def grab(self) -> bool:
        if self.stalled or self.unplugged:
            return False
        self.clock.advance_to(self.clock.now() + ms(33))
        self.count += 1
        self.grabbed = True
        return True

    def retrieve(self) -> tuple[bool, Image | None]:
        assert self.grabbed
        if self.damaged:
            self.damaged -= 1
            return False, None
        width = int(self.values[cv2.CAP_PROP_FRAME_WIDTH])
        return True, picture(self.count, (width, int(self.values[cv2.CAP_PROP_FRAME_HEIGHT])))[:, :, ::-1].copy()

    def release(self) -> None:
        self.released += 1

    @staticmethod
    def waitAny(captures: list[FakeCapture], limit_ns: int) -> tuple[bool, list[int]]:
        (capture,) = captures
        if capture.unplugged:
            raise cv2.error("poll failed")
        if capture.hung_up:
            return True, []
        if capture.stalled:
            capture.clock.advance_to(capture.clock.now() + limit_ns)
            return False, []
        return capture.grab(), [0]


@dataclass(frozen=True)
class Library:
    """Stands in for the module cv2."""

    VideoCapture: Any


def fake_cv2(clock: VirtualClock, **traits: Any) -> Library:
    return Library(VideoCapture=type("Fake", (FakeCapture,), {"clock": clock, **traits}))


# -- one of each --------------------------------------------------------------------------------------------------

PI = Picamera2Camera(type="picamera2", width=160, height=120)


def usb(tmp_path: Path, **changes: Any) -> V4l2Camera:
    device = tmp_path / "video0"
    device.touch()
    return V4l2Camera(type="v4l2", device=str(device), width=160, height=120, **changes)


def write_clip(path: Path, frames: int = FRAMES, rate: float = 25.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (160, 120))
    for number in range(frames):
        writer.write(picture(number, (160, 120))[:, :, ::-1])
    writer.release()
    return path


def write_photos(folder: Path, count: int = FRAMES) -> Path:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:02}.png"), picture(number, (160, 120))[:, :, ::-1])
    return folder


def _clip(tmp_path: Path, clock: VirtualClock) -> Camera:
    return open_camera(VideoCamera(type="video", path=write_clip(tmp_path / "clip.avi")), clock)


def _photos(tmp_path: Path, clock: VirtualClock) -> Camera:
    folder = write_photos(tmp_path / "photos")
    return open_camera(FolderCamera(type="folder", path=folder, width=160, height=120, frames_per_s=20), clock)


def _simulated(tmp_path: Path, clock: VirtualClock) -> Camera:
    from edge.simulate.world.world import World

    station = load_station(ROOT / "edge" / "stations" / "demo.toml")
    return open_station_camera(station.camera, clock, World(station, clock))


CAMERAS: dict[str, Callable[[Path, VirtualClock], Camera]] = {
    "picamera2": lambda tmp_path, clock: PiCamera(PI, clock, imitated_picamera2(clock)),
    "v4l2": lambda tmp_path, clock: UsbCamera(usb(tmp_path), clock, fake_cv2(clock), tmp_path),
    "v4l2 without stamps": lambda tmp_path, clock: UsbCamera(
        usb(tmp_path), clock, fake_cv2(clock, stamps=False), tmp_path
    ),
    "video": _clip,
    "folder": _photos,
    "simulated": _simulated,
}
RED = {name for name in CAMERAS if name != "simulated"}  # those whose pictures are `picture`


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(params=list(CAMERAS))
def camera(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock) -> Camera:
    return CAMERAS[request.param](tmp_path, clock)


def _read(camera: Camera, count: int = FRAMES) -> list[Any]:
    frames = [camera.read() for _ in range(count)]
    assert all(frame is not None for frame in frames)
    return frames


def test_frames_have_the_size_it_says(camera: Camera) -> None:
    for frame in _read(camera):
        assert frame.pixels.shape == (camera.size[1], camera.size[0], 3)
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.flags.c_contiguous


def test_instants_and_numbers_only_grow_and_lie_in_the_past(camera: Camera, clock: VirtualClock) -> None:
    frames = []
    for _ in range(FRAMES):
        frames.append(camera.read())
        assert frames[-1].captured_at <= clock.now()
    assert all(a.captured_at < b.captured_at for a, b in pairwise(frames))
    assert all(a.sequence < b.sequence for a, b in pairwise(frames))


def test_a_frame_stays_what_it_was_while_others_are_read(camera: Camera) -> None:
    first = camera.read()
    assert first is not None
    before = first.pixels.copy()
    others = _read(camera, FRAMES - 1)
    assert np.array_equal(first.pixels, before)
    assert not any(np.shares_memory(first.pixels, other.pixels) for other in others)


@pytest.mark.parametrize("kind", sorted(RED))
def test_pixels_are_red_green_blue(kind: str, tmp_path: Path, clock: VirtualClock) -> None:
    frame = CAMERAS[kind](tmp_path, clock).read()
    assert frame is not None
    assert np.abs(frame.pixels[100, 100].astype(int) - (200, 10, 30)).max() < 12
    assert np.abs(frame.pixels[14, 14].astype(int) - (20, 220, 40)).max() < 12


def test_it_has_a_name_that_stays(camera: Camera) -> None:
    before = camera.identity
    _read(camera, 2)
    assert before == camera.identity != ""


def test_closing_twice_is_fine(camera: Camera) -> None:
    camera.close()
    camera.close()


@pytest.mark.parametrize("kind", sorted(RED))
def test_a_closed_camera_gives_an_error_and_no_frame(kind: str, tmp_path: Path, clock: VirtualClock) -> None:
    camera = CAMERAS[kind](tmp_path, clock)
    camera.close()
    with pytest.raises(CameraError, match="closed"):
        camera.read()


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_a_finite_source_ends_and_stays_ended(kind: str, tmp_path: Path, clock: VirtualClock) -> None:
    camera = CAMERAS[kind](tmp_path, clock)
    _read(camera)
    assert camera.read() is None
    assert camera.read() is None


# -- clips and photos ---------------------------------------------------------------------------------------------


def test_a_clip_keeps_its_own_timing(tmp_path: Path, clock: VirtualClock) -> None:
    start = clock.now()
    frames = _read(_clip(tmp_path, clock))
    assert [frame.captured_at - start for frame in frames] == [ms(40) * n for n in range(FRAMES)]
    assert clock.now() == frames[-1].captured_at


def test_a_looped_clip_goes_on_without_a_gap(tmp_path: Path, clock: VirtualClock) -> None:
    path = write_clip(tmp_path / "clip.avi")
    frames = _read(open_camera(VideoCamera(type="video", path=path, loop=True), clock), 3 * FRAMES)
    steps = {b.captured_at - a.captured_at for a, b in pairwise(frames)}
    assert steps == {ms(40)}


def test_a_real_clip_with_uneven_times_is_played_to_its_end(data_dir: Path, clock: VirtualClock) -> None:
    path = data_dir / "clips" / "bolts.gif"
    camera = open_camera(VideoCamera(type="video", path=path), clock)
    start, frames = clock.now(), []
    while (frame := camera.read()) is not None:
        frames.append(frame)
    assert len(frames) == 37
    assert (frames[1].captured_at - start, frames[-1].captured_at - start) == (ms(70), ms(2400))


@pytest.mark.parametrize(("content", "complaint"), [(None, "no such video"), (b"not a video", "not a video")])
def test_what_is_no_clip_is_refused(content: bytes | None, complaint: str, tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraError, match=complaint):
        open_camera(VideoCamera(type="video", path=path), clock)


def test_photos_of_any_size_are_fitted_in_whole(tmp_path: Path, clock: VirtualClock) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("a.png", (40, 400)), ("b.png", (1600, 300)), ("c.jpg", (1, 1))):
        cv2.imwrite(str(folder / name), np.full((size[1], size[0], 3), 255, np.uint8))
    camera = open_camera(FolderCamera(type="folder", path=folder, width=320, height=240), clock)
    tall, wide, dot = (frame.pixels[:, :, 0] > 128 for frame in _read(camera, 3))
    assert (tall.any(axis=0).sum(), tall.any(axis=1).sum()) == (24, 240)
    assert (wide.any(axis=0).sum(), wide.any(axis=1).sum()) == (320, 60)
    assert (dot.any(axis=0).sum(), dot.any(axis=1).sum()) == (240, 240)


def test_a_photo_is_turned_as_its_exif_entry_says(tmp_path: Path, clock: VirtualClock) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.zeros((60, 120, 3), np.uint8)
    pixels[:, :60] = 255  # left half white; turned right by EXIF 6 it is the upper half
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    tiff = b"II*\0\x08\0\0\0\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    segment = b"Exif\0\0" + tiff
    (folder / "a.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:])
    assert load_photo(folder / "a.jpg").shape == (120, 60, 3)
    frame = open_camera(FolderCamera(type="folder", path=folder, width=64, height=128), clock).read()
    assert frame is not None
    assert frame.pixels[32, 32, 0] > 200
    assert frame.pixels[96, 32, 0] < 50


def test_files_that_are_no_photos_are_left_out_by_name(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_photos(tmp_path / "photos", 2)
    (folder / "00a.jpg").write_bytes(b"\xff\xd8 cut off")
    (folder / "notes.txt").write_text("not a photo")
    camera = open_camera(FolderCamera(type="folder", path=folder), clock)
    _read(camera, 2)
    assert camera.read() is None
    assert "00a.jpg" in caplog.text
    assert "notes.txt" not in caplog.text


def test_a_folder_without_one_good_photo_is_an_error_even_when_looped(tmp_path: Path, clock: VirtualClock) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"nothing")
    camera = open_camera(FolderCamera(type="folder", path=folder, loop=True), clock)
    with pytest.raises(CameraError, match="none of its 1 files"):
        camera.read()


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_missing_or_empty_folder_is_refused_by_name(name: str, tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CameraError, match=name):
        open_camera(FolderCamera(type="folder", path=tmp_path / name), clock)


# -- the Pi camera ------------------------------------------------------------------------------------------------


def _newest_pi(camera: PiCamera) -> FakePicamera2:
    device: FakePicamera2 = camera._device
    return device


def test_fixed_exposure_and_colour_are_in_the_configuration_before_the_start(clock: VirtualClock) -> None:
    fixed = PI.model_copy(update={"exposure_us": 4000, "gain": 2.0, "red_gain": 1.8, "blue_gain": 1.4})
    controls = _newest_pi(PiCamera(fixed, clock, imitated_picamera2(clock))).config["controls"]
    assert controls["ExposureTime"] == 4000
    assert controls["AnalogueGain"] == 2.0
    assert controls["ColourGains"] == (1.8, 1.4)
    assert controls["AeEnable"] is controls["AwbEnable"] is False
    assert controls["FrameDurationLimits"] == (33333, 33333)


def test_automatic_exposure_is_left_alone(clock: VirtualClock) -> None:
    controls = _newest_pi(PiCamera(PI, clock, imitated_picamera2(clock))).config["controls"]
    assert set(controls) == {"FrameDurationLimits"}


def test_a_camera_says_what_its_newest_picture_was_taken_with(tmp_path: Path, clock: VirtualClock) -> None:
    colours = {"exposure_us": 2000, "red_gain": 1.9, "blue_gain": 1.6}
    pi = PiCamera(PI.model_copy(update=colours), clock, imitated_picamera2(clock))
    pi.read()
    assert pi.controls == Controls(exposure_us=2000, digital_gain=1.0, red_gain=1.9, blue_gain=1.6)
    plugged = UsbCamera(usb(tmp_path, exposure_us=3200, white_balance_k=4400), clock, fake_cv2(clock), tmp_path)
    plugged.read()
    assert plugged.controls == Controls(exposure_us=3200, white_balance_k=4400)  # its automatic gain is not to be had


def test_a_lens_that_hunts_is_held_where_exposure_is_fixed(tmp_path: Path, clock: VirtualClock) -> None:
    UsbCamera(usb(tmp_path, exposure_us=3200), clock, fake_cv2(clock), tmp_path)
    assert FakeCapture.newest.values[cv2.CAP_PROP_AUTOFOCUS] == 0


def test_its_identity_is_model_and_place(clock: VirtualClock) -> None:
    assert PiCamera(PI, clock, imitated_picamera2(clock)).identity == "imx708 /base/soc/i2c0mux/i2c@1/imx708@1a"


@pytest.mark.parametrize("offset_ms", [-3_600_000, 100, 5_000])
def test_stamps_on_another_clock_are_refused(offset_ms: int, clock: VirtualClock) -> None:
    with pytest.raises(CameraError, match="CLOCK_MONOTONIC"):
        PiCamera(PI, clock, imitated_picamera2(clock, offset_ns=ms(offset_ms)))


def test_frames_without_a_stamp_are_refused(clock: VirtualClock) -> None:
    with pytest.raises(CameraError, match="SensorTimestamp"):
        PiCamera(PI, clock, imitated_picamera2(clock, stamped=False))


LARGE = PI.model_copy(update={"width": 1280, "height": 960})


def test_a_large_picture_comes_with_a_small_one_in_the_same_colours(clock: VirtualClock) -> None:
    camera = PiCamera(LARGE, clock, imitated_picamera2(clock))
    assert _newest_pi(camera).config["lores"] == {"size": (640, 480), "format": "YUV420"}
    frame = camera.read()
    assert frame is not None
    assert frame.small is not None
    assert frame.small.shape == (480, 640, 3)
    assert np.abs(frame.small[100, 100].astype(int) - (200, 10, 30)).max() < 12


@pytest.mark.parametrize(
    ("size", "small"),
    [((640, 480), None), ((1278, 958), None), ((1640, 1232), (820, 616)), ((2592, 1944), (648, 486))],
)
def test_the_small_stream_is_an_even_part_of_the_large_one(
    size: tuple[int, int], small: tuple[int, int] | None, clock: VirtualClock
) -> None:
    settings = PI.model_copy(update={"width": size[0], "height": size[1]})
    camera = PiCamera(settings, clock, imitated_picamera2(clock))
    frame = camera.read()
    assert frame is not None
    assert _newest_pi(camera).config["lores"] == (small and {"size": small, "format": "YUV420"})
    assert (None if frame.small is None else frame.small.shape[1::-1]) == small


def test_a_borrowed_frame_is_the_camera_s_own_buffer_until_it_is_given_back(clock: VirtualClock) -> None:
    camera = PiCamera(LARGE, clock, imitated_picamera2(clock))
    device = _newest_pi(camera)
    frame = camera.borrow()
    assert frame is not None
    assert device.held == 1
    assert np.shares_memory(frame.pixels, device.buffer)
    assert not frame.pixels.flags.writeable
    small = frame.small
    assert small is not None
    kept = small.copy()
    frame.give_back()
    frame.give_back()
    assert device.held == 0
    assert np.array_equal(small, kept)  # the small one is the frame's own
    assert camera.borrow() is not None


def test_a_small_picture_is_copied_rather_than_lent(clock: VirtualClock) -> None:
    camera = PiCamera(PI, clock, imitated_picamera2(clock))
    frame = camera.borrow()
    assert frame is not None
    assert _newest_pi(camera).held == 0
    assert not np.shares_memory(frame.pixels, _newest_pi(camera).buffer)


def test_a_stalled_pi_camera_is_named_within_its_limit(clock: VirtualClock) -> None:
    camera = PiCamera(PI, clock, imitated_picamera2(clock))
    device = _newest_pi(camera)
    device.stalled = True
    started_at = clock.now()
    with pytest.raises(CameraError, match="no frame for 2000 ms"):
        camera.read()
    assert clock.now() - started_at == ms(2000)
    camera.close()
    assert (device.cancelled, device.closed, device.held) == (1, 1, 0)


def test_a_pi_camera_that_hands_out_one_frame_for_ever_has_stalled(clock: VirtualClock) -> None:
    camera = PiCamera(PI, clock, imitated_picamera2(clock))
    first = camera.read()
    assert first is not None
    _newest_pi(camera).stuck_at = first.captured_at
    with pytest.raises(CameraStalledError, match="again and again"):
        camera.read()


@pytest.mark.parametrize(
    ("traits", "complaint"),
    [
        ({"cameras": ()}, "sees 0 camera"),
        ({"busy": True}, r"resource busy\); is another program using it\? `sudo fuser"),
        ({"size": (152, 120)}, "camera.width = 152"),
        ({"format": "YUYV"}, 'gives YUYV instead of BGR888, so imx708 .* camera.type = "v4l2"'),
    ],
)
def test_a_pi_camera_that_can_not_be_used_says_why(traits: dict[str, Any], complaint: str, clock: VirtualClock) -> None:
    with pytest.raises(CameraError, match=complaint):
        PiCamera(PI, clock, imitated_picamera2(clock, **traits))


@pytest.mark.parametrize(
    ("without", "settings", "said"),
    [
        (
            {"AwbEnable", "ColourGains"},
            {"red_gain": 1.8, "blue_gain": 1.4},
            r"no control AwbEnable, ColourGains \(a monochrome one .*remove camera\.red_gain and camera\.blue_gain",
        ),
        ({"ExposureTime"}, {"exposure_us": 4000}, r"no control ExposureTime: remove camera\.exposure_us from"),
        ({"AnalogueGain"}, {"gain": 2.0}, r"no control AnalogueGain: remove camera\.gain from"),
    ],
)
def test_a_control_that_the_sensor_lacks_is_named_with_its_setting(
    without: set[str], settings: dict[str, float], said: str, clock: VirtualClock
) -> None:
    has = {name: limits for name, limits in FakePicamera2.camera_controls.items() if name not in without}
    library = imitated_picamera2(clock, camera_controls=has)
    with pytest.raises(CameraControlError, match=said):
        PiCamera(PI.model_copy(update=settings), clock, library)
    PiCamera(PI, clock, library)  # what is not asked for is not missed


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"gain": 1.0}, r"camera.gain is 1, and it has 1.123 to 16"),
        ({"frames_per_s": 240}, r"camera.frames_per_s is 240, and it has 1 to 120"),
        ({"exposure_us": 10}, r"camera.exposure_us is 10, and it has 26 to"),
        ({"gain": 1.123, "frames_per_s": 120, "exposure_us": 26}, ""),
    ],
)
def test_what_a_sensor_can_not_do_is_told(
    wanted: dict[str, float], said: str, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    camera = PiCamera(PI.model_copy(update=wanted), clock, imitated_picamera2(clock))
    assert said in caplog.text
    assert bool(caplog.records) == bool(said)
    assert camera.gain_range == (1.122807, 16.0)


def test_a_sensor_whose_frame_rate_is_fixed_is_taken_as_it_is(clock: VirtualClock) -> None:
    controls = _newest_pi(PiCamera(PI, clock, imitated_picamera2(clock, camera_controls={}))).config["controls"]
    assert controls == {}


def test_without_picamera2_the_command_that_installs_it_is_named(clock: VirtualClock) -> None:
    with pytest.raises(SetupError, match="apt install python3-picamera2"):
        open_camera(PI, clock)


# -- USB cameras --------------------------------------------------------------------------------------------------


def test_the_driver_s_own_stamps_are_used_where_they_fit(tmp_path: Path, clock: VirtualClock) -> None:
    camera = UsbCamera(usb(tmp_path), clock, fake_cv2(clock), tmp_path)
    frame = camera.read()
    assert camera.times_frames_itself
    assert frame is not None
    assert clock.now() - frame.captured_at == pytest.approx(ms(40), abs=1000)


def test_frames_without_stamps_are_timed_when_read_and_it_says_so(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    camera = UsbCamera(usb(tmp_path), clock, fake_cv2(clock, stamps=False), tmp_path)
    frame = camera.read()
    assert not camera.times_frames_itself
    assert frame is not None
    assert frame.captured_at == clock.now()
    assert "timed when they are read" in caplog.text


@pytest.mark.parametrize("trait", ["stalled", "unplugged", "hung_up"])
def test_a_lost_usb_camera_is_an_error_and_can_be_opened_again(trait: str, tmp_path: Path, clock: VirtualClock) -> None:
    library = fake_cv2(clock)
    camera = UsbCamera(usb(tmp_path), clock, library, tmp_path)
    _read(camera, 2)
    lost = FakeCapture.newest
    setattr(lost, trait, True)
    with pytest.raises(CameraError, match="check the USB cable"):
        camera.read()
    camera.close()
    assert lost.released == 1
    _read(UsbCamera(usb(tmp_path), clock, library, tmp_path), 2)


@pytest.mark.parametrize("damaged", [1, 4])
def test_a_few_damaged_frames_are_left_out(damaged: int, tmp_path: Path, clock: VirtualClock) -> None:
    camera = UsbCamera(usb(tmp_path), clock, fake_cv2(clock), tmp_path)
    FakeCapture.newest.damaged = damaged
    frame = camera.read()
    assert frame is not None
    assert frame.pixels[100, 100, 0] == 200


def test_nothing_but_damaged_frames_is_an_error(tmp_path: Path, clock: VirtualClock) -> None:
    camera = UsbCamera(usb(tmp_path), clock, fake_cv2(clock), tmp_path)
    FakeCapture.newest.damaged = 99
    with pytest.raises(CameraError, match="can't be decoded"):
        camera.read()


def test_its_identity_is_what_udev_calls_it(tmp_path: Path, clock: VirtualClock) -> None:
    settings = usb(tmp_path)
    links = tmp_path / "by-id"
    links.mkdir()
    (links / "usb-046d_C920_5A2B-video-index0").symlink_to(settings.device)
    assert UsbCamera(settings, clock, fake_cv2(clock), links).identity == "usb-046d_C920_5A2B-video-index0"


def test_exposure_is_set_by_hand_in_the_driver_s_unit(tmp_path: Path, clock: VirtualClock) -> None:
    UsbCamera(usb(tmp_path, exposure_us=5000, white_balance_k=4500), clock, fake_cv2(clock), tmp_path)
    values = FakeCapture.newest.values
    assert (values[cv2.CAP_PROP_AUTO_EXPOSURE], values[cv2.CAP_PROP_EXPOSURE]) == (1, 50)
    assert (values[cv2.CAP_PROP_AUTO_WB], values[cv2.CAP_PROP_WB_TEMPERATURE]) == (0, 4500)


@pytest.mark.parametrize(
    ("changes", "traits", "complaint"),
    [
        ({}, {"largest_width": 128}, "gives 128x120 instead of 160x120"),
        ({"exposure_us": 5000}, {"refuses": frozenset({cv2.CAP_PROP_EXPOSURE})}, "remove camera.exposure_us"),
        ({"gain": 2.0}, {"refuses": frozenset({cv2.CAP_PROP_GAIN})}, "remove camera.gain"),
        ({}, {"closed": True}, "another program"),
        ({}, {"stalled": True}, "no frame for 2000 ms"),
    ],
)
def test_a_usb_camera_that_can_not_do_what_is_set_says_so_and_is_given_back(
    changes: dict[str, Any], traits: dict[str, Any], complaint: str, tmp_path: Path, clock: VirtualClock
) -> None:
    with pytest.raises(CameraError, match=complaint):
        UsbCamera(usb(tmp_path, **changes), clock, fake_cv2(clock, **traits), tmp_path)
    assert FakeCapture.newest.released == 1


def test_a_missing_usb_camera_is_named(tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(CameraError, match="no such device"):
        open_camera(V4l2Camera(type="v4l2", device=str(tmp_path / "video7")), clock)


# -- damage -------------------------------------------------------------------------------------------------------


def write_recorded(path: Path, seconds: int = 8) -> Path:
    """A clip of one key frame a second at 25 frames/s, in which each frame is one grey level brighter."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (160, 120))
    noise = np.random.default_rng(3).integers(0, 40, (120, 160, 3)).astype(np.uint8)
    for number in range(25 * seconds):
        writer.write(np.roll(noise, 2 * number, axis=1) + np.uint8(min(number, 200)))
    writer.release()
    return path


def with_a_bad_block(path: Path, size: int) -> Path:
    """The same file with zeros in it, as a bad block of a card leaves it."""
    content = bytearray(path.read_bytes())
    at = len(content) * 3 // 10
    content[at : at + size] = bytes(size)
    path.write_bytes(content)
    return path


def played(path: Path, clock: VirtualClock) -> tuple[ClipCamera, list[Frame]]:
    camera = ClipCamera(VideoCamera(type="video", path=path), clock)
    frames = []
    while (frame := camera.read()) is not None:
        frames.append(frame)
    return camera, frames


def test_a_whole_clip_has_nothing_passed_over(tmp_path: Path, clock: VirtualClock) -> None:
    camera, frames = played(write_recorded(tmp_path / "clip.mp4"), clock)
    assert (len(frames), camera.passed_over) == (200, 0)


def test_what_can_not_be_decoded_is_passed_over_and_the_rest_keeps_its_time(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    start = clock.now()
    camera, frames = played(with_a_bad_block(write_recorded(tmp_path / "clip.mp4"), 20_000), clock)
    assert camera.passed_over > 0
    assert len(frames) + camera.passed_over == 200
    assert frames[-1].captured_at - start == pytest.approx(7.96 * NS_PER_S, abs=0.1 * NS_PER_S)
    assert all(b.captured_at > a.captured_at for a, b in pairwise(frames))
    assert "clip.mp4" in caplog.text
    assert "can't be decoded and are passed over" in caplog.text


def test_a_clip_that_is_cut_off_says_how_much_is_missing(tmp_path: Path, clock: VirtualClock) -> None:
    path = write_recorded(tmp_path / "clip.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    camera, frames = played(path, clock)
    assert 50 < len(frames) < 150
    assert len(frames) + camera.passed_over == 200


def test_a_looped_clip_tells_of_its_damage_once(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    path = with_a_bad_block(write_recorded(tmp_path / "clip.mp4"), 20_000)
    camera, frames = played(path, clock)
    once = caplog.text.count("passed over")
    looped = ClipCamera(VideoCamera(type="video", path=path, loop=True), clock)
    _read(looped, 3 * len(frames))
    assert looped.passed_over == camera.passed_over
    assert caplog.text.count("passed over") == 2 * once


def test_a_looped_folder_tells_of_a_bad_photo_once(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_photos(tmp_path / "photos", 2)
    (folder / "00a.jpg").write_bytes(b"\xff\xd8 cut off")
    camera = PhotoCamera(FolderCamera(type="folder", path=folder, loop=True), clock)
    _read(camera, 6)
    assert camera.passed_over == 1
    assert caplog.text.count("00a.jpg") == 1
