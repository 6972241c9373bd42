"""Signatures are asked for where a model of the store is loaded: what lies there may have been put there by anybody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.stations import ALL_BUT_PAPER, BIN, write_station
from support.switching import start_switcher
from typer.testing import CliRunner

from edge.bundle.archive import pack_bundle, read_bundle
from edge.bundle.signature import public_line
from edge.cli import root
from edge.clock import VirtualClock
from edge.config import load_station
from edge.errors import BundleError, StoreError
from edge.inference.classifier import open_shipped_bundle
from edge.models.install import activate, open_device, prove
from edge.models.loader import ActiveModel
from edge.models.select import open_station_bundle, open_store
from edge.models.store import BUNDLE, EVIDENCE, ModelStore
from edge.models.switcher import ModelSwitcher
from edge.types import Event

TINY = ["glass", "metal"]
ANNA, BEN = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


class Rig:
    """A device that trusts two makers, anna and ben."""

    def __init__(self, folder: Path, tiny_bundle: Callable[..., bytes], others: list[str] = TINY) -> None:
        self.folder, self._tiny_bundle = folder, tiny_bundle
        self.station_file = write_station(folder, BIN, state_folder="state", bins={"residual": {"labels": others}})
        (folder / "keys").mkdir()
        for name, key in (("anna", ANNA), ("ben", BEN)):
            (folder / "keys" / f"{name}.pub").write_text(public_line(key.public_key()) + "\n")

    def install(self, content: bytes) -> str:
        """As a push does it; return the digest."""
        device, bundle = open_device(self.station_file), read_bundle(content, "pushed")
        device.store.add(content, prove(bundle, device))
        activate(device, bundle.digest, "pushed")
        return bundle.digest

    def make(self, version: str, key: Ed25519PrivateKey | None) -> bytes:
        return self._tiny_bundle(version=version, key=key)

    def plant(self, content: bytes) -> str:
        """Put a model into the store by hand and make it active, as who can write the folder may do."""
        store, digest = ModelStore(self.folder / "state" / "models"), read_bundle(content, "x").digest
        folder = store.folder / "models" / digest
        folder.mkdir()
        (folder / BUNDLE).write_bytes(content)
        evidence = store.models()[0].model_copy(update={"digest": digest})
        (folder / EVIDENCE).write_text(evidence.model_dump_json())
        store.activate(digest, "planted", "2026-11-01T00:00:00Z", probation=False)
        return digest

    def revoke(self, name: str) -> None:
        (self.folder / "keys" / f"{name}.pub").unlink()

    def start(self) -> tuple[ModelSwitcher, str, list[Event]]:
        """A station that starts; the digest that it works with, and what it tells."""
        station = load_station(self.station_file)
        told: list[Event] = []
        works: list[ActiveModel] = []
        switcher = start_switcher(open_store(station), station, VirtualClock(), works.append, told.append)
        works[0].classifier.close()
        switcher.tick()
        switcher.end()
        return switcher, works[0].bundle.digest, told

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(root, [*arguments, "--station", str(self.station_file)])


@pytest.fixture
def rig(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Rig:
    return Rig(tmp_path, tiny_bundle)


def test_a_model_whose_signer_is_revoked_does_not_start_and_its_predecessor_does(rig: Rig) -> None:
    first, second = rig.install(rig.make("1.0", ANNA)), rig.install(rig.make("2.0", BEN))
    assert rig.start()[1] == second
    rig.revoke("ben")
    _, digest, told = rig.start()
    assert digest == first
    assert any("expected a signature by a trusted key" in event.text for event in told)


def test_with_no_trusted_model_left_the_shipped_one_works(rig: Rig) -> None:
    rig.install(rig.make("1.0", ANNA))
    rig.install(rig.make("2.0", BEN))
    rig.revoke("anna")
    rig.revoke("ben")
    assert rig.start()[1] == open_shipped_bundle().digest


@pytest.mark.parametrize("command", [["rollback"], ["activate", "1.0"], ["shadow", "1.0"]])
def test_a_revoked_signers_model_comes_back_by_no_command(rig: Rig, command: list[str]) -> None:
    rig.install(rig.make("1.0", ANNA))
    second = rig.install(rig.make("2.0", BEN))
    rig.revoke("anna")
    result = rig.run("model", *command)
    assert isinstance(result.exception, BundleError)
    assert "expected a signature by a trusted key" in str(result.exception)
    store = ModelStore(rig.folder / "state" / "models")
    assert store.active().current == second  # type: ignore[union-attr]
    assert store.shadow() is None


def test_verify_and_check_name_it_and_show_still_shows_it(rig: Rig) -> None:
    rig.install(rig.make("1.0", ANNA))
    rig.install(rig.make("2.0", BEN))
    assert rig.run("model", "verify").exit_code == 0
    rig.revoke("ben")
    found = rig.run("model", "verify", "--json")
    assert found.exit_code == StoreError.exit_code
    (finding,) = json.loads(found.stdout)
    assert "expected a signature by a trusted key" in finding["problem"]
    assert "expected a signature by a trusted key" in rig.run("check").stdout
    assert rig.run("model", "show", "tiny-2.0").exit_code == 0


def test_an_unsigned_model_that_was_put_into_the_store_by_hand_is_not_used(rig: Rig) -> None:
    first = rig.install(rig.make("1.0", ANNA))
    planted = rig.plant(rig.make("9.9", None))
    with pytest.raises(BundleError, match="expected a signed bundle"):
        open_station_bundle(load_station(rig.station_file))
    assert rig.run("model", "verify").exit_code == StoreError.exit_code
    _, digest, told = rig.start()
    assert digest == first != planted
    assert any("expected a signed bundle" in event.text for event in told)


def test_a_running_station_does_not_change_over_to_it(rig: Rig) -> None:
    first = rig.install(rig.make("1.0", ANNA))
    switcher, _, told = rig.start()
    rig.plant(rig.make("9.9", None))
    switcher.tick()
    assert any("rolled back" in event.text for event in told)
    assert ModelStore(rig.folder / "state" / "models").active().current == first  # type: ignore[union-attr]


def test_keys_that_anybody_may_write_are_trusted_in_nothing_and_the_station_still_starts(rig: Rig) -> None:
    rig.install(rig.make("1.0", ANNA))
    (rig.folder / "keys").chmod(0o777)
    _, digest, told = rig.start()
    assert digest == open_shipped_bundle().digest
    assert any("chmod go-w" in event.text for event in told)


def test_the_shipped_model_needs_no_signature_in_the_store_either(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    rig, shipped = Rig(tmp_path, tiny_bundle, ALL_BUT_PAPER), open_shipped_bundle()
    members = {name: content for name, content in shipped.members.items() if name not in ("manifest.json", "signature")}
    newer = shipped.manifest.model_copy(update={"version": "99.0"})
    rig.install(pack_bundle(newer, members, ANNA))
    assert rig.run("model", "verify").exit_code == 0
    rig.revoke("anna")
    assert rig.run("model", "rollback").exit_code == 0
    assert rig.start()[1] == shipped.digest
    store = ModelStore(rig.folder / "state" / "models")
    assert store.active().current == shipped.digest  # type: ignore[union-attr]


def test_the_station_file_names_the_folder_of_keys(rig: Rig) -> None:
    shutil.move(rig.folder / "keys", rig.folder / "trusted")
    write_station(rig.folder, BIN, state_folder="state", inference={"keys": "trusted"})
    digest = rig.install(rig.make("1.0", ANNA))
    assert rig.start()[1] == digest
