"""Signatures: who made a bundle, and every way in which that can't be told."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.archive import read_bundle
from edge.bundle.signature import (
    fingerprint,
    load_private_key,
    load_public_keys,
    parse_signature,
    public_line,
    sign_manifest,
    verify_manifest,
    write_key_pair,
)
from edge.errors import BundleError, ConfigError

MAKER, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def test_a_signature_by_a_trusted_key_is_accepted(tiny_bundle: Callable[..., bytes]) -> None:
    bundle = read_bundle(tiny_bundle(key=MAKER), "x")
    assert bundle.signature is not None
    trusted = [OTHER.public_key(), MAKER.public_key()]
    assert verify_manifest(bundle.manifest_bytes, bundle.signature, trusted, "x") == fingerprint(MAKER.public_key())


@pytest.mark.parametrize("trusted", [[], [OTHER.public_key()]])
def test_an_unknown_signer_is_named(tiny_bundle: Callable[..., bytes], trusted: list[object]) -> None:
    bundle = read_bundle(tiny_bundle(key=MAKER), "x")
    assert bundle.signature is not None
    with pytest.raises(BundleError, match="trusted key") as caught:
        verify_manifest(bundle.manifest_bytes, bundle.signature, trusted, "x")  # type: ignore[arg-type]
    assert fingerprint(MAKER.public_key()) in str(caught.value)


def test_a_signature_for_another_manifest_is_refused(tiny_bundle: Callable[..., bytes]) -> None:
    bundle = read_bundle(tiny_bundle(key=MAKER), "x")
    assert bundle.signature is not None
    with pytest.raises(BundleError, match="changed after signing"):
        verify_manifest(bundle.manifest_bytes + b" ", bundle.signature, [MAKER.public_key()], "x")


def test_naming_a_trusted_key_is_not_enough(tiny_bundle: Callable[..., bytes]) -> None:
    bundle = read_bundle(tiny_bundle(key=MAKER), "x")
    assert bundle.signature is not None
    forged = bundle.signature.model_copy(update={"key": public_line(OTHER.public_key())})
    for signature in (forged, forged.model_copy(update={"signature": "no base64!"})):
        with pytest.raises(BundleError, match="not valid"):
            verify_manifest(bundle.manifest_bytes, signature, [OTHER.public_key()], "x")


OTHER_SPELLINGS: list[Callable[[bytes], bytes]] = [
    lambda content: json.dumps(json.loads(content), indent=7).encode(),
    lambda content: content + b"\n",
    lambda content: content.replace(b'"key"', b'"key": "", "key"', 1),
    lambda content: content.replace(b"AAAA", b"\\u0041AAA"),
    lambda content: content.replace(b'"\n}', b'\\n"\n}'),
    # 64 bytes leave four bits over in the last letter but two: any of them would decode to the same.
    lambda content: re.sub(rb'(.)==(?=")', lambda found: _next_letter(found[1]) + b"==", content),
]


def _next_letter(letter: bytes) -> bytes:
    return chr(letter[0] + 1).encode()


@pytest.mark.parametrize("respell", OTHER_SPELLINGS)
def test_a_signature_has_one_spelling_so_that_a_signed_model_has_one_digest(respell: Callable[[bytes], bytes]) -> None:
    content = sign_manifest(b"{}", MAKER)
    verify_manifest(b"{}", parse_signature(content, "x"), [MAKER.public_key()], "x")
    assert respell(content) != content
    with pytest.raises(BundleError, match="sign it anew"):
        parse_signature(respell(content), "x")


def test_keys_go_to_files_and_come_back(tmp_path: Path) -> None:
    public = write_key_pair(tmp_path / "line-1", "anna@bench")
    assert stat.S_IMODE((tmp_path / "line-1").stat().st_mode) == 0o600
    assert load_private_key(tmp_path / "line-1").public_key() == public
    assert load_public_keys(tmp_path) == (public,)
    with pytest.raises(ConfigError, match="another path"):
        write_key_pair(tmp_path / "line-1", "again")


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows(tmp_path: Path) -> None:
    program = shutil.which("ssh-keygen")
    assert program is not None, "install Debian's openssh-client"
    public = write_key_pair(tmp_path / "key", "me")
    shown = subprocess.run(
        [program, "-lf", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True
    ).stdout
    assert fingerprint(public) in shown


def test_no_folder_means_no_keys(tmp_path: Path) -> None:
    assert load_public_keys(tmp_path / "absent") == ()


def test_files_that_are_no_keys_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pub").write_text("# mine\nssh-rsa AAAA nobody\n")
    with pytest.raises(ConfigError, match="line 2"):
        load_public_keys(tmp_path)
    with pytest.raises(ConfigError, match="Ed25519 private key"):
        load_private_key(tmp_path / "bad.pub")
    with pytest.raises(ConfigError, match="sorter key new"):
        load_private_key(tmp_path / "absent")
