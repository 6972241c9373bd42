"""What a Pi has: the wheel with the `edge` extra, and nothing else of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.wheels import make_venv

from edge.cli import COMMANDS, ENTRY_POINT_GROUP

WORKSTATION = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
Sorter = Callable[..., "subprocess.CompletedProcess[str]"]


def commands_of(python: Path, folder: Path) -> Sorter:
    environment = {**os.environ, "PATH": f"{python.parent}:/usr/bin:/bin", "COLUMNS": "200"}
    environment.pop("PYTHONPATH", None)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(python.parent / "sorter"), *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def sorter(edge_python: Path, tmp_path: Path) -> Sorter:
    return commands_of(edge_python, tmp_path)


@pytest.fixture(scope="module")
def bare_sorter(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Sorter:
    """`sorter` of an environment that got the wheel without any extra."""
    folder = tmp_path_factory.mktemp("bare")
    return commands_of(make_venv(folder / "venv", str(wheel)), folder)


# One process asks for all of them: what is missing is missing there too, and each start costs half a second.
ASK_ALL = """
from typer.main import get_command
from typer.testing import CliRunner
from edge.cli import root

def ask(command, words):
    done = CliRunner().invoke(root, [*words, "--help"], prog_name="sorter")
    print(*words, "|", done.exit_code, f"Usage: sorter {' '.join(words)}" in done.output)
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        ask(command.get_command(None, name), [*words, name])

ask(get_command(root), [])
"""


def test_nothing_of_a_workstation_is_there(edge_python: Path) -> None:
    code = "import importlib.util as u; print([n for n in ('asyncssh', 'keras', 'tensorflow', 'pytest') if u.find_spec(n)])"
    done = subprocess.run([edge_python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("arguments", "code"), [(("--help",), 0), (("-h",), 0), ((), 2)])
def test_the_help_lists_every_command_and_what_brings_those_that_are_missing(
    sorter: Sorter, arguments: tuple[str, ...], code: int
) -> None:
    done = sorter(*arguments)
    assert done.returncode == code
    lines = {line.split()[1]: line for line in (done.stdout + done.stderr).splitlines() if len(line.split()) > 2}
    for name in COMMANDS:
        assert "pip install" not in lines[name]
    for name in WORKSTATION:
        extra = "converter" if name in ("convert", "push", "pull") else "training"
        assert f"pip install 'edge-sorter[{extra}]'" in lines[name]


def test_every_command_has_its_help(edge_python: Path, tmp_path: Path) -> None:
    done = subprocess.run([edge_python, "-c", ASK_ALL], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = dict(line.split("|") for line in done.stdout.splitlines())
    assert {*COMMANDS, *WORKSTATION} <= {words.strip() for words in said}
    assert len(said) > 40
    assert {answer.strip() for answer in said.values()} == {"0 True"}, done.stdout


@pytest.mark.parametrize("name", ["push", "pull"])
def test_the_help_of_a_command_whose_packages_are_missing_says_what_brings_them(sorter: Sorter, name: str) -> None:
    done = sorter(name, "--help")
    assert done.returncode == 0
    assert f"{name} needs asyncssh: pip install 'edge-sorter[converter]'" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["push", "waste-2.0.sorter", "pi@sorter-01", "--canary", "1"], "converter"),
        (["pull", "@yard", "--into", "journals"], "converter"),
        (["pull"], "converter"),
        (["convert", "runs/mine", "--data", ".", "--out", "."], "converter"),
        (["train", "waste", "--data", ".", "--run", "runs/mine"], "training"),
        (["search", "waste", "--data", ".", "--run", "runs/mine"], "training"),
    ],
)
def test_a_command_whose_packages_are_missing_ends_in_what_brings_them(
    sorter: Sorter, arguments: list[str], extra: str
) -> None:
    done = sorter(*arguments)
    assert done.returncode == 13, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f": pip install 'edge-sorter[{extra}]'")


def test_the_shipped_example_is_checked(sorter: Sorter, edge_python: Path) -> None:
    (station,) = edge_python.parents[1].glob("lib/python*/site-packages/edge/stations/conveyor.toml")
    done = sorter("check", "--station", str(station))
    assert done.returncode == 0, done.stderr
    assert f"ok {station}" in done.stdout


def test_a_belt_is_simulated(sorter: Sorter) -> None:
    done = sorter("simulate", "--minutes", "0.1", "--perfect-model")
    assert done.returncode == 0, done.stderr
    assert "5 items in 0.1 min" in done.stdout


def test_without_any_extra_every_command_is_listed(bare_sorter: Sorter) -> None:
    done = bare_sorter("--help")
    assert done.returncode == 0
    assert {line.split()[1] for line in done.stdout.splitlines() if len(line.split()) > 2} >= {*COMMANDS, *WORKSTATION}


@pytest.mark.parametrize("arguments", [["run", "--demo"], ["simulate", "--minutes", "0.1"], ["classify", "x.jpg"]])
def test_without_any_extra_a_pis_commands_say_what_brings_their_packages(
    bare_sorter: Sorter, arguments: list[str]
) -> None:
    done = bare_sorter(*arguments)
    assert done.returncode == 13, done.stderr
    assert done.stderr.splitlines()[-1].endswith(": pip install 'edge-sorter[edge]'")
