"""The wheel, and what the tests over a real OpenSSH server share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.sshd import SshServer, running_sshd
from support.wheels import build_wheel, make_venv

from edge.bundle.archive import pack_bundle, read_bundle


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def edge_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and its `edge` extra alone, as on a Pi."""
    return make_venv(tmp_path_factory.mktemp("edge-only"), f"{wheel}[edge]")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with running_sshd(tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.fixture(scope="module")
def signed_bundle(server: SshServer, tiny_bundle: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a signed bundle file; `pad` makes it larger by a report of as many bytes."""

    def write(version: str = "1.0", pad: int = 0, key: Ed25519PrivateKey | None = None, **changes: object) -> Path:
        bundle = read_bundle(tiny_bundle(version=version, **changes), version)
        members = {name: content for name, content in bundle.members.items() if name != "manifest.json"}
        if pad:
            members["report.html"] = random.Random(version).randbytes(pad)
        path = server.folder / f"tiny-{version}-{len(list(server.folder.glob('*.sorter')))}.sorter"
        path.write_bytes(pack_bundle(bundle.manifest, members, key or server.maker))
        return path

    return write
