"""Debian 13's own kernel for arm64, and gpio-sim, which no Debian kernel has, built as a module for it."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.pi import emulator
from support.pi.debian import Release, built, run

SERIES = "6.12"
# A GPIO chip whose lines have no wires: what drives them can be read, and what they should read can be set, in /sys.
SIMULATED_CHIP = ("drivers/gpio/gpio-sim.c", "kernel/irq/irq_sim.c")
# Debian's kernel has the interrupts of the simulated chip neither built in nor as a module, so they come with it; one
# call in them is the kernel's own business, and this is the one that modules have for it.
FOR_MODULES = (b"handle_simple_irq(irq_to_desc(irqnum))", b"generic_handle_irq(irqnum)")
MAKEFILE = "obj-m := gpio-sim-pi.o\ngpio-sim-pi-y := gpio-sim.o irq_sim.o\n"
TOOLS = ("base-files", "bash", "coreutils", "dash", "findutils", "gcc-aarch64-linux-gnu", "grep", "make", "mawk", "sed")
# What the machine needs of the kernel's own modules: disk, network, file systems, the simulated camera, watchdog.
MODULES = (
    "autofs4",
    "configfs",
    "virtio_mmio",
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "crc32c_generic",
    "ext4",
    "overlay",
    "vivid",
    "softdog",
    "rtc-pl031",
)
FOR_THE_ROOT = ("virtio_mmio", "virtio_blk", "crc32c_generic", "ext4")

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
for module in /modules/*.ko; do $b insmod $module; done
n=0; while [ ! -b /dev/vda ] && [ $n -lt 100 ]; do $b sleep 0.1; n=$((n+1)); done
$b mount -t ext4 -o noatime /dev/vda /root || exec $b sh
$b mount --move /dev /root/dev
exec $b switch_root /root /lib/systemd/systemd
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One version of Debian's kernel for arm64, such as 6.12.117+deb13.

    Args:
        version: as Debian names it, without the processor.
    """

    version: str

    @classmethod
    def newest(cls) -> Kernel:
        """The newest of Trixie's series."""
        pattern = rf"^linux-image-{re.escape(SERIES)}\.([0-9]+)\+deb13-arm64$"
        found = {int(match[1]): name for name in _arm64().candidates(pattern) if (match := re.match(pattern, name))}
        return cls(found[max(found)].removeprefix("linux-image-").removesuffix("-arm64"))

    @property
    def release(self) -> str:
        """What `uname -r` says."""
        return f"{self.version}-arm64"

    @property
    def _image(self) -> Path:
        return _arm64().unpacked(f"linux-image-{self.release}")

    @property
    def program(self) -> Path:
        """What the machine starts."""
        return self._image / "boot" / f"vmlinuz-{self.release}"

    def modules(self) -> Path:
        """A folder with `usr/lib/modules`: what the machine needs, gpio-sim among it, and the index of it all."""
        return built("modules", f"{self.version} {MODULES} {MAKEFILE}", self._lay_out_modules)

    def initrd(self) -> Path:
        """What mounts the root file system and hands over to systemd there."""
        return built("initrd", f"{self.version} {FOR_THE_ROOT} {INIT}", self._make_initrd) / "initrd"

    def _lay_out_modules(self, folder: Path) -> None:
        own = folder / "usr" / "lib" / "modules" / self.release
        all_of_them = self._all_modules()
        for name in MODULES:
            for path in self._with_needed(name):
                copy = own / path.relative_to(all_of_them)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(all_of_them / name, own)
        shutil.copy(self._simulated_chip(), own)
        run(["depmod", "-b", folder / "usr", self.release])

    def _all_modules(self) -> Path:
        return built("depmod", self.version, self._index) / "lib" / "modules" / self.release

    def _index(self, folder: Path) -> None:
        """Debian's package comes without the index of what needs what."""
        shutil.copytree(self._image / "usr" / "lib", folder / "lib", symlinks=True)
        run(["depmod", "-b", folder, self.release])

    def _with_needed(self, module: str) -> list[Path]:
        """The module's file after those of all that it needs; none where it is built in."""
        base = self._all_modules().parents[2]
        told = run(["modprobe", "-d", base, "-S", self.release, "--show-depends", module])
        return [Path(line.split()[1]) for line in told.splitlines() if line.startswith("insmod")]

    def _simulated_chip(self) -> Path:
        recipe = f"{self.version} {SIMULATED_CHIP} {FOR_MODULES} {MAKEFILE}"
        return built("gpio-sim", recipe, self._build_simulated_chip) / "gpio-sim-pi.ko"

    def _build_simulated_chip(self, folder: Path) -> None:
        archive = _arm64().unpacked(f"linux-source-{SERIES}") / "usr" / "src" / f"linux-source-{SERIES}.tar.xz"
        members = [f"linux-source-{SERIES}/{name}" for name in SIMULATED_CHIP]
        run(["tar", "-xJf", archive, "-C", folder, "--strip-components=3", *members])
        source = folder / "irq_sim.c"
        source.write_bytes(source.read_bytes().replace(*FOR_MODULES))
        (folder / "Makefile").write_text(MAKEFILE)
        headers = _arm64().unpacked(f"linux-headers-{self.release}", f"linux-headers-{self.version}-common")
        tools = Release("trixie", "amd64").root(*TOOLS, f"linux-kbuild-{self.version}")
        inside = emulator.Machine(tools, shared={headers / "usr" / "src": "/usr/src", folder: "/module"})
        # Debian's scripts choose who is awk, and have not run here.
        make = f"make -s -C /usr/src/linux-headers-{self.release} M=/module ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-"
        script = f"ln -s mawk /usr/bin/awk; exec {make} CONFIG_DEBUG_INFO_BTF_MODULES= modules"
        inside.must(["sh", "-euc", script], 300)
        inside.must(["aarch64-linux-gnu-strip", "--strip-debug", "/module/gpio-sim-pi.ko"], 60)

    def _make_initrd(self, folder: Path) -> None:
        content = folder / "content"
        for name in ("bin", "dev", "root", "modules"):
            (content / name).mkdir(parents=True)
        shutil.copy(_arm64().unpacked("busybox-static") / "usr" / "bin" / "busybox", content / "bin")
        (content / "init").write_text(INIT)
        (content / "init").chmod(0o755)
        needed = dict.fromkeys(path for name in FOR_THE_ROOT for path in self._with_needed(name))
        for number, path in enumerate(needed):
            unpacked = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
            (content / "modules" / f"{number:02}-{path.name.removesuffix('.xz')}").write_bytes(unpacked)
        names = "\n".join(str(path.relative_to(content)) for path in sorted(content.rglob("*")))
        packed = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), cwd=content, capture_output=True, check=True
        )
        (folder / "initrd").write_bytes(gzip.compress(packed.stdout, 1))
        shutil.rmtree(content)


def _arm64() -> Release:
    return Release("trixie", "arm64")
