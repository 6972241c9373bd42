"""A taught head is a model like any other: trusted or not, installed, on probation, a shadow, rolled back, pruned."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.stations import BIN, write_station
from support.switching import start_switcher
from support.taught import COLOURS, headed_bundle, taught_bundle
from typer.testing import CliRunner

from edge.bundle.archive import GOLDEN, HEAD, MODEL, Bundle, bundle_bytes, pack_bundle, read_bundle, sign_bundle
from edge.bundle.manifest import Taught
from edge.bundle.own_key import PRIVATE, PUBLIC, own_signing_key
from edge.bundle.signature import public_line
from edge.cli import root
from edge.clock import VirtualClock, ms
from edge.config import load_station
from edge.errors import BundleError
from edge.inference.classifier import open_shipped_bundle
from edge.line import Outcome
from edge.models.install import activate, open_device, prove
from edge.models.loader import ActiveModel
from edge.models.select import open_station_bundle, open_store
from edge.models.shadow import compare, shadow_folder
from edge.models.store import BUNDLE, EVIDENCE, ModelStore
from edge.models.switcher import ModelSwitcher
from edge.tools.receive.sending import list_files
from edge.types import Box, Crop, Decision, Event, Item, Prediction, Reason

ANNA, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
WITH_CUP = ("paper", "glass", "metal", "cup")
CUP_BIN = {"residual": {"labels": ["glass", "metal"]}, "cups": {"labels": ["cup"], "actuator": "flap"}}


class Rig:
    """A station called line-1 that trusts anna and has a key of its own, with a model of hers at work."""

    def __init__(self, folder: Path, tiny_bundle: Callable[..., bytes]) -> None:
        self.folder = folder
        self.write_station()
        (folder / "keys").mkdir()
        (folder / "keys" / "anna.pub").write_text(public_line(ANNA.public_key()) + "\n")
        self.key = own_signing_key(folder / "state", "line-1")
        self.base = headed_bundle(tiny_bundle, ANNA)
        self.install(self.base)
        self.clock: VirtualClock = VirtualClock()
        self.told, self.works = list[Event](), list[ActiveModel]()

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.folder / "state" / "models")

    def write_station(self, **changes: Any) -> None:
        probation = {"items": 100, "least_items": 20}
        self.station_file = write_station(self.folder, BIN, state_folder="state", probation=probation, **changes)

    def install(self, bundle: Bundle) -> str:
        """As a push or a teaching does it; return the digest."""
        device = open_device(self.station_file)
        device.store.add(bundle_bytes(bundle), prove(bundle, device))
        activate(device, bundle.digest, "pushed")
        return bundle.digest

    def taught(self, *arguments: Any, **changes: Any) -> Bundle:
        """A head that the station signed."""
        return taught_bundle(self.base, *arguments, key=self.key, **changes)

    def start(self) -> ModelSwitcher:
        station = load_station(self.station_file)
        return start_switcher(open_store(station), station, self.clock, self.works.append, self.told.append)

    def sort(self, switcher: ModelSwitcher, items: int, reason: Reason = Reason.SORTED) -> None:
        for number in range(items):
            prediction = self.works[-1].classifier.classify([CROP], 1)
            switcher.on_outcome(outcome(number, prediction, reason), 0)
            self.clock.advance_to(self.clock.now() + ms(100))
            if number % 10 == 9:
                switcher.tick()

    def at_work(self) -> str:
        return self.works[-1].bundle.manifest.title

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(root, [*arguments, "--station", str(self.station_file)])


class Ticking(VirtualClock):
    """Every look at it takes a millisecond."""

    def now(self) -> int:
        self.advance_to(super().now() + ms(1))
        return super().now()


CROP = Crop(np.full((40, 40, 3), COLOURS["red"], np.uint8), Box(5, 5, 20, 20), 0, 1.0, 1.0)


def outcome(number: int, prediction: Prediction, reason: Reason) -> Outcome:
    return Outcome(Item(number, 0, (CROP,)), prediction, Decision(number, "paper", reason, decided_at=0), None, 0)


@pytest.fixture
def rig(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Rig:
    return Rig(tmp_path, tiny_bundle)


# -- whose it is -----------------------------------------------------------------------------------------------


def test_what_the_station_was_taught_goes_to_work_and_says_who_signed_it(rig: Rig) -> None:
    digest = rig.install(rig.taught(WITH_CUP))
    evidence = rig.store.find("tiny-2.0+line-1.1")
    assert (evidence.digest, evidence.base) == (digest, rig.base.digest)
    assert open_station_bundle(load_station(rig.station_file)).digest == digest
    listed = rig.run("key", "list").output.splitlines()
    assert [line.split()[0] for line in listed] == [rig.store.find(rig.base.digest).signer, evidence.signer]
    assert "own key of line-1, for heads that are taught here" in listed[1]


def refused(rig: Rig, bundle: Bundle, expected: str) -> None:
    """It does not come in, and if it lies in the store it is not used either."""
    with pytest.raises(BundleError, match=expected):
        rig.install(bundle)
    folder = rig.store.folder / "models" / bundle.digest
    folder.mkdir()
    (folder / BUNDLE).write_bytes(bundle_bytes(bundle))
    evidence = rig.store.find(rig.base.digest).model_copy(update={"digest": bundle.digest})
    (folder / EVIDENCE).write_text(evidence.model_dump_json())
    with pytest.raises(BundleError, match=expected):
        open_store(load_station(rig.station_file)).open(bundle.digest)


def test_the_stations_key_signs_no_model_of_its_own(rig: Rig, tiny_bundle: Callable[..., bytes]) -> None:
    refused(rig, read_bundle(tiny_bundle(version="3.0", key=rig.key), "x"), "trusted for heads that were taught there")
    refused(rig, headed_bundle(tiny_bundle, rig.key, "3.0"), "trusted for heads that were taught there")
    refused(rig, read_bundle(sign_bundle(rig.base, rig.key), "x"), "trusted for heads that were taught there")


def forged(bundle: Bundle, key: Ed25519PrivateKey, model: bytes | None = None, **changes: Any) -> Bundle:
    """A whole bundle in which all digests are right and what is said is not."""
    members = {name: content for name, content in bundle.members.items() if name not in ("manifest.json", "signature")}
    taught = bundle.manifest.taught
    if taught is not None:
        said = changes.pop("taught", {})
        if model is not None:
            members[MODEL], said = model, {"model": hashlib.sha256(model).hexdigest(), **said}
        changes["taught"] = Taught.model_validate({**taught.model_dump(), **said})
    return read_bundle(pack_bundle(bundle.manifest.model_copy(update=changes), members, key), "forged")


def test_the_stations_key_signs_no_head_on_another_network(rig: Rig) -> None:
    other = rig.base.model + b"\0\0\0\0"
    refused(rig, forged(rig.taught(), rig.key, model=other), r"not the network of tiny-2\.0 .*model\.tflite differs")


@pytest.mark.parametrize("field", ["geometry", "golden", "input"])
def test_the_stations_key_changes_nothing_that_the_network_reads(rig: Rig, field: str) -> None:
    manifest = rig.base.manifest
    changes = {
        "geometry": manifest.geometry.model_copy(update={"margin": 0.4}),
        "golden": manifest.golden.model_copy(update={"tolerance": 16}),
        "input": manifest.input.model_copy(update={"scale": 0.5}),
    }
    refused(rig, forged(rig.taught(), rig.key, **{field: changes[field]}), f"{field} differs")


def test_a_head_whose_base_is_not_what_it_says_is_refused(rig: Rig, tiny_bundle: Callable[..., bytes]) -> None:
    nowhere = forged(rig.taught(), rig.key, taught={"base": "0" * 64})
    refused(rig, nowhere, r"taught on version 2\.0 \(000000000000\), which is not installed here: push or install")
    taught = rig.taught()
    rig.install(taught)
    on_a_head = forged(rig.taught(number=2), rig.key, taught={"base": taught.digest})
    refused(rig, on_a_head, "taught on a taught head")


def test_a_base_that_nobody_trusted_signed_makes_no_head_trusted(rig: Rig, tiny_bundle: Callable[..., bytes]) -> None:
    base = headed_bundle(tiny_bundle, STRANGER, "2.5")
    folder = rig.store.folder / "models" / base.digest
    folder.mkdir()
    (folder / BUNDLE).write_bytes(bundle_bytes(base))
    evidence = rig.store.find(rig.base.digest).model_copy(update={"digest": base.digest})
    (folder / EVIDENCE).write_text(evidence.model_dump_json())
    refused(rig, taught_bundle(base, key=rig.key), "expected a signature by a trusted key")


def test_a_sister_stations_head_is_not_taken_with_either_stations_key(rig: Rig) -> None:
    refused(rig, rig.taught(station="line-2"), "signed by the own key of station 'line-1', but taught at 'line-2'")
    sisters = taught_bundle(rig.base, key=STRANGER, station="line-2")
    refused(rig, sisters, "taught at station 'line-2', signed by no key that is trusted here.*have an engineer sign it")


def test_an_engineer_signs_a_head_for_any_station(rig: Rig) -> None:
    rig.install(taught_bundle(rig.base, key=ANNA, station="line-2"))
    rig.start()
    assert rig.at_work() == "tiny-2.0+line-2.1"


def test_a_head_that_was_changed_after_signing_is_refused(rig: Rig) -> None:
    taught, other = rig.taught(), rig.taught(("glass", "paper", "metal"))
    mixed = replace(other, members={**other.members, "signature": taught.members["signature"]})
    refused(rig, read_bundle(bundle_bytes(mixed), "mixed"), "the bundle was changed after signing")
    tampered = replace(taught, members={**taught.members, HEAD: taught.members[HEAD][::-1]})
    with pytest.raises(BundleError, match=r"head\.bin is not what the manifest says"):
        read_bundle(bundle_bytes(tampered), "tampered")


def test_a_head_with_another_heads_golden_sums_does_not_come_in(rig: Rig) -> None:
    taught, other = rig.taught(), taught_bundle(rig.base, bias=1.0)
    members = {MODEL: taught.model, HEAD: taught.members[HEAD], GOLDEN: other.members[GOLDEN]}
    mixed = read_bundle(pack_bundle(taught.manifest, members, rig.key), "mixed")
    with pytest.raises(BundleError, match="the head gives other sums"):
        rig.install(mixed)


def test_without_its_key_and_with_another_one_the_station_takes_back_its_trust(rig: Rig) -> None:
    rig.install(rig.taught())
    for name in (PRIVATE, PUBLIC):
        (rig.folder / "state" / name).unlink()
    with pytest.raises(BundleError, match="signed by no key that is trusted here"):
        open_station_bundle(load_station(rig.station_file))
    own_signing_key(rig.folder / "state", "line-1")
    rig.start()
    assert rig.at_work() == "tiny-2.0"


def test_a_station_that_got_another_name_no_longer_takes_what_it_was_taught(rig: Rig) -> None:
    rig.install(rig.taught())
    rig.write_station(name="line-9")
    rig.start()
    assert rig.at_work() == "tiny-2.0"
    assert any("taught at 'line-1'" in event.text for event in rig.told)


def test_the_key_is_not_trusted_where_others_may_write_it(rig: Rig) -> None:
    rig.install(rig.taught())
    (rig.folder / "state" / PUBLIC).chmod(0o666)
    with pytest.raises(BundleError, match="signed by no key that is trusted here"):
        open_station_bundle(load_station(rig.station_file))


# -- a model like any other ------------------------------------------------------------------------------------


def test_it_passes_its_probation_against_its_base(rig: Rig) -> None:
    switcher = rig.start()
    rig.sort(switcher, 50)
    rig.install(rig.taught(WITH_CUP))
    switcher.tick()
    assert rig.at_work() == "tiny-2.0+line-1.1"
    rig.sort(switcher, 100)
    assert any("tiny-2.0+line-1.1 passed its probation" in event.text for event in rig.told)


def offered(rig: Rig) -> dict[str, str]:
    """By name the digests of what `sorter pull` brings to the sister stations."""
    return {
        path.name: read_bundle(path.read_bytes(), path.name).digest for path in rig.folder.glob("state/taught/*.sorter")
    }


def test_a_teaching_done_again_takes_the_place_of_the_one_of_the_same_title(rig: Rig) -> None:
    rig.install(rig.taught())
    again = rig.install(rig.taught(bias=0.5))
    assert offered(rig) == {"tiny-2.0+line-1.1.sorter": again}


def test_the_head_that_was_just_installed_is_offered_though_its_file_is_the_oldest(rig: Rig) -> None:
    for number in (2, 3, 4):
        rig.install(rig.taught(number=number))
    first = rig.taught(number=1)
    device = open_device(rig.station_file)
    device.store.add(bundle_bytes(first), prove(first, device, allow_downgrade=True))
    os.utime(rig.store.bundle_path(first.digest), (1, 1))
    activate(device, first.digest, "chosen again")
    assert {name.split(".")[-2] for name in offered(rig)} == {"1", "3", "4"}


def test_one_that_sends_more_to_residual_comes_back_to_its_base_though_a_bin_waits_for_its_new_label(rig: Rig) -> None:
    switcher = rig.start()
    rig.sort(switcher, 50)
    rig.install(rig.taught(WITH_CUP))
    rig.write_station(bins=CUP_BIN)
    switcher = rig.start()
    assert rig.at_work() == "tiny-2.0+line-1.1"
    rig.sort(switcher, 60, Reason.UNSURE)
    assert rig.run("model", "rollback").exit_code == 0
    switcher.tick()
    assert rig.at_work() == "tiny-2.0"
    assert any("goes back to work, and bin 'cups' waits for 'cup'" in event.text for event in rig.told)
    rig.start()
    assert rig.at_work() == "tiny-2.0"


def test_a_bin_may_wait_for_its_new_label_and_a_model_without_it_is_refused(
    rig: Rig, tiny_bundle: Callable[..., bytes]
) -> None:
    rig.write_station(bins=CUP_BIN)
    rig.install(rig.taught(WITH_CUP))
    rig.start()
    assert rig.works[-1].classifier.labels == WITH_CUP
    with pytest.raises(BundleError, match="bin 'cups' waits for 'cup', which this model does not know"):
        rig.install(headed_bundle(tiny_bundle, ANNA, "2.1"))


def test_it_looks_on_as_a_shadow_and_is_compared(rig: Rig) -> None:
    rig.clock = Ticking()
    candidate = rig.taught(("cup", "glass", "metal", "paper"))
    device = open_device(rig.station_file)
    device.store.add(bundle_bytes(candidate), prove(candidate, device))
    assert rig.run("model", "shadow", "tiny-2.0+line-1.1").exit_code == 0
    switcher = rig.start()
    switcher.tick()
    for number in range(3):
        switcher.on_outcome(outcome(number, rig.works[-1].classifier.classify([CROP], 1), Reason.SORTED), 0)
    switcher.rest(rig.clock.now() + ms(100))
    switcher.dismiss_shadow()
    seen = compare(shadow_folder(rig.folder / "state", candidate.digest))
    assert (seen.items > 0, seen.same, list(seen.pairs)) == (True, 0, [("paper", "cup")])
    assert rig.run("model", "compare").exit_code == 0


def test_every_model_command_takes_its_version(rig: Rig) -> None:
    rig.install(rig.taught())
    assert "tiny-2.0+line-1.1" in rig.run("model", "list").output
    shown = rig.run("model", "show", "2.0+line-1.1")
    assert "taught at line-1 by anna" in " ".join(shown.output.split())
    assert rig.run("model", "activate", "tiny-2.0").exit_code == 0
    assert rig.run("model", "activate", "2.0+line-1.1").exit_code == 0
    assert rig.run("model", "rollback").exit_code == 0
    assert rig.run("model", "verify").exit_code == 0


def test_its_base_stays_as_long_as_it_does(rig: Rig, tiny_bundle: Callable[..., bytes]) -> None:
    first = rig.install(rig.taught())
    rig.install(headed_bundle(tiny_bundle, ANNA, "2.1"))
    rig.install(headed_bundle(tiny_bundle, ANNA, "2.2"))
    assert rig.store.prune(keep=1) == [open_shipped_bundle().digest]
    assert rig.store.prune(keep=0) == [rig.base.digest, first]


def test_the_newest_heads_that_were_taught_here_are_there_to_be_pulled(rig: Rig) -> None:
    rig.install(taught_bundle(rig.base, key=ANNA, station="line-2"))
    for number in (1, 2, 3, 4):
        newest = rig.taught(number=number)
        rig.install(newest)
    names = [path for path in list_files(rig.folder / "state") if path.startswith("taught/")]
    assert names == [f"taught/tiny-2.0+line-1.{number}.sorter" for number in (2, 3, 4)]
    assert (rig.folder / "state" / names[-1]).read_bytes() == bundle_bytes(newest)


@pytest.mark.parametrize(
    ("version", "current", "is_taken"),
    [
        ("tiny-2.0+line-1.2", "tiny-2.0+line-1.1", True),
        ("tiny-2.0+line-1.1", "tiny-2.0+line-1.2", False),
        ("tiny-2.0+line-1.1", "tiny-2.0+line-2.7", True),
        ("tiny-2.0", "tiny-2.0+line-1.1", False),
        ("tiny-2.1", "tiny-2.0+line-1.9", True),
    ],
)
def test_which_version_is_older(
    rig: Rig, tiny_bundle: Callable[..., bytes], version: str, current: str, is_taken: bool
) -> None:
    def made(title: str) -> Bundle:
        base, _, taught = title.removeprefix("tiny-").partition("+")
        if not taught:
            return headed_bundle(tiny_bundle, ANNA, base)
        station, _, number = taught.rpartition(".")
        return taught_bundle(rig.base, key=ANNA, station=station, number=int(number))

    rig.install(made(current))
    if is_taken:
        assert rig.install(made(version))
    else:
        with pytest.raises(BundleError, match="or newer, got"):
            rig.install(made(version))
