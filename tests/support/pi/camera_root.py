"""The product as the install page has it on Trixie, with the real picamera2 and cameras that libcamera itself plays.

`virtual_camera` says what is bent for that; the rest of the root is Debian's and the package index's.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from support.paths import ROOT
from support.pi.debian import CACHE, Release, built, run
from support.pi.emulator import CERTIFICATES, PATH, TOLD
from support.pi.installed import Install, digest, wheel

HERE = Path(__file__).parent / "virtual_camera"
SORTER = "/opt/edge-sorter/bin/sorter"
PYTHON = "/opt/edge-sorter/bin/python"
# Where a root sees what bends picamera2, the photos and settings of its cameras, and the programs of the tests.
BENT, CAMERAS, INSIDE = "/opt/bent", "/opt/cameras", "/opt/inside"
# What a Pi's apt brings with python3-picamera2: of Debian's own archive, and the library itself, which is not in it.
WITH_PICAMERA2 = ("python3-libcamera", "python3-pil", "python3-piexif", "python3-prctl")
PICAMERA2 = ("picamera2==0.3.38", "simplejpeg", "av", "videodev2")
ANYWHERE, SYSTEM_PIP = "--break-system-packages", "/usr/share/python-wheels/pip-*.whl"
PRODUCT = Install("trixie", architecture="amd64")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


@dataclass(frozen=True, slots=True)
class CameraRoot:
    """A root file system whose programs see the cameras that `cameras` describes; what they write is gone with them.

    Args:
        cameras: a folder with `virtual.yaml` and the photos that it names.
        shared: other folders of this machine, and where they are seen inside; what is written there stays.
        frame_us: the time from frame to frame.
        controls: a file below `cameras` for what the camera's controls are set to; None: it has none.
    """

    cameras: Path
    shared: Mapping[Path, str] = field(default_factory=dict)
    frame_us: int = 33_333
    controls: str | None = None

    def ask(self, program: str, *arguments: str, timeout_s: float = 60) -> Any:
        """What a program of `tests/pi/camera/inside` prints: one line of JSON.

        Raises:
            RuntimeError: it failed, with all that it said.
        """
        done = self.run([PYTHON, f"{INSIDE}/{program}.py", *arguments], timeout_s)
        if done.returncode != 0 or not done.stdout.strip():
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def run(self, command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            self._inside(command),
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=timeout_s,
            check=False,
        )

    @contextmanager
    def started(self, command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program meanwhile; the process is its own, and what it says is in `log`."""
        with log.open("wb") as said:
            process = subprocess.Popen(self._inside(command), stdout=said, stderr=said, env=self._environment())
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def _inside(self, command: Sequence[str]) -> list[str]:
        layers = f"{installed()}:{bare()}"
        places = {HERE: BENT, self.cameras: CAMERAS, ROOT / "tests/pi/camera/inside": INSIDE, **self.shared}
        return _in_root(layers, places, ["env", "LD_PRELOAD=/opt/sensor.so", *command], keep=None)

    def _environment(self) -> dict[str, str]:
        return {
            **_plain_environment(),
            "PYTHONPATH": BENT,
            "PYTHONDONTWRITEBYTECODE": "1",
            "VIRTUAL_FRAME_US": str(self.frame_us),
            "VIRTUAL_UNPLUGGED": f"{CAMERAS}/unplugged",
            "LIBCAMERA_LOG_LEVELS": "*:WARN",
            **({} if self.controls is None else {"VIRTUAL_CONTROLS": f"{CAMERAS}/{self.controls}"}),
        }


@cache
def bare() -> Path:
    """The root before: what apt brings, as far as Debian's own archive has it."""
    return Release("trixie", "amd64").root("ca-certificates", *PRODUCT.apt, *WITH_PICAMERA2, variant="essential")


@cache
def installed() -> Path:
    """What lies over it: picamera2, the product by the page's other commands, and the sensor."""
    recipe = f"{bare().name} {PICAMERA2} {PRODUCT.steps} {digest(wheel())} {(HERE / 'sensor.c').read_text()}"

    def install(folder: Path) -> None:
        pip = ["sh", "-c", f'exec python3 $(echo {SYSTEM_PIP})/pip install -q {ANYWHERE} --no-deps "$@"', "sh"]
        script = " && ".join(shlex.join(words) for words in [[*pip, *PICAMERA2], *PRODUCT.steps])
        command = _in_root(str(bare()), {wheel().parent: "/wheel"}, ["sh", "-c", script], keep=folder)
        run(command, env=_plain_environment())
        run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", folder / "opt" / "sensor.so", HERE / "sensor.c"])
        settings = folder / "usr" / "share" / "libcamera" / "pipeline" / "virtual"
        settings.mkdir(parents=True)
        (settings / "virtual.yaml").symlink_to(f"{CAMERAS}/virtual.yaml")

    return built("installed-trixie-camera", recipe, install)


def _plain_environment() -> dict[str, str]:
    own = {"HOME": "/root", "PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb"}
    return own | {name: os.environ[name] for name in TOLD if name in os.environ}


def _in_root(layers: str, places: Mapping[Path, str], command: Sequence[str], keep: Path | None) -> list[str]:
    """A command that becomes `command` in a root of these layers, with mounts that nobody else sees.

    Args:
        places: folders of this machine, and where they are seen inside.
        keep: what is written into /opt and /usr/local is copied here in the end; None: all is gone.
    """
    new = "/mnt/root"
    (CACHE / "pip").mkdir(parents=True, exist_ok=True)
    lines = [
        "mount -t tmpfs tmpfs /mnt",
        f"mkdir {new} /mnt/upper /mnt/work",
        f"mount -t overlay overlay -o lowerdir={layers},upperdir=/mnt/upper,workdir=/mnt/work {new}",
        f"mount -t proc proc {new}/proc",
        f"mount --rbind /sys {new}/sys",
        f"mount -t tmpfs -o mode=755 tmpfs {new}/dev",
        f"mkdir {new}/dev/shm {new}/dev/dma_heap",
        f"mount -t tmpfs tmpfs {new}/dev/shm",
        f"ln -s /proc/self/fd {new}/dev/fd",
        f": > {new}/dev/dma_heap/linux,cma",  # answered by the preloaded sensor
        *(f"touch {new}/dev/{name} && mount --bind /dev/{name} {new}/dev/{name}" for name in DEVICES),
        *(f"touch {new}{file} && mount --bind {file} {new}{file}" for file in ("/etc/resolv.conf", CERTIFICATES)),
    ]
    for here, there in {CACHE / "pip": "/root/.cache/pip", **places}.items():
        place = shlex.quote(f"{new}{there}")
        lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(here))} {place}"]
    if keep is None:
        lines.append(f'exec chroot {new} "$@"')
    else:
        kept = shlex.quote(str(keep))
        lines += [
            f'chroot {new} "$@"',
            f"mkdir {kept}/usr",
            f"cp -a /mnt/upper/opt {kept}",
            f"cp -a /mnt/upper/usr/local {kept}/usr",
        ]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", "\n".join(lines), "sh", *command]


def play(folder: Path, photos: Sequence[bytes], sizes: Sequence[tuple[int, int]]) -> Path:
    """Have one virtual camera show these JPEGs again and again, in pictures of any of these sizes."""
    shown = folder / "photos"
    shutil.rmtree(shown, ignore_errors=True)
    shown.mkdir(parents=True)
    for number, photo in enumerate(photos):
        (shown / f"{number}.jpg").write_bytes(photo)
    formats = "".join(f"  - {{width: {width}, height: {height}, frame_rates: [10, 120]}}\n" for width, height in sizes)
    (folder / "virtual.yaml").write_text(
        f'"Virtual0":\n  supported_formats:\n{formats}  frames:\n    path: "{CAMERAS}/photos/"\n'
        '  location: "CameraLocationExternal"\n  model: "virtual"\n'
    )
    return folder
