"""The whole way from the kernel's camera to the kernel's lines, and what of the memory it takes."""

from __future__ import annotations

import re
from collections.abc import Callable

from support.pi.sorting import VALVE, Service

Proven = Callable[..., None]
MOST_MB = 200
PROCESSES = "/sys/fs/cgroup/system.slice/sorter.service/cgroup.procs"

# A browser with the page open: its stream of events, and the picture again and again.
VISITOR = """
import threading, urllib.request
def look():
    while True:
        with urllib.request.urlopen("http://127.0.0.1:8080/belt.jpg") as picture:
            print("picture", len(picture.read()), flush=True)
threading.Thread(target=look, daemon=True).start()
with urllib.request.urlopen("http://127.0.0.1:8080/events") as events:
    for line in events:
        print("event", len(line), flush=True)
"""


def test_an_item_before_the_lens_fires_its_actuator(service: Service, proven: Proven) -> None:
    put_s = float(service.machine.run("cut -d' ' -f1 /proc/uptime"))
    service.put_item()
    # A stroke that is more than 5 ms late is refused, as on a Pi; the item is dropped with the next one.
    service.wires.await_edge(VALVE, high=True, within_s=240)
    (first, *_) = [edge.at_s for edge in service.wires.record().of(VALVE) if edge.high]
    service.take_item()
    refused = service.machine.run("journalctl -u sorter -o cat").count("was not fired")
    proven(
        "An item before the kernel's camera is found, classified and fires the line of its bin's actuator.",
        after_s=round(first - put_s, 1),
        refused_as_too_late_before=refused,
    )


def test_a_running_service_with_its_page_open_takes_at_most_200_mb(service: Service, proven: Proven) -> None:
    service.machine.write("/root/visit.py", VISITOR)
    service.machine.run("setsid python3 /root/visit.py > /root/seen.txt 2>&1 < /dev/null &")
    service.machine.until("the page is open", "grep -q event /root/seen.txt && grep -q picture /root/seen.txt", 120)
    told = service.machine.run(
        f"for p in $(cat {PROCESSES}); do cat /proc/$p/comm; grep ^Pss: /proc/$p/smaps_rollup; done"
    )
    sizes = {name: int(kb) / 1000 for name, kb in re.findall(r"^(.+)\nPss: +(\d+) kB", told, re.MULTILINE)}
    assert len(sizes) == 2
    assert sum(sizes.values()) <= MOST_MB
    main_mb, model_mb = max(sizes.values()), min(sizes.values())
    proven(
        "The service with its page open takes at most 200 MB of memory (PSS), its model's process included.",
        main_process_mb=round(main_mb),
        model_process_mb=round(model_mb),
    )
