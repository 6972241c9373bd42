"""`sorter setup` on a folder that holds a system, with systemd's own tools."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.paths import ROOT
from typer.testing import CliRunner

from edge.cli import root as cli
from edge.config import load_station
from edge.errors import SetupError
from edge.system.privileges import ANYBODY, first_unreadable
from edge.system.processes import SystemRunner
from edge.tools.setup.setup import (
    COMPANIONS,
    ENABLED,
    EXAMPLE,
    UNITS,
    Target,
    check_station,
    check_target,
    hints,
    plan_removal,
    plan_setup,
)
from edge.tools.setup.shipped import shipped_folder
from edge.tools.setup.tasks import RemoveFile, Task, WriteFile


class RecordingRunner:
    """Remembers what it was to run."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def run(self, command: Sequence[str]) -> str:
        self.commands.append(" ".join(command))
        return ""


class BrokenRunner:
    """Every program fails."""

    def run(self, command: Sequence[str]) -> str:
        raise SetupError(f"`{command[0]}` failed")


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and path.suffix != ".lock" and "shadow" not in path.name
    }


def do_all(tasks: Sequence[Task], runner: SystemRunner | RecordingRunner | BrokenRunner) -> None:
    for task in tasks:
        if not task.is_done():
            task.do(runner)


def test_it_installs_everything_and_again_changes_nothing(tmp_path: Path) -> None:
    target = Target(tmp_path, Path("/opt/edge-sorter"), {})
    do_all(plan_setup(target, None), SystemRunner())
    first = tree(tmp_path)
    do_all(plan_setup(target, None), SystemRunner())
    assert tree(tmp_path) == first
    for unit in UNITS:
        assert f"etc/systemd/system/{unit}" in first
    for unit in ENABLED:
        assert any(name.endswith(f".wants/{unit}") for name in first)
    assert first["usr/local/bin/sorter"] == "-> /opt/edge-sorter/bin/sorter"
    assert "sorter:x:" in first["etc/passwd"]
    members = {line.split(":")[0]: line.split(":")[3] for line in first["etc/group"].splitlines()}
    assert members["gpio"] == "sorter"
    assert members["video"] == "sorter"
    assert oct((tmp_path / "var/lib/sorter").stat().st_mode & 0o7777) == "0o2770"


def test_the_units_name_the_venv_that_it_runs_from(tmp_path: Path) -> None:
    do_all(plan_setup(Target(tmp_path, Path("/srv/sorting"), {}), None), RecordingRunner())
    for unit in ("sorter.service", "sorter-maintenance.service"):
        text = (tmp_path / "etc/systemd/system" / unit).read_text()
        assert "/srv/sorting/bin/sorter" in text
        assert "/opt/edge-sorter" not in text


def test_what_it_wrote_pleases_systemd(tmp_path: Path) -> None:
    program = tmp_path / "venv/bin/sorter"
    program.parent.mkdir(parents=True)
    program.symlink_to("/bin/true")
    do_all(plan_setup(Target(tmp_path / "root", tmp_path / "venv", {}), None), RecordingRunner())
    for unit in UNITS:
        path = tmp_path / "root/etc/systemd/system" / unit
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)
        assert done.stderr + done.stdout == ""


def test_removing_leaves_settings_and_records(tmp_path: Path) -> None:
    target = Target(tmp_path, environment={})
    do_all(plan_setup(target, None), SystemRunner())
    record = tmp_path / "var/lib/sorter/journal.db"
    record.write_text("rows")
    do_all(plan_removal(target), SystemRunner())
    assert set(tree(tmp_path)) == {"etc/sorter/station.toml", "var/lib/sorter/journal.db", "etc/passwd", "etc/group"}
    do_all(plan_removal(target), BrokenRunner())


def test_a_station_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    mine = EXAMPLE.read_text().replace("new-station", "mine")
    target = Target(tmp_path, environment={})
    do_all(plan_setup(target, mine), RecordingRunner())
    place = tmp_path / "etc/sorter/station.toml"
    assert place.read_text() == mine
    do_all(plan_setup(target, "other"), RecordingRunner())
    assert place.read_text() == mine
    assert any("was kept" in hint for hint in hints(target, "other"))
    assert not any("was kept" in hint for hint in hints(target, mine))


def test_the_station_file_to_begin_with_is_right_and_moves_nothing() -> None:
    station = load_station(EXAMPLE)
    check_station(station)
    assert station.actuators == ()
    assert station.page.host == "127.0.0.1"


def test_a_running_system_is_told_in_the_right_order(tmp_path: Path) -> None:
    target = Target(Path("/"), Path("/opt/edge-sorter"), {"SUDO_USER": "ada"})
    commands = [" ".join(task.command) for task in plan_setup(target, None) if hasattr(task, "command")]
    order = [
        "systemd-sysusers",
        "systemd-tmpfiles --create sorter.conf",
        "gpasswd --add ada sorter",
        "udevadm control --reload",
        "systemctl daemon-reexec",
        "systemctl enable sorter.service sorter-maintenance.timer",
        "systemctl restart --no-block sorter.service",
        "/opt/edge-sorter/bin/python -I -m edge key station",
    ]
    assert [command for command in commands if command in order] == order


def test_an_image_gets_no_key_that_all_its_stations_would_share(tmp_path: Path) -> None:
    commands = [task.command for task in plan_setup(Target(tmp_path), None) if hasattr(task, "command")]
    assert commands
    assert not any("key" in command for command in commands)


def test_a_running_system_is_made_safe_before_its_units_go(tmp_path: Path) -> None:
    class Live(Target):
        is_live = True

    do_all(plan_setup(Target(tmp_path, environment={}), None), RecordingRunner())
    tasks = plan_removal(Live(tmp_path, environment={}))
    runner = RecordingRunner()
    tasks[0].do(runner)
    assert runner.commands[0].startswith("systemctl disable --now sorter.service")
    assert all(isinstance(task, RemoveFile) for task in tasks[1:9])


@pytest.mark.parametrize(
    ("changes", "user", "version", "machine", "said"),
    [
        ({}, 1000, "systemd 252 (252.38)", "aarch64", "sudo sorter setup"),
        ({}, 0, "systemd 247 (247.3)", "aarch64", "252 or newer"),
        ({}, 0, "", "aarch64", "systemd is missing"),
        ({}, 0, "systemd 252", "armv7l", "64-bit Raspberry Pi OS"),
        ({"venv": Path("/home/pi/.venv")}, 0, "systemd 252", "aarch64", "install it into /opt/edge-sorter"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(
    changes: dict[str, Path], user: int, version: str, machine: str, said: str
) -> None:
    with pytest.raises(SetupError, match="can't be set up") as refused:
        check_target(Target(**changes), user, version, machine)  # type: ignore[arg-type]
    assert said in str(refused.value)


def test_a_folder_needs_no_running_systemd(tmp_path: Path) -> None:
    check_target(Target(tmp_path), 1000, "systemd 257 (257.8)", "x86_64")


def test_a_station_that_the_service_could_not_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(EXAMPLE.read_text().replace('"/var/lib/sorter"', '"here"'))
    with pytest.raises(SetupError, match="the service may write /var/lib/sorter only"):
        check_station(load_station(path))


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(SetupError, match=r"`ls /nonexistent` failed with exit code 2: .*No such file"):
        SystemRunner().run(["ls", "/nonexistent"])
    with pytest.raises(SetupError, match="is not installed"):
        SystemRunner().run(["no-such-program-at-all"])


def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["setup", "--dry-run", "--root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "nothing was changed" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_service_can_read_what_a_strict_root_sets_up(umask: int, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir(mode=0o755)
    command = [sys.executable, "-m", "edge", "setup", "--root", str(card)]
    done = subprocess.run(command, cwd=ROOT, umask=umask, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    places = [*(place for place, _ in COMPANIONS.values()), *(f"etc/systemd/system/{unit}" for unit in UNITS)]
    for place in [*places, "etc/sorter/station.toml", "etc/sorter/keys"]:
        assert first_unreadable(card / place, ANYBODY, card) is None
        assert (card / place).exists()


def test_what_an_earlier_strict_run_closed_is_opened_again(tmp_path: Path) -> None:
    target = Target(tmp_path, environment={})
    do_all(plan_setup(target, None), SystemRunner())
    closed = [tmp_path / "etc/sorter/station.toml", tmp_path / "etc/udev/rules.d/99-sorter.rules"]
    for path in closed:
        path.chmod(0o600)
    do_all(plan_setup(target, None), SystemRunner())
    assert [oct(path.stat().st_mode & 0o777) for path in closed] == ["0o644", "0o644"]


def test_a_cut_off_run_is_finished_by_the_next(tmp_path: Path) -> None:
    target = Target(tmp_path, environment={})
    tasks = plan_setup(target, None)
    with pytest.raises(SetupError):
        do_all(tasks, BrokenRunner())
    runner = RecordingRunner()
    do_all(plan_setup(target, None), runner)
    assert any("systemctl" in command and "enable" in command for command in runner.commands)
    assert all(task.is_done() for task in tasks if isinstance(task, WriteFile))


def test_the_files_are_found_in_a_checkout() -> None:
    assert (shipped_folder() / "sorter.service").is_file()


def test_the_wheel_carries_them_and_sets_up_from_its_venv(edge_python: Path, tmp_path: Path) -> None:
    code = "import edge, sys; from edge.tools.setup.shipped import shipped_folder as f; print(edge.__file__, f())"
    where = subprocess.run([edge_python, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    module, folder = where.stdout.split()
    home = str(edge_python.parents[1])
    assert module.startswith(home)
    assert folder.startswith(home)
    shipped = {path.name for path in Path(folder).iterdir()}
    assert shipped == {path.name for path in (ROOT / "systemd").glob("*.*")}
    command = [edge_python.parent / "sorter", "setup", "--root", str(tmp_path / "root")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "root/etc/systemd/system/sorter.service").is_file()
