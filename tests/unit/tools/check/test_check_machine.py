"""`sorter check` and this machine: camera, pins, page, and where the state folder lies."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.stations import BIN, make_station, write_station
from typer.testing import CliRunner

from edge.cli import root
from edge.config import Station
from edge.system.mounts import memory_under
from edge.tools.check.check_camera import camera_problems
from edge.tools.check.check_machine import (
    gpio_problems,
    machine_problems,
    page_problems,
    state_problems,
)
from edge.tools.check.problems import Problem


def station(**changes: Any) -> Station:
    return make_station(BIN, **{"camera": {"type": "simulated"}, **changes})


def a_pi(root: Path) -> Path:
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.5\0")
    return root


def seen_by(device: str, root: Path = Path("/")) -> Problem:
    (problem,) = camera_problems(station(camera={"type": "v4l2", "device": device}), root)
    return problem


# -- cameras ------------------------------------------------------------------------------------------------------


def test_a_usb_camera_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    problem = seen_by("/dev/video9", tmp_path)
    assert (problem.severity, problem.where) == ("error", "camera.device")
    assert "/dev/video9: no such device" in problem.text


def test_a_device_that_is_no_camera_is_an_error() -> None:
    assert seen_by("/dev/null") == Problem(
        "error", "camera.device", "/dev/null: is no camera; `ls /dev/v4l/by-id/` shows which there are"
    )


def test_a_file_in_a_cameras_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"no camera")
    assert "is a file and no device" in seen_by("/video0", tmp_path).text


def test_a_missing_picamera2_is_an_error_on_a_pi_and_a_warning_where_a_file_is_only_written(tmp_path: Path) -> None:
    pi_camera = station(camera={"type": "picamera2"})
    (elsewhere,) = camera_problems(pi_camera, tmp_path)
    (on_a_pi,) = camera_problems(pi_camera, a_pi(tmp_path))
    assert (elsewhere.severity, on_a_pi.severity) == ("warning", "error")
    assert "no Raspberry Pi" in elsewhere.text
    assert "sudo apt install python3-picamera2" in on_a_pi.text


def test_an_empty_photo_folder_is_an_error(tmp_path: Path) -> None:
    (problem,) = camera_problems(station(camera={"type": "folder", "path": str(tmp_path)}))
    assert (problem.severity, problem.where) == ("error", "camera.path")


def test_a_folder_in_which_no_photo_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    (problem,) = camera_problems(station(camera={"type": "folder", "path": str(tmp_path)}))
    assert "none of its 1 files can be read" in problem.text


def test_a_clip_that_can_not_be_decoded_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no clip")
    (problem,) = camera_problems(station(camera={"type": "video", "path": str(tmp_path / "clip.mp4")}))
    assert (problem.severity, problem.where) == ("error", "camera.path")
    assert "not a video that can be opened" in problem.text


def test_a_folder_of_photos_is_no_problem(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    assert list(camera_problems(station(camera={"type": "folder", "path": str(tmp_path)}))) == []


# -- pins and page ------------------------------------------------------------------------------------------------


def test_pins_without_a_chip_are_an_error_on_a_pi_and_a_warning_elsewhere(tmp_path: Path) -> None:
    assert [problem.severity for problem in gpio_problems(tmp_path)] == ["warning"]
    assert [problem.severity for problem in gpio_problems(a_pi(tmp_path))] == ["error"]
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/gpiochip0").touch()
    assert list(gpio_problems(tmp_path)) == []


def test_a_page_port_in_use_is_a_warning_as_the_service_may_hold_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        (problem,) = page_problems(station(page={"port": other.getsockname()[1]}))
    assert (problem.severity, problem.where) == ("warning", "page")
    assert "another program uses it" in problem.text


def test_a_page_address_of_another_machine_is_an_error() -> None:
    (problem,) = page_problems(
        station(page={"host": "192.0.2.1", "open": True, "controls": False})
    )  # RFC 5737: nobody's
    assert problem.severity == "error"
    assert "host to be an address of this machine" in problem.text


@pytest.mark.parametrize(
    ("page", "warned"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "::"}, True),
        ({"host": "0.0.0.0", "open": True}, True),  # to act takes the token all the same
        ({"host": "0.0.0.0", "open": True, "controls": False}, False),
        ({"host": "127.0.0.1", "names": ["sorter.example.org"]}, False),
    ],
)
def test_a_token_that_goes_over_the_network_without_tls_is_a_warning(page: dict[str, Any], warned: bool) -> None:
    problems = list(page_problems(station(page={"port": 0, **page})))
    assert [(p.severity, p.where) for p in problems] == ([("warning", "page")] if warned else [])
    assert all("set page.certificate and page.key" in p.text for p in problems)


def test_a_page_that_is_not_served_needs_no_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        closed = station(page={"port": other.getsockname()[1], "enabled": False})
        assert list(machine_problems(closed)) == []


# -- the state folder ---------------------------------------------------------------------------------------------

DISK = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"


def mounted(root: Path, lines: str, cmdline: str = "") -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(lines)
    (root / "proc/cmdline").write_text(cmdline)
    return root


def test_a_folder_on_a_disk_is_not_in_memory(tmp_path: Path) -> None:
    assert memory_under(Path("/var/lib/sorter"), mounted(tmp_path, DISK)) is None
    assert memory_under(Path("/var/lib/sorter"), tmp_path / "no-proc") is None


def test_a_folder_on_a_tmpfs_is_in_memory(tmp_path: Path) -> None:
    lines = DISK + "30 22 0:25 / /var\\040lib rw - tmpfs tmpfs rw,size=1g\n"
    root = mounted(tmp_path, lines)
    assert memory_under(Path("/var lib/sorter"), root) == "tmpfs at /var lib"
    assert memory_under(Path("/var lib2/sorter"), root) is None


def test_a_disk_mounted_over_memory_is_a_disk(tmp_path: Path) -> None:
    tmpfs = "30 22 0:25 / /var rw - tmpfs tmpfs rw\n"
    disk = "31 30 8:1 / /var rw - ext4 /dev/sda1 rw\n"
    assert memory_under(Path("/var/lib"), mounted(tmp_path / "a", DISK + tmpfs + disk)) is None
    assert memory_under(Path("/var/lib"), mounted(tmp_path / "b", DISK + disk + tmpfs)) == "tmpfs at /var"


def test_an_overlay_is_in_memory_where_its_upper_folder_is(tmp_path: Path) -> None:
    for kind, held in (("tmpfs", True), ("ext4", False)):
        upper = tmp_path / kind / "up"
        upper.mkdir(parents=True)
        lines = (
            DISK
            + f"30 22 0:25 / {tmp_path / kind} rw - {kind} {kind} rw\n"
            + f"31 22 0:26 / /data rw - overlay overlay rw,lowerdir=/low,upperdir={upper},workdir=/work\n"
        )
        found = memory_under(Path("/data/sorter"), mounted(tmp_path / f"root-{kind}", lines))
        assert (found is not None) == held


@pytest.mark.parametrize(
    ("cmdline", "said"),
    [
        ("console=tty1 boot=overlay root=PARTUUID=1", "the Overlay File System of raspi-config"),
        ("overlayroot=tmpfs console=tty1", "the Overlay File System of raspi-config"),
        ("console=tty1", None),  # a container's, whose upper folder is on the host's disk
    ],
)
def test_an_overlay_whose_upper_folder_is_out_of_sight_is_told_by_how_the_machine_was_started(
    cmdline: str, said: str | None, tmp_path: Path
) -> None:
    root_overlay = "22 1 0:24 / / rw - overlay overlay rw,lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work\n"
    assert memory_under(Path("/var/lib/sorter"), mounted(tmp_path, root_overlay, cmdline)) == said


def test_a_state_folder_in_memory_is_a_warning_that_names_what_is_lost(tmp_path: Path) -> None:
    root = mounted(tmp_path, f"30 22 0:25 / {tmp_path} rw - tmpfs tmpfs rw\n")
    (problem,) = state_problems(tmp_path / "state", root)
    assert (problem.severity, problem.where) == ("warning", "state_folder")
    assert "a pressed emergency stop are gone when the power goes" in problem.text


def test_run_says_at_its_start_that_its_state_is_in_memory(
    memory_folder: Path, tmp_path: Path, tiny_bundle: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    if memory_under(memory_folder) is None:
        pytest.skip("no folder in memory on this machine")
    (tmp_path / "tiny.sorter").write_bytes(tiny_bundle())
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    station_file = write_station(
        tmp_path,
        BIN,
        state_folder=memory_folder,
        camera={"loop": True},
        inference={"bundle": "tiny.sorter"},
        page={"enabled": False},
    )
    result = CliRunner().invoke(root, ["run", "--station", str(station_file), "--seconds", "0.3"])
    assert result.exit_code == 0
    assert "is kept in memory (tmpfs at /dev/shm)" in result.stderr + caplog.text


def test_a_state_folder_under_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (problem,) = state_problems(tmp_path / "file" / "state", tmp_path)
    assert (problem.severity, problem.where) == ("error", "state_folder")
