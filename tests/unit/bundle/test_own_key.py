"""The station's own key: made once, readable by its owner alone, never replaced unnoticed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from support.stations import BIN, write_station
from typer.testing import CliRunner

from edge.bundle.own_key import PRIVATE, PUBLIC, own_public_key, own_signing_key
from edge.bundle.signature import fingerprint, public_line, write_key_pair
from edge.cli import root
from edge.errors import ConfigError


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    key = own_signing_key(state, "line-1")
    assert stat.S_IMODE((state / PRIVATE).stat().st_mode) == 0o600
    assert (state / PUBLIC).read_text() == f"{public_line(key.public_key())} line-1\n"
    again = own_signing_key(state, "line-1")
    assert public_line(again.public_key()) == public_line(key.public_key())
    assert sorted(path.name for path in state.iterdir()) == [PRIVATE, PUBLIC]


def test_there_is_none_before_it_is_made(tmp_path: Path) -> None:
    assert own_public_key(tmp_path) is None
    assert own_public_key(tmp_path / "absent") is None


def test_its_public_half_is_written_anew_after_a_power_cut_between_the_two(tmp_path: Path) -> None:
    key = own_signing_key(tmp_path, "line-1")
    (tmp_path / PUBLIC).unlink()
    assert public_line(own_signing_key(tmp_path, "line-1").public_key()) == public_line(key.public_key())
    assert (tmp_path / PUBLIC).exists()


def break_public(folder: Path) -> None:
    (folder / PUBLIC).write_text("ssh-ed25519 AAAA\n")


def link_public(folder: Path) -> None:
    (folder / PUBLIC).unlink()
    (folder / PUBLIC).symlink_to("/etc/hostname")


def pipe_public(folder: Path) -> None:
    (folder / PUBLIC).unlink()
    os.mkfifo(folder / PUBLIC)


def other_public(folder: Path) -> None:
    write_key_pair(folder / "other", "mallory")
    (folder / "other.pub").replace(folder / PUBLIC)


def lose_private(folder: Path) -> None:
    (folder / PRIVATE).unlink()


def open_private(folder: Path) -> None:
    (folder / PRIVATE).chmod(0o640)


def cut_private(folder: Path) -> None:
    (folder / PRIVATE).write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (break_public, "expected 'ssh-ed25519"),
        (link_public, "a link, which is not followed"),
        (pipe_public, "a named pipe"),
        (other_public, "not of the same key as station-key"),
        (lose_private, "gone, while station-key.pub is still there"),
        (open_private, "others may read this signing key"),
        (cut_private, "expected an Ed25519 private key"),
    ],
)
def test_one_that_was_tampered_with_signs_nothing_and_says_what_to_do(tmp_path: Path, damage: Any, said: str) -> None:
    own_signing_key(tmp_path, "line-1")
    damage(tmp_path)
    with pytest.raises(ConfigError, match=said):
        own_signing_key(tmp_path, "line-1")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file to somebody else")
def test_a_public_half_that_somebody_else_put_there_is_not_trusted(tmp_path: Path) -> None:
    own_signing_key(tmp_path, "line-1")
    os.chown(tmp_path, 4242, 4242)
    os.chown(tmp_path / PUBLIC, 4243, 4242)
    with pytest.raises(ConfigError, match="not the work of the folder's owner"):
        own_public_key(tmp_path)
    with pytest.raises(ConfigError, match="sudo sorter key station"):
        own_signing_key(tmp_path, "line-1")


def run(*arguments: object) -> Any:
    return CliRunner().invoke(root, [str(argument) for argument in arguments])


def test_a_command_makes_and_shows_it(tmp_path: Path) -> None:
    station = write_station(tmp_path, BIN, state_folder="state")
    made = run("key", "station", "--station", station)
    assert made.exit_code == 0, made.output
    public = own_public_key(tmp_path / "state")
    assert public is not None
    assert fingerprint(public) in made.output
    assert run("key", "station", "--station", station).output == made.output
    listed = run("key", "list", "--station", station)
    assert f"{fingerprint(public)}  own key of line-1" in listed.output


def test_doctor_shows_it(tmp_path: Path) -> None:
    station = write_station(tmp_path, BIN, state_folder="state")
    from edge.config import load_station
    from edge.tools.check.own_key import own_key_finding

    assert "none yet" in own_key_finding(load_station(station)).text
    own_signing_key(tmp_path / "state", "line-1")
    finding = own_key_finding(load_station(station))
    assert (finding.status, finding.text.startswith("SHA256:")) == ("ok", True)
    (tmp_path / "state" / PUBLIC).chmod(0o666)
    broken = own_key_finding(load_station(station))
    assert broken.status == "fail"
    assert "sudo sorter key station" in broken.fix
