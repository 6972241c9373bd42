"""The bundle file: a ZIP that people can open, in one layout only, read whole into memory and verified."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.manifest import Manifest, Member, parse_manifest
from edge.bundle.signature import Signature, parse_signature, sign_manifest
from edge.errors import BundleError

MANIFEST = "manifest.json"
SIGNATURE = "signature"
MODEL = "model.tflite"
HEAD = "head.bin"
MEMORY = "memory.bin"
GOLDEN = "golden.bin"
GOLDEN_PHOTOS = "golden-photos.json"  # the only one besides the reports that older bundles lack
REPORT_JSON = "report.json"
REPORT_HTML = "report.html"

_MIB = 1 << 20
MEMORY_LIMIT = 600_000
MEMBER_LIMITS = {  # also the order in the file
    MANIFEST: _MIB,
    SIGNATURE: 4096,
    MODEL: 32 * _MIB,
    HEAD: 4 * _MIB,
    MEMORY: MEMORY_LIMIT,
    GOLDEN: 16 * _MIB,
    GOLDEN_PHOTOS: 4 * _MIB,
    REPORT_JSON: 4 * _MIB,
    REPORT_HTML: 10 * _MIB,
}
MEMBER_TEXT = {
    MANIFEST: "What the bundle says of itself, and the digests of all other members; these bytes are signed.",
    SIGNATURE: "Who made it. A bundle without one is used only where the station file allows it.",
    MODEL: "The network, full int8.",
    HEAD: "From format 2 on: its weights (rows, features; 16 bits) and bias (rows; 64 bits), little-endian; a row a label, "
    "and one more where it knows things of none of them.",
    MEMORY: "From format 2 on: features of photos that the network learnt from or was tested on, four bits each, so that a "
    "head that is taught on site forgets nothing. Optional.",
    GOLDEN: "Golden vectors: the prepared crops (count, height, width, 3), then the raw outputs (count, outputs), a byte each; "
    "with a head then its sums (count, rows), 64 bits, little-endian.",
    GOLDEN_PHOTOS: "Golden photos: the same proof begun one step earlier, before the crop. Older bundles lack it.",
    REPORT_JSON: "Measured figures, for programs. Optional.",
    REPORT_HTML: "The same, for people. Optional.",
}
"""For people: what each member is."""
LARGEST_BUNDLE = sum(MEMBER_LIMITS.values()) + 4096
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_DAMAGED = "copy it again, or build it anew with 'sorter convert'"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, whole in memory. `digest` is the SHA-256 of the file and its identity in a store."""

    source: str
    digest: str
    size: int
    manifest: Manifest
    members: Mapping[str, bytes]
    signature: Signature | None

    @property
    def model(self) -> bytes:
        return self.members[MODEL]

    @property
    def manifest_bytes(self) -> bytes:
        return self.members[MANIFEST]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels


def pack_bundle(manifest: Manifest, members: Mapping[str, bytes], key: Ed25519PrivateKey | None = None) -> bytes:
    """The bytes of a bundle file; the same input gives the same bytes.

    Args:
        manifest: complete but for `members`, which is filled in here.
        members: model.tflite and golden.bin; golden-photos.json, report.json and report.html where there are such.
        key: signs the manifest.

    Raises:
        BundleError: a member is missing, unknown or too large, or golden.bin has not the manifest's shape.
    """
    digests = {name: Member(size=len(c), sha256=hashlib.sha256(c).hexdigest()) for name, c in members.items()}
    manifest_bytes = manifest.model_copy(update={"members": digests}).to_json()
    everything = {**members, MANIFEST: manifest_bytes}
    if key is not None:
        everything[SIGNATURE] = sign_manifest(manifest_bytes, key)
    for name, content in everything.items():
        _check_entry(name, len(content), manifest.title)
    content = _lay_out(everything)
    read_bundle(content, manifest.title)
    return content


def sign_bundle(bundle: Bundle, key: Ed25519PrivateKey) -> bytes:
    """The same bundle with this signature in place of what it had."""
    return _lay_out({**bundle.members, SIGNATURE: sign_manifest(bundle.manifest_bytes, key)})


def bundle_bytes(bundle: Bundle) -> bytes:
    """The whole file again."""
    return _lay_out(bundle.members)


def open_bundle(path: Path) -> Bundle:
    """Read and verify a bundle file; whether its signature is trusted is the store's question.

    Raises:
        BundleError: it is no regular file, truncated, changed, hostile, or made for a newer edge-sorter.
    """
    try:
        # Not blocking: opening a named pipe must not wait for its writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BundleError(f"{path}: expected a bundle file NAME-VERSION.sorter, got something not a plain file")
            content = file.read(LARGEST_BUNDLE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"{path}: can't read the bundle ({reason}): give the path of a .sorter file") from None
    return read_bundle(content, str(path))


def read_bundle(content: bytes, source: str) -> Bundle:
    """Verify the bytes of a bundle file; `source` names it in errors."""
    if len(content) > LARGEST_BUNDLE:
        raise BundleError(f"{source}: expected at most {LARGEST_BUNDLE} bytes, got more: this is no bundle")
    members = _read_entries(content, source)
    manifest_bytes = members.get(MANIFEST)
    if manifest_bytes is None:
        raise BundleError(f"{source}: it holds no {MANIFEST}: this is no bundle")
    manifest = parse_manifest(manifest_bytes, source)
    _check_members(manifest, members, source)
    if _lay_out(members) != content:
        raise BundleError(f"{source}: not laid out as a bundle is, so it was changed or truncated: {_DAMAGED}")
    signature = parse_signature(members[SIGNATURE], source) if SIGNATURE in members else None
    return Bundle(source, hashlib.sha256(content).hexdigest(), len(content), manifest, members, signature)


def _lay_out(members: Mapping[str, bytes]) -> bytes:
    """The one ZIP layout of these members: stored, fixed order, dates and rights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in MEMBER_LIMITS:
            if name in members:
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.create_system = 3
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(entry, members[name])
    return buffer.getvalue()


def _read_entries(content: bytes, source: str) -> dict[str, bytes]:
    """Walk the local headers from the start; the caller compares the whole file with its only right layout.

    zipfile is not used to read: it trusts the central directory, whose entries may overlap, repeat or lie,
    and raises a dozen kinds of exceptions on the way.
    """
    members: dict[str, bytes] = {}
    at = 0
    while content[at : at + 4] == b"PK\x03\x04":
        name_at = at + _LOCAL_HEADER.size
        if name_at > len(content):
            break
        _, _, flags, method, _, _, crc, stored, size, name_size, extra_size = _LOCAL_HEADER.unpack_from(content, at)
        start = name_at + name_size + extra_size
        name = content[name_at : name_at + name_size].decode("ascii", "backslashreplace")
        _check_entry(name, size, source)
        if name in members:
            raise BundleError(f"{source}: {name} is in it twice: {_DAMAGED}")
        if flags or method != zipfile.ZIP_STORED or stored != size:
            raise BundleError(f"{source}: {name} is compressed or encrypted, a bundle's members never are: {_DAMAGED}")
        members[name] = content[start : start + size]
        if len(members[name]) != size:
            got = len(members[name])
            raise BundleError(f"{source}: truncated: expected {size} bytes of {name}, got {got}: {_DAMAGED}")
        if zlib.crc32(members[name]) != crc:
            raise BundleError(f"{source}: {name} is damaged (checksum): {_DAMAGED}")
        at = start + size
    if not members:
        raise BundleError(f"{source}: expected a bundle (a ZIP that starts with {MANIFEST}), got something else")
    return members


def _check_entry(name: str, size: int, source: str) -> None:
    limit = MEMBER_LIMITS.get(name)
    if limit is None:
        known = ", ".join(MEMBER_LIMITS)
        raise BundleError(f"{source}: unexpected member {name[:80]!r}: a bundle holds {known} and nothing else")
    if size > limit:
        raise BundleError(f"{source}: expected at most {limit} bytes of {name}, got {size}: {_DAMAGED}")


def _check_members(manifest: Manifest, members: Mapping[str, bytes], source: str) -> None:
    present = set(members) - {MANIFEST, SIGNATURE}
    needed = {MODEL, GOLDEN} if manifest.head is None else {MODEL, GOLDEN, HEAD}
    if manifest.head is None and (extra := present & {HEAD, MEMORY}):
        raise BundleError(f"{source}: {min(extra)} belongs to no network that gives scores itself: {_DAMAGED}")
    for name in needed | set(manifest.members) | present:
        expected = manifest.members.get(name)
        if name not in present or expected is None:
            raise BundleError(
                f"{source}: {name} is missing in the {'manifest' if name in present else 'bundle'}: {_DAMAGED}"
            )
        content = members[name]
        digest = hashlib.sha256(content).hexdigest()
        if expected.size != len(content) or expected.sha256 != digest:
            raise BundleError(
                f"{source}: {name} is not what the manifest says: expected {expected.size} bytes, SHA-256 "
                f"{expected.sha256[:12]}..., got {len(content)} bytes, {digest[:12]}...: {_DAMAGED}"
            )
    if manifest.taught is not None and manifest.taught.model != manifest.members[MODEL].sha256:
        raise BundleError(f"{source}: {MODEL} is not the network that its head was taught for: {_DAMAGED}")
    vector = manifest.geometry.height * manifest.geometry.width * 3 + manifest.outputs + 8 * manifest.sums
    sizes = {GOLDEN: manifest.golden.count * vector}
    if manifest.head is not None:
        sizes[HEAD] = manifest.sums * (2 * manifest.head.features + 8)
    for name, size in sizes.items():
        if len(members[name]) != size:
            raise BundleError(f"{source}: expected {size} bytes of {name}, got {len(members[name])}: {_DAMAGED}")
