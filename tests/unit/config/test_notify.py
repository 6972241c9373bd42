"""Mistakes in who is told are named in the station file's own words, and paths begin at its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.stations import BIN, make_station, station_in, write_station

from edge.config import load_station
from edge.errors import ConfigError

HOOK = {"name": "office", "url": "https://hooks.example.org/x"}
MAIL = {"host": "mail.example.org", "sender": "line-1@example.org", "to": ["technician@example.org"]}


def test_nobody_is_told_unless_the_file_says_so() -> None:
    settings = make_station(BIN).notify
    assert (settings.mqtt, settings.webhook, settings.mail) == (None, (), None)


def test_files_are_looked_for_beside_the_station_file(tmp_path: Path) -> None:
    tables = {
        "mqtt": {"host": "broker", "username": "sorter", "password_file": "mqtt-password"},
        "webhook": [HOOK | {"secret_file": "hook-secret"}],
        "mail": MAIL | {"username": "me", "password_file": "/etc/sorter/mail-password"},
    }
    notify = station_in(tmp_path, BIN, notify=tables).notify
    assert notify.mqtt is not None
    assert notify.mail is not None
    assert notify.mqtt.password_file == tmp_path / "mqtt-password"
    assert notify.webhook[0].secret_file == tmp_path / "hook-secret"
    assert notify.mail.password_file == Path("/etc/sorter/mail-password")


def test_ports_follow_from_how_it_is_encrypted() -> None:
    def port(table: str, **more: Any) -> int:
        own = {"host": "broker"} if table == "mqtt" else MAIL
        return int(getattr(make_station(BIN, notify={table: own | more}).notify, table).port_used)

    assert [port("mqtt"), port("mqtt", tls=True), port("mqtt", port=99)] == [1883, 8883, 99]
    assert [port("mail"), port("mail", security="tls"), port("mail", security="none")] == [587, 465, 25]


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ({"mqtt": {"host": "mqtt://broker"}}, "notify.mqtt.host: 'mqtt://broker': expected a name or an address alone"),
        ({"mqtt": {"host": "b", "ca_file": "ca.pem"}}, "notify.mqtt: ca_file is there and tls is not: set tls = true"),
        ({"mqtt": {"host": "b", "password_file": "p"}}, "notify.mqtt: password_file is there and username is not"),
        ({"mqtt": {"host": "b", "password": "p"}}, "notify.mqtt.password: unknown key; did you mean 'password_file'?"),
        ({"mqtt": {"host": "b", "topic": "sorter/#"}}, "notify.mqtt.topic: 'sorter/#': expected letters, digits"),
        ({"webhook": [HOOK | {"url": "ftp://example.org"}]}, "'ftp://example.org': expected an address as in https://"),
        ({"webhook": [HOOK | {"url": "https://"}]}, "expected an address as in https://example.org/hook"),
        ({"webhook": [HOOK | {"url": "https://e.org:port/"}]}, "expected an address as in https://example.org/hook"),
        ({"webhook": [HOOK | {"url": "https://e.org/a b"}]}, "expected an address without spaces: write %20"),
        ({"webhook": [HOOK, HOOK]}, "notify: two webhooks are called 'office'"),
        (
            {"webhook": [HOOK | {"url": "http://e.org", "token_file": "t"}]},
            "token_file: on the way to http:// everybody could read the token",
        ),
        ({"webhook": HOOK}, "write [[webhook]] with two brackets"),
        ({"mail": MAIL | {"to": ["nobody"]}}, "'nobody': expected one mail address, as in technician@example.org"),
        ({"mail": MAIL | {"sender": "a@b.org\r\nBcc: c@d.org"}}, "expected one mail address"),
        ({"mail": MAIL | {"to": []}}, "expected at least 1 entry"),
        ({"mail": MAIL | {"security": "none", "username": "me"}}, "would send user and password in the open"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(notify: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_station(write_station(tmp_path, BIN, notify=notify))
    assert said in str(caught.value)


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_station(write_station(tmp_path, BIN, notify={"webhook": [HOOK | {"url": "https://me:hush@example.org/"}]}))
    assert "the address has a user or a password in it" in str(caught.value)
    assert "hush" not in str(caught.value)
