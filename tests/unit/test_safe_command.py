"""`sorter safe` from the command line: fast, without the libraries that may have been what failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli import root

STATIONS = Path(__file__).resolve().parents[2] / "edge" / "stations"


def test_it_reads_a_station_without_numpy_opencv_pydantic_or_gpiozero() -> None:
    program = (
        "import sys, pathlib, edge.cli.safe, edge.actuate.safe as safe\n"
        f"assert safe.read_safe_outputs(pathlib.Path({str(STATIONS / 'conveyor.toml')!r})).outputs\n"
        "print(*[m for m in ('numpy', 'cv2', 'pydantic', 'gpiozero', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_simulated_station_is_nothing_to_do() -> None:
    result = CliRunner().invoke(root, ["safe", "--station", str(STATIONS / "demo.toml")])
    assert (result.exit_code, "simulated" in result.stdout) == (0, True)


@pytest.mark.parametrize("content", [None, "", "[[actuators]]\nname = "])
def test_a_file_without_outputs_is_a_config_error(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    if content is not None:
        path.write_text(content, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "edge", "safe", "--station", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
