"""`sorter setup` from the wheel on Debian 13 for arm64 with systemd, and the service over restarts and a boot."""

from __future__ import annotations

import re

from pi.conftest import Proven
from support.pi.machine import Machine

SECURE = 2.0


def shown(machine: Machine, *properties: str) -> dict[str, str]:
    """What systemd knows of the service."""
    lines = machine.run(f"systemctl show -p {','.join(properties)} sorter").splitlines()
    return dict(line.split("=", 1) for line in lines)


def seconds_until_ready(machine: Machine) -> float:
    told = shown(machine, "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    begun, ready = (int(told[name]) for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"))
    return round((ready - begun) / 1e6, 1)


def test_the_documented_commands_set_up_a_service_that_systemd_finds_ready(machine: Machine, proven: Proven) -> None:
    said = machine.run("cat /root/setup.txt")
    assert "start sorting with this version" in said
    assert "Traceback" not in said
    assert machine.run("systemctl is-enabled sorter sorter-maintenance.timer").split() == ["enabled", "enabled"]
    told = shown(machine, "ActiveState", "SubState", "Type", "User", "NRestarts", "Result")
    assert told == {
        "ActiveState": "active",
        "SubState": "running",
        "Type": "notify",
        "User": "sorter",
        "NRestarts": "0",
        "Result": "success",
    }
    owners = machine.run("stat -c '%U:%G %a %n' /etc/sorter /etc/sorter/station.toml /var/lib/sorter").splitlines()
    assert owners == [
        "root:root 755 /etc/sorter", "root:root 644 /etc/sorter/station.toml", "sorter:sorter 2770 /var/lib/sorter"
    ]  # fmt: skip
    assert {"gpio", "video", "sorter"} <= set(machine.run("id -nG sorter").split())
    assert machine.run("systemctl list-timers --no-legend sorter-maintenance.timer").strip()
    # What it may do is what the unit says, on this kernel too.
    assert machine.run("runuser -u sorter -- test -w /etc/sorter; echo $?").strip() == "1"
    exposure = float(
        re.findall(r"exposure level for sorter.service: ([\d.]+)", machine.run("systemd-analyze security sorter"))[0]
    )
    assert exposure <= SECURE
    proven(
        "`sorter setup` from the wheel makes a service that systemd 257 on a Debian kernel for arm64 finds ready.",
        until_ready_s=seconds_until_ready(machine),
        exposure=exposure,
    )
