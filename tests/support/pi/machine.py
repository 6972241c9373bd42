"""A Raspberry Pi 4 that is none: Debian's kernel and systemd on an emulated processor, its pins and camera simulated by the kernel.

A machine starts from the disk that `image` made, or goes on where another one was saved (`machines.py`).
"""

from __future__ import annotations

import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.pi.cut_disk import Record
from support.pi.debian import run
from support.pi.image import MACHINE, Image
from support.pi.qemu_monitor import Monitor

CONSOLE = "console=ttyAMA0 loglevel=4 mitigations=off audit=0 net.ifnames=0 systemd.show_status=true"
BOOT_S = 300.0
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Saved:
    """A machine as it was in one instant: both disks and its memory. Any number of machines may go on from it.

    Args:
        folder: with `disk.qcow2`, `data.qcow2` and, unless it has never run, `memory`.
        image: that it began with.
    """

    folder: Path
    image: Image

    @property
    def memory(self) -> Path:
        return self.folder / "memory"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What else a machine is started with.

    Args:
        record: where every write to its disk is recorded (see cut_disk.py).
        date: of its clock when it starts, as QEMU takes it; the present one if empty.
        initrd: in the place of the kernel's own.
        words: on the kernel's command line besides.
    """

    record: Path | None = None
    date: str = ""
    initrd: Path | None = None
    words: str = ""


PLAIN = Fitted()


class Machine:
    """One virtual machine; its disks are its own, laid over those that it began with.

    Args:
        saved: what it begins with.
        folder: for its disks, sockets and log.
        fitted: what else it is started with.
    """

    def __init__(self, saved: Saved, folder: Path, fitted: Fitted = PLAIN) -> None:
        self.fitted = fitted
        self.image = saved.image
        self.folder = folder
        self._memory = saved.memory if saved.memory.exists() else None
        # A socket's whole path must fit into 108 characters.
        self._sockets = Path(tempfile.mkdtemp(prefix="pi-"))
        self._qemu: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.disk, self.data = folder / "disk.qcow2", folder / "data.qcow2"
        for own in (self.disk, self.data):
            run(
                ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", saved.folder.resolve() / own.name, own]
            )

    # --- Its power ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch it on, or let it go on where it was saved; returns when it answers over SSH."""
        self.port = _free_port()
        command = [*self._command()]
        if self._memory:
            command += ["-incoming", f"exec:cat {shlex.quote(str(self._memory))}"]
        with (self.folder / "qemu.log").open("ab") as log:
            self._qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        resumed, self._memory = self._memory is not None, None
        if resumed:  # paused, as it was saved
            until("its monitor listens", (self._sockets / "monitor").exists, 60)
            until("its memory is loaded", lambda: self._control("query-migrate").get("status") == "completed", 120)
            self.resume()
        self._await_ssh()
        if resumed:  # it believes that no time has passed
            self.run(f"date -s @{datetime.now(UTC).timestamp():.3f}")

    def kill(self) -> None:
        """Cut its power: what its kernel has not written to the disk is lost."""
        if self._qemu:
            self._qemu.send_signal(signal.SIGKILL)
            self._ended()

    def power_off(self, timeout_s: float = 120.0) -> None:
        """Shut it down as a person would, and wait for its end."""
        assert self._qemu
        self.run("systemctl poweroff", check=False)
        self._qemu.wait(timeout_s)
        self._ended()

    def reboot(self) -> None:
        """Shut it down and switch it on again."""
        self.power_off()
        self.start()

    def pause(self) -> None:
        """Stop its clock and processor, until `resume`."""
        self._control("stop")

    def resume(self) -> None:
        self._control("cont")

    def save(self, folder: Path) -> None:
        """Keep this instant in `folder`, as a `Saved`, and end."""
        self._disconnect()
        self.pause()
        memory = folder / "memory"
        monitor = Monitor(self._sockets / "monitor")
        monitor.execute("migrate", uri=f"exec:cat > {shlex.quote(str(memory))}")
        until("its memory is saved", lambda: monitor.execute("query-migrate")["status"] == "completed", 120)
        monitor.execute("quit")
        monitor.close()
        assert self._qemu
        self._qemu.wait(60)
        self._ended()
        for disk in (self.disk, self.data):
            shutil.move(disk, folder)

    # --- Inside -------------------------------------------------------------------------------------------------------

    def run(self, command: str, timeout_s: float = 120.0, *, check: bool = True) -> str:
        """Run a shell command as root; what it wrote to both of its outputs.

        Raises:
            RuntimeError: it failed, and `check` asks for that.
            subprocess.TimeoutExpired: it took longer.
        """
        done = subprocess.run(
            [*self._ssh(), command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=timeout_s, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise RuntimeError(f"in the machine, {command!r} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        folder = shlex.quote(str(Path(path).parent))
        subprocess.run(
            [*self._ssh(), f"mkdir -p {folder} && cat > {shlex.quote(path)}"],
            input=text.encode(), check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def put(self, here: Path, there: str) -> None:
        """Copy a file or folder into the machine."""
        run(["scp", "-q", "-r", "-P", str(self.port), *self._options(), here, f"root@127.0.0.1:{there}"], timeout=300)

    def get(self, there: str, here: Path) -> None:
        """Copy a file or folder out of the machine."""
        run(["scp", "-q", "-r", "-P", str(self.port), *self._options(), f"root@127.0.0.1:{there}", here], timeout=300)

    def until(self, what: str, command: str, timeout_s: float) -> str:
        """Wait for a command to succeed in the machine, and return what it printed then; it is asked there, not from here.

        Raises:
            RuntimeError: it did not within `timeout_s`.
        """
        loop = f"for n in $(seq {round(timeout_s / LOOK_S)}); do ( {command} ) && exit 0; sleep {LOOK_S}; done; exit 1"
        try:
            return self.run(loop, timeout_s * 3 + 60)
        except RuntimeError as error:
            raise RuntimeError(f"not within {timeout_s:.0f} s: {what}\n{str(error)[-2000:]}") from None

    @property
    def serial_log(self) -> str:
        """What the kernel and systemd wrote to the console."""
        return (self.folder / "console.log").read_text(errors="replace")

    @contextmanager
    def forwarded(self, port: int) -> Iterator[int]:
        """A port of this machine that leads to a port on the loopback of the other one."""
        here = _free_port()
        way = ["-L", f"{here}:127.0.0.1:{port}", "root@127.0.0.1"]
        run([*self._ssh()[:-1], "-O", "forward", *way])
        try:
            yield here
        finally:
            subprocess.run([*self._ssh()[:-1], "-O", "cancel", *way], capture_output=True, check=False)

    # --- How it is done -----------------------------------------------------------------------------------------------

    def _command(self) -> list[str]:
        drives: list[str] = []
        # The board counts its slots from the last: the disk that is given last is the first, vda.
        for name, path in (("data", self.data), ("disk", self.disk)):
            drives += ["-blockdev", f"driver=file,node-name={name}-file,filename={path},discard=unmap"]
            drives += ["-blockdev", f"driver=qcow2,node-name={name},file={name}-file,discard=unmap"]
            node = name
            if name == "disk" and self.fitted.record:
                drives += Record.options(name, self.fitted.record)
                node = "recorded"
            drives += ["-device", f"virtio-blk-device,drive={node}"]
        network = f"user,id=net,restrict=off,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        initrd = self.fitted.initrd or self.image.kernel.initrd()
        return [
            *("qemu-system-aarch64", *MACHINE, "-dtb", str(self.image.board)),
            *("-kernel", str(self.image.kernel.program), "-initrd", str(initrd)),
            *("-append", f"{CONSOLE} {self.fitted.words}".rstrip()),
            *(["-rtc", f"base={self.fitted.date}"] if self.fitted.date else []),
            *drives,
            *("-netdev", network, "-device", "virtio-net-device,netdev=net", "-device", "virtio-rng-device"),
            *("-serial", f"file:{self.folder / 'console.log'}"),
            *("-qmp", f"unix:{self._sockets / 'monitor'},server=on,wait=off", "-no-reboot"),
        ]

    def _options(self) -> list[str]:
        settings = (
            *("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"),
            *(f"ControlPath={self._sockets / 'ssh'}", "ControlMaster=auto", "ControlPersist=yes", "ConnectTimeout=30"),
        )
        return ["-i", str(self.image.key), *(word for setting in settings for word in ("-o", setting))]

    def _ssh(self) -> list[str]:
        return ["ssh", "-p", str(self.port), *self._options(), "root@127.0.0.1"]

    def _await_ssh(self) -> None:
        def answers() -> bool:
            assert self._qemu
            if self._qemu.poll() is not None:
                raise RuntimeError(f"QEMU ended with {self._qemu.returncode}: {(self.folder / 'qemu.log').read_text()}")
            with suppress(subprocess.TimeoutExpired):
                return "up" in self.run("echo up", 60, check=False)
            return False

        try:
            until("the machine answers", answers, BOOT_S)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its console ends with {self.serial_log[-2000:]}") from None

    def _control(self, command: str) -> Any:
        monitor = Monitor(self._sockets / "monitor")
        answer = monitor.execute(command)
        monitor.close()
        return answer

    def _disconnect(self) -> None:
        if (self._sockets / "ssh").exists():
            subprocess.run([*self._ssh()[:-1], "-O", "exit", "root@127.0.0.1"], capture_output=True, check=False)

    def _ended(self) -> None:
        assert self._qemu
        self._qemu.wait()
        self._qemu = None
        self._disconnect()

    def close(self) -> None:
        """End it and give everything back."""
        self.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)


def until(what: str, holds: Callable[[], bool], timeout_s: float) -> None:
    """Wait for what an emulated machine does when it gets round to it.

    Raises:
        TimeoutError: it does not hold within `timeout_s`.
    """
    give_up_at = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(LOOK_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
