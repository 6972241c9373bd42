"""`sorter doctor`: what it says of machines that are not this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.paths import STATIONS
from typer.testing import CliRunner

from edge.cli import root
from edge.clock import NS_PER_S, VirtualClock
from edge.config import load_station
from edge.system.privileges import Reader, first_unreadable, unreadable_by_service
from edge.tools.check.doctor import Doctor
from edge.tools.check.findings import Answer, Finding, ask

GOOD: dict[str, dict[str, Any]] = {
    "libraries": {"numpy": "2.2.4", "opencv": "4.12.0"},
    "runtime": {
        "title": "waste-1.0",
        "runtime": "ai-edge-litert 2.3.0",
        "milliseconds": 17.1,
        "worst_steps": 0,
        "photos": 3,
    },
    "camera": {"identity": "imx708", "age_ms": 62.0, "times_itself": True},
    "gpio": {"board": "Raspberry Pi 4B rev 1.5", "chip": 0},
    "realtime": {"priority": 20},
}


def doctor(tmp_path: Path, clock: VirtualClock | None = None, **errors: Any) -> Doctor:
    """A Pi on which everything works, but for the questions that are given another answer."""

    def answer(question: str, subject: str = "") -> Answer:
        other = errors.get(question)
        return Answer({}, other) if isinstance(other, str) else Answer(GOOD[question] | (other or {}))

    path = STATIONS / "bin-lids.toml"
    return Doctor(path, load_station(path), clock or VirtualClock(), tmp_path, answer)


@pytest.fixture(autouse=True)
def _pwm_unit(tmp_path: Path) -> None:
    """The PWM unit of a Pi 4, as the kernel shows it when its overlay is on."""
    chip = tmp_path / "sys" / "class" / "pwm" / "pwmchip0"
    chip.mkdir(parents=True)
    (tmp_path / "fe20c000.pwm").mkdir()
    (chip / "device").symlink_to(tmp_path / "fe20c000.pwm")


def found(doctor: Doctor) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor.examine()}


def test_every_part_of_a_good_machine_is_reported(tmp_path: Path) -> None:
    findings = found(doctor(tmp_path))
    assert set(findings) == {
        *("python", "files", "groups", "disk", "numpy, opencv", "model", "camera", "gpio"),
        *("hardware pwm", "own key", "monotonic clock", "date", "priority", "heat"),
    }
    assert [f.name for f in findings.values() if f.status == "fail"] == []


def test_whatever_is_not_ok_names_what_mends_it(tmp_path: Path) -> None:
    for question in GOOD:
        for finding in found(doctor(tmp_path, **{question: "it broke"})).values():
            assert finding.status == "ok" or finding.fix


@pytest.mark.parametrize(
    ("question", "answer", "name", "status", "said"),
    [
        ("runtime", "the process was killed by SIGILL", "model", "fail", "tflite-runtime"),
        ("runtime", "no module", "model", "fail", "pip install 'edge-sorter[edge]'"),
        ("camera", "/dev/video0: no such device", "camera", "fail", "v4l2-ctl --list-devices"),
        ("camera", "is no camera, or another program uses it", "camera", "fail", "systemctl stop sorter"),
        ("camera", {"times_itself": False}, "camera", "warn", "sorter calibrate camera"),
        ("gpio", "this machine is no Raspberry Pi", "gpio", "warn", "python3-lgpio"),
        ("realtime", "PermissionError", "priority", "warn", "sudo sorter setup"),
    ],
)
def test_each_trouble_has_its_own_remedy(
    question: str, answer: Any, name: str, status: str, said: str, tmp_path: Path
) -> None:
    finding = found(doctor(tmp_path, **{question: answer}))[name]
    assert finding.status == status
    assert said in finding.fix


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("GPIO needs a folder that can be written; set LG_WD to a folder that you may write", "LG_WD=FOLDER"),
        ("GPIO needs lgpio, which is not installed: pip install", "sudo apt install python3-lgpio"),
        ("GPIO can't be used ('GPIO busy'); another program holds it", "sudo systemctl stop sorter"),
        (
            "GPIO can't be used (can not open gpiochip); sudo usermod -aG gpio $USER",
            "sudo usermod -aG gpio $USER, then",
        ),
    ],
)
def test_what_keeps_the_pins_from_opening_has_one_cure(error: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir(exist_ok=True)
    (tmp_path / "dev" / "gpiochip0").touch()
    finding = found(doctor(tmp_path, gpio=error))["gpio"]
    assert (finding.status, finding.fix.startswith(said)) == ("fail", True)


def test_a_pwm_unit_that_is_off_is_told_with_its_overlay(tmp_path: Path) -> None:
    (tmp_path / "sys" / "class" / "pwm" / "pwmchip0" / "device").unlink()
    finding = found(doctor(tmp_path))["hardware pwm"]
    assert finding.status == "fail"
    assert "dtoverlay=pwm,pin=12,func=4" in finding.text


def test_with_a_broken_numpy_nothing_that_needs_it_is_tried(tmp_path: Path) -> None:
    findings = found(doctor(tmp_path, libraries="ImportError: numpy.core.multiarray failed to import"))
    assert findings["numpy, opencv"].status == "fail"
    assert "model" not in findings
    assert "disk" in findings


@pytest.mark.parametrize("question", ["libraries", "runtime"])
def test_on_bookworm_no_remedy_brings_the_numpy_that_its_camera_can_not_stand(
    question: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picamera2.py").write_text("")
    monkeypatch.setattr(sys, "version_info", (3, 11, 2))
    without = [f.fix for f in doctor(tmp_path, **{question: "ImportError"}).examine() if "pip install" in f.fix]
    monkeypatch.syspath_prepend(str(tmp_path))
    beside = [f.fix for f in doctor(tmp_path, **{question: "ImportError"}).examine() if "pip install" in f.fix]
    assert without
    assert not any("numpy<2" in remedy for remedy in without)
    for remedy in beside:
        assert "'numpy<2' 'opencv-python-headless<4.12'" in remedy
        assert not {"numpy", "opencv-python-headless"} & set(remedy.split())


def test_a_file_that_the_service_can_not_read_is_named_with_the_command_that_helps(tmp_path: Path) -> None:
    folder = tmp_path / "sorter"
    (folder / "keys").mkdir(parents=True)
    for name in ("station.toml", "keys/anna.pub", "waste.sorter"):
        (folder / name).write_text("")
    nobody = Reader("sorter", 65534, frozenset())
    closed = [folder / "station.toml", folder / "waste.sorter", folder / "keys" / "anna.pub", folder / "keys"]
    for path in closed:
        assert first_unreadable(path, nobody, tmp_path) is None
        before = path.stat().st_mode
        path.chmod(0o700)
        assert first_unreadable(path, nobody, tmp_path) == path
        assert unreadable_by_service(closed[0], closed[1], nobody, tmp_path) == (nobody, [path])
        assert first_unreadable(path, Reader("root", 0, frozenset()), tmp_path) is None
        path.chmod(before)
    assert first_unreadable(tmp_path / "not there", nobody, tmp_path) is None


def test_a_station_file_that_is_none_does_not_keep_the_doctor_from_the_rest(tmp_path: Path) -> None:
    station = tmp_path / "station.toml"
    station.write_text("name = line-1\n")
    done = CliRunner().invoke(root, ["doctor", "--json", "--station", str(station)])
    findings = {finding["name"]: finding for finding in json.loads(done.output)["findings"]}
    assert findings["files"]["status"] == "fail"
    assert "text needs quotes" in findings["files"]["text"]
    assert "sorter check --station" in findings["files"]["fix"]
    assert findings["numpy, opencv"]["status"] == "ok"


def test_a_machine_that_was_suspended_and_one_without_a_date_are_told(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "uptime").write_text("500.0 99.0\n")
    clock = VirtualClock(start=100 * NS_PER_S, wall_start=0.0)
    findings = found(doctor(tmp_path, clock))
    assert "suspended for 400 s" in findings["monotonic clock"].text
    assert findings["date"].text == "not set"


def test_heat_is_told(tmp_path: Path) -> None:
    zone = tmp_path / "sys" / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("81000\n")
    assert found(doctor(tmp_path))["heat"].fix == "fit a fan"


def test_a_probe_that_dies_or_hangs_is_an_answer_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "python"
    for body, said in (("kill -ILL $$", "SIGILL"), ("exec sleep 9", "no answer"), ("echo oh no >&2; exit 3", "oh no")):
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        assert said in ask("libraries", limit_s=0.2).error


@pytest.mark.parametrize("name", ["json.py", "edge.py", "numpy.py", "usercustomize.py"])
def test_what_lies_in_the_working_folder_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    assert ask("libraries").values["numpy"]


def test_the_real_probes_answer_or_say_why() -> None:
    assert ask("libraries").values["numpy"]
    assert "no such file" in ask("camera", "/nonexistent.toml").error


def test_the_command_prints_findings_as_json() -> None:
    result = CliRunner().invoke(root, ["doctor", "--station", str(STATIONS / "demo.toml"), "--json"])
    answer = json.loads(result.stdout)
    assert {finding["name"] for finding in answer["findings"]} > {"python", "model", "camera", "gpio", "disk"}
    assert result.exit_code == (0 if answer["ready"] else 13)


def test_a_state_folder_that_ends_with_the_power_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("22 1 0:24 / / rw - overlay overlay rw,upperdir=/upper/data\n")
    (tmp_path / "proc/cmdline").write_text("console=tty1 boot=overlay")
    disk = found(doctor(tmp_path))["disk"]
    assert disk.status == "warn"
    assert "is kept in memory (the Overlay File System of raspi-config)" in disk.text
    assert "raspi-config" in disk.fix


@pytest.mark.parametrize("station", [None, STATIONS / "demo.toml", STATIONS / "bin-lids.toml"])
def test_numpy_and_opencv_are_loaded_by_nothing_before_a_child_process_has_shown_that_they_work(station: Path) -> None:
    looks = (
        "import sys; from pathlib import Path\n"
        "from edge.config import load_station; from edge.tools.check.doctor import Doctor\n"
        f"path = None if {station is None} else Path({str(station)!r})\n"
        "for finding in Doctor(path, None if path is None else load_station(path)).examine():\n"
        "    if finding.name == 'numpy, opencv': break\n"
        "print(finding.name, sorted({'numpy', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "numpy, opencv []"
