"""The forced command of docs/fleet.md in a home that a broken-in service filled with Python files of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT
from support.stations import BIN, write_station

from edge.tools.setup.setup import Target, hints, receive_command

PLANTED = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()\n"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that sees the system's packages, as on a Pi, and this edge-sorter."""
    folder = tmp_path_factory.mktemp("opt") / "edge-sorter"
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    ours = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    (packages / "sorter.pth").write_text("\n".join(ours) + "\n")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The account's home, with files in every place from which Python would run some."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    users = tmp_path / ".local" / "lib" / version / "site-packages"
    for file in (users / "usercustomize.py", users / "sitecustomize.py", tmp_path / "edge" / "__init__.py"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PLANTED)
    (users / "planted.pth").write_text(f"import pathlib; pathlib.Path({str(users / 'pth.ran')!r}).touch()\n")
    (tmp_path / "json.py").write_text(PLANTED)
    write_station(tmp_path, BIN)
    return tmp_path


def run(command: str, home: Path) -> list[Path]:
    """Run it as sshd does, through the account's shell in its home; which of the planted files ran."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} --station station.toml"],
        input=b'{"protocol": 1, "ask": "status"}\n',
        cwd=home,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    ran = sorted(home.rglob("*.ran"))
    assert ran or json.loads(done.stdout)["station"] == "line-1", done.stderr.decode()
    return ran


def documented() -> str:
    """The command that the page on many devices has people write into sshd's configuration."""
    found = re.search(r"^\s*ForceCommand (.*)$", (ROOT / "docs" / "fleet.md").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_documented_forced_command_runs_nothing_that_a_broken_in_service_planted(venv: Path, home: Path) -> None:
    assert run(documented().replace("/opt/edge-sorter", str(venv)), home) == []


def test_without_isolation_it_would(venv: Path, home: Path) -> None:
    assert run(f"{venv}/bin/python -m edge receive", home) != []


def test_setup_prints_the_same_command() -> None:
    assert receive_command(Target()) == documented()


@pytest.mark.parametrize(
    "command",
    [
        "/opt/edge-sorter/bin/sorter receive",
        "/opt/edge-sorter/bin/python -m edge receive --station /etc/sorter/station.toml",
        "/opt/edge-sorter/bin/python -P -m edge receive",
    ],
)
@pytest.mark.parametrize(
    "place", ["etc/ssh/sshd_config", "etc/ssh/sshd_config.d/sorter.conf", "etc/sorter/authorized_keys"]
)
def test_setup_names_a_forced_command_that_is_not_isolated(tmp_path: Path, place: str, command: str) -> None:
    target = Target(tmp_path)
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(f"# sorter receive\n  ForceCommand {receive_command(target)}\n")
    assert hints(target, None) == []
    path.write_text(f'command="{command}" ssh-ed25519 AAAA\n')
    (hint,) = hints(target, None)
    assert str(path) in hint
    assert receive_command(target) in hint
