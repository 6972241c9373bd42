"""`sudo sorter ...` in a folder of the service's account, in which that account planted links to what is root's."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.paths import ROOT

from edge.bundle.archive import read_bundle
from edge.inference.classifier import shipped_bundle_path

pytestmark = pytest.mark.needs_root

USER = 4242  # an account of that number is not needed
# Debian's where there is one: this one may lie in somebody's home, where no other account may look.
DEBIANS = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = DEBIANS if Path(DEBIANS).exists() else sys.executable
PACKAGES = os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])
ENVIRONMENT = {"PYTHONPATH": PACKAGES, "PYTHONDONTWRITEBYTECODE": "1"}
SHIPPED = shipped_bundle_path()
CALIBRATION = 'format_version = 1\nstation = "demo"\n'
RUN = ["run", "--seconds", "2", "--port", "0"]


class Machine:
    """A state folder that is the account's, and a folder that is root's alone."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.folder, self.state, self.roots = folder, folder / "state", folder / "rootonly"
        demo = (ROOT / "edge" / "stations" / "demo.toml").read_text()
        text = demo.replace('"~/.local/state/edge-sorter/demo"', '"state"')
        assert text != demo
        (folder / "station.toml").write_text(text)
        self.roots.mkdir(mode=0o700)
        (self.roots / "shadow").write_text("root:secret-hash:::\n")
        (self.roots / "shadow").chmod(0o600)
        (self.roots / "precious.new").mkdir()
        (self.roots / "precious.new" / "data").write_text("precious")
        for number in range(25):
            (self.roots / f"a{number:02}.toml").write_text(CALIBRATION)
        self.state.mkdir()
        os.chown(self.state, USER, USER)
        self.state.chmod(0o2770)

    def sorter(self, *arguments: str, as_root: bool = True, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command on the station."""
        return self.command(*arguments, "--station", str(self.folder / "station.toml"), as_root=as_root, said=said)

    def command(self, *arguments: str, as_root: bool = True, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        before = [] if as_root else ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
        command = [*before, PYTHON, "-m", "edge", *arguments]
        environment = {**os.environ, **ENVIRONMENT, "HOME": "/nonexistent"}
        run = subprocess.run(
            command, input=said, capture_output=True, env=environment, cwd="/", timeout=120, check=False
        )
        assert b"Traceback" not in run.stderr, run.stderr.decode()
        return run

    def plant(self, program: str) -> None:
        """Run lines of Python as the account; S is its folder, R is root's."""
        program = f"import os, json, glob\nS, R = {str(self.state)!r}, {str(self.roots)!r}\n{program}"
        before = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
        subprocess.run([*before, PYTHON, "-c", program], check=True, cwd="/")

    def of_root(self) -> dict[str, tuple[int, int, str]]:
        """Everything in root's folder: mode, owner, content."""
        found = {}
        for path in [self.roots, *sorted(self.roots.rglob("*"))]:
            status = path.lstat()
            content = path.read_text() if stat.S_ISREG(status.st_mode) else ""
            found[str(path)] = stat.S_IMODE(status.st_mode), status.st_uid, content
        return found


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory() as folder:  # that of pytest is closed for others
        machine = Machine(Path(folder))
        probe = f"import os; os.setresuid({USER}, {USER}, {USER}); import importlib.readers, edge.cli, numpy"
        environment = {**os.environ, **ENVIRONMENT}
        if subprocess.run([PYTHON, "-c", probe], env=environment, cwd="/", check=False, capture_output=True).returncode:
            pytest.skip("needs a Python, and the packages of this one, that every account may read")
        yield machine


CLIMBS = """
(evidence,) = glob.glob(S + '/models/models/*/evidence.json')
tree = json.load(open(evidence))
for name, digest in (('zzz', '../../../rootonly/precious.new'), ('yyy', '../../../rootonly/shadow'), ('0' * 64, '1' * 64)):
    os.mkdir(S + '/models/models/' + name)
    json.dump({**tree, 'digest': digest, 'installed': '0'}, open(S + '/models/models/' + name + '/evidence.json', 'w'))
"""


@pytest.mark.parametrize(
    ("planted", "commands"),
    [
        ("os.mkdir(S + '/models'); os.symlink(R + '/new', S + '/models/.lock')", [["model", "install", str(SHIPPED)]]),
        ("os.mkdir(S + '/models'); os.symlink(R, S + '/models/models')", [["model", "install", str(SHIPPED)]]),
        ("os.symlink(R, S + '/models')", [["model", "install", str(SHIPPED)], ["model", "prune"]]),
        ("os.symlink(R + '/shadow', S + '/calibration.toml')", [["check"], ["calibrate", "show"]]),
        (
            f"os.mkdir(S + '/calibrations'); os.symlink(R + '/shadow', S + '/calibration.toml')\n"
            f"open(S + '/calibrations/20250101T000000Z.toml', 'w').write({CALIBRATION!r})",
            [["calibrate", "restore"]],
        ),
        (
            f"os.symlink(R, S + '/calibrations'); open(S + '/calibration.toml', 'w').write({CALIBRATION!r})",
            [["calibrate", "restore"]],
        ),
        ("os.symlink(R + '/newfile', S + '/journal.db')", [RUN]),
        ("os.symlink(R, S + '/pictures')", [RUN]),
        ("os.symlink(R + '/newfile', S + '/page-token')", [RUN, ["token"], ["token", "--new"]]),
        ("os.symlink(R + '/shadow', S + '/journal.db')", [["journal", "check"], ["journal", "list"]]),
    ],
)
def test_root_follows_nothing_that_the_account_planted(
    machine: Machine, planted: str, commands: list[list[str]]
) -> None:
    machine.plant(planted)
    before = machine.of_root()
    for command in commands:
        run = machine.sorter(*command)
        assert b"secret-hash" not in run.stdout + run.stderr
        assert b"goes on as" in run.stderr
    assert machine.of_root() == before
    for path in machine.state.rglob("*"):
        assert path.lstat().st_uid == USER
        assert path.is_symlink() or not path.is_file() or b"secret-hash" not in path.read_bytes()


def test_a_calibration_that_is_a_link_is_set_aside_when_an_older_one_is_restored(machine: Machine) -> None:
    machine.plant(
        "os.mkdir(S + '/calibrations'); os.symlink(R + '/shadow', S + '/calibration.toml')\n"
        f"open(S + '/calibrations/20250101T000000Z.toml', 'w').write({CALIBRATION!r})"
    )
    assert machine.sorter("calibrate", "restore").returncode == 0
    assert not (machine.state / "calibration.toml").is_symlink()
    assert (machine.state / "damaged-calibration.toml").is_symlink()


def test_pruning_as_root_removes_nothing_outside_whatever_the_evidence_says(machine: Machine) -> None:
    machine.sorter("model", "install", str(SHIPPED), as_root=False)
    machine.plant(CLIMBS)
    machine.plant("os.rename(S + '/models/incoming', S + '/models/old'); os.symlink(R, S + '/models/incoming')")
    before = machine.of_root()
    for _ in range(2):
        machine.sorter("model", "prune", "--keep", "0")
    assert machine.of_root() == before


def test_a_push_to_roots_own_account_follows_nothing_either(
    machine: Machine, tiny_bundle: Callable[..., bytes]
) -> None:
    content = tiny_bundle()
    request = {"protocol": 1, "ask": "push", "digest": read_bundle(content, "x").digest, "size": len(content)}
    machine.plant("os.mkdir(S + '/models'); os.symlink(R, S + '/models/incoming')")
    before = machine.of_root()
    machine.sorter("receive", said=json.dumps(request).encode() + b"\n" + content)
    assert machine.of_root() == before


def test_root_runs_no_model_of_the_accounts_and_writes_no_journal_through_its_links(machine: Machine) -> None:
    """A model is native code's input: whoever names one of another account's does not run it with root's rights."""
    shutil.copy(SHIPPED, machine.state / "mine.sorter")
    os.chown(machine.state / "mine.sorter", USER, USER)
    machine.plant("os.mkdir(f'{S}/log'); os.symlink(f'{R}/new.db', f'{S}/log/journal.db')")
    before = machine.of_root()
    photos = str(ROOT / "edge" / "simulate" / "photos")
    for arguments in (
        ["classify", photos, "--bundle", str(machine.state / "mine.sorter")],
        ["simulate", "--minutes", "0.05", "--bundle", str(machine.state / "mine.sorter")],
        ["simulate", "--minutes", "0.05", "--perfect-model", "--journal", str(machine.state / "log")],
    ):
        run = machine.command(*arguments)
        assert f"#{USER}".encode() in run.stderr, (arguments, run.stderr.decode())
    assert machine.of_root() == before


def test_a_model_that_is_roots_own_is_run_as_root_wherever_others_put_theirs(machine: Machine) -> None:
    shared = machine.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    shutil.copy(SHIPPED, shared / "roots.sorter")
    run = machine.command("classify", str(ROOT / "edge/simulate/photos"), "--bundle", str(shared / "roots.sorter"))
    assert run.returncode == 0
    assert b"not as root" not in run.stderr


def test_what_root_installs_is_the_accounts_and_the_account_goes_on_with_it(machine: Machine) -> None:
    assert machine.sorter("model", "install", str(SHIPPED), "--activate").returncode == 0
    assert {path.lstat().st_uid for path in machine.state.rglob("*")} == {USER}
    listed = machine.sorter("model", "list", "--json", as_root=False)
    assert [model["state"] for model in json.loads(listed.stdout)] == ["current"]


def test_a_folder_that_anybody_may_write_is_refused_with_the_cure(machine: Machine) -> None:
    os.chown(machine.state, 0, 0)
    machine.state.chmod(0o777)
    run = machine.sorter("model", "list")
    assert run.returncode == 13
    assert f"sudo chmod go-w {machine.state}" in run.stderr.decode()
    pushed = machine.sorter("receive", said=b'{"protocol": 1, "ask": "status"}\n')
    assert pushed.returncode == 13
    assert f"sudo chmod go-w {machine.state}" in json.loads(pushed.stdout)["message"]


def test_nobody_is_told_to_close_a_folder_that_is_meant_for_all(machine: Machine) -> None:
    shared = machine.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    run = machine.command("doctor", "--report", str(shared / "report.json"))
    assert run.returncode == 2
    assert b"so root does not work in" in run.stderr
    assert b"name another place" in run.stderr
    assert b"chmod" not in run.stderr


def test_a_report_is_the_accounts_and_written_through_no_link_of_its(machine: Machine) -> None:
    machine.plant("os.symlink(R + '/shadow', S + '/report.json'); os.symlink(R + '/shadow', S + '/journal.db')")
    before = machine.of_root()
    run = machine.sorter("doctor", "--report", str(machine.state / "report.json"))
    assert b"report.json: written" in run.stderr
    assert machine.of_root() == before
    written = machine.state / "report.json"
    assert (written.lstat().st_uid, written.is_symlink()) == (USER, False)
    assert {"error"} == set(json.loads(written.read_text())["journal"])


def test_a_folder_that_is_roots_alone_is_worked_in_as_root(machine: Machine) -> None:
    shutil.rmtree(machine.state)
    run = machine.sorter("model", "install", str(SHIPPED))
    assert run.returncode == 0
    assert b"goes on as" not in run.stderr
    assert machine.state.stat().st_uid == 0


def test_a_link_on_the_way_counts_as_its_makers(machine: Machine) -> None:
    text = (machine.folder / "station.toml").read_text()
    (machine.folder / "station.toml").write_text(text.replace('"state"', '"state/inner"'))
    machine.plant("os.symlink(R, S + '/inner')")
    before = machine.of_root()
    for command in (["model", "install", str(SHIPPED)], RUN):
        assert b"goes on as" in machine.sorter(*command).stderr
    assert machine.of_root() == before


BECOMES = """
import sys
from pathlib import Path
from edge.system.privileges import leave_root
from edge.system.processes import SystemRunner
later = SystemRunner().later(["touch", sys.argv[2]])
leave_root(Path(sys.argv[1]))
if sys.argv[3] == "asks":
    later()
"""


@pytest.mark.parametrize("how", ["asks", "ends"])
def test_what_root_has_to_do_at_the_end_is_still_done_as_root(machine: Machine, how: str) -> None:
    done = machine.roots / "done"
    command = [PYTHON, "-c", BECOMES, str(machine.state), str(done), how]
    subprocess.run(command, env={**os.environ, **ENVIRONMENT}, cwd="/", check=True, capture_output=True)
    while not done.exists():
        os.sched_yield()
    assert done.stat().st_uid == 0
