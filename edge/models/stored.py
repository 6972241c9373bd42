"""What lies in a model store, for whoever only reads it: which model is active, which are there, and whether they are whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge.bundle.archive import Bundle, open_bundle
from edge.errors import BundleError, StoreError
from edge.models.quick import has_digest
from edge.models.records import EVIDENCE, Evidence, Generation, find_model, is_digest, read_evidence, read_record

Accept = Callable[[Bundle], object]
"""Raises BundleError for a bundle that is not to be used."""
BUNDLE = "bundle.sorter"
ABOUT = "about.json"


class StoredModels:
    """A store folder as it is now (`edge/models/store.py` says what lies where); nothing of it is changed.

    `accept` raises BundleError for a model that `open` must not give out: see `edge.models.select.open_store`.
    """

    def __init__(self, folder: Path, accept: Accept = lambda bundle: None) -> None:
        self.folder = folder
        self._accept = accept

    def active(self) -> Generation | None:
        """The active generation, or None where no model was ever activated."""
        try:
            return read_record(self.folder / "active" / ABOUT, Generation)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.folder}: can't read the store ({error.strerror})") from None
        except ValueError:
            raise StoreError(
                f"{self.folder}/active/{ABOUT} is damaged: activate a model again with 'sorter model activate DIGEST'"
            ) from None

    def bundle_path(self, digest: str) -> Path:
        """Where a model's file lies, whether or not it is there."""
        return self.folder / "models" / digest / BUNDLE

    def open(self, digest: str) -> Bundle:
        """Read a model that is to be used: verified against its own name, and made by somebody who is trusted.

        Raises:
            BundleError: it is damaged, not what its folder's name says, or nobody's who is trusted.
        """
        bundle = self.read(digest)
        self._accept(bundle)
        return bundle

    def read(self, digest: str) -> Bundle:
        """Read a model to look at it, whoever made it; verified against its own name.

        Raises:
            BundleError: it is damaged, or not what its folder's name says.
        """
        bundle = open_bundle(self.bundle_path(digest))
        if bundle.digest != digest:
            raise BundleError(
                f"{bundle.source}: expected the file {digest[:12]}, got {bundle.digest[:12]}: push the model again"
            )
        return bundle

    def holds(self, digest: str) -> bool:
        """Tell whether a model is installed."""
        try:
            return (self.folder / "models" / digest / EVIDENCE).is_file()
        except OSError:  # a folder on the way that is not ours
            return False

    def is_whole(self, digest: str) -> bool:
        """Tell whether an installed model's file still has its digest."""
        return has_digest(self.bundle_path(digest), digest)

    def models(self) -> list[Evidence]:
        """All installed models in order of installation; damaged evidence is left out (see `verify_store`)."""
        found = []
        for folder in (self.folder / "models").glob("*"):
            with suppress(OSError, ValueError):
                found.append(read_evidence(folder))
        return sorted(found, key=lambda evidence: (evidence.installed, evidence.digest))

    def find(self, text: str) -> Evidence:
        """The one installed model that the text names (see `find_model`)."""
        return find_model(self.models(), text)

    def shadow(self) -> str | None:
        """Digest of the shadow model; None where there is none."""
        try:
            name = (self.folder / "shadow").readlink().name
        except OSError:
            return None
        return name if is_digest(name) else None

    def history(self) -> list[Generation]:
        """The generations that are kept, oldest first."""
        found = []
        for path in sorted((self.folder / "generations").glob(f"[0-9]*/{ABOUT}")):
            with suppress(OSError, ValueError):
                found.append(read_record(path, Generation))
        return found
