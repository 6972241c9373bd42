"""Folders of trusted keys, and signing keys: whatever lies there, only a key that others can't have put there counts."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.signature import load_private_key, load_public_keys, public_line, write_key_pair
from edge.errors import ConfigError
from fuzzing.case import THINGS, Case, mutate

MAKERS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(8)]
LINES = [public_line(maker.public_key()) for maker in MAKERS]
GOOD = LINES[0]
NAMES = (
    b"b.pub", b".hidden.pub", b"no-key", b"a b.pub", b"\xff\xfe.pub", b"-rf.pub", b"\n.pub", "ключ.pub".encode(),
    b"%s.pub", b"x" * 250 + b".pub", b".pub", b"c.PUB",
)  # fmt: skip
OTHER_LINES = (
    b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7",
    b"ssh-ed25519",
    b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
    b"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY=",
    b"-----BEGIN OPENSSH PRIVATE KEY-----",
    b'command="x" ' + LINES[7].encode(),
    b"# " + LINES[7].encode(),
    b"\x00",
    b"ssh-ed25519 " + b"A" * 200_000,
    "ssh-ed25519 ААААС3 кириллица".encode(),
)
FILE_MODES, FOLDER_MODES = (0o644, 0o600, 0o444, 0o666, 0o646, 0o000, 0o4755), (0o755, 0o700, 0o777, 0o757, 0o1777)


def keys(folder: Path) -> Callable[[Case], None]:
    """Keys of files and folders that others may write are refused; one odd file keeps no other maker's key out."""
    write_key_pair(folder / "signing", "fuzzed")
    private = (folder / "signing").read_bytes()

    def run(case: Case) -> None:
        _signing_key(case, private)
        place, chance = case.folder / "keys", case.chance
        place.mkdir()
        (place / "anna.pub").write_text(GOOD + " anna\n")
        others: set[str] = set()
        for number in range(1, chance.randint(2, 5)):
            others |= _add(place, chance, LINES[number])
        mode = chance.choice(FOLDER_MODES) if chance.random() < 0.3 else 0o755
        place.chmod(mode)
        if chance.random() < 0.1:
            place.rename(place.with_name("moved"))
            THINGS[chance.choice(list(THINGS))](place)
            load_public_keys(place)
            return
        try:
            found = [public_line(key) for key in load_public_keys(place)]
        except ConfigError:
            assert mode & stat.S_IWOTH, "one odd file keeps all keys out"
            raise
        assert not mode & stat.S_IWOTH, "keys of a folder that everybody may write are trusted"
        assert GOOD in found, "one odd file keeps another maker's key out"
        assert not others & set(found), "a key that others can have put there is trusted"

    return run


def _add(place: Path, chance: random.Random, line: str) -> set[str]:
    """Put one more thing into the folder; return the keys of it that must not be trusted."""
    path = Path(os.fsdecode(os.fsencode(place) + b"/" + chance.choice(NAMES)))
    if os.path.lexists(path):
        return set()
    if chance.random() < 0.4:
        THINGS[chance.choice(list(THINGS))](path)
        return set()
    lines = [line.encode(), *chance.sample(OTHER_LINES, chance.randint(0, 3))]
    chance.shuffle(lines)
    content = chance.choice((b"\n", b"\r\n", b"\r", b"\n\n")).join(lines)
    path.write_bytes(mutate(content, chance) if chance.random() < 0.4 else content)
    mode = chance.choice(FILE_MODES)
    path.chmod(mode)
    return {line} if mode & stat.S_IWOTH or path.name.startswith(".") or path.suffix != ".pub" else set()


def _signing_key(case: Case, private: bytes) -> None:
    path, chance = case.folder / "signing", case.chance
    mode = 0o600
    if chance.random() < 0.3:
        THINGS[chance.choice(list(THINGS))](path)
    else:
        path.write_bytes(mutate(private, chance) if chance.random() < 0.7 else private)
        path.chmod(mode := chance.choice((0o600, 0o400, 0o644, 0o640, 0o604)))
    with suppress(ConfigError):
        load_private_key(path)
        assert not mode & 0o077, "a signing key that others may read is used"
