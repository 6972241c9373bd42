"""The bundle file: round trip, damage of every kind, hostile archives."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.bundle.archive import LARGEST_BUNDLE, open_bundle, pack_bundle, read_bundle, sign_bundle
from edge.errors import BundleError


@pytest.fixture(scope="module")
def content(tiny_bundle: Callable[..., bytes]) -> bytes:
    return tiny_bundle()


def repack(content: bytes, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> bytes:
    """The same bundle as another ZIP writer would lay it out, after a change to its members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return buffer.getvalue()


def test_round_trip(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tiny-1.0.sorter"
    path.write_bytes(content)
    bundle = open_bundle(path)
    assert bundle.labels == ("paper", "glass", "metal")
    assert bundle.digest == hashlib.sha256(content).hexdigest()
    assert pack_bundle(bundle.manifest, {n: m for n, m in bundle.members.items() if n != "manifest.json"}) == content
    assert bundle.signature is None


def test_people_can_open_it_as_a_zip(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "model.tflite", "golden.bin"]


def test_the_same_input_gives_the_same_bytes(tiny_bundle: Callable[..., bytes], content: bytes) -> None:
    assert tiny_bundle() == content


def test_signing_keeps_all_else(content: bytes) -> None:
    key = Ed25519PrivateKey.generate()
    bundle = read_bundle(content, "x")
    signed = read_bundle(sign_bundle(bundle, key), "x")
    assert signed.manifest == bundle.manifest
    assert signed.model == bundle.model
    assert signed.signature is not None


def test_cut_off_anywhere_it_is_refused(content: bytes) -> None:
    for length in range(len(content)):
        with pytest.raises(BundleError, match="x: "):
            read_bundle(content[:length], "x")


def test_every_changed_byte_is_noticed(content: bytes) -> None:
    for at in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        with pytest.raises(BundleError, match="x: "):
            read_bundle(bytes(damaged), "x")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=12)), min_size=1, max_size=4))
def test_random_damage_is_never_anything_but_a_bundle_error(content: bytes, patches: list[tuple[int, bytes]]) -> None:
    damaged = bytearray(content)
    for at, patch in patches:
        start = at % len(damaged)
        damaged[start : start + len(patch) // 2] = patch  # changes, inserts
    if bytes(damaged) == content:
        return
    with pytest.raises(BundleError):
        read_bundle(bytes(damaged), "x")


@given(st.binary(max_size=400))
def test_noise_is_refused(noise: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"PK\x05\x06"):
        with pytest.raises(BundleError):
            read_bundle(start + noise, "x")


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "model.tflite/..", "notes.txt", "C:\\x", "é"])
def test_unknown_names_and_path_tricks_are_refused(content: bytes, name: str) -> None:
    with pytest.raises(BundleError, match="unexpected member"):
        read_bundle(repack(content, lambda members: members.__setitem__(name, b"x")), "x")


def test_a_member_twice_is_refused(content: bytes) -> None:
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("model.tflite", b"another")
    with pytest.raises(BundleError, match="twice"):
        read_bundle(buffer.getvalue(), "x")


def test_a_symbolic_link_is_refused(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, member in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, member)
    with pytest.raises(BundleError, match="not laid out"):
        read_bundle(buffer.getvalue(), "x")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(content: bytes) -> None:
    bomb = repack(content, lambda m: m.__setitem__("model.tflite", bytes(30 << 20)), zipfile.ZIP_DEFLATED)
    with pytest.raises(BundleError, match="compressed"):
        read_bundle(bomb, "x")


def test_a_member_that_claims_to_be_huge_is_refused(content: bytes) -> None:
    lying = bytearray(content)
    lying[18:26] = b"\xff\xff\xff\x7f" * 2
    with pytest.raises(BundleError, match="at most"):
        read_bundle(bytes(lying), "x")


def test_bytes_after_the_end_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="not laid out"):
        read_bundle(content + b"more", "x")


def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.sorter"
    with path.open("wb") as file:
        file.truncate(LARGEST_BUNDLE + 1)
    with pytest.raises(BundleError, match="at most"):
        open_bundle(path)


def test_a_member_that_is_not_what_the_manifest_says_is_refused(content: bytes) -> None:
    bundle = read_bundle(content, "x")
    swapped = repack(content, lambda m: m.__setitem__("model.tflite", bundle.model[:-1] + b"\x01"))
    with pytest.raises(BundleError, match=r"model\.tflite is not what the manifest says"):
        read_bundle(swapped, "x")


@pytest.mark.parametrize("name", ["model.tflite", "golden.bin", "manifest.json"])
def test_a_missing_member_is_named(content: bytes, name: str) -> None:
    with pytest.raises(BundleError, match=name):
        read_bundle(repack(content, lambda members: members.pop(name) and None), "x")


def test_a_manifest_that_names_other_members_is_refused(content: bytes) -> None:
    def add(members: dict[str, bytes]) -> None:
        tree = json.loads(members["manifest.json"])
        tree["members"]["../x"] = tree["members"]["model.tflite"]
        members["manifest.json"] = json.dumps(tree).encode()

    with pytest.raises(BundleError, match=r"\.\./x is missing"):
        read_bundle(repack(content, add), "x")


def test_golden_vectors_of_another_shape_are_refused(tiny_bundle: Callable[..., bytes]) -> None:
    bundle = read_bundle(tiny_bundle(), "x")
    members = {"model.tflite": bundle.model, "golden.bin": bundle.members["golden.bin"][:-1]}
    with pytest.raises(BundleError, match="bytes of golden"):
        pack_bundle(bundle.manifest, members)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent", Path("a\0b")):
        with pytest.raises(BundleError, match=r"\.sorter|plain file"):
            open_bundle(path)


def test_packing_refuses_unknown_members(content: bytes) -> None:
    bundle = read_bundle(content, "x")
    with pytest.raises(BundleError, match="unexpected member"):
        pack_bundle(bundle.manifest, {"model.tflite": b"", "golden.bin": b"", "virus.exe": b""})


def test_reading_a_bundle_loads_no_runtime(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.sorter"
    path.write_bytes(content)
    code = (
        "import sys; from pathlib import Path; from edge.bundle.archive import open_bundle;"
        f"open_bundle(Path({str(path)!r}));"
        "sys.exit(any(m.startswith(('ai_edge', 'tflite', 'tensorflow', 'keras')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
