"""`sorter doctor --report`: what it says of a machine, and that nothing in it says whose machine that is."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.paths import ROOT, STATIONS
from support.stations import BIN, station_in
from typer.testing import CliRunner

from edge.cli import main, root
from edge.clock import VirtualClock
from edge.config import Station, load_station
from edge.journal.database import create_if_missing
from edge.tools.check.doctor import Doctor
from edge.tools.check.findings import Answer, Finding
from edge.tools.report import measure
from edge.tools.report.report import Reporter
from edge.tools.report.sieve import LEFT_OUT, Sieve, build_sieve

NOBODY = Sieve(frozenset())
PI_5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/cpuinfo": "processor\t: 0\nCPU part\t: 0xd0b\n\nRevision\t: c04170\nSerial\t\t: 10000000deadbeef\nModel\t\t: Raspberry Pi 5\n",
    "proc/sys/kernel/osrelease": "6.12.47+rpt-rpi-2712\n",
    "proc/meminfo": "MemTotal:        4147536 kB\nMemAvailable:    3500000 kB\nSwapTotal:        204784 kB\n",
    "proc/uptime": "7200.5 100.0\n",
    "proc/self/mountinfo": "22 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n",
    "sys/block/mmcblk0/device/name": "SC64G\n",
    "sys/block/mmcblk0/device/date": "05/2023\n",
    "sys/block/mmcblk0/device/serial": "0x12345678\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
    "sys/class/thermal/thermal_zone0/temp": "51234\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
    "etc/hostname": "sorter-cellar\n",
}
TOLD = {
    "dpkg-query": "python3-picamera2 0.3.31-1\nlibcamera0.5 0.5.2+rpt20250903-1\nlibreoffice 4\n",
    "systemctl": "ActiveState=active\nSubState=running\nResult=success\nNRestarts=2\nStatusText=line-1 sorts\n",
    "vcgencmd": "throttled=0x50000\n",
}
MEASURED: dict[str, dict[str, Any]] = {
    "model": {"runtime": "ai-edge-litert 2.3.0", "invoke_ms": {"runs": 200, "p50": 7.25}},
    "camera": {"sensor": "imx708", "frames_per_s": 30.0},
    "timer": {"real_time": True, "late_us": {"p99": 130.0}},
    "sync": {"sync_ms": {"p50": 4.1}},
    "journal": {"faults": {"camera-lost": 2}, "runs": 3},
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def reporter(folder: Path, station: Station, measured: dict[str, Answer] | None = None, told: str = "") -> Reporter:
    """Who reports of a machine that is a folder."""

    def answer(question: str, wanted: dict[str, Any]) -> Answer:
        return (measured or {}).get(question) or Answer(MEASURED[question])

    def tool(command: Sequence[str]) -> str:
        return told + TOLD.get(command[0], "")

    return Reporter(Doctor(folder / "station.toml", station, VirtualClock(), folder), answer, tool)


def test_a_report_of_a_pi_has_what_one_asks_for_first(tmp_path: Path) -> None:
    station = load_station(STATIONS / "bin-lids.toml").model_copy(update={"state_folder": tmp_path})
    found = Finding("gpio", "ok", "Raspberry Pi 5B rev 1.0, gpiochip0")
    report = reporter(write(tmp_path, PI_5), station).report([found])
    assert report["machine"] | {"model": "Raspberry Pi 5 Model B Rev 1.0", "revision": "c04170"} == report["machine"]
    assert (report["machine"]["parts"], report["machine"]["highest_mhz"]) == (["0xd0b"], 2400)
    assert (report["machine"]["memory_mb"], report["now"]["throttling_flags"]) == (4050, "0x50000")
    assert (report["now"]["temperature_c"], report["now"]["up_hours"]) == (51.234, 2.0)
    assert report["versions"]["kernel"] == "6.12.47+rpt-rpi-2712"
    assert report["versions"]["system"] == "Debian GNU/Linux 13 (trixie)"
    assert report["versions"]["debian libcamera0.5"] == "0.5.2+rpt20250903-1"
    assert "debian libreoffice" not in report["versions"]
    assert {"edge-sorter", "python", "numpy", "opencv-python-headless", "ai-edge-litert", "gpiozero"} <= set(
        report["versions"]
    )
    assert report["service"] == {"state": "active", "step": "running", "last_result": "success", "restarts": 2}
    assert {(disk["card"], disk["kind"], disk["card_made"]) for disk in report["disks"]} == {
        ("SC64G", "SD card or eMMC", "05/2023")
    }
    assert report["doctor"] == [{"name": "gpio", "status": "ok", "text": "Raspberry Pi 5B rev 1.0, gpiochip0"}]
    assert report["timings"]["model"] == {"name": "waste-2.0", **MEASURED["model"]}
    assert report["timings"]["camera"] == MEASURED["camera"]
    assert report["journal"] == MEASURED["journal"]


def test_what_could_not_be_measured_says_why(tmp_path: Path) -> None:
    station = load_station(STATIONS / "bin-lids.toml").model_copy(update={"state_folder": tmp_path})
    lost = Answer({}, "/dev/video0: is no camera, or another program uses it")
    report = reporter(tmp_path, station, {"camera": lost}).report([])
    assert report["timings"]["camera"] == {"error": lost.error}
    broken = Finding("numpy, opencv", "fail", "ImportError")
    assert reporter(tmp_path, station).report([broken])["timings"] == {}


# -- nothing that is private comes out ---------------------------------------------------------------------------------

WORD = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.", min_size=8, max_size=24)
PRIVATE = st.one_of(
    WORD,
    st.ip_addresses().map(str),
    st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":")),
    st.binary(min_size=8, max_size=32).map(bytes.hex),
    st.uuids().map(str),
    WORD.map(lambda word: f"/home/{word}/station.toml"),
    WORD.map(lambda word: f"https://hooks.example.org/{word}"),
    WORD.map(lambda word: f"{word}@example.org"),
    WORD.map(lambda word: f"usb-046d_HD_Webcam_{word}-video-index0"),
)


def of_this_place(secret: str, folder: Path) -> tuple[Station, list[Finding], dict[str, Answer], str]:
    """A machine on which the secret is everywhere, and all that is said of it repeats it."""
    write(folder, {name: text for name, text in PI_5.items() if name != "etc/hostname"})
    write(
        folder,
        {
            "etc/hostname": secret,
            "etc/machine-id": secret,
            "etc/passwd": f"{secret}:x:1000:1000:{secret}:/home/{secret}:/bin/bash\n",
            "etc/NetworkManager/system-connections/home.nmconnection": f"[wifi]\nssid={secret}\npsk={secret}\n",
            "proc/device-tree/serial-number": secret,
            "sys/class/net/wlan0/address": secret,
            "proc/self/mountinfo": f"22 1 179:2 / / rw - {secret.replace('/', '')} /dev/{secret} rw\n",
        },
    )
    said = f"can't open {secret}: no such file ({secret!r}), see {secret}, or '{secret}'."
    findings = [Finding(name, "fail", said, said) for name in ("files", "camera", "model", "certificate")]
    measured = {question: Answer({}, said) for question in ("journal", "sync", "model", "timer")}
    measured["camera"] = Answer({"sensor": f"imx708 {secret}", "note": said})
    station = station_in(
        folder, BIN, name="cellar", state_folder="state", camera={"type": "v4l2", "device": "/dev/video0"}
    )
    (folder / "state").mkdir()
    if NOBODY.version(secret) != secret:  # numbers with points are versions, whatever else they may be
        write(folder, {"proc/sys/kernel/osrelease": f"6.12.47-{secret}"})
    told = f"Environment=TOKEN={secret}\nStatusText={secret}\nResult={secret}\n{secret} 1.0\nlib{secret} 1.0\n"
    return station, findings, measured, told


@given(secret=PRIVATE)
def test_what_is_planted_anywhere_never_comes_out(secret: str) -> None:
    assume(NOBODY.text(secret) != secret)
    with tempfile.TemporaryDirectory() as place:
        station, findings, measured, told = of_this_place(secret, Path(place))
        report = json.dumps(reporter(Path(place), station, measured, told).report(findings))
    assert secret not in report
    assert place not in report


@given(name=st.sampled_from(["camera", "belt", "plastic", "waste-2.0", "anna"]))
def test_a_name_that_is_a_word_of_the_program_is_left_out_too(name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        write(Path(place), {"etc/hostname": f"{name}\n", "etc/passwd": f"root:x:0:0::/:\n{name}:x:1001:1001::/:\n"})
        sieve = build_sieve(None, Path(place))
    assert sieve.text(f"no {name} here") == f"no {LEFT_OUT} here"
    assert name not in sieve.version(f"6.12-{name}")


@pytest.mark.parametrize(
    "text",
    [
        "SCHED_FIFO is not allowed to you: strokes wake up to some ms late under load",
        "Raspberry Pi 4B rev 1.5, gpiochip0",
        "NumPy 2.2.4, OpenCV 4.12.0",
        "41.3 GB free for /var/lib/sorter",
        "ImportError: numpy.core.multiarray failed to import",
        "the process was killed by SIGILL",
    ],
)
def test_what_the_program_says_of_itself_stays_whole(text: str) -> None:
    assert NOBODY.text(text) == text


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("6.12.47+rpt-rpi-2712", "6.12.47+rpt-rpi-2712"),
        ("6.12.57+deb13-arm64", "6.12.57+deb13-arm64"),
        ("252.39-1~deb12u1", "252.39-1~deb12u1"),
        ("0.2.2-1~rpt1", "0.2.2-1~rpt1"),
        ("6.6.0-annas-box", f"6.6.0-{LEFT_OUT}-{LEFT_OUT}"),
        ("1.0 of /home/anna", LEFT_OUT),
    ],
)
def test_a_version_keeps_what_its_makers_gave_it(version: str, shown: str) -> None:
    assert NOBODY.version(version) == shown


# -- measured here -----------------------------------------------------------------------------------------------------


def test_the_model_is_started_proved_and_timed(tmp_path: Path, tiny_bundle: Any) -> None:
    path = tmp_path / "tiny.sorter"
    path.write_bytes(tiny_bundle())
    wanted = {"bundle": str(path), "threads": 1, "runtime": "auto", "started_at": measure.clock.now()}
    told = measure.measure_model(wanted)
    assert told["golden"] == {"vectors": 3, "photos": 0, "exact": True, "worst_steps": 0, "same_labels": 3}
    assert told["invoke_ms"]["runs"] == measure.INFERENCES
    assert 0 < told["invoke_ms"]["p50"] <= told["invoke_ms"]["p99"] <= told["invoke_ms"]["worst"]
    assert told["from_start_to_first_answer_ms"] > 0


def test_disk_and_timer_are_timed_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "WAITS", 20)
    assert measure.measure_sync({"folder": str(tmp_path)})["sync_ms"]["runs"] == measure.SYNCS
    assert list(tmp_path.iterdir()) == []
    assert measure.measure_timer({})["late_us"]["runs"] == 20


def test_frames_of_a_camera_are_counted_and_their_ages_told(tmp_path: Path) -> None:
    photos = ROOT / "edge" / "simulate" / "photos" / "glass"
    station_in(tmp_path, BIN, camera={"type": "folder", "path": photos})
    told = measure.measure_camera({"station": str(tmp_path / "station.toml")})
    assert told["sensor"] == "folder"
    assert told["width"] > 0
    assert told["age_ms"]["runs"] > 1


def test_the_journal_is_counted_by_kinds_that_there_are(tmp_path: Path) -> None:
    create_if_missing(tmp_path / "journal.db")
    told = measure.measure_journal({"folder": str(tmp_path)})
    assert told == {"days": measure.DAYS, "runs": 0, "items_ever": 0, "sound": True, "faults": {}}


def test_middle_and_tail_are_of_what_was_measured() -> None:
    assert measure.spread([], 1) == {"runs": 0}
    assert measure.spread(range(1, 201), 1) == {"runs": 200, "p50": 101, "p99": 199, "worst": 200}


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_writes_a_file_that_can_be_read_and_says_where_to_send_it(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    shutil.copy(STATIONS / "bin-lids.toml", tmp_path / "station.toml")
    told = CliRunner().invoke(root, ["doctor", "--station", str(tmp_path / "station.toml"), "--report", str(file)])
    report = json.loads(file.read_text())
    assert f"{file}: written" in told.stderr
    assert ".github/ISSUE_TEMPLATE/device.yml" in told.stderr
    assert {"versions", "machine", "now", "disks", "doctor", "timings", "service", "journal"} <= set(report)
    assert report["timings"]["model"]["golden"]["exact"]
    assert str(tmp_path) not in file.read_text()
    assert (ROOT / ".github/ISSUE_TEMPLATE/device.yml").is_file()


@pytest.mark.parametrize(("bad", "said"), [("", "is no file"), ("missing/report.json", "no folder that you may write")])
def test_a_file_that_can_not_be_written_is_refused_at_once(
    bad: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sorter", "doctor", "--report", str(tmp_path / bad)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert said in told.err
