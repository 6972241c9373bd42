"""`sorter model` and `sorter key` as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.stations import ALL_BUT_PAPER, BIN, write_station
from typer.testing import CliRunner

from edge.bundle.archive import open_bundle
from edge.cli import root
from edge.errors import BundleError, ConfigError, StoreError
from edge.inference.classifier import open_shipped_bundle
from edge.models.store import ModelStore


class Rig:
    """A device with a station file, a signing key that it trusts, and bundles signed with it."""

    def __init__(self, folder: Path, tiny_bundle: Callable[..., bytes]) -> None:
        self.folder = folder
        self._tiny_bundle = tiny_bundle
        self.write()
        (folder / "keys").mkdir()
        self.run("key", "new", folder / "maker")
        (folder / "maker.pub").rename(folder / "keys" / "maker.pub")
        self.store = ModelStore(folder / "state" / "models")

    def write(self, **changes: Any) -> None:
        write_station(self.folder, BIN, state_folder="state", **changes)

    def run(self, *arguments: object) -> Any:
        return CliRunner().invoke(root, [str(argument) for argument in arguments])

    def model(self, *arguments: object) -> Any:
        return self.run("model", *arguments, "--station", self.folder / "station.toml")

    def bundle(self, version: str, sign: bool = True) -> Path:
        path = self.folder / f"tiny-{version}.sorter"
        path.write_bytes(self._tiny_bundle(version=version))
        if sign:
            assert self.run("key", "sign", path, "--key", self.folder / "maker").exit_code == 0
        return path


@pytest.fixture
def rig(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Rig:
    return Rig(tmp_path, tiny_bundle)


def test_from_a_key_to_a_model_at_work_and_back(rig: Rig) -> None:
    assert "installed tiny-1.0" in rig.model("install", rig.bundle("1.0"), "--activate").stdout
    assert rig.model("install", rig.bundle("1.1")).exit_code == 0
    result = rig.model("activate", "1.1")
    assert "current is tiny-1.1" in result.stdout
    assert "on probation; previous is tiny-1.0" in result.stdout
    assert "current is tiny-1.0" in rig.model("rollback").stdout
    listed = json.loads(rig.model("list", "--json").stdout)
    states = [(row["title"], row["state"]) for row in listed if row["name"] == "tiny"]
    assert states == [("tiny-1.0", "current"), ("tiny-1.1", "previous")]
    assert all(row["signer"].startswith("SHA256:") for row in listed if row["name"] == "tiny")
    assert "tiny-1.1" in rig.model("list").stdout
    assert json.loads(rig.model("show", "1.0", "--json").stdout)["state"] == "current"
    assert "signed by" in rig.model("show", "tiny-1.1").stdout
    assert "all whole" in rig.model("verify").stdout


def test_an_unsigned_bundle_needs_the_stations_leave(rig: Rig) -> None:
    path = rig.bundle("1.0", sign=False)
    result = rig.model("install", path)
    assert isinstance(result.exception, BundleError)
    assert "allow_unsigned = true" in str(result.exception)
    rig.write(inference={"allow_unsigned": True})
    assert rig.model("install", path).exit_code == 0


def test_a_station_that_names_its_own_bundle_says_so(rig: Rig) -> None:
    rig.model("install", rig.bundle("1.0"))
    rig.write(inference={"bundle": rig.folder / "tiny-1.0.sorter"})
    assert "would never be used" in str(rig.model("activate", "1.0").exception)


def test_an_older_version_has_to_be_asked_for(rig: Rig) -> None:
    rig.model("install", rig.bundle("1.10"), "--activate")
    result = rig.model("install", rig.bundle("1.9"), "--activate")
    assert "1.10 of tiny or newer, got 1.9" in str(result.exception)
    assert rig.model("install", rig.bundle("1.9"), "--activate", "--allow-downgrade").exit_code == 0


def test_a_damaged_store_is_reported_with_an_exit_code(rig: Rig) -> None:
    rig.model("install", rig.bundle("1.0"), "--activate")
    generation = rig.store.active()
    assert generation is not None
    path = rig.store.bundle_path(generation.current)
    path.chmod(0o644)
    path.write_bytes(b"rot")
    result = rig.model("verify", "--json")
    assert result.exit_code == StoreError.exit_code
    assert len(json.loads(result.stdout)) == 1


def test_pruning_names_what_went(rig: Rig) -> None:
    for version in ("1.0", "1.1", "1.2", "1.3"):
        rig.model("install", rig.bundle(version), "--activate")
    result = rig.model("prune", "--keep", "0")
    assert "removed 3" in result.stdout  # 1.0, 1.1 and the shipped one that 1.0 could have come back to
    assert len(rig.store.models()) == 2


def test_a_shadow_is_chosen_and_dismissed(rig: Rig) -> None:
    rig.model("install", rig.bundle("1.0"), "--activate")
    path = rig.bundle("1.1")
    rig.model("install", path)
    assert isinstance(rig.model("compare").exception, StoreError)
    assert "tiny-1.1 is the shadow model" in rig.model("shadow", "1.1").stdout
    assert rig.store.shadow() == open_bundle(path).digest
    assert isinstance(rig.model("compare").exception, StoreError)
    rig.model("prune", "--keep", "0")
    assert rig.store.holds(open_bundle(path).digest)
    assert rig.model("shadow").exit_code == 0
    assert rig.store.shadow() is None


def test_keys_are_never_overwritten_and_listed_by_fingerprint(rig: Rig) -> None:
    assert isinstance(rig.run("key", "new", rig.folder / "maker").exception, ConfigError)
    listed = rig.run("key", "list", rig.folder / "keys").stdout.strip()
    assert listed.startswith("SHA256:")


def shipped_bench(rig: Rig) -> Rig:
    rig.write(bins={"residual": {"labels": ALL_BUT_PAPER}})
    return rig


def test_the_shipped_model_is_listed_and_shown_while_it_is_at_work(rig: Rig) -> None:
    rig, shipped = shipped_bench(rig), open_shipped_bundle()
    (listed,) = json.loads(rig.model("list", "--json").stdout)
    assert listed["digest"] == shipped.digest
    assert (listed["title"], listed["state"], listed["installed"]) == (shipped.manifest.title, "current", "shipped")
    table = rig.model("list").stdout
    assert shipped.manifest.title in table
    assert "shipped" in table
    for words in ([], [shipped.manifest.title], [shipped.manifest.version], [shipped.digest[:12]]):
        shown = rig.model("show", *words)
        assert shown.exit_code == 0, shown.exception
        assert "current" in shown.stdout
        assert shipped.digest[:20] in shown.stdout
        told = json.loads(rig.model("show", *words, "--json").stdout)
        assert told["state"] == "current"
        assert told["manifest"]["name"] == shipped.manifest.name


def test_show_without_a_name_means_the_model_at_work(rig: Rig) -> None:
    rig.model("install", rig.bundle("1.0"), "--activate")
    rig.model("install", rig.bundle("1.1"))
    assert json.loads(rig.model("show", "--json").stdout)["evidence"]["title"] == "tiny-1.0"
    listed = json.loads(rig.model("list", "--json").stdout)
    assert [row["title"] for row in listed if row["state"] == "current"] == ["tiny-1.0"]


def test_a_bundle_that_the_station_file_names_is_the_one_at_work(rig: Rig) -> None:
    rig.model("install", rig.bundle("1.0"), "--activate")
    path = rig.bundle("1.1")
    rig.write(inference={"bundle": path})
    rows = {row["title"]: row for row in json.loads(rig.model("list", "--json").stdout)}
    assert rows["tiny-1.1"]["installed"] == "named by the station file"
    assert json.loads(rig.model("show", "--json").stdout)["evidence"]["title"] == "tiny-1.1"


def test_a_model_that_is_not_there_names_those_that_are(rig: Rig) -> None:
    rig.model("install", rig.bundle("1.0"))
    assert "installed: tiny-1.0" in str(rig.model("activate", "9.9").exception)
