"""The disk of a machine that is a Raspberry Pi 4 as far as programs can tell: Debian 13 for arm64 with the product."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from support.pi import emulator
from support.pi.debian import Release, built, run
from support.pi.installed import FOLDER, Install
from support.pi.kernel import Kernel
from support.pi.lgpio_library import lgpio_library

MEGABYTES = 2048
DATA_MEGABYTES = 256
# What Raspberry Pi OS has as well, and what tests look through.
PACKAGES = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "dbus", "e2fsprogs", "findutils", "gpiod", "grep"),
    *("hostname", "iproute2", "kmod", "libc-bin", "login", "mawk", "mount", "openssh-server", "openssh-sftp-server"),
    *("passwd", "procps", "python3", "python3-numpy", "python3-venv", "sed", "strace", "sudo", "systemd"),
    *("systemd-sysv", "tar", "udev", "util-linux", "v4l-utils"),
)
FILES = {
    "etc/hostname": "pi\n",
    "etc/fstab": "/dev/vda / ext4 rw,noatime 0 1\n",
    "etc/hosts": "127.0.0.1 localhost pi\n::1 localhost\n",
    "etc/machine-id": "uninitialized\n",
    "etc/resolv.conf": "",
    "etc/systemd/network/wired.network": "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    # PAM is set up by scripts of Debian's that have not run here.
    "etc/ssh/sshd_config.d/machine.conf": "UsePAM no\nUseDNS no\nMaxSessions 50\n",
    # The camera that is no camera: two inputs, the second of them HDMI, frames stamped as they begin.
    "etc/modprobe.d/vivid.conf": "options vivid n_devs=1 node_types=0x101 num_inputs=2 input_types=0xc\n",
    "etc/modules-load.d/pi.conf": "vivid\n",
    # Raspberry Pi OS's own rule: pins and cameras belong to groups.
    "etc/udev/rules.d/99-pi.rules": 'SUBSYSTEM=="gpio", GROUP="gpio", MODE="0660"\n',
    "etc/sysusers.d/pi.conf": "g gpio 997\n",
    "etc/tmpfiles.d/pi.conf": "w- /sys/kernel/tracing/trace_clock - - - - mono\n",
}
STARTED = ("ssh", "systemd-networkd")
# What a machine does when it boots for the first time after an update takes minutes here, and tests need none of it.
NEVER = (
    *("systemd-firstboot.service", "systemd-networkd-wait-online.service", "e2scrub_reap.service", "ldconfig.service"),
    *("systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "modprobe@drm.service"),
    *("modprobe@efi_pstore.service", "modprobe@fuse.service", "systemd-pstore.service"),
    *(
        "systemd-binfmt.service",
        "getty@tty1.service",
        "serial-getty@ttyAMA0.service",
        "systemd-machine-id-commit.service",
    ),
)
NEVER_TIMERS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
)
ALTERNATIVES = {
    "usr/bin/awk": "mawk",
    "usr/lib/aarch64-linux-gnu/libblas.so.3": "blas/libblas.so.3",
    "usr/lib/aarch64-linux-gnu/liblapack.so.3": "lapack/liblapack.so.3",
}
# QEMU's board as a Pi 4 Model B: what gpiozero, the product and people look at, and gpio-sim for its chip of 54 lines.
LINES = 54
MODEL = "Raspberry Pi 4 Model B Rev 1.5"
CHIP = "/gpio-sim"
BOARD = (
    ("-t", "s", "/", "model", MODEL),
    ("-t", "s", "/", "compatible", "raspberrypi,4-model-b", "brcm,bcm2711", "linux,dummy-virt"),
    ("-t", "s", "/", "serial-number", "10000000deadbeef"),
    ("-c", "/system"),
    ("-t", "x", "/system", "linux,revision", "c03115"),
    ("-t", "x", "/system", "linux,serial", "10000000", "deadbeef"),
    # QEMU's own chip would be the first, as whose a Pi's is known.
    ("-r", "/gpio-keys"),
    ("-t", "s", "/pl061@9030000", "status", "disabled"),
    ("-c", CHIP),
    ("-t", "s", CHIP, "compatible", "gpio-simulator"),
    ("-c", f"{CHIP}/bank0"),
    ("-t", "x", f"{CHIP}/bank0", "gpio-controller"),
    ("-t", "i", f"{CHIP}/bank0", "#gpio-cells", "2"),
    ("-t", "i", f"{CHIP}/bank0", "ngpios", str(LINES)),
    ("-t", "s", f"{CHIP}/bank0", "gpio-sim,label", "pinctrl-bcm2711"),
    ("-t", "s", f"{CHIP}/bank0", "gpio-line-names", *(f"GPIO{number}" for number in range(LINES))),
)
# The board of the machine itself; two disks, the second one empty for what a test wants on a disk of its own.
MACHINE = (
    *("-M", "virt,gic-version=2", "-cpu", "cortex-a72", "-accel", "tcg,thread=multi,tb-size=256"),
    *("-global", "virtio-mmio.force-legacy=false", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none"),
)


@dataclass(frozen=True, slots=True)
class Image:
    """What a machine starts from, all of it only to be read.

    Args:
        folder: with `disk.qcow2`, `data.qcow2`, `board.dtb` and the key that opens the machine's SSH.
        kernel: of the machine.
    """

    folder: Path
    kernel: Kernel

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def data(self) -> Path:
        return self.folder / "data.qcow2"

    @property
    def board(self) -> Path:
        return self.folder / "board.dtb"

    @property
    def key(self) -> Path:
        return self.folder / "key"


def image() -> Image:
    """The machine with the product as `docs/install.md` installs it, never started."""
    kernel = Kernel.newest()
    parts = [
        Release("trixie", "arm64").root(*PACKAGES),
        _product(),
        lgpio_library(),
        kernel.modules(),
    ]
    # Whatever this file does to them is part of what comes out.
    recipe = f"{[part.name for part in parts]} {Path(__file__).read_text()}"

    def make(folder: Path) -> None:
        root = folder / "root"
        _lay_out(root, *parts)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", folder / "key"])
        (root / "root" / ".ssh").mkdir(mode=0o700)
        shutil.copy(folder / "key.pub", root / "root" / ".ssh" / "authorized_keys")
        run(["ssh-keygen", "-q", "-A", "-f", root])
        _make_disk(folder / "disk", MEGABYTES, "-d", root)
        _make_disk(folder / "data", DATA_MEGABYTES, "-L", "data")
        shutil.rmtree(root)
        _make_board(folder / "board.dtb")

    return Image(built("image", recipe, make), kernel)


def _product() -> Path:
    """The root file system in which the documented commands have installed it."""
    if (emulator.HANDLERS / f"{emulator.HANDLER}{os.getpid()}").exists():
        return Install("trixie").root()
    with emulator.registered():
        return Install("trixie").root()


def _lay_out(root: Path, debian: Path, product: Path, lgpio: Path, modules: Path) -> None:
    """The root file system, and what Debian's scripts do to it that an archive only unpacked has not gone through."""
    run(["cp", "-a", debian, root])
    (root / "opt").mkdir(exist_ok=True)
    run(["cp", "-a", product / FOLDER.lstrip("/"), root / "opt"])
    run(["cp", "-a", *lgpio.iterdir(), root / "usr" / "lib" / "python3" / "dist-packages"])
    run(["cp", "-a", modules / "usr", root])
    (root / "usr" / "local" / "bin").mkdir(parents=True, exist_ok=True)
    (root / "usr" / "local" / "bin" / "sorter").symlink_to(f"{FOLDER}/bin/sorter")
    for name in ("passwd", "group"):
        shutil.copy(root / "usr" / "share" / "base-passwd" / f"{name}.master", root / "etc" / name)
    shutil.copy(root / "usr" / "share" / "openssh" / "sshd_config", root / "etc" / "ssh")
    shutil.copy(root / "usr" / "share" / "libc-bin" / "nsswitch.conf", root / "etc")
    for name, target in ALTERNATIVES.items():
        if not (root / name).exists():
            (root / name).symlink_to(target)
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    units = root / "etc" / "systemd" / "system"
    (units / "multi-user.target.wants").mkdir(parents=True, exist_ok=True)
    for name in STARTED:
        link = units / "multi-user.target.wants" / f"{name}.service"
        link.symlink_to(f"/usr/lib/systemd/system/{name}.service")
    for name in (*NEVER, *NEVER_TIMERS):
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    (units / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")


def _make_disk(path: Path, megabytes: int, *options: str | Path) -> None:
    """An ext4 file system without partitions at `path`.qcow2."""
    raw = path.with_suffix(".raw")
    run(["truncate", "-s", f"{megabytes}M", raw])
    run(["mke2fs", "-q", "-t", "ext4", *options, raw])
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path.with_suffix(".qcow2")])
    raw.unlink()


def _make_board(path: Path) -> None:
    machine = [*MACHINE]
    machine[1] += f",dumpdtb={path}"
    run(["qemu-system-aarch64", *machine])
    for words in BOARD:
        options = list(words[:2]) if words[0] == "-t" else [words[0]]
        run(["fdtput", *options, path, *words[len(options) :]])
