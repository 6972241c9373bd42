"""lgpio for Trixie's Python, which Raspberry Pi's archive has as python3-lgpio, and neither Debian nor PyPI: built from its source."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from support.pi import emulator
from support.pi.debian import Release, built, run

VERSION = "0.2.2.0"  # Raspberry Pi's archive has 0.2.2
PYTHON = "3.13"
TOOLS = ("base-files", "bash", "coreutils", "dash", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "swig")
# As its own setup.py does where PYPI=1: the C library is part of the extension.
SCRIPT = f"""
cd /lgpio
swig -python -o lgpio_wrap.c lgpio.i
aarch64-linux-gnu-gcc -O3 -fPIC -shared -pthread -w -Isrc -I/headers/python{PYTHON} -I/headers \
    -o _lgpio.so lgpio_wrap.c src/lg*.c src/rgpiod.c -lrt -ldl
"""


def lgpio_library() -> Path:
    """A folder with `lgpio.py` and its extension, as they lie in Debian's dist-packages."""
    return built("lgpio", f"{VERSION} {PYTHON} {TOOLS} {SCRIPT}", _build)


def _build(folder: Path) -> None:
    source = folder / "source"
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run([*pip, "download", "--no-deps", "--no-binary", ":all:", "-d", folder, f"lgpio=={VERSION}"])
    source.mkdir()
    run(["tar", "-xzf", next(folder.glob("lgpio-*.tar.gz")), "-C", source, "--strip-components=1"])
    headers = Release("trixie", "arm64").unpacked(f"libpython{PYTHON}-dev") / "usr" / "include"
    tools = Release("trixie", "amd64").root(*TOOLS)
    emulator.Machine(tools, shared={source: "/lgpio", headers: "/headers"}).must(["sh", "-euc", SCRIPT], 300)
    for name in ("lgpio.py", "_lgpio.so"):
        shutil.move(source / name, folder / name)
    shutil.rmtree(source)
