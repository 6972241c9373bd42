"""`sorter check` sees what is wrong with who is told, without asking a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.stations import BIN, station_in

from edge.tools.check.check_notify import notify_problems

MAIL = {"host": "mail.example.org", "sender": "line-1@example.org", "to": ["technician@example.org"]}
MQTT = {"host": "broker", "tls": True, "username": "sorter"}


def problems(folder: Path, **notify: Any) -> list[tuple[str, str, str]]:
    return [(p.severity, p.where, p.text) for p in notify_problems(station_in(folder, BIN, notify=notify))]


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("hush\n")
    path.chmod(0o640)
    return path


def test_a_sound_file_has_none(tmp_path: Path, password: Path) -> None:
    mail = MAIL | {"username": "me", "password_file": password.name, "faults": ["warning", "jam", "fault"]}
    assert problems(tmp_path, mqtt=MQTT | {"password_file": str(password)}, mail=mail) == []


def test_a_fault_that_there_is_not_is_named_with_what_was_meant(tmp_path: Path) -> None:
    hook = {"name": "office", "url": "https://example.org", "faults": ["bin-ful"]}
    assert problems(tmp_path, webhook=[hook]) == [
        ("error", "notify.webhook[office].faults", "there is no fault 'bin-ful'; did you mean 'bin-full'?")
    ]
    ((_, _, text),) = problems(tmp_path, mail=MAIL | {"faults": ["fire"]})
    assert text.startswith("there is no fault 'fire'; ")


def test_a_secret_that_is_missing_or_that_others_may_read_is_an_error(tmp_path: Path, password: Path) -> None:
    ((severity, where, text),) = problems(tmp_path, mqtt=MQTT | {"password_file": "gone"})
    assert (severity, where) == ("error", "notify.mqtt.password_file")
    assert text.startswith(f"{tmp_path / 'gone'}: no such file")
    password.chmod(0o644)
    ((severity, _, text),) = problems(tmp_path, mqtt=MQTT | {"password_file": "password"})
    assert severity == "error"
    assert f"others may read it (mode 0644): sudo chmod 640 {password}" in text


def test_a_folder_or_no_certificate_in_the_place_of_a_file_is_an_error(tmp_path: Path, password: Path) -> None:
    (tmp_path / "folder").mkdir()
    ((_, _, text),) = problems(tmp_path, mqtt=MQTT | {"password_file": "folder"})
    assert "a folder, not a file" in text
    ((_, where, text),) = problems(tmp_path, mail=MAIL | {"ca_file": "password"})
    assert where == "notify.mail.ca_file"
    assert "expected a certificate in PEM form" in text


def test_a_password_in_the_open_and_a_broker_that_anybody_may_command_are_warnings(tmp_path: Path) -> None:
    assert [(severity, where) for severity, where, _ in problems(tmp_path, mqtt=MQTT | {"tls": False})] == [
        ("warning", "notify.mqtt")
    ]
    found = problems(tmp_path, mqtt={"host": "broker", "commands": True})
    assert [(severity, where) for severity, where, _ in found] == [("warning", "notify.mqtt.commands")]


def test_what_systemd_gives_the_service_alone_is_not_looked_for(tmp_path: Path) -> None:
    own = MQTT | {"password_file": "/run/credentials/sorter.service/mqtt-password"}
    assert problems(tmp_path, mqtt=own) == []
