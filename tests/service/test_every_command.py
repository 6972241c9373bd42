"""Every command in terminals that are odd, narrow, full or gone: real processes, real streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT
from support.stations import ALL_BUT_PAPER, BIN, write_station

import edge.cli

pytestmark = pytest.mark.slow

PHOTOS = ROOT / "edge" / "simulate" / "photos"
# A folder as people and attackers name them: umlauts, a sign that Latin-1 lacks, markup, an escape sequence.
ODD_NAME = "Förderband … [red]\x1b[31m"

# What a command is called with; {here} is the oddly named folder. All of them print something to standard output.
COMMANDS = {
    "help": "--help",
    "run help": "run --help",
    "journal help": "journal list --help",
    "check": "check --station {here}/station.toml",
    "doctor": "doctor --station {here}/demo.toml",
    "journal list": "journal list --state-folder {here}/state",
    "journal list events": "journal list --events --state-folder {here}/state",
    "stats": "stats --state-folder {here}/state",
    "stats csv": "stats --by day --csv - --state-folder {here}/state",
    "journal check": "journal check --file {here}/state/journal.db",
    "journal export": "journal export {here}/out.csv --state-folder {here}/state",
    "journal export to a pipe": "journal export - --state-folder {here}/state",
    "journal json": "journal list --json --state-folder {here}/state",
    "classify": "classify {here}/photos",
    "count": "count {here}/photos --kind bin",
    "label": "label --help",
    "model list": "model list --station {here}/station.toml",
    "model verify": "model verify --station {here}/station.toml",
    "key list": "key list {here}/keys",
    "key station": "key station --station {here}/station.toml",
    "calibrate show": "calibrate show --demo --state-folder {here}/state",
    "calibrate sheet": "calibrate sheet {here}/sheet.pdf",
    "simulate": "simulate --minutes 0.05 --perfect-model",
    "run": "run --demo --port 0 --seconds 1 --state-folder {here}/running",
    "pause help": "pause --help",
    "resume help": "resume --help",
    "status help": "status --help",
    "top help": "top --help",
    "teach": "teach --help",
    "token": "token --new --state-folder {here}/state",
    "notify": "notify --help",
    "safe": "safe --station {here}/demo.toml",
    "setup": "setup --dry-run --root {here}/card",
}
# Ends with exit code 0 wherever the tests run; the others may find something to say about this machine.
SOUND = set(COMMANDS) - {"doctor", "setup"}


def sorter(words: str, here: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "edge", *(word.replace("{here}", str(here)) for word in words.split())]
    environment = {**os.environ, **options.pop("environment", {})}  # type: ignore[dict-item]
    return subprocess.run(
        command, cwd=here, env=environment, timeout=120, check=False, stderr=subprocess.PIPE, **options
    )  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / ODD_NAME
    for name in ("keys", "photos", "card"):
        (folder / name).mkdir(parents=True)
    shutil.copy(ROOT / "edge" / "stations" / "demo.toml", folder / "demo.toml")
    for photo in sorted((PHOTOS / "glass").glob("*.jpg"))[:2]:
        shutil.copy(photo, folder / "photos" / f"Glas ü … {photo.name}")
    residual = {"labels": ALL_BUT_PAPER}
    write_station(folder, BIN, state_folder="state", camera={"path": "photos"}, bins={"residual": residual})
    assert sorter("key new {here}/keys/maker", folder).returncode == 0
    made = sorter("simulate --minutes 0.3 --perfect-model --journal {here}/state", folder)
    assert made.returncode == 0, made.stderr
    return folder


def test_no_command_is_missing_here() -> None:
    tried = {words.split()[0] for words in COMMANDS.values()}
    assert set(edge.cli.COMMANDS) - tried == {"receive"}  # it speaks bytes with a program, not text with a person


@pytest.mark.parametrize(
    ("name", "encoding"),
    [(name, "ascii") for name in COMMANDS] + [(name, "iso-8859-15") for name in ("check", "journal list", "classify")],
)
def test_a_terminal_that_is_not_utf_8_gets_text_that_it_can_show(name: str, encoding: str, here: Path) -> None:
    environment = {"PYTHONIOENCODING": encoding, "COLUMNS": "60"}
    done = sorter(COMMANDS[name], here, environment=environment, stdout=subprocess.PIPE)
    for stream in (done.stdout, done.stderr):
        text = stream.decode(encoding)
        assert "\x1b" not in text
        assert "Traceback" not in text
    assert done.stdout
    assert done.returncode == 0 or name not in SOUND, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_behind_the_output_is_one_sentence_and_an_exit_code(name: str, here: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = sorter(COMMANDS[name], here, stdout=full)
    said = done.stderr.decode().splitlines()
    assert "sorter: the output can't be written: No space left on device" in said
    assert "Traceback" not in done.stderr.decode()
    assert done.returncode == 74


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_went_away_gets_no_complaint(name: str, here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = sorter(COMMANDS[name], here, stdout=pipe)
    assert b"Traceback" not in done.stderr
    assert b"Broken pipe" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.returncode == (0 if name == "safe" else 141)  # safe outputs are safe, read of or not


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_no_trouble(closed: int, here: Path) -> None:
    words = f'exec "{sys.executable}" -m edge stats --state-folder state {closed}>&-'
    done = subprocess.run(["sh", "-c", words], cwd=here, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert not done.stderr
