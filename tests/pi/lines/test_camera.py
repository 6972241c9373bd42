"""The camera's faults, as the kernel's simulated camera makes them: unplugged and back, dropped and broken frames."""

from __future__ import annotations

from collections.abc import Callable

from support.pi.sorting import SAFE, VALVE, Service

Proven = Callable[..., None]
DRIVER = "/sys/bus/platform/drivers/vivid"
BACK_S = 240.0


def test_a_camera_that_is_unplugged_is_told_nothing_fires_and_it_goes_on_when_it_is_back(
    service: Service, proven: Proven
) -> None:
    service.machine.run(f"echo vivid.0 > {DRIVER}/unbind")
    service.await_status("fault", BACK_S)
    assert service.wires.levels(VALVE) == {VALVE: SAFE[VALVE]}
    service.machine.run(f"echo vivid.0 > {DRIVER}/bind; udevadm settle")
    service.set_up_camera()
    service.machine.until("it sorts again", "systemctl show -p StatusText --value sorter | grep -q ^running", BACK_S)
    seen = service.wires.record()
    assert [edge for edge in seen.of(VALVE) if edge.high] == []
    restarts = service.machine.run("systemctl show -p NRestarts --value sorter").strip()
    proven(
        "A camera that is unplugged is a fault during which nothing fires, and when it is back sorting goes on by itself.",
        restarts_of_the_service=int(restarts),
    )


def test_dropped_and_broken_frames_stop_nothing_for_good(service: Service, proven: Proven) -> None:
    service.camera("percentage_of_dropped_buffers=60")
    for _ in range(5):
        service.camera("inject_v4l2_buf_flag_error=1")
    service.camera("percentage_of_dropped_buffers=0")
    service.is_running()
    service.camera("inject_fatal_streaming_error=1")
    service.await_log("camera")
    service.is_running()
    seen = service.wires.record()
    assert [edge for edge in seen.of(VALVE) if edge.high] == []
    proven("Dropped frames, damaged ones and a stream that ends fire nothing, and sorting goes on afterwards.")
