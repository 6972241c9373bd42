"""The whole walk as a technician sees it: through a terminal, with the keyboard."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from http.client import HTTPConnection
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.realtime

SORTER = [sys.executable, "-m", "edge", "calibrate"]
# A loaded machine renders slowly; what is waited for comes as soon as it is there.
PATIENCE_S = 240
ENTER = r"Enter (when it is so|to go on)|Number [^\r\n]*\(1\)"


def begin(folder: Path, *arguments: str) -> pexpect.spawn:
    return pexpect.spawn(
        SORTER[0],
        [*SORTER[1:], *arguments, "--demo", "--state-folder", str(folder)],
        timeout=PATIENCE_S,
        encoding="utf-8",
        dimensions=(40, 120),
        # A shell that runs the tests in the background has Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SORTER, *arguments, "--demo", "--state-folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def press_enter_until(terminal: pexpect.spawn, wanted: str) -> None:
    """Answer every question with Enter until the terminal shows what is wanted."""
    while terminal.expect([ENTER, wanted]) == 0:
        terminal.sendline("")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder after the whole walk."""
    folder = tmp_path_factory.mktemp("state")
    terminal = begin(folder, "--seconds", "4", "--passes", "2", "--items", "8")
    for step in ("camera", "background", "belt", "diverters", "sensors", "verify"):
        press_enter_until(terminal, rf"{step}.*of 6")
    press_enter_until(terminal, "values are new in")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    return folder


def test_the_walk_leaves_a_whole_calibration_with_pictures(walked: Path) -> None:
    table = tomllib.loads((walked / "calibration.toml").read_text())
    assert table["station"] == "practice"
    assert table["belt"]["speed_mm_per_s"] == pytest.approx(200, rel=0.005)
    assert table["camera"]["mm_per_pixel"] == pytest.approx(0.8, rel=0.01)
    assert table["diverters"]["arm-1"]["lead_ms"] == pytest.approx(60, abs=2)
    assert table["diverters"]["arm-2"]["lead_ms"] == pytest.approx(140, abs=2)
    album = next((walked / "calibration-pictures").iterdir())
    assert {"camera-before.jpg", "camera-sheet.jpg", "arm-1-end.jpg", "verify.html"} <= {
        p.name for p in album.iterdir()
    }
    assert "<img" in (album / "verify.html").read_text()


def test_what_is_measured_is_not_measured_again(walked: Path) -> None:
    done = run(walked)
    assert done.returncode == 0
    assert "Everything is measured and still holds" in done.stdout


def test_show_diff_and_restore_walk_through_what_was_kept(walked: Path) -> None:
    shown = json.loads(run(walked, "show", "--json").stdout)
    assert shown["steps"]["belt"] == "done"
    again = json.loads(run(walked, "sensors", "estop", "--json").stdout)
    assert again["ok"] is True
    assert "estop" in again["calibration"]["sensors"]
    differences = json.loads(run(walked, "diff", "--json").stdout)["changes"]
    assert {change["key"] for change in differences} >= {"verify.verdict"}  # it holds for the station as it was
    assert run(walked, "restore").returncode == 0
    assert json.loads(run(walked, "show", "--json").stdout)["steps"]["verify"] == "done"


def test_a_servos_position_is_set_with_the_arrow_keys_and_measured(walked: Path) -> None:
    terminal = begin(walked, "diverters", "arm-2", "--jog")
    press_enter_until(terminal, "position safe: 1100")
    terminal.send("\r")
    terminal.expect("position out: 1800")
    terminal.send("\x1b[C")
    terminal.expect("position out: 1805")
    terminal.send("\r")
    press_enter_until(terminal, "values are new in")
    terminal.expect(pexpect.EOF)
    terminal.close()
    arm = tomllib.loads((walked / "calibration.toml").read_text())["diverters"]["arm-2"]
    assert arm["positions_us"] == {"out": 1805}
    assert arm["lead_ms"] == pytest.approx(140, abs=2)
    assert run(walked, "restore").returncode == 0


def test_the_region_that_is_drawn_on_the_page_is_taken(tmp_path: Path) -> None:
    terminal = begin(tmp_path, "camera", "--draw")
    terminal.expect(r"Open http://[\w.]+:(\d+)(\S+) in a browser")
    port, path = terminal.match.groups()
    connection = HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE_S)
    connection.request("GET", f"{path}picture.jpg")
    assert connection.getresponse().read().startswith(b"\xff\xd8")
    drawn = json.dumps({"x": 10, "y": 20, "width": 400, "height": 440})
    connection.request("POST", f"{path}region", drawn, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    terminal.expect(r"Drawn: 400 x 440 at \(10, 20\)")
    terminal.expect(ENTER)  # and the step goes on
    terminal.close()
    assert not (tmp_path / "calibration.toml").exists()


def test_stopping_half_way_keeps_the_old_calibration(walked: Path) -> None:
    before = (walked / "calibration.toml").read_bytes()
    terminal = begin(walked, "--all")
    press_enter_until(terminal, "Watching 100 pictures")
    terminal.sendintr()
    terminal.expect("Nothing was kept")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert (walked / "calibration.toml").read_bytes() == before


def test_without_a_terminal_and_without_yes_it_says_so(tmp_path: Path) -> None:
    command = [*SORTER, "camera", "--demo", "--state-folder", str(tmp_path)]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 3
    assert "--yes" in done.stderr
    assert not (tmp_path / "calibration.toml").exists()


def test_a_sorter_that_runs_on_the_folder_is_not_disturbed(tmp_path: Path) -> None:
    from edge.system.files import claim_folder

    claimed = claim_folder(tmp_path)
    done = run(tmp_path, "camera", "--yes")
    assert claimed is not None
    assert done.returncode == 7
    assert "another sorter" in done.stderr
