"""The model store: immutable folders named by digest, and one link that says which generation is active.

    models/DIGEST/bundle.sorter     the file as it came (0444)
    models/DIGEST/evidence.json     what was proven before it was let in
    generations/000007/current      -> ../../models/DIGEST
    generations/000007/previous     -> ../../models/DIGEST, where there was one
    generations/000007/about.json   why and when
    active                          -> generations/000007, the one link that is ever replaced
    current, previous               -> active/current, active/previous, for people and scripts
    incoming/                       transfers and folders that are not complete
    probation/000007.json           how a generation does

`current` and `previous` change together, because a single rename of `active` changes both.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edge.errors import BundleError, StoreError
from edge.models.quick import make_shared_folder
from edge.models.records import EVIDENCE, Evidence, Generation
from edge.models.stored import ABOUT, BUNDLE, Accept, StoredModels
from edge.system.files import FileCalls, sync_folder, write_atomically

_GENERATIONS_KEPT = 20
_LOCK = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StoreCalls(FileCalls, Protocol):
    """The calls of the operating system that change a store; the module `os` is one."""

    def mkdir(self, path: Path) -> None: ...
    def symlink(self, src: Path, dst: Path) -> None: ...
    def link(self, src: Path, dst: Path) -> None: ...


class ModelStore(StoredModels):
    """A store folder that may be changed; any number of processes may use it at once."""

    def __init__(self, folder: Path, calls: StoreCalls = os, accept: Accept = lambda bundle: None) -> None:
        super().__init__(folder, accept)
        self._calls = calls

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing the store meanwhile.

        Raises:
            StoreError: the disk refused something (full, read-only, no permission).
        """
        try:
            if not self.folder.is_dir():
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                make_shared_folder(self.folder, self._calls)
            # Only for reading, so that the service and an administrator can hold each other's lock.
            lock = os.open(self.folder / ".lock", _LOCK, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._make_folders()
                yield
            finally:
                os.close(lock)
        except OSError as error:
            where = error.filename or self.folder
            raise StoreError(
                f"{where}: the model store can't be changed ({error.strerror}): "
                "free space with 'sorter model prune', or check who owns the folder; what was active still is"
            ) from None

    def add(self, source: bytes | Path, evidence: Evidence) -> None:
        """Let a proven bundle in; it is complete or absent at every instant.

        Args:
            source: the file's content, or a file in the store's own `incoming` that is already on disk.
            evidence: names the digest that the content has.
        """
        calls, target = self._calls, self.folder / "models" / evidence.digest
        with self.locked():
            if self.holds(evidence.digest) and self.is_whole(evidence.digest):
                return
            staging = self.folder / "incoming" / f"{evidence.digest}.new"
            shutil.rmtree(staging, ignore_errors=True)
            calls.mkdir(staging)
            if isinstance(source, Path):
                calls.link(source, staging / BUNDLE)
                (staging / BUNDLE).chmod(0o444)
            else:
                write_atomically(staging / BUNDLE, source, 0o444, calls)
            write_atomically(staging / EVIDENCE, evidence.model_dump_json(indent=2).encode() + b"\n", 0o444, calls)
            if target.exists():  # damaged: out of the way, it is of no use to anybody
                aside = staging.with_suffix(".damaged")
                shutil.rmtree(aside, ignore_errors=True)
                calls.replace(target, aside)
            calls.replace(staging, target)
            sync_folder(target.parent, calls)
            shutil.rmtree(staging.with_suffix(".damaged"), ignore_errors=True)

    def activate(self, digest: str, why: str, now: str, probation: bool = True) -> Generation:
        """Make an installed model current; what was current becomes previous. A no-op if it is current.

        Raises:
            StoreError: it is not installed.
            BundleError: it is damaged.
        """
        with self.locked():
            if not self.holds(digest):
                raise StoreError(f"model {digest[:12]} is not installed: 'sorter model list' shows what is")
            if not self.is_whole(digest):
                raise BundleError(f"{self.bundle_path(digest)} is damaged: push or install the model again")
            try:
                before = self.active()
            except StoreError:
                before = None
            if before is not None and before.current == digest:
                return before
            previous = None if before is None else before.current
            return self._switch(digest, previous, why, now, probation)

    def roll_back(self, why: str, now: str, expected: int | None = None) -> Generation:
        """Make the previous model current again.

        Args:
            why: for the history.
            now: ISO 8601, UTC.
            expected: number of the generation that is meant; another one stays as it is.

        Raises:
            StoreError: there is no previous model.
        """
        with self.locked():
            before = self.active()
            if before is None or before.previous is None:
                raise StoreError(f"{self.folder}: there is no previous model to come back to")
            if expected is not None and before.number != expected:
                return before
            self.open(before.previous)
            return self._switch(before.previous, before.current, why, now, probation=False)

    def set_shadow(self, digest: str | None) -> None:
        """Make an installed model the shadow, or none."""
        with self.locked():
            if digest is None:
                (self.folder / "shadow").unlink(missing_ok=True)
                sync_folder(self.folder, self._calls)
                return
            self.open(digest)
            self._replace_link(Path("models", digest), self.folder / "shadow")

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest `keep` models, current, previous and shadow never; return the digests removed.

        A model on which a head was taught stays as long as the head does, which is nothing without it.
        """
        with self.locked():
            generation = self.active()
            needed = {self.shadow()} | (set() if generation is None else {generation.current, generation.previous})
            loose = [model for model in self.models() if model.digest not in needed]
            needed |= {model.digest for model in loose[max(0, len(loose) - keep) :]}
            bases = {model.base for model in self.models() if model.digest in needed}
            removed = [model.digest for model in loose if model.digest not in needed | bases]
            for digest in removed:
                gone = self.folder / "incoming" / f"{digest}.gone"
                shutil.rmtree(gone, ignore_errors=True)
                # First out of sight in one step, so that a half removed model is never taken for one.
                self._calls.replace(self.folder / "models" / digest, gone)
            sync_folder(self.folder / "models", self._calls)
            for path in (self.folder / "incoming").iterdir():
                if path.suffix in (".gone", ".damaged", ".new"):
                    shutil.rmtree(path, ignore_errors=True)
                elif path.suffix == ".lock":  # left by earlier versions, one for every model
                    path.unlink(missing_ok=True)
            return removed

    def _switch(self, current: str, previous: str | None, why: str, now: str, probation: bool) -> Generation:
        calls, generations = self._calls, self.folder / "generations"
        numbers = [int(path.name) for path in generations.iterdir() if path.name.isdigit()]
        number = max(numbers, default=0) + 1
        generation = Generation(
            number=number, current=current, previous=previous, why=why, since=now, probation=probation
        )
        folder, staging = generations / f"{number:06}", generations / f".{number:06}.new"
        shutil.rmtree(staging, ignore_errors=True)
        calls.mkdir(staging)
        for name, digest in (("current", current), ("previous", previous)):
            if digest is not None:
                calls.symlink(Path("..", "..", "models", digest), staging / name)
        # Its last step makes all names in the folder durable, so it comes after the links.
        write_atomically(staging / ABOUT, generation.model_dump_json(indent=2).encode() + b"\n", 0o444, calls)
        calls.replace(staging, folder)
        sync_folder(generations, calls)
        self._replace_link(Path("generations", folder.name), self.folder / "active")
        for number in sorted(numbers)[:-_GENERATIONS_KEPT]:
            shutil.rmtree(generations / f"{number:06}", ignore_errors=True)
        return generation

    def _replace_link(self, target: Path, link: Path) -> None:
        temporary = link.with_name(f".{link.name}.new")
        temporary.unlink(missing_ok=True)
        self._calls.symlink(target, temporary)
        self._calls.replace(temporary, link)
        sync_folder(link.parent, self._calls)

    def _make_folders(self) -> None:
        missing = [n for n in ("models", "generations", "incoming", "probation") if not (self.folder / n).is_dir()]
        for name in missing:
            make_shared_folder(self.folder / name, self._calls)
        for name in ("current", "previous"):
            if not (self.folder / name).is_symlink():
                self._replace_link(Path("active", name), self.folder / name)
        if missing:
            sync_folder(self.folder, self._calls)
            sync_folder(self.folder.parent, self._calls)
