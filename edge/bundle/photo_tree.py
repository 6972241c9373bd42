"""Folders of photos: which files are photos, and which label a folder's name means; one rule for all that read them."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.bundle.manifest import LABEL
from edge.bundle.photo import SUFFIXES, PhotoError

# Kinds that people take for photos: they are listed, so that reading them says what to do, and not passed over in silence.
_TO_BE_CONVERTED = frozenset({".heic", ".heif", ".avif", ".gif"})
# What systems leave in folders; whatever begins with a dot is left out too (._NAME.jpg, .ipynb_checkpoints, .Trash).
_LEFT_BY_SYSTEMS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
MASK_SUFFIX: Final = ".mask.png"
"""The mask of an object lies beside its photo: NAME.mask.png beside NAME.jpg."""
_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe", "ł": "l", "đ": "d"}
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is no one's photos: hidden, or left by a system."""
    return name.startswith(".") or name.lower() in _LEFT_BY_SYSTEMS


def is_photo(path: Path) -> bool:
    """Whether a name is that of a photo, also of a kind that has to be converted first."""
    known = path.suffix.lower() in SUFFIXES | _TO_BE_CONVERTED
    return known and not is_hidden(path.name) and not path.name.endswith(MASK_SUFFIX)


def photos_in(folder: Path) -> list[Path]:
    """All photos in a folder and below, in order of their names.

    Raises:
        PhotoError: a folder can't be listed.
    """

    def refuse(error: OSError) -> None:
        raise PhotoError(f"{error.filename}: can't list this folder ({error.strerror}): correct its rights")

    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not is_hidden(name)]
        found += [Path(parent, name) for name in files if is_photo(Path(name))]
    return sorted(path for path in found if _is_file(path))


def _is_file(path: Path) -> bool:
    """Not a pipe, which would keep its reader waiting for ever; a link that leads nowhere is named when it is read."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def label_folders(root: Path) -> list[Path]:
    """The folders right below that may hold a label's photos, in order of their names.

    Raises:
        PhotoError: the folder can't be listed.
    """
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not is_hidden(path.name))
    except OSError as error:
        raise PhotoError(f"{root}: can't list this folder ({error.strerror}): expected one folder a label") from None


def as_label(name: str) -> str:
    """The label that a name means, empty if it holds no letter: `Can` is can, `Plastic Bottles` is plastic-bottles.

    A label stays as it is; how a file system writes an accent (NFC, NFD) makes no difference.
    """
    if re.fullmatch(LABEL, name):
        return name
    lower = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower()).translate(_LETTERS)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9_-]+", "-", plain).lstrip("-_0123456789")[:32].rstrip("-")


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; of a folder all photos in it and below, in order of their names.

    Raises:
        PhotoError: a folder holds no photos or can't be listed.
    """
    found: list[Path] = []
    for path in paths:
        inside = photos_in(path) if path.is_dir() else [path]
        if not inside:
            raise PhotoError(f"{path}: the folder holds no photos ({', '.join(sorted(SUFFIXES))})")
        found += inside
    return found


def check_unreadable(errors: Sequence[PhotoError], total: int) -> None:
    """Accept that a tenth of the photos, and one of a few, can't be read.

    Raises:
        PhotoError: more than that, or all.
    """
    if errors and (len(errors) > max(1, total // 10) or len(errors) == total):
        raise PhotoError(f"{len(errors)} of {total} photos can't be read, the first: {errors[0]}")
