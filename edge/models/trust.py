"""Whose models a station takes: asked wherever a model of the store is loaded, not only when it comes in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.bundle.archive import Bundle
from edge.bundle.manifest import Taught
from edge.bundle.own_key import own_public_key
from edge.bundle.signature import load_public_keys, public_line, verify_manifest
from edge.config import Station
from edge.errors import BundleError, ConfigError
from edge.models.stored import Accept, StoredModels

log = logging.getLogger(__name__)

# All that a head is read with, and that says what it is: no key of a station's may change it.
_OF_THE_NETWORK = ("name", "geometry", "input", "output", "golden")


@dataclass(frozen=True)
class OwnKey:
    """The key of a station, which signs the heads that were taught there.

    `find_base` gives the bundle of a digest, if it is installed or came with edge-sorter.
    """

    station: str
    key: Ed25519PublicKey
    find_base: Callable[[str], Bundle | None]


@dataclass(frozen=True)
class Trust:
    """The keys that may sign a model, whether one without a signature is taken, and the key for heads taught here."""

    keys: tuple[Ed25519PublicKey, ...] = ()
    allow_unsigned: bool = False
    own: OwnKey | None = None

    def signer(self, bundle: Bundle) -> str | None:
        """The fingerprint of the trusted key that signed it; None for one that needs no signature.

        A model that came with edge-sorter needs none: whoever can change its list of digests can change the program.

        Raises:
            BundleError: nobody that is trusted signed it.
        """
        own, signature = self.own, bundle.signature
        if own is None or signature is None or signature.key != public_line(own.key):
            return self._maker(bundle)
        signer = verify_manifest(bundle.manifest_bytes, signature, (own.key,), bundle.source)
        if bundle.manifest.taught is None:
            raise BundleError(
                f"{bundle.source}: signed by the own key of station {own.station!r}, which is trusted for heads that were "
                "taught there and for no other model: sign it with its maker's key ('sorter key sign')"
            )
        self._check_taught_here(bundle, bundle.manifest.taught, own)
        return signer

    def _maker(self, bundle: Bundle) -> str | None:
        """The same where the station's own key counts for nothing."""
        if bundle.signature is None:
            if self.allow_unsigned or bundle.digest in shipped_digests():
                return None
            raise BundleError(
                f"{bundle.source}: expected a signed bundle, got an unsigned one: sign it with 'sorter key sign', "
                "or set inference.allow_unsigned = true in the station file"
            )
        if self.allow_unsigned and not self.keys:
            return None
        taught = bundle.manifest.taught
        if taught is not None and bundle.signature.key not in map(public_line, self.keys):
            raise BundleError(
                f"{bundle.source}: a head that was taught at station {taught.station!r}, signed by no key that is trusted "
                "here (a station's own key is trusted at that station alone): have an engineer sign it with "
                "'sorter key sign', whose .pub file lies in the folder of trusted keys here"
            )
        return verify_manifest(bundle.manifest_bytes, bundle.signature, self.keys, bundle.source)

    def _check_taught_here(self, bundle: Bundle, taught: Taught, own: OwnKey) -> None:
        """Refuse all but a head of this station on a network that somebody trusted signed."""
        if taught.station != own.station:
            raise BundleError(
                f"{bundle.source}: signed by the own key of station {own.station!r}, but taught at {taught.station!r}: "
                "a station's key signs only what was taught there; teach it again here, or have an engineer sign it"
            )
        base = own.find_base(taught.base)
        if base is None:
            raise BundleError(
                f"{bundle.source}: it was taught on version {taught.base_version} ({taught.base[:12]}), which is not "
                "installed here: push or install that first"
            )
        if base.manifest.taught is not None:
            raise BundleError(f"{bundle.source}: it was taught on a taught head ({taught.base[:12]}), which is no base")
        self._maker(base)
        changed = [name for name in _OF_THE_NETWORK if getattr(bundle.manifest, name) != getattr(base.manifest, name)]
        if bundle.model != base.model or changed:
            raise BundleError(
                f"{bundle.source}: not the network of {base.manifest.title} ({base.digest[:12]}), on which it says it was "
                f"taught ({', '.join(changed) or 'model.tflite'} differs): a station's own key signs no other network"
            )


def trust_of(station: Station) -> Trust:
    """What the station file, its folder of keys and the station's own key say now.

    Raises:
        ConfigError: a key is wrong.
    """
    return Trust(load_public_keys(station.inference.keys), station.inference.allow_unsigned, own_key_of(station))


def own_key_of(station: Station) -> OwnKey | None:
    """The station's own key; None where it has none that can be used: that keeps no maker's model out."""
    try:
        key = own_public_key(station.state_folder)
    except ConfigError as error:
        log.warning("%s", error)
        return None
    store = StoredModels(station.state_folder / "models")

    def find_base(digest: str) -> Bundle | None:
        if store.holds(digest):
            return store.read(digest)
        # Whoever only receives a model does not need NumPy yet.
        from edge.inference.classifier import open_shipped_bundle

        shipped = open_shipped_bundle() if digest in shipped_digests() else None
        return shipped if shipped is not None and shipped.digest == digest else None

    return None if key is None else OwnKey(station.name, key, find_base)


def accept_for(station: Station) -> Accept:
    """What refuses a bundle that the station does not trust; the keys are read anew for every bundle."""

    def accept(bundle: Bundle) -> None:
        try:
            trust_of(station).signer(bundle)
        except ConfigError as error:
            raise BundleError(f"{bundle.source}: whose it is can't be told: {error}") from None

    return accept


def shipped_digests() -> frozenset[str]:
    """SHA-256 of every model that ever came with edge-sorter; `make digests` adds the one that does now."""
    listed = resources.files("edge").joinpath("model", "digests.txt").read_text("ascii")
    return frozenset(line.split()[0] for line in listed.splitlines() if line.strip())
