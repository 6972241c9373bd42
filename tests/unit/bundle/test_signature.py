"""Signatures: who made a bundle, and every way in which that can't be told."""

from __future__ import annotations

import codecs
import json
import os
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


@pytest.mark.needs_sshd
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


def _dangling(path: Path) -> None:
    path.symlink_to("nothing")


def _writable_by_all(path: Path) -> None:
    path.write_text(f"{public_line(OTHER.public_key())} planted\n")
    path.chmod(0o666)


ODD_KEYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a dangling link": (_dangling, "link to something that is not there"),
    "a named pipe": (os.mkfifo, "a named pipe"),
    "a folder": (Path.mkdir, "a folder"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "another kind of key": (lambda path: path.write_text("# mine\nssh-rsa AAAA nobody\n"), "line 2"),
    "not a key": (lambda path: path.write_bytes(bytes(range(1, 256))), "not UTF-8"),
    "saved as UTF-16": (lambda path: path.write_bytes("ssh-ed25519 AAAA".encode("utf-16")), "iconv -f UTF-16"),
    "a key that all may write": (_writable_by_all, "chmod go-w"),
}


@pytest.mark.parametrize("kind", ODD_KEYS)
def test_an_odd_key_is_named_and_keeps_no_other_key_out(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, reason = ODD_KEYS[kind]
    make(tmp_path / "a-odd.pub")
    public = write_key_pair(tmp_path / "maker", "anna@bench")
    assert load_public_keys(tmp_path) == (public,)
    assert len(caplog.messages) == 1
    assert str(tmp_path / "a-odd.pub") in caplog.messages[0]
    assert reason in caplog.messages[0]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, b""])
def test_a_key_that_notepad_saved_and_the_files_of_a_mac_are_no_trouble(
    mark: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "maker.pub").write_bytes(mark + public_line(MAKER.public_key()).encode() + b" anna\r\n")
    (tmp_path / "._maker.pub").write_bytes(b"\0\x05\x16\x07")
    assert load_public_keys(tmp_path) == (MAKER.public_key(),)
    assert not caplog.messages


def test_a_folder_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    keys = tmp_path / "sorter" / "keys"
    keys.mkdir(parents=True)
    public = write_key_pair(keys / "maker", "anna@bench")
    assert load_public_keys(keys) == (public,)
    (tmp_path / "link").symlink_to(keys)
    for folder, mode in ((keys, 0o777), (keys.parent, 0o757)):
        folder.chmod(mode)
        for name in (keys, tmp_path / "link"):
            with pytest.raises(ConfigError, match=f"chmod go-w {re.escape(str(folder))}$"):
                load_public_keys(name)
        folder.chmod(0o755)
    keys.parent.chmod(0o1777)
    assert load_public_keys(keys) == (public,)


def test_a_file_in_place_of_the_folder_of_keys_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("ssh-ed25519")
    with pytest.raises(ConfigError, match="Not a directory"):
        load_public_keys(tmp_path / "keys")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_private_key_that_others_may_read_is_refused_with_the_command_that_helps(mode: int, tmp_path: Path) -> None:
    public = write_key_pair(tmp_path / "my key", "anna@bench")
    (tmp_path / "my key").chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600 '{re.escape(str(tmp_path / 'my key'))}'"):
        load_private_key(tmp_path / "my key")
    (tmp_path / "my key").chmod(0o600)
    assert load_private_key(tmp_path / "my key").public_key() == public


def test_files_that_are_no_private_keys_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pub").write_text("# mine\nssh-rsa AAAA nobody\n")
    (tmp_path / "bad.pub").chmod(0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="named pipe"):
        load_private_key(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="Ed25519 private key"):
        load_private_key(tmp_path / "bad.pub")
    with pytest.raises(ConfigError, match="sorter key new"):
        load_private_key(tmp_path / "absent")
