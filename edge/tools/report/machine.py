"""What a machine is: its versions, processor, memory, disks, heat and service, without its name, numbers or addresses."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edge import __version__
from edge.health.monitors.machine import Ask, Machine
from edge.interfaces import Clock
from edge.system.mounts import Mount, memory_under, mount_of
from edge.tools.report.sieve import Sieve

PACKAGES = (
    *("numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "pydantic", "starlette", "uvicorn"),
    *("gpiozero", "lgpio", "picamera2", "aiomqtt", "cryptography"),
)
# What comes from Debian or Raspberry Pi OS.
_DEBIAN_PACKAGE = re.compile(
    r"python3-(?:lgpio|picamera2|libcamera|opencv|numpy)|libcamera[\d.]+|libcamera-ipa|rpicam-apps(?:-\w+)?|"
    r"raspi-firmware|raspberrypi-sys-mods|systemd"
)
UNIT = "sorter.service"
# systemd's property, and what it is called in the report.
_UNIT_FIELDS = {
    "ActiveState": "state",
    "SubState": "step",
    "Result": "last_result",
    "NRestarts": "restarts",
    "ExecMainStatus": "last_exit_code",
    "MemoryCurrent": "memory_bytes",
    "MemoryPeak": "memory_peak_bytes",
}
# systemd's words for these, and the file systems that a Pi may have.
_UNIT_VALUE = re.compile(
    r"\d{1,15}|active|inactive|failed|activating|deactivating|reloading|running|dead|exited|(start|stop)(-pre|-post|-chown)?|"
    r"(stop|final)-(sigterm|sigkill|watchdog)|auto-restart(-queued)?|success|exit-code|signal|core-dump|watchdog|timeout|"
    r"oom-kill|resources|protocol|start-limit-hit|exec-condition"
)
_FILE_SYSTEM = re.compile(r"ext[34]|btrfs|xfs|f2fs|vfat|exfat|ntfs3|overlay|tmpfs|squashfs|nfs4?|cifs|9p|virtiofs|zfs")
_BLOCK = re.compile(r"/dev/(mmcblk\d+|nvme\d+n\d+|sd[a-z]+|vd[a-z]+)")
_DISK_KINDS = {"mmcblk": "SD card or eMMC", "nvme": "NVMe", "sd": "USB or SATA disk", "vd": "virtual disk"}
LONGEST_S = 20.0


def ask_system(command: Sequence[str]) -> str:
    """Return what one of the system's programs prints; empty when it is missing or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LONGEST_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Reads one machine; `root` and `tool` (runs a program of the system) are replaced in tests."""

    clock: Clock
    sieve: Sieve
    root: Path = Path("/")
    tool: Ask = ask_system

    def versions(self) -> dict[str, str]:
        """Return the versions of everything that sorting depends on; what is not installed is not named."""
        found = {"edge-sorter": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
        for name in PACKAGES:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        found["kernel"] = self._text("proc/sys/kernel/osrelease")
        for line in self.tool(["dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n"]).splitlines():
            name, _, version = line.partition(" ")
            if _DEBIAN_PACKAGE.fullmatch(name):
                found[f"debian {name}"] = version
        kept = {name: self.sieve.version(version) for name, version in found.items() if version}
        release = re.search(r'^PRETTY_NAME="?([^"\n]+)', self._text("etc/os-release"), flags=re.MULTILINE)
        return {**kept, "system": self.sieve.product(release[1] if release else "")}

    def hardware(self) -> dict[str, Any]:
        """Return what the machine is made of."""
        processor = self._text("proc/cpuinfo")
        name = re.search(r"^model name\s*:\s*(.+)", processor, flags=re.MULTILINE)
        revision = re.search(r"^Revision\s*:\s*([0-9a-f]{4,8})$", processor, flags=re.MULTILINE)
        return {
            "model": self.sieve.product(self._text("proc/device-tree/model")),
            "revision": revision[1] if revision else "",  # tells model, memory and maker; not the serial number
            "architecture": platform.machine(),
            "processor": self.sieve.product(name[1]) if name else "",
            "parts": sorted(set(re.findall(r"^CPU part\s*:\s*(0x[0-9a-f]{1,4})$", processor, flags=re.MULTILINE))),
            "cores": os.cpu_count(),
            "highest_mhz": self._number("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", 1000),
            "memory_mb": self._memory("MemTotal"),
            "swap_mb": self._memory("SwapTotal"),
            "page_size_bytes": os.sysconf("SC_PAGE_SIZE"),
        }

    def state(self) -> dict[str, Any]:
        """Return how the machine is now."""
        looked = Machine(self.clock, self.root, self.tool)
        now = looked.look()
        flags = looked.throttling()
        uptime = re.match(r"\d+", self._text("proc/uptime"))
        return {
            "up_hours": round(int(uptime[0]) / 3600, 1) if uptime else None,
            "temperature_c": now.temperature_c,
            "throttling_flags": None if flags is None else hex(flags),
            "load": now.load,
            "memory_available_mb": None if now.memory_available_mb is None else round(now.memory_available_mb),
            "date_is_known": self.clock.date_is_known(),
        }

    def disks(self, state_folder: Path) -> list[dict[str, Any]]:
        """Return the disks that system and state folder are on."""
        folders = {"system": Path("/"), "state folder": state_folder}
        return [{"holds": what, **self._disk(folder)} for what, folder in folders.items()]

    def service(self) -> dict[str, Any]:
        """Return what systemd says of the service; empty where there is none, or no systemd."""
        told: dict[str, Any] = {}
        for line in self.tool(["systemctl", "show", UNIT, f"--property={','.join(_UNIT_FIELDS)}"]).splitlines():
            name, _, value = line.partition("=")
            if name in _UNIT_FIELDS and _UNIT_VALUE.fullmatch(value):
                told[_UNIT_FIELDS[name]] = int(value) if value.isdigit() else value
        return told

    def _disk(self, folder: Path) -> dict[str, Any]:
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        mount = mount_of(there, self.root)
        space = shutil.disk_usage(there)
        return {
            "file_system": mount.kind if mount is not None and _FILE_SYSTEM.fullmatch(mount.kind) else "other",
            "ends_with_the_power": memory_under(there, self.root) is not None,
            **self._device(mount),
            "size_gb": round(space.total / 2**30, 1),
            "free_gb": round(space.free / 2**30, 1),
        }

    def _device(self, mount: Mount | None) -> dict[str, str]:
        """Return the kind of disk, and of a card the name of its type and when it was made."""
        block = _BLOCK.match(mount.source) if mount is not None else None
        if block is None:
            return {}
        name = block[1]
        kind = next(kind for start, kind in _DISK_KINDS.items() if name.startswith(start))
        made = self._text(f"sys/block/{name}/device/date")
        return {
            "kind": kind,
            "card": self.sieve.product(self._text(f"sys/block/{name}/device/name")),
            "card_made": made if re.fullmatch(r"\d\d/\d{4}", made) else "",
        }

    def _memory(self, field: str) -> int | None:
        found = re.search(rf"^{field}:\s+(\d+) kB", self._text("proc/meminfo"), flags=re.MULTILINE)
        return int(found[1]) // 1024 if found else None

    def _number(self, path: str, divisor: int) -> int | None:
        text = self._text(path)
        return int(text) // divisor if re.fullmatch(r"\d{1,12}", text) else None

    def _text(self, path: str) -> str:
        try:
            return (self.root / path).read_bytes()[:100_000].decode("utf-8", "replace").strip("\0\n ")
        except OSError:
            return ""
