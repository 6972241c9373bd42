"""The model store: what may be asked of it, and that nothing that interrupts it does harm."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.killed_at import killed_at

from edge.bundle.archive import read_bundle
from edge.errors import BundleError, StoreError
from edge.models.records import Evidence
from edge.models.store import ModelStore
from edge.models.verify import verify_store

NOW = "2026-11-01T12:00:00+00:00"
Models = dict[str, tuple[bytes, Evidence]]


@pytest.fixture(scope="module")
def models(tiny_bundle: Callable[..., bytes]) -> Models:
    """Three bundles and what was proven of them, by version."""
    found: Models = {}
    for number, version in enumerate(("1.0", "1.1", "1.2")):
        content = tiny_bundle(version=version)
        bundle = read_bundle(content, version)
        evidence = Evidence(
            digest=bundle.digest,
            title=bundle.manifest.title,
            name=bundle.manifest.name,
            version=version,
            labels=bundle.labels,
            size=bundle.size,
            signer=None,
            milliseconds=1.0,
            golden_steps=0,
            runtime="none",
            installed=f"2026-11-0{number + 1}T00:00:00+00:00",
        )
        found[version] = content, evidence
    return found


@pytest.fixture
def store(tmp_path: Path, models: Models) -> ModelStore:
    """A store with all three models, 1.0 current."""
    store = ModelStore(tmp_path / "store")
    for content, evidence in models.values():
        store.add(content, evidence)
    store.activate(models["1.0"][1].digest, "first", NOW)
    return store


def digest(models: Models, version: str) -> str:
    return models[version][1].digest


def test_an_empty_store_has_no_active_model(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "absent")
    assert store.active() is None
    assert store.models() == []
    assert verify_store(store) == []
    with pytest.raises(StoreError, match="no previous"):
        store.roll_back("", NOW)


def test_activating_makes_the_current_model_the_previous_one(store: ModelStore, models: Models) -> None:
    store.activate(digest(models, "1.1"), "better", NOW)
    generation = store.active()
    assert generation is not None
    assert (generation.current, generation.previous) == (digest(models, "1.1"), digest(models, "1.0"))
    for name, version in (("current", "1.1"), ("previous", "1.0")):
        assert (store.folder / name).resolve() == store.folder / "models" / digest(models, version)
        assert (store.folder / name / "bundle.sorter").read_bytes() == models[version][0]
    assert verify_store(store) == []


def test_a_link_that_leads_to_itself_is_found_like_any_other_that_leads_astray(
    store: ModelStore, models: Models
) -> None:
    folder = store.bundle_path(digest(models, "1.0")).parent
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)
    where = [finding.where for finding in verify_store(store)]
    assert where == [str(folder), "current", "current"]


def test_activating_the_current_model_changes_nothing(store: ModelStore, models: Models) -> None:
    before = store.active()
    assert store.activate(digest(models, "1.0"), "again", NOW) == before


def test_rolling_back_comes_back_and_is_remembered(store: ModelStore, models: Models) -> None:
    store.activate(digest(models, "1.1"), "better", NOW)
    generation = store.roll_back("it was not", NOW)
    assert generation.current == digest(models, "1.0")
    assert not generation.probation
    assert [g.why for g in store.history()] == ["first", "better", "it was not"]


def test_rolling_back_a_generation_that_is_gone_already_does_nothing(store: ModelStore, models: Models) -> None:
    watched = store.activate(digest(models, "1.1"), "better", NOW)
    newer = store.activate(digest(models, "1.2"), "by hand meanwhile", NOW)
    assert store.roll_back("worse", NOW, expected=watched.number) == newer
    assert store.active() == newer


def test_what_is_not_installed_can_not_be_activated(store: ModelStore) -> None:
    with pytest.raises(StoreError, match="not installed"):
        store.activate("0" * 64, "", NOW)


def test_a_damaged_model_can_not_be_activated_and_is_mended_by_adding_it_again(
    store: ModelStore, models: Models
) -> None:
    path = store.bundle_path(digest(models, "1.1"))
    path.chmod(0o644)
    path.write_bytes(models["1.1"][0][:-1] + b"x")
    with pytest.raises(BundleError, match="is damaged"):
        store.activate(digest(models, "1.1"), "", NOW)
    assert [finding.where for finding in verify_store(store)] == [str(path.parent)]
    store.add(*models["1.1"])
    assert verify_store(store) == []


def test_a_model_under_another_models_name_is_noticed(store: ModelStore, models: Models) -> None:
    path = store.bundle_path(digest(models, "1.1"))
    path.chmod(0o644)
    path.write_bytes(models["1.2"][0])
    with pytest.raises(BundleError, match="expected the file"):
        store.open(digest(models, "1.1"))


def test_models_are_found_by_title_version_and_start_of_digest(store: ModelStore, models: Models) -> None:
    evidence = models["1.1"][1]
    for text in ("tiny-1.1", "1.1", evidence.digest, evidence.digest[:8]):
        assert store.find(text) == evidence
    for text in ("tiny", "9.9", evidence.digest[:2]):
        with pytest.raises(StoreError, match=r"installed: tiny-1\.0"):
            store.find(text)


def test_pruning_keeps_current_previous_and_the_newest(store: ModelStore, models: Models) -> None:
    store.activate(digest(models, "1.1"), "", NOW)
    assert store.prune(keep=1) == []
    assert store.prune(keep=0) == [digest(models, "1.2")]
    assert {m.version for m in store.models()} == {"1.0", "1.1"}
    assert verify_store(store) == []


def test_old_generations_are_forgotten_and_numbers_go_on(store: ModelStore, models: Models) -> None:
    for turn in range(30):
        store.activate(digest(models, "1.1" if turn % 2 == 0 else "1.0"), "", NOW)
    history = store.history()
    assert len(history) == 21
    assert history[-1].number == 31


def test_a_damaged_pointer_is_mended_by_activating(store: ModelStore, models: Models) -> None:
    about = (store.folder / "active").resolve() / "about.json"
    about.chmod(0o644)
    about.write_bytes(b"{")
    with pytest.raises(StoreError, match="activate"):
        store.active()
    assert verify_store(store)[0].where == "active"
    store.activate(digest(models, "1.1"), "fixed", NOW)
    assert verify_store(store) == []


@pytest.mark.parametrize("shared", [False, True])
def test_the_service_may_write_where_an_administrator_installed(tmp_path: Path, models: Models, shared: bool) -> None:
    tmp_path.chmod(0o2770 if shared else 0o755)
    store = ModelStore(tmp_path / "store")
    store.add(*models["1.0"])
    store.activate(digest(models, "1.0"), "", NOW)
    for folder in (store.folder, *(store.folder / name for name in ("models", "generations", "incoming", "probation"))):
        assert (folder.stat().st_mode & 0o2020 == 0o2020) is shared


class FullDisk:
    """The operating system's calls, with a disk that is full from the nth write on."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def write(self, fd: int, content: memoryview, /) -> int:
        if self.left == 0:
            raise OSError(28, os.strerror(28))
        self.left -= 1
        return os.write(fd, content)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@pytest.mark.parametrize("writes", [0, 1])
def test_a_full_disk_is_said_and_leaves_the_store_as_it_was(
    store: ModelStore, models: Models, tiny_bundle: Callable[..., bytes], writes: int
) -> None:
    content = tiny_bundle(version="1.3")
    evidence = models["1.0"][1].model_copy(update={"digest": read_bundle(content, "x").digest, "version": "1.3"})
    full = ModelStore(store.folder, FullDisk(writes))
    with pytest.raises(StoreError, match="No space left on device"):
        full.add(content, evidence)
    if writes == 0:
        with pytest.raises(StoreError, match="No space left"):
            full.activate(digest(models, "1.1"), "", NOW)
    assert not store.holds(evidence.digest)
    assert verify_store(store) == []
    store.add(content, evidence)
    assert store.holds(evidence.digest)


# -- interrupted at every step ---------------------------------------------------------------------------------


def change_everything(store: ModelStore, models: Models) -> None:
    """One of each change, so that every step of each is met."""
    store.add(*models["1.1"])
    store.activate(digest(models, "1.1"), "better", NOW)
    store.add(*models["1.2"])
    store.activate(digest(models, "1.2"), "still better", NOW)
    store.roll_back("not so", NOW)
    store.prune(keep=0)


def assert_whole(store: ModelStore, known: set[str]) -> None:
    generation = store.active()
    assert generation is not None
    assert generation.current in known
    assert verify_store(store) == []
    assert store.open(generation.current).digest == generation.current


@pytest.mark.slow
def test_killed_before_any_line_the_store_is_whole_and_a_model_is_active(tmp_path: Path, models: Models) -> None:
    clean = ModelStore(tmp_path / "clean")
    clean.add(*models["1.0"])
    clean.activate(digest(models, "1.0"), "first", NOW)
    known = {evidence.digest for _, evidence in models.values()}
    folder, step, killed = tmp_path / "store", 0, True
    while killed:
        step += 7
        shutil.copytree(clean.folder, folder, symlinks=True)
        store = ModelStore(folder)
        killed = killed_at(
            step,
            lambda: change_everything(ModelStore(folder), models),
            r"models/store\.py|edge/system/files\.py|/shutil\.py",
        )
        assert_whole(store, known)
        if step % 5 == 0:  # and it can go on from there
            change_everything(store, models)
            assert_whole(store, known)
        shutil.rmtree(folder)
    assert step > 300


class PowerCut(BaseException):
    """The power went."""


class ForgetfulDisk:
    """The operating system's calls on a disk that forgets, at a power cut, every name that was not synced.

    File contents that were not synced are lost as well (the file is empty then).
    """

    def __init__(self, calls_left: int) -> None:
        self.left = calls_left
        self.undo: list[tuple[Path, Callable[[], None]]] = []
        self.dirty: dict[Path, None] = {}
        self.paths: dict[int, Path] = {}

    def _tick(self) -> None:
        if self.left == 0:
            raise PowerCut
        self.left -= 1

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        self._tick()
        descriptor = os.open(path, flags, mode)
        self.paths[descriptor] = Path(path)
        if flags & os.O_CREAT:
            self.undo.append((Path(path).parent, lambda: Path(path).unlink(missing_ok=True)))
            self.dirty[Path(path)] = None
        return descriptor

    def write(self, descriptor: int, content: memoryview, /) -> int:
        self._tick()
        return os.write(descriptor, content)

    def fsync(self, descriptor: int) -> None:
        self._tick()
        path = self.paths[descriptor]
        if path.is_dir():
            self.undo = [(folder, undo) for folder, undo in self.undo if folder != path]
        self.dirty.pop(path, None)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def mkdir(self, path: Path) -> None:
        self._tick()
        path.mkdir()
        self.undo.append((path.parent, lambda: shutil.rmtree(path, ignore_errors=True)))

    def symlink(self, source: Path, path: Path) -> None:
        self._tick()
        path.symlink_to(source)
        self.undo.append((path.parent, lambda: path.unlink(missing_ok=True)))

    def unlink(self, path: Path) -> None:
        path.unlink()

    def replace(self, source: Path, target: Path) -> None:
        self._tick()
        before = target.readlink() if target.is_symlink() else None
        source.replace(target)
        if source in self.dirty:
            self.dirty[target] = self.dirty.pop(source)
        # What lay below the old name, lies below the new one.
        self.undo = [(target / f.relative_to(source) if f.is_relative_to(source) else f, u) for f, u in self.undo]

        def undo() -> None:
            if target.is_symlink() or target.exists():
                target.replace(source)
            if before is not None:
                target.symlink_to(before)

        self.undo.append((target.parent, undo))

    def cut(self) -> None:
        for path in self.dirty:
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(b"")
        for _, undo in reversed(self.undo):
            undo()


@pytest.mark.slow
def test_after_a_power_cut_before_any_call_the_store_is_whole(tmp_path: Path, models: Models) -> None:
    clean = ModelStore(tmp_path / "clean")
    clean.add(*models["1.0"])
    clean.activate(digest(models, "1.0"), "first", NOW)
    known = {evidence.digest for _, evidence in models.values()}
    folder, calls = tmp_path / "store", 0
    for calls in range(1000):
        shutil.copytree(clean.folder, folder, symlinks=True)
        disk = ForgetfulDisk(calls)
        try:
            change_everything(ModelStore(folder, disk), models)
        except PowerCut:
            disk.cut()
        else:
            break
        assert_whole(ModelStore(folder), known)
        shutil.rmtree(folder)
    assert 50 < calls < 999
    disk.cut()  # all was done: a cut right after it must not undo the last change
    last = ModelStore(folder).active()
    assert last is not None
    assert last.why == "not so"
