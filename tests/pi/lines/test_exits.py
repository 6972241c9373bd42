"""However the program ends, every line is at its safe level: its own doing, or `sorter safe` after it.

While it sorts a motor's driver is switched on, a level that is not safe. A line that is let go shows what the pull asks for
that the product chose for it; Raspberry Pi's kernels would leave it as it was driven last.
"""

from __future__ import annotations

from collections.abc import Callable

from support.pi.sorting import ENABLE, SAFE, Service

Proven = Callable[..., None]
END_S = 300.0


def _end(service: Service, how: str) -> dict[str, float]:
    """Have a running service end; how long until the motor's driver was off, and until `sorter safe` had driven all lines."""
    assert service.wires.levels(ENABLE) == {ENABLE: False}
    began, uptime = service.machine.run(f"date +%s; cut -d' ' -f1 /proc/uptime; {how}").split()[:2]
    asked_s = float(uptime)
    done = f"journalctl -u sorter --since=@{began} -o cat | grep -q '^carousel: safe'"
    service.machine.until("`sorter safe` has driven all lines", done, END_S)
    safe_s = float(service.machine.run("cut -d' ' -f1 /proc/uptime"))
    seen = service.wires.record()
    off = [edge.at_s for edge in seen.of(ENABLE) if edge.high and edge.at_s >= asked_s]
    assert off, service.log()
    assert [line for _, line in seen.floated if line in SAFE] == []
    assert service.wires.levels(*SAFE) == SAFE
    return {"driver_off_s": round(off[0] - asked_s, 2), "sorter_safe_done_s": round(safe_s - asked_s, 1)}


def test_sigterm_makes_every_line_safe(service: Service, proven: Proven) -> None:
    took = _end(service, "systemctl stop --no-block sorter")
    proven(
        "After SIGTERM, as systemd sends it, every line is at its safe level.",
        **took,
    )


def test_sighup_makes_every_line_safe(service: Service, proven: Proven) -> None:
    took = _end(service, "systemctl kill -s HUP --kill-whom=main sorter")
    proven(
        "After SIGHUP, as of a closed terminal, every line is at its safe level.",
        **took,
    )


def test_sigkill_is_followed_by_sorter_safe(service: Service, proven: Proven) -> None:
    took = _end(service, "systemctl kill -s KILL --kill-whom=main sorter")
    proven(
        "After SIGKILL every line is at its safe level: the unit's `sorter safe` drives it there.",
        **took,
    )


def test_a_hung_process_is_ended_by_the_watchdog(service: Service, proven: Proven) -> None:
    took = _end(service, "systemctl kill -s STOP --kill-whom=main sorter")
    assert "Watchdog timeout" in service.log(lines=1000)
    proven(
        "A process that hangs (SIGSTOP) is ended by systemd's watchdog, and every line is at its safe level.",
        **took,
    )


def test_out_of_memory_every_line_is_made_safe(service: Service, proven: Proven) -> None:
    took = _end(service, "systemctl set-property --runtime sorter MemoryHigh=infinity MemoryMax=40M")
    assert "oom" in service.machine.run("dmesg").lower()
    proven(
        "When the kernel ends the program because memory is short, every line is at its safe level.",
        **took,
    )
