"""Which devices, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.fleet.inventory import Host, load_inventory, parse_host, resolve_hosts
from converter.fleet.rollout import plan_stages
from edge.errors import ConfigError

INVENTORY = """
[groups.hall-1]
hosts = ["line-1", "pi@line-2.local"]
[groups.hall-2]
hosts = ["10.0.0.7:2222", "line-1"]
[groups.all]
groups = ["hall-1", "hall-2"]
hosts = ["spare"]
[groups.loop]
groups = ["loop-2"]
[groups.loop-2]
groups = ["loop"]
"""


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("line-1", Host("line-1", "line-1")),
        ("pi@line-1:2222", Host("pi@line-1:2222", "line-1", "pi", 2222)),
        ("[fe80::1%eth0]:22", Host("[fe80::1%eth0]:22", "fe80::1%eth0", None, 22)),
    ],
)
def test_hosts_are_read(text: str, host: Host) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize("text", ["", "a b", "-oProxyCommand=evil", "x@-evil", "host:0", "host:99999", "a@b@c", "::1"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"\[user@\]name\[:port\]"):
        parse_host(text)


def test_groups_become_hosts_each_once_in_order(tmp_path: Path) -> None:
    (tmp_path / "inventory.toml").write_text(INVENTORY)
    inventory = load_inventory(tmp_path / "inventory.toml")
    hosts = resolve_hosts(["@all", "extra", "line-1"], inventory)
    assert [host.text for host in hosts] == ["spare", "line-1", "pi@line-2.local", "10.0.0.7:2222", "extra"]
    with pytest.raises(ConfigError, match="did you mean 'hall-1'"):
        resolve_hosts(["@hal-1"], inventory)
    with pytest.raises(ConfigError, match="loop > loop-2 > loop"):
        resolve_hosts(["@loop"], inventory)


def test_a_group_without_an_inventory_says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="give --inventory FILE"):
        resolve_hosts(["@all"], None)


@pytest.mark.parametrize("text", ["[groups", "[groups.a]\nhost = ['x']", "groups = 3", "\xff"])
def test_a_wrong_inventory_names_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "inventory.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"inventory\.toml: "):
        load_inventory(tmp_path / "inventory.toml")
    with pytest.raises(ConfigError, match="can't read"):
        load_inventory(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[groups.hall-1]\nhosts = 'line-1'", r"groups\.hall-1\.hosts = 'line-1': expected a list, in brackets"),
        ("[groups.hall-1]\nhosts = ['a', 3]", r"groups\.hall-1\.hosts = 3: expected text, in quotes"),
        ("[groups.hall-1]\nhost = ['a']", r"groups\.hall-1\.host: unknown key; did you mean 'hosts'\?"),
        ("groups = 3", r"groups = 3: expected a table: write \[groups\]"),
        ("[groups]\nall = ['a']", r"groups\.all = \['a'\]: expected one table: write \[all\]"),
    ],
)
def test_what_is_wrong_in_an_inventory_is_said_in_the_words_of_a_station_file(
    tmp_path: Path, written: str, said: str
) -> None:
    (tmp_path / "inventory.toml").write_text(written)
    with pytest.raises(ConfigError, match=said):
        load_inventory(tmp_path / "inventory.toml")


@pytest.mark.parametrize(
    ("canary", "then", "sizes"),
    [(0, "100%", [10]), (2, "25%", [2, 3, 3, 2]), (2, "4", [2, 4, 4]), (20, "50%", [10]), (0, "1%", [1] * 10)],
)
def test_stages(canary: int, then: str, sizes: list[int]) -> None:
    assert [len(stage) for stage in plan_stages(range(10), canary, then)] == sizes


@pytest.mark.parametrize("then", ["", "0", "-1", "0%", "101%", "half", "2.5"])
def test_a_wrong_stage_is_refused(then: str) -> None:
    with pytest.raises(ConfigError, match="--then"):
        plan_stages(range(10), 0, then)


@given(
    st.integers(0, 300),
    st.integers(0, 20),
    st.one_of(st.integers(1, 50).map(str), st.integers(1, 100).map("{}%".format)),
)
def test_every_device_is_in_exactly_one_stage_in_order(count: int, canary: int, then: str) -> None:
    stages = plan_stages(range(count), canary, then)
    assert [host for stage in stages for host in stage] == list(range(count))
    assert all(stages)
