"""The root file system kept in memory, as raspi-config's Overlay File System does it: what is written is gone with the power.

Raspberry Pi OS has the package `overlayroot` do this from its initrd; here a second archive behind the kernel's own takes
the place of what that one runs first.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

from support.pi.debian import built
from support.pi.kernel import Kernel

WORDS = "overlayroot=tmpfs"
LOWER, UPPER = "/media/root-ro", "/media/root-rw"
INIT = f"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
for module in /modules/*.ko; do $b insmod $module; done
n=0; while [ ! -b /dev/vda ] && [ $n -lt 100 ]; do $b sleep 0.1; n=$((n+1)); done
$b mkdir -p {LOWER} {UPPER}
$b mount -t ext4 -o ro,noatime /dev/vda {LOWER} || exec $b sh
$b mount -t tmpfs -o mode=0755 tmpfs-root {UPPER}
$b mkdir -p {UPPER}/overlay {UPPER}/overlay-workdir/_
$b mount -t overlay -o lowerdir={LOWER},upperdir={UPPER}/overlay,workdir={UPPER}/overlay-workdir/_ overlayroot /root || exec $b sh
$b mkdir -p /root{LOWER} /root{UPPER}
$b mount --move {LOWER} /root{LOWER}
$b mount --move {UPPER} /root{UPPER}
$b mount --move /dev /root/dev
exec $b switch_root /root /lib/systemd/systemd
"""


def overlay_initrd(kernel: Kernel) -> Path:
    """What mounts the root file system that way and hands over to systemd there."""

    def make(folder: Path) -> None:
        (module,) = kernel.modules().rglob("overlay.ko*")
        content = folder / "content"
        (content / "modules").mkdir(parents=True)
        packed = module.read_bytes()
        # After the modules of the disk: they are loaded in the order of their names.
        (content / "modules" / "90-overlay.ko").write_bytes(
            lzma.decompress(packed) if module.suffix == ".xz" else packed
        )
        (content / "init").write_text(INIT)
        (content / "init").chmod(0o755)
        names = "init\nmodules\nmodules/90-overlay.ko\n"
        archive = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), cwd=content, capture_output=True, check=True
        )
        own = kernel.initrd().read_bytes()
        # The kernel finds a second archive at whole words only.
        (folder / "initrd").write_bytes(own + bytes(-len(own) % 4) + archive.stdout)
        shutil.rmtree(content)

    return built("initrd-overlay", f"{kernel.initrd()} {kernel.modules()} {INIT}", make) / "initrd"
